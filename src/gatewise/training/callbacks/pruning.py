"""Giving up a training that a search for hyperparameters finds hopeless."""

from __future__ import annotations

import importlib.util
from typing import Any

from gatewise.training.callbacks.monitor import MonitorCallback


class TrialPruned(Exception):
    """A trial was given up; raised where Optuna, whose exception of this name is used otherwise, is not installed."""


class PruningCallback(MonitorCallback):
    """Report a number to an Optuna trial after every epoch, and end the trial when Optuna says so.

    Args:
        trial: an `optuna.trial.Trial`, or anything with `report(value, step)` and `should_prune()`.
        monitor: which number.
        interval: report every so many epochs.

    Raises:
        optuna.TrialPruned: when the trial is given up.
    """

    def __init__(self, trial: Any, monitor: str = "val_loss", interval: int = 1) -> None:
        super().__init__(monitor)
        if not (hasattr(trial, "report") and hasattr(trial, "should_prune")):
            raise TypeError(f"PruningCallback: trial is the argument of an Optuna objective; got {trial!r}.")
        if isinstance(interval, bool) or not hasattr(interval, "__index__") or interval < 1:
            raise ValueError(f"PruningCallback: interval is a positive integer; got {interval!r}.")
        self.trial = trial
        self.interval = interval

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if (epoch + 1) % self.interval:
            return
        value = self.value_in(logs or {})
        if value is None:
            return
        self.trial.report(float(value), step=epoch)
        if self.trial.should_prune():
            raise _exception()(f"Given up after epoch {epoch + 1}: {self.monitor} is {float(value):g}.")


def _exception() -> type[Exception]:
    if importlib.util.find_spec("optuna") is None:
        return TrialPruned
    import optuna  # pyright: ignore[reportMissingImports]

    return optuna.TrialPruned

"""Callbacks that watch one number: which way it is to go, and whether it got better."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gatewise import suggest
from gatewise.training.callbacks.base import Callback
from gatewise.training.finite import levels_to_user

_UP = frozenset(
    "AUC Accuracy BinaryAccuracy BinaryIoU CategoricalAccuracy ConcordanceCorrelation CosineSimilarity F1Score "
    "FBetaScore IoU MeanIoU OneHotIoU OneHotMeanIoU PearsonCorrelation Precision PrecisionAtRecall R2Score Recall "
    "RecallAtPrecision SensitivityAtSpecificity SparseCategoricalAccuracy SparseTopKCategoricalAccuracy "
    "SpecificityAtSensitivity TopKCategoricalAccuracy".split()
)
_DOWN = frozenset(
    "BinaryCrossentropy CategoricalCrossentropy CategoricalHinge Hinge KLDivergence LogCoshError MeanAbsoluteError "
    "MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson RootMeanSquaredError "
    "SparseCategoricalCrossentropy SquaredHinge".split()
)


class MonitorCallback(Callback):
    """Base of callbacks that compare one of the logged numbers with the best so far.

    Args:
        monitor: the number's name in the logs, such as "val_loss".
        mode: "min" (less is better), "max", or "auto": from the name and the model's metrics.
        baseline: what the first number is compared with; None: nothing.
        min_delta: a change of less than this is none.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", baseline: float | None = None, min_delta: float = 0
    ) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"{type(self).__name__}: monitor is a name such as 'val_loss'; got {monitor!r}.")
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__}: mode is 'auto', 'min' or 'max'; got {mode!r}, and 'auto' is used.",
                stacklevel=levels_to_user(),
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self._sign = {"min": -1, "max": 1}.get(mode, 0)

    def is_better(self, value: Any, reference: Any) -> bool:
        """Whether a value is better than the reference by more than `min_delta`; anything is better than None.

        Raises:
            ValueError: if it is not known whether more or less is better.
        """
        self.resolve_mode()
        if reference is None:
            return True
        if self._sign > 0:
            return bool(value - self.min_delta > reference)
        return bool(value + self.min_delta < reference)

    def resolve_mode(self) -> None:
        """Find out whether more or less is better.

        Raises:
            ValueError: if neither the name nor the model's metrics tell.
        """
        if self._sign == 0:
            self._sign = _sign_of(self.monitor.removeprefix("val_"), self.model)
        if self._sign == 0:
            told = list(getattr(self.model, "metrics_names", []))
            known = [*told, *(f"val_{name}" for name in told)]
            hint = "" if self.monitor in known else suggest.unknown("name", self.monitor, known) + " "
            raise ValueError(
                f"{type(self).__name__}(monitor={self.monitor!r}): {hint}Nothing tells whether more or less of it is "
                "better; write mode='min' or mode='max'."
            )

    def value_in(self, logs: dict[str, Any]) -> Any:
        """The watched number; None, with a warning that says what there is, if it was not logged."""
        value = logs.get(self.monitor)
        if value is None:
            why = ""
            if self.monitor.startswith("val_") and not any(name.startswith("val_") for name in logs):
                why = " Nothing was validated: give fit validation_data or validation_split."
            warnings.warn(
                f"{type(self).__name__}(monitor={self.monitor!r}): {suggest.unknown('name', self.monitor, logs)}{why}",
                stacklevel=levels_to_user(),
            )
        elif np.ndim(value):
            raise ValueError(
                f"{type(self).__name__}(monitor={self.monitor!r}): this is an array of shape {np.shape(value)}, and "
                "one number is needed. Watch another, or add a metric that averages."
            )
        return value


def _sign_of(name: str, model: Any) -> int:
    """1 where more is better, -1 where less is, 0 where nobody knows."""
    if name == "loss" or name.endswith("_loss"):
        return -1
    objective = getattr(model, "_objective", None)
    keyed = list(getattr(objective, "_keyed", []))
    named = [*keyed, *((metric.name, metric) for metric in getattr(model, "metrics", []))]
    for metric in (metric for key, metric in named if key == name):
        if sign := _sign_of_metric(metric):
            return sign
    return 0


def _sign_of_metric(metric: Any) -> int:
    told = {"up": 1, "down": -1}.get(getattr(metric, "_direction", ""), 0)
    if told:
        return told
    for kind in type(metric).__mro__:
        if kind.__name__ in _UP | _DOWN:
            return 1 if kind.__name__ in _UP else -1
    # A loss function that serves as a metric, "mse" say, is better where it is less.
    name = getattr(getattr(metric, "_fn", None), "__name__", "").replace("_", "")
    for names, sign in ((_UP, 1), (_DOWN, -1)):
        if name in {known.lower() for known in names}:
            return sign
    return 0

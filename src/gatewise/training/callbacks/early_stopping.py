"""Stopping when training gets no better."""

from __future__ import annotations

from typing import Any

from gatewise.training.callbacks.monitor import MonitorCallback


class EarlyStopping(MonitorCallback):
    """Stop when a number has not become better for some epochs.

    Args:
        monitor, mode, min_delta: which number, and what is better; see `MonitorCallback`.
        patience: how many epochs without improvement are waited for.
        verbose: 1: say when training stops, and which weights it ends with.
        baseline: improvements that do not reach it too do not end the waiting.
        restore_best_weights: end with the weights of the best epoch instead of the last.
        start_from_epoch: epochs before this one (from 0) are not looked at.
    """

    state_names = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._begin()

    def on_train_begin(self, logs: Any = None) -> None:
        self._begin()

    def _begin(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.resolve_mode()
        value = self.value_in(logs or {})
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self._keep(epoch)
        self.wait += 1
        if self.is_better(value, self.best):
            self.best = value
            self._keep(epoch)
            if self.baseline is None or self.is_better(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: {self.monitor} gets no better; training stops.")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"The weights are those after epoch {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def _keep(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

"""Evaluating with the moving average of the weights."""

from __future__ import annotations

from typing import Any

from gatewise.training.callbacks.base import Callback


class SwapEMAWeights(Callback):
    """Put the optimizer's moving average of the weights into the model while it is evaluated or predicts.

    Args:
        swap_on_epoch: do so at the end of every epoch too, until the next begins: for callbacks after this one that
            save the model.

    Raises:
        ValueError: if the optimizer keeps no average.
    """

    state_names = ("_swapped",)

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def set_run(self, run: Any) -> None:
        """Called by `fit` with what it keeps of the run."""
        run.before_end.append(self._settle)

    def _settle(self) -> None:
        """At the end of training the optimizer's average becomes the weights: it must not be the swapped ones."""
        if self._swapped:
            store, average = self._buffers()
            average[:] = store.values

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self.swap_on_epoch:
            self._put(False)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.swap_on_epoch:
            self._put(True)

    def on_test_begin(self, logs: Any = None) -> None:
        self._put(True)

    def on_test_end(self, logs: Any = None) -> None:
        self._put(False)

    def on_predict_begin(self, logs: Any = None) -> None:
        self._put(True)

    def on_predict_end(self, logs: Any = None) -> None:
        self._put(False)

    def _put(self, averaged: bool) -> None:
        """Have the model hold the average (True) or the weights that are trained (False)."""
        if averaged == self._swapped:
            return
        store, average = self._buffers()
        before = store.values.copy()
        store.values[:] = average
        average[:] = before
        store.touch()
        self._swapped = averaged

    def _buffers(self) -> tuple[Any, Any]:
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if not getattr(optimizer, "use_ema", False):
            raise ValueError(
                f"SwapEMAWeights needs an optimizer that keeps an average: {type(optimizer).__name__}(use_ema=True)."
            )
        store = self.model._ready_store()
        return store, optimizer._state.buffers["average"]

"""The progress of training as a callback of its own."""

from __future__ import annotations

from typing import Any

from gatewise.training.callbacks.base import Callback
from gatewise.training.progress import Progress


class ProgbarLogger(Callback):
    """Print what fit, evaluate and predict print by themselves; given among the callbacks, it takes their place."""

    prints_progress = True  # fit prints nothing by itself beside it

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._in_fit = False
        self._seen = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self._in_fit = True
        self._begin(self.params["epochs"])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._seen = 0
        if self._progress is not None:
            self._progress.begin_epoch(epoch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._advance(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._finish(logs)

    def on_train_end(self, logs: Any = None) -> None:
        self._in_fit = False
        if self._progress is not None:
            self._progress.__exit__()

    def on_test_begin(self, logs: Any = None) -> None:
        if not self._in_fit:
            self._begin(None)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self._in_fit:
            self._advance(batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        if not self._in_fit:
            self._finish(logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        self._begin(None)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self._advance(batch, {})

    def on_predict_end(self, logs: Any = None) -> None:
        self._finish({})

    def _begin(self, epochs: int | None) -> None:
        self._progress = Progress(self.params["verbose"], epochs)
        if epochs is None:
            self._seen = 0
            self._progress.begin_epoch(0)

    def _advance(self, batch: int, logs: Any) -> None:
        self._seen = batch + 1
        if self._progress is not None:
            self._progress.batch(self._seen, self.params["steps"], lambda: logs or {})

    def _finish(self, logs: Any) -> None:
        if self._progress is not None:
            self._progress.end_epoch(self._seen, logs or {})

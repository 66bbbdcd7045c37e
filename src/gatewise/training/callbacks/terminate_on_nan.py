"""Stopping when the loss is no number any more."""

from __future__ import annotations

import math
from typing import Any

from gatewise.training.callbacks.base import Callback


class TerminateOnNaN(Callback):
    """Stop training after the first batch whose loss is NaN or infinite.

    Args:
        raise_error: raise instead, so that no other callback is told of an end of training.

    Raises:
        RuntimeError: with `raise_error`, naming the batch.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"The loss is {float(loss)} after batch {batch} (counted from 0).")
        print(f"Batch {batch}: the loss is {float(loss)}; training stops.")
        self.model.stop_training = True

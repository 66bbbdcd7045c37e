"""Stopping when the loss is no number any more."""

from __future__ import annotations

import math
from typing import Any

from gatewise.training.callbacks.base import Callback
from gatewise.training.snapshot import Snapshot


class TerminateOnNaN(Callback):
    """Stop training after the first batch whose loss is NaN or infinite.

    Args:
        raise_error: raise instead, so that no other callback is told of an end of training.
        diagnose: go through the fatal step again, and print where the first number that is not finite came up: in the
            data, in a layer (its gate and time step), in the loss, in a gradient, or in the optimizer's step.  For that
            the weights and the optimizer's state are copied before each step: one pass through memory, and as much
            memory again.
        lang: the language of that diagnosis: "en", "zh" or "de"; default the environment's.

    Attributes:
        diagnosis: a `gatewise.explain.diagnosis.Diagnosis` of the fatal step; None as long as there was none.

    Raises:
        RuntimeError: with `raise_error`, naming the batch.
    """

    def __init__(self, raise_error: bool = False, diagnose: bool = False, lang: str | None = None) -> None:
        self.raise_error = raise_error
        self.diagnose = bool(diagnose)
        self.lang = lang
        self.diagnosis: Any = None
        self._run: Any = None
        self._before: Snapshot | None = None
        self._step: tuple[Any, int, int] | None = None
        self._is_fatal = False

    def set_run(self, run: Any) -> None:
        """Called by `fit` with what it keeps of the run."""
        self._run = run

    def on_train_begin(self, logs: Any = None) -> None:
        self.diagnosis = self._before = self._step = None
        self._is_fatal = False
        if self.diagnose:
            from gatewise.explain.language import chosen_language

            self.lang = chosen_language(self.lang)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Keep the numbers before this step, unless it was the step before that spoilt the weights."""
        if not self.diagnose or self._is_fatal:
            return
        if self._before is not None and not self._before.weights_are_finite():
            self._is_fatal = True
        elif self._before is None:
            self._before = Snapshot(self.model, with_optimizer=True)
        else:
            self._before.take()
        if not self._is_fatal:
            self._step = (self._run.batch, self._run.epoch, batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        told = ""
        if self.diagnose and self._step is not None:
            self.diagnosis = self._diagnosed(*self._step)
            told = f"\n\n{self.diagnosis}"
        if self.raise_error:
            raise RuntimeError(f"The loss is {float(loss)} after batch {batch} (counted from 0).{told}")
        print(f"Batch {batch}: the loss is {float(loss)}; training stops.{told}")
        self.model.stop_training = True

    def _diagnosed(self, samples: Any, epoch: int, batch: int) -> Any:
        """The diagnosis of a step, from the numbers before it; the model's numbers after it stay."""
        from gatewise.explain.diagnosis import examine

        assert self._before is not None
        after = Snapshot(self.model, with_optimizer=True)
        self._before.put_back()
        try:
            return examine(self.model, samples, samples, str(self.lang), place=(epoch, batch))
        finally:
            after.put_back()

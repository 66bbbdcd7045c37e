"""What `step` and `run` are given, as arrays (N, T, ...) in the types of the model's inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.arguments import describe
from gatewise.validation import drawn


class StreamInput:
    """One input of a streamed model.

    Args:
        model, name: for messages.
        shape: of the symbolic input, batch first.
        dtype: of the symbolic input.
        timed: whether axis 1 is the stream's time; other inputs are given whole at every step.
        batch: the number of rows of the stream.
    """

    def __init__(self, model: str, name: str, shape: tuple, dtype: np.dtype, timed: bool, batch: int) -> None:
        self.model, self.name, self.dtype, self.timed, self.batch = model, name, dtype, timed, batch
        self.sample = tuple(shape[2:] if timed else shape[1:])

    @staticmethod
    def alone(given: Any) -> Any:
        """The one input of a model with one: it may come alone, in a list of one array or in a dictionary."""
        if isinstance(given, dict) and len(given) == 1:
            return next(iter(given.values()))
        is_listed = isinstance(given, list | tuple) and len(given) == 1 and isinstance(given[0], np.ndarray)
        return given[0] if is_listed else given

    def one_step(self, given: Any) -> np.ndarray:
        """One time step as (N, 1, ...); an input without time as (N, ...)."""
        x = self._as_array(given)
        if not self._fits(x.shape, (self.batch,)):
            if self.batch == 1 and self._fits((1, *x.shape), (1,)):
                x = x[None]
            elif self.sample[-1:] == (1,) and self._fits((*x.shape, 1), (self.batch,)):
                x = x[..., None]
            elif self.batch == 1 and x.shape == () and self.sample == (1,):
                x = x.reshape(1, 1)
            elif self.timed and self._fits(x.shape, (self.batch, 1)):  # x[:, t : t + 1]
                return x
            else:
                raise self._refusal(x, (self.batch,), "step")
        return x[:, None] if self.timed else x

    def chunk(self, given: Any) -> np.ndarray:
        """Some time steps as (N, T, ...), contiguous; an input without time as (N, ...)."""
        if not self.timed:
            return self.one_step(given)
        x = self._as_array(given)
        lead = (self.batch, None)
        if not self._fits(x.shape, lead):
            if self.batch == 1 and self._fits((1, *x.shape), lead):
                x = x[None]
            elif self.sample[-1:] == (1,) and self._fits((*x.shape, 1), lead):
                x = x[..., None]
            elif self.batch == 1 and x.ndim == 1 and self.sample == (1,):
                x = x[None, :, None]
            else:
                raise self._refusal(x, lead, "run")
        return np.ascontiguousarray(x)

    def _as_array(self, given: Any) -> np.ndarray:
        x = np.asarray(given)
        if x.dtype.kind not in "fiub":
            raise ValueError(
                f"The stream of model '{self.model}' is given numbers; for input '{self.name}' it was given "
                f"{describe(given)}."
            )
        return x.astype(self.dtype, copy=False)

    def _fits(self, shape: tuple, lead: tuple) -> bool:
        wanted = (*lead, *self.sample)
        return len(shape) == len(wanted) and all(w is None or n == w for n, w in zip(shape, wanted, strict=True))

    def _refusal(self, x: np.ndarray, lead: tuple, what: str) -> ValueError:
        axes = ("batch", "time steps")[: len(lead)]
        names = ("features",) if len(self.sample) == 1 else tuple(f"axis {2 + k}" for k in range(len(self.sample)))
        hint = ""
        if what == "step" and x.ndim == 2 + len(self.sample):
            hint = " Give one time step, x[:, t], or several at once to run(x)."
        elif what == "run" and self._fits(x.shape, (self.batch,)):
            hint = " One time step goes to step(x)."
        elif x.ndim and x.shape[0] != self.batch and self._fits(x.shape, (None, *lead[1:])):
            hint = f" For {x.shape[0]} sequences at once make another stream: model.stream(batch_size={x.shape[0]})."
        return ValueError(
            f"The stream of model '{self.model}' was given {'one step' if what == 'step' else 'a chunk'} of input "
            f"'{self.name}' that does not fit.\n"
            f"    expected: {drawn((*lead, *self.sample), (*axes, *names))}\n    given:    {drawn(x.shape)}\n{hint}"
        )


def step_mask(given: Any, batch: int) -> np.ndarray | None:
    """A step's mask (N,), or one truth value for one row, as (N, 1); None stays None."""
    return None if given is None else chunk_mask(np.asarray(given).reshape(-1, 1), batch, 1)


def chunk_mask(given: Any, batch: int, steps: int) -> np.ndarray | None:
    """A chunk's mask (N, T), or (T,) for one row, as (N, T); None stays None.

    Raises:
        ValueError: for another shape.
    """
    if given is None:
        return None
    mask = np.asarray(given)
    if mask.dtype.kind not in "fiub":
        raise ValueError(f"The mask of a stream holds truth values; got {describe(given)}.")
    mask = mask if mask.dtype == bool else mask != 0
    if mask.ndim == 1 and batch == 1:
        mask = mask[None]
    if mask.shape != (batch, steps):
        raise ValueError(
            "The mask says for each row of the stream whether the step counts.\n"
            f"    expected: {drawn((batch, steps), ('batch', 'time steps'))}\n    given:    {drawn(np.shape(given))}"
        )
    return np.ascontiguousarray(mask)

"""Running a model again with the vectors that stand for tokens replaced, and with the padding of the first run.

Nobody does so unless there is a `taping` block on the thread; an Embedding or a Masking layer then asks its tape.  The
calls of these layers are known by their order, which is the same in every run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

tapes: dict[int, Recording | Replay] = {}
"""The tape of each thread that has one; empty where nobody does, which is all that layers ask."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """One call of an Embedding: the layer, its input and its output."""

    layer: Any
    x: np.ndarray
    vectors: np.ndarray


@dataclass(eq=False)
class Recording:
    """What Embeddings looked up and which steps counted, in the order of the calls."""

    lookups: list[Lookup] = field(default_factory=list)
    masks: list[np.ndarray] = field(default_factory=list)

    def looked_up(self, layer: Any, x: np.ndarray, forward: Callable[[], Any]) -> Any:
        y, pullback = forward()
        self.lookups.append(Lookup(layer, np.asarray(x), y))
        return y, pullback

    def mask(self, own: np.ndarray) -> np.ndarray:
        self.masks.append(own)
        return own


class Replay:
    """A run in which what was recorded holds.

    Args:
        recording: of the first run.
        vectors: for each lookup what takes the place of its output; None where it stays what it is.

    Attributes:
        slopes: for each lookup the gradient that came back to it; None before, and where none came.
    """

    def __init__(self, recording: Recording, vectors: Sequence[Any]) -> None:
        self._vectors, self._masks = list(vectors), list(recording.masks)
        self.slopes: list[Any] = [None] * len(self._vectors)
        self._lookup, self._mask = -1, -1

    def looked_up(self, layer: Any, x: np.ndarray, forward: Callable[[], Any]) -> Any:
        self._lookup += 1
        k, y = self._lookup, self._vectors[self._lookup]
        if y is None:
            return forward()

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            before = self.slopes[k]
            self.slopes[k] = dy if before is None else before + dy
            return (None,), {}

        return y, pullback

    def mask(self, own: np.ndarray) -> np.ndarray:
        self._mask += 1
        first = self._masks[self._mask]
        return first if first.shape == own.shape else np.concatenate([first] * (len(own) // len(first)))


def own_tape() -> Recording | Replay | None:
    """This thread's tape, or None."""
    return tapes.get(threading.get_ident()) if tapes else None


def pinned_mask(own: np.ndarray) -> np.ndarray:
    """The steps that count: those of the first run where this is another of the same."""
    tape = own_tape()
    return own if tape is None else tape.mask(own)


@contextmanager
def taping(tape: Recording | Replay) -> Iterator[None]:
    """Within the block this thread's Embedding and Masking layers ask the tape.

    Raises:
        RuntimeError: within another such block.
    """
    key = threading.get_ident()
    if key in tapes:
        raise RuntimeError("Attributions are being computed already: attribute() was called from within a layer.")
    tapes[key] = tape
    try:
        yield
    finally:
        del tapes[key]

"""Batches cut from whole arrays, in memory or in files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gatewise import random
from gatewise.stored import Stored
from gatewise.training.data import Batch, warn_of_end
from gatewise.training.sources.closing import Closing

DEFAULT_SIZE = 32


class ArrayBatches(Closing):
    """Batches cut from whole arrays.

    Args:
        whole: all samples.
        batch_size: samples in a batch; the last may be short.  Default 32, or what makes a pass of `steps` batches.
        shuffle: True: another order of samples in each pass; "batch": another order of batches.
        steps: batches in an epoch; None: a pass through all samples.
        check: called with each batch that is read from a file, which nobody has looked at before.
    """

    def __init__(
        self,
        whole: Batch,
        batch_size: int | None = None,
        shuffle: bool | str = False,
        steps: int | None = None,
        check: Callable[[Batch], None] | None = None,
    ) -> None:
        self.whole = whole
        self.given_size = batch_size
        self.batch_size = int(batch_size or (math.ceil(whole.size / steps) if steps else DEFAULT_SIZE))
        self.shuffle = shuffle if shuffle == "batch" else bool(shuffle)
        self.check = check
        self._in_a_pass = math.ceil(whole.size / self.batch_size)
        self.steps: int | None = self._in_a_pass if steps is None else steps
        self._rest: Iterator[Batch] | None = None
        self._done = 0
        self._stream: Sequence[int] = ()

    @property
    def rows(self) -> int:
        """How many samples an epoch that begins with the first one has."""
        return min(self.whole.size, (self.steps or self._in_a_pass) * self.batch_size)

    def from_start(self) -> Iterator[Batch]:
        """The batches of an epoch that begins with the first sample."""
        self._rest = None
        return self.epoch()

    def position(self) -> dict[str, Any] | None:
        """Where in a pass the batches are, for `resume`; None between two passes."""
        return None if self._rest is None else {"stream": self._stream, "done": self._done}

    def resume(self, position: dict[str, Any] | None) -> None:
        """Go on at a position that was read from batches of the same data."""
        self._rest = None
        if position is not None:
            with random.replayed(position["stream"]):
                self._rest, self._done = self._one_pass(position["done"]), position["done"]

    def epoch(self, begun: int = 0) -> Iterator[Batch]:
        """The batches of one epoch.  Where an epoch is shorter than a pass, the next goes on where it stopped.

        Args:
            begun: how many batches the epoch had before it was interrupted.
        """
        if self._rest is None and not begun:
            self._rest, self._done = self._one_pass(), 0
        taken = begun
        for batch in () if self._rest is None or (begun and begun == self.steps) else self._rest:
            taken += 1
            self._done += 1
            if self._done == self._in_a_pass:
                self._rest = None
            yield batch
            batch = None  # noqa: PLW2901  (let go of before the next one is made)
            if taken == self.steps:
                return
        if taken != self.steps:
            warn_of_end(taken, self.steps)

    def _one_pass(self, skipped: int = 0) -> Iterator[Batch]:
        """All samples once, in batches, without the first few batches."""
        self._stream = random.state()
        chosen = self._order(skipped)
        whole, check = self.whole, self.check
        if check is not None and whole.is_stored:
            return (_checked(whole.rows(rows), check) for rows in chosen)
        return map(_row_taker(whole, taken_by_index=self.shuffle is True), chosen)

    def _order(self, skipped: int) -> Iterator[Any]:
        """Which samples each batch of a pass has: slices, or arrays of indices."""
        n, size = self.whole.size, self.batch_size
        starts = range(skipped * size, n, size)
        if not self.shuffle:
            return (slice(start, start + size) for start in starts)
        if self.shuffle == "batch":
            order = random.next_generator().permutation(self._in_a_pass)[skipped:].tolist()
            return (slice(k * size, (k + 1) * size) for k in order)
        samples = random.next_generator().permutation(n)
        return (samples[start : start + size] for start in starts)


def _checked(batch: Batch, check: Callable[[Batch], None]) -> Batch:
    check(batch)
    return batch


def _row_taker(whole: Batch, taken_by_index: bool) -> Callable[[Any], Batch]:
    """`whole.rows`, the shortest way there is for one input, one target and no weights in memory."""
    x, y = whole.x[0], whole.y[0] if whole.y and len(whole.y) == 1 else None
    others = len(whole.x) > 1 or whole.weights is not None or whole.is_ragged
    if others or type(x) is not np.ndarray or type(y) is not np.ndarray:
        return whole.rows
    structure = whole.structure
    if not taken_by_index:
        return lambda rows: Batch([x[rows]], [y[rows]], None, structure)
    take_x, take_y = _taker(x), _taker(y)
    return lambda rows: Batch([take_x(rows, 0)], [take_y(rows, 0)], None, structure)


def _taker(array: np.ndarray) -> Callable[[Any, int], np.ndarray]:
    """`array.take`; where the array is not in one piece, and `take` would copy all of it first, indexing."""
    return array.take if array.flags.c_contiguous else lambda rows, _: array[rows]


def split(batches: ArrayBatches, first_held: int, steps: int | None) -> tuple[ArrayBatches, Batch]:
    """The same batches of the samples before `first_held`; and the other samples, of which nothing is read."""
    whole = batches.whole
    kept, held = part(whole, 0, first_held), part(whole, first_held)
    return ArrayBatches(kept, batches.given_size, batches.shuffle, steps, batches.check), held


def part(whole: Batch, start: int, stop: int | None = None) -> Batch:
    """Samples next to each other, of which nothing is read yet."""
    stop = whole.size if stop is None else stop

    def of(a: Any) -> Any:
        return None if a is None else a.part(start, stop) if isinstance(a, Stored | ByClass) else a[start:stop]

    x, y, weights, structure, is_ragged, *_ = whole
    return Batch(
        list(map(of, x)),
        None if y is None else list(map(of, y)),
        None if weights is None else list(map(of, weights)),
        structure,
        is_ragged,
    )


class ByClass:
    """Weights of samples by their class, of targets that lie in a file: worked out when they are asked for.

    Args:
        y: the targets, a `Stored`.
        weigh: the weights of an array of targets.
        times: further weights, or None.
    """

    __slots__ = ("_times", "_weigh", "_y")
    dtype = np.dtype("float32")

    def __init__(self, y: Stored, weigh: Callable[[np.ndarray], np.ndarray], times: Any = None) -> None:
        self._y, self._weigh, self._times = y, weigh, times

    def __len__(self) -> int:
        return len(self._y)

    def __getitem__(self, chosen: Any) -> np.ndarray:
        weights = self._weigh(self._y[chosen])
        return weights if self._times is None else weights * self._times[chosen]

    def part(self, start: int, stop: int) -> ByClass:
        times = self._times
        if times is not None:
            times = times.part(start, stop) if isinstance(times, Stored) else times[start:stop]
        return ByClass(self._y.part(start, stop), self._weigh, times)

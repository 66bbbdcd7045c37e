"""What fit, evaluate and predict are given, made into batches.

Arrays (alone, in lists, in dictionaries; anything that converts to an array) are cut into batches here.  Anything else
that can be iterated over (generators, loaders, `PyDataset` objects with `__getitem__` and `__len__`) supplies its own.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import ragged, random
from gatewise.arguments import describe, is_array
from gatewise.ragged import Ragged
from gatewise.training.finite import levels_to_user


class Batch(NamedTuple):
    """One batch, or a whole dataset.

    Attributes:
        x: the inputs, flat.
        y, weights: targets and sample weights, one for each output (None where there is none), or None for none at all.
        structure: how `x` folds back into the argument of a subclassed model's `call`; None for other models.
        is_ragged: whether there are `Ragged` values among the arrays, to be padded before the batch is run.
        mask: the mask of the inputs, as a layer takes it, where they were padded.
        target_masks: for each output which steps have a target, or None; None for all.
    """

    x: list
    y: list | None
    weights: list | None
    structure: Any = None
    is_ragged: bool = False
    mask: Any = None
    target_masks: list | None = None

    @property
    def size(self) -> int:
        return len(self.x[0])

    def rows(self, chosen: Any) -> Batch:
        """The samples that a slice or an array of indices chooses."""
        x, y, weights, structure, is_ragged, *_ = self
        return Batch(
            [a[chosen] for a in x],
            None if y is None else [None if a is None else a[chosen] for a in y],
            None if weights is None else [None if a is None else a[chosen] for a in weights],
            structure,
            is_ragged,
        )


class ArrayBatches:
    """Batches cut from whole arrays.

    Args:
        whole: all samples.
        batch_size: samples in a batch, default 32; the last may be short.
        shuffle: True: another order of samples in each pass; "batch": another order of batches.
        steps: batches in an epoch; None: a pass through all samples.
    """

    def __init__(
        self, whole: Batch, batch_size: int | None = None, shuffle: bool | str = False, steps: int | None = None
    ) -> None:
        self.whole = whole
        self.batch_size = 32 if batch_size is None else int(batch_size)
        self.shuffle = shuffle
        self._in_a_pass = math.ceil(whole.size / self.batch_size)
        self.steps: int | None = self._in_a_pass if steps is None else steps
        self._rest: Iterator[Batch] | None = None
        self._done = 0
        self._stream: Sequence[int] = ()

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
            if taken == self.steps:
                return
        if taken != self.steps:
            warn_of_end(taken, self.steps)

    def _one_pass(self, skipped: int = 0) -> Iterator[Batch]:
        """All samples once, in batches, without the first few batches."""
        whole, size = self.whole, self.batch_size
        starts = range(skipped * size, whole.size, size)
        self._stream = random.state()
        if not self.shuffle:
            return (whole.rows(slice(start, start + size)) for start in starts)
        if self.shuffle == "batch":
            order = random.next_generator().permutation(self._in_a_pass)[skipped:].tolist()
            return (whole.rows(slice(k * size, (k + 1) * size)) for k in order)
        order = random.next_generator().permutation(whole.size)
        return (whole.rows(order[start : start + size]) for start in starts)


class IterableBatches:
    """Batches that somebody else makes: (x,), (x, y) or (x, y, sample_weight), each possibly nested.

    Args:
        source: an iterable, a generator, or an object with `__getitem__` and `__len__`.
        flatten: turns a batch's x, y and weights into a `Batch`.
        warn: warns of what is not finite in a batch, and returns whether there was any.
        steps: batches in an epoch; None: until the source ends.
        shuffle: take the batches of an indexed source in another order in each epoch.
    """

    def __init__(
        self,
        source: Any,
        flatten: Callable[[Any, Any, Any], Batch],
        warn: Callable[[Batch], bool],
        steps: int | None,
        shuffle: bool | str = False,
    ) -> None:
        self._source, self._flatten, self._warn = source, flatten, warn
        self._indexed = hasattr(source, "__getitem__") and hasattr(source, "__len__")
        self._shuffle = bool(shuffle) and self._indexed
        self._running: Iterator[Any] | None = None
        self._taken = 0
        self._stream: Sequence[int] = ()
        self._warned = False
        self._limit = steps
        self.steps = len(source) if steps is None and hasattr(source, "__len__") else steps

    def from_start(self) -> Iterator[Batch]:
        """The batches of an epoch that begins at the source's beginning, if it has one to go back to."""
        self._running = None
        return self.epoch()

    def position(self) -> dict[str, Any] | None:
        """How far the source has been read, for `resume`; None between two passes."""
        return None if self._running is None else {"stream": self._stream, "done": self._taken}

    def resume(self, position: dict[str, Any] | None) -> None:
        """Go on at a position that was read from batches of the same source, whose items up to there are skipped."""
        self._running = None
        if position is not None:
            with random.replayed(position["stream"]):
                self._running = self._items(position["done"])

    def epoch(self, begun: int = 0) -> Iterator[Batch]:
        """The batches of one epoch; it goes on where the epoch before stopped.

        Args:
            begun: how many batches the epoch had before it was interrupted.
        """
        self._tell("on_epoch_begin")
        if self._running is None:
            self._running = self._items()
        taken = begun
        for item in () if begun and begun == self._limit else self._running:
            self._taken += 1
            yield self._as_batch(item)
            taken += 1
            if taken == self._limit:
                break
        else:
            if taken != self._limit:
                self._running = None
            if taken and self._limit not in (None, taken):
                warn_of_end(taken, self._limit)
        self._tell("on_epoch_end")
        self.steps = self.steps or taken or None

    def _items(self, skipped: int = 0) -> Iterator[Any]:
        self._taken, self._stream = skipped, random.state()
        if not self._indexed:
            return itertools.islice(iter(self._source), skipped, None)
        n = len(self._source)
        order = random.next_generator().permutation(n).tolist() if self._shuffle else range(n)
        return (self._source[k] for k in order[skipped:])

    def _tell(self, hook: str) -> None:
        if self._indexed and hasattr(self._source, hook):
            getattr(self._source, hook)()

    def _as_batch(self, item: Any) -> Batch:
        parts = list(item) if isinstance(item, list | tuple) else [item]
        if not 1 <= len(parts) <= 3:
            raise ValueError(f"A batch is x, (x, y) or (x, y, sample_weight); the data gave {len(parts)} items.")
        batch = self._flatten(*parts, *[None] * (3 - len(parts)))
        if not self._warned:  # once is enough
            self._warned = self._warn(batch)
        return batch


def warn_of_end(taken: int, steps: int | None) -> None:
    """Warn that an epoch ended early because the data did."""
    warnings.warn(
        f"The data ended after {taken} of the {steps} batches expected in an epoch; "
        "a generator must yield as many as all epochs together take.",
        stacklevel=levels_to_user(),
    )


def is_iterable_of_batches(x: Any) -> bool:
    """True for data that comes in batches of its own: neither an array nor a nesting of arrays or numbers."""
    if is_array(x) or isinstance(x, list | tuple | dict | str) or x is None:
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__next__") or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


def as_array(value: Any, what: str, dtype: str, is_text: bool = False) -> Any:
    """`value` as a numeric array, or a `Ragged` where it holds sequences of different lengths; floats in `dtype`.

    Args:
        value: an array, a `Ragged`, or a nested list.
        what: what it is called in messages.
        dtype: a float type.
        is_text: strings are expected.

    Raises:
        TypeError: for text (unless it is expected) and other objects.
        ValueError: for lists of different lengths that are no sequences.
    """
    if isinstance(value, Ragged):
        return value.astype(dtype) if value.dtype.kind == "f" else value
    try:
        array = np.asarray(value)
    except ValueError:
        return as_array(ragged.from_lists(value), what, dtype)
    if is_text and array.dtype.kind in "OUST":
        return array
    if array.dtype.kind not in "fiub" or array.ndim == 0:
        raise TypeError(
            f"{what} must be numbers in one array; got {describe(value)}. "
            "Turn text into numbers (TextVectorization or StringLookup after an Input of dtype='string'; "
            "utils.to_categorical for classes)."
        )
    if array.dtype.kind != "f" or array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is warned about as such
        return array.astype(dtype)


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The outputs of all batches in one array; where they differ in their number of steps, zeros at the end."""
    if len({part.shape[1:] for part in parts}) > 1 and all(part.ndim > 1 for part in parts):
        T = max(part.shape[1] for part in parts)
        parts = [np.pad(p, [(0, 0), (0, T - p.shape[1]), *[(0, 0)] * (p.ndim - 2)]) for p in parts]
    return np.concatenate(parts)


def check_same_length(groups: dict[str, Sequence[Any] | None]) -> int:
    """The number of samples, the same in every array.

    Raises:
        ValueError: if the arrays have different numbers of samples, or none.
    """
    found = {len(a) for arrays in groups.values() if arrays for a in arrays if a is not None}
    if len(found) > 1:
        lengths = {name: [len(a) for a in arrays if a is not None] for name, arrays in groups.items() if arrays}
        told = "; ".join(f"{name}: {', '.join(map(str, lengths[name]))}" for name in lengths)
        raise ValueError(f"All arrays need the same number of samples (the first axis); got {told}.")
    if not found or 0 in found:
        raise ValueError("The dataset is empty: it has 0 samples. Check how it was read or split.")
    return found.pop()


def check_count(value: Any, argument: str) -> None:
    """Raise ValueError unless a value is None or a positive integer."""
    if value is not None and (isinstance(value, bool) or not hasattr(value, "__index__") or value < 1):
        hint = f" Write {max(1, round(value))}, a whole number." if isinstance(value, float) and value >= 0.5 else ""
        raise ValueError(f"{argument} must be a positive integer; got {value!r}.{hint}")


def split(whole: Batch, first_held: int) -> tuple[Batch, Batch]:
    """The samples before `first_held`, and the others."""
    return whole.rows(slice(0, first_held)), whole.rows(slice(first_held, None))

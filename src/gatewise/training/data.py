"""What fit, evaluate and predict are given, made into batches.

Arrays (alone, in lists, in dictionaries; anything that converts to an array) are cut into batches here.  Anything else
that can be iterated over (generators, loaders, `PyDataset` objects with `__getitem__` and `__len__`) supplies its own.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import random, tree
from gatewise.arguments import describe, is_array


class Batch(NamedTuple):
    """One batch: flat inputs, flat targets and flat sample weights (None where there are none)."""

    x: list
    y: list | None
    weights: list | None

    @property
    def size(self) -> int:
        return len(self.x[0])


class ArrayBatches:
    """Batches cut from whole arrays.

    Args:
        x: flat list of inputs.  y, weights: flat lists, or None.
        batch_size: samples in a batch; the last may be short.
        shuffle: True: another order of samples in each epoch; "batch": another order of batches.
        steps: at most so many batches in an epoch, or None.
    """

    def __init__(
        self,
        x: list,
        y: list | None,
        weights: list | None,
        batch_size: int | None,
        shuffle: bool | str = False,
        steps: int | None = None,
    ) -> None:
        self.x, self.y, self.weights = x, y, weights
        self.n_samples = len(x[0])
        self.batch_size = 32 if batch_size is None else batch_size
        self.shuffle = shuffle
        whole = math.ceil(self.n_samples / self.batch_size)
        self.steps: int | None = whole if steps is None else min(whole, steps)

    def epoch(self) -> Iterator[Batch]:
        """The batches of one epoch."""
        n, size = self.n_samples, self.batch_size
        starts = range(0, n, size)[: self.steps]
        if not self.shuffle:
            for start in starts:
                yield self._batch(slice(start, start + size))
        elif self.shuffle == "batch":
            for k in random.next_generator().permutation(len(starts)):
                yield self._batch(slice(k * size, (k + 1) * size))
        else:
            order = random.next_generator().permutation(n)
            for start in starts:
                yield self._batch(order[start : start + size])

    def _batch(self, rows: Any) -> Batch:
        return Batch(
            [a[rows] for a in self.x],
            None if self.y is None else [a[rows] for a in self.y],
            None if self.weights is None else [None if a is None else a[rows] for a in self.weights],
        )


class IterableBatches:
    """Batches that somebody else makes: (x,), (x, y) or (x, y, sample_weight), each possibly nested.

    Args:
        source: an iterable, a generator, or an object with `__getitem__` and `__len__`.
        flatten: turns a batch's x and y into flat lists.
        steps: batches in an epoch; None: until the source ends.
    """

    n_samples: int | None = None

    def __init__(self, source: Any, flatten: Callable[[Any, Any, Any], Batch], steps: int | None) -> None:
        self._source, self._flatten = source, flatten
        self._indexed = hasattr(source, "__getitem__") and hasattr(source, "__len__")
        self._running: Iterator[Any] | None = None
        self.steps = len(source) if steps is None and hasattr(source, "__len__") else steps

    def epoch(self) -> Iterator[Batch]:
        """The batches of one epoch; a generator goes on where the epoch before stopped."""
        taken = 0
        for item in self._items():
            yield self._as_batch(item)
            taken += 1
            if self.steps is not None and taken == self.steps:
                break
        else:
            self._running = None
            if self.steps is not None and taken < self.steps:
                warnings.warn(
                    f"The data ended after {taken} batches of the {self.steps} expected in an epoch.",
                    stacklevel=2,
                )
        if self._indexed and hasattr(self._source, "on_epoch_end"):
            self._source.on_epoch_end()
        self.steps = self.steps or taken

    def _items(self) -> Iterator[Any]:
        if self._indexed:
            return (self._source[k] for k in range(len(self._source)))
        if self._running is None or not hasattr(self._source, "__next__"):
            self._running = iter(self._source)
        return self._running

    def _as_batch(self, item: Any) -> Batch:
        parts = list(item) if isinstance(item, tuple) else [item]
        if not 1 <= len(parts) <= 3:
            raise ValueError(f"A batch is x, (x, y) or (x, y, sample_weight); the data gave a tuple of {len(parts)}.")
        return self._flatten(*parts, *[None] * (3 - len(parts)))


def is_iterable_of_batches(x: Any) -> bool:
    """True for data that comes in batches of its own: neither an array nor a nesting of arrays or numbers."""
    if is_array(x) or isinstance(x, list | tuple | dict | str) or x is None:
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__next__") or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


def as_array(value: Any, what: str, dtype: str) -> np.ndarray:
    """`value` as a numeric array; floats in `dtype`.

    Raises:
        TypeError: for text and other objects.
        ValueError: for lists of different lengths.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind in "OUSMm" or array.ndim == 0:
        raise TypeError(
            f"{what} must be numbers in one array; got {describe(value)}. "
            "Turn text into numbers (a tokenizer, utils.to_categorical), and pad lists of different lengths to one length "
            "(utils.pad_sequences; a Masking layer skips the padding)."
        )
    return array.astype(dtype) if array.dtype.kind == "f" and array.dtype != dtype else array


def check_same_length(groups: dict[str, Sequence[Any] | None]) -> int:
    """The number of samples, the same in every array.

    Raises:
        ValueError: if the arrays have different numbers of samples, or none.
    """
    lengths = {name: [len(a) for a in arrays if a is not None] for name, arrays in groups.items() if arrays}
    flat = sorted({n for found in lengths.values() for n in found})
    if len(flat) > 1:
        told = "; ".join(f"{name}: {', '.join(map(str, found))}" for name, found in lengths.items())
        raise ValueError(f"All arrays need the same number of samples (the first axis); got {told}.")
    if not flat or flat[0] == 0:
        raise ValueError("The dataset is empty: it has 0 samples. Check how it was read or split.")
    return flat[0]


def warn_if_not_finite(arrays: Sequence[Any], what: str) -> None:
    """Warn about NaN and infinity in data, saying where the first one is."""
    for k, array in enumerate(arrays):
        if array is None or array.dtype.kind != "f" or isinstance(array, np.memmap):
            continue
        # A finite sum proves that every element is finite, in one pass without a temporary array.
        with np.errstate(all="ignore"):
            if np.isfinite(array.sum(dtype=np.float64)):
                continue
        bad = ~np.isfinite(array)
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            label = what if len(arrays) == 1 else f"{what}[{k}]"
            warnings.warn(
                f"{label} contains {int(bad.sum())} values that are NaN or infinite, the first, {array[place]}, at {list(place)}. "
                "They spread through the network into the loss and the weights; remove or replace them, or mask those steps.",
                stacklevel=4,
            )


def take_last(arrays: list | None, first_held: int) -> tuple[list | None, list | None]:
    """The arrays split before sample `first_held`."""
    if arrays is None:
        return None, None
    return (
        [None if a is None else a[:first_held] for a in arrays],
        [None if a is None else a[first_held:] for a in arrays],
    )


def flat_list(value: Any, names: Sequence[str], what: str) -> list:
    """A nesting as a flat list; a dictionary in the order of `names`.

    Raises:
        ValueError: if a dictionary lacks a name.
    """
    if isinstance(value, dict):
        missing = [name for name in names if name not in value]
        if missing:
            raise ValueError(
                f"{what} is a dictionary with the keys {list(value)}; expected {list(names)} (missing: {missing})."
            )
        return [value[name] for name in names]
    return list(tree.leaves(value)) if isinstance(value, list | tuple) else [value]

"""Datasets: elements that are made one after another, in every pass anew.

An element is what `fit` takes as a batch: an array, or a nesting of arrays such as (x, y).  The methods are those that
scripts chain behind a `tf.data.Dataset`; the arrays are NumPy's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gatewise import random, tree
from gatewise.arguments import describe
from gatewise.validation import positive_integer

AUTOTUNE = -1
"""What scripts give where TensorFlow may choose a number itself."""


class Dataset:
    """Elements that can be gone through again and again.

    Args:
        begin: begins a pass, and returns what makes its elements.  What it draws by chance it draws here, so that a
            training which is resumed finds the same order again.
    """

    def __init__(self, begin: Callable[[], Iterator[Any]]) -> None:
        self._begin = begin

    @staticmethod
    def from_tensor_slices(tensors: Any, name: Any = None) -> SizedDataset:
        """The rows of arrays: of a nesting of arrays, nestings of rows.

        Raises:
            ValueError: for arrays of different lengths.
        """
        nested = isinstance(tensors, tuple | dict)
        arrays = tree.map_leaves(as_tensor, tensors) if nested else as_tensor(tensors)
        lengths = {len(array) if array.ndim else -1 for array in tree.leaves(arrays)}
        if len(lengths) != 1 or -1 in lengths:
            raise ValueError(
                f"Dataset.from_tensor_slices takes arrays with the same number of rows; got {describe(tensors)}."
            )
        return gathered(lengths.pop(), lambda rows: tree.map_leaves(lambda array: array[rows], arrays), None, None)

    @staticmethod
    def from_tensors(tensors: Any, name: Any = None) -> SizedDataset:
        """One element, as given."""
        return SizedDataset(lambda: iter([tensors]), 1)

    @staticmethod
    def from_generator(generator: Callable[..., Any], *types: Any, args: Any = (), **options: Any) -> Dataset:
        """What a function yields; it is called for each pass.  Types and shapes that TensorFlow wants are accepted."""
        if not callable(generator):
            raise TypeError(f"Dataset.from_generator takes a function that yields; got {describe(generator)}.")
        _only(options, ("output_types", "output_shapes", "output_signature", "name"), "from_generator")
        return Dataset(lambda: iter(generator(*args)))

    @staticmethod
    def range(*limits: int, output_type: Any = "int64", name: Any = None) -> SizedDataset:
        """The numbers of `range(*limits)`."""
        return Dataset.from_tensor_slices(np.arange(*limits, dtype=output_type))

    @staticmethod
    def zip(*datasets: Any, name: Any = None) -> Dataset:
        """Tuples of elements of several datasets, which may also be given as one tuple, as long as the shortest."""
        several = datasets[0] if len(datasets) == 1 and isinstance(datasets[0], tuple) else datasets

        def begin() -> Iterator[Any]:
            return iter(zip(*several, strict=False))

        if all(isinstance(dataset, SizedDataset) for dataset in several):
            return SizedDataset(begin, min(map(len, several)))
        return Dataset(begin)

    def __iter__(self) -> Iterator[Any]:
        return self._begin()

    def take(self, count: int) -> Dataset:
        """The first `count` elements; -1: all."""
        n = _count(count, "take")
        return self._derived(
            lambda: itertools.islice(iter(self), None if n < 0 else n), lambda had: had if n < 0 else min(n, had)
        )

    def skip(self, count: int) -> Dataset:
        """All but the first `count` elements; -1: none."""
        n = _count(count, "skip")
        return self._derived(
            lambda: iter(()) if n < 0 else itertools.islice(iter(self), n, None),
            lambda had: 0 if n < 0 else max(had - n, 0),
        )

    def map(self, map_func: Callable[..., Any], num_parallel_calls: Any = None, **options: Any) -> Dataset:
        """Each element through a function, which gets the items of a tuple as arguments of their own.

        `num_parallel_calls`, `deterministic` and `name` are accepted for TensorFlow's sake: elements come in order.
        """
        _only(options, ("deterministic", "name", "synchronous", "use_unbounded_threadpool"), "map")
        return self._derived(lambda: (_applied(map_func, element) for element in iter(self)))

    def filter(self, predicate: Callable[..., Any], name: Any = None) -> Dataset:
        """The elements of which a function says that they are wanted.  How many there are is not known beforehand."""
        return Dataset(lambda: (element for element in iter(self) if bool(_applied(predicate, element))))

    def batch(self, batch_size: int, drop_remainder: bool = False, **options: Any) -> Dataset:
        """Elements put together, `batch_size` at a time, on a new first axis; the last batch may be short.

        Args:
            drop_remainder: leave out a short one.
        """
        _only(options, ("num_parallel_calls", "deterministic", "name"), "batch")
        size = positive_integer(batch_size, "batch_size", "Dataset.batch")

        def batches(elements: Iterator[Any]) -> Iterator[Any]:
            while len(group := list(itertools.islice(elements, size))) == size or (group and not drop_remainder):
                yield tree.fill(group[0], [np.stack(same) for same in zip(*map(tree.leaves, group), strict=True)])

        return self._derived(
            lambda: batches(iter(self)), lambda had: had // size if drop_remainder else math.ceil(had / size)
        )

    def unbatch(self, name: Any = None) -> Dataset:
        """The samples of all batches, one by one.  How many there are is not known beforehand."""

        def samples(elements: Iterator[Any]) -> Iterator[Any]:
            for element in elements:
                for k in range(len(next(iter(tree.leaves(element))))):
                    yield tree.map_leaves(lambda array, k=k: array[k], element)

        return Dataset(lambda: samples(iter(self)))

    def shuffle(
        self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool | None = True, name: Any = None
    ) -> Dataset:
        """Elements in another order: each is drawn from a buffer of the next `buffer_size`.

        Args:
            seed: where the order begins; default the global seed.
            reshuffle_each_iteration: another order in every pass.
        """
        size = positive_integer(buffer_size, "buffer_size", "Dataset.shuffle")
        orders = Orders(seed, reshuffle_each_iteration is not False)
        return self._derived(lambda: _from_buffer(iter(self), size, orders.next()))

    def repeat(self, count: int | None = None, name: Any = None) -> Dataset:
        """All elements `count` times; None or -1: for ever."""
        if count is None or _count(count, "repeat") < 0:
            return Dataset(lambda: itertools.chain.from_iterable(self for _ in itertools.count()))
        return self._derived(lambda: itertools.chain.from_iterable(self for _ in range(count)), lambda had: had * count)

    def cache(self, filename: Any = "", name: Any = None) -> Dataset:
        """The same elements in every pass: those of the first, kept in memory.

        Raises:
            ValueError: for a file's name: elements are kept in memory only.
        """
        if filename != "":
            raise ValueError(
                f"Dataset.cache keeps elements in memory only; got the file name {filename!r}. Write cache()."
            )
        kept: list[Any] = []

        def kept_whole(elements: Iterator[Any]) -> Iterator[Any]:
            seen = []
            for element in elements:
                seen.append(element)
                yield element
            kept.append(seen)

        return self._derived(lambda: iter(kept[0]) if kept else kept_whole(iter(self)))

    def prefetch(self, buffer_size: Any = None, name: Any = None) -> Dataset:
        """Itself: elements are made when they are asked for."""
        return self

    def with_options(self, options: Any, name: Any = None) -> Dataset:
        """Itself: options tell TensorFlow how to run."""
        return self

    def window(
        self, size: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = False, name: Any = None
    ) -> Dataset:
        """Datasets of `size` elements each, every `stride`-th, each `shift` (default: size) after the last.

        Elements that are tuples give tuples of datasets.  For `flat_map(lambda window: window.batch(size))`.
        """
        size = positive_integer(size, "size", "Dataset.window")
        step = size if shift is None else positive_integer(shift, "shift", "Dataset.window")
        reach = (size - 1) * positive_integer(stride, "stride", "Dataset.window") + 1

        def windows(elements: Iterator[Any]) -> Iterator[Any]:
            held = list(itertools.islice(elements, reach))
            while held and (len(held) == reach or not drop_remainder):
                yield _as_datasets(held[::stride])
                held = held[step:]
                skipped = max(step - reach, 0) if held == [] else 0
                held += itertools.islice(itertools.islice(elements, skipped, None), reach - len(held))

        return Dataset(lambda: windows(iter(self)))

    def flat_map(self, map_func: Callable[..., Any], name: Any = None) -> Dataset:
        """The elements of all the datasets that a function makes of the elements."""
        return Dataset(lambda: itertools.chain.from_iterable(_applied(map_func, element) for element in iter(self)))

    def enumerate(self, start: int = 0, name: Any = None) -> Dataset:
        """(number, element) pairs."""
        return self._derived(lambda: iter(enumerate(self, start)))

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The elements; they are NumPy arrays already."""
        return iter(self)

    def cardinality(self) -> int:
        """How many elements there are; -2 where nobody knows."""
        return -2

    def _derived(self, begin: Callable[[], Iterator[Any]], length: Callable[[int], int] = lambda had: had) -> Dataset:
        """A dataset made of this one; it has a length if this one has."""
        return Dataset(begin)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of unknown length>"


class SizedDataset(Dataset):
    """A dataset whose number of elements is known.

    Args:
        begin: as in `Dataset`.
        length: how many elements a pass has.
    """

    def __init__(self, begin: Callable[[], Iterator[Any]], length: int) -> None:
        super().__init__(begin)
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __bool__(self) -> bool:
        return True

    def cardinality(self) -> int:
        return self._length

    def _derived(self, begin: Callable[[], Iterator[Any]], length: Callable[[int], int] = lambda had: had) -> Dataset:
        return SizedDataset(begin, length(self._length))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._length} elements>"


class Orders:
    """Random orders, one for each pass.

    Args:
        seed: the same seed gives the same sequence of orders; None: they are drawn from the global seed.
        anew: another order in each pass; else the first again and again.
    """

    def __init__(self, seed: int | None, anew: bool = True) -> None:
        if seed is not None and (isinstance(seed, bool) or not hasattr(seed, "__index__") or seed < 0):
            raise ValueError(f"A seed is a non-negative integer, or None; got {seed!r}.")
        self._seeds = None if seed is None else random.SeedGenerator(int(seed))
        self._fixed = None if anew else random.default_seed() if seed is None else int(seed)

    def next(self) -> np.random.Generator:
        """What the order of the next pass is drawn from."""
        return random.next_generator(self._seeds if self._fixed is None else self._fixed)


def gathered(
    count: int, rows: Callable[[np.ndarray], Any], batch_size: int | None, orders: Orders | None
) -> SizedDataset:
    """A dataset of samples that are known by their numbers, in batches; the arguments are `passes_over`'s."""
    return SizedDataset(*passes_over(count, rows, batch_size, orders))


def passes_over(
    count: int, rows: Callable[[np.ndarray], Any], batch_size: int | None, orders: Orders | None
) -> tuple[Callable[[], Iterator[Any]], int]:
    """What begins a pass over samples that are known by their numbers, and how many elements it has.

    Args:
        count: how many samples there are.
        rows: (n,) numbers of samples -> these samples, an array or a nesting of arrays with a first axis of n.
        batch_size: samples in a batch (the last may be short); None: single samples, without that axis.
        orders: None: samples in the order of their numbers; else another order in each pass.
    """

    def begin() -> Iterator[Any]:
        order = np.arange(count) if orders is None else orders.next().permutation(count)
        if batch_size is None:
            return (tree.map_leaves(lambda array: array[0], rows(order[k : k + 1])) for k in range(count))
        return (rows(order[k : k + batch_size]) for k in range(0, count, batch_size))

    return begin, count if batch_size is None else math.ceil(count / batch_size)


def as_tensor(value: Any) -> np.ndarray:
    """`value` as an array; numbers in lists get the types that TensorFlow gives them."""
    array = np.asarray(value)
    if hasattr(value, "dtype") or any(hasattr(leaf, "dtype") for leaf in tree.leaves(value)):
        return array
    return array.astype({"f": "float32", "i": "int32"}.get(array.dtype.kind, array.dtype))


def _from_buffer(elements: Iterator[Any], size: int, chance: np.random.Generator) -> Iterator[Any]:
    """The elements, each drawn from the next `size`."""
    buffer = list(itertools.islice(elements, size))
    for element in elements:
        k = int(chance.integers(len(buffer)))
        buffer[k], drawn = element, buffer[k]
        yield drawn
    yield from (buffer[k] for k in chance.permutation(len(buffer)))


def _as_datasets(elements: list[Any]) -> Any:
    """Elements as a dataset; tuples as a tuple of datasets."""
    if elements and isinstance(elements[0], tuple):
        return tuple(_as_datasets(list(column)) for column in zip(*elements, strict=True))
    return SizedDataset(lambda: iter(elements), len(elements))


def _applied(function: Callable[..., Any], element: Any) -> Any:
    return function(*element) if isinstance(element, tuple) else function(element)


def _count(count: Any, method: str) -> int:
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise ValueError(f"Dataset.{method} takes a number of elements, as 3; got {describe(count)}.")
    return int(count)


def _only(options: dict[str, Any], known: tuple[str, ...], method: str) -> None:
    unknown = [name for name in options if name not in known]
    if unknown:
        raise TypeError(f"Dataset.{method} has no argument {unknown[0]!r}.")

"""Operations that find, take and replace numbers by their places, and that put them in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import autodiff
from gatewise.ops.numpy_names import as_axis, call_numpy
from gatewise.ops.operation import array, differentiable_pair, floats, operation, together


@operation
def get_item(x: Any, key: Any) -> Any:
    """x[key]."""
    return x[key]


@operation
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The parts of x at `indices` along an axis; of the flattened x without one.  Negative ones count from the end."""
    x, indices = array(x), np.asarray(autodiff.plain(indices))
    indices = indices if indices.dtype.kind in "iu" else indices.astype(np.int64)
    if axis is None:
        return x.reshape(-1)[indices]
    lead = (slice(None),) * (axis % x.ndim)
    return x[(*lead, indices)]


@operation
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """x at `indices` along an axis, matched along the others; of the flattened x without an axis."""
    x, indices = array(x), np.asarray(autodiff.plain(indices))
    if axis is None:
        return x.reshape(-1)[indices.reshape(-1)]
    places: list[Any] = list(np.ogrid[tuple(slice(n) for n in x.shape)])
    places[axis] = indices
    return x[tuple(places)]


@operation
def _slice(inputs: Any, start_indices: Any, shape: Sequence[int]) -> Any:
    """The part of `inputs` of this shape that begins at `start_indices`; a size of -1 reaches to the end."""
    return array(inputs)[_window(start_indices, shape)]


def _window(start: Any, shape: Sequence[int]) -> tuple:
    begins = [int(k) for k in np.asarray(autodiff.plain(start)).reshape(-1)]
    pairs = zip(begins, shape, strict=True)
    return tuple(slice(begin, None if length == -1 else begin + int(length)) for begin, length in pairs)


@differentiable_pair
def _put(x: Any, updates: Any, *, place: Any) -> tuple[Any, Any]:
    """x with `updates` in place of what is there."""
    y = x.copy()
    y[place] = updates

    def pullback(dy: Any) -> tuple[Any, Any]:
        dx = np.array(dy)
        dx[place] = 0
        return dx, dy[place]

    return y, pullback


@operation
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """`inputs` with `updates` in place of the part that begins at `start_indices`."""
    return _put(inputs, updates, place=_window(start_indices, np.shape(autodiff.plain(updates))))


def _places(indices: Any) -> tuple:
    return tuple(np.moveaxis(np.asarray(autodiff.plain(indices)), -1, 0))


@differentiable_pair
def added_at(x: Any, updates: Any, *, place: Any) -> tuple[Any, Any]:
    """x with `updates` added at places, of which one may come several times."""
    y = x.copy()
    np.add.at(y, place, updates)
    return y, lambda dy: (dy, dy[place])


@operation
def scatter(indices: Any, values: Any, shape: Sequence[int]) -> Any:
    """Zeros of `shape` with `values` added at `indices` (..., number of leading axes)."""
    values = array(values)
    return added_at(np.zeros(tuple(shape), values.dtype), values, place=_places(indices))


_REDUCTIONS = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}


@operation
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """`inputs` with `updates` at `indices` (..., number of leading axes).

    Args:
        reduction: None: in place of what is there; "add", "max", "min" or "mul": combined with it.

    Raises:
        ValueError: for another reduction.
    """
    place = _places(indices)
    x, updates = together(array(inputs), array(updates))
    if reduction is None:
        return _put(x, updates, place=_last_of(place, x.shape, updates))
    if reduction not in _REDUCTIONS:
        raise ValueError(f"ops.scatter_update: reduction is None, 'add', 'max', 'min' or 'mul'; got {reduction!r}.")
    if reduction == "add":
        return added_at(x, updates, place=place)
    if autodiff.is_traced(x, updates):
        raise TypeError(
            f"No derivative is known of ops.scatter_update with reduction={reduction!r}; use 'add' or None."
        )
    y = np.array(x)
    _REDUCTIONS[reduction].at(y, place, updates)
    return y


def _last_of(place: tuple, shape: tuple, updates: Any) -> tuple:
    """The places, unchanged if each is written once.

    Raises:
        ValueError: if a place is written twice, so that the gradient would not know which value stayed.
    """
    flat = np.ravel_multi_index([p.ravel() for p in place], shape[: len(place)], mode="wrap")
    if autodiff.is_traced(updates) and np.unique(flat).size < flat.size:
        raise ValueError("ops.scatter_update: a place is written twice, so its gradient is not defined.")
    return place


@operation
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """x1 where the condition holds, x2 elsewhere; the places where it holds if neither is given."""
    condition = np.asarray(autodiff.plain(condition)) != 0
    if x1 is None and x2 is None:
        return nonzero.__wrapped__(condition)
    x1, x2 = together(x1, x2)
    return call_numpy("where", condition, x1, x2)


@operation
def nonzero(x: Any) -> tuple:
    """The places of the numbers that are not 0: an array of indices for each axis."""
    return tuple(found.astype(np.int32) for found in np.nonzero(array(autodiff.plain(x))))


@operation
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """For each number the choice of the first condition that holds, else the default."""
    found = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        found = where.__wrapped__(condition, choice, found)
    return found


# ---- order ----------------------------------------------------------------------------------------------------


@operation
def argsort(x: Any, axis: int | None = -1) -> Any:
    """The places of the numbers along an axis (of the flattened x for None) in rising order, stable."""
    return np.argsort(array(autodiff.plain(x)), axis=axis, kind="stable").astype(np.int32)


@operation
def sort(x: Any, axis: int = -1) -> Any:
    """x in rising order along an axis."""
    x = array(x)
    return take_along_axis.__wrapped__(x, np.argsort(autodiff.plain(x), axis=axis, kind="stable"), axis)


@operation
def argpartition(x: Any, kth: int, axis: int = -1) -> Any:
    """Places such that the `kth` is where a sort would have it, and none before it is larger."""
    return np.argpartition(array(autodiff.plain(x)), kth, axis=as_axis(axis)).astype(np.int32)


@operation
def top_k(x: Any, k: int, sorted: bool = True) -> tuple:
    """The k largest numbers along the last axis, falling, and their places."""
    x = array(x)
    places = np.argsort(-autodiff.plain(x).astype(np.float64), axis=-1, kind="stable")[..., :k]
    return take_along_axis.__wrapped__(x, places, -1), places.astype(np.int32)


@operation
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """(N,) bool: whether fewer than k classes are predicted above the target of each sample.

    Args:
        targets: (N,) classes.   predictions: (N, C).
    """
    predictions, targets = autodiff.plain(floats(predictions)), np.asarray(autodiff.plain(targets))
    own = np.take_along_axis(predictions, targets[:, None], axis=1)
    return np.sum(predictions > own, axis=1) < k


@operation
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Where each value would have to go in a sorted vector to keep it sorted."""
    found: Any = np.searchsorted(autodiff.plain(sorted_sequence), autodiff.plain(values), side=side)  # type: ignore[call-overload]
    return found.astype(np.int32)


@operation
def digitize(x: Any, bins: Any) -> Any:
    """In which of the bins, given by their rising edges, each number lies."""
    return np.digitize(autodiff.plain(x), np.asarray(bins)).astype(np.int32)


@operation
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The different numbers in x, rising; with `size` cut or filled up to so many."""
    asked: dict[str, Any] = {
        "return_index": return_index,
        "return_inverse": return_inverse,
        "return_counts": return_counts,
    }
    found: Any = np.unique(array(autodiff.plain(x)), axis=axis, **asked)
    values, *more = found if isinstance(found, tuple) else (found,)
    if size is not None:
        along = axis or 0
        values = np.take(values, range(min(size, values.shape[along])), axis=along)
        missing = [(0, size - values.shape[along] if k == along else 0) for k in range(values.ndim)]
        values = np.pad(values, missing, constant_values=values.min() if fill_value is None else fill_value)
    return (values, *(part.astype(np.int32) for part in more)) if more else values


@operation
def unravel_index(indices: Any, shape: Sequence[int]) -> tuple:
    """The index along each axis of a shape, from places in the flattened array."""
    found = np.unravel_index(np.asarray(autodiff.plain(indices)), tuple(shape))
    return tuple(part.astype(np.int32) for part in found)


@operation
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """How many numbers along the axes are not 0."""
    return np.asarray(np.count_nonzero(array(autodiff.plain(x)), axis=as_axis(axis)), np.int32)


@operation
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each number of x1 is among those of x2."""
    return np.isin(autodiff.plain(x1), autodiff.plain(x2), assume_unique=assume_unique, invert=invert)


@operation
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """How often each integer from 0 occurs (or the sum of its weights), for the last axis of x (N,) or (B, N)."""
    x = np.asarray(autodiff.plain(x))
    length = max(int(minlength or 0), int(x.max(initial=-1)) + 1)
    hot = x[..., None] == np.arange(length)
    if weights is None:
        return np.sum(hot, axis=-2).astype(np.int32)
    weights = array(weights)
    return call_numpy("sum", call_numpy("where", hot, weights[..., None], np.zeros((), weights.dtype)), axis=-2)


@operation
def histogram(x: Any, bins: int = 10, range: tuple | None = None) -> tuple:
    """(how many numbers of x lie in each of `bins` equal intervals, the intervals' edges); no gradient flows."""
    x = floats(autodiff.plain(x))
    counts, edges = np.histogram(x, bins=bins, range=range)
    return counts.astype(x.dtype), edges.astype(x.dtype)


@operation
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Windows of the last axis: (..., number of windows, sequence_length), one every `sequence_stride` steps."""
    x = array(x)
    begins = np.arange(0, x.shape[-1] - sequence_length + 1, sequence_stride)
    return take.__wrapped__(x, begins[:, None] + np.arange(sequence_length), -1)

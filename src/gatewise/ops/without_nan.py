"""The reductions of NumPy that pass over NaN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import autodiff
from gatewise.ops.numpy_names import as_axis, call_numpy
from gatewise.ops.operation import floats, operation
from gatewise.ops.reductions import cumprod, cumsum, last_axes_joined, prod, quantile
from gatewise.ops.special import root


def _without_nan(x: Any, replacement: float) -> tuple[Any, np.ndarray]:
    """x with another number in place of NaN, and where none was."""
    x = floats(x)
    valid = ~np.isnan(autodiff.plain(x))
    return call_numpy("where", valid, x, np.asarray(replacement, x.dtype)), valid


def _nan_reduction(name: str, replacement: float, function: Any) -> None:
    def reduced(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        kept, valid = _without_nan(x, replacement)
        found = function(kept, axis=as_axis(axis), keepdims=keepdims)
        if name in ("nanmax", "nanmin"):
            nothing = ~np.any(valid, axis=as_axis(axis), keepdims=keepdims)
            found = call_numpy("where", nothing, np.asarray(np.nan, kept.dtype), found)
        return found

    reduced.__name__, reduced.__doc__ = name, f"`{name[3:]}` of the numbers that are not NaN."
    operation(reduced)


for _name, _replacement in (("nansum", 0.0), ("nanmax", -np.inf), ("nanmin", np.inf)):
    _nan_reduction(_name, _replacement, lambda x, _name=_name, **options: call_numpy(_name[3:], x, **options))
_nan_reduction("nanprod", 1.0, prod.__wrapped__)


@operation
def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean of the numbers that are not NaN."""
    kept, valid = _without_nan(x, 0.0)
    count = np.sum(valid, axis=as_axis(axis), keepdims=keepdims).astype(kept.dtype)
    with np.errstate(invalid="ignore", divide="ignore"):
        return call_numpy("sum", kept, axis=as_axis(axis), keepdims=keepdims) / count


@operation
def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The variance of the numbers that are not NaN."""
    kept, valid = _without_nan(x, 0.0)
    centred = kept - nanmean.__wrapped__(x, axis, keepdims=True)
    count = np.sum(valid, axis=as_axis(axis), keepdims=keepdims).astype(kept.dtype)
    squares = call_numpy("where", valid, centred**2, np.zeros((), kept.dtype))
    with np.errstate(invalid="ignore", divide="ignore"):
        return call_numpy("sum", squares, axis=as_axis(axis), keepdims=keepdims) / count


@operation
def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The standard deviation of the numbers that are not NaN."""
    return root(nanvar.__wrapped__(x, axis, keepdims))


@operation
def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The running sum, NaN counted as 0."""
    return cumsum.__wrapped__(_without_nan(x, 0.0)[0], axis, dtype)


@operation
def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The running product, NaN counted as 1."""
    return cumprod.__wrapped__(_without_nan(x, 1.0)[0], axis, dtype)


@operation
def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The place of the largest number that is not NaN; -1 where all are."""
    return _nan_place(np.argmax, -np.inf, x, axis, keepdims)


@operation
def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The place of the smallest number that is not NaN; -1 where all are."""
    return _nan_place(np.argmin, np.inf, x, axis, keepdims)


def _nan_place(function: Any, replacement: float, x: Any, axis: int | None, keepdims: bool) -> Any:
    kept, valid = _without_nan(autodiff.plain(x), replacement)
    places = function(kept, axis=axis, keepdims=keepdims)
    return np.where(np.any(valid, axis=axis, keepdims=keepdims), places, -1).astype(np.int32)


@operation
def nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """The quantile of the numbers that are not NaN."""
    joined, kept, gone = last_axes_joined(floats(x), axis)
    rows = joined.reshape((-1, joined.shape[-1]))
    fractions: Sequence[Any] = []
    for k in range(rows.shape[0]):
        valid = np.flatnonzero(~np.isnan(autodiff.plain(rows[k])))
        nothing = np.full(np.shape(q), np.nan, rows.dtype)
        fractions = [*fractions, quantile.__wrapped__(rows[k][valid], q, None, method) if len(valid) else nothing]
    found = call_numpy("stack", fractions, -1)
    return found.reshape((*np.shape(q), *(kept if keepdims else gone)))


@operation
def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """The percentile of the numbers that are not NaN."""
    return nanquantile.__wrapped__(x, np.asarray(q, np.float64) / 100, axis, method, keepdims)


@operation
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The median of the numbers that are not NaN."""
    return nanquantile.__wrapped__(x, 0.5, axis, "linear", keepdims)

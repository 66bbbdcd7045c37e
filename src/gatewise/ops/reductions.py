"""Operations over axes: sums, products, quantiles, segments, correlations, distances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatewise import autodiff
from gatewise.ops.numpy_names import as_axis, call_numpy
from gatewise.ops.operation import array, differentiable_pair, floats, normal_axes, numpy_for, operation, together
from gatewise.ops.places import added_at, sort, take
from gatewise.ops.special import root


def last_axes_joined(x: Any, axis: Any) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """x with the axes moved to the end and made one; the shape of what stays, with and without those axes."""
    axes = normal_axes(axis, x.ndim)
    rest = [k for k in range(x.ndim) if k not in axes]
    kept = tuple(1 if k in axes else x.shape[k] for k in range(x.ndim))
    gone = tuple(x.shape[k] for k in rest)
    return call_numpy("transpose", x, [*rest, *axes]).reshape((*gone, -1)), kept, gone


@operation
def _sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum along the axes; of all numbers without."""
    return call_numpy("sum", array(x), axis=as_axis(axis), keepdims=keepdims)


@operation
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The standard deviation along the axes; of all numbers without.  Its gradient is 0 where nothing varies."""
    return root(call_numpy("var", floats(x), axis=as_axis(axis), keepdims=keepdims))


@operation
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The product along the axes; of all numbers without."""
    joined, kept, gone = last_axes_joined(array(x), axis)
    found = _product(joined).reshape(kept if keepdims else gone)
    return found if dtype is None else found.astype(dtype)


@differentiable_pair
def _product(x: Any) -> tuple[Any, Any]:
    """The product along the last axis.  The gradient is the product of the others, so zeros do no harm."""
    y = np.prod(x, axis=-1, dtype=np.int32 if x.dtype.kind == "b" else x.dtype)

    def pullback(dy: Any) -> Any:
        ones = np.ones((*x.shape[:-1], 1), x.dtype)
        before = np.cumprod(np.concatenate([ones, x[..., :-1]], axis=-1), axis=-1)
        after = np.cumprod(np.concatenate([ones, x[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
        return dy[..., None] * before * after

    return y, pullback


@operation
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The running sum along an axis; of the flattened x without one."""
    found = call_numpy("cumsum", array(x), axis=axis)
    return found if dtype is None else found.astype(dtype)


@operation
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The running product along an axis; of the flattened x without one."""
    x = array(x)
    found = _running_product(x.reshape(-1) if axis is None else x, axis=axis or 0)
    return found if dtype is None else found.astype(dtype)


@differentiable_pair
def _running_product(x: Any, *, axis: int) -> tuple[Any, Any]:
    y = np.cumprod(x, axis=axis, dtype=x.dtype)

    def pullback(dy: Any) -> Any:
        # r[k] = dy[k] + x[k + 1] r[k + 1] and dx[k] = (product before k) r[k]: no division, so zeros do no harm.
        moved, d = np.moveaxis(x, axis, 0), np.moveaxis(dy, axis, 0)
        r = np.array(d)
        for k in reversed(range(len(r) - 1)):
            r[k] += moved[k + 1] * r[k + 1]
        before = np.concatenate([np.ones_like(moved[:1]), np.moveaxis(y, axis, 0)[:-1]])
        return np.moveaxis(before * r, 0, axis)

    return y, pullback


@operation
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """The differences of neighbours along an axis, n times."""
    a = array(a)
    lead = (slice(None),) * (axis % a.ndim)
    for _ in range(n):
        later, sooner = a[(*lead, slice(1, None))], a[(*lead, slice(None, -1))]
        a = later != sooner if a.dtype.kind == "b" else later - sooner
    return a


@operation
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest number less the smallest, along the axes."""
    x, options = array(x), {"axis": as_axis(axis), "keepdims": keepdims}
    return call_numpy("max", x, **options) - call_numpy("min", x, **options)


@operation
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """The mean, weighted if `weights` (of the shape of x, or one for each place along the axis) are given."""
    x, axis = floats(x), as_axis(axis)
    if weights is None:
        return call_numpy("mean", x, axis=axis)
    x, weights = together(x, floats(weights))
    if axis is not None and x.ndim > 1 and weights.ndim == 1:
        weights = weights.reshape([-1 if k == axis % x.ndim else 1 for k in range(x.ndim)])
    weights = weights + np.zeros(x.shape, np.float32)
    return call_numpy("sum", x * weights, axis=axis) / call_numpy("sum", weights, axis=axis)


@operation
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))), without overflow."""
    x, axis = floats(x), as_axis(axis)
    top = np.max(autodiff.plain(x), axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    with np.errstate(divide="ignore"):  # the logarithm of nothing is -inf
        total = call_numpy("log", call_numpy("sum", call_numpy("exp", x - top), axis=axis, keepdims=keepdims))
    return total + (top if keepdims else np.reshape(top, np.shape(autodiff.plain(total))))


@operation
def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """The numbers below which the fractions q (one, or several: then they come as the first axis) of x lie.

    Args:
        method: between two neighbours: "linear", "lower", "higher", "midpoint" or "nearest".

    Raises:
        ValueError: for another method.
    """
    joined, kept, gone = last_axes_joined(floats(x), axis)
    fractions = np.asarray(q, np.float64)
    place = fractions.reshape(-1) * (joined.shape[-1] - 1)
    low, high = np.floor(place), np.ceil(place)
    shares = {"linear": place - low, "lower": 0 * place, "higher": 0 * place + 1, "midpoint": 0 * place + 0.5}
    if method == "nearest":
        low = high = np.round(place)
        shares[method] = 0 * place
    if method not in shares:
        raise ValueError(f"ops.quantile: method is one of {', '.join([*shares, 'nearest'])}; got {method!r}.")
    share = shares[method].astype(joined.dtype)
    ordered = sort.__wrapped__(joined)
    found = ordered[..., low.astype(int)] * (1 - share) + ordered[..., high.astype(int)] * share
    found = call_numpy("moveaxis", found, -1, 0)
    return found.reshape((*fractions.shape, *(kept if keepdims else gone)))


@operation
def percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """The numbers below which q percent of x lie; see `quantile`."""
    return quantile.__wrapped__(x, np.asarray(q, np.float64) / 100, axis, method, keepdims)


@operation
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The number in the middle; the mean of two where their count is even."""
    return quantile.__wrapped__(x, 0.5, axis, "linear", keepdims)


@operation
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """The integral of y along an axis by the trapezoidal rule, at the places x, or `dx` apart."""
    y = floats(y)
    lead = (slice(None),) * (axis % y.ndim)
    heights = (y[(*lead, slice(1, None))] + y[(*lead, slice(None, -1))]) / 2
    if x is None:
        return call_numpy("sum", heights, axis=axis) * dx
    x = floats(x)
    widths = diff.__wrapped__(x, axis=-1 if x.ndim == 1 else axis)
    if x.ndim == 1:
        widths = widths.reshape([-1 if k == axis % y.ndim else 1 for k in range(y.ndim)])
    return call_numpy("sum", heights * widths, axis=axis)


# ---- segments ---------------------------------------------------------------------------------------------------


def _segments(data: Any, segment_ids: Any, num_segments: int | None) -> tuple[Any, np.ndarray, int]:
    ids = np.asarray(autodiff.plain(segment_ids))
    return array(data), ids, int(num_segments or ids.max(initial=-1) + 1)


@operation
def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The sum of the rows of `data` that have the same id, for ids from 0; ids beyond count for nothing."""
    data, ids, n = _segments(data, segment_ids, num_segments)
    rows = np.flatnonzero((ids >= 0) & (ids < n))
    nothing = np.zeros((n, *data.shape[1:]), data.dtype)
    return added_at(nothing, take.__wrapped__(data, rows, 0), place=(ids[rows],))


def _segment_reduced(name: str, data: Any, ids: np.ndarray, n: int) -> Any:
    """A reduction of the rows of each id; what NumPy gives for no rows (the type's least, greatest, or 1)."""
    limits = np.finfo(data.dtype) if data.dtype.kind == "f" else np.iinfo(data.dtype)
    of_none = {"max": limits.min if data.dtype.kind != "f" else -np.inf,
               "min": limits.max if data.dtype.kind != "f" else np.inf, "prod": 1}[name]  # fmt: skip
    made = []
    for k in range(n):
        rows = np.flatnonzero(ids == k)
        if len(rows):
            part = take.__wrapped__(data, rows, 0)
            made.append(prod.__wrapped__(part, 0) if name == "prod" else call_numpy(name, part, axis=0))
        else:
            made.append(np.full(data.shape[1:], of_none, data.dtype))
    return call_numpy("stack", made)


@operation
def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The largest of the rows of `data` that have the same id, for ids from 0."""
    return _segment_reduced("max", *_segments(data, segment_ids, num_segments))


@operation
def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The smallest of the rows of `data` that have the same id, for ids from 0."""
    return _segment_reduced("min", *_segments(data, segment_ids, num_segments))


@operation
def segment_prod(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """The product of the rows of `data` that have the same id, for ids from 0."""
    return _segment_reduced("prod", *_segments(data, segment_ids, num_segments))


# ---- polynomials, correlation, distance -------------------------------------------------------------------------


@operation
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of a vector as columns, falling unless `increasing`."""
    x = array(x)
    powers = range(x.shape[0] if N is None else N)
    columns = [x**k if k else np.ones(x.shape, x.dtype) for k in (powers if increasing else reversed(powers))]
    return call_numpy("stack", columns, 1)


@operation
def corrcoef(x: Any) -> Any:
    """The correlation of each row of x (or of a vector) with each other."""
    x = floats(x)
    x = x.reshape((1, -1)) if x.ndim == 1 else x
    x = x - call_numpy("mean", x, axis=1, keepdims=True)
    covariance = call_numpy("matmul", x, call_numpy("transpose", x))
    spread = call_numpy("sqrt", covariance[np.arange(len(covariance)), np.arange(len(covariance))])
    found = covariance / spread[:, None] / spread[None, :]
    return found.reshape(()) if found.shape == (1, 1) else found


@operation
def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """sum_n x1[n + k] x2[n] of two vectors, for the shifts k that `mode` ("valid", "same", "full") asks for."""
    x1, x2 = together(floats(x1), floats(x2))
    if mode == "valid" and x1.shape[0] < x2.shape[0]:
        return correlate.__wrapped__(x2, x1, mode)[::-1]
    n, m = x1.shape[0], x2.shape[0]
    around = numpy_for(x1).pad(x1, [(m - 1, m - 1)], "constant")
    full = call_numpy("matmul", around[np.arange(n + m - 1)[:, None] + np.arange(m)], x2)
    if mode == "full":
        return full
    if mode == "valid":
        return full[m - 1 : n]
    begin = (min(n, m) - 1 + (1 if n < m and min(n, m) % 2 == 0 else 0)) // 2
    return full[begin : begin + max(n, m)]


@operation
def cdist(x: Any, y: Any) -> Any:
    """(..., N, M): the Euclidean distances of the rows of x (..., N, D) from those of y (..., M, D)."""
    x, y = together(floats(x), floats(y))
    squares = call_numpy("sum", (x[..., :, None, :] - y[..., None, :, :]) ** 2, axis=-1)
    same = np.asarray(autodiff.plain(squares)) == 0
    # The root has no slope at 0; there the distance is 0 and so is its gradient.
    return call_numpy("where", same, np.zeros((), x.dtype), call_numpy("sqrt", squares + same))


@operation
def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """The peak signal-to-noise ratio, 20 log10(max_val) - 10 log10(mean((x1 - x2)^2)), in decibels."""
    x1, x2 = together(floats(x1), floats(x2))
    return 20 * math.log10(max_val) - 10 * call_numpy("log10", call_numpy("mean", (x1 - x2) ** 2))

"""Products of arrays, and their diagonals."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.ops.numpy_names import call_numpy
from gatewise.ops.operation import array, operation, together
from gatewise.ops.places import added_at

# ---- products -----------------------------------------------------------------------------------------------------


@operation
def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """The sum of products that `subscripts` ("bij,bjk->bik") describes."""
    kwargs.pop("optimize", None)
    return call_numpy("einsum", subscripts, *together(*map(array, operands)), **kwargs)


@operation
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """The sum of products over the last `axes` axes of x1 and the first of x2, or over pairs ([...], [...])."""
    x1, x2 = together(array(x1), array(x2))
    if isinstance(axes, list | tuple):
        axes = tuple([k] if isinstance(k, int) else [int(n) for n in k] for k in axes)
    return call_numpy("tensordot", x1, x2, axes)


@operation
def outer(x1: Any, x2: Any) -> Any:
    """(N, M): each number of x1 times each of x2, both flattened."""
    x1, x2 = together(array(x1), array(x2))
    return x1.reshape(-1, 1) * x2.reshape(1, -1)


@operation
def vdot(x1: Any, x2: Any) -> Any:
    """The sum of the products of all numbers, the first ones conjugated."""
    x1, x2 = together(array(x1), array(x2))
    return call_numpy("sum", call_numpy("conj", x1.reshape(-1)) * x2.reshape(-1))


@operation
def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross product of vectors of three numbers (a third of 0 where there are two) along an axis."""
    x1, x2 = together(array(x1), array(x2))
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    a, b = call_numpy("moveaxis", x1, axisa, -1), call_numpy("moveaxis", x2, axisb, -1)
    flat = a.shape[-1] == 2 and b.shape[-1] == 2
    a0, a1, a2 = a[..., 0], a[..., 1], a[..., 2] if a.shape[-1] == 3 else a[..., 0] * 0
    b0, b1, b2 = b[..., 0], b[..., 1], b[..., 2] if b.shape[-1] == 3 else b[..., 0] * 0
    last = a0 * b1 - a1 * b0
    if flat:
        return last
    return call_numpy("moveaxis", call_numpy("stack", [a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, last], -1), -1, axisc)


# ---- diagonals ----------------------------------------------------------------------------------------------------


@operation
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of the two axes, as the last axis."""
    x = array(x)
    first, second = axis1 % x.ndim, axis2 % x.ndim
    rest = [k for k in range(x.ndim) if k not in (first, second)]
    moved = call_numpy("transpose", x, [*rest, first, second])
    rows, columns = moved.shape[-2:]
    begin = np.arange(max(0, min(rows + min(offset, 0), columns - max(offset, 0))))
    return moved[..., begin - min(offset, 0), begin + max(offset, 0)]


@operation
def diag(x: Any, k: int = 0) -> Any:
    """A matrix with the vector x on its k-th diagonal; or that diagonal of a matrix."""
    x = array(x)
    if x.ndim == 2:
        return diagonal.__wrapped__(x, k)
    size = x.shape[0] + abs(k)
    place = np.arange(x.shape[0])
    return added_at(np.zeros((size, size), x.dtype), x, place=(place - min(k, 0), place + max(k, 0)))


@operation
def diagflat(x: Any, k: int = 0) -> Any:
    """A matrix with all numbers of x on its k-th diagonal."""
    return diag.__wrapped__(array(x).reshape(-1), k)


@operation
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of a diagonal."""
    return call_numpy("sum", diagonal.__wrapped__(x, offset, axis1, axis2), axis=-1)

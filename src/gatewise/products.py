"""Products of arrays whose sums no number of threads changes, and a basis made with them.

NumPy's own (`@`, `np.dot`, `np.linalg.qr`) run in BLAS, which may add in another order with another number of threads:
the last bits differ, and after some steps of training all of them do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import kernels

Pullback = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_BLOCK = 32
"""Columns that are made orthogonal to all before them in one product of matrices."""


def matmul(a: Any, b: Any) -> Any:
    """np.matmul(a, b): (..., M, K) by (..., K, L), either possibly a vector (K,)."""
    a, b = np.asarray(a), np.asarray(b)
    if not _is_ours(a, b):
        return np.matmul(a, b)
    y = _stacked(a if a.ndim > 1 else a[None], b if b.ndim > 1 else b[:, None])
    if b.ndim == 1:
        y = y[..., 0]
    return y[..., 0] if a.ndim == 1 and b.ndim == 1 else y[..., 0, :] if a.ndim == 1 else y


def matmul_forward(a: Any, b: Any) -> tuple[Any, Pullback]:
    """`matmul` and its pullback."""
    a, b = np.asarray(a), np.asarray(b)
    y = matmul(a, b)

    def pullback(dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dy = np.asarray(dy)
        if b.ndim == 1:
            dy = dy[..., None]
        if a.ndim == 1:
            dy = dy[..., None, :]
        matrix, other = (a if a.ndim > 1 else a[None]), (b if b.ndim > 1 else b[:, None])
        da = _summed(matmul(dy, other.swapaxes(-1, -2)), matrix.shape)
        if other.ndim == 2:  # all rows at once
            db = matmul(_rows(matrix).T, _rows(dy))
        else:
            db = _summed(matmul(matrix.swapaxes(-1, -2), dy), other.shape)
        return da.reshape(a.shape), db.reshape(b.shape)

    return y, pullback


def tensordot_forward(a: Any, b: Any, axes: Any = 2) -> tuple[Any, Pullback]:
    """np.tensordot(a, b, axes), and its pullback."""
    a, b = np.asarray(a), np.asarray(b)
    if isinstance(axes, list | tuple):
        of_a, of_b = ([int(k) for k in np.ravel(part)] for part in axes)
    else:
        of_a, of_b = list(range(a.ndim - int(axes), a.ndim)), list(range(int(axes)))
    of_a, of_b = [k % a.ndim for k in of_a], [k % b.ndim for k in of_b]
    if [a.shape[k] for k in of_a] != [b.shape[k] for k in of_b]:
        raise ValueError(f"tensordot: the axes {of_a} of {a.shape} and {of_b} of {b.shape} have different sizes.")
    rows, columns = ([k for k in range(x.ndim) if k not in used] for x, used in ((a, of_a), (b, of_b)))
    order_a, order_b = [*rows, *of_a], [*of_b, *columns]
    K = math.prod(a.shape[k] for k in of_a)
    left, right = (x.transpose(order) for x, order in ((a, order_a), (b, order_b)))
    shape = (*left.shape[: len(rows)], *right.shape[len(of_b) :])
    M, L = math.prod(shape[: len(rows)]), math.prod(shape[len(rows) :])
    y, back = matmul_forward(left.reshape(M, K), right.reshape(K, L))

    def pullback(dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        da, db = back(np.asarray(dy).reshape(M, L))
        return (
            da.reshape(left.shape).transpose(np.argsort(order_a)),
            db.reshape(right.shape).transpose(np.argsort(order_b)),
        )

    return y.reshape(shape), pullback


def dot_forward(a: Any, b: Any) -> tuple[Any, Pullback]:
    """np.dot(a, b) of arrays with axes, and its pullback: over the last axis of a and the last but one of b."""
    return tensordot_forward(a, b, ([-1], [-2 if np.ndim(b) > 1 else 0]))


def inner_forward(a: Any, b: Any) -> tuple[Any, Pullback]:
    """np.inner(a, b) of arrays with axes, and its pullback: over the last axis of both."""
    return tensordot_forward(a, b, ([-1], [-1]))


FORWARDS: dict[str, Callable[..., tuple[Any, Pullback]]] = {
    "matmul": matmul_forward, "dot": dot_forward, "inner": inner_forward, "tensordot": tensordot_forward,
}  # fmt: skip
"""The products under NumPy's names, each with its pullback."""


def takes(a: Any, b: Any) -> bool:
    """Whether the functions here are for these two: arrays with axes, of one float type that the kernels know."""
    a, b = np.asarray(a), np.asarray(b)
    return a.ndim > 0 < b.ndim and a.dtype == b.dtype and a.dtype.char in "fd"


def orthonormal(columns: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the columns of a (M, N) matrix of float64, M >= N, in their order and directions.

    It is the Q of the QR decomposition with a positive diagonal of R: block Gram-Schmidt, everything twice, which is
    orthogonal to the last bits where the columns are independent.  Source: Giraud, Langou & Rozloznik 2005.
    """
    q = np.array(columns, np.float64)
    for start in range(0, q.shape[1], _BLOCK):
        done, block = q[:, :start], q[:, start : start + _BLOCK]
        for _ in range(2):
            if start:
                block -= matmul(done, matmul(done.T, block))
            for k in range(block.shape[1]):
                column = block[:, k]
                if k:
                    before = block[:, :k]
                    column -= matmul(before, matmul(before.T, column))
                    column -= matmul(before, matmul(before.T, column))
                column /= np.sqrt(np.add.reduce(column * column))
    return q


def _is_ours(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the kernels know the type; shapes that do not fit are for NumPy to refuse."""
    return takes(a, b) and a.shape[-1] == b.shape[-2 if b.ndim > 1 else 0]


def _stacked(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., M, K) by (..., K, L), the first axes broadcast."""
    if b.ndim == 2:
        return kernels.matmul(_rows(a), b).reshape(*a.shape[:-1], b.shape[-1])
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, (*lead, *a.shape[-2:])), np.broadcast_to(b, (*lead, *b.shape[-2:]))
    y = np.empty((*lead, a.shape[-2], b.shape[-1]), a.dtype)
    for place in np.ndindex(lead):
        kernels.matmul(a[place], b[place], y[place])
    return y


def _rows(a: np.ndarray) -> np.ndarray:
    """All rows in one matrix."""
    return a if a.ndim == 2 else a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


def _summed(d: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The gradient of what was broadcast from `shape`."""
    lead = d.ndim - len(shape)
    axes = (*range(lead), *(lead + k for k, size in enumerate(shape) if size == 1 and d.shape[lead + k] != 1))
    return np.add.reduce(d, axis=axes).reshape(shape) if axes else d

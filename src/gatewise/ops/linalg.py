"""Linear algebra: solving, NumPy's decompositions and norms, with their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import autodiff
from gatewise.ops.numpy_names import call_numpy
from gatewise.ops.operation import differentiable_pair, floats, in_keras_types, normal_axes, operation, together
from gatewise.ops.reductions import last_axes_joined
from gatewise.ops.special import root

# ---- solving ------------------------------------------------------------------------------------------------------


def _t(x: np.ndarray) -> np.ndarray:
    """x with its last two axes exchanged."""
    return np.swapaxes(x, -1, -2)


@operation
@differentiable_pair
def inv(x: Any) -> tuple[Any, Any]:
    """The inverses of the matrices in the last two axes."""
    y = np.linalg.inv(floats(x))
    return y, lambda dy: -_t(y) @ dy @ _t(y)


@operation
@differentiable_pair
def det(x: Any) -> tuple[Any, Any]:
    """The determinants of the matrices in the last two axes."""
    x = floats(x)
    y = np.asarray(np.linalg.det(x))
    return y, lambda dy: (dy * y)[..., None, None] * _t(np.linalg.inv(x))


@differentiable_pair
def _log_abs_det(x: Any) -> tuple[Any, Any]:
    y = np.asarray(np.linalg.slogdet(x)[1], x.dtype)
    return y, lambda dy: dy[..., None, None] * _t(np.linalg.inv(x))


@operation
def slogdet(x: Any) -> tuple:
    """(the signs of the determinants, the logarithms of their sizes)."""
    x = floats(x)
    return np.asarray(np.linalg.slogdet(autodiff.plain(x))[0], x.dtype), _log_abs_det(x)


@operation
def logdet(x: Any) -> Any:
    """The logarithms of the determinants of matrices that are positive definite."""
    return _log_abs_det(floats(x))


@operation
def solve(a: Any, b: Any) -> Any:
    """x with a x = b, for matrices a (..., M, M) and b (..., M) or (..., M, K)."""
    a, b = together(floats(a), floats(b))
    if b.ndim == a.ndim - 1:
        return _solved(a, b[..., None])[..., 0]
    return _solved(a, b)


@differentiable_pair
def _solved(a: Any, b: Any) -> tuple[Any, Any]:
    y = np.linalg.solve(a, b)

    def pullback(dy: Any) -> tuple[Any, Any]:
        db = np.linalg.solve(_t(a), dy)
        return -db @ _t(y), db

    return y, pullback


@operation
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """x with a x = b, of a only the upper (or lower) triangle being used."""
    return solve.__wrapped__(call_numpy("tril" if lower else "triu", floats(a)), b)


@operation
def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """x that makes the sum of squares of a x - b smallest; of several such the shortest."""
    a, b = together(floats(a), floats(b))
    if autodiff.is_traced(a, b):
        return pinv.__wrapped__(a, rcond) @ b
    return in_keras_types(np.linalg.lstsq(a, b, rcond=rcond)[0], [a])


@operation
def pinv(x: Any, rcond: float | None = None) -> Any:
    """The pseudo-inverses of matrices; singular values below `rcond` times the largest count as 0."""
    x = floats(x)
    limit = max(x.shape[-2:]) * np.finfo(x.dtype).eps if rcond is None else rcond
    return _pseudo_inverse(x, rcond=limit)


@differentiable_pair
def _pseudo_inverse(x: Any, *, rcond: float) -> tuple[Any, Any]:
    p = np.linalg.pinv(x, rcond)

    def pullback(dp: Any) -> Any:
        # Golub & Pereyra 1973, for matrices whose rank does not change.
        eye_left, eye_right = np.eye(x.shape[-2], dtype=x.dtype), np.eye(x.shape[-1], dtype=x.dtype)
        first = -_t(p) @ dp @ _t(p)
        second = (eye_left - x @ p) @ _t(dp) @ (p @ _t(p))
        third = (_t(p) @ p) @ _t(dp) @ (eye_right - p @ x)
        return first + second + third

    return p, pullback


@operation
def matrix_rank(x: Any, tol: Any = None) -> Any:
    """The ranks of the matrices in the last two axes."""
    return np.asarray(np.linalg.matrix_rank(autodiff.plain(floats(x)), tol), np.int32)


# ---- decompositions -------------------------------------------------------------------------------------------------


@differentiable_pair
def _lower_cholesky(x: Any) -> tuple[Any, Any]:
    y = np.linalg.cholesky(x)

    def pullback(dy: Any) -> Any:
        # Murray 2016: L^-T Phi(L^T dL) L^-1, made symmetric.
        phi = np.tril(_t(y) @ dy) * (1 - 0.5 * np.eye(y.shape[-1], dtype=y.dtype))
        inverse = np.linalg.inv(y)
        s = _t(inverse) @ phi @ inverse
        return (s + _t(s)) / 2

    return y, pullback


@operation
def cholesky(x: Any, upper: bool = False) -> Any:
    """L with L L^T = x, for symmetric positive definite matrices; with `upper` L^T."""
    y = _lower_cholesky(floats(x))
    return call_numpy("swapaxes", y, -1, -2) if upper else y


@operation
def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """The inverse of the matrix whose Cholesky factor is x."""
    x = floats(x)
    turned = call_numpy("swapaxes", x, -1, -2)
    return inv.__wrapped__(turned @ x if upper else x @ turned)


@operation
def qr(x: Any, mode: str = "reduced") -> tuple:
    """(Q, R) with Q R = x, Q of orthonormal columns and R upper triangular; mode "reduced" or "complete"."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"ops.qr: mode is 'reduced' or 'complete'; got {mode!r}.")
    return tuple(_orthogonalized(floats(x), mode=mode))


@differentiable_pair
def _orthogonalized(x: Any, *, mode: str) -> tuple[Any, Any]:
    q, r = np.linalg.qr(x, mode=mode)  # type: ignore[call-overload]

    def pullback(d: Any) -> Any:
        if r.shape[-1] > r.shape[-2] or q.shape[-1] > r.shape[-1]:
            raise TypeError(
                "No derivative is known of ops.qr of a wide matrix, nor with mode='complete' of a tall one."
            )
        # Walter & Lehmann 2018.
        m = r @ _t(d[1]) - _t(d[0]) @ q
        lower = np.tril(m, -1)
        symmetric = lower + _t(lower) + m * np.eye(m.shape[-1], dtype=m.dtype)
        return _t(np.linalg.solve(r, _t(d[0] + q @ symmetric)))

    return [q, r], pullback


@operation
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """(U, s, V^T) with U diag(s) V^T = x, s falling; s alone without `compute_uv`."""
    x = floats(x)
    if not compute_uv:
        return singular_values(x)
    return tuple(_singular_decomposition(x, full_matrices=full_matrices))


@differentiable_pair
def _singular_decomposition(x: Any, *, full_matrices: bool) -> tuple[Any, Any]:
    u, s, vt = np.linalg.svd(x, full_matrices=full_matrices)

    def pullback(d: Any) -> Any:
        if u.shape[-1] != s.shape[-1] or vt.shape[-2] != s.shape[-1]:
            raise TypeError("No derivative is known of ops.svd with full_matrices=True of a matrix that is not square.")
        # Townsend 2016, "Differentiating the singular value decomposition".
        v, du, dv = _t(vt), d[0], _t(d[2])
        gaps = s[..., None, :] ** 2 - s[..., :, None] ** 2
        f = np.where(gaps == 0, 0, 1 / np.where(gaps == 0, 1, gaps))
        left, right = f * (_t(u) @ du - _t(du) @ u), f * (vt @ dv - _t(dv) @ v)
        eye = np.eye(s.shape[-1], dtype=x.dtype)
        dx = u @ (left * s[..., None, :] + s[..., :, None] * right + d[1][..., None, :] * eye) @ vt
        if x.shape[-2] > s.shape[-1]:
            dx = dx + ((du - u @ (_t(u) @ du)) / s[..., None, :]) @ vt
        if x.shape[-1] > s.shape[-1]:
            dx = dx + (u / s[..., None, :]) @ _t(dv - v @ (vt @ dv))
        return dx

    return [u, s, vt], pullback


@differentiable_pair
def singular_values(x: Any) -> tuple[Any, Any]:
    """The singular values of the matrices in the last two axes, falling."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    return s, lambda ds: (u * ds[..., None, :]) @ vt


@operation
def eigh(x: Any) -> tuple:
    """(eigenvalues, rising; eigenvectors as columns) of symmetric matrices."""
    return tuple(_eigen(floats(x)))


@differentiable_pair
def _eigen(x: Any) -> tuple[Any, Any]:
    values, vectors = np.linalg.eigh(x)

    def pullback(d: Any) -> Any:
        gaps = values[..., None, :] - values[..., :, None]
        inverse = np.where(gaps == 0, 0, 1 / np.where(gaps == 0, 1, gaps))
        inner = inverse * (_t(vectors) @ d[1])
        inner = inner + d[0][..., None, :] * np.eye(values.shape[-1], dtype=x.dtype)
        dx = vectors @ inner @ _t(vectors)
        return (dx + _t(dx)) / 2

    return [values, vectors], pullback


@operation
def eig(x: Any) -> tuple:
    """(eigenvalues, eigenvectors as columns) of any square matrices: complex numbers."""
    x = floats(x)
    if autodiff.is_traced(x):
        raise TypeError("No derivative is known of ops.eig; use ops.eigh for symmetric matrices.")
    kind = np.complex64 if x.dtype == np.float32 else np.complex128
    return tuple(part.astype(kind) for part in np.linalg.eig(x))


@operation
def lu_factor(x: Any) -> tuple:
    """(L and U in one matrix, the row that each row was exchanged with), as LAPACK's getrf gives them."""
    x = floats(x)
    if autodiff.is_traced(x):
        raise TypeError("No derivative is known of ops.lu_factor; use ops.solve, ops.inv or ops.det.")
    lu = np.array(x)
    flat = lu.reshape((-1, *lu.shape[-2:]))
    pivots = np.stack([_factor_in_place(matrix) for matrix in flat])
    return lu, pivots.reshape((*lu.shape[:-2], -1))


def _factor_in_place(a: np.ndarray) -> np.ndarray:
    """Gauss's elimination with exchange of rows; returns the exchanges."""
    n = min(a.shape)
    exchanged = np.arange(n, dtype=np.int32)
    for k in range(n):
        best = k + int(np.argmax(np.abs(a[k:, k])))
        exchanged[k] = best
        a[[k, best]] = a[[best, k]]
        if a[k, k] != 0:
            a[k + 1 :, k] /= a[k, k]
            a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return exchanged


# ---- norms --------------------------------------------------------------------------------------------------------


@operation
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors (one axis) or matrices (two axes); of all numbers as one vector without axis and ord.

    Args:
        ord: None, "euclidean" or 2: the root of the sum of squares; for vectors any number p, inf, -inf or 0 (how many
            are not 0); for matrices "fro", "nuc", 1, -1, 2, -2, inf, -inf.

    Raises:
        ValueError: for an ord that does not exist for so many axes.
    """
    x = floats(x)
    if axis is None and ord is not None and x.ndim > 2:
        raise ValueError(
            f"ops.norm: ord={ord!r} of an array with {x.ndim} axes needs `axis`: one, or two for matrices."
        )
    axes = normal_axes(axis, x.ndim)
    _, kept, gone = last_axes_joined(x, axis)
    found = (
        _matrix_norm(x, ord, axes)
        if len(axes) == 2 and ord not in (None, "euclidean")
        else _vector_norm(last_axes_joined(x, axis)[0], ord)
    )
    return found.reshape(kept if keepdims else gone)


def _vector_norm(x: Any, ord: Any) -> Any:
    """The norm along the last axis."""
    if ord in (None, 2, "euclidean"):
        return root(call_numpy("sum", x * x, axis=-1))
    if isinstance(ord, str):
        raise ValueError(f"ops.norm: {ord!r} is no norm of vectors; write a number, or give two axes for matrices.")
    size = call_numpy("abs", x)
    if ord == np.inf:
        return call_numpy("max", size, axis=-1)
    if ord == -np.inf:
        return call_numpy("min", size, axis=-1)
    if ord == 0:
        return np.sum(autodiff.plain(x) != 0, axis=-1).astype(x.dtype)
    total = call_numpy("sum", size**ord, axis=-1)
    return total if ord == 1 else total ** (1 / ord)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...]) -> Any:
    """The norm of the matrices in two axes."""
    rest = [k for k in range(x.ndim) if k not in axes]
    x = call_numpy("transpose", x, [*rest, *axes])
    if ord == "fro":
        return root(call_numpy("sum", x * x, axis=(-2, -1)))
    if ord in (1, -1, np.inf, -np.inf):
        sums = call_numpy("sum", call_numpy("abs", x), axis=-2 if abs(ord) == 1 else -1)
        return call_numpy("max" if ord > 0 else "min", sums, axis=-1)
    if ord in (2, -2, "nuc"):
        return call_numpy({2: "max", -2: "min", "nuc": "sum"}[ord], singular_values(x), axis=-1)
    raise ValueError(f"ops.norm: a matrix has the norms 'fro', 'nuc', 1, -1, 2, -2, inf, -inf; got ord={ord!r}.")


# ---- shapes, where a trial with zeros would be singular --------------------------------------------------------------


def _same_shape(x: Any, *_: Any, **__: Any) -> Any:
    """The shape of a symbolic tensor's inverse or factor: a trial with zeros would be singular."""
    return x.shape


def _shape_of_solved(a: Any, b: Any, *_: Any, **__: Any) -> Any:
    return tuple(b.shape)


for _function in (inv, cholesky, cholesky_inverse):
    _function.__wrapped__.shape_of = _same_shape
for _function in (solve, solve_triangular):
    _function.__wrapped__.shape_of = _shape_of_solved

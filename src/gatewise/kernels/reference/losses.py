"""Losses with their slopes, accuracies, softmax and sums of columns in plain NumPy: what the kernels compute."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Formula = Callable[[np.ndarray, np.ndarray, float, float], tuple[np.ndarray, np.ndarray]]


def softmax_forward(x: np.ndarray) -> np.ndarray:
    """exp(x) / sum(exp(x)) along the last axis."""
    y = np.exp(x - x.max(axis=-1, keepdims=True))
    return y / y.sum(axis=-1, keepdims=True)


def softmax_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """dx = y (dy - sum(dy y))."""
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def column_sums(x: np.ndarray) -> np.ndarray:
    """(rows, columns) -> (columns,)."""
    return x.sum(axis=0)


def score(
    name: str, y_true: np.ndarray, y_pred: np.ndarray, option: float = 0.0, epsilon: float = 1e-7
) -> tuple[float, float, np.ndarray]:
    """(sum of the values, how many there are, gradient of their mean with respect to y_pred) of a loss.

    Args:
        name: a key of `FORMULAS`.
        y_true: of y_pred's shape; classes (rows,) for sparse cross-entropies.   y_pred: (rows, columns).
        option: delta of huber, label smoothing of the cross-entropies.
        epsilon: how near to 0 and 1 probabilities are taken.
    """
    values, slope = FORMULAS[name](y_true, y_pred, option, epsilon)
    return float(values.sum()), float(values.size), slope / values.size


def _squared_error(t: np.ndarray, p: np.ndarray, _: float, __: float) -> tuple[np.ndarray, np.ndarray]:
    return (p - t) ** 2, 2 * (p - t)


def _absolute_error(t: np.ndarray, p: np.ndarray, _: float, __: float) -> tuple[np.ndarray, np.ndarray]:
    return np.abs(p - t), np.sign(p - t)


def _huber(t: np.ndarray, p: np.ndarray, delta: float, _: float) -> tuple[np.ndarray, np.ndarray]:
    e = p - t
    values = np.where(np.abs(e) <= delta, e * e / 2, delta * np.abs(e) - delta * delta / 2)
    return values, np.clip(e, -delta, delta)


def _binary(t: np.ndarray, y: np.ndarray, smoothing: float, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    t = t * (1 - smoothing) + smoothing / 2
    p = np.clip(y, epsilon, 1 - epsilon)
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)), np.where(p == y, (p - t) / (p * (1 - p)), 0)


def _binary_of_logits(t: np.ndarray, x: np.ndarray, smoothing: float, _: float) -> tuple[np.ndarray, np.ndarray]:
    t = t * (1 - smoothing) + smoothing / 2
    return np.logaddexp(0, x) - x * t, 1 / (1 + np.exp(-x)) - t


def _categorical(t: np.ndarray, y: np.ndarray, smoothing: float, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    t = t * (1 - smoothing) + smoothing / y.shape[-1]
    total = y.sum(axis=-1, keepdims=True)
    q = y / total
    p = np.clip(q, epsilon, 1 - epsilon)
    dq = np.where(p == q, -t / p, 0)
    return -(t * np.log(p)).sum(axis=-1), (dq - (dq * q).sum(axis=-1, keepdims=True)) / total


def _categorical_of_logits(t: np.ndarray, x: np.ndarray, smoothing: float, _: float) -> tuple[np.ndarray, np.ndarray]:
    t = t * (1 - smoothing) + smoothing / x.shape[-1]
    softmax = softmax_forward(x)
    return -(t * np.log(softmax)).sum(axis=-1), softmax * t.sum(axis=-1, keepdims=True) - t


def _sparse(t: np.ndarray, y: np.ndarray, _: float, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(len(y)), t.reshape(-1)
    p = np.clip(y, epsilon, 1 - epsilon)
    total = p.sum(axis=-1)
    slope = np.broadcast_to(1 / total[:, None], y.shape).copy()
    slope[at] -= 1 / p[at]
    return np.log(total / p[at]), slope * (p == y)


def _sparse_of_logits(t: np.ndarray, x: np.ndarray, _: float, __: float) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(len(x)), t.reshape(-1)
    slope = softmax_forward(x)
    values = -np.log(slope[at])
    slope[at] -= 1
    return values, slope


FORMULAS: dict[str, Formula] = {
    "squared_error": _squared_error,
    "absolute_error": _absolute_error,
    "huber": _huber,
    "binary_crossentropy": _binary,
    "binary_crossentropy_of_logits": _binary_of_logits,
    "categorical_crossentropy": _categorical,
    "categorical_crossentropy_of_logits": _categorical_of_logits,
    "sparse_crossentropy": _sparse,
    "sparse_crossentropy_of_logits": _sparse_of_logits,
}

"""Losses of margins: hinges, and circle loss over pairs of embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.products import matmul
from gatewise.training.losses.pairs import Pair, elementwise, expand, samplewise, sum_to, together


def _signs(y_true: Any) -> Any:
    """Labels 0 and 1 become -1 and 1; others stay."""
    return 2 * y_true - 1 if np.all((y_true == 0) | (y_true == 1)) else y_true


@elementwise()
def hinge(y_true: Any, y_pred: Any) -> Pair:
    """mean(max(1 - y_true y_pred, 0)), y_true -1 or 1 (0 counts as -1)."""
    y_true = _signs(y_true)
    margin = 1 - y_true * y_pred
    return np.maximum(margin, 0), lambda d: np.where(margin > 0, -y_true, 0) * d


@elementwise()
def squared_hinge(y_true: Any, y_pred: Any) -> Pair:
    """mean(max(1 - y_true y_pred, 0)^2), y_true -1 or 1 (0 counts as -1)."""
    y_true = _signs(y_true)
    margin = np.maximum(1 - y_true * y_pred, 0)
    return margin * margin, lambda d: -2 * margin * y_true * d


@samplewise()
def categorical_hinge(y_true: Any, y_pred: Any) -> Pair:
    """max(highest wrong prediction - right prediction + 1, 0)."""
    shape = y_pred.shape
    y_true, y_pred = together(y_true, y_pred)
    wrong = (1 - y_true) * y_pred
    highest = np.max(wrong, axis=-1, keepdims=True)
    margin = highest[..., 0] - np.add.reduce(y_true * y_pred, axis=-1) + 1

    def pullback(d: Any) -> Any:
        first = wrong == highest
        slope = first / np.add.reduce(first, axis=-1, keepdims=True, dtype=y_pred.dtype) * (1 - y_true) - y_true
        return sum_to(np.where(margin[..., None] > 0, slope, 0) * expand(d), shape).astype(y_pred.dtype)

    return np.maximum(margin, 0), pullback


def _active(y_true: Any, y_pred: Any, **options: Any) -> Any:
    """The samples that count: those with a loss above 0."""
    return circle.forward(y_true, y_pred, **options)[0] > 0


@samplewise(valid=_active)
def circle(y_true: Any, y_pred: Any, remove_diagonal: bool = True, gamma: float = 80.0, margin: float = 0.4) -> Pair:
    """Pulls embeddings (rows of y_pred, of length 1) of one class together and pushes others apart.

    With s = 1 - y_i . y_j the distance of a pair: softplus(logsumexp of -gamma (margin + s)(margin - s) over pairs
    of one class + logsumexp of gamma (1 + margin - s)(1 - margin - s) over the others).  The weights before the
    second brackets are differentiated too, as in Keras.  Source: Sun et al. 2020.
    """
    labels = np.asarray(y_true).reshape(-1)
    cosines = matmul(y_pred, y_pred.T)
    distance = np.maximum(1 - cosines, 0)
    same = labels[:, None] == labels[None, :]
    other = ~same
    if remove_diagonal:
        same = same & ~np.eye(len(labels), dtype=bool)
    pull_terms = np.where(same, -gamma * np.maximum(margin + distance, 0) * (margin - distance), -np.inf)
    push_weight = np.maximum(1 + margin - distance, 0)
    push_terms = np.where(other, gamma * push_weight * (1 - margin - distance), -np.inf)
    pull, pull_share = _log_sum_exp(pull_terms)
    push, push_share = _log_sum_exp(push_terms)
    both = pull + push

    def pullback(d: Any) -> Any:
        slope = expand(d) * (1 / (1 + np.exp(-both)))[:, None]
        d_pull = gamma * 2 * distance  # d/ds of -(margin + s)(margin - s)
        d_push = -gamma * ((1 - margin - distance) * (push_weight > 0) + push_weight)
        d_distance = slope * (pull_share * d_pull + push_share * d_push)
        d_cosines = np.where(cosines <= 1, -d_distance, 0)
        d_cosines = d_cosines.astype(y_pred.dtype, copy=False)
        return matmul(d_cosines, y_pred) + matmul(d_cosines.T, y_pred)

    return np.logaddexp(both, 0), pullback


def _log_sum_exp(x: Any) -> tuple[Any, Any]:
    """log(sum(exp(x))) of each row, and each element's share in the sum."""
    highest = np.max(x, axis=1, keepdims=True)
    finite = np.where(np.isfinite(highest), highest, 0)
    exponentials = np.exp(x - finite)
    total = np.add.reduce(exponentials, axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        logs = np.log(total[:, 0]) + finite[:, 0]
    return logs, exponentials / np.where(total == 0, 1, total)

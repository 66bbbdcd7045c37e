"""Correlations and angles of targets and predictions along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import config
from gatewise.training import losses
from gatewise.training.losses.pairs import together


def _centred(y: Any, axis: int) -> tuple[Any, Any]:
    """(mean, y - mean) along the axis."""
    mean = np.mean(y, axis=axis, keepdims=True)
    return mean, y - mean


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """mean((y_true - mean) (y_pred - mean)) / (std(y_true) std(y_pred)) along the axis; NaN where one is constant."""
    y_true, y_pred = together(y_true, y_pred)
    (_, a), (_, b) = _centred(y_true, axis), _centred(y_pred, axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.mean((a / np.std(a, axis=axis, keepdims=True)) * (b / np.std(b, axis=axis, keepdims=True)), axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """2 cov(y_true, y_pred) / (var(y_true) + var(y_pred) + (difference of the means)^2) along the axis.

    Source: Lin 1989.
    """
    y_true, y_pred = together(y_true, y_pred)
    (mean_a, a), (mean_b, b) = _centred(y_true, axis), _centred(y_pred, axis)
    spread = np.var(a, axis=axis, keepdims=True) + np.var(b, axis=axis, keepdims=True)
    # As b sums to 0, any constant may be taken from y_true: Keras takes the mean of y_pred.
    covariance = (y_true - mean_b) * b
    return np.mean(2 * covariance / (spread + np.square(mean_a - mean_b) + config.epsilon()), axis=axis)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The cosine of the angle between y_true and y_pred: 1 for the same direction (the loss is its negative)."""
    return -losses.cosine_similarity(y_true, y_pred, axis)

"""Losses of numbers: how far y_pred is from y_true, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatewise import config
from gatewise.training.losses.pairs import Pair, elementwise, expand, samplewise, sum_to, together
from gatewise.training.scores import element_score


@elementwise(symmetric=True, score=element_score("squared_error"))
def mean_squared_error(y_true: Any, y_pred: Any) -> Pair:
    """mean((y_pred - y_true)^2)."""
    difference = y_pred - y_true
    return difference * difference, lambda d: difference * (2 * d)


@elementwise(symmetric=True, score=element_score("absolute_error"))
def mean_absolute_error(y_true: Any, y_pred: Any) -> Pair:
    """mean(|y_pred - y_true|)."""
    difference = y_pred - y_true
    return np.abs(difference), lambda d: np.sign(difference) * d


@elementwise()
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Pair:
    """100 mean(|y_pred - y_true| / max(|y_true|, epsilon))."""
    scale = 100 / np.maximum(np.abs(y_true), config.epsilon())
    difference = y_pred - y_true
    return np.abs(difference) * scale, lambda d: np.sign(difference) * (scale * d)


@elementwise()
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Pair:
    """mean((log(1 + y_pred) - log(1 + y_true))^2), negative numbers taken as epsilon."""
    floor = config.epsilon()
    raised = np.maximum(y_pred, floor) + 1
    difference = np.log(raised) - np.log(np.maximum(y_true, floor) + 1)
    return difference * difference, lambda d: np.where(y_pred >= floor, difference / raised, 0) * (2 * d)


@elementwise(symmetric=True)
def log_cosh(y_true: Any, y_pred: Any) -> Pair:
    """mean(log(cosh(y_pred - y_true)))."""
    difference = y_pred - y_true
    values = difference + np.logaddexp(-2 * difference, 0) - math.log(2)
    return values, lambda d: np.tanh(difference) * d


@elementwise(symmetric=True, score=element_score("huber", "delta", 1.0))
def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Pair:
    """mean(e^2 / 2) where |e| <= delta, mean(delta |e| - delta^2 / 2) beyond.  Source: Huber 1964."""
    difference = y_pred - y_true
    size = np.abs(difference)
    values = np.where(size <= delta, 0.5 * difference * difference, delta * size - 0.5 * delta * delta)
    return values, lambda d: np.clip(difference, -delta, delta) * d


@elementwise()
def poisson(y_true: Any, y_pred: Any) -> Pair:
    """mean(y_pred - y_true log(y_pred + epsilon))."""
    raised = y_pred + config.epsilon()
    return y_pred - y_true * np.log(raised), lambda d: (1 - y_true / raised) * d


@elementwise(reduction="sum")
def kl_divergence(y_true: Any, y_pred: Any) -> Pair:
    """sum(y_true log(y_true / y_pred)), both kept within [epsilon, 1].  Source: Kullback & Leibler 1951."""
    low = config.epsilon()
    p, q = np.clip(y_true, low, 1), np.clip(y_pred, low, 1)
    return p * np.log(p / q), lambda d: np.where(q == y_pred, -p / q, 0) * d


@samplewise()
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Pair:
    """-cos of the angle between y_true and y_pred: -1 for the same direction."""
    shape = y_pred.shape
    y_true, y_pred = together(y_true, y_pred)
    highest = 1 / config.epsilon()
    truth = y_true * _inverse_norm(y_true, axis, highest)
    inverse = _inverse_norm(y_pred, axis, highest)
    unit = y_pred * inverse
    values = -np.add.reduce(truth * unit, axis=axis)

    def pullback(d: Any) -> Any:
        d = expand(d, axis)
        # Along the unit vector nothing changes, unless the vector is too short to be scaled to length 1.
        along = np.where(inverse < highest, np.add.reduce(truth * unit, axis=axis, keepdims=True) * unit, 0)
        return sum_to((along - truth) * inverse * d, shape)

    return values, pullback


def _inverse_norm(x: Any, axis: int, highest: float) -> Any:
    with np.errstate(divide="ignore"):
        return np.minimum(1 / np.sqrt(np.add.reduce(x * x, axis=axis, keepdims=True)), highest)

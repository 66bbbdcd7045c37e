"""Losses of overlap, for masks and sets: Dice and Tversky."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import config
from gatewise.training.losses.pairs import Pair, samplewise, sum_to, together


@samplewise()
def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Pair:
    """1 - tp / (tp + alpha fp + beta fn), each summed over `axis` (None: everything).

    As in Keras, fp = sum(y_true (1 - y_pred)) and fn = sum((1 - y_true) y_pred): the names are exchanged there.
    Source: Salehi et al. 2017.
    """
    shape = y_pred.shape
    y_true, y_pred = together(y_true, y_pred)
    axes = tuple(axis) if isinstance(axis, list) else axis
    hits = np.sum(y_true * y_pred, axis=axes, keepdims=True)
    extra = np.sum((1 - y_pred) * y_true, axis=axes, keepdims=True)
    missed = np.sum(y_pred * (1 - y_true), axis=axes, keepdims=True)
    whole = hits + alpha * extra + beta * missed + config.epsilon()
    ratio = hits / whole

    def pullback(d: Any) -> Any:
        d_whole = y_true - alpha * y_true + beta * (1 - y_true)
        return sum_to(_spread(d, ratio) * (ratio * d_whole - y_true) / whole, shape)

    return 1 - (np.squeeze(ratio) if axes is None else np.squeeze(ratio, axes)), pullback


@samplewise()
def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Pair:
    """1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred)), over `axis` (None: everything)."""
    shape = y_pred.shape
    y_true, y_pred = together(y_true, y_pred)
    axes = tuple(axis) if isinstance(axis, list) else axis
    hits = np.sum(y_true * y_pred, axis=axes, keepdims=True)
    whole = np.sum(y_true, axis=axes, keepdims=True) + np.sum(y_pred, axis=axes, keepdims=True) + config.epsilon()
    ratio = 2 * hits / whole

    def pullback(d: Any) -> Any:
        return sum_to(_spread(d, ratio) * (ratio - 2 * y_true) / whole, shape)

    return 1 - (np.squeeze(ratio) if axes is None else np.squeeze(ratio, axes)), pullback


def _spread(d: Any, reduced: Any) -> Any:
    """The gradient of a reduced array, with the axes of size 1 that it was reduced to."""
    return d.reshape(reduced.shape) if isinstance(d, np.ndarray) and d.ndim else d

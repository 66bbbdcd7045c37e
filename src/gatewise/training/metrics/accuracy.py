"""Accuracies: how many predictions are right, sample by sample (1 right, 0 wrong)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import config
from gatewise.training.losses.pairs import same_rank
from gatewise.training.scores import Score, element_score


def _right(matches: Any) -> Any:
    return matches.astype(config.floatx())


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where y_true equals y_pred."""
    y_true, y_pred = same_rank(np.asarray(y_true), np.asarray(y_pred))
    return _right(y_true == y_pred)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where y_true is 1 and y_pred above the threshold, or 0 and not above it."""
    y_true, y_pred = same_rank(np.asarray(y_true), np.asarray(y_pred))
    return _right(y_true == (y_pred > threshold))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of y_pred is at the place of the largest of y_true."""
    return _right(np.argmax(y_true, axis=-1) == np.argmax(y_pred, axis=-1))


def _flat_classes(y_true: Any, y_pred: Any) -> Any:
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    return y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of y_pred is at the place of the class in y_true."""
    return _right(_flat_classes(y_true, y_pred) == np.argmax(y_pred, axis=-1))


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Any:
    """1 where the class in y_true is among the k largest of y_pred.

    A class that ties with the k-th largest counts.  `from_sorted_ids`: y_pred holds classes, the best first.
    """
    y_pred, classes = np.asarray(y_pred), _flat_classes(y_true, y_pred)
    if from_sorted_ids:
        return _right(np.any(y_pred[..., :k] == classes[..., None], axis=-1))
    chosen = np.take_along_axis(y_pred, classes[..., None].astype(np.intp), axis=-1)
    finite = np.isfinite(chosen[..., 0])
    return _right((np.sum(y_pred > chosen, axis=-1) < k) & finite)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the largest of y_true is among the k largest of y_pred."""
    return sparse_top_k_categorical_accuracy(np.argmax(y_true, axis=-1), y_pred, k)


binary_accuracy.score = element_score("binary_accuracy", "threshold", 0.5)  # type: ignore[attr-defined]
categorical_accuracy.score = lambda _: Score("categorical_accuracy")  # type: ignore[attr-defined]
sparse_categorical_accuracy.score = lambda _: Score("sparse_accuracy", of_classes=True)  # type: ignore[attr-defined]

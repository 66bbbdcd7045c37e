"""Which shapes the functions that are averaged compare: checked at each batch, with a message that names the metric."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise.training import losses
from gatewise.training.metrics.accuracy import (
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from gatewise.training.metrics.correlation import concordance_correlation, cosine_similarity, pearson_correlation
from gatewise.training.metrics.shapes import called

_CLASSES = (
    sparse_categorical_accuracy, sparse_top_k_categorical_accuracy,
    losses.sparse_categorical_crossentropy, losses.categorical_generalized_cross_entropy,
)  # fmt: skip
_ONE_HOT = (
    categorical_accuracy, top_k_categorical_accuracy, losses.categorical_crossentropy,
    losses.categorical_focal_crossentropy, losses.categorical_hinge,
)  # fmt: skip
_ELEMENTS = (
    accuracy, binary_accuracy, concordance_correlation, pearson_correlation,
    losses.binary_crossentropy, losses.binary_focal_crossentropy, losses.hinge, losses.huber, losses.kl_divergence,
    losses.log_cosh, losses.mean_absolute_error, losses.mean_absolute_percentage_error, losses.mean_squared_error,
    losses.mean_squared_logarithmic_error, losses.poisson, losses.squared_hinge, cosine_similarity,
)  # fmt: skip
_UP = (
    accuracy, binary_accuracy, categorical_accuracy, top_k_categorical_accuracy, sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy, concordance_correlation, pearson_correlation, cosine_similarity,
)  # fmt: skip

Check = Callable[[Any, tuple[int, ...], tuple[int, ...]], None]


def check_of(fn: Any) -> Check | None:
    """How to check the shapes that a function is given: `check(metric, y_true.shape, y_pred.shape)`.

    None for a function of the user's.
    """
    for functions, check in ((_CLASSES, check_classes), (_ONE_HOT, check_one_hot), (_ELEMENTS, check_elements)):
        if fn in functions:
            return check
    return None


def direction_of(fn: Any) -> str | None:
    """ "up" for accuracies and correlations, "down" for losses, None for a function of the user's."""
    if fn in _UP:
        return "up"
    return "down" if isinstance(fn, losses.Loss) or hasattr(fn, "total") else None


def check_classes(metric: Any, y_true: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
    """Refuse anything but one integer class for each row of y_pred."""
    if y_pred and y_true in (y_pred[:-1], (*y_pred[:-1], 1)):
        return
    advice = " For one-hot targets use the metric of the same name without 'sparse'." if y_true == y_pred else ""
    raise ValueError(
        f"{called(metric)} wants one class for each prediction: y_pred has shape {y_pred}, so y_true needs "
        f"{y_pred[:-1]}; it has {y_true}.{advice}"
    )


def check_one_hot(metric: Any, y_true: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
    """Refuse anything but targets of the shape of y_pred."""
    if y_true == y_pred:
        return
    advice = "Give y_true the shape of the model's output."
    if y_pred and y_true in (y_pred[:-1], (*y_pred[:-1], 1)):
        advice = f"For integer classes use the sparse metric, or utils.to_categorical(y_true, {y_pred[-1]})."
    raise ValueError(f"{called(metric)} wants one number a class: y_pred has shape {y_pred}, y_true {y_true}. {advice}")


def check_elements(metric: Any, y_true: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
    """Refuse shapes that do not broadcast; a last axis of size 1 may come or go."""
    if y_true == y_pred:
        return
    longer, shorter = (y_true, y_pred) if len(y_true) > len(y_pred) else (y_pred, y_true)
    if len(longer) == len(shorter) + 1 and longer[-1] == 1:
        longer, shorter = (longer[:-1], shorter) if len(shorter) > 1 else (longer, (*shorter, 1))
    try:
        np.broadcast_shapes(longer, shorter)
    except ValueError:
        raise ValueError(
            f"{called(metric)} compares arrays of one shape: y_true has shape {y_true}, y_pred {y_pred}. Give y_true "
            "the shape of the model's output."
        ) from None

"""Cross-entropies: losses of probabilities, or of the logits they come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import config
from gatewise.training.losses.pairs import Pair, elementwise, expand, samplewise, sum_to, together
from gatewise.training.scores import crossentropy_score


def _within(p: Any) -> Any:
    """p kept away from 0 and 1 by epsilon, so that its logarithms are finite."""
    low = config.epsilon()
    return np.minimum(np.maximum(p, low), 1 - low)


def _binary(y_true: Any, y_pred: Any) -> Pair:
    """-(t log p + (1 - t) log(1 - p)) for each element, and its gradient with respect to y_pred."""
    p = _within(y_pred)
    complement = 1 - p
    values = -(y_true * np.log(p) + (1 - y_true) * np.log(complement))
    return values, lambda d: np.where(p == y_pred, (p - y_true) / (p * complement), 0) * d


def _logistic(x: Any) -> Any:
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, decay) / (1 + decay)


@elementwise(score=crossentropy_score("binary_crossentropy"))
def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Pair:
    """mean(-(y_true log y_pred + (1 - y_true) log(1 - y_pred))).

    Args:
        from_logits: y_pred are numbers before the sigmoid.
        label_smoothing: y_true is moved so far from 0 and 1 towards 0.5.
    """
    if label_smoothing:
        y_true = y_true * (1 - label_smoothing) + 0.5 * label_smoothing
    if not from_logits:
        return _binary(y_true, y_pred)
    values = np.maximum(y_pred, 0) - y_pred * y_true + np.log1p(np.exp(-np.abs(y_pred)))
    return values, lambda d: (_logistic(y_pred) - y_true) * d


@elementwise()
def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Pair:
    """Binary cross-entropy times (1 - p_t)^gamma, p_t the probability given to the truth.  Source: Lin et al. 2018.

    `apply_class_balancing` weighs class 1 by alpha, class 0 by 1 - alpha.
    """
    if label_smoothing:
        y_true = y_true * (1 - label_smoothing) + 0.5 * label_smoothing
    p = _logistic(y_pred) if from_logits else y_pred
    entropy, entropy_back = _binary(y_true, p)
    missing = 1 - (y_true * p + (1 - y_true) * (1 - p))
    weight = y_true * alpha + (1 - y_true) * (1 - alpha) if apply_class_balancing else 1
    factor = weight * missing**gamma

    def pullback(d: Any) -> Any:
        d_missing = weight * gamma * missing ** (gamma - 1) * entropy
        dp = entropy_back(factor * d) + d_missing * (1 - 2 * y_true) * d
        return dp * p * (1 - p) if from_logits else dp

    return factor * entropy, pullback


def _targets(y_true: Any, y_pred: Any, name: str, label_smoothing: float, axis: int) -> tuple[Any, Any]:
    """One-hot targets and predictions of one shape, the targets smoothed."""
    y_true, y_pred = together(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"{name} compares arrays of one shape: y_true has {y_true.shape}, y_pred {y_pred.shape}. "
            "For integer classes use sparse_categorical_crossentropy, or utils.to_categorical(y_true)."
        )
    if label_smoothing:
        y_true = y_true * (1 - label_smoothing) + label_smoothing / y_pred.shape[axis]
    return y_true, y_pred


def _softmax(logits: Any, axis: int) -> tuple[Any, Any]:
    """(log of the softmax, softmax)."""
    shifted = logits - np.max(logits, axis=axis, keepdims=True)
    exponentials = np.exp(shifted)
    total = np.add.reduce(exponentials, axis=axis, keepdims=True)
    return shifted - np.log(total), exponentials / total


@samplewise(score=crossentropy_score("categorical_crossentropy"))
def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Pair:
    """-sum(y_true log(y_pred / sum(y_pred))) along `axis`.

    Args:
        from_logits: y_pred are numbers before the softmax.
        label_smoothing: so much of y_true is spread evenly over the classes.
    """
    shape = y_pred.shape
    y_true, y_pred = _targets(y_true, y_pred, "categorical_crossentropy", label_smoothing, axis)
    if from_logits:
        logs, softmax = _softmax(y_pred, axis)
        mass = np.add.reduce(y_true, axis=axis, keepdims=True)
        values = -np.add.reduce(y_true * logs, axis=axis)
        return values, lambda d: sum_to((softmax * mass - y_true) * expand(d, axis), shape)
    total = np.add.reduce(y_pred, axis=axis, keepdims=True)
    q = y_pred / total
    p = _within(q)
    values = -np.add.reduce(y_true * np.log(p), axis=axis)

    def pullback(d: Any) -> Any:
        dq = np.where(p == q, y_true / p, 0) * -expand(d, axis)
        return sum_to((dq - np.add.reduce(dq * q, axis=axis, keepdims=True)) / total, shape)

    return values, pullback


@samplewise()
def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Pair:
    """-sum(alpha (1 - p)^gamma y_true log p), p = y_pred / sum(y_pred).  Source: Lin et al. 2018."""
    shape = y_pred.shape
    y_true, y_pred = _targets(y_true, y_pred, "categorical_focal_crossentropy", label_smoothing, axis)
    weight: Any = np.asarray(alpha, y_pred.dtype)
    given = _softmax(y_pred, axis)[1] if from_logits else y_pred
    total = np.add.reduce(given, axis=axis, keepdims=True)
    q = given / total
    p = _within(q)
    log_p, missing = np.log(p), 1 - p
    values = -np.add.reduce(weight * missing**gamma * y_true * log_p, axis=axis)

    def pullback(d: Any) -> Any:
        slope = gamma * missing ** (gamma - 1) * log_p - missing**gamma / p
        dq = np.where(p == q, weight * y_true * slope, 0) * expand(d, axis)
        d_given = (dq - np.add.reduce(dq * q, axis=axis, keepdims=True)) / total
        if from_logits:
            d_given = given * (d_given - np.add.reduce(d_given * given, axis=axis, keepdims=True))
        return sum_to(d_given, shape)

    return values, pullback


def _classes(y_true: Any, y_pred: Any, axis: int) -> Any:
    """Integer classes without the last axis of size 1 that they may come with."""
    y_true = np.asarray(y_true)
    if y_true.ndim == y_pred.ndim and y_true.shape[axis] == 1:
        y_true = np.squeeze(y_true, axis)
    return y_true if y_true.dtype.kind in "iu" else y_true.astype(np.intp)


def _counted(y_true: Any, y_pred: Any, ignore_class: int | None = None, axis: int = -1, **_: Any) -> Any:
    """The values that count: all but those of the ignored class."""
    return None if ignore_class is None else _classes(y_true, np.asarray(y_pred), axis) != ignore_class


@samplewise(valid=_counted, score=crossentropy_score("sparse_crossentropy", of_classes=True))
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Pair:
    """-log(y_pred[class] / sum(y_pred)), the classes integers in y_true.

    Args:
        from_logits: y_pred are numbers before the softmax.
        ignore_class: a class whose samples have loss 0 and do not count in the mean.
    Raises:
        ValueError: a class that y_pred has no probability for.
    """
    shape, classes = y_pred.shape, _classes(y_true, y_pred, axis)
    if axis not in (-1, y_pred.ndim - 1):
        y_pred = np.moveaxis(y_pred, axis, -1)
    rows = y_pred.reshape(-1, y_pred.shape[-1])
    chosen = classes.reshape(-1)
    kept = None if ignore_class is None else chosen != ignore_class
    if kept is not None:
        chosen = np.where(kept, chosen, 0)
    _check_classes(chosen, classes.shape, y_pred.shape)
    at = (np.arange(len(rows)), chosen)
    if from_logits:
        logs, slope = _softmax(rows, -1)
        values = -logs[at]
    else:
        p = _within(rows)
        total = np.add.reduce(p, axis=-1)
        values = np.log(total / p[at])
        slope = 1 / total[:, None]
    if kept is not None:
        values = np.where(kept, values, 0)

    def pullback(d: Any) -> Any:
        d_rows = np.broadcast_to(slope, rows.shape).copy()
        d_rows[at] -= 1 if from_logits else 1 / p[at]
        if not from_logits:
            d_rows *= p == rows
        d = d.reshape(-1, 1) if isinstance(d, np.ndarray) and d.ndim else d
        d_rows *= d if kept is None else d * kept[:, None]
        back = d_rows.reshape(y_pred.shape)
        return back if back.shape == shape else np.moveaxis(back, -1, axis)

    return values.reshape(classes.shape), pullback


def _check_classes(chosen: Any, given: tuple[int, ...], predicted: tuple[int, ...]) -> None:
    if given != predicted[:-1]:
        raise ValueError(
            f"sparse_categorical_crossentropy needs one integer class for each prediction: y_pred has shape "
            f"{predicted}, so y_true needs {predicted[:-1]} or {(*predicted[:-1], 1)}; it has {given}. "
            "For one-hot targets use categorical_crossentropy."
        )
    # A negative class is a very large one without its sign.
    if chosen.size and chosen.astype(np.uintp).max() >= predicted[-1]:
        wrong = chosen.min() if chosen.min() < 0 else chosen.max()
        raise ValueError(
            f"Class {wrong} in y_true, but y_pred has {predicted[-1]} outputs, for the classes 0 to "
            f"{predicted[-1] - 1}. Give the last layer units={chosen.max() + 1}, or check the labels."
        )


@samplewise()
def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float = 0.5) -> Pair:
    """(1 - p^q) / q, p the probability given to the class in y_true.  Source: Zhang & Sabuncu 2018."""
    shape, classes = y_pred.shape, _classes(y_true, y_pred, -1)
    rows, chosen = y_pred.reshape(-1, shape[-1]), classes.reshape(-1)
    _check_classes(chosen, classes.shape, shape)
    at = (np.arange(len(rows)), chosen)
    p = rows[at]

    def pullback(d: Any) -> Any:
        d_rows = np.zeros_like(rows)
        d_rows[at] = -(p ** (q - 1)) * (d.reshape(-1) if isinstance(d, np.ndarray) and d.ndim else d)
        return d_rows.reshape(shape)

    return ((1 - p**q) / q).reshape(classes.shape), pullback

"""What metrics ask of the arrays they are given: one shape, weights that fit; and ratios that may be empty."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.training.losses.pairs import same_rank


def called(metric: Any) -> str:
    """How messages name a metric."""
    return f"Metric '{metric.name}' ({type(metric).__name__})"


def paired(metric: Any, y_true: Any, y_pred: Any, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions as arrays of one type and one shape; a last axis of size 1 may come or go.

    Raises:
        ValueError: if the shapes differ, naming the metric and both shapes.
    """
    truth, predicted = np.asarray(y_true, dtype), np.asarray(y_pred, dtype)
    truth, predicted = same_rank(truth, predicted)
    if truth.shape != predicted.shape:
        raise ValueError(
            f"{called(metric)} compares arrays of one shape: y_true has shape {np.shape(y_true)}, y_pred "
            f"{np.shape(y_pred)}. {_advice(np.shape(y_true), np.shape(y_pred))}"
        )
    return truth, predicted


def _advice(y_true: tuple[int, ...], y_pred: tuple[int, ...]) -> str:
    if y_true in (y_pred[:-1], (*y_pred[:-1], 1)) and y_pred:
        return f"For integer classes write utils.to_categorical(y_true, num_classes={y_pred[-1]})."
    return "Give y_true the shape of the model's output."


def check_rank(metric: Any, shape: tuple[int, ...], rank: int, why: str = "") -> None:
    """Refuse predictions of another rank: `shape` is y_pred's."""
    if len(shape) != rank:
        axes = {2: "(batch, outputs)"}.get(rank, f"{rank} axes")
        raise ValueError(f"{called(metric)} wants y_pred of shape {axes}{why}; it has shape {shape}.")


def weights_like(metric: Any, sample_weight: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """One weight for each element of `shape`, from weights of samples, of steps or of elements.

    Args:
        sample_weight: None, a number, or an array whose axes are the first of `shape`, each of its size or 1; one
            more axis of size 1 at the end is left out.
    Raises:
        ValueError: if they do not fit.
    """
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, np.float64)
    if weight.ndim == len(shape) + 1 and weight.shape[-1] == 1:
        weight = weight[..., 0]
    if weight.ndim < len(shape):
        weight = weight.reshape(weight.shape + (1,) * (len(shape) - weight.ndim))
    fits = weight.ndim == len(shape) and all(w in (1, size) for w, size in zip(weight.shape, shape, strict=True))
    if not fits:
        raise ValueError(
            f"{called(metric)}: sample_weight of shape {np.shape(sample_weight)} does not fit y_true of shape {shape}: "
            f"give one weight a sample, shape {shape[:1]}, or one for each value, shape {shape}."
        )
    return np.broadcast_to(weight, shape)


def ratio(a: Any, b: Any) -> Any:
    """a / b, and 0 where b is 0."""
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    return np.divide(a, b, out=np.zeros(a.shape), where=b != 0)


def number_or_array(value: Any) -> Any:
    """A result: a float for one number, else an array."""
    return float(value) if np.ndim(value) == 0 else np.array(value)


def is_number(value: Any) -> bool:
    """True for a number of Python or NumPy; not for True and False."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def check_fraction(metric: Any, name: str, value: Any) -> None:
    """Refuse an argument that is not a number from 0 to 1."""
    if not is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{type(metric).__name__}: {name} is a number from 0 to 1; got {value!r}.")


def check_count(metric: Any, name: str, value: Any, least: int) -> None:
    """Refuse an argument that is not an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{type(metric).__name__}: {name} is an integer of at least {least}; got {value!r}.")


def check_choice(metric: Any, name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Refuse an argument that is not one of the choices."""
    if value not in choices:
        raise ValueError(f"{type(metric).__name__}: {name} is one of {', '.join(map(repr, choices))}; got {value!r}.")

"""Counting right and wrong decisions at thresholds: what precision, recall, AUC and their like are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import config
from gatewise.training.metrics.base import Metric
from gatewise.training.metrics.shapes import called, check_count, check_rank, is_number, paired, weights_like
from gatewise.variable import Variable

BELOW_ALL = -1e10
"""The threshold of `top_k`: the k best are above it, and all others are set to it."""


class Counts(NamedTuple):
    """Sums of weights at each threshold: (T,), or (T, labels) where labels are counted apart."""

    true_positives: np.ndarray
    false_positives: np.ndarray
    true_negatives: np.ndarray
    false_negatives: np.ndarray


def evenly_spread(thresholds: Sequence[float]) -> bool:
    """True for 0, 1/(n-1), ..., 1 (n > 2) up to rounding: there Keras finds the place of a prediction by rounding."""
    n = len(thresholds)
    even = np.arange(n, dtype=np.float32) / max(n - 1, 1)
    return n > 2 and bool(np.allclose(np.asarray(thresholds, np.float64), even, atol=config.epsilon()))


class ThresholdMetric(Metric):
    """Base class of metrics that call a prediction positive where it is above a threshold.

    Subclasses set `thresholds`, and name the counts that they keep with `_keep`; `_count` adds a batch to them.
    """

    thresholds: Any
    true_positives: Variable
    false_positives: Variable
    true_negatives: Variable
    false_negatives: Variable
    _even = False

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        super().__init__(dtype, name)
        self._kept: dict[str, Variable] = {}

    def _keep(self, shape: tuple[int, ...], *names: str) -> None:
        for name in names:
            self._kept[name] = self.add_variable(shape, dtype="float64", name=name)
            setattr(self, name, self._kept[name])

    def _count(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any,
        *,
        top_k: int | None = None,
        class_id: int | None = None,
        per_label: bool = False,
        label_weights: Any = None,
    ) -> None:
        """Add a batch to the counts kept.

        Args:
            y_true, y_pred: of one shape.   sample_weight: None, or of a shape that fits.
            top_k: only the k largest along the last axis can be positive.   class_id: only this class counts.
            per_label: count each column apart.   label_weights: (labels,), weights of the columns.
        """
        dtype = np.result_type(config.floatx(), self._dtype)
        truth, predicted = paired(self, y_true, y_pred, dtype)
        weight = weights_like(self, sample_weight, truth.shape)
        if label_weights is not None:
            weight = (1 if weight is None else weight) * self._columns(label_weights, truth.shape)
        if top_k is not None:
            predicted = self._only_largest(predicted, top_k)
        if class_id is not None:
            self._check_class(class_id, truth.shape)
            truth, predicted = truth[..., class_id, None], predicted[..., class_id, None]
            weight = None if weight is None else weight[..., class_id, None]
        if per_label:
            check_rank(self, truth.shape, 2, " where labels are counted apart (multi_label=True)")
        counts = self._counts(truth != 0, predicted, weight, per_label)
        for name, variable in self._kept.items():
            variable.assign_add(getattr(counts, name))

    def _counts(self, truth: np.ndarray, predicted: np.ndarray, weight: Any, per_label: bool) -> Counts:
        """Weights of all elements by the number of thresholds they are above, then summed from the top."""
        thresholds = np.asarray(self.thresholds, predicted.dtype)
        order = None if self._even else np.argsort(thresholds, kind="stable")
        above = self._above_even(predicted) if order is None else np.searchsorted(thresholds[order], predicted)
        above = np.where(np.isnan(predicted), 0, above).astype(np.intp)
        size, labels = len(thresholds) + 1, truth.shape[1] if per_label else 1
        if per_label:
            above = above + size * np.arange(labels)
        place = 2 * above.ravel() + truth.ravel()
        sums = np.bincount(place, None if weight is None else np.ravel(weight), 2 * size * labels)
        sums = sums.reshape(labels, size, 2).transpose(1, 2, 0).astype(np.float64)
        higher = np.cumsum(sums[::-1], axis=0)[::-1]
        positive, negative = higher[1:], higher[0] - higher[1:]
        if order is not None:
            back = np.argsort(order, kind="stable")
            positive, negative = positive[back], negative[back]
        found = (positive[:, 1], positive[:, 0], negative[:, 0], negative[:, 1])
        return Counts(*(found if per_label else (item[:, 0] for item in found)))

    def _above_even(self, predicted: np.ndarray) -> np.ndarray:
        """How many of evenly spread thresholds each prediction is above."""
        steps = predicted.dtype.type(len(self.thresholds) - 1)
        above = np.ceil(np.clip(predicted, 0, 1) * steps)
        # The first threshold of AUC lies below 0: every prediction is above it.
        return np.maximum(above, 1) if self.thresholds[0] < 0 else above

    def _only_largest(self, predicted: np.ndarray, k: int) -> np.ndarray:
        size = predicted.shape[-1] if predicted.ndim else 0
        if k > size:
            raise ValueError(f"{called(self)}: top_k={k}, but y_pred of shape {predicted.shape} has {size} classes.")
        kept = np.zeros(predicted.shape, bool)
        best = np.argsort(-predicted, axis=-1, kind="stable")[..., :k]
        np.put_along_axis(kept, best, True, axis=-1)
        return np.where(kept, predicted, predicted.dtype.type(BELOW_ALL))

    def _check_class(self, class_id: int, shape: tuple[int, ...]) -> None:
        if len(shape) < 2 or not -shape[-1] <= class_id < shape[-1]:
            raise ValueError(
                f"{called(self)}: class_id={class_id} wants y_pred of shape (batch, classes) with that class; it has "
                f"shape {shape}."
            )

    def _columns(self, label_weights: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        if not shape or len(label_weights) not in (1, shape[-1]):
            raise ValueError(
                f"{called(self)} has {len(label_weights)} label_weights; y_pred has shape {shape}. Give one weight "
                "for each label."
            )
        return np.broadcast_to(label_weights, shape)


def as_thresholds(metric: Metric, given: Any, default: float) -> list[Any]:
    """A metric's thresholds from its argument: None, a number from 0 to 1, or several.

    Raises:
        ValueError: for anything else.
    """
    if given is None:
        return [default]
    thresholds: list[Any] = list(given) if isinstance(given, list | tuple | np.ndarray) and np.ndim(given) else [given]
    wrong = [t for t in thresholds if not is_number(t) or not 0 <= t <= 1]
    if wrong or not thresholds:
        raise ValueError(
            f"{type(metric).__name__}: thresholds is a number from 0 to 1 or a list of them; got {given!r}."
        )
    return thresholds


def in_config(thresholds: Any) -> Any:
    """Thresholds as a configuration holds them: an array becomes a list."""
    return thresholds.tolist() if isinstance(thresholds, np.ndarray) else thresholds


def check_selection(metric: Metric, top_k: Any, class_id: Any) -> None:
    """Refuse a `top_k` below 1 and a `class_id` below 0."""
    if top_k is not None:
        check_count(metric, "top_k", top_k, 1)
    if class_id is not None:
        check_count(metric, "class_id", class_id, 0)

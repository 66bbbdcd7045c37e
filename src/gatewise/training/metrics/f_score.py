"""F-scores: one number from precision and recall."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import config
from gatewise.training.metrics.base import Metric
from gatewise.training.metrics.shapes import (
    called,
    check_choice,
    check_rank,
    is_number,
    number_or_array,
    paired,
    weights_like,
)
from gatewise.variable import Variable


class FBetaScore(Metric):
    """(1 + beta^2) precision recall / (beta^2 precision + recall), by class or averaged.

    Args:
        average: None (one number a class), "micro" (all decisions together), "macro" (the mean of the classes) or
            "weighted" (their mean weighted by how often each is a target).
        beta: how much more recall counts than precision.
        threshold: predictions above it are positive; None: the largest of each row is.
    """

    _direction = "up"
    true_positives: Variable
    false_positives: Variable
    false_negatives: Variable
    intermediate_weights: Variable

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        check_choice(self, "average", average, (None, "micro", "macro", "weighted"))
        if not is_number(beta) or not beta > 0:
            raise ValueError(f"{type(self).__name__}: beta is a number above 0; got {beta!r}.")
        if threshold is not None and (not is_number(threshold) or not 0 < threshold <= 1):
            raise ValueError(f"{type(self).__name__}: threshold is a number above 0 and up to 1; got {threshold!r}.")
        self.average, self.beta = average, float(beta)
        self.threshold = None if threshold is None else float(threshold)
        self._built = False

    def _build(self, classes: int) -> None:
        shape = () if self.average == "micro" else (classes,)
        for name in ("true_positives", "false_positives", "false_negatives", "intermediate_weights"):
            setattr(self, name, self.add_variable(shape, dtype="float64", name=name))
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: y_true (0 or 1) and y_pred, both (batch, classes); one weight a sample."""
        truth, predicted = paired(self, y_true, y_pred, self._dtype)
        check_rank(self, truth.shape, 2)
        if not self._built:
            self._build(truth.shape[1])
        kept = self.true_positives.shape
        if kept and kept != truth.shape[1:]:
            raise ValueError(f"{called(self)} counts {kept[0]} classes; y_pred has shape {np.shape(y_pred)}.")
        weight = weights_like(self, sample_weight, truth.shape)
        truth = truth.astype(np.float64)
        chosen = self._positive(predicted)
        axis = None if self.average == "micro" else 0
        for variable, counted in (
            (self.true_positives, chosen * truth),
            (self.false_positives, chosen * (1 - truth)),
            (self.false_negatives, (1 - chosen) * truth),
            (self.intermediate_weights, truth),
        ):
            variable.assign_add(np.sum(counted if weight is None else counted * weight, axis=axis))

    def _positive(self, predicted: np.ndarray) -> np.ndarray:
        if self.threshold is not None:
            return (predicted > predicted.dtype.type(self.threshold)).astype(np.float64)
        largest = np.max(predicted, axis=-1, keepdims=True, initial=-np.inf)
        # A row of zeros chooses nothing.
        return ((predicted >= largest) & (np.abs(predicted) > 1e-9)).astype(np.float64)

    def result(self) -> Any:
        """A number, or (classes,) without an average; 0 before the first batch."""
        if not self._built:
            return 0.0
        tp, little = self.true_positives.array, config.epsilon()
        precision = tp / (tp + self.false_positives.array + little)
        recall = tp / (tp + self.false_negatives.array + little)
        squared = self.beta**2
        scores = (1 + squared) * precision * recall / (squared * precision + recall + little)
        if self.average == "weighted":
            weights = self.intermediate_weights.array
            return float(np.sum(scores * (weights / (np.sum(weights) + little))))
        return number_or_array(scores if self.average is None else np.mean(scores))

    def get_config(self) -> dict[str, Any]:
        mine = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **mine}


class F1Score(FBetaScore):
    """2 precision recall / (precision + recall): the FBetaScore with beta 1; arguments as there."""

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        found = super().get_config()
        del found["beta"]
        return found

"""R2: how much of the variance of the targets the predictions explain."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gatewise.training.metrics.base import Metric
from gatewise.training.metrics.shapes import (
    called,
    check_choice,
    check_count,
    check_rank,
    number_or_array,
    paired,
    weights_like,
)
from gatewise.variable import Variable


class R2Score(Metric):
    """1 - sum((y_true - y_pred)^2) / sum((y_true - mean(y_true))^2): 1 is perfect, 0 as good as the mean.

    An output whose targets are all the same counts as 0.

    Args:
        class_aggregation: "uniform_average" (the mean over the outputs), "variance_weighted_average" (weighted by the
            variance of each output's targets) or None (one number an output).
        num_regressors: number of inputs of the model, for the adjusted score; 0 for the plain one.
    """

    _direction = "up"
    squared_sum: Variable
    sum: Variable
    total_mse: Variable
    count: Variable

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        choices = (None, "uniform_average", "variance_weighted_average")
        check_choice(self, "class_aggregation", class_aggregation, choices)
        check_count(self, "num_regressors", num_regressors, 0)
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self.num_samples = self.add_variable((), dtype="float64", name="num_samples")
        self._built = False

    def _build(self, outputs: int) -> None:
        for attribute, name in (
            ("squared_sum", "squared_sum"),
            ("sum", "sum"),
            ("total_mse", "residual"),
            ("count", "count"),
        ):
            setattr(self, attribute, self.add_variable((outputs,), dtype="float64", name=name))
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: y_true and y_pred, both (batch, outputs)."""
        truth, predicted = paired(self, y_true, y_pred, np.float64)
        check_rank(self, truth.shape, 2)
        if not self._built:
            self._build(truth.shape[1])
        if self.sum.shape != truth.shape[1:]:
            raise ValueError(f"{called(self)} counts {self.sum.size} outputs; y_pred has shape {np.shape(y_pred)}.")
        given = weights_like(self, sample_weight, truth.shape)
        weight = np.ones(truth.shape) if given is None else given
        self.sum.assign_add(np.sum(truth * weight, axis=0))
        self.squared_sum.assign_add(np.sum(truth * truth * weight, axis=0))
        self.total_mse.assign_add(np.sum((truth - predicted) ** 2 * weight, axis=0))
        self.count.assign_add(np.sum(weight, axis=0))
        # Keras counts the numbers, not the samples, and the adjusted score is made with that.
        self.num_samples.assign_add(truth.size)

    def result(self) -> Any:
        """A number, or (outputs,) without aggregation; 0 before the first batch, NaN where all weights are 0."""
        if not self._built or not self.num_samples.array:
            return 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            total = self.squared_sum.array - self.sum.array * (self.sum.array / self.count.array)
            scores = 1 - self.total_mse.array / total
        scores = np.where(np.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = np.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            with np.errstate(divide="ignore", invalid="ignore"):
                scores = np.sum(total * scores) / np.sum(total)
        return number_or_array(self._adjusted(scores))

    def _adjusted(self, scores: Any) -> Any:
        """1 - (1 - R2) (n - 1) / (n - regressors - 1)."""
        if not self.num_regressors:
            return scores
        n = float(self.num_samples.array)
        left = n - self.num_regressors - 1
        if left <= 0:
            warnings.warn(
                f"{called(self)}: {n:.0f} numbers are too few to adjust for {self.num_regressors} regressors; this is "
                "the plain score.",
                stacklevel=3,
            )
            return scores
        return 1 - (1 - scores) * (n - 1) / left

    def get_config(self) -> dict[str, Any]:
        mine = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **mine}

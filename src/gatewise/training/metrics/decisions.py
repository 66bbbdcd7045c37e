"""Metrics of decisions: counts of right and wrong ones, precision, recall, and one at a level of the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.training.metrics.confusion import (
    BELOW_ALL,
    ThresholdMetric,
    as_thresholds,
    check_selection,
    evenly_spread,
    in_config,
)
from gatewise.training.metrics.shapes import check_count, check_fraction, number_or_array, ratio


class _Count(ThresholdMetric):
    """The sum of the weights of one kind of decisions, at each threshold."""

    _kind = ""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.init_thresholds = in_config(thresholds)
        self.thresholds = as_thresholds(self, thresholds, 0.5)
        self._even = evenly_spread(self.thresholds)
        self.accumulator = self.add_variable((len(self.thresholds),), dtype="float64", name="accumulator")
        self._kept = {self._kind: self.accumulator}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: y_true (0 or 1) and y_pred (0 to 1) of one shape."""
        self._count(y_true, y_pred, sample_weight)

    def result(self) -> Any:
        """A number; with several thresholds an array, one for each."""
        found = self.accumulator.array
        return number_or_array(found[0] if len(self.thresholds) == 1 else found)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """How many targets that are 1 have a prediction above the threshold.

    Args:
        thresholds: a number from 0 to 1 or a list of them; default 0.5.
    """

    _kind = "true_positives"


class TrueNegatives(_Count):
    """How many targets that are 0 have a prediction not above the threshold; arguments as TruePositives."""

    _kind = "true_negatives"


class FalsePositives(_Count):
    """How many targets that are 0 have a prediction above the threshold; arguments as TruePositives."""

    _kind = "false_positives"


class FalseNegatives(_Count):
    """How many targets that are 1 have a prediction not above the threshold; arguments as TruePositives."""

    _kind = "false_negatives"


class _Share(ThresholdMetric):
    """true_positives / (true_positives + another count), at each threshold."""

    _other = ""
    _direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        check_selection(self, top_k, class_id)
        self.init_thresholds, self.top_k, self.class_id = in_config(thresholds), top_k, class_id
        self.thresholds = as_thresholds(self, thresholds, 0.5 if top_k is None else BELOW_ALL)
        self._even = evenly_spread(self.thresholds)
        self._keep((len(self.thresholds),), "true_positives", self._other)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: y_true (0 or 1) and y_pred (0 to 1) of one shape."""
        self._count(y_true, y_pred, sample_weight, top_k=self.top_k, class_id=self.class_id)

    def result(self) -> Any:
        """A number; with several thresholds an array, one for each.  Nothing counted: 0."""
        hits = self.true_positives.array
        found = ratio(hits, hits + self._kept[self._other].array)
        return number_or_array(found[0] if len(self.thresholds) == 1 else found)

    def get_config(self) -> dict[str, Any]:
        mine = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **mine}


class Precision(_Share):
    """How many of the predictions above the threshold have a target of 1.

    Args:
        thresholds: a number from 0 to 1 or a list of them; default 0.5.
        top_k: only the k largest predictions of a row can be positive; without `thresholds` all of them are.
        class_id: only this column counts.
    """

    _other = "false_positives"


class Recall(_Share):
    """How many of the targets that are 1 have a prediction above the threshold; arguments as Precision."""

    _other = "false_negatives"


class _At(ThresholdMetric):
    """The best of one share over all thresholds where another is at least a given level."""

    _direction = "up"

    def __init__(self, value: Any, level: str, num_thresholds: int, class_id: Any, name: str | None, dtype: Any):
        super().__init__(dtype, name)
        check_fraction(self, level, value)
        check_count(self, "num_thresholds", num_thresholds, 1)
        check_selection(self, None, class_id)
        self.value, self.num_thresholds, self.class_id = value, num_thresholds, class_id
        steps = num_thresholds - 1
        self.thresholds = [k / steps for k in range(num_thresholds)] if steps else [0.5]
        self._even = steps > 0
        self._keep((num_thresholds,), "true_positives", "false_positives", "true_negatives", "false_negatives")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: y_true (0 or 1) and y_pred (0 to 1) of one shape."""
        self._count(y_true, y_pred, sample_weight, class_id=self.class_id)

    def _best(self, wanted: Any, constrained: Any) -> float:
        return float(np.max(np.where(constrained >= self.value, wanted, 0), initial=0))

    def _share_of_positives(self, other: str) -> Any:
        """true_positives / (true_positives + another count) at each threshold."""
        hits = self.true_positives.array
        return ratio(hits, hits + self._kept[other].array)

    def _specificity(self) -> Any:
        rejected = self.true_negatives.array
        return ratio(rejected, rejected + self.false_positives.array)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_id": self.class_id, "num_thresholds": self.num_thresholds}


class SensitivityAtSpecificity(_At):
    """The largest sensitivity (recall) over all thresholds where the specificity is at least the one given.

    Specificity is the share of targets 0 with a prediction not above the threshold.

    Args:
        specificity: from 0 to 1.
        num_thresholds: so many thresholds, evenly spread from 0 to 1.
        class_id: only this column counts.
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, "specificity", num_thresholds, class_id, name, dtype)
        self.specificity = specificity

    def result(self) -> float:
        return self._best(self._share_of_positives("false_negatives"), self._specificity())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "specificity": self.specificity}


class SpecificityAtSensitivity(_At):
    """The largest specificity over all thresholds where the sensitivity is at least the one given.

    Args:
        sensitivity: from 0 to 1.   num_thresholds, class_id: as for SensitivityAtSpecificity.
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, "sensitivity", num_thresholds, class_id, name, dtype)
        self.sensitivity = sensitivity

    def result(self) -> float:
        return self._best(self._specificity(), self._share_of_positives("false_negatives"))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sensitivity": self.sensitivity}


class PrecisionAtRecall(_At):
    """The largest precision over all thresholds where the recall is at least the one given.

    Args:
        recall: from 0 to 1.   num_thresholds, class_id: as for SensitivityAtSpecificity.
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, "recall", num_thresholds, class_id, name, dtype)
        self.recall = recall

    def result(self) -> float:
        return self._best(self._share_of_positives("false_positives"), self._share_of_positives("false_negatives"))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "recall": self.recall}


class RecallAtPrecision(_At):
    """The largest recall over all thresholds where the precision is at least the one given.

    Args:
        precision: from 0 to 1.   num_thresholds, class_id: as for SensitivityAtSpecificity.
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, "precision", num_thresholds, class_id, name, dtype)
        self.precision = precision

    def result(self) -> float:
        return self._best(self._share_of_positives("false_negatives"), self._share_of_positives("false_positives"))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "precision": self.precision}

"""The area under a curve of decisions: ROC, precision and recall, or their gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import activations, config
from gatewise.training.losses.pairs import floats
from gatewise.training.metrics.confusion import ThresholdMetric, as_thresholds, evenly_spread
from gatewise.training.metrics.shapes import called, check_choice, check_count, check_rank, is_number, ratio

_CURVES = {"roc": "ROC", "ROC": "ROC", "pr": "PR", "PR": "PR", "prgain": "PRGAIN", "PRGAIN": "PRGAIN"}
_SUMMATIONS = {name: name.lower() for base in ("interpolation", "minoring", "majoring")
               for name in (base, base.capitalize())}  # fmt: skip


class AUC(ThresholdMetric):
    """The area under the curve that decisions at many thresholds draw.

    Args:
        num_thresholds: how many thresholds, evenly spread from 0 to 1.
        curve: "ROC" (recall over the rate of false positives), "PR" (precision over recall) or "PRGAIN" (their gains).
        summation_method: the height between two points: "interpolation" (the mean; for "PR" the true positives are
            interpolated), "minoring" (the lower) or "majoring" (the higher).
        thresholds: numbers between 0 and 1 to use in place of `num_thresholds`; the ends are added.
        multi_label: y_pred is (batch, labels): the mean of the areas of the labels, not the area of all values.
        num_labels: how many labels, known before the first batch.
        label_weights: weights of the labels; without `multi_label`, of the columns of y_pred.
        from_logits: y_pred are numbers before the sigmoid.

    Source: Davis & Goadrich 2006 (interpolation of PR); Flach & Kull 2015 (gains).
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(dtype, name)
        check_choice(self, "curve", curve, tuple(_CURVES))
        check_choice(self, "summation_method", summation_method, tuple(_SUMMATIONS))
        self.curve, self.summation_method = _CURVES[curve], _SUMMATIONS[summation_method]
        self._given = None if thresholds is None else sorted(as_thresholds(self, thresholds, 0.5))
        if self._given is None:
            check_count(self, "num_thresholds", num_thresholds, 2)
            steps = num_thresholds - 1
            inner, self._even = [k / steps for k in range(1, steps)], True
        else:
            inner, self._even = self._given, evenly_spread([0.0, *self._given, 1.0])
        # Beyond the ends, so that every prediction is above the first threshold and none above the last.
        self.thresholds = [0.0 - config.epsilon(), *inner, 1.0 + config.epsilon()]
        self.num_thresholds = len(self.thresholds)
        if num_labels is not None:
            check_count(self, "num_labels", num_labels, 0)
            if num_labels and not multi_label:
                raise ValueError("AUC: num_labels is for multi_label=True; leave it out, or set multi_label=True.")
        self.multi_label, self.num_labels, self.from_logits = bool(multi_label), num_labels, bool(from_logits)
        self.label_weights = self._as_weights(label_weights)
        if num_labels or not multi_label:
            self._make_counts((num_labels,) if num_labels else ())

    def _as_weights(self, given: Any) -> np.ndarray | None:
        if given is None:
            return None
        if np.ndim(given) != 1 or not all(is_number(w) and w >= 0 for w in given):
            raise ValueError(f"AUC: label_weights is a list of numbers of at least 0, one a label; got {given!r}.")
        return np.asarray(given, np.float64)

    def _make_counts(self, labels: tuple[int, ...]) -> None:
        names = ("true_positives", "false_positives", "true_negatives", "false_negatives")
        self._keep((self.num_thresholds, *labels), *names)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: y_true (0 or 1) and y_pred (0 to 1, or any number with `from_logits`) of one shape."""
        if self.from_logits:
            y_pred = activations.sigmoid(floats(y_pred))
        if self.multi_label:
            shape = np.shape(y_pred)
            check_rank(self, shape, 2, " where labels are counted apart (multi_label=True)")
            self._check_labels(shape)
            if not self._kept:
                self._make_counts(shape[1:])
        weights = None if self.multi_label else self.label_weights
        self._count(y_true, y_pred, sample_weight, per_label=self.multi_label, label_weights=weights)

    def _check_labels(self, shape: tuple[int, ...]) -> None:
        wanted = self.true_positives.shape[1] if self._kept else shape[1]
        if shape[1] != wanted:
            raise ValueError(f"{called(self)} counts {wanted} labels; y_pred of shape {shape} has {shape[1]}.")
        if self.label_weights is not None and len(self.label_weights) != wanted:
            raise ValueError(
                f"{called(self)} has {len(self.label_weights)} label_weights for {wanted} labels: y_pred has shape "
                f"{shape}."
            )

    def result(self) -> float:
        """The area; 0 where nothing was counted."""
        if not self._kept:
            return 0.0
        if self.curve == "PR" and self.summation_method == "interpolation":
            areas = np.sum(self._interpolated_precision(), axis=0)
        else:
            x, y = self._points()
            areas = np.sum((x[:-1] - x[1:]) * self._heights(y), axis=0)
        if not self.multi_label:
            return float(areas)
        weights = self.label_weights
        return float(np.mean(areas) if weights is None else ratio(np.sum(areas * weights), np.sum(weights)))

    def _points(self) -> tuple[Any, Any]:
        """x and y of the curve at each threshold."""
        tp, fp = self.true_positives.array, self.false_positives.array
        tn, fn = self.true_negatives.array, self.false_negatives.array
        if self.curve == "ROC":
            return ratio(fp, fp + tn), ratio(tp, tp + fn)
        if self.curve == "PR":
            return ratio(tp, tp + fn), ratio(tp, tp + fp)
        odds, hit = ratio(tp + fn, tn + fp), tp != 0
        recall_gain = np.where(hit, 1 - odds * ratio(fn, tp), 0)
        return np.maximum(recall_gain, 0), np.where(hit, 1 - odds * ratio(fp, tp), 1)

    def _heights(self, y: Any) -> Any:
        if self.summation_method == "interpolation":
            return (y[:-1] + y[1:]) / 2
        return (np.minimum if self.summation_method == "minoring" else np.maximum)(y[:-1], y[1:])

    def _interpolated_precision(self) -> Any:
        """The areas between thresholds under precision over recall, true positives growing evenly with positives.

        Between two thresholds TP = a + s P (P: all positives): the area of TP / P over dTP is
        s (dTP + a log(P_before / P_after)), over all targets that are 1.
        """
        tp, fn = self.true_positives.array, self.false_negatives.array
        p = tp + self.false_positives.array
        d_tp, d_p = tp[:-1] - tp[1:], p[:-1] - p[1:]
        slope = ratio(d_tp, np.maximum(d_p, 0))
        start = tp[1:] - slope * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        growth = np.where(both, ratio(p[:-1], np.maximum(p[1:], 0)), 1)
        return ratio(slope * (d_tp + start * np.log(growth)), np.maximum(tp[1:] + fn[1:], 0))

    def get_config(self) -> dict[str, Any]:
        found = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None,
            "from_logits": self.from_logits,
        }
        if self.label_weights is not None:
            value = {"value": self.label_weights.astype(self._dtype).tolist(), "dtype": self.dtype}
            found["label_weights"] = {"class_name": "__tensor__", "config": value}
        return found if self._given is None else {**found, "thresholds": list(self._given)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        weights = config.get("label_weights")
        if isinstance(weights, dict):
            config = {**config, "label_weights": weights["config"]["value"]}
        return cls(**config)

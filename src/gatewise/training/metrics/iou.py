"""Intersection over union: how well predicted classes cover the true ones."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import config
from gatewise.training.losses.pairs import same_rank
from gatewise.training.metrics.base import Metric
from gatewise.training.metrics.shapes import called, check_count, weights_like


class IoU(Metric):
    """true positives / (true positives + false positives + false negatives), the mean over some classes.

    A class that is neither a target nor predicted does not count in the mean.  Values that are no class (negative, or
    num_classes and more) count nothing.

    Args:
        num_classes: how many classes.
        target_class_ids: the classes to take the mean of.
        dtype: type of the sums, default "int": weights are then cut to integers.
        ignore_class: a class whose targets do not count.
        sparse_y_true, sparse_y_pred: integers; if False, one number a class along `axis`, of which the largest counts.
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(dtype or "int64", name)
        check_count(self, "num_classes", num_classes, 1)
        wrong = [k for k in target_class_ids if not -num_classes <= k < num_classes]
        if wrong:
            raise ValueError(
                f"{type(self).__name__}: target_class_ids are classes from 0 to {num_classes - 1}; got {wrong[0]!r}."
            )
        self.num_classes, self.target_class_ids = num_classes, list(target_class_ids)
        self.ignore_class, self.axis = ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self.total_cm = self.add_variable((num_classes, num_classes), dtype=self._dtype, name="total_confusion_matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: classes, or one number a class, of shapes that agree."""
        truth = self._classes(y_true, self.sparse_y_true, "y_true")
        predicted = self._classes(y_pred, self.sparse_y_pred, "y_pred")
        truth, predicted = same_rank(truth, predicted)
        if truth.shape != predicted.shape and truth.size != predicted.size:
            raise ValueError(
                f"{called(self)} wants as many classes in y_true as in y_pred: y_true has shape {np.shape(y_true)}, "
                f"y_pred {np.shape(y_pred)}. {self._forms()}"
            )
        weight = self._weights(sample_weight, truth.shape)
        truth, predicted = truth.ravel(), predicted.ravel()
        counted = (truth >= 0) & (truth < self.num_classes) & (predicted >= 0) & (predicted < self.num_classes)
        if self.ignore_class is not None:
            counted &= truth != self.ignore_class
        place = truth[counted] * self.num_classes + predicted[counted]
        sums = np.bincount(place, None if weight is None else weight.ravel()[counted], self.num_classes**2)
        self.total_cm.assign_add(sums.reshape(self.num_classes, -1).astype(self._dtype))

    def _classes(self, given: Any, sparse: bool, what: str) -> np.ndarray:
        values = np.asarray(given)
        if sparse:
            # Whatever the type of the sums, a class is an integer.
            return values.astype(np.int64)
        if values.ndim == 0 or not -values.ndim <= self.axis < values.ndim:
            raise ValueError(
                f"{called(self)}: {what} has one number a class along axis {self.axis}; its shape is {values.shape}."
            )
        return np.argmax(values, axis=self.axis)

    def _forms(self) -> str:
        forms = ("one number a class along axis " + str(self.axis), "integers")
        return f"Here y_true is {forms[bool(self.sparse_y_true)]}, y_pred {forms[bool(self.sparse_y_pred)]}."

    def _weights(self, sample_weight: Any, shape: tuple[int, ...]) -> np.ndarray | None:
        if sample_weight is None:
            return None
        weight = np.asarray(sample_weight)
        if self._dtype.kind == "i" and weight.dtype.kind == "f" and np.any(weight != np.trunc(weight)):
            warnings.warn(
                f"{called(self)} sums integers: fractions of sample_weight are cut off. Give it dtype='float32'.",
                stacklevel=3,
            )
        return weights_like(self, weight.astype(self._dtype), shape)

    def result(self) -> float:
        """The mean over the target classes; 0 where none has been seen."""
        table = self.total_cm.array
        hits = np.diag(table)
        union = np.sum(table, axis=0) + np.sum(table, axis=1) - hits
        # Keras computes this part in float32, whatever the type.
        hits = hits[self.target_class_ids].astype(np.float32)
        union = union[self.target_class_ids].astype(np.float32)
        little = np.float32(config.epsilon())
        shares = np.where(union > 1e-9, hits / (union + little), np.float32(0))
        return float(np.sum(shares) / (np.float32(np.sum(union > 1e-9)) + little))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }


def _without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in names}


class BinaryIoU(IoU):
    """IoU of two classes: y_pred is a number, and class 1 from the threshold on.

    Args:
        target_class_ids: (0, 1), or one of them.   threshold: where class 1 begins.
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: y_true 0 or 1, y_pred numbers."""
        chosen = np.asarray(y_pred, np.float32) >= np.float32(self.threshold)
        super().update_state(y_true, chosen, sample_weight)

    def get_config(self) -> dict[str, Any]:
        found = _without(super().get_config(), "num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")
        return {**found, "threshold": self.threshold}


class MeanIoU(IoU):
    """IoU, the mean over all classes; arguments as IoU."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        classes = range(num_classes)
        super().__init__(num_classes, classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return _without(super().get_config(), "target_class_ids")


class OneHotIoU(IoU):
    """IoU of one-hot targets, and of predictions with one number a class; arguments as IoU."""

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return _without(super().get_config(), "sparse_y_true")


class OneHotMeanIoU(MeanIoU):
    """MeanIoU of one-hot targets, and of predictions with one number a class; arguments as IoU."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return _without(super().get_config(), "sparse_y_true")

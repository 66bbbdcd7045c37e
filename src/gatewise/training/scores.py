"""Losses and accuracies that the kernels know: the same function for a model run layer by layer and for a chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gatewise import config, kernels


class Score(NamedTuple):
    """A loss or an accuracy as `kernels.score` is told of it.

    Attributes:
        name: the kernel's.
        option: delta of huber, label smoothing of cross-entropies, the threshold of an accuracy.
        of_classes: whether targets are integers, one for each row of predictions.
    """

    name: str
    option: float = 0.0
    of_classes: bool = False

    def of(self, y_true: Any, y_pred: Any, wants_slope: bool = False) -> tuple[float, float, Any] | None:
        """(sum of the values, how many there are, slope of their mean).

        None where the kernel does not take these arrays: the general way does, or says what is wrong with them.
        """
        if type(y_true) is not np.ndarray or type(y_pred) is not np.ndarray or y_true.dtype.kind not in "fiub":
            return None
        if y_true.dtype is not y_pred.dtype and not self.of_classes:
            y_true = y_true.astype(y_pred.dtype, copy=False)
        y_true, y_pred = np.ascontiguousarray(y_true), np.ascontiguousarray(y_pred)
        return kernels.score(self.name, y_true, y_pred, self.option, config.epsilon(), wants_slope)


Known = Callable[[dict[str, Any]], Score | None]
"""From the options of a function its score; None for options that the kernel does not know."""


def element_score(name: str, option: str | None = None, default: float = 0.0) -> Known:
    """A score with a value for each element, and at most one option."""
    return lambda given: Score(name, float(default if option is None else given.get(option, default)))


def crossentropy_score(name: str, of_classes: bool = False) -> Known:
    """A cross-entropy along the last axis, of probabilities or of logits."""

    def known(given: dict[str, Any]) -> Score | None:
        if given.get("axis", -1) != -1 or given.get("ignore_class") is not None:
            return None
        of_logits = "_of_logits" if given.get("from_logits") else ""
        return Score(name + of_logits, float(given.get("label_smoothing", 0.0)), of_classes)

    return known


def score_of(fn: Any, options: dict[str, Any]) -> Score | None:
    """The score of a built-in loss or accuracy with these options; None if the kernels do not know it."""
    known: Known | None = getattr(fn, "score", None)
    return None if known is None else known(options)

"""CTC: the loss of a sequence of labels whose places in the outputs nobody knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.ctc import ctc_pair
from gatewise.training.losses.base import LossFunctionWrapper
from gatewise.training.losses.pairs import Pair, floats, samplewise


def _checked(y_true: Any, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels as integers, and how many each row has."""
    labels = np.asarray(y_true)
    if y_pred.ndim != 3:
        raise ValueError(
            f"ctc wants outputs of shape (batch, steps, classes), before the softmax; y_pred has shape {y_pred.shape}. "
            "Give the last recurrent layer return_sequences=True."
        )
    if labels.ndim != 2 or len(labels) != len(y_pred):
        raise ValueError(
            f"ctc wants labels of shape (batch, labels), integers, the rest 0; with y_pred {y_pred.shape} y_true has "
            f"shape {labels.shape}."
        )
    check_labels(labels, y_pred.shape[-1])
    labels = labels.astype(np.intp)
    return labels, np.count_nonzero(labels, axis=-1)


def check_labels(labels: np.ndarray, classes: int | None) -> None:
    """Raise ValueError for labels that are no integers, negative, too large, or follow a 0."""
    if labels.dtype.kind not in "iu" and not np.array_equal(labels, np.floor(labels)):
        raise ValueError("ctc wants integer labels; y_true holds fractions.")
    if labels.size and labels.min() < 0:
        raise ValueError(f"Label {labels.min()} in y_true: ctc counts labels from 1, and fills up with 0, the blank.")
    if classes is not None and labels.size and labels.max() >= classes:
        raise ValueError(
            f"Label {labels.max()} in y_true, but the output has {classes} classes: the blank 0 and the labels 1 to "
            f"{classes - 1}. Give the last layer units={int(labels.max()) + 1}, or check the labels."
        )
    if np.any((labels[:, :-1] == 0) & (labels[:, 1:] != 0)):
        raise ValueError("A 0 before a label in y_true: 0 is the blank of ctc; labels come first, then zeros.")


@samplewise()
def ctc(y_true: Any, y_pred: Any) -> Pair:
    """-log p(labels | outputs) of each sequence, over all alignments (connectionist temporal classification).

    Args:
        y_true: (batch, labels) integers from 1, filled up with 0, the blank.
        y_pred: (batch, steps, classes), before the softmax; class 0 is the blank.
    Source: Graves, Fernandez, Gomez & Schmidhuber 2006.
    """
    labels, lengths = _checked(y_true, y_pred)
    return ctc_pair(labels, y_pred, lengths, np.full(len(labels), y_pred.shape[1]))


class CTC(LossFunctionWrapper):
    """The loss ctc: -log p(labels | outputs), over all alignments.  Steps that are masked do not count.

    Args:
        reduction: "sum_over_batch_size", "sum", "mean", "mean_with_sample_weight" or None.

    y_true is (batch, labels), integers from 1 filled up with 0; y_pred is (batch, steps, classes), before the softmax.
    """

    _unsaved = ()

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "ctc", dtype: Any = None) -> None:
        super().__init__(ctc, reduction, name, dtype)

    def forward(self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None) -> Pair:
        """The reduced loss and the way back; see `Loss.forward`.  mask: (batch, steps), True = the step counts."""
        y_pred = floats(y_pred)
        if mask is None or np.shape(mask) != y_pred.shape[:2]:
            return super().forward(y_true, y_pred, sample_weight, mask)
        return _Stepwise(np.asarray(mask, bool), self).forward(y_true, y_pred, sample_weight)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


class _Stepwise(LossFunctionWrapper):
    """CTC of the steps that count: they are moved together, and their number is the sequence's length."""

    def __init__(self, mask: np.ndarray, loss: CTC) -> None:
        super().__init__(ctc, loss.reduction, loss.name, loss.dtype)
        self._mask = mask

    def _mean(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return None, None

    def _values(self, y_true: Any, y_pred: Any) -> Pair:
        labels, lengths = _checked(y_true, y_pred)
        steps = np.count_nonzero(self._mask, axis=-1)
        order = np.argsort(~self._mask, axis=-1, kind="stable")[..., None]
        # What stands in masked steps, NaN too, must not matter.
        logits = np.where(self._mask[..., None], y_pred, y_pred.dtype.type(0))
        values, back = ctc_pair(labels, np.take_along_axis(logits, order, axis=1), lengths, steps)

        def pullback(d: Any) -> np.ndarray:
            gradient = np.zeros_like(y_pred)
            np.put_along_axis(gradient, order, back(d), axis=1)
            return gradient

        return values, pullback

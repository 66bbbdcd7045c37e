"""What a loss expects of its targets: checked once, before training, with a message that says what to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.training.losses import crossentropy
from gatewise.training.losses.base import Loss, LossFunctionWrapper
from gatewise.training.losses.ctc import check_labels, ctc

_ONE_HOT = (crossentropy.categorical_crossentropy, crossentropy.categorical_focal_crossentropy)
_CLASSES = (crossentropy.sparse_categorical_crossentropy, crossentropy.categorical_generalized_cross_entropy)
_BINARY = (crossentropy.binary_crossentropy, crossentropy.binary_focal_crossentropy)


def check_targets(loss: Any, y_true: Any, output_shape: Sequence[int | None], output_name: str = "output") -> None:
    """Compare targets with the output they are for.

    Args:
        loss: a Loss object or a loss function; a user's own is not judged.
        y_true: the targets of the whole set or of a batch, batch axis first.
        output_shape: the output's, batch included, None for an unknown size.
        output_name: what the output is called in the message.

    Raises:
        ValueError: saying what came, what was expected and what to write.
    """
    fn = loss.fn if isinstance(loss, LossFunctionWrapper) else loss
    if isinstance(fn, Loss) or getattr(fn, "total", None) is None:
        return
    y_true, output = np.asarray(y_true), tuple(output_shape)
    if fn is ctc:
        _check_sequences(y_true, output, output_name)
    elif fn in _CLASSES:
        options = loss._options if isinstance(loss, LossFunctionWrapper) else {}
        _check_classes(y_true, output, output_name, fn.__name__, options.get("ignore_class"))
    elif fn in _ONE_HOT:
        _check_one_hot(y_true, output, output_name, fn.__name__)
    else:
        _check_same(y_true, output, output_name, fn.__name__, binary=fn in _BINARY)


_ONE_A_SEQUENCE = "For one target a sequence give the last recurrent layer return_sequences=False."


def judges_values(loss: Any) -> bool:
    """True if `check_targets` looks at the numbers in the targets, not only at their shape."""
    return (loss.fn if isinstance(loss, LossFunctionWrapper) else loss) in (*_CLASSES, ctc)


def _fits(given: tuple[int, ...], wanted: Sequence[int | None]) -> bool:
    return len(given) == len(wanted) and all(w is None or g == w for g, w in zip(given, wanted, strict=True))


def _check_sequences(y: np.ndarray, output: tuple, name: str) -> None:
    if len(output) != 3:
        raise ValueError(
            f"'{name}': ctc wants an output of shape (batch, steps, classes); it has {_text(output)}. Give the last "
            "recurrent layer return_sequences=True."
        )
    if y.ndim != 2:
        raise ValueError(
            f"'{name}': ctc wants labels of shape (batch, labels), integers, the rest 0; y_true has shape {y.shape}."
        )
    check_labels(y, output[-1])


def _check_classes(y: np.ndarray, output: tuple, name: str, loss: str, ignored: int | None) -> None:
    if _fits(y.shape[1:], output[1:]) and output[-1] not in (1, None):
        raise ValueError(
            f"'{name}': {loss} wants integer classes of shape {_text(output[:-1])}, but y_true has shape {y.shape}, "
            f"one number for each of the {output[-1]} outputs. Use categorical_crossentropy for one-hot targets, or "
            "y_true.argmax(axis=-1)."
        )
    flat = y[..., 0] if y.ndim == len(output) and y.shape[-1] == 1 else y
    if not _fits(flat.shape[1:], output[1:-1]):
        raise ValueError(
            f"'{name}': {loss} wants one integer class for each prediction: the output has shape {_text(output)}, so "
            f"y_true needs {_text(output[:-1])}; it has {y.shape}.{_one_a_sequence(flat.shape[1:], output[1:-1])}"
        )
    counted = flat if ignored is None else flat[flat != ignored]
    if not counted.size:
        return
    if counted.dtype.kind == "f" and not np.array_equal(counted, np.floor(counted)):
        raise ValueError(f"'{name}': {loss} wants integer classes; y_true holds fractions.")
    low, high = counted.min(), counted.max()
    if output[-1] is not None and (low < 0 or high >= output[-1]):
        wrong = int(low if low < 0 else high)
        advice = f"Give the last layer units={int(high) + 1}, or check the labels."
        if low < 0:
            advice = "Labels count from 0; leave samples without a label out, or give them sample_weight 0 and label 0."
        raise ValueError(
            f"'{name}': class {wrong} in y_true, but the output has {output[-1]} units, for the classes 0 to "
            f"{output[-1] - 1}. {advice}"
        )


def _check_one_hot(y: np.ndarray, output: tuple, name: str, loss: str) -> None:
    if _fits(y.shape[1:], output[1:]):
        return
    if _fits(y.shape[1:], output[1:-1]) or _fits(y.shape[1:], (*output[1:-1], 1)):
        raise ValueError(
            f"'{name}': {loss} wants one-hot targets of shape {_text(output)}, but y_true has shape {y.shape}, as "
            "integer classes do. Use sparse_categorical_crossentropy, or "
            f"utils.to_categorical(y_true, num_classes={output[-1]})."
        )
    raise ValueError(
        f"'{name}': {loss} wants targets of the output's shape {_text(output)}; y_true has {y.shape}."
        f"{_one_a_sequence(y.shape[1:], output[1:]) if _fits(y.shape[-1:], output[-1:]) else ''}"
    )


def _one_a_sequence(given: tuple[int, ...], wanted: Sequence[int | None]) -> str:
    """Advice for targets of which there is one a sequence where the output has one a step."""
    return f" {_ONE_A_SEQUENCE}" if len(wanted) == len(given) + 1 else ""


def _check_same(y: np.ndarray, output: tuple, name: str, loss: str, binary: bool) -> None:
    given, wanted = y.shape[1:], output[1:]
    one_more = given[-1:] == (1,) and given[:-1] == wanted
    one_less = wanted[-1:] in ((1,), (None,)) and given == wanted[:-1]
    if _fits(given, wanted) or one_more or one_less:
        return
    advice = "Reshape the targets, or change the units of the last layer."
    if len(wanted) == 1 and given in ((), (1,)):
        advice = f"The output has {wanted[-1] if wanted else 1} numbers a sample, y_true one: set units=1"
        advice += ", or use sparse_categorical_crossentropy for classes." if binary else "."
    elif len(given) == len(wanted) + 1 and _fits(given[1:], wanted):
        advice = "For one target a time step give the last recurrent layer return_sequences=True."
    elif given in ((), (1,)) or (len(wanted) == len(given) + 1 and _fits(given, wanted[1:])):
        advice = _ONE_A_SEQUENCE
    raise ValueError(
        f"'{name}': {loss} compares arrays of one shape: the output has {_text(output)}, y_true {y.shape}. {advice}"
    )


def _text(shape: Sequence[int | None]) -> str:
    return f"({', '.join('batch' if k == 0 else str(size) for k, size in enumerate(shape))})"

"""keras.utils: seeds, one-hot classes, padded sequences."""

from __future__ import annotations

import random as python_random
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import random as gatewise_random
from gatewise.arguments import describe

_SIDES = ("pre", "post")


def set_random_seed(seed: int) -> None:
    """Begin every stream of chance anew from `seed`: gatewise's, NumPy's and Python's own.

    Args:
        seed: an integer from 0 to 2**32 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"set_random_seed takes an integer from 0 to 2**32 - 1; got {seed!r}.")
    python_random.seed(int(seed))
    np.random.seed(int(seed))
    gatewise_random.set_global_seed(int(seed))


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Classes as vectors with a one at their place.

    Args:
        x: integers from 0, of any shape; a last axis of length 1 is taken away.
        num_classes: how many there are; default the greatest in x, and one.

    Returns:
        float64, shape of x and (num_classes,).

    Raises:
        ValueError: for anything but integers, or a class outside 0 ... num_classes - 1.
    """
    given = np.asarray(x)
    if given.dtype.kind not in "iub" and not (given.dtype.kind == "f" and np.all(given == np.floor(given))):
        raise ValueError(f"to_categorical takes integer classes; got {describe(x)}.")
    classes = given.astype("int64")
    shape = classes.shape[:-1] if classes.ndim > 1 and classes.shape[-1] == 1 else classes.shape
    classes = classes.reshape(-1)
    if num_classes is None:
        num_classes = int(classes.max()) + 1 if classes.size else 0
    wrong = classes[(classes < 0) | (classes >= num_classes)]
    if wrong.size:
        raise ValueError(f"Class {wrong[0]} is outside 0 ... {num_classes - 1}; num_classes is {num_classes}.")
    hot = np.zeros((classes.size, num_classes))
    hot[np.arange(classes.size), classes] = 1.0
    return hot.reshape(*shape, num_classes)


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of different lengths as one array.

    Args:
        sequences: N sequences; each step a number, or an array of the same shape everywhere.
        maxlen: length T of the result; default the longest sequence's.
        dtype: of the result.
        padding: the side on which short sequences are filled up, "pre" or "post".
        truncating: the side from which long ones lose steps, "pre" or "post".
        value: what they are filled with.

    Returns:
        (N, T, ...).

    Raises:
        ValueError: for something that is not a list of sequences, steps of different shapes, or another side.
    """
    for argument, side in (("padding", padding), ("truncating", truncating)):
        if side not in _SIDES:
            raise ValueError(f"pad_sequences: {argument} is 'pre' or 'post'; got {side!r}.")
    if not hasattr(sequences, "__len__") or not all(hasattr(s, "__len__") for s in sequences):
        raise ValueError(f"pad_sequences takes a list of sequences, as [[1, 2], [3]]; got {describe(sequences)}.")
    longest = max(map(len, sequences), default=0)
    step_shapes = {np.shape(s)[1:] for s in sequences if len(s)}
    if len(step_shapes) > 1:
        raise ValueError(f"pad_sequences: the steps of all sequences must have one shape; got {sorted(step_shapes)}.")
    kind = np.dtype(dtype).kind
    if isinstance(value, str) and kind not in "OUS":
        raise ValueError(
            f"pad_sequences cannot fill an array of {np.dtype(dtype).name} with {value!r}; give dtype=object."
        )
    length = longest if maxlen is None else maxlen
    padded = np.full((len(sequences), length, *(step_shapes.pop() if step_shapes else ())), value, dtype=dtype)
    for row, sequence in zip(padded, sequences, strict=True):
        kept = sequence[max(len(sequence) - length, 0) :] if truncating == "pre" else sequence[:length]
        if len(kept):
            row[length - len(kept) if padding == "pre" else 0 :][: len(kept)] = kept
    return padded


__all__ = ["pad_sequences", "set_random_seed", "to_categorical"]

"""Sequences of different lengths in one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.arguments import describe

_SIDES = ("pre", "post")


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

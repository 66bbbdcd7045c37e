"""What every source of data shares: a batch, what counts as an array of numbers, and checks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import ragged
from gatewise.arguments import describe
from gatewise.ragged import Ragged
from gatewise.stored import Stored
from gatewise.training.finite import levels_to_user


class Batch(NamedTuple):
    """One batch, or a whole dataset.

    Attributes:
        x: the inputs, flat.
        y, weights: targets and sample weights, one for each output (None where there is none), or None for none at all.
        structure: how `x` folds back into the argument of a subclassed model's `call`; None for other models.
        is_ragged: whether there are `Ragged` values among the arrays, to be padded before the batch is run.
        mask: the mask of the inputs, as a layer takes it, where they were padded.
        target_masks: for each output which steps have a target, or None; None for all.
    """

    x: list
    y: list | None
    weights: list | None
    structure: Any = None
    is_ragged: bool = False
    mask: Any = None
    target_masks: list | None = None

    @property
    def size(self) -> int:
        return len(self.x[0])

    @property
    def is_stored(self) -> bool:
        """Whether some of it lies in files, and nobody has looked at its values."""
        return any(isinstance(a, Stored) for a in [*self.x, *(self.y or ()), *(self.weights or ())])

    def rows(self, chosen: Any) -> Batch:
        """The samples that a slice or an array of indices chooses."""
        x, y, weights, structure, is_ragged, *_ = self
        return Batch(
            [a[chosen] for a in x],
            None if y is None else [None if a is None else a[chosen] for a in y],
            None if weights is None else [None if a is None else a[chosen] for a in weights],
            structure,
            is_ragged,
        )


def warn_of_end(taken: int, steps: int | None) -> None:
    """Warn that an epoch ended early because the data did."""
    warnings.warn(
        f"The data ended after {taken} of the {steps} batches expected in an epoch; "
        "a generator must yield as many as all epochs together take.",
        stacklevel=levels_to_user(),
    )


def as_array(value: Any, what: str, dtype: str, is_text: bool = False) -> Any:
    """`value` as a numeric array, or a `Ragged` where it holds sequences of different lengths; floats in `dtype`.

    Args:
        value: an array, a `Ragged`, a `Stored` (whose type is looked at, nothing else), or a nested list.
        what: what it is called in messages.
        dtype: a float type.
        is_text: strings are expected.

    Raises:
        TypeError: for text (unless it is expected) and other objects.
        ValueError: for lists of different lengths that are no sequences.
    """
    if isinstance(value, Ragged):
        return value.astype(dtype) if value.dtype.kind == "f" else value
    if isinstance(value, Stored):
        if value.dtype.kind in "fiub":
            return value.astype(dtype) if value.dtype.kind == "f" else value
        if is_text and value.dtype.kind in "OUST":
            return value
        raise TypeError(f"{what} must be numbers in one array; got {value}.")
    try:
        array = np.asarray(value)
    except ValueError:
        return as_array(ragged.from_lists(value), what, dtype)
    if is_text and array.dtype.kind in "OUST":
        return array
    if array.dtype.name == "bfloat16":  # a type that other libraries add to NumPy's
        return array.astype(dtype)
    if array.dtype.kind not in "fiub" or array.ndim == 0:
        of_objects = "Numbers in an array of objects become plain ones by x.astype('float32'). "
        raise TypeError(
            f"{what} must be numbers in one array; got {describe(value)}. "
            f"{of_objects if array.dtype.kind == 'O' and array.ndim else ''}"
            "Turn text into numbers (TextVectorization or StringLookup after an Input of dtype='string'; "
            "utils.to_categorical for classes)."
        )
    if array.dtype.kind != "f" or array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is warned about as such
        return array.astype(dtype)


def check_same_length(groups: dict[str, Sequence[Any] | None]) -> int:
    """The number of samples, the same in every array.

    Raises:
        ValueError: if the arrays have different numbers of samples, or none.
    """
    found = {len(a) for arrays in groups.values() if arrays for a in arrays if a is not None}
    if len(found) > 1:
        lengths = {name: [len(a) for a in arrays if a is not None] for name, arrays in groups.items() if arrays}
        told = "; ".join(f"{name}: {', '.join(map(str, lengths[name]))}" for name in lengths)
        raise ValueError(f"All arrays need the same number of samples (the first axis); got {told}.")
    if not found or 0 in found:
        raise ValueError("The dataset is empty: it has 0 samples. Check how it was read or split.")
    return found.pop()


def check_count(value: Any, argument: str) -> None:
    """Raise ValueError unless a value is None or a positive integer."""
    if value is not None and (isinstance(value, bool) or not hasattr(value, "__index__") or value < 1):
        hint = f" Write {max(1, round(value))}, a whole number." if isinstance(value, float) and value >= 0.5 else ""
        raise ValueError(f"{argument} must be a positive integer; got {value!r}.{hint}")

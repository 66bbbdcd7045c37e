"""Ragged: sequences of different lengths as one value, until a batch of them is padded and gets its mask.

Lists of sequences of one length become plain arrays; only where the lengths differ there is a `Ragged`.  It is cut
into batches like an array, and each batch is padded at the end to its own longest sequence, with a mask that is true
where a sequence has a step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import autodiff
from gatewise.graph import SymbolicTensor
from gatewise.variable import Variable


class Ragged:
    """N sequences (T_i, ...) of numbers; the axes after the first are the same in all.

    Args:
        sequences: arrays of one type, with equal shapes but for the first axis.
    """

    __slots__ = ("dtype", "sequences")

    def __init__(self, sequences: Sequence[np.ndarray]) -> None:
        self.sequences = list(sequences)
        self.dtype = self.sequences[0].dtype if self.sequences else np.dtype("float32")

    @property
    def lengths(self) -> list[int]:
        """The number of steps of each sequence."""
        return [len(sequence) for sequence in self.sequences]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """(N, None, ...): the number of steps is not one number."""
        return (len(self.sequences), None, *self.sequences[0].shape[1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.sequences)

    def __repr__(self) -> str:
        lengths = self.lengths
        return f"<{len(self)} sequences of {min(lengths)} to {max(lengths)} steps, type {self.dtype}>"

    def __getitem__(self, chosen: Any) -> Ragged:
        """The sequences that a slice or an array of indices chooses."""
        if isinstance(chosen, slice):
            return Ragged(self.sequences[chosen])
        return Ragged([self.sequences[k] for k in np.asarray(chosen).tolist()])

    def astype(self, dtype: Any) -> Ragged:
        return self.mapped(lambda sequence: sequence.astype(dtype, copy=False))

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> Ragged:
        """`function` of each sequence; it must keep the number of steps."""
        return Ragged([function(sequence) for sequence in self.sequences])

    def joined(self) -> np.ndarray:
        """All steps one after another, (sum of T_i, ...)."""
        return np.concatenate(self.sequences)

    def padded(self, steps: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The sequences filled up at the end with zeros, (N, T, ...), and their mask, (N, T).

        Args:
            steps: T at least; default as many as the longest sequence has.
        """
        lengths = np.asarray(self.lengths)
        T = max(int(lengths.max()), steps or 0)
        array = np.zeros((len(self), T, *self.sequences[0].shape[1:]), self.dtype)
        for row, sequence in zip(array, self.sequences, strict=True):
            row[: len(sequence)] = sequence
        return array, np.arange(T) < lengths[:, None]


def from_lists(value: Sequence[Any]) -> Ragged:
    """A nested list of numbers that is no array as sequences of different lengths.

    Raises:
        ValueError: if the sequences are not alike but for their lengths, or one has no step.
    """
    try:
        sequences = [np.asarray(item) for item in value]
    except ValueError:
        raise ValueError(
            "Cannot make sequences of the lists given: inside a sequence the steps differ in length too. A list of "
            "sequences holds arrays of the shape (steps, features), each step with the same number of features."
        ) from None
    return _checked(sequences)


def from_samples(value: Any, wanted: Sequence[int | None] | None = None) -> Any:
    """A list of arrays, one a sample, as one value; anything else as it is.

    Args:
        value: what was given for one input.
        wanted: the shape of the input (batch first, None for unknown sizes), or None if nothing is known of it.

    Returns:
        an array if all samples have one shape, a `Ragged` if their lengths differ, else `value`.

    Raises:
        ValueError: for sequences that differ in more than their lengths.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.ndim == 1:
        return from_samples(value.tolist(), wanted) if all(isinstance(v, np.ndarray | list) for v in value) else value
    if not isinstance(value, list | tuple) or not value or hasattr(value, "_fields"):
        return value
    if not all(isinstance(item, list | tuple) or _is_plain(item) for item in value):
        return value
    if not any(_is_plain(item) for item in value):
        return value
    try:
        items = [np.asarray(item) for item in value]
    except ValueError:
        return value
    if not _are_samples([item.ndim for item in items], items[0].shape, wanted):
        return value
    if len({item.shape for item in items}) == 1:
        return np.stack(items)
    if wanted is None and len({item.shape[1:] for item in items}) > 1:
        return value
    return _checked(items)


def of_different_lengths(value: Any) -> Any:
    """A list of arrays that cannot be inputs beside each other, for their lengths differ, as sequences; else `value`.

    Where a list may as well hold several inputs, with as many samples each, the lengths decide.
    """
    is_list = isinstance(value, list | tuple) and len(value) > 1 and not hasattr(value, "_fields")
    if not is_list or not all(_is_plain(item) and len(item.shape) for item in value):
        return value
    alike = len({item.shape[1:] for item in value}) == 1
    return from_samples(value) if alike and len({len(item) for item in value}) > 1 else value


def _is_plain(item: Any) -> bool:
    """True for arrays, and what converts to one, with values of their own: neither symbolic nor traced."""
    if isinstance(item, np.ndarray):
        return True
    if isinstance(item, SymbolicTensor | Variable | Ragged) or autodiff.is_traced(item):
        return False
    return hasattr(item, "__array__") and hasattr(item, "shape")


def _are_samples(ranks: Sequence[int], first: Sequence[int], wanted: Sequence[int | None] | None) -> bool:
    """True if arrays of these ranks are samples of an input, each without the batch axis."""
    rank = ranks[0]
    if rank == 0 or len(set(ranks)) > 1:
        return False
    if wanted is None:
        return len(ranks) > 1
    if len(ranks) == 1:  # [x] has always meant x: it is one sequence only where x is no batch
        return rank == len(wanted) - 1 and (wanted[-1] != 1 or (rank > 1 and first[-1] == 1))
    return rank == len(wanted) - 1 or (wanted[-1] in (1, None) and rank == len(wanted) - 2)


def _checked(sequences: list[np.ndarray]) -> Ragged:
    """The sequences in one type.

    Raises:
        TypeError: if they do not hold numbers.
        ValueError: naming the first that is empty or unlike the first sequence.
    """
    for k, sequence in enumerate(sequences):
        if sequence.ndim == 0:
            raise ValueError(f"A list of sequences holds sequences only; item {k} is the single value {sequence!r}.")
        if not len(sequence):
            raise ValueError(f"Sequence {k} of {len(sequences)} has no step; leave it out.")
        if sequence.dtype.kind not in "fiub":
            raise TypeError(
                f"Sequence {k} holds {sequence.dtype}, not numbers. Turn text into numbers first (TextVectorization, "
                "StringLookup), or give all rows the same number of words."
            )
        if sequence.shape[1:] != sequences[0].shape[1:]:
            raise ValueError(
                f"Sequences may differ in their number of steps (the first axis) only: sequence 0 has the shape "
                f"{sequences[0].shape}, sequence {k} the shape {sequence.shape}."
            )
    dtype = np.result_type(*{sequence.dtype for sequence in sequences})
    return Ragged([sequence.astype(dtype, copy=False) for sequence in sequences])


def split(steps: np.ndarray, like: Ragged) -> Ragged:
    """Values of all steps one after another, as `like.joined()` has them, in sequences of the same lengths."""
    return Ragged(np.split(steps, np.cumsum(like.lengths)[:-1]))


def cut(array: np.ndarray, lengths: Sequence[int]) -> Ragged:
    """Rows (N, T, ...) without the steps after each one's length."""
    return Ragged([row[:length] for row, length in zip(array, lengths, strict=True)])


def refuse_features(given: Ragged, owner: str) -> None:
    """Raise ValueError: for `owner` the numbers of a sample are features, not steps."""
    lengths = given.lengths
    raise ValueError(
        f"{owner} takes samples with the same number of features; it was given {len(given)} samples of "
        f"{min(lengths)} to {max(lengths)} numbers. Sequences are lists of arrays (steps, features), or of tokens for "
        "an Embedding."
    )


def require_same_lengths(given: Ragged, inputs: Sequence[Any], what: str) -> None:
    """Raise ValueError, naming the first sample, if sequences that go with ragged inputs have other lengths than they.

    Args:
        given: targets or weights, one for each step.
        inputs: the inputs; those that are not ragged do not matter.
        what: what `given` is called.
    """
    lengths = [x.lengths for x in inputs if isinstance(x, Ragged)]
    own = given.lengths
    if not lengths or own in lengths:
        return
    k = next((k for k, (a, b) in enumerate(zip(own, lengths[0], strict=False)) if a != b), 0)
    raise ValueError(
        f"{what} has one item for each step, so it must be as long as its sequence: for sample {k} it has {own[k]} "
        f"steps, x has {lengths[0][k]}."
    )

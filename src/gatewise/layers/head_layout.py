"""Where the axes of attention's inputs go: heads to the front, the axes that are attended along made one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gatewise import validation


class HeadLayout(NamedTuple):
    """Where the axes of the inputs go: (batch, ..., features) -> (batch and the others, heads, attended to, features).

    others: the axes that are not attended along, the batch first.   attended: those that are.
    """

    others: tuple[int, ...]
    attended: tuple[int, ...]

    def heads_first(self, x: np.ndarray) -> np.ndarray:
        """(batch, ..., heads, D) -> (others, heads, T, D), the attended axes made one."""
        rank = x.ndim - 2
        moved = x.transpose(*self.others, rank, *self.attended, rank + 1)
        n = len(self.others) + 1
        return moved.reshape(*moved.shape[:n], math.prod(moved.shape[n:-1]), x.shape[-1])

    def heads_last(self, x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The reverse of `heads_first`; `shape` is (batch, ..., heads)."""
        rank = len(shape) - 1
        order = (*self.others, rank, *self.attended, rank + 1)
        sizes = (*(shape[k] for k in (*self.others, rank, *self.attended)), x.shape[-1])
        return x.reshape(sizes).transpose(np.argsort(order))

    def places(self, counts: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """(others or 1, T) -> the same for each place of an input of this shape, (batch, ...)."""
        sizes = [shape[k] for k in (*self.others, *self.attended)]
        whole = np.broadcast_to(counts, (*sizes[: len(self.others)], counts.shape[-1]))
        return whole.reshape(sizes).transpose(np.argsort((*self.others, *self.attended)))

    def steps(self, counts: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The reverse of `places`; where `counts` has too few axes, it holds for all of the rest."""
        counts = counts.reshape(*counts.shape, *[1] * (len(shape) - 1 - counts.ndim))
        moved = np.broadcast_to(counts, shape[:-1]).transpose(*self.others, *self.attended)
        n = len(self.others)
        return moved.reshape(*moved.shape[:n], math.prod(moved.shape[n:]))

    def scores_shape(self, query: tuple, value: tuple) -> tuple:
        """The shape of the weights for queries and values of (batch, ..., heads)."""
        lead = [query[k] for k in (*self.others, len(query) - 1)]
        return (*lead, *(shape[k] for shape in (query, value) for k in self.attended))

    def spread(self, mask: np.ndarray, query: tuple, value: tuple, layer: str) -> np.ndarray:
        """An attention mask, (batch, T, S) or with axes for others and heads, as (others or 1, heads or 1, T, S).

        Args:
            mask: with the attended axes of the queries, then of the values, last.
            query, value: (batch, ..., heads).
            layer: for the message.

        Raises:
            ValueError: for a mask of another shape.
        """
        wanted, steps = self.scores_shape(query, value), 2 * len(self.attended)
        spread = mask
        while spread.ndim < len(wanted) and mask.ndim >= steps:
            spread = np.expand_dims(spread, spread.ndim - steps)
        fits = spread.ndim == len(wanted)
        if not fits or any(size not in (1, own) for size, own in zip(spread.shape, wanted, strict=True)):
            raise ValueError(
                f"Layer {layer} was given an attention_mask that does not fit.\n    expected: "
                f"{validation.drawn((wanted[0], *wanted[-steps:]))}, True where a query may attend to a key\n"
                f"    given:    {validation.drawn(mask.shape)}"
            )
        lead = spread.shape[:-steps]
        whole = np.broadcast_to(spread, (*lead, *wanted[-steps:]))
        return whole.reshape(*lead, self.count(query), self.count(value))

    def count(self, shape: tuple) -> int:
        """How many places are attended along."""
        return math.prod(shape[k] for k in self.attended)


def fit_each_other(query: tuple, value: tuple, key: tuple, axes: Sequence[int] | None) -> bool:
    """Whether queries of this shape can attend, along these axes, to such values and keys."""
    rank = len(query)
    if rank < 3 or len(value) != rank or len(key) != rank or None in (query[-1], value[-1], key[-1]):
        return False
    if axes is not None and any(not -rank <= axis < rank or axis % rank in (0, rank - 1) for axis in axes):
        return False
    attended = range(1, rank - 1) if axes is None else [axis % rank for axis in axes]
    pairs = list(zip(value[:-1], key[:-1], strict=True))
    pairs += [(query[k], value[k]) for k in range(rank - 1) if k not in attended]
    return all(None in pair or pair[0] == pair[1] for pair in pairs)

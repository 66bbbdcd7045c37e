"""What is timed: sizes, kinds of layers, and how much arithmetic each asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MODES = ("infer", "train")
"""infer: one layer's forward pass.  train: forward, backward and Adam of the layer with Dense(1) behind it."""

EPOCH = 100
"""Batches in an epoch of `fit`, the mode in which the layer with Dense(1) is fitted with one metric and History."""

GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}
KINDS = (*GATES, "bidirectional", "stacked", "masked", "variants", "small", "quantized")
"""What a cell is of: a layer; an LSTM in both directions; two LSTMs; an LSTM on a batch that is half padding; the
LSTM's variants beside the plain one; calls of the smallest models; weights of fewer bits.  The last four are about
gatewise's own ways of doing a thing, the first of them beside PyTorch and Keras too."""


class Cell(NamedTuple):
    """Batch N, time steps T, features F, units H."""

    N: int
    T: int
    F: int
    H: int

    def __str__(self) -> str:
        return ",".join(map(str, self))

    def flops(self, mode: str, kind: str = "lstm") -> int:
        """Floating point operations of the layer's matrix products; the way back costs twice the way there."""
        products = self.F + self.H
        if kind == "bidirectional":
            products *= 2
        if kind == "stacked":
            products += 2 * self.H
        steps = sum(lengths(self)) if kind == "masked" else self.N * self.T
        forward = 2 * steps * GATES.get(kind, 4) * self.H * products
        return {"infer": forward, "train": 3 * forward, "fit": 3 * forward * EPOCH}[mode]


def lengths(cell: Cell) -> list[int]:
    """The real steps of each sequence of a batch that is half padding: from 1 to T, T / 2 on the average, mixed up."""
    N, T = cell.N, cell.T
    even = [1 + round((T - 1) * (n + 0.5) / N) for n in range(N)]
    return [even[(7 * n + 3) % N] for n in range(N)] if N % 7 else even


FULL = tuple(
    Cell(*sizes)
    for sizes in (
        (1, 1, 1, 1),
        (3, 5, 3, 4),
        (32, 13, 5, 10),
        (1, 13, 5, 10),
        (32, 50, 16, 32),
        (1, 100, 32, 64),
        (64, 50, 64, 128),
        (32, 100, 128, 256),
        (1, 100, 256, 512),
        (64, 50, 512, 512),
        (32, 50, 1024, 1024),
    )
)
SMALL = FULL[:6]
FITTED = FULL[:4]
"""Where what `fit` does around the kernels shows."""
QUICK = (Cell(1, 1, 1, 1), Cell(32, 13, 5, 10))
"""Enough to see that everything runs."""


@dataclass(frozen=True)
class Suite:
    """Cells that belong together; one JSON file, one table for each mode.

    title: the tables'.   kind: of KINDS.   modes, cells: in a full run.
    """

    title: str
    kind: str
    modes: tuple[str, ...]
    cells: tuple[Cell, ...]

    def chosen_cells(self, quick: bool) -> tuple[Cell, ...]:
        """The cells of a full or of a quick run."""
        return tuple(cell for cell in QUICK if cell in self.cells) or self.cells[:2] if quick else self.cells


_WIDE = tuple(cell for cell in FULL if cell.H >= 4)
_MASKED = tuple(
    Cell(*sizes) for sizes in ((32, 50, 16, 32), (64, 50, 64, 128), (32, 100, 128, 256), (64, 50, 512, 512))
)
_QUANTIZED = tuple(
    Cell(*sizes) for sizes in ((1, 100, 128, 256), (32, 100, 128, 256), (1, 100, 256, 512), (64, 50, 512, 512))
) + (Cell(1, 50, 1024, 1024), Cell(32, 50, 1024, 1024))

SUITES = {
    "cells": Suite("One LSTM layer", "lstm", MODES, FULL),
    "gru": Suite("One GRU layer", "gru", MODES, FULL),
    "simple_rnn": Suite("One SimpleRNN layer", "simple_rnn", MODES, FULL),
    "bidirectional": Suite("Bidirectional(LSTM)", "bidirectional", MODES, _WIDE),
    "stacked": Suite("Two LSTM layers", "stacked", MODES, _WIDE),
    "masked": Suite("LSTM on batches that are half padding", "masked", MODES, _MASKED),
    "variants": Suite(
        "Variants of the LSTM beside the plain layer", "variants", MODES, (*_MASKED, Cell(32, 13, 5, 10))
    ),
    "small": Suite("Calls of LSTM + Dense(1)", "small", ("infer",), (FULL[0], FULL[1], FULL[3])),
    "quantized": Suite("Weights of fewer bits", "quantized", ("infer",), _QUANTIZED),
    "fit": Suite(f"fit: an epoch of {EPOCH} batches, one metric and History", "lstm", ("fit",), FITTED),
}


def cells(text: str) -> tuple[Cell, ...]:
    """`small`, `full`, or cells such as `3,5,3,4` or `3,5,3,4;1,13,5,10`.

    Raises:
        ValueError: for anything else.
    """
    if text in ("small", "full"):
        return SMALL if text == "small" else FULL
    found = []
    for part in text.split(";"):
        sizes = [int(size) for size in part.split(",") if size.strip().isdigit()]
        if len(sizes) != 4 or min(sizes) < 1 or part.count(",") != 3:
            raise ValueError(f"A cell is four positive sizes N,T,F,H, such as 3,5,3,4; got {part!r}.")
        found.append(Cell(*sizes))
    return tuple(found)

"""The cells that are timed: sizes of one LSTM layer, and how much arithmetic each asks for."""

from __future__ import annotations

from typing import NamedTuple

MODES = ("infer", "train")
"""infer: one layer's forward pass.  train: forward, backward and Adam of the layer with Dense(1) behind it."""

EPOCH = 100
"""Batches in an epoch of `fit`, the mode in which the layer with Dense(1) is fitted with one metric and History."""


class Cell(NamedTuple):
    """Batch N, time steps T, features F, units H."""

    N: int
    T: int
    F: int
    H: int

    def __str__(self) -> str:
        return ",".join(map(str, self))

    def flops(self, mode: str) -> int:
        """Floating point operations of the layer's matrix products; the way back costs twice the way there."""
        forward = 2 * self.N * self.T * 4 * self.H * (self.F + self.H)
        return {"infer": forward, "train": 3 * forward, "fit": 3 * forward * EPOCH}[mode]


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

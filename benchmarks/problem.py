"""The same numbers for every peer: data and weights of a cell, so that results can be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.grid import EPOCH, Cell


@dataclass(frozen=True)
class Problem:
    """Float32 arrays of one cell.

    x: (N, T, F).   y: (N, 1).   W: (F, 4H), U: (H, 4H), b: (4H,), columns in Keras's order i, f, c, o.
    d: (H, 1), the weights of the Dense(1) that training puts behind the layer; its bias begins at 0.
    """

    cell: Cell
    x: np.ndarray
    y: np.ndarray
    W: np.ndarray
    U: np.ndarray
    b: np.ndarray
    d: np.ndarray

    def gates(self, order: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """W, U and b with the four blocks of columns in another order, such as "iofc"."""
        blocks = ["ifco".index(gate) for gate in order]

        def reordered(a: np.ndarray) -> np.ndarray:
            parts = np.split(a, 4, axis=-1)
            return np.concatenate([parts[k] for k in blocks], axis=-1)

        return reordered(self.W), reordered(self.U), reordered(self.b)


class Way(NamedTuple):
    """One way of asking a peer: `call` is timed; `read` turns what it returned into an array."""

    call: Callable[[], Any]
    read: Callable[[Any], Any] = np.asarray


def make_problem(cell: Cell) -> Problem:
    """Data and weights of a cell, always the same ones."""
    N, T, F, H = cell
    random = np.random.default_rng(20)
    limit = (F + H) ** -0.5

    def weights(*shape: int) -> np.ndarray:
        return random.uniform(-limit, limit, shape).astype(np.float32)

    x = random.standard_normal((N, T, F)).astype(np.float32)
    y = random.standard_normal((N, 1)).astype(np.float32)
    return Problem(cell, x, y, weights(F, 4 * H), weights(H, 4 * H), weights(4 * H), weights(H, 1))


def fitting(model: Any, problem: Problem, **options: Any) -> Way:
    """An epoch of `fit` with Adam, one metric and History, of a Keras model with the problem's weights."""
    x, y = np.tile(problem.x, (EPOCH, 1, 1)), np.tile(problem.y, (EPOCH, 1))
    model.compile("adam", "mse", metrics=["mae"], **options)
    size = problem.cell.N
    return Way(
        lambda: model.fit(x, y, batch_size=size, epochs=1, shuffle=False, verbose=0),
        lambda run: np.array([run.history[name][-1] for name in ("loss", "mae")]),
    )

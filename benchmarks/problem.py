"""The same numbers for every peer: data and weights of a cell, so that results can be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.grid import EPOCH, GATES, Cell, lengths

KERAS_GATES = {"lstm": "ifco", "gru": "zrh", "simple_rnn": "h"}
"""The order of the columns in Keras."""


class Weights(NamedTuple):
    """Of one layer: W (F, G H), U (H, G H), b (G H,), of a GRU (2, 3H); columns in Keras's order."""

    W: np.ndarray
    U: np.ndarray
    b: np.ndarray


@dataclass(frozen=True)
class Problem:
    """Float32 arrays of one cell.

    kind: what the cell is of.   x: (N, T, F), of "masked" zero behind each sequence's real steps.   y: (N, 1).
    layers: the weights of each layer: two of "bidirectional" (the second reads from the end) and of "stacked".
    d: (H, 1), or (2H, 1) of "bidirectional": the Dense(1) that training puts behind; its bias begins at 0.
    """

    cell: Cell
    kind: str
    x: np.ndarray
    y: np.ndarray
    layers: tuple[Weights, ...]
    d: np.ndarray

    @property
    def family(self) -> str:
        """The kind of the layers themselves."""
        return self.kind if self.kind in GATES else "lstm"

    def gates(self, order: str, layer: int = 0) -> Weights:
        """The weights of a layer with the blocks of columns in another order, such as "iofc"."""
        known = KERAS_GATES[self.family]
        blocks = [known.index(gate) for gate in order]

        def reordered(a: np.ndarray) -> np.ndarray:
            parts = np.split(a, len(known), axis=-1)
            return np.concatenate([parts[k] for k in blocks], axis=-1)

        return Weights(*map(reordered, self.layers[layer]))

    @property
    def mask(self) -> np.ndarray:
        """(N, T): True where a step of "masked" is real."""
        return np.arange(self.cell.T) < np.array(lengths(self.cell))[:, None]


class Way(NamedTuple):
    """One way of asking a peer: `call` is timed; `read` turns what it returned into an array.

    must_agree: its result has to be gatewise's first one; False for ways that compute something else on purpose.
    """

    call: Callable[[], Any]
    read: Callable[[Any], Any] = np.asarray
    must_agree: bool = True


def make_problem(cell: Cell, kind: str = "lstm") -> Problem:
    """Data and weights of a cell, always the same ones."""
    N, T, F, H = cell
    random = np.random.default_rng(20)
    limit = (F + H) ** -0.5
    gates = GATES.get(kind, 4)

    def weights(*shape: int) -> np.ndarray:
        return random.uniform(-limit, limit, shape).astype(np.float32)

    def layer(features: int) -> Weights:
        bias = (2, gates * H) if kind == "gru" else (gates * H,)
        return Weights(weights(features, gates * H), weights(H, gates * H), weights(*bias))

    x = random.standard_normal((N, T, F)).astype(np.float32)
    y = random.standard_normal((N, 1)).astype(np.float32)
    layers = [layer(F)]
    if kind in ("bidirectional", "stacked"):
        layers.append(layer(F if kind == "bidirectional" else H))
    width = 2 * H if kind == "bidirectional" else H
    problem = Problem(cell, kind, x, y, tuple(layers), weights(width, 1))
    if kind == "masked":
        x *= problem.mask[:, :, None]
    return problem


def fitting(model: Any, problem: Problem, **options: Any) -> Way:
    """An epoch of `fit` with Adam, one metric and History, of a Keras model with the problem's weights."""
    x, y = np.tile(problem.x, (EPOCH, 1, 1)), np.tile(problem.y, (EPOCH, 1))
    model.compile("adam", "mse", metrics=["mae"], **options)
    size = problem.cell.N
    return Way(
        lambda: model.fit(x, y, batch_size=size, epochs=1, shuffle=False, verbose=0),
        lambda run: np.array([run.history[name][-1] for name in ("loss", "mae")]),
    )

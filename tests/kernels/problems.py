"""Random LSTM problems, and distances between results."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Array = np.ndarray

# The largest |a - b| / (1 + |b|) allowed between a kernel and its twin in float64.
OUTPUTS = {"float32": 3e-6, "float64": 1e-14}
GRADIENTS = {"float32": 3e-5, "float64": 1e-13}


@dataclass
class Problem:
    """Arguments of lstm_forward, and gradients of its results."""

    x: Array
    h0: Array | None
    c0: Array | None
    W: Array
    U: Array
    b: Array | None
    dh: Array | None
    dh_T: Array | None
    dc_T: Array | None
    dc: Array | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def forward(self, kernels):
        return kernels.lstm_forward(self.x, self.h0, self.c0, self.W, self.U, self.b, **self.options)

    def backward(self, kernels, tape, **more):
        arguments = (self.x, self.h0, self.c0, self.W, self.U, self.dh, self.dh_T, self.dc_T)
        return kernels.lstm_backward(tape, *arguments, dc=self.dc, **self.options, **more)

    def in_float64(self) -> "Problem":
        def wide(value):
            is_float = isinstance(value, np.ndarray) and value.dtype != bool
            return value.astype(np.float64) if is_float else value

        changes = {name: wide(value) for name, value in vars(self).items()}
        changes["options"] = {name: wide(value) for name, value in self.options.items()}
        return replace(self, **changes)


def problem(N, T, F, H, dtype="float64", seed=0, states=True, bias=True, **options) -> Problem:
    """A problem of the given sizes; weights small enough that gates do not saturate."""
    rng = np.random.default_rng([seed, N, T, F, H])

    def normal(*shape, scale=1.0):
        return (rng.normal(size=shape) * scale).astype(dtype)

    return Problem(
        normal(N, T, F),
        normal(N, H) if states else None,
        normal(N, H) if states else None,
        normal(F, 4 * H, scale=0.7 / np.sqrt(F)),
        normal(H, 4 * H, scale=0.7 / np.sqrt(H)),
        normal(4 * H, scale=0.5) if bias else None,
        normal(N, T, H),
        normal(N, H),
        normal(N, H),
        options=options,
    )


def random_mask(kind: str, N: int, T: int, seed: int = 0) -> Array:
    """(N, T) bool: 'scattered', 'left' (padding first), 'right', or 'rows' (every other row all masked)."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, T + 1, size=(N, 1))
    steps = np.arange(T)[None]
    if kind == "left":
        return steps >= lengths
    if kind == "right":
        return steps < lengths
    if kind == "rows":
        return np.repeat(np.arange(N)[:, None] % 2 == 1, T, axis=1)
    return rng.random((N, T)) < 0.6


def dropout(rate: float, *shape: int, dtype="float64", seed: int = 0) -> Array:
    """Inverted-dropout multipliers: 0, or 1 / (1 - rate)."""
    kept = np.random.default_rng(seed).random(shape) >= rate
    return (kept / (1 - rate)).astype(dtype)


def distance(value: Array, wanted: Array) -> float:
    """max |a - b| / (1 + |b|)"""
    assert value.shape == wanted.shape
    return float(np.max(np.abs(value - wanted) / (1 + np.abs(wanted)), initial=0.0))


def assert_results_close(values, wanted, limit: float) -> None:
    """Pairs of arrays, or of None; a NaN anywhere is a failure."""
    for i, (a, b) in enumerate(zip(values, wanted, strict=True)):
        assert (a is None) == (b is None), i
        if a is not None:
            assert distance(a, b) < limit, (i, distance(a, b))

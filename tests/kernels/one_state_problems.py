"""Random problems for the kernels of layers with one state: GRU of both kinds, and SimpleRNN."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Array = np.ndarray

FAMILIES = ("GRU, reset after", "GRU, reset before", "SimpleRNN")


@dataclass
class Problem:
    """Arguments of a forward pass, and gradients of its results."""

    family: str
    x: Array
    h0: Array | None
    W: Array
    U: Array
    b: Array | None
    dh: Array | None
    dh_T: Array | None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        return "gru" if self.family.startswith("GRU") else "simple_rnn"

    @property
    def kind(self) -> dict[str, bool]:
        return {"reset_after": self.family.endswith("after")} if self.prefix == "gru" else {}

    def forward(self, kernels):
        run = getattr(kernels, f"{self.prefix}_forward")
        return run(self.x, self.h0, self.W, self.U, self.b, **self.kind, **self.options)

    def backward(self, kernels, tape, **more):
        run = getattr(kernels, f"{self.prefix}_backward")
        arguments = (self.x, self.h0, self.W, self.U, self.dh, self.dh_T)
        return run(tape, *arguments, **self.kind, **self.options, **more)

    def pack(self, kernels):
        return getattr(kernels, f"pack_{self.prefix}")(self.W, self.U, self.b, **self.kind)

    def predict(self, kernels, packed, **more):
        options = {name: value for name, value in self.options.items() if not name.endswith("dropout")}
        return getattr(kernels, f"{self.prefix}_predict")(self.x, self.h0, packed, **options, **more)

    def in_float64(self) -> "Problem":
        def wide(value):
            is_float = isinstance(value, np.ndarray) and value.dtype != bool
            return value.astype(np.float64) if is_float else value

        changes = {name: wide(value) for name, value in vars(self).items()}
        changes["options"] = {name: wide(value) for name, value in self.options.items()}
        return replace(self, **changes)


def problem(family, N, T, F, H, dtype="float64", seed=0, state=True, bias=True, **options) -> Problem:
    """A problem of the given sizes; weights small enough that gates do not saturate."""
    rng = np.random.default_rng([seed, N, T, F, H])
    G = 3 if family.startswith("GRU") else 1
    bias_shape = (2, G * H) if family.endswith("after") else (G * H,)

    def normal(*shape, scale=1.0):
        return (rng.normal(size=shape) * scale).astype(dtype)

    return Problem(
        family,
        normal(N, T, F),
        normal(N, H) if state else None,
        normal(F, G * H, scale=0.7 / np.sqrt(F)),
        normal(H, G * H, scale=0.7 / np.sqrt(H)),
        normal(*bias_shape, scale=0.5) if bias else None,
        normal(N, T, H),
        normal(N, H),
        options=options,
    )

"""Random problems of the LSTM's variants."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from problems import dropout, random_mask

from gatewise.kernels import LSTMVariantOptions, LSTMVariantWeights

Array = np.ndarray

CLIPPED = 0.7
ZONED = {"zoneout_cell": 0.2, "zoneout_output": 0.3}


@dataclass
class VariantProblem:
    """Arguments of lstm_variant_forward, and gradients of its results."""

    x: Array
    h0: Array | None
    c0: Array | None
    weights: LSTMVariantWeights
    dh: Array | None
    dh_T: Array | None
    dc_T: Array | None
    dc: Array | None
    options: LSTMVariantOptions = LSTMVariantOptions()
    more: dict[str, Any] = field(default_factory=dict)

    def forward(self, kernels):
        return kernels.lstm_variant_forward(self.x, self.h0, self.c0, self.weights, self.options, **self.more)

    def backward(self, kernels, tape, **others):
        return kernels.lstm_variant_backward(
            tape, self.x, self.h0, self.c0, self.weights, self.options, self.dh, self.dh_T, self.dc_T,
            dc=self.dc, **self.more, **others,
        )  # fmt: skip

    def in_float64(self) -> "VariantProblem":
        def wide(value):
            if isinstance(value, LSTMVariantWeights):
                return LSTMVariantWeights(*map(wide, value))
            is_float = isinstance(value, np.ndarray) and value.dtype != bool
            return value.astype(np.float64) if is_float else value

        changes = {name: wide(value) for name, value in vars(self).items()}
        changes["more"] = {name: wide(value) for name, value in self.more.items()}
        return replace(self, **changes)


def variant_problem(
    N: int,
    T: int,
    F: int,
    H: int,
    dtype: str = "float64",
    *,
    peephole: bool = False,
    clip: bool = False,
    outputs: int | None = None,
    coupled: bool = False,
    layer_norm: bool = False,
    zoneout: str | None = None,
    mask: str | None = None,
    drop: bool = False,
    bias: bool = True,
    states: bool = True,
    **more: Any,
) -> VariantProblem:
    """A problem of the given sizes.

    Args:
        outputs: P, with a projection.   zoneout: None, "rates" (as in prediction) or "drawn" (as in training).
        mask: a kind of `random_mask`; masked steps of x are NaN.   more: activations.
    """
    rng = np.random.default_rng([N, T, F, H, outputs or 0])

    def normal(*shape, scale=1.0):
        return (rng.normal(size=shape) * scale).astype(dtype)

    P, G = outputs or H, 3 if coupled else 4
    weights = LSTMVariantWeights(
        normal(F, G * H, scale=0.7 / np.sqrt(F)),
        normal(P, G * H, scale=0.7 / np.sqrt(P)),
        normal(G * H, scale=0.5) if bias else None,
        normal(G - 1, H, scale=0.5) if peephole else None,
        normal(H, P, scale=1 / np.sqrt(H)) if outputs else None,
        *([1 + normal(G * H, scale=0.3) for _ in range(2)] if layer_norm else [None] * 2),
        *([1 + normal(H, scale=0.3), normal(H, scale=0.3)] if layer_norm else [None] * 2),
    )
    options = LSTMVariantOptions(epsilon=0.1, **ZONED if zoneout == "rates" else {})
    x = normal(N, T, F)
    if mask is not None:
        more["mask"] = random_mask(mask, N, T)
        x[~more["mask"]] = np.nan
    if drop:
        more["x_dropout"] = dropout(0.3, N, F, dtype=dtype)
        more["h_dropout"] = dropout(0.3, N, P, dtype=dtype, seed=1)
    if zoneout == "drawn":
        more["keep_c"] = (rng.random((N, T, H)) < 0.3).astype(dtype)
        more["keep_h"] = (rng.random((N, T, P)) < 0.3).astype(dtype)
    return VariantProblem(
        x,
        normal(N, P) if states else None,
        normal(N, H, scale=0.5) if states else None,
        weights,
        normal(N, T, P),
        normal(N, P),
        normal(N, H),
        normal(N, T, H),
        options._replace(cell_clip=CLIPPED) if clip else options,
        more,
    )

"""Variants of the LSTM, all of them together: each is there if its weights or its option are.  The way forward."""

import math
from typing import NamedTuple

import numpy as np

from gatewise.kernels.reference.activations import Array, PairFunction, pair_function
from gatewise.kernels.reference.lstm import masked_input
from gatewise.kernels.reference.products import product


class LSTMVariantWeights(NamedTuple):
    """Weights of a variant; H units, P outputs (H without a projection), G gates (4, or 3 where i and f are coupled).

    W: (F, G H), U: (P, G H), b: (G H,) or None; columns in the order i, f, c, o, or i, c, o: three gates couple them.
    peephole: (G - 1, H), of i, f, o, or of i, o; None without.   projection: (H, P) or None.
    kernel_gain, recurrent_gain: (G H,), cell_gain, cell_offset: (H,), of the layer normalisation; all four or none.
    """

    W: Array
    U: Array
    b: Array | None = None
    peephole: Array | None = None
    projection: Array | None = None
    kernel_gain: Array | None = None
    recurrent_gain: Array | None = None
    cell_gain: Array | None = None
    cell_offset: Array | None = None


class LSTMVariantOptions(NamedTuple):
    """The numbers that set a variant apart.

    cell_clip: the largest |c|.   epsilon: of the layer normalisation.
    zoneout_cell, zoneout_output: the share of c[t-1] and of h[t-1] that a step keeps where no keep_c, keep_h say.
    """

    cell_clip: float = math.inf
    epsilon: float = 1e-3
    zoneout_cell: float = 0.0
    zoneout_output: float = 0.0


class LSTMVariantTape(NamedTuple):
    """What `lstm_variant_forward` leaves for `lstm_variant_backward`, and for whoever wants to look at it.

    h: (N, T, P), c: (N, T, H), the states.   gates: (N, T, 4, H), i f g o after activation, zero at masked steps.
    z: (N, T, G, H), the gates before activation; None where the derivatives can do without.
    candidate: (N, T, H), the cell before zoneout; None without zoneout of the cell.
    unprojected: (N, T, H), o a(c) before the projection; None without.
    normal_x, normal_h: (N, T, G, H), x W and h U less their mean, over their deviation; None without normalisation.
    statistics: (N, T, 4): 1 / deviation of x W, 1 / deviation of h U, mean of c, 1 / deviation of c; or None.
    """

    h: Array
    c: Array
    gates: Array
    z: Array | None
    candidate: Array | None
    unprojected: Array | None
    normal_x: Array | None
    normal_h: Array | None
    statistics: Array | None


def sizes_of(weights: LSTMVariantWeights) -> tuple[int, int, int]:
    """H, P and G."""
    P = weights.U.shape[0]
    H = P if weights.projection is None else weights.projection.shape[0]
    return H, P, weights.U.shape[1] // H


def normalized(v: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """v less its mean over its deviation, along the last axis; the mean; 1 / deviation."""
    mean = v.mean(axis=-1, keepdims=True)
    scale = 1 / np.sqrt(((v - mean) ** 2).mean(axis=-1, keepdims=True) + v.dtype.type(epsilon))
    return (v - mean) * scale, mean, scale


def kept_share(given: Array | None, rate: float, t: int) -> Array | float | None:
    """The share of a state that step t keeps; None for nothing."""
    return given[:, t] if given is not None else rate or None


def _mixed(kept: Array | float | None, before: Array, new: Array) -> Array:
    return new if kept is None else kept * before + (1 - kept) * new


def _blank_tape(x: Array, weights: LSTMVariantWeights, zoned: bool) -> LSTMVariantTape:
    """A tape of zeros."""
    H, P, G = sizes_of(weights)

    def zeros(*shape: int) -> Array:
        return np.zeros((*x.shape[:2], *shape), x.dtype)

    normal = weights.kernel_gain is not None
    return LSTMVariantTape(
        zeros(P), zeros(H), zeros(4, H), zeros(G, H), zeros(H) if zoned else None,
        None if weights.projection is None else zeros(H),
        zeros(G, H) if normal else None, zeros(G, H) if normal else None, zeros(4) if normal else None,
    )  # fmt: skip


def _sums(
    sums_x: Array, sums_h: Array, weights: LSTMVariantWeights, epsilon: float
) -> tuple[Array, tuple[Array, Array, Array] | None]:
    """z without peepholes, (N, G H), and the normalised sums with [1 / deviations]; None without normalisation."""
    made = None
    if weights.kernel_gain is None:
        z = sums_x + sums_h
    else:
        normal_x, _, scale_x = normalized(sums_x, epsilon)
        normal_h, _, scale_h = normalized(sums_h, epsilon)
        z = normal_x * weights.kernel_gain + normal_h * weights.recurrent_gain
        made = normal_x, normal_h, np.concatenate([scale_x, scale_h], axis=1)
    return (z if weights.b is None else z + weights.b), made


def lstm_variant_forward(
    x: Array,
    h0: Array | None,
    c0: Array | None,
    weights: LSTMVariantWeights,
    options: LSTMVariantOptions,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    recurrent_activation: str | PairFunction = "sigmoid",
    x_dropout: Array | None = None,
    h_dropout: Array | None = None,
    keep_c: Array | None = None,
    keep_h: Array | None = None,
) -> LSTMVariantTape:
    """Runs a variant of the LSTM over whole sequences.

    z[t] = x[t] W + h[t-1] U + b;   layer norm: N(x[t] W) kernel_gain + N(h[t-1] U) recurrent_gain + b
    peepholes: z_i += p_i c[t-1],  z_f += p_f c[t-1],  z_o += p_o c~
    i, f, o = s(z_i), s(z_f), s(z_o);   g = a(z_c);   coupled: f = 1 - i
    c~ = f c[t-1] + i g;   clipped: from -cell_clip to cell_clip
    h~ = o a(c~);   layer norm: o a(N(c~) cell_gain + cell_offset);   projected: h~ projection
    c[t] = k c[t-1] + (1 - k) c~;   h[t] = l h[t-1] + (1 - l) h~;   k, l: zoneout
    N(v) = (v - mean) / sqrt(variance + epsilon), over all of v, that is over all gates jointly.
    A masked step copies h and c.

    Args:
        x: (N, T, F).   h0: (N, P), c0: (N, H) or None for zeros.   mask: (N, T) bool, True = use the step.
        x_dropout: (N, F), h_dropout: (N, P): multipliers of every x[t] and h[t-1].
        keep_c: (N, T, H), keep_h: (N, T, P): k and l; None for the options' rates at every unit and step.
    Source: peepholes: Gers & Schmidhuber 2000; Gers, Schraudolph & Schmidhuber 2002.   Clipping and projection: Sak,
        Senior & Beaufays 2014.   Coupled gates: Greff et al. 2017.   Layer normalisation: Ba, Kiros & Hinton 2016,
        equations 20 to 22 (of their offsets b is the sum).   Zoneout: Krueger et al. 2017.
    """
    H, P, G = sizes_of(weights)
    zeros = np.zeros((len(x), max(H, P)), x.dtype)
    h, c = (zeros[:, :P] if h0 is None else h0), (zeros[:, :H] if c0 is None else c0)
    zoned = keep_c is not None or options.zoneout_cell > 0
    tape = _blank_tape(x, weights, zoned)
    all_sums_x = product(masked_input(x, mask, x_dropout), weights.W)
    for t in range(x.shape[1]):
        sums_h = product(h if h_dropout is None else h * h_dropout, weights.U)
        z, normal = _sums(all_sums_x[:, t], sums_h, weights, options.epsilon)
        z = z.reshape(-1, G, H)
        gates, candidate = _step_gates(z, c, weights, options, (activation, recurrent_activation))
        cell, statistics = candidate, None
        if weights.cell_gain is not None:
            cell, mean, scale = normalized(candidate, options.epsilon)
            cell = cell * weights.cell_gain + weights.cell_offset
            statistics = np.concatenate([mean, scale], axis=1)
        m = gates[:, 3] * pair_function(activation)(cell)[0]
        out = m if weights.projection is None else product(m, weights.projection)
        new_c = _mixed(kept_share(keep_c, options.zoneout_cell, t), c, candidate)
        new_h = _mixed(kept_share(keep_h, options.zoneout_output, t), h, out)
        use = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        h, c = np.where(use, new_h, h), np.where(use, new_c, c)
        tape.h[:, t], tape.c[:, t] = h, c
        kept: list[tuple[Array | None, Array]] = [
            (tape.gates, gates), (tape.z, z), (tape.candidate, candidate), (tape.unprojected, m)
        ]  # fmt: skip
        if normal is not None and statistics is not None:
            kept += [(tape.normal_x, normal[0].reshape(z.shape)), (tape.normal_h, normal[1].reshape(z.shape))]
            kept += [(tape.statistics, np.concatenate([normal[2], statistics], axis=1))]
        for held, values in kept:
            if held is not None:
                held[use[:, 0], t] = values[use[:, 0]]
    return tape


def _step_gates(
    z: Array,
    c: Array,
    weights: LSTMVariantWeights,
    options: LSTMVariantOptions,
    chosen: tuple[str | PairFunction, str | PairFunction],
) -> tuple[Array, Array]:
    """i, f, g, o side by side (N, 4, H) and the candidate cell (N, H); adds the peepholes to z (N, G, H)."""
    a, s = pair_function(chosen[0]), pair_function(chosen[1])
    G = z.shape[1]
    peephole = weights.peephole
    if peephole is not None:
        z[:, : G - 2] += peephole[: G - 2] * c[:, None]
    i, g = s(z[:, 0])[0], a(z[:, G - 2])[0]
    f = s(z[:, 1])[0] if G == 4 else 1 - i
    candidate = np.clip(f * c + i * g, -options.cell_clip, options.cell_clip)
    if peephole is not None:
        z[:, G - 1] += peephole[G - 2] * candidate
    return np.stack([i, f, g, s(z[:, G - 1])[0]], axis=1), candidate


def pack_lstm_variant(weights: LSTMVariantWeights) -> LSTMVariantWeights:
    """The weights for `lstm_variant_predict`."""
    return LSTMVariantWeights(*weights)


def lstm_variant_predict(
    x: Array,
    h0: Array | None,
    c0: Array | None,
    weights: LSTMVariantWeights,
    options: LSTMVariantOptions,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    recurrent_activation: str | PairFunction = "sigmoid",
    sequences: bool = False,
) -> tuple[Array | None, Array, Array]:
    """Runs a variant and keeps nothing: (h of all steps (N, T, P) or None, last h (N, P), last c (N, H))."""
    tape = lstm_variant_forward(x, h0, c0, weights, options, mask, activation, recurrent_activation)
    return (tape.h if sequences else None), tape.h[:, -1].copy(), tape.c[:, -1].copy()

"""Variants of the LSTM: their gradients."""

from typing import NamedTuple

import numpy as np

from gatewise.kernels.reference.activations import Array, PairFunction, pair_function
from gatewise.kernels.reference.lstm import masked_input
from gatewise.kernels.reference.lstm_variants import (
    LSTMVariantOptions,
    LSTMVariantTape,
    LSTMVariantWeights,
    kept_share,
    normalized,
    sizes_of,
)
from gatewise.kernels.reference.products import product


def normalized_back(d: Array, normal: Array, scale: Array) -> Array:
    """The gradient of v from that of its normalisation."""
    return scale * (d - d.mean(axis=-1, keepdims=True) - normal * (d * normal).mean(axis=-1, keepdims=True))


class _Step(NamedTuple):
    """Gradients at one step.

    dz: (N, G, H), of the gates before activation.   d_cell: (N, H), of what the output's activation is applied to.
    dc_before: (N, H), of c[t-1] as far as it comes through the candidate.
    """

    dz: Array
    dc_before: Array
    d_cell: Array


def _step_back(
    tape: LSTMVariantTape,
    t: int,
    before: Array,
    weights: LSTMVariantWeights,
    options: LSTMVariantOptions,
    pairs: tuple[PairFunction, PairFunction],
    dm: Array,
    dc: Array,
) -> _Step:
    """From the gradients of o a(...) and of the candidate cell at step t; `before` is c[t-1]."""
    a, s = pairs
    assert tape.z is not None, "a tape of reference.lstm_variant_forward always has z"
    z = tape.z[:, t]
    G = z.shape[1]
    i, f, g, o = (tape.gates[:, t, k] for k in range(4))
    candidate = tape.c[:, t] if tape.candidate is None else tape.candidate[:, t]
    normal = scale = None
    cell = candidate
    if weights.cell_gain is not None:
        normal, _, scale = normalized(candidate, options.epsilon)
        cell = normal * weights.cell_gain + weights.cell_offset
    y, back_y = a(cell)
    d_cell = back_y(dm * o)
    if normal is None or scale is None:
        dc = dc + d_cell
    else:
        dc = dc + normalized_back(d_cell * weights.cell_gain, normal, scale)
    dz = np.empty_like(z)
    dz[:, G - 1] = s(z[:, G - 1])[1](dm * y)
    if weights.peephole is not None:
        dc = dc + weights.peephole[G - 2] * dz[:, G - 1]
    dc = np.where(np.abs(candidate) >= options.cell_clip, 0, dc).astype(dc.dtype)
    dz[:, G - 2] = a(z[:, G - 2])[1](dc * i)
    dz[:, 0] = s(z[:, 0])[1](dc * g if G == 4 else dc * (g - before))
    if G == 4:
        dz[:, 1] = s(z[:, 1])[1](dc * before)
    dc_before = dc * f
    if weights.peephole is not None:
        dc_before = dc_before + (dz[:, : G - 2] * weights.peephole[: G - 2]).sum(axis=1)
    return _Step(dz, dc_before, d_cell)


def lstm_variant_backward(
    tape: LSTMVariantTape,
    x: Array,
    h0: Array | None,
    c0: Array | None,
    weights: LSTMVariantWeights,
    options: LSTMVariantOptions,
    dh: Array | None = None,
    dh_T: Array | None = None,
    dc_T: Array | None = None,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    recurrent_activation: str | PairFunction = "sigmoid",
    x_dropout: Array | None = None,
    h_dropout: Array | None = None,
    keep_c: Array | None = None,
    keep_h: Array | None = None,
    dc: Array | None = None,
    wants: tuple[bool, ...] = (True,) * 11,
) -> tuple[Array | None, ...]:
    """Gradients of `lstm_variant_forward`: (dx, dh0, dc0, then one for each of the nine weights), None where unwanted.

    Args:
        tape: from `lstm_variant_forward` with the same arguments.   dh: (N, T, P), dc: (N, T, H), gradients of every
            h[t] and c[t].   dh_T: (N, P), dc_T: (N, H), of the last ones, in addition.
        wants: whether dx, the states' two gradients, and each weight's are to be computed.

    The cell's gradient is zero where it was clipped.
    """
    H, P, G = sizes_of(weights)
    N, T, _ = x.shape
    zeros = np.zeros((N, max(H, P)), x.dtype)
    first_h, first_c = (zeros[:, :P] if h0 is None else h0), (zeros[:, :H] if c0 is None else c0)
    carried_h, carried_c = (zeros[:, :P] if dh_T is None else dh_T), (zeros[:, :H] if dc_T is None else dc_T)
    pairs = pair_function(activation), pair_function(recurrent_activation)
    dz, dz_x, dz_h = (np.zeros((N, T, G, H), x.dtype) for _ in range(3))
    d_cell, d_out = np.zeros((N, T, H), x.dtype), np.zeros((N, T, P), x.dtype)
    for t in reversed(range(T)):
        dh_t = carried_h if dh is None else carried_h + dh[:, t]
        dc_t = carried_c if dc is None else carried_c + dc[:, t]
        use = np.ones((N, 1), bool) if mask is None else mask[:, t, None]
        kept_c, kept_h = kept_share(keep_c, options.zoneout_cell, t), kept_share(keep_h, options.zoneout_output, t)
        d_out[:, t] = np.where(use, dh_t if kept_h is None else (1 - kept_h) * dh_t, 0)
        dm = d_out[:, t] if weights.projection is None else product(d_out[:, t], weights.projection.T)
        d_candidate = dc_t if kept_c is None else (1 - kept_c) * dc_t
        before = tape.c[:, t - 1] if t else first_c
        step = _step_back(tape, t, before, weights, options, pairs, dm, d_candidate)
        dz[:, t] = np.where(use[:, :, None], step.dz, 0)
        d_cell[:, t] = np.where(use, step.d_cell, 0)
        _sums_back(tape, t, weights, dz, dz_x, dz_h)
        to_h = product(dz_h[:, t].reshape(N, G * H), weights.U.T)
        to_h = to_h if h_dropout is None else to_h * h_dropout
        to_h = to_h if kept_h is None else to_h + kept_h * dh_t
        to_c = step.dc_before if kept_c is None else step.dc_before + kept_c * dc_t
        carried_h, carried_c = np.where(use, to_h, dh_t), np.where(use, to_c, dc_t)
    h_before = np.concatenate([first_h[:, None], tape.h[:, :-1]], axis=1)
    h_before = h_before if h_dropout is None else h_before * h_dropout[:, None, :]
    c_before = np.concatenate([first_c[:, None], tape.c[:, :-1]], axis=1)
    dx = product(dz_x.reshape(N, T, G * H), weights.W.T) if wants[0] else None
    dx = dx if dx is None or x_dropout is None else dx * x_dropout[:, None, :]
    states = (carried_h, carried_c) if wants[1] else (None, None)
    found = _weight_gradients(
        tape, weights, masked_input(x, mask, x_dropout), h_before, c_before, (dz, dz_x, dz_h), d_cell, d_out
    )
    return (dx, *states, *(d if wanted else None for d, wanted in zip(found, wants[2:], strict=True)))


def _sums_back(tape: LSTMVariantTape, t: int, weights: LSTMVariantWeights, dz: Array, dz_x: Array, dz_h: Array) -> None:
    """Writes the gradients of x W and of h U at step t, from that of z."""
    if tape.normal_x is None or tape.normal_h is None or tape.statistics is None:
        dz_x[:, t] = dz_h[:, t] = dz[:, t]
        return
    flat = dz[:, t].reshape(len(dz), weights.U.shape[1])
    shape = dz[:, t].shape
    pairs = [(dz_x, tape.normal_x, weights.kernel_gain, 0), (dz_h, tape.normal_h, weights.recurrent_gain, 1)]
    for into, normal, gain, k in pairs:
        scale = tape.statistics[:, t, k, None]
        into[:, t] = normalized_back(flat * gain, normal[:, t].reshape(flat.shape), scale).reshape(shape)


def _weight_gradients(
    tape: LSTMVariantTape,
    weights: LSTMVariantWeights,
    x: Array,
    h_before: Array,
    c_before: Array,
    dzs: tuple[Array, Array, Array],
    d_cell: Array,
    d_out: Array,
) -> tuple[Array | None, ...]:
    """The gradients of the weights, in their order; None for those that are not there."""
    H, P, G = sizes_of(weights)
    flat, flat_x, flat_h = (d.reshape(-1, G * H) for d in dzs)
    d_peephole = d_projection = None
    normal: list[Array | None] = [None] * 4
    candidate = tape.c if tape.candidate is None else tape.candidate
    if weights.peephole is not None:
        cells = np.stack([*[c_before] * (G - 2), candidate], axis=2)
        d_peephole = (np.delete(dzs[0], G - 2, axis=2) * cells).sum(axis=(0, 1))
    if tape.unprojected is not None:
        d_projection = product(tape.unprojected.reshape(-1, H).T, d_out.reshape(-1, P))
    if tape.normal_x is not None and tape.normal_h is not None and tape.statistics is not None:
        normal_c = (candidate - tape.statistics[:, :, 2:3]) * tape.statistics[:, :, 3:]
        normal = [
            (flat * tape.normal_x.reshape(flat.shape)).sum(axis=0),
            (flat * tape.normal_h.reshape(flat.shape)).sum(axis=0),
            (d_cell * normal_c).sum(axis=(0, 1)),
            d_cell.sum(axis=(0, 1)),
        ]
    return (
        product(x.reshape(-1, x.shape[2]).T, flat_x),
        product(h_before.reshape(-1, P).T, flat_h),
        None if weights.b is None else flat.sum(axis=0),
        d_peephole,
        d_projection,
        *normal,
    )

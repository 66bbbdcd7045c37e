"""LSTM."""

from typing import NamedTuple

import numpy as np

from gatewise.kernels.reference.activations import Array, PairFunction, pair_function
from gatewise.kernels.reference.products import product


class LSTMTape(NamedTuple):
    """What `lstm_forward` leaves for `lstm_backward`, and for whoever wants to look at it.

    h, c: (N, T, H), the states.   gates: (N, T, 4, H), i f c o after activation, zero at masked steps.
    z: (N, T, 4, H), the same before activation; None where the derivatives can do without.
    """

    h: Array
    c: Array
    gates: Array
    z: Array | None


class LSTMWeights(NamedTuple):
    """Weights of an LSTM: W (F, 4H), U (H, 4H), b (4H,) or None."""

    W: Array
    U: Array
    b: Array | None


def _states(h0: Array | None, c0: Array | None, x: Array, H: int) -> tuple[Array, Array]:
    """The initial states, (N, H) each; None means zeros."""
    zeros = np.zeros((len(x), H), x.dtype)
    return (zeros if h0 is None else h0), (zeros if c0 is None else c0)


def masked_input(x: Array, mask: Array | None, x_dropout: Array | None) -> Array:
    """x as the weights meet it: zero where masked, times the dropout multipliers (N, F)."""
    if mask is not None:
        x = np.where(mask[:, :, None], x, x.dtype.type(0))
    return x if x_dropout is None else x * x_dropout[:, None, :]


def lstm_forward(
    x: Array,
    h0: Array | None,
    c0: Array | None,
    W: Array,
    U: Array,
    b: Array | None,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    recurrent_activation: str | PairFunction = "sigmoid",
    x_dropout: Array | None = None,
    h_dropout: Array | None = None,
) -> LSTMTape:
    """Runs an LSTM over whole sequences.

    z[t] = x[t] W + h[t-1] U + b;   i, f, o = s(z_i), s(z_f), s(z_o);   g = a(z_c)
    c[t] = f c[t-1] + i g;          h[t] = o a(c[t])
    A masked step copies h and c.

    Args:
        x: (N, T, F).   h0, c0: (N, H) or None for zeros.   mask: (N, T) bool, True = use the step.
        W: (F, 4H), U: (H, 4H), b: (4H,) or None; columns in the order i, f, c, o.
        x_dropout: (N, F), h_dropout: (N, H): multipliers of every x[t] and h[t-1].
    Source: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 (forget gate).
    """
    N, T, _ = x.shape
    H = U.shape[0]
    a, s = pair_function(activation), pair_function(recurrent_activation)
    h, c = _states(h0, c0, x, H)
    z = product(masked_input(x, mask, x_dropout).reshape(N * T, len(W)), W).reshape(N, T, 4, H)
    if b is not None:
        z += b.reshape(4, H)
    tape = LSTMTape(np.empty((N, T, H), x.dtype), np.empty((N, T, H), x.dtype), np.empty_like(z), z)
    for t in range(T):
        z[:, t] += product(h if h_dropout is None else h * h_dropout, U).reshape(N, 4, H)
        i, f, o = (s(z[:, t, k])[0] for k in (0, 1, 3))
        g = a(z[:, t, 2])[0]
        c_new = f * c + i * g
        h_new = o * a(c_new)[0]
        gates = np.stack([i, f, g, o], axis=1)
        if mask is not None:
            use = mask[:, t, None]
            h_new, c_new = np.where(use, h_new, h), np.where(use, c_new, c)
            gates = np.where(use[:, :, None], gates, x.dtype.type(0))
        h, c = h_new, c_new
        tape.h[:, t], tape.c[:, t], tape.gates[:, t] = h, c, gates
    return tape


def pack_lstm(W: Array, U: Array, b: Array | None = None) -> LSTMWeights:
    """The weights for `lstm_predict`."""
    return LSTMWeights(W, U, b)


def lstm_predict(
    x: Array,
    h0: Array | None,
    c0: Array | None,
    weights: LSTMWeights,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    recurrent_activation: str | PairFunction = "sigmoid",
    sequences: bool = False,
) -> tuple[Array | None, Array, Array]:
    """Runs an LSTM and keeps nothing: (h of all steps (N, T, H) or None, last h (N, H), last c (N, H))."""
    tape = lstm_forward(x, h0, c0, *weights, mask, activation, recurrent_activation)
    return (tape.h if sequences else None), tape.h[:, -1].copy(), tape.c[:, -1].copy()


def lstm_backward(
    tape: LSTMTape,
    x: Array,
    h0: Array | None,
    c0: Array | None,
    W: Array,
    U: Array,
    dh: Array | None = None,
    dh_T: Array | None = None,
    dc_T: Array | None = None,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    recurrent_activation: str | PairFunction = "sigmoid",
    x_dropout: Array | None = None,
    h_dropout: Array | None = None,
    dc: Array | None = None,
    wants: tuple[bool, bool, bool, bool, bool] = (True, True, True, True, True),
) -> tuple[Array | None, Array | None, Array | None, Array | None, Array | None, Array | None]:
    """Gradients of `lstm_forward`: (dx, dh0, dc0, dW, dU, db), None where not wanted.

    dh[t] += dz[t+1] U^T;   do = dh a(c[t]);   dc += dh o a'(c[t])
    di = dc g,  df = dc c[t-1],  dg = dc i;   dz: each times its activation's derivative

    Args:
        tape: from `lstm_forward` with the same arguments.   dh, dc: (N, T, H), gradients of every h[t] and
            c[t].   dh_T, dc_T: (N, H), of the last ones, in addition.
        wants: which of dx, dstates (dh0 and dc0), dW, dU, db are to be computed.
    """
    N, T, F = x.shape
    H = U.shape[0]
    a, s = pair_function(activation), pair_function(recurrent_activation)
    first_h, first_c = _states(h0, c0, x, H)
    zeros = np.zeros((N, H), x.dtype)
    carried_h, carried_c = (zeros if dh_T is None else dh_T), (zeros if dc_T is None else dc_T)
    dz = np.empty((N, T, 4, H), x.dtype)
    assert tape.z is not None, "a tape of reference.lstm_forward always has z"
    for t in reversed(range(T)):
        dh_t = carried_h if dh is None else carried_h + dh[:, t]
        dc_t = carried_c if dc is None else carried_c + dc[:, t]
        (i, back_i), (f, back_f), (o, back_o) = (s(tape.z[:, t, k]) for k in (0, 1, 3))
        g, back_g = a(tape.z[:, t, 2])
        y, back_y = a(tape.c[:, t])
        c_before = tape.c[:, t - 1] if t else first_c
        dc_all = dc_t + back_y(dh_t * o)
        steps = [back_i(dc_all * g), back_f(dc_all * c_before), back_g(dc_all * i), back_o(dh_t * y)]
        dz[:, t] = np.stack(steps, axis=1)
        if mask is not None:
            dz[~mask[:, t], t] = 0
        carried_h = product(dz[:, t].reshape(N, 4 * H), U.T)
        if h_dropout is not None:
            carried_h = carried_h * h_dropout
        carried_c = dc_all * f
        if mask is not None:
            use = mask[:, t, None]
            carried_h, carried_c = np.where(use, carried_h, dh_t), np.where(use, carried_c, dc_t)
    h_before = np.concatenate([first_h[:, None], tape.h[:, :-1]], axis=1)
    if h_dropout is not None:
        h_before = h_before * h_dropout[:, None, :]
    return _lstm_gradients(
        dz.reshape(N * T, 4 * H),
        masked_input(x, mask, x_dropout),
        h_before,
        (carried_h, carried_c),
        W,
        x_dropout,
        wants,
    )


def _lstm_gradients(
    dz: Array,
    x: Array,
    h_before: Array,
    dstates: tuple[Array, Array],
    W: Array,
    x_dropout: Array | None,
    wants: tuple[bool, bool, bool, bool, bool],
) -> tuple[Array | None, Array | None, Array | None, Array | None, Array | None, Array | None]:
    """The six gradients from dz (N T, 4H) of all steps."""
    wants_dx, wants_dstates, wants_dW, wants_dU, wants_db = wants
    dx = None
    if wants_dx:
        dx = product(dz, W.T).reshape(x.shape)
        dx = dx if x_dropout is None else dx * x_dropout[:, None, :]
    return (
        dx,
        dstates[0] if wants_dstates else None,
        dstates[1] if wants_dstates else None,
        product(x.reshape(-1, x.shape[2]).T, dz) if wants_dW else None,
        product(h_before.reshape(-1, h_before.shape[2]).T, dz) if wants_dU else None,
        dz.sum(axis=0) if wants_db else None,
    )

"""GRU, with its reset gate after the recurrent product or before it."""

from typing import NamedTuple

import numpy as np

from gatewise.kernels.reference.activations import Array, PairFunction, pair_function
from gatewise.kernels.reference.lstm import masked_input
from gatewise.kernels.reference.products import product

Gradients = tuple[Array | None, Array | None, Array | None, Array | None, Array | None]


class GRUTape(NamedTuple):
    """What `gru_forward` leaves for `gru_backward`, and for whoever wants to look at it.

    h: (N, T, H), the states.   gates: (N, T, 3, H), z r h after activation, zero at masked steps.
    recurrent: (N, T, H), h[t-1] U_h + b, or r h[t-1] where the reset comes before the product; zero at masked steps.
    sums: (N, T, 3, H), the gates before activation; None where the derivatives can do without.
    """

    h: Array
    gates: Array
    recurrent: Array
    sums: Array | None


class GRUWeights(NamedTuple):
    """Weights of a GRU: W (F, 3H), U (H, 3H), b (2, 3H) or (3H,) or None, reset_after."""

    W: Array
    U: Array
    b: Array | None
    reset_after: bool


def gru_forward(
    x: Array,
    h0: Array | None,
    W: Array,
    U: Array,
    b: Array | None,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    recurrent_activation: str | PairFunction = "sigmoid",
    reset_after: bool = True,
    x_dropout: Array | None = None,
    h_dropout: Array | None = None,
) -> GRUTape:
    """Runs a GRU over whole sequences.

    z, r = s(x[t] W + h[t-1] U + b);              h[t] = z h[t-1] + (1 - z) g
    reset_after:  q = h[t-1] U_h + b_recurrent;   g = a(x[t] W_h + b_h + r q)
    else:         q = r h[t-1];                   g = a(x[t] W_h + b_h + q U_h)
    A masked step copies h.

    Args:
        x: (N, T, F).   h0: (N, H) or None for zeros.   mask: (N, T) bool, True = use the step.
        W: (F, 3H), U: (H, 3H), columns in the order z, r, h.
        b: (2, 3H), of the inputs and of the states, with reset_after; else (3H,); or None.
        x_dropout: (N, F), h_dropout: (N, H): multipliers of every x[t] and h[t-1] on its way to the weights.
    Source: Cho et al. 2014 (reset before the product); cuDNN and Keras (after).
    """
    N, T, _ = x.shape
    H = U.shape[0]
    a, s = pair_function(activation), pair_function(recurrent_activation)
    b_x, b_h = _biases(b, reset_after, H, x.dtype)
    h = np.zeros((N, H), x.dtype) if h0 is None else h0
    sums = ((product(masked_input(x, mask, x_dropout).reshape(N * T, len(W)), W)) + b_x).reshape(N, T, 3, H)
    tape = GRUTape(np.empty((N, T, H), x.dtype), np.empty_like(sums), np.empty((N, T, H), x.dtype), sums)
    for t in range(T):
        dropped = h if h_dropout is None else h * h_dropout
        of_h = product(dropped, U if reset_after else U[:, : 2 * H]) + b_h
        sums[:, t, :2] += of_h[:, : 2 * H].reshape(N, 2, H)
        z, r = s(sums[:, t, 0])[0], s(sums[:, t, 1])[0]
        q = of_h[:, 2 * H :] if reset_after else r * dropped
        sums[:, t, 2] += r * q if reset_after else product(q, U[:, 2 * H :])
        g = a(sums[:, t, 2])[0]
        h_new, gates = z * h + (1 - z) * g, np.stack([z, r, g], axis=1)
        if mask is not None:
            use = mask[:, t, None]
            h_new, q = np.where(use, h_new, h), np.where(use, q, x.dtype.type(0))
            gates = np.where(use[:, :, None], gates, x.dtype.type(0))
        h = h_new
        tape.h[:, t], tape.gates[:, t], tape.recurrent[:, t] = h, gates, q
    return tape


def _biases(b: Array | None, reset_after: bool, H: int, dtype: np.dtype) -> tuple[Array, Array]:
    """What is added to x W and to h U, rows of their lengths."""
    if b is None:
        b = np.zeros((2, 3 * H) if reset_after else 3 * H, dtype)
    return (b[0], b[1]) if reset_after else (b, np.zeros(2 * H, dtype))


def pack_gru(W: Array, U: Array, b: Array | None = None, reset_after: bool = True) -> GRUWeights:
    """The weights for `gru_predict`."""
    return GRUWeights(W, U, b, reset_after)


def gru_predict(
    x: Array,
    h0: Array | None,
    weights: GRUWeights,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    recurrent_activation: str | PairFunction = "sigmoid",
    sequences: bool = False,
) -> tuple[Array | None, Array]:
    """Runs a GRU and keeps nothing: (h of all steps (N, T, H) or None, last h (N, H))."""
    W, U, b, reset_after = weights
    tape = gru_forward(x, h0, W, U, b, mask, activation, recurrent_activation, reset_after)
    return (tape.h if sequences else None), tape.h[:, -1].copy()


def gru_backward(
    tape: GRUTape,
    x: Array,
    h0: Array | None,
    W: Array,
    U: Array,
    dh: Array | None = None,
    dh_T: Array | None = None,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    recurrent_activation: str | PairFunction = "sigmoid",
    reset_after: bool = True,
    x_dropout: Array | None = None,
    h_dropout: Array | None = None,
    wants: tuple[bool, bool, bool, bool, bool] = (True, True, True, True, True),
) -> Gradients:
    """Gradients of `gru_forward`: (dx, dh0, dW, dU, db), None where not wanted.

    dz = dh (h[t-1] - g),  dg = dh (1 - z), each times its activation's derivative
    reset_after:  dr = dg q,  dq = dg r;            else:  dq = dg U_h^T,  dr = dq h[t-1]
    dh[t-1] = dh z + [dz dr] U_zr^T + (dq U_h^T, or r dq)

    Args:
        tape: from `gru_forward` with the same arguments.   dh: (N, T, H), gradients of every h[t].
        dh_T: (N, H), of the last one, in addition.
        wants: which of dx, dstates (dh0), dW, dU, db are to be computed.
    """
    N, T, _ = x.shape
    H = U.shape[0]
    a, s = pair_function(activation), pair_function(recurrent_activation)
    first = np.zeros((N, H), x.dtype) if h0 is None else h0
    before = np.concatenate([first[:, None], tape.h[:, :-1]], axis=1)
    dropped = before if h_dropout is None else before * h_dropout[:, None, :]
    carried = np.zeros((N, H), x.dtype) if dh_T is None else dh_T
    rows = np.empty((N, T, 4, H), x.dtype)  # dz, dr, dg, dq
    assert tape.sums is not None, "a tape of reference.gru_forward always has sums"
    for t in reversed(range(T)):
        dh_t = carried if dh is None else carried + dh[:, t]
        (z, back_z), (r, back_r) = s(tape.sums[:, t, 0]), s(tape.sums[:, t, 1])
        g, back_g = a(tape.sums[:, t, 2])
        dz, dg = back_z(dh_t * (before[:, t] - g)), back_g(dh_t * (1 - z))
        if reset_after:
            dq, dr = dg * r, back_r(dg * tape.recurrent[:, t])
            through_U = product(np.concatenate([dz, dr, dq], axis=1), U.T)
        else:
            dq = product(dg, U[:, 2 * H :].T)
            dr = back_r(dq * dropped[:, t])
            through_U = product(np.concatenate([dz, dr], axis=1), U[:, : 2 * H].T) + dq * r
        carried = dh_t * z + (through_U if h_dropout is None else through_U * h_dropout)
        rows[:, t] = np.stack([dz, dr, dg, dq], axis=1)
        if mask is not None:
            rows[~mask[:, t], t] = 0
            carried = np.where(mask[:, t, None], carried, dh_t)
    dx, dW, dU, db = _products(tape, rows, masked_input(x, mask, x_dropout), dropped, W, reset_after)
    if x_dropout is not None:
        dx = dx * x_dropout[:, None, :]
    found = (dx, carried, dW, dU, db)
    dx, dh0, dW, dU, db = (d if wanted else None for d, wanted in zip(found, wants, strict=True))
    return dx, dh0, dW, dU, db


def _products(tape: GRUTape, rows: Array, x: Array, h: Array, W: Array, reset_after: bool) -> tuple[Array, ...]:
    """dx, dW, dU and db from the rows (N, T, 4, H) of all steps; x and h as the weights met them."""
    H = rows.shape[3]
    of_x = rows[:, :, :3].reshape(-1, 3 * H)
    of_h = rows[:, :, [0, 1, 3]].reshape(-1, 3 * H)
    h = h.reshape(-1, H)
    dx, dW, db = product(of_x, W.T).reshape(x.shape), product(x.reshape(-1, x.shape[2]).T, of_x), of_x.sum(axis=0)
    if reset_after:
        return dx, dW, product(h.T, of_h), np.stack([db, of_h.sum(axis=0)])
    of_candidate = product(tape.recurrent.reshape(-1, H).T, of_x[:, 2 * H :])
    return dx, dW, np.concatenate([product(h.T, of_x[:, : 2 * H]), of_candidate], axis=1), db

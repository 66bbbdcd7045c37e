"""The simple recurrent layer."""

from typing import NamedTuple

import numpy as np

from gatewise.kernels.reference.activations import Array, PairFunction, pair_function
from gatewise.kernels.reference.lstm import masked_input
from gatewise.kernels.reference.products import product


class SimpleRNNTape(NamedTuple):
    """What `simple_rnn_forward` leaves for `simple_rnn_backward`, and for whoever wants to look at it.

    h: (N, T, H), the states.   z: (N, T, H), before activation; None where the derivative can do without.
    """

    h: Array
    z: Array | None


class SimpleRNNWeights(NamedTuple):
    """Weights of a SimpleRNN: W (F, H), U (H, H), b (H,) or None."""

    W: Array
    U: Array
    b: Array | None


def simple_rnn_forward(
    x: Array,
    h0: Array | None,
    W: Array,
    U: Array,
    b: Array | None,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    x_dropout: Array | None = None,
    h_dropout: Array | None = None,
) -> SimpleRNNTape:
    """Runs a simple recurrent layer over whole sequences.

    h[t] = a(x[t] W + h[t-1] U + b).   A masked step copies h.

    Args:
        x: (N, T, F).   h0: (N, H) or None for zeros.   mask: (N, T) bool, True = use the step.
        W: (F, H), U: (H, H), b: (H,) or None.
        x_dropout: (N, F), h_dropout: (N, H): multipliers of every x[t] and h[t-1].
    Source: Elman 1990.
    """
    N, T, _ = x.shape
    H = U.shape[0]
    a = pair_function(activation)
    h = np.zeros((N, H), x.dtype) if h0 is None else h0
    z = product(masked_input(x, mask, x_dropout).reshape(N * T, len(W)), W).reshape(N, T, H)
    if b is not None:
        z += b
    tape = SimpleRNNTape(np.empty((N, T, H), x.dtype), z)
    for t in range(T):
        z[:, t] += product(h if h_dropout is None else h * h_dropout, U)
        new = a(z[:, t])[0]
        h = new if mask is None else np.where(mask[:, t, None], new, h)
        tape.h[:, t] = h
    return tape


def pack_simple_rnn(W: Array, U: Array, b: Array | None = None) -> SimpleRNNWeights:
    """The weights for `simple_rnn_predict`."""
    return SimpleRNNWeights(W, U, b)


def simple_rnn_predict(
    x: Array,
    h0: Array | None,
    weights: SimpleRNNWeights,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    sequences: bool = False,
) -> tuple[Array | None, Array]:
    """Runs a simple recurrent layer and keeps nothing: (h of all steps (N, T, H) or None, last h (N, H))."""
    tape = simple_rnn_forward(x, h0, *weights, mask, activation)
    return (tape.h if sequences else None), tape.h[:, -1].copy()


def simple_rnn_backward(
    tape: SimpleRNNTape,
    x: Array,
    h0: Array | None,
    W: Array,
    U: Array,
    dh: Array | None = None,
    dh_T: Array | None = None,
    mask: Array | None = None,
    activation: str | PairFunction = "tanh",
    x_dropout: Array | None = None,
    h_dropout: Array | None = None,
    wants: tuple[bool, bool, bool, bool, bool] = (True, True, True, True, True),
) -> tuple[Array | None, Array | None, Array | None, Array | None, Array | None]:
    """Gradients of `simple_rnn_forward`: (dx, dh0, dW, dU, db), None where not wanted.

    dz = dh a'(z);   dh[t-1] += dz U^T

    Args:
        tape: from `simple_rnn_forward` with the same arguments.   dh: (N, T, H), gradients of every h[t].
        dh_T: (N, H), of the last one, in addition.
        wants: which of dx, dstates (dh0), dW, dU, db are to be computed.
    """
    N, T, F = x.shape
    H = U.shape[0]
    a = pair_function(activation)
    first = np.zeros((N, H), x.dtype) if h0 is None else h0
    carried = np.zeros((N, H), x.dtype) if dh_T is None else dh_T
    dz = np.empty((N, T, H), x.dtype)
    assert tape.z is not None, "a tape of reference.simple_rnn_forward always has z"
    for t in reversed(range(T)):
        dh_t = carried if dh is None else carried + dh[:, t]
        dz[:, t] = a(tape.z[:, t])[1](dh_t)
        carried = product(dz[:, t], U.T)
        if h_dropout is not None:
            carried = carried * h_dropout
        if mask is not None:
            dz[~mask[:, t], t] = 0
            carried = np.where(mask[:, t, None], carried, dh_t)
    before = np.concatenate([first[:, None], tape.h[:, :-1]], axis=1)
    if h_dropout is not None:
        before = before * h_dropout[:, None, :]
    rows, met = dz.reshape(N * T, H), masked_input(x, mask, x_dropout)
    dx = None
    if wants[0]:
        dx = product(rows, W.T).reshape(x.shape)
        dx = dx if x_dropout is None else dx * x_dropout[:, None, :]
    return (
        dx,
        carried if wants[1] else None,
        product(met.reshape(N * T, F).T, rows) if wants[2] else None,
        product(before.reshape(N * T, H).T, rows) if wants[3] else None,
        rows.sum(axis=0) if wants[4] else None,
    )

"""Every kernel again in plain NumPy: the definition, and the oracle of the tests.

Letters: N batch, T time steps, F features, H units. Same names, arguments and results as the compiled
kernels; in addition an activation may be a *pair function* `forward(x) -> (y, pullback)` on (N, H) arrays,
which is how layers run activations that the compiled kernels do not know (softmax, a user's own).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Array = np.ndarray
Pullback = Callable[[Array], Array]
PairFunction = Callable[[Array], tuple[Array, Pullback]]


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


# ---- activations ----------------------------------------------------------------------------------------


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _normal_cdf(x: Array) -> Array:
    values = [math.erfc(-v / math.sqrt(2)) / 2 for v in x.ravel().tolist()]
    return np.array(values, x.dtype).reshape(x.shape)


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
_GELU_ROOT = math.sqrt(2 / math.pi)


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _gelu_tanh(x: Array) -> Array:
    return np.tanh(_GELU_ROOT * (x + 0.044715 * x**3))


def _gelu_approximate_slope(x: Array) -> Array:
    t = _gelu_tanh(x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _GELU_ROOT * (1 + 3 * 0.044715 * x * x)


def _mish_slope(x: Array) -> Array:
    t = np.tanh(_softplus(x))
    return t + x * (1 - t * t) * _sigmoid(x)


def _between(x: Array, low: float, high: float) -> Array:
    return (x > low) & (x < high)


# name -> (function, derivative), both of the input.
_ELEMENTWISE: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "linear": (lambda x: x, np.ones_like),
    "sigmoid": (_sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "relu": (lambda x: np.maximum(x, 0), lambda x: x > 0),
    "relu6": (lambda x: np.clip(x, 0, 6), lambda x: _between(x, 0, 6)),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.2 * x), lambda x: np.where(x > 0, 1, 0.2)),
    "elu": (_elu, lambda x: np.exp(np.minimum(x, 0))),
    "selu": (
        lambda x: _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * _elu(x)),
        lambda x: _SELU_SCALE * np.where(x > 0, 1, _SELU_ALPHA * np.exp(np.minimum(x, 0))),
    ),
    "celu": (_elu, lambda x: np.exp(np.minimum(x, 0))),
    "gelu": (
        lambda x: x * _normal_cdf(x),
        lambda x: _normal_cdf(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    ),
    "gelu_approximate": (lambda x: 0.5 * x * (1 + _gelu_tanh(x)), _gelu_approximate_slope),
    "softplus": (_softplus, _sigmoid),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    "silu": (lambda x: x * _sigmoid(x), lambda x: _sigmoid(x) * (1 + x * _sigmoid(-x))),
    "hard_sigmoid": (lambda x: np.clip(x / 6 + 0.5, 0, 1), lambda x: _between(x, -3, 3) / 6),
    "hard_sigmoid_keras2": (lambda x: np.clip(0.2 * x + 0.5, 0, 1), lambda x: _between(x, -2.5, 2.5) * 0.2),
    "hard_silu": (
        lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
        lambda x: np.clip(x / 6 + 0.5, 0, 1) + x * _between(x, -3, 3) / 6,
    ),
    "hard_tanh": (lambda x: np.clip(x, -1, 1), lambda x: _between(x, -1, 1)),
    "mish": (lambda x: x * np.tanh(_softplus(x)), _mish_slope),
    "log_sigmoid": (lambda x: -_softplus(-x), lambda x: _sigmoid(-x)),
    "squareplus": (
        lambda x: np.where(x < 0, 2 / (np.sqrt(x * x + 4) + np.abs(x)), (np.abs(x) + np.sqrt(x * x + 4)) / 2),
        lambda x: (1 + x / np.sqrt(x * x + 4)) / 2,
    ),
    "exponential": (np.exp, np.exp),
    "tanh_shrink": (lambda x: x - np.tanh(x), lambda x: np.tanh(x) ** 2),
    "soft_shrink": (lambda x: x - np.clip(x, -0.5, 0.5), lambda x: np.abs(x) > 0.5),
    "hard_shrink": (lambda x: np.where(np.abs(x) <= 0.5, 0, x), lambda x: np.abs(x) > 0.5),
    "sparse_plus": (
        lambda x: np.where(x >= 1, x, 0.25 * np.maximum(x + 1, 0) ** 2),
        lambda x: np.clip((x + 1) / 2, 0, 1),
    ),
    "sparse_sigmoid": (lambda x: np.clip((x + 1) / 2, 0, 1), lambda x: _between(x, -1, 1) * 0.5),
}

ACTIVATIONS: tuple[str, ...] = tuple(_ELEMENTWISE)


def activation_forward(name: str, x: Array) -> Array:
    """y = name(x), elementwise; x of any shape, y of the same dtype."""
    return np.asarray(_ELEMENTWISE[name][0](x), x.dtype)


def activation_backward(name: str, dy: Array, x: Array) -> Array:
    """dy times the derivative of the activation at its input x."""
    return dy * np.asarray(_ELEMENTWISE[name][1](x), dy.dtype)


def pair_function(activation: str | PairFunction) -> PairFunction:
    """The activation as `forward(x) -> (y, pullback)`, from its name or from itself."""
    if not isinstance(activation, str):
        return activation
    name = activation

    def forward(x: Array) -> tuple[Array, Pullback]:
        return activation_forward(name, x), lambda dy: activation_backward(name, dy, x)

    return forward


# ---- LSTM -----------------------------------------------------------------------------------------------


def _states(h0: Array | None, c0: Array | None, x: Array, H: int) -> tuple[Array, Array]:
    """The initial states, (N, H) each; None means zeros."""
    zeros = np.zeros((len(x), H), x.dtype)
    return (zeros if h0 is None else h0), (zeros if c0 is None else c0)


def _input(x: Array, mask: Array | None, x_dropout: Array | None) -> Array:
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
    z = (_input(x, mask, x_dropout).reshape(N * T, -1) @ W).reshape(N, T, 4, H)
    if b is not None:
        z += b.reshape(4, H)
    tape = LSTMTape(np.empty((N, T, H), x.dtype), np.empty((N, T, H), x.dtype), np.empty_like(z), z)
    for t in range(T):
        z[:, t] += ((h if h_dropout is None else h * h_dropout) @ U).reshape(N, 4, H)
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
        carried_h = dz[:, t].reshape(N, 4 * H) @ U.T
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
        dz.reshape(N * T, 4 * H), _input(x, mask, x_dropout), h_before, (carried_h, carried_c), W, x_dropout, wants
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
        dx = (dz @ W.T).reshape(x.shape)
        dx = dx if x_dropout is None else dx * x_dropout[:, None, :]
    return (
        dx,
        dstates[0] if wants_dstates else None,
        dstates[1] if wants_dstates else None,
        x.reshape(-1, x.shape[2]).T @ dz if wants_dW else None,
        h_before.reshape(-1, h_before.shape[2]).T @ dz if wants_dU else None,
        dz.sum(axis=0) if wants_db else None,
    )


# ---- products and optimizers ----------------------------------------------------------------------------


def matmul(a: Array, b: Array, out: Array | None = None, accumulate: bool = False, bias: Array | None = None) -> Array:
    """a (M, K) times b (K, L), plus bias (L,); into out, or added to it."""
    product = a @ b
    if bias is not None:
        product += bias
    if out is None:
        return product
    out[...] = out + product if accumulate else product
    return out


def sgd_step(
    w: Array, g: Array, lr: float, momentum: float = 0.0, velocity: Array | None = None, nesterov: bool = False
) -> None:
    """w -= lr g; with momentum: m = momentum m - lr g, w += m (Nesterov: momentum m - lr g). In place."""
    if velocity is None:
        w -= g * w.dtype.type(lr)
        return
    step = g * w.dtype.type(lr)
    velocity[:] = velocity * w.dtype.type(momentum) - step
    w += velocity * w.dtype.type(momentum) - step if nesterov else velocity


def rmsprop_step(
    w: Array,
    g: Array,
    mean_square: Array,
    lr: float,
    rho: float = 0.9,
    epsilon: float = 1e-7,
    momentum: float = 0.0,
    velocity: Array | None = None,
    mean: Array | None = None,
) -> None:
    """w -= lr g / sqrt(mean of g^2 + epsilon), with momentum if `velocity`, centered if `mean`. In place."""
    number = w.dtype.type
    mean_square[:] = number(rho) * mean_square + number(1 - rho) * g * g
    under = mean_square + number(epsilon)
    if mean is not None:
        mean[:] = number(rho) * mean + number(1 - rho) * g
        under = mean_square - mean * mean + number(epsilon)
    step = number(lr) * g / np.sqrt(under)
    if velocity is not None:
        velocity[:] = number(momentum) * velocity + step
        step = velocity
    w -= step


def adam_step(
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    alpha: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    v_hat: Array | None = None,
) -> None:
    """w -= alpha m / (sqrt(v) + epsilon), alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t). In place.

    v_hat: the largest v so far, where AMSGrad is wanted.
    """
    number = w.dtype.type
    m += (g - m) * number(1 - beta_1)
    v += (g * g - v) * number(1 - beta_2)
    if v_hat is not None:
        np.maximum(v_hat, v, out=v_hat)
    w -= m * number(alpha) / (np.sqrt(v if v_hat is None else v_hat) + number(epsilon))


def sum_of_squares(g: Array) -> float:
    """The sum of squares of a flat array, in float64."""
    wide = g.astype(np.float64)
    return float(wide @ wide)

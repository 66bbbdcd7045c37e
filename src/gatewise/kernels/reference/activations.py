"""Activations, elementwise, with their derivatives."""

import math
from collections.abc import Callable

import numpy as np

Array = np.ndarray
Pullback = Callable[[Array], Array]
PairFunction = Callable[[Array], tuple[Array, Pullback]]


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

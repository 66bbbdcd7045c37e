"""Activation functions: every one of Keras 3, each as a hand-derived pair of value and pullback.

`activations.tanh(x)` is the value; `activations.tanh.forward(x)` is the pair `(y, pullback)`, where
`pullback(dy)` is dx.  `forward_of(fn)` gives that pair for any callable, a user's included.  float32 stays
float32; nothing overflows with a warning.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gatewise import config, kernels
from gatewise.autodiff import differentiable, vjp
from gatewise.serialization import Registry, public_name, serialize_object

Pair = tuple[Any, Callable[[Any], Any]]

_registry = Registry("keras.activations", "activation")


def _activation(*aliases: str) -> Callable[[Callable[..., Pair]], Any]:
    """Make a pair the public, differentiable, registered function."""

    def publish(forward: Callable[..., Pair]) -> Any:
        return _registry.add(*aliases)(differentiable(forward))

    return publish


_MOST_AXES = 4
"""What the kernels take."""


def _floats(x: Any) -> np.ndarray:
    """x as an array of floats; what has no type of its own gets the default one."""
    if not hasattr(x, "dtype"):
        return np.asarray(x, config.floatx())
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(config.floatx())


def _times(slope: Any) -> Callable[[Any], Any]:
    return lambda dy: dy * slope


# ---- rectifiers ---------------------------------------------------------------------------------------


@_activation()
def linear(x: Any) -> Pair:
    """x."""
    return (x if hasattr(x, "dtype") else _floats(x)), lambda dy: dy


@_activation()
def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Pair:
    """x above `threshold` (at most `max_value`), `negative_slope * (x - threshold)` below it.

    On the corners the slope is TensorFlow's, which Keras computes with by default.
    """
    x = _floats(x)
    if negative_slope and max_value is None and threshold == 0:
        return leaky_relu.forward(x, negative_slope=negative_slope)
    if not negative_slope and max_value is None and threshold == 0:
        y = _by_kernel("relu", x)
        return y, _back_by_kernel("relu", y)
    above = x > threshold
    y, slope = np.where(x <= threshold, 0, x), above.astype(x.dtype)  # NaN stays NaN
    if max_value is not None:
        y = np.minimum(y, max_value)
        slope *= (x < max_value) if max_value == 6 and threshold == 0 else (x <= max_value)
    if negative_slope:
        y = y + negative_slope * np.minimum(x - threshold, 0)
        slope = np.where(x < threshold, negative_slope, slope).astype(x.dtype)
    return y.astype(x.dtype, copy=False), _times(slope)


@_activation()
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Pair:
    """x for x > 0, negative_slope * x otherwise."""
    x = _floats(x)
    slope = np.where(x > 0, 1, negative_slope).astype(x.dtype)
    return x * slope, _times(slope)


@_activation()
def relu6(x: Any) -> Pair:
    """min(max(x, 0), 6)."""
    return relu.forward(x, max_value=6.0)


@_activation()
def elu(x: Any, alpha: float = 1.0) -> Pair:
    """x for x > 0, alpha (exp(x) - 1) otherwise.  Source: Clevert et al. 2016."""
    x = _floats(x)
    below = alpha * np.expm1(np.minimum(x, 0))
    return np.where(x > 0, x, below), _times(np.where(x > 0, 1, below + alpha).astype(x.dtype))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


@_activation()
def selu(x: Any) -> Pair:
    """1.0507 elu(x, 1.6733): keeps mean 0 and variance 1.  Source: Klambauer et al. 2017."""
    y, back = elu.forward(x, alpha=SELU_ALPHA)
    return y * SELU_SCALE, lambda dy: back(dy * SELU_SCALE)


@_activation()
def celu(x: Any, alpha: float = 1.0) -> Pair:
    """max(x, 0) + min(0, alpha (exp(x / alpha) - 1)).  Source: Barron 2017."""
    x = _floats(x)
    below = np.expm1(np.minimum(x, 0) / alpha)
    return np.where(x > 0, x, alpha * below), _times(np.where(x > 0, 1, below + 1).astype(x.dtype))


@_activation()
def threshold(x: Any, threshold: float, default_value: float) -> Pair:
    """x for x > threshold, default_value otherwise."""
    x = _floats(x)
    above = x > threshold
    return np.where(above, x, default_value).astype(x.dtype), _times(above.astype(x.dtype))


@_activation()
def hard_shrink(x: Any, threshold: float = 0.5) -> Pair:
    """x where |x| > threshold, 0 elsewhere."""
    x = _floats(x)
    kept = (np.abs(x) > threshold).astype(x.dtype)
    return x * kept, _times(kept)


@_activation()
def soft_shrink(x: Any, threshold: float = 0.5) -> Pair:
    """x moved by `threshold` towards 0, where it stops."""
    x = _floats(x)
    kept = (np.abs(x) > threshold).astype(x.dtype)
    return (x - np.copysign(x.dtype.type(threshold), x)) * kept, _times(kept)


# ---- sigmoids -----------------------------------------------------------------------------------------


def _by_kernel(name: str, x: np.ndarray) -> np.ndarray:
    """What the kernels compute within recurrent layers, so that it is the same everywhere, to the last bit."""
    return kernels.activation_forward(name, _kernel_type(x).reshape(-1)).reshape(x.shape).astype(x.dtype, copy=False)


def _kernel_type(x: np.ndarray) -> np.ndarray:
    return x if x.dtype.char in "fd" and x.dtype.isnative else x.astype("float64")


def _back_by_kernel(name: str, y: np.ndarray) -> Callable[[Any], Any]:
    """The pullback of an activation whose slope follows from its output y, as the kernels compute it."""

    def back(dy: Any) -> Any:
        flat = _kernel_type(y).reshape(-1)
        dx = kernels.activation_backward(name, np.asarray(dy, flat.dtype).reshape(-1), y=flat)
        return dx.reshape(y.shape).astype(y.dtype, copy=False)

    return back


def _logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow, and accurate where it is near 0."""
    return _by_kernel("sigmoid", x)


@_activation()
def sigmoid(x: Any) -> Pair:
    """1 / (1 + exp(-x))."""
    y = _logistic(_floats(x))
    return y, _back_by_kernel("sigmoid", y)


@_activation()
def tanh(x: Any) -> Pair:
    """tanh(x)."""
    y = _by_kernel("tanh", _floats(x))
    return y, _back_by_kernel("tanh", y)


def _clipped_line(x: Any, slope: float, offset: float, low: float = 0.0) -> Pair:
    """clip(slope x + offset, low, 1), with gradient 0 on the corners."""
    x = _floats(x)
    line = slope * x + offset
    inside = (line > low) & (line < 1)
    return np.clip(line, low, 1), _times(np.where(inside, slope, 0).astype(x.dtype))


@_activation()
def hard_sigmoid(x: Any) -> Pair:
    """clip(x / 6 + 0.5, 0, 1): Keras 3's.  Files of Keras 1 and 2 mean `hard_sigmoid_keras2`."""
    return _clipped_line(x, 1 / 6, 0.5)


@_activation()
def hard_sigmoid_keras2(x: Any) -> Pair:
    """clip(0.2 x + 0.5, 0, 1): what Keras 1 and 2 called hard_sigmoid."""
    return _clipped_line(x, 0.2, 0.5)


@_activation()
def hard_tanh(x: Any) -> Pair:
    """clip(x, -1, 1)."""
    return _clipped_line(x, 1.0, 0.0, low=-1.0)


@_activation()
def sparse_sigmoid(x: Any) -> Pair:
    """clip((x + 1) / 2, 0, 1)."""
    return _clipped_line(x, 0.5, 0.5)


@_activation()
def sparse_plus(x: Any) -> Pair:
    """0 below -1, (x + 1)^2 / 4 between -1 and 1, x above."""
    x = _floats(x)
    slope = np.clip(0.5 * x + 0.5, 0, 1)
    return np.where(x < 1, slope * slope, x), _times(slope)


@_activation()
def softsign(x: Any) -> Pair:
    """x / (1 + |x|)."""
    x = _floats(x)
    below = 1 / (1 + np.abs(x))
    return x * below, _times(below * below)


@_activation()
def tanh_shrink(x: Any) -> Pair:
    """x - tanh(x)."""
    x = _floats(x)
    t = _by_kernel("tanh", x)
    return x - t, _times(t * t)


# ---- smooth rectifiers --------------------------------------------------------------------------------


@_activation()
def softplus(x: Any) -> Pair:
    """log(1 + exp(x))."""
    x = _floats(x)
    return np.logaddexp(x, 0), _times(_logistic(x))


@_activation()
def log_sigmoid(x: Any) -> Pair:
    """log(sigmoid(x)) = -softplus(-x)."""
    x = _floats(x)
    return -np.logaddexp(-x, 0), _times(_logistic(-x))


@_activation("swish")
def silu(x: Any) -> Pair:
    """x sigmoid(x), also called swish."""
    x = _floats(x)
    s = _logistic(x)
    return x * s, _times(s * (1 + x * (1 - s)))


@_activation("hard_swish")
def hard_silu(x: Any) -> Pair:
    """x clip(x / 6 + 0.5, 0, 1), also called hard_swish."""
    x = _floats(x)
    gate, back = hard_sigmoid.forward(x)
    return x * gate, lambda dy: dy * gate + back(dy * x)


@_activation()
def mish(x: Any) -> Pair:
    """x tanh(softplus(x)).  Source: Misra 2020."""
    x = _floats(x)
    t = _by_kernel("tanh", np.logaddexp(x, 0))
    return x * t, _times(t + x * (1 - t * t) * _logistic(x))


@_activation()
def squareplus(x: Any, b: float = 4) -> Pair:
    """(x + sqrt(x^2 + b)) / 2."""
    x = _floats(x)
    root = np.hypot(x, x.dtype.type(math.sqrt(b)))
    return (x + root) / 2, _times((1 + x / root) / 2)


@_activation()
def exponential(x: Any) -> Pair:
    """exp(x), infinite where it exceeds the float type."""
    with np.errstate(over="ignore"):
        y = np.exp(_floats(x))
    return y, _times(y)


def _erf(x: np.ndarray) -> np.ndarray:
    """The error function; NumPy has none, the C library's is exact to the last place."""
    values = np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size)
    return values.reshape(x.shape).astype(x.dtype)


@_activation()
def gelu(x: Any, approximate: bool = False) -> Pair:
    """x Phi(x), Phi the normal distribution function.  Source: Hendrycks & Gimpel 2016.

    `approximate`: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
    """
    x = _floats(x)
    if approximate:
        rate = math.sqrt(2 / math.pi)
        t = np.tanh(rate * (x + 0.044715 * (x * x * x)))
        inner_slope = rate * (1 + 3 * 0.044715 * (x * x))
        return 0.5 * x * (1 + t), _times(0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner_slope)
    phi = 0.5 * (1 + _erf(x * math.sqrt(0.5)))
    with np.errstate(over="ignore"):
        density = np.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))
    return x * phi, _times(phi + x * density)


# ---- over an axis -------------------------------------------------------------------------------------


@_activation()
def softmax(x: Any, axis: int | tuple[int, ...] = -1) -> Pair:
    """exp(x) / sum(exp(x)) along `axis`."""
    x = _floats(x)
    axis = tuple(axis) if isinstance(axis, list) else axis
    if axis in (-1, x.ndim - 1) and x.size and x.dtype.char in "fd" and x.dtype.isnative and 0 < x.ndim <= _MOST_AXES:
        y = kernels.softmax_forward(np.ascontiguousarray(x))
        return y, lambda dy: kernels.softmax_backward(np.ascontiguousarray(dy, y.dtype), y)
    y = np.exp(x - np.max(x, axis=axis, keepdims=True))
    y /= np.sum(y, axis=axis, keepdims=True)
    return y, lambda dy: y * (dy - np.sum(dy * y, axis=axis, keepdims=True))


@_activation()
def log_softmax(x: Any, axis: int = -1) -> Pair:
    """log(softmax(x)) along `axis`."""
    x = _floats(x)
    shifted = x - np.max(x, axis=axis, keepdims=True)
    y = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * np.sum(dy, axis=axis, keepdims=True)


@_activation()
def sparsemax(x: Any, axis: int = -1) -> Pair:
    """max(x - tau, 0) along `axis`, exactly as Keras 3.15 computes it.

    With x sorted downwards and k entries in the support, Keras takes tau = (sum of the first k cumulative
    sums - 1) / k.  Source: Martins & Astudillo 2016 take the k-th cumulative sum alone, so that the result sums
    to one; the two agree where k = 1.
    """
    x = _floats(x)
    z = np.moveaxis(x, axis, -1)
    order = np.argsort(-z, axis=-1, kind="stable")
    ordered = np.take_along_axis(z, order, axis=-1)
    sums = np.cumsum(ordered, axis=-1)
    ranks = np.arange(1, z.shape[-1] + 1, dtype=x.dtype)
    support = ordered - (sums - 1) / ranks > 0
    support[..., 0] = True  # by definition, and despite rounding at 1e20
    k = np.sum(support, axis=-1, keepdims=True).astype(x.dtype)
    y = np.maximum(z - (np.sum(np.where(support, sums, 0), axis=-1, keepdims=True) - 1) / k, 0)

    def pullback(dy: Any) -> Any:
        dz = np.moveaxis(dy, axis, -1) * (y > 0)
        # The entry of rank r is part of k - r + 1 of the cumulative sums.
        dtau = np.empty_like(z)
        np.put_along_axis(dtau, order, np.where(support, (k - ranks + 1) / k, 0), axis=-1)
        return np.moveaxis(dz - dtau * np.sum(dz, axis=-1, keepdims=True), -1, axis)

    return np.moveaxis(y, -1, axis), pullback


@_activation()
def glu(x: Any, axis: int = -1) -> Pair:
    """a sigmoid(b), where a and b are the halves of x along `axis`.  Source: Dauphin et al. 2017."""
    x = _floats(x)
    if x.shape[axis] % 2:
        raise ValueError(f"glu halves axis {axis}, so its size must be even; got shape {x.shape}.")
    a, b = np.split(x, 2, axis=axis)
    gate, back = sigmoid.forward(b)
    return a * gate, lambda dy: np.concatenate([dy * gate, back(dy * a)], axis=axis)


swish, hard_swish = silu, hard_silu

# ---- names and objects --------------------------------------------------------------------------------


def get(identifier: Any) -> Callable[..., Any]:
    """None (linear), a name, a configuration or a callable -> the function.

    Raises:
        ValueError: unknown activation, with the nearest name.
    """
    return linear if identifier is None else _registry.get(identifier)


def serialize(activation: Callable[..., Any]) -> Any:
    """The name of a built-in function; Keras 3's configuration of any other."""
    public = public_name(activation) if isinstance(activation, types.FunctionType) else None
    return public[1] if public else serialize_object(activation)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """The function that a name or configuration stands for."""
    return linear if config is None else _registry.deserialize(config, custom_objects)


def forward_of(activation: Callable[..., Any]) -> Callable[[Any], Pair]:
    """The pair form `x -> (y, pullback)` of any activation: built-in, a user's function, or a layer."""
    if isinstance(activation, types.FunctionType):
        hand_derived = getattr(activation, "forward", None)
        if hand_derived is not None:
            return hand_derived

    def forward(x: Any) -> Pair:
        y, back = vjp(activation, x)
        return y, lambda dy: back(dy)[0]

    return forward


def kernel_name(activation: Callable[..., Any]) -> str | None:
    """The name under which the native kernels know this function with its default arguments, else None."""
    public = public_name(activation) if isinstance(activation, types.FunctionType) else None
    return public[1] if public and public[1] in kernels.ACTIVATIONS else None

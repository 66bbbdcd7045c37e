"""Activations, normalizations, cross-entropies and attention, as operations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatewise import activations, autodiff, config
from gatewise.ops.linalg import norm
from gatewise.ops.numpy_names import as_axis, call_numpy
from gatewise.ops.operation import array, floats, operation, together
from gatewise.ops.places import take_along_axis
from gatewise.ops.special import clip

ACTIVATIONS = (
    "celu", "elu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu",
    "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax",
    "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh", "tanh_shrink",
    "threshold",
)  # fmt: skip


def _publish_activation(name: str) -> None:
    activation = getattr(activations, name)

    def function(x: Any, *args: Any, **kwargs: Any) -> Any:
        return activation(floats(x), **dict(zip(_options_of(activation), args, strict=False)), **kwargs)

    function.__name__, function.__doc__ = name, activation.__doc__
    globals()[name] = operation(function)


def _options_of(activation: Any) -> list[str]:
    code = activation.__wrapped__.__code__
    return list(code.co_varnames[1 : code.co_argcount])


for _name in ACTIVATIONS:
    _publish_activation(_name)


@operation
def gelu(x: Any, approximate: bool = True) -> Any:
    """x Phi(x), Phi the normal distribution function; by default approximated with tanh."""
    return activations.gelu(floats(x), approximate=approximate)


@operation
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """Integers as vectors with a one at their place; a class outside the range gives zeros."""
    x = np.asarray(autodiff.plain(x))
    hot = x[..., None] == np.arange(num_classes)
    return np.moveaxis(hot.astype(dtype or config.floatx()), -1, axis)


@operation
def multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """Integers (..., K) as one vector with a one at the place of each."""
    inputs = np.asarray(autodiff.plain(inputs))
    if num_classes is None:
        raise ValueError("ops.multi_hot needs num_classes, the length of the vectors.")
    hot = one_hot.__wrapped__(inputs, num_classes, axis, dtype)
    return np.max(hot, axis=1 if inputs.ndim > 1 else 0)


@operation
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> tuple:
    """(mean, variance) of x over the axes."""
    x, options = floats(x), {"axis": as_axis(axes), "keepdims": keepdims}
    return call_numpy("mean", x, **options), call_numpy("var", x, **options)


@operation
def normalize(x: Any, axis: Any = -1, order: Any = 2, epsilon: float | None = None) -> Any:
    """x divided by its norm of this order along the axis; where that is below epsilon, by epsilon.

    Raises:
        ValueError: for an order that is not a whole number from 1 on.
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"ops.normalize: order is a whole number, 1 or greater; got {order!r}.")
    x = floats(x)
    x = x.reshape(1) if x.ndim == 0 else x
    epsilon = config.epsilon() if epsilon is None else epsilon
    size = norm.__wrapped__(x, order if not isinstance(axis, list | tuple) or order != 2 else None, axis, keepdims=True)
    return x / call_numpy("maximum", size, np.asarray(epsilon, x.dtype))


@operation
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """scale (x - mean) / sqrt(variance + epsilon) + offset, the vectors along `axis` of x."""
    x = floats(x)
    shape = [-1 if k == axis % x.ndim else 1 for k in range(x.ndim)]
    y = (x - array(mean).reshape(shape)) * (array(variance).reshape(shape) + epsilon) ** -0.5
    if scale is not None:
        y = y * array(scale).reshape(shape)
    return y if offset is None else y + array(offset).reshape(shape)


def _along(vector: Any, axis: Any, x: Any) -> Any:
    """A scale or offset, in a shape that broadcasts along the axes of x."""
    axes = [k % x.ndim for k in (axis if isinstance(axis, list | tuple) else [axis])]
    return array(vector).reshape([x.shape[k] if k in axes else 1 for k in range(x.ndim)])


@operation
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None
) -> Any:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, mean and variance of each sample over the axis."""
    x = floats(x)
    mean, variance = moments.__wrapped__(x, axis, keepdims=True)
    y = (x - mean) * (variance + (config.epsilon() if epsilon is None else epsilon)) ** -0.5
    if gamma is not None:
        y = y * _along(gamma, axis, x)
    return y if beta is None else y + _along(beta, axis, x)


@operation
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """x / sqrt(mean(x^2) + epsilon) along the axis, times `scale`."""
    x = floats(x)
    square = call_numpy("mean", x * x, axis=as_axis(axis), keepdims=True)
    y = x * (square + (config.epsilon() if epsilon is None else epsilon)) ** -0.5
    return y if scale is None else y * _along(scale, axis, x)


# ---- cross-entropies ----------------------------------------------------------------------------------------------


def _away_from_ends(p: Any) -> Any:
    low = config.epsilon()
    return clip.__wrapped__(p, np.asarray(low, p.dtype), np.asarray(1 - low, p.dtype))


@operation
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """-(target log(output) + (1 - target) log(1 - output)) of each number."""
    target, output = together(floats(target), floats(output))
    if target.shape != output.shape:
        _refuse_shapes("binary_crossentropy", target, output)
    if from_logits:
        return activations.softplus(output) - target * output
    p = _away_from_ends(output)
    return -(target * call_numpy("log", p) + (1 - target) * call_numpy("log", 1 - p))


def _log_probabilities(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return activations.log_softmax(output, axis=axis)
    total = call_numpy("sum", output, axis=axis, keepdims=True)
    return call_numpy("log", _away_from_ends(output / total))


@operation
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-sum(target log(output / sum(output))) along the axis; with `from_logits` of the softmax."""
    target, output = together(floats(target), floats(output))
    if target.shape != output.shape:
        _refuse_shapes("categorical_crossentropy", target, output)
    return -call_numpy("sum", target * _log_probabilities(output, from_logits, axis), axis=axis)


@operation
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-log of the probability given to the class `target`, which has the shape of output without the axis."""
    output, target = floats(output), np.asarray(autodiff.plain(target)).astype(np.int64)
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = target[..., 0]
    without = tuple(n for k, n in enumerate(output.shape) if k != axis % output.ndim)
    if target.shape != without:
        _refuse_shapes("sparse_categorical_crossentropy", target, output)
    logs = _log_probabilities(output, from_logits, axis)
    found = take_along_axis.__wrapped__(logs, np.expand_dims(target, axis), axis % output.ndim)
    return -found.reshape(without)


def _refuse_shapes(name: str, target: Any, output: Any) -> None:
    raise ValueError(
        f"ops.{name} was given target of shape {tuple(target.shape)} and output of shape {tuple(output.shape)}, which "
        "do not belong together."
    )


# ---- attention ----------------------------------------------------------------------------------------------------


@operation
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """softmax(scale query key^T + bias) value, for each head.

    Args:
        query: (B, T, N, H).   key, value: (B, S, K, H), K heads of which N is a multiple.
        bias: added, of a shape that broadcasts to (B, N, T, S).   mask: the same, bool, True = look there.
        scale: default 1 / sqrt(H).
        is_causal: a step looks at no later one.
        flash_attention: accepted; it changes no result.
        attn_logits_soft_cap: c tanh(logits / c) in place of the logits, for this c.
    """
    query, key, value = together(floats(query), floats(key), floats(value))
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.ndim != 4:
            raise ValueError(
                f"ops.dot_product_attention takes arrays of shape (batch, steps, heads, size); {name} has {x.shape}."
            )
    groups = query.shape[2] // key.shape[2]
    if groups > 1:
        key, value = (x[:, :, np.repeat(np.arange(x.shape[2]), groups)] for x in (key, value))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    logits = call_numpy("einsum", "btnh,bsnh->bnts", query, key) * scale
    if attn_logits_soft_cap is not None:
        logits = attn_logits_soft_cap * call_numpy("tanh", logits / attn_logits_soft_cap)
    if bias is not None:
        logits = logits + array(bias)
    allowed = None if mask is None else np.asarray(autodiff.plain(mask)) != 0
    if is_causal:
        causal = np.tri(logits.shape[-2], logits.shape[-1], dtype=bool)
        allowed = causal if allowed is None else allowed & causal
    if allowed is not None:
        hidden = np.asarray(-0.7 * np.finfo(logits.dtype).max, logits.dtype)
        logits = call_numpy("where", np.broadcast_to(allowed, logits.shape), logits, hidden)
    return call_numpy("einsum", "bnts,bsnh->btnh", activations.softmax(logits, axis=-1), value)

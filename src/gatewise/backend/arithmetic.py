"""Keras 1's and 2's K: sums, products, comparisons and activations, with their arguments and defaults."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from gatewise import activations, config, ops
from gatewise.ops.operation import as_operation

abs, exp, log, square, sign, sin, cos = ops.abs, ops.exp, ops.log, ops.square, ops.sign, ops.sin, ops.cos
sigmoid, tanh, softplus, softsign = ops.sigmoid, ops.tanh, ops.softplus, ops.softsign
equal, not_equal = ops.equal, ops.not_equal
greater, greater_equal, less, less_equal = ops.greater, ops.greater_equal, ops.less, ops.less_equal
maximum, minimum = ops.maximum, ops.minimum


def _reduction(name: str) -> Any:
    def reduced(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return getattr(ops, name)(x, axis=axis, keepdims=keepdims)

    reduced.__name__, reduced.__doc__ = name, f"`ops.{name}` along the axes; of all numbers without."
    return reduced


sum, mean, prod, max, min = map(_reduction, ("sum", "mean", "prod", "max", "min"))  # noqa: A001
std, var, any, all, logsumexp = map(_reduction, ("std", "var", "any", "all", "logsumexp"))  # noqa: A001


def argmax(x: Any, axis: int = -1) -> Any:
    """The place of the largest number along an axis."""
    return ops.argmax(x, axis=axis)


def argmin(x: Any, axis: int = -1) -> Any:
    """The place of the smallest number along an axis."""
    return ops.argmin(x, axis=axis)


def cumsum(x: Any, axis: int = 0) -> Any:
    """The running sum along an axis."""
    return ops.cumsum(x, axis=axis)


def cumprod(x: Any, axis: int = 0) -> Any:
    """The running product along an axis."""
    return ops.cumprod(x, axis=axis)


def sqrt(x: Any) -> Any:
    """The square root; of a negative number 0."""
    return ops.sqrt(ops.clip(x, 0.0, None))


def pow(x: Any, a: Any) -> Any:
    """x to the power of a."""
    return ops.power(x, a)


def round(x: Any) -> Any:
    """x to whole numbers; halves go to the even neighbour."""
    return ops.round(x)


def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """x, at least min_value and at most max_value (either may be None)."""
    if isinstance(min_value, int | float) and isinstance(max_value, int | float):
        max_value = np.maximum(min_value, max_value).item()
    return ops.clip(x, min_value, max_value)


def l2_normalize(x: Any, axis: Any = None) -> Any:
    """x divided by its Euclidean norm along the axes."""
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, 1e-12))


# ---- products ---------------------------------------------------------------------------------------------------


def dot(x: Any, y: Any) -> Any:
    """The sum of products over the last axis of x and the last but one of y: (..., F) and (F, G) give (..., G)."""
    return ops.dot(x, y)


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """For each sample the sum of products over an axis of x and one of y.

    Args:
        x, y: (N, ...).
        axes: one axis for both, or a pair; default the last of x and the last but one of y (its only one if y has two).

    Returns:
        (N, the other axes of x, the other axes of y), or (N, 1) where there are none.

    Raises:
        ValueError: if the axes are those of the samples, or differ in size.
    """
    nx, ny = len(x.shape), len(y.shape)
    if nx < 2 or ny < 2:
        raise ValueError(f"K.batch_dot takes arrays of two or more axes; got shapes {x.shape} and {y.shape}.")
    if axes is None:
        axes = (nx - 1, ny - 1 if ny == 2 else ny - 2)
    first, second = (axes, axes) if isinstance(axes, int) else axes
    first, second = first % nx, second % ny
    if first == 0 or second == 0:
        raise ValueError("K.batch_dot: axis 0 is that of the samples; it cannot be summed over. For that use K.dot.")
    if x.shape[first] != y.shape[second]:
        raise ValueError(
            f"K.batch_dot: axis {first} of shape {tuple(x.shape)} and axis {second} of shape {tuple(y.shape)} differ "
            "in size."
        )
    letters = iter(string.ascii_letters)
    of_x = [next(letters) for _ in range(nx)]
    of_y = [of_x[0] if k == 0 else of_x[first] if k == second else next(letters) for k in range(ny)]
    out = [of_x[0], *(k for k in of_x[1:] if k != of_x[first]), *(k for k in of_y[1:] if k != of_x[first])]
    found = ops.einsum(f"{''.join(of_x)},{''.join(of_y)}->{''.join(out)}", x, y)
    return ops.expand_dims(found, 1) if len(out) == 1 else found


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """x + bias, a vector along the last axis (the second for "channels_first")."""
    if data_format == "channels_first":
        return x + ops.reshape(bias, (1, -1, *(1,) * (len(x.shape) - 2)))
    return x + bias


# ---- activations ------------------------------------------------------------------------------------------------


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """x above `threshold` (at most `max_value`), alpha (x - threshold) below it."""
    return ops.relu(x, negative_slope=alpha, max_value=max_value, threshold=threshold)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x above 0, alpha (exp(x) - 1) below."""
    return ops.elu(x, alpha=alpha)


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along the axis."""
    return ops.softmax(x, axis=axis)


@as_operation
def hard_sigmoid(x: Any) -> Any:
    """clip(0.2 x + 0.5, 0, 1), as Keras 1 and 2 have it; Keras 3's is `ops.hard_sigmoid`."""
    return activations.hard_sigmoid_keras2(x)


# ---- losses -----------------------------------------------------------------------------------------------------


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """-(target log(output) + (1 - target) log(1 - output)) of each number."""
    return ops.binary_crossentropy(target, output, from_logits=from_logits)


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-sum(target log(output)) along the axis, output scaled to the sum 1."""
    return ops.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-log of the probability of the class `target`."""
    return ops.sparse_categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether fewer than k classes are predicted above the target of each sample."""
    return ops.in_top_k(targets, predictions, k)


def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """gamma (x - mean) / sqrt(var + epsilon) + beta."""
    along = [n if k == axis % len(x.shape) else 1 for k, n in enumerate(x.shape)]
    mean, var, beta, gamma = (None if v is None else ops.reshape(v, along) for v in (mean, var, beta, gamma))
    y = (x - mean) * ops.rsqrt(var + epsilon)
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta


def cast_to_floatx(x: Any) -> Any:
    """x in the default float type."""
    return ops.cast(ops.convert_to_tensor(x), config.floatx())

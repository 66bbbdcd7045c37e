"""Keras 1's and 2's K: making arrays, asking for shapes, moving numbers about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import config, ops
from gatewise.graph import SymbolicTensor
from gatewise.layers import Input
from gatewise.variable import Variable

transpose, reshape, zeros_like, ones_like = ops.transpose, ops.reshape, ops.zeros_like, ops.ones_like
stop_gradient, shape, ndim, dtype, is_tensor = ops.stop_gradient, ops.shape, ops.ndim, ops.dtype, ops.is_tensor


def int_shape(x: Any) -> tuple:
    """The sizes of x; None where a symbolic tensor's is unknown."""
    return ops.shape(x)


get_variable_shape = int_shape


def count_params(x: Any) -> int:
    """How many numbers x holds."""
    return int(np.prod(ops.shape(x)))


def is_keras_tensor(x: Any) -> bool:
    """True for a symbolic tensor: what Input() and layers called on one return.

    Raises:
        ValueError: for what is no array of any kind.
    """
    if not isinstance(x, SymbolicTensor | Variable) and not ops.is_tensor(x):
        raise ValueError(f"K.is_keras_tensor is asked about arrays; got {type(x).__name__}.")
    return isinstance(x, SymbolicTensor)


is_placeholder = is_keras_tensor


def is_variable(x: Any) -> bool:
    """True for a variable."""
    return isinstance(x, Variable)


def is_sparse(tensor: Any) -> bool:
    """False: every array here is dense."""
    return False


def to_dense(tensor: Any) -> Any:
    """The array itself: it is dense."""
    return tensor


# ---- making -----------------------------------------------------------------------------------------------------


def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> Variable:
    """A variable with this value; of the default float type unless another is given."""
    from gatewise import constraints

    value = value.value if isinstance(value, Variable) else value
    return Variable(np.asarray(value, dtype or config.floatx()), name=name, constraint=constraints.get(constraint))


def constant(value: Any, dtype: Any = None, shape: Sequence[int] | None = None, name: str | None = None) -> Any:
    """An array of this value, in this shape if one is given."""
    array = np.asarray(value, dtype or config.floatx())
    if shape is None:
        return array
    return np.full(tuple(shape), array) if array.size == 1 else array.reshape(tuple(shape))


def placeholder(
    shape: Sequence[int | None] | None = None,
    ndim: int | None = None,
    dtype: Any = None,
    sparse: bool = False,
    name: str | None = None,
) -> SymbolicTensor:
    """A symbolic tensor of this shape (the batch included), or of so many unknown sizes.

    Raises:
        ValueError: if neither is given.
    """
    if shape is None and ndim is None:
        raise ValueError("K.placeholder needs shape=(...), the batch included, or ndim=...")
    return Input(batch_shape=shape if shape is not None else (None,) * int(ndim or 0), dtype=dtype, name=name)


def zeros(shape: Sequence[int], dtype: Any = None, name: str | None = None) -> Variable:
    """A variable of zeros."""
    return variable(np.zeros(known_sizes("zeros", shape)), dtype, name)


def ones(shape: Sequence[int], dtype: Any = None, name: str | None = None) -> Variable:
    """A variable of ones."""
    return variable(np.ones(known_sizes("ones", shape)), dtype, name)


def eye(size: int | Sequence[int], dtype: Any = None, name: str | None = None) -> Variable:
    """A variable: the identity matrix."""
    rows, columns = size if isinstance(size, list | tuple) else (size, size)
    return variable(np.eye(int(rows), int(columns)), dtype, name)  # type: ignore[arg-type]


def known_sizes(name: str, shape: Any) -> tuple[int, ...]:
    """A shape as integers.

    Raises:
        ValueError: if a size is unknown: that of a symbolic tensor's batch or steps.
    """
    sizes = tuple(shape) if isinstance(shape, list | tuple | np.ndarray) else (shape,)
    if any(n is None for n in sizes):
        raise ValueError(
            f"K.{name} was given the shape {sizes}: a size of a symbolic tensor that is not known yet. Put the "
            "calculation into a Lambda layer, or the call() of a layer of your own: there shapes are known."
        )
    return tuple(int(n) for n in sizes)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: str = "int32") -> Any:
    """start, start + step, ... before stop; from 0 where only one number is given."""
    return ops.arange(start, stop, step, dtype=dtype)


def one_hot(indices: Any, num_classes: int) -> Any:
    """Integers as vectors with a one at their place."""
    return ops.one_hot(indices, num_classes)


def identity(x: Any, name: str | None = None) -> Any:
    """x again."""
    return ops.copy(x)


def cast(x: Any, dtype: Any) -> Any:
    """x in another type."""
    return ops.cast(x, dtype)


# ---- moving -----------------------------------------------------------------------------------------------------


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Any:
    """x with its axes in another order."""
    return ops.transpose(x, tuple(pattern))


def expand_dims(x: Any, axis: int = -1) -> Any:
    """x with an axis of size 1 added."""
    return ops.expand_dims(x, axis)


def squeeze(x: Any, axis: int) -> Any:
    """x without an axis of size 1."""
    return ops.squeeze(x, axis)


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Any:
    """Arrays joined along an axis."""
    return ops.concatenate(list(tensors), axis=axis)


def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Arrays side by side along a new axis."""
    return ops.stack(list(x), axis=axis)


def flatten(x: Any) -> Any:
    """All numbers of x as one vector."""
    return ops.reshape(x, (-1,))


def batch_flatten(x: Any) -> Any:
    """The numbers of each sample as one vector: (N, ...) -> (N, D)."""
    sizes = ops.shape(x)[1:]
    return ops.reshape(x, (-1, -1 if None in sizes else int(np.prod(sizes))))


def repeat(x: Any, n: int) -> Any:
    """(N, D) -> (N, n, D), each sample n times."""
    if len(ops.shape(x)) != 2:
        raise ValueError(f"K.repeat takes (batch, features); got shape {ops.shape(x)}. See K.repeat_elements.")
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Each part of x along an axis, `rep` times one after another."""
    return ops.repeat(x, rep, axis=axis)


def tile(x: Any, n: Any) -> Any:
    """x repeated along each axis."""
    return ops.tile(x, tuple(n) if isinstance(n, list) else n)


def reverse(x: Any, axes: Any) -> Any:
    """x with the order reversed along the axes."""
    return ops.flip(x, axis=axes)


def gather(reference: Any, indices: Any) -> Any:
    """The rows of `reference` at these places."""
    return ops.take(reference, indices, axis=0)


def slice(x: Any, start: Any, size: Any) -> Any:
    """The part of x of this size that begins at `start`; a size of -1 reaches to the end."""
    return ops.slice(x, start, size)


def temporal_padding(x: Any, padding: tuple[int, int] = (1, 1)) -> Any:
    """(N, T, F) with zeros before the first step and after the last."""
    return ops.pad(x, ((0, 0), tuple(padding), (0, 0)))


def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """(N, H, W, C), or (N, C, H, W) for "channels_first", with zeros around."""
    around = tuple(tuple(pair) for pair in padding)
    if data_format == "channels_first":
        return ops.pad(x, ((0, 0), (0, 0), *around))
    return ops.pad(x, ((0, 0), *around, (0, 0)))

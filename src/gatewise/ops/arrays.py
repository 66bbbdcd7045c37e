"""Operations that make arrays, take them apart and put them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, config
from gatewise.graph import SymbolicTensor
from gatewise.ops.numpy_names import call_numpy
from gatewise.ops.operation import array, normal_axes, numpy_for, operation, together
from gatewise.ops.places import take
from gatewise.variable import Variable

# ---- to and from arrays ---------------------------------------------------------------------------------------


@operation
def cast(x: Any, dtype: Any) -> Any:
    """x in another type; inside a differentiation floats stay as they are."""
    if autodiff.is_traced(x):
        return x if np.issubdtype(np.dtype(dtype), np.floating) else autodiff.plain(x).astype(dtype)
    return np.asarray(x).astype(dtype)


@operation
def saturate_cast(x: Any, dtype: Any) -> Any:
    """x in another type, its values first brought into that type's range."""
    wanted = np.dtype(dtype)
    if wanted.kind not in "iu":
        return cast(x, dtype)
    range_ = np.iinfo(wanted)
    return np.clip(np.asarray(autodiff.plain(x)), range_.min, range_.max).astype(wanted)


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """x as an array; numbers without a type become int32 or the default float type."""
    if isinstance(x, SymbolicTensor) or autodiff.is_traced(x):
        return x if dtype is None else cast(x, dtype)
    found = array(x.value if isinstance(x, Variable) else x)
    return found if dtype is None or autodiff.is_traced(found) else found.astype(dtype, copy=False)


@operation
def _array(x: Any, dtype: Any = None) -> Any:
    """x as an array."""
    return convert_to_tensor(x, dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """x as a NumPy array."""
    return np.asarray(x)


def is_tensor(x: Any) -> bool:
    """True for arrays, symbolic tensors and traced values."""
    return isinstance(x, np.ndarray | SymbolicTensor) or autodiff.is_traced(x)


def shape(x: Any) -> tuple:
    """The sizes of x; None where a symbolic tensor's is unknown."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def ndim(x: Any) -> int:
    """How many axes x has."""
    return len(shape(x))


def dtype(x: Any) -> str:
    """The name of x's type, such as "float32"."""
    return np.dtype(x.dtype if hasattr(x, "dtype") else array(x).dtype).name


@operation
def size(x: Any) -> Any:
    """How many numbers x holds."""
    return np.asarray(np.size(autodiff.plain(x)), np.int32)


@operation
def copy(x: Any) -> Any:
    """A copy of x."""
    return x * 1.0 if autodiff.is_traced(x) else np.array(array(x))


@operation
def stop_gradient(variable: Any) -> Any:
    """The value, as a constant: no gradient flows through it."""
    return autodiff.plain(variable)


@operation
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """start, start + step, ... before stop; from 0 where only one number is given."""
    numbers = [n for n in (start, stop, step) if n is not None]
    kind = np.result_type(*(np.asarray(n).dtype for n in numbers)).kind
    found = np.arange(start, stop, 1 if step is None else step)
    return found.astype(dtype or (config.floatx() if kind == "f" else np.int32))


@operation
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones in the shape of x."""
    return np.ones_like(array(autodiff.plain(x)), dtype=dtype)


@operation
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros in the shape of x."""
    return np.zeros_like(array(autodiff.plain(x)), dtype=dtype)


@operation
def empty_like(x: Any, dtype: Any = None) -> Any:
    """An array in the shape of x; its numbers are zero."""
    return np.zeros_like(array(autodiff.plain(x)), dtype=dtype)


@operation
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """`fill_value` in the shape of x."""
    return np.full_like(array(autodiff.plain(x)), fill_value, dtype=dtype)


# ---- shapes ---------------------------------------------------------------------------------------------------


@operation
def reshape(x: Any, newshape: Sequence[int]) -> Any:
    """x in another shape; one size may be -1 (or None): what is left."""
    sizes = (newshape,) if isinstance(newshape, int | np.integer) else tuple(newshape)
    return array(x).reshape(tuple(-1 if n is None else int(n) for n in sizes))


def _shape_of_reshaped(x: Any, newshape: Any) -> tuple | None:
    """The shape of a symbolic tensor in another shape; None (try it) where all of its sizes are known."""
    if not isinstance(x, SymbolicTensor) or None not in x.shape:
        return None
    sizes = (newshape,) if isinstance(newshape, int) else tuple(newshape)
    # A -1 stands for what depends on the unknown sizes, unless the known ones leave nothing else.
    known = [n for n in x.shape if n is not None]
    rest = [n for n in sizes if n not in (-1, None)]
    if x.shape.count(None) == 1 and len(rest) == len(sizes) - 1 and np.prod(known) == np.prod(rest):
        return tuple(None if n in (-1, None) else n for n in sizes)
    return tuple(None if n in (-1, None) else int(n) for n in sizes)


reshape.__wrapped__.shape_of = _shape_of_reshaped


@operation
def broadcast_to(x: Any, shape: Sequence[int]) -> Any:
    """x repeated to `shape`."""
    return x + np.zeros(shape, x.dtype) if autodiff.is_traced(x) else np.broadcast_to(array(x), shape)


@operation
def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """x with the order reversed along the axes given, or all."""
    x = array(x)
    turned = normal_axes(axis, x.ndim)
    return x[tuple(slice(None, None, -1 if k in turned else None) for k in range(x.ndim))]


@operation
def pad(x: Any, pad_width: Any, mode: Any = "constant", constant_values: Any = None) -> Any:
    """x with `pad_width`, ((before, after), ...) for each axis, of values added around it.

    Args:
        mode: "constant", "reflect", "symmetric", "edge" or "wrap".
        constant_values: what is added in mode "constant"; default 0.
    """
    x = array(x)
    options = {} if constant_values is None else {"constant_values": constant_values}
    if not autodiff.is_traced(x):
        return np.pad(x, pad_width, mode, **options)
    if mode == "constant":
        widths = [tuple(pair) for pair in np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()]
        return numpy_for(x).pad(x, widths, mode, **options)
    # Every other mode repeats numbers of x: the same padding of their places says which.
    places = np.pad(np.arange(x.size).reshape(x.shape), pad_width, mode)
    return x.reshape(-1)[places]


@operation
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each part of x along an axis, `repeats` times one after another; of the flattened x without an axis."""
    x = array(x)
    places = np.repeat(np.arange(x.size if axis is None else x.shape[axis]), repeats)
    return take.__wrapped__(x, places, axis)


@operation
def tile(x: Any, repeats: Any) -> Any:
    """x repeated along each axis."""
    x = array(x)
    if not autodiff.is_traced(x):
        return np.tile(x, repeats)
    return x.reshape(-1)[np.tile(np.arange(x.size).reshape(x.shape), repeats)]


def _sections(length: int, indices_or_sections: Any, even: bool) -> list[tuple[int, int]]:
    """Where parts begin and end.

    Raises:
        ValueError: if `even` and the length cannot be divided.
    """
    if not isinstance(indices_or_sections, int | np.integer):
        ends = [0, *(int(k) for k in np.asarray(indices_or_sections)), length]
        return list(zip(ends[:-1], ends[1:], strict=True))
    n = int(indices_or_sections)
    if even and length % n:
        raise ValueError(f"ops.split: an axis of size {length} cannot be divided into {n} equal parts.")
    ends = np.cumsum([0, *(length // n + (k < length % n) for k in range(n))]).tolist()
    return list(zip(ends[:-1], ends[1:], strict=True))


def _parts(x: Any, indices_or_sections: Any, axis: int, even: bool = True) -> list:
    x = array(x)
    lead = (slice(None),) * (axis % x.ndim)
    return [x[(*lead, slice(*ends))] for ends in _sections(x.shape[axis], indices_or_sections, even)]


@operation
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list:
    """x in parts along an axis: so many equal ones, or cut before the places given."""
    return _parts(x, indices_or_sections, axis)


@operation
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list:
    """x in parts along an axis, whose sizes may differ by one."""
    return _parts(x, indices_or_sections, axis, even=False)


@operation
def vsplit(x: Any, indices_or_sections: Any) -> list:
    """x in parts along its first axis."""
    return _parts(x, indices_or_sections, 0)


@operation
def hsplit(x: Any, indices_or_sections: Any) -> list:
    """x in parts along its second axis; a vector along its only one."""
    return _parts(x, indices_or_sections, 1 if np.ndim(autodiff.plain(x)) > 1 else 0)


@operation
def dsplit(x: Any, indices_or_sections: Any) -> list:
    """x in parts along its third axis."""
    return _parts(x, indices_or_sections, 2)


@operation
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list:
    """The slices of x along an axis, as a list."""
    x = array(x)
    lead = (slice(None),) * (axis % x.ndim)
    return [x[(*lead, k)] for k in range(x.shape[axis])]


@operation
def dstack(xs: Sequence[Any]) -> Any:
    """Arrays joined along a third axis."""
    made = [x.reshape(1, -1, 1) if x.ndim < 2 else x[..., None] if x.ndim == 2 else x for x in together(*xs)]
    return call_numpy("concatenate", made, 2)


@operation
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """x2 after x1 along an axis; both flattened without one."""
    x1, x2 = together(array(x1), array(x2))
    return call_numpy("concatenate", [x1, x2] if axis is not None else [x1.reshape(-1), x2.reshape(-1)], axis or 0)


@operation
def meshgrid(*x: Any, indexing: str = "xy") -> list:
    """Coordinates of a grid: each vector spread along an axis of its own."""
    vectors = [array(v).reshape(-1) for v in x]
    order = list(range(len(vectors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = [1, 0]
    sizes = [0] * len(vectors)
    for v, axis in zip(vectors, order, strict=True):
        sizes[axis] = v.shape[0]
    shapes = [[-1 if k == axis else 1 for k in range(len(order))] for axis in order]
    return [broadcast_to.__wrapped__(v.reshape(s), sizes) for v, s in zip(vectors, shapes, strict=True)]


@operation
def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """Axes split, joined and moved as a pattern says: "b (h d) t -> b t h d".

    Args:
        axes_lengths: sizes of the axes that stand in brackets on the left; one of a bracket may be left out.

    Raises:
        ValueError: for a pattern whose sides do not name the same axes, or sizes that do not fit.
    """
    left, right = (_groups(side) for side in pattern.split("->"))
    names = [name for group in left for name in group]
    if sorted(names) != sorted(name for group in right for name in group):
        raise ValueError(f"ops.rearrange: both sides of {pattern!r} must name the same axes.")
    x = array(tensor)
    if len(left) != x.ndim:
        raise ValueError(f"ops.rearrange: {pattern!r} is for {len(left)} axes; the array has shape {x.shape}.")
    sizes = dict(axes_lengths)
    for group, length in zip(left, x.shape, strict=True):
        unknown = [name for name in group if name not in sizes]
        known = int(np.prod([sizes[name] for name in group if name in sizes]))
        if len(unknown) > 1 or length % max(known, 1) or (not unknown and known != length):
            raise ValueError(f"ops.rearrange: an axis of size {length} does not split into {group} with {sizes}.")
        sizes |= {name: length // known for name in unknown}
    moved = call_numpy("transpose", x.reshape([sizes[name] for name in names]), [
        names.index(name) for group in right for name in group
    ])  # fmt: skip
    return moved.reshape([int(np.prod([sizes[name] for name in group])) for group in right])


def _groups(side: str) -> list[list[str]]:
    """The axes on one side of a pattern: [["b"], ["h", "d"]] for "b (h d)"."""
    found: list[list[str]] = []
    inside = None
    for token in side.replace("(", " ( ").replace(")", " ) ").split():
        if token == "(":
            inside = []
        elif token == ")":
            found.append(inside or [])
            inside = None
        elif inside is not None:
            inside.append(token)
        else:
            found.append([token])
    return found

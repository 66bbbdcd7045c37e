"""What is given to a layer, sorted out: constructor arguments of every Keras, and the arguments of a call."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, config, ragged, tree
from gatewise.graph import SymbolicTensor
from gatewise.ragged import Ragged
from gatewise.stored import Stored
from gatewise.variable import Variable


def standard_dtype(dtype: Any, owner: str, any_type: bool = False) -> str:
    """The name of a layer's type, from a string, a NumPy type, or a saved or real dtype policy.

    Raises:
        ValueError: unless it is float32 or float64 (with `any_type`, any NumPy type).
    """
    if dtype is None:
        return config.floatx()
    if isinstance(dtype, dict):
        dtype = dtype.get("config", {}).get("name")
    dtype = getattr(dtype, "variable_dtype", None) or getattr(dtype, "name", dtype)
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
        any_type = False
    if not any_type and name not in ("float32", "float64"):
        raise ValueError(f"{owner} computes in float32 or float64; got dtype={dtype!r}.")
    return name


def leftover_arguments(kwargs: dict[str, Any], owner: str) -> tuple[tuple | None, Any]:
    """Sort out the arguments that every layer takes besides its own.

    Returns:
        (the input's shape with the batch, or None; the initial weights, or None).

    Raises:
        ValueError: if something is left that no layer takes.
    """
    rest = dict(kwargs)
    weights = rest.pop("weights", None)
    batch_size = rest.pop("batch_size", None)
    length, dim = rest.pop("input_length", None), rest.pop("input_dim", None)
    shape = None
    if "batch_input_shape" in rest or "batch_shape" in rest:
        shape = tuple(rest.pop("batch_input_shape", None) or rest.pop("batch_shape"))
    elif rest.get("input_shape") is not None:
        given = rest.pop("input_shape")
        if not tree.is_shape(given):
            raise ValueError(f"{owner}: input_shape must be a tuple such as (13, 5), without the batch; got {given!r}.")
        shape = (batch_size, *given)
    elif dim is not None:
        shape = (batch_size, dim) if length is None and owner in ("Dense",) else (batch_size, length, dim)
    for ignorable in ("input_shape", "dynamic", "ragged", "sparse", "quantization_config"):
        if rest.get(ignorable, None) in (None, False):
            rest.pop(ignorable, None)
    if rest:
        raise ValueError(f"Unrecognized keyword arguments passed to {owner}: {rest}")
    return shape, weights


def describe(value: Any) -> str:
    """What a value is, in a few words, for error messages: its type, and its shape or its beginning."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    if isinstance(value, list | tuple):
        lengths = sorted({len(item) for item in value if hasattr(item, "__len__")})
        if len(lengths) > 1:
            return f"a list of {len(value)} items with lengths from {lengths[0]} to {lengths[-1]}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


class _Leaf:
    """Stands for an array in the nesting of a call's arguments."""

    __slots__ = ()

    def __reduce__(self) -> str:
        return "_LEAF"  # a copy is the same object: it is known by its identity


_LEAF = _Leaf()


class Structure:
    """The nesting of a call's arguments, with the arrays taken out."""

    __slots__ = ("args", "kwargs")

    def __init__(self, args: tuple, kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs

    @property
    def first_is_list(self) -> bool:
        return bool(self.args) and isinstance(self.args[0], list | tuple | dict)

    def fill(self, leaves: Sequence[Any]) -> tuple[tuple, dict[str, Any]]:
        """The arguments again, with `leaves` in the places of the arrays."""
        supply = iter(leaves)

        def put(item: Any) -> Any:
            return next(supply) if item is _LEAF else item

        return tree.map_leaves(put, self.args), tree.map_leaves(put, self.kwargs)

    def first_argument(self, leaves: Sequence[Any]) -> Any:
        """What stands at the first array argument: a leaf, or a nesting of leaves."""
        args, kwargs = self.fill(leaves)
        return args[0] if args else next(iter(kwargs.values()))


class CallArguments:
    """A call's arrays, flat; their nesting; and the mask and mode given with them."""

    __slots__ = ("leaves", "mask", "structure", "training")

    def __init__(self, leaves: list, structure: Structure | None, mask: Any, training: bool | None) -> None:
        self.leaves, self.structure, self.mask, self.training = leaves, structure, mask, training

    @staticmethod
    def of(leaves: list, structure: Structure | None, kwargs: dict[str, Any]) -> CallArguments:
        mask = kwargs.get("mask")
        if isinstance(mask, list | tuple) and not any(m is None or is_array(m) for m in tree.leaves(mask)):
            mask = _numeric(mask)
            mask = mask.padded()[0] if isinstance(mask, Ragged) else mask
        if mask is not None and not isinstance(mask, SymbolicTensor | list | tuple) and not autodiff.is_traced(mask):
            mask = np.asarray(mask)
            mask = mask if mask.dtype == bool else mask != 0
        return CallArguments(leaves, structure, mask, kwargs.get("training"))

    @staticmethod
    def structure_of(args: tuple, kwargs: dict[str, Any]) -> Structure:
        return Structure(
            tree.map_leaves(lambda x: _LEAF if is_array(x) else x, args),
            tree.map_leaves(lambda x: _LEAF if is_array(x) else x, kwargs),
        )

    @staticmethod
    def arrange(args: tuple, kwargs: dict[str, Any]) -> tuple[list, Structure | None]:
        """Take the arrays out of the arguments of a call; `mask` and `training` are not among them."""
        rest = {key: value for key, value in kwargs.items() if key not in ("mask", "training")}
        if len(args) == 1 and not rest:
            only = args[0]
            if is_array(only):
                return [only], None
            if isinstance(only, list | tuple) and not any(is_array(leaf) for leaf in tree.leaves(only)):
                return [_numeric(only)], None
        leaves = [x for x in tree.leaves([list(args), rest]) if is_array(x)]
        return leaves, CallArguments.structure_of(args, rest)


def is_array(value: Any) -> bool:
    """True for arrays and what converts to them: symbolic, traced and ragged values, other libraries' tensors."""
    if isinstance(value, np.ndarray | np.generic | SymbolicTensor) or autodiff.is_traced(value):
        return True
    if isinstance(value, Variable | Ragged | Stored):
        return True
    return hasattr(value, "__array__") and hasattr(value, "shape")


def _numeric(value: list | tuple) -> np.ndarray | Ragged:
    """A nested list of numbers as an array; as a `Ragged` where it holds sequences of different lengths."""
    try:
        return np.asarray(value)
    except ValueError:
        return ragged.from_lists(value)


_parameters_of: dict[type, tuple[str, ...]] = {}


def call_parameters(cls: type) -> tuple[str, ...]:
    """The names of the parameters of a class's `call`."""
    if cls not in _parameters_of:
        _parameters_of[cls] = tuple(inspect.signature(cls.call).parameters)
    return _parameters_of[cls]


def mask_and_mode_by_name(cls: type, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """A call's arguments with `mask` and `training`, and what follows them, given by name."""
    names = call_parameters(cls)[1 : len(args) + 1]
    first = next((k for k, name in enumerate(names) if name in ("mask", "training")), len(args))
    return args[:first], {**dict(zip(names[first:], args[first:], strict=False)), **kwargs}


def apart_from(inputs: Sequence[Any], outputs: Sequence[Any]) -> list:
    """The outputs, copied where a layer passed on its input's memory.

    They are the caller's to write to and have masks of their own; the inputs stay as they are.
    """
    return [y.copy() if isinstance(y, np.ndarray) and _shares_memory(y, inputs) else y for y in outputs]


def _shares_memory(y: np.ndarray, inputs: Sequence[Any]) -> bool:
    """Whether y lies in the memory of one of the inputs."""
    if y.base is None:
        return any(x is y for x in inputs)
    return any(isinstance(x, np.ndarray) and np.may_share_memory(x, y) for x in inputs)

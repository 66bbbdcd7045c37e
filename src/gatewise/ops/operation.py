"""What makes a function of arrays an operation: it runs now, is traced, or becomes a node of a graph."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, config, tree
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.operation_stepper import operation_stepper
from gatewise.probing import probed_outputs
from gatewise.stepper import LayerUse, Stepper
from gatewise.variable import Variable

ROOM = "gatewise.ops"
"""The module that files name as the home of operations."""

public: dict[str, Callable[..., Any]] = {}
"""Every operation by its name: these, and no others, may be named in a file."""

_LAYER_ARGUMENTS = ("mask", "training")
"""What a layer's call takes for itself: an operation's arguments of these names go by position."""


class Operation(Layer):
    """A function of arrays as a layer: what calling an op on a symbolic tensor puts into the graph."""

    is_operation = True
    lists_are_tuples = False  # True for one from a file of Keras's, which writes x[:, -1] with a list

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        super().__init__(name=config.unique_name(name))
        self.function = function
        self.settings: dict[str, Any] = {}
        """Arguments that every call has: those that Keras writes into the configuration of an operation."""
        self.built = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.lists_are_tuples and self.function.__name__ == "get_item":
            args = tuple(tuple(value) if isinstance(value, list) else value for value in args)
        return super().__call__(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        settings = dict(self.settings)
        first = (settings.pop("subscripts"),) if "subscripts" in settings else ()
        return self.function(*first, *unwrapped(args), **settings, **unwrapped(kwargs))

    def _as_input(self, value: Any) -> Any:
        return value  # constants keep their type

    def stepper(self, use: LayerUse) -> Stepper:
        return operation_stepper(self, use) if use.is_timed else super().stepper(use)

    def _symbolic_outputs(self, leaves: Sequence[Any], structure: Any) -> Any:
        shape_of = getattr(self.function, "shape_of", None)
        if shape_of is not None:
            args, kwargs = ((leaves[0],), {}) if structure is None else structure.fill(leaves)
            found = shape_of(*args, **self.settings, **kwargs)
            if found is not None:
                return SymbolicTensor(found, leaves[0].dtype)
        with np.errstate(all="ignore"):  # the trial's numbers mean nothing
            return probed_outputs(self, leaves, structure)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **self.settings}

    def __reduce__(self) -> tuple:
        state = {key: value for key, value in self.__dict__.items() if key not in ("function", "_constructed_with")}
        return operation_named, (self.function.__name__,), state


@functools.cache
def _operation_class(name: str) -> type[Operation]:
    """The kind of operation that a summary names: "GetItem" for `get_item`."""
    title = "".join(part.capitalize() for part in name.split("_"))
    return type(title, (Operation,), {"__module__": ROOM, "__doc__": f"`gatewise.ops.{name}` as a layer."})


def operation_named(name: str) -> Operation:
    """A new node of the operation of that name, for copies and files."""
    from gatewise import ops

    return _operation_class(name)(getattr(ops, name).__wrapped__, name)


def as_operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of arrays take symbolic tensors and variables."""

    @functools.wraps(function)
    def operate(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and all([type(x) is np.ndarray for x in args]):
            return function(*args)
        if any(isinstance(leaf, SymbolicTensor) for leaf in tree.leaves([list(args), kwargs])):
            if any(name in kwargs for name in _LAYER_ARGUMENTS):
                bound = inspect.signature(function).bind(*args, **kwargs)
                bound.apply_defaults()
                args, kwargs = bound.args, bound.kwargs
            return _operation_class(function.__name__)(function, function.__name__)(*args, **kwargs)
        return function(*unwrapped(args), **unwrapped(kwargs))

    return operate


def operation(function: Callable[..., Any]) -> Any:
    """Decorator: make a function of arrays a public operation under its name, without a leading underscore."""
    function.__name__ = function.__name__.strip("_")
    made = public[function.__name__] = as_operation(function)
    return made


def unwrapped(nested: Any) -> Any:
    """The same nesting with the value of each variable in its place."""
    return tree.map_leaves(lambda leaf: leaf.value if isinstance(leaf, Variable) else leaf, nested)


# ---- what operations are written with -----------------------------------------------------------------------


def numpy_for(*nested: Any) -> Any:
    """NumPy, or the form of it that can be differentiated if any of the values is being traced."""
    return autodiff.traced_numpy_module() if autodiff.is_traced(*tree.leaves(list(nested))) else np


def array(x: Any) -> Any:
    """x as an array; what has no type of its own gets Keras's: int32, or the default float type."""
    if hasattr(x, "dtype"):
        return x if isinstance(x, np.ndarray) or autodiff.is_traced(x) else np.asarray(x)
    if isinstance(x, list | tuple) and autodiff.is_traced(*tree.leaves(x)):
        return autodiff.traced_numpy_module().array(x)
    found = np.asarray(x)
    if found.dtype.kind == "f":
        return found.astype(config.floatx()) if not _holds_arrays(x) else found
    return found.astype(np.int32) if found.dtype == np.int64 and not _holds_arrays(x) else found


def _holds_arrays(x: Any) -> bool:
    return isinstance(x, list | tuple) and any(hasattr(leaf, "dtype") for leaf in tree.leaves(x))


def floats(x: Any) -> Any:
    """x as an array of floats: integers in the default float type."""
    x = array(x)
    return x if x.dtype.kind in "fc" else x.astype(config.floatx())


def float_type(*values: Any) -> np.dtype:
    """The float type that a result of these arrays has: the widest of theirs, or the default."""
    types = [np.dtype(v.dtype) for v in values if hasattr(v, "dtype")]
    found = [np.finfo(dtype).dtype for dtype in types if dtype.kind in "fc"]
    return max(found, key=lambda dtype: dtype.itemsize) if found else np.dtype(config.floatx())


def together(*values: Any) -> list[Any]:
    """Arrays that are computed with each other: integers beside floats take the floats' type; numbers stay numbers."""
    if all([type(v) is np.ndarray for v in values]) and len({v.dtype for v in values}) == 1:
        return list(values)
    made: list[Any] = [v if isinstance(v, bool | int | float | complex) else array(v) for v in values]
    typed = [v for v in made if hasattr(v, "dtype")]
    if not typed:
        return [array(v) for v in made]
    if not any(v.dtype.kind == "f" for v in typed):
        return made
    dtype = float_type(*typed)
    return [v.astype(dtype) if hasattr(v, "dtype") and v.dtype.kind in "iub" else v for v in made]


def in_keras_types(result: Any, given: Sequence[Any]) -> Any:
    """A result in the types Keras gives: no float64 unless a float64 came in, no int64 unless an int64 did."""
    if isinstance(result, list | tuple):
        made = [in_keras_types(part, given) for part in result]
        return type(result)(*made) if hasattr(result, "_fields") else type(result)(made)
    dtype = getattr(result, "dtype", None)
    if dtype is None or autodiff.is_traced(result):
        return result
    if dtype == np.float64:
        wanted = float_type(*given)
        return np.asarray(result) if wanted == dtype else np.asarray(result, wanted)
    if dtype == np.int64 and not any(getattr(v, "dtype", None) == np.int64 for v in given):
        return np.asarray(result, np.int32)
    return np.asarray(result)


def normal_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """An axis, several, or None for all, as numbers from 0."""
    axes = range(ndim) if axis is None else axis if isinstance(axis, list | tuple) else (axis,)
    return tuple(int(k) % ndim for k in axes)


def differentiable_pair(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: from `forward(*arrays, **options) -> (y, pullback)` the function of the arrays, traced or not.

    Arrays go by position, options by name; each argument is made an array first.
    """

    @functools.wraps(forward)
    def function(*arrays: Any, **options: Any) -> Any:
        run = functools.partial(forward, **options) if options else forward
        return autodiff.apply(run, *map(array, arrays))

    return function

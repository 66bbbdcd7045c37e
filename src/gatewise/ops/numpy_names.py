"""NumPy's functions under Keras's names, arguments and types: those where nothing else needs to be said.

A function that Keras calls as NumPy does has a line in a table here.  Its results have Keras's types (float32 where
only integers and float32 came in), and it can be differentiated wherever autograd knows how.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import autodiff, config, products, tree
from gatewise.ops.operation import array, as_operation, floats, in_keras_types, public, together

FLOAT_FUNCTIONS = (
    "arccos arccosh arcsin arcsinh arctan arctanh ceil cos cosh deg2rad exp exp2 expm1 fabs floor log log10 log1p "
    "log2 rad2deg reciprocal sin sinc sinh sqrt tan"
).split()
"""f(x) of floats: integers become floats first."""

UNARY = (
    "abs absolute angle bitwise_not conj conjugate imag isfinite isinf isnan isneginf isposinf isreal logical_not "
    "negative real sign signbit square trunc"
).split()
"""f(x)."""

FLOAT_BINARY = "arctan2 divide hypot logaddexp logaddexp2 true_divide".split()
"""f(x1, x2) of floats."""

BINARY = (
    "add equal floor_divide fmax fmin gcd greater greater_equal lcm less less_equal logical_and logical_or "
    "logical_xor maximum minimum mod multiply nextafter not_equal power subtract"
).split()
"""f(x1, x2)."""

BITS = {name: name for name in "bitwise_and bitwise_or bitwise_xor left_shift right_shift".split()}
BITS |= {"bitwise_left_shift": "left_shift", "bitwise_right_shift": "right_shift"}
"""f(x, y) of integers."""

REDUCTIONS = "all any argmax argmin max min".split()
FLOAT_REDUCTIONS = "mean var".split()
"""f(x, axis=None, keepdims=False)."""

SHAPES = {
    "expand_dims": "x axis", "moveaxis": "x source destination", "ravel": "x", "roll": "x shift axis",
    "rot90": "array k axes", "squeeze": "x axis", "swapaxes": "x axis1 axis2",
    "transpose": "x axes", "tril": "x k", "triu": "x k", "fliplr": "x", "flipud": "x",
}  # fmt: skip
"""f(x, ...) that moves numbers: the names of Keras's arguments, in NumPy's order."""

LISTS = {"concatenate": "xs axis", "stack": "x axis", "hstack": "xs", "vstack": "xs"}
"""f([x1, x2, ...], ...)."""

PRODUCTS = "dot inner kron matmul".split()
"""f(x1, x2)."""

CREATIONS = {
    "bartlett": "x", "blackman": "x", "empty": "shape", "eye": "N M k",
    "full": "shape fill_value", "geomspace": "start stop num endpoint", "hamming": "x", "hanning": "x",
    "identity": "n", "kaiser": "x beta", "linspace": "start stop num endpoint", "logspace": "start stop num endpoint",
    "ones": "shape", "tri": "N M k", "zeros": "shape",
}  # fmt: skip


_NEVER_TRACED = (np.ndarray, int, float, bool, str, type(None))
_TO_BE_NARROWED = (np.dtype(np.float64), np.dtype(np.int64))


def call_numpy(name: str, *args: Any, **kwargs: Any) -> Any:
    """NumPy's function of that name, in the form that can be differentiated where anything is being traced."""
    if all([type(x) in _NEVER_TRACED for x in args]):
        if name in products.FORWARDS and products.takes(*args[:2]):  # any number of threads finds the same
            return products.FORWARDS[name](*args, **kwargs)[0]
        found = getattr(np, name)(*args, **kwargs)
        if type(found) is np.ndarray and found.dtype not in _TO_BE_NARROWED:
            return found
        return in_keras_types(found, args)
    if autodiff.is_traced(*tree.leaves(list(args))):
        return autodiff.traced_numpy(name)(*args, **kwargs)
    return in_keras_types(getattr(np, name)(*args, **kwargs), tuple(tree.leaves(list(args))))


def _publish(function: Callable[..., Any], name: str, text: str) -> None:
    function.__name__, function.__qualname__, function.__module__ = name, name, "gatewise.ops"
    function.__doc__ = text
    public[name] = as_operation(function)


def _unary(name: str, convert: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda x: call_numpy(name, convert(x))


def _binary(name: str, as_floats: bool) -> Callable[..., Any]:
    def function(x1: Any, x2: Any) -> Any:
        x1, x2 = together(x1, x2)
        if as_floats and not any(getattr(x, "dtype", np.dtype(bool)).kind in "fc" for x in (x1, x2)):
            x1, x2 = floats(x1), floats(x2)
        return call_numpy(name, x1, x2)

    return function


def _bits(name: str) -> Callable[..., Any]:
    return lambda x, y: call_numpy(name, *together(x, y))


def as_axis(axis: Any) -> Any:
    """An axis as NumPy takes it: several of them in a tuple."""
    return tuple(axis) if isinstance(axis, list) else axis


def _reduction(name: str, convert: Callable[[Any], Any]) -> Callable[..., Any]:
    def function(x: Any, axis: Any = None, keepdims: bool = False, **more: Any) -> Any:
        x = convert(x)
        if name in ("argmax", "argmin"):
            return np.asarray(getattr(np, name)(autodiff.plain(x), axis=axis, keepdims=keepdims), np.int32)
        if not more and x.dtype.kind == "b" and name in ("max", "min"):
            return call_numpy("any" if name == "max" else "all", x, axis=as_axis(axis), keepdims=keepdims)
        initial = more.pop("initial", None)
        found = call_numpy(name, x, axis=as_axis(axis), keepdims=keepdims, **more)
        if initial is not None:
            found = call_numpy("maximum" if name == "max" else "minimum", found, x.dtype.type(initial))
        return found

    return function


def _by_name(name: str, arguments: str, convert: Callable[[Any], Any]) -> Callable[..., Any]:
    """NumPy's function with Keras's names of the arguments: given by name or by position, they go by position."""
    names = arguments.split()

    def function(*args: Any, **kwargs: Any) -> Any:
        given = list(args)
        for position in range(len(given), len(names)):
            if names[position] not in kwargs:
                break
            given.append(kwargs.pop(names[position]))
        first, *rest = given
        return call_numpy(name, convert(first), *(as_axis(value) for value in rest), **kwargs)

    return function


def _of_list(xs: Any) -> Any:
    """The arrays of a list, in one type."""
    return together(*xs) if isinstance(xs, list | tuple) else array(xs)


def _product(name: str) -> Callable[..., Any]:
    return lambda x1, x2: call_numpy(name, *together(array(x1), array(x2)))


def _creation(name: str, arguments: str) -> Callable[..., Any]:
    names = arguments.split()

    def function(*args: Any, dtype: Any = None, **kwargs: Any) -> Any:
        values = dict(zip([*names, "dtype"], args, strict=False)) | kwargs
        dtype = values.pop("dtype", dtype) or config.floatx()
        if name == "linspace" and autodiff.is_traced(*values.values()):
            return autodiff.traced_numpy(name)(*(values[key] for key in names if key in values))
        given = [values.pop(key) for key in names if key in values]
        found = getattr(np, name)(*given, **values)
        if isinstance(found, tuple):  # linspace(..., retstep=True)
            return found[0].astype(dtype), found[1]
        return found.astype(dtype, copy=False)

    return function


def _summary(name: str) -> str:
    """The first sentence of what NumPy says a function does: it is the same here."""
    return f"NumPy's `{name}`, under Keras's names of its arguments and with Keras's types."


def _fill_table() -> None:
    made: dict[str, Callable[..., Any]] = {}
    made |= {name: _unary(name, floats) for name in FLOAT_FUNCTIONS}
    made |= {name: _unary(name, array) for name in UNARY}
    made["bitwise_invert"] = _unary("bitwise_not", array)
    made |= {name: _binary(name, True) for name in FLOAT_BINARY}
    made |= {name: _binary(name, False) for name in BINARY}
    made |= {name: _bits(numpys) for name, numpys in BITS.items()}
    made |= {name: _reduction(name, array) for name in REDUCTIONS}
    made |= {name: _reduction(name, floats) for name in FLOAT_REDUCTIONS}
    made |= {"amax": _reduction("max", array), "amin": _reduction("min", array)}
    made |= {name: _by_name(name, arguments, array) for name, arguments in SHAPES.items()}
    made |= {name: _by_name(name, arguments, _of_list) for name, arguments in LISTS.items()}
    made |= {name: _product(name) for name in PRODUCTS}
    made |= {name: _creation(name, arguments) for name, arguments in CREATIONS.items()}
    for name, function in made.items():
        _publish(function, name, _summary(name))


_fill_table()


def numpy_function(name: str) -> Callable[..., Any]:
    """NumPy's function of that name as it is; the form that can be differentiated while anything is being traced."""
    plain = getattr(np, name)

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        if autodiff.is_traced(*tree.leaves([list(args), kwargs])):
            return autodiff.traced_numpy(name)(*args, **kwargs)
        return plain(*args, **kwargs)

    function.__name__ = name
    return function


@functools.cache
def numpy_operation(name: str) -> Callable[..., Any]:
    """The operation of one of NumPy's functions that Keras does not have."""
    return as_operation(numpy_function(name))

"""keras.ops for users' own layers, losses and models: NumPy's functions, differentiable, on arrays or symbolic tensors.

A function given a symbolic tensor makes a node that runs it later; given arrays it runs now; inside a
differentiation it is traced.  Every function of NumPy's main namespace is here under its own name; this file adds
those that NumPy lacks or names otherwise.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import activations, autodiff, config, tree
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.operation_stepper import operation_stepper
from gatewise.stepper import LayerUse, Stepper
from gatewise.variable import Variable


class Operation(Layer):
    """A function of arrays as a layer: what calling an op on a symbolic tensor puts into the graph."""

    is_operation = True

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        super().__init__(name=config.unique_name(name))
        self.function = function
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def _as_input(self, value: Any) -> Any:
        return value  # constants keep their type

    def stepper(self, use: LayerUse) -> Stepper:
        return operation_stepper(self, use) if use.is_timed else super().stepper(use)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    def __reduce__(self) -> tuple:
        state = {key: value for key, value in self.__dict__.items() if key not in ("function", "_constructed_with")}
        return _operation_named, (self.function.__name__,), state


@functools.cache
def _operation_class(name: str) -> type[Operation]:
    """The kind of operation that a summary names: "GetItem" for `get_item`."""
    title = "".join(part.capitalize() for part in name.split("_"))
    return type(title, (Operation,), {"__module__": __name__, "__doc__": f"`gatewise.ops.{name}` as a layer."})


def _operation_named(name: str) -> Operation:
    """A new node of the public function of that name, for copies."""
    return _operation_class(name)(getattr(sys.modules[__name__], name).__wrapped__, name)


def operation_from_config(class_name: str, settings: dict[str, Any]) -> Operation:
    """The node of the function that a file names, by its class ("GetItem") and its settings ({"name": ...}).

    Raises:
        ValueError: unless it is one of the functions here, or one of NumPy's that only computes: a file must not be
            able to have other functions called.
    """
    name = config.snake_case(class_name)
    here = getattr(globals().get(name), "__wrapped__", None) is not None
    if not here and name not in _NUMPY_FUNCTIONS_IN_FILES and not isinstance(getattr(np, name, None), np.ufunc):
        from gatewise import suggest

        known = [n for n, value in globals().items() if hasattr(value, "__wrapped__")] + [*_NUMPY_FUNCTIONS_IN_FILES]
        raise ValueError(suggest.unknown("operation", name, known))
    node = _operation_named(name)
    node.name = settings.get("name", node.name)
    return node


_NUMPY_FUNCTIONS_IN_FILES = frozenset({
    "all", "any", "argmax", "argmin", "argsort", "average", "broadcast_to", "clip", "concatenate", "cumprod", "cumsum",
    "diagonal", "diff", "dot", "einsum", "expand_dims", "flip", "full_like", "hstack", "max", "mean", "median", "min",
    "moveaxis", "ones_like", "outer", "pad", "prod", "quantile", "ravel", "repeat", "reshape", "roll", "round", "sort",
    "split", "squeeze", "stack", "std", "sum", "swapaxes", "tensordot", "tile", "trace", "transpose", "tril", "triu",
    "var", "vstack", "where", "zeros_like",
})  # fmt: skip


def _operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of arrays take symbolic tensors and variables."""

    @functools.wraps(function)
    def operate(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, SymbolicTensor) for leaf in tree.leaves([list(args), kwargs])):
            return _operation_class(function.__name__)(function, function.__name__)(*args, **kwargs)
        unwrap = functools.partial(tree.map_leaves, lambda leaf: leaf.value if isinstance(leaf, Variable) else leaf)
        return function(*unwrap(args), **unwrap(kwargs))

    return operate


def _numpy_function(name: str) -> Callable[..., Any]:
    """NumPy's function of that name; autograd's form of it while anything is being differentiated."""
    plain = getattr(np, name)

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        if autodiff.is_traced(*tree.leaves([list(args), kwargs])):
            return autodiff.traced_numpy(name)(*args, **kwargs)
        return plain(*args, **kwargs)

    function.__name__ = name
    return function


_RENAMED = {"amax": "max", "amin": "min"}


def __getattr__(name: str) -> Any:
    """NumPy's functions, made differentiable when first asked for."""
    target = _RENAMED.get(name, name)
    if name.startswith("_") or not callable(getattr(np, target, None)) or isinstance(getattr(np, target), type):
        from gatewise import suggest

        known = [n for n in dir(np) if callable(getattr(np, n)) and not isinstance(getattr(np, n), type)]
        known += [n for n, value in globals().items() if getattr(value, "__module__", None) == __name__]
        known = [n for n in known if not n.startswith("_")]
        raise AttributeError(f"gatewise.ops: {suggest.unknown('operation', name, known)}")
    return _numpy_operation(target)


@functools.cache
def _numpy_operation(name: str) -> Callable[..., Any]:
    """The operation of that name.  Not kept among the module's globals: it would hide Python's own any, max ..."""
    return _operation(_numpy_function(name))


@_operation
def get_item(x: Any, index: Any) -> Any:
    """x[index]."""
    return x[index]


@_operation
def cast(x: Any, dtype: Any) -> Any:
    """x in another type; inside a differentiation floats stay as they are."""
    if autodiff.is_traced(x):
        return x if np.issubdtype(np.dtype(dtype), np.floating) else autodiff.plain(x).astype(dtype)
    return np.asarray(x).astype(dtype)


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """x as an array."""
    if isinstance(x, SymbolicTensor) or autodiff.is_traced(x):
        return x if dtype is None else cast(x, dtype)
    return np.asarray(x.value if isinstance(x, Variable) else x, dtype=dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """x as a NumPy array."""
    return np.asarray(x)


def is_tensor(x: Any) -> bool:
    """True for arrays, symbolic tensors and traced values."""
    return isinstance(x, np.ndarray | SymbolicTensor) or autodiff.is_traced(x)


def shape(x: Any) -> tuple:
    """The sizes of x; None where a symbolic tensor's is unknown."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


@_operation
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """Integers as vectors with a one at their place; a class outside the range gives zeros."""
    x = np.asarray(autodiff.plain(x))
    hot = x[..., None] == np.arange(num_classes)
    return np.moveaxis(hot.astype(dtype or config.floatx()), -1, axis)


@_operation
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The parts of x at `indices` along an axis; of the flattened x without one."""
    if axis is None:
        return x.reshape(-1)[indices] if hasattr(x, "reshape") else np.take(x, indices)
    lead = (slice(None),) * (axis % np.ndim(autodiff.plain(x)))
    return (x if hasattr(x, "shape") else np.asarray(x))[(*lead, np.asarray(indices))]


@_operation
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """x at `indices` along an axis, matched along the others; of the flattened x without an axis."""
    if axis is None:
        return x.reshape(-1)[np.asarray(indices).reshape(-1)]
    places: list[Any] = list(np.ogrid[tuple(slice(size) for size in np.shape(x))])
    places[axis] = np.asarray(indices)
    return x[tuple(places)]


@_operation
def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """x with the order reversed along the axes given, or all."""
    ndim = np.ndim(autodiff.plain(x))
    axes = range(ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    turned = {k % ndim for k in axes}
    return x[tuple(slice(None, None, -1 if k in turned else None) for k in range(ndim))]


@_operation
def pad(x: Any, pad_width: Any, mode: Any = "constant", constant_values: Any = None) -> Any:
    """x with `pad_width`, ((before, after), ...) for each axis, of values added around it."""
    numpy = autodiff.traced_numpy_module() if autodiff.is_traced(x) else np
    options = {} if constant_values is None else {"constant_values": constant_values}
    return numpy.pad(x, pad_width, mode, **options)


@_operation
def broadcast_to(x: Any, shape: Sequence[int]) -> Any:
    """x repeated to `shape`."""
    return x + np.zeros(shape, x.dtype) if autodiff.is_traced(x) else np.broadcast_to(x, shape)


@_operation
def average(x: Any, axis: int | None = None, weights: Any = None) -> Any:
    """The mean, weighted if `weights` (of the shape of x, or one for each place along the axis) are given."""
    numpy = autodiff.traced_numpy_module() if autodiff.is_traced(x, weights) else np
    if weights is None:
        return numpy.mean(x, axis=axis)
    ndim = np.ndim(autodiff.plain(x))
    if axis is not None and ndim > 1 and np.ndim(autodiff.plain(weights)) == 1:
        weights = numpy.reshape(weights, [-1 if k == axis % ndim else 1 for k in range(ndim)])
    weights = weights + np.zeros(np.shape(autodiff.plain(x)), np.float32)
    return numpy.sum(x * weights, axis=axis) / numpy.sum(weights, axis=axis)


@_operation
def matmul(x1: Any, x2: Any) -> Any:
    """The matrix product x1 @ x2."""
    return x1 @ x2


@_operation
def add(x1: Any, x2: Any) -> Any:
    """x1 + x2."""
    return x1 + x2


@_operation
def subtract(x1: Any, x2: Any) -> Any:
    """x1 - x2."""
    return x1 - x2


@_operation
def multiply(x1: Any, x2: Any) -> Any:
    """x1 * x2."""
    return x1 * x2


@_operation
def divide(x1: Any, x2: Any) -> Any:
    """x1 / x2."""
    return x1 / x2


@_operation
def true_divide(x1: Any, x2: Any) -> Any:
    """x1 / x2."""
    return x1 / x2


@_operation
def negative(x: Any) -> Any:
    """-x."""
    return -x


@_operation
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))), without overflow."""
    numpy = autodiff.traced_numpy_module() if autodiff.is_traced(x) else np
    top = np.max(autodiff.plain(x), axis=axis, keepdims=True)
    total = numpy.log(numpy.sum(numpy.exp(x - top), axis=axis, keepdims=keepdims))
    return total + (top if keepdims else np.reshape(top, np.shape(autodiff.plain(total))))


@_operation
def rsqrt(x: Any) -> Any:
    """1 / sqrt(x)."""
    return x**-0.5


@_operation
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The Euclidean norm."""
    if ord not in (None, 2, "euclidean", "fro"):
        raise ValueError(f"ops.norm computes the Euclidean norm; got ord={ord!r}.")
    numpy = autodiff.traced_numpy_module() if autodiff.is_traced(x) else np
    return numpy.sqrt(numpy.sum(x * x, axis=axis, keepdims=keepdims))


@_operation
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list:
    """The slices of x along an axis, as a list."""
    lead = (slice(None),) * (axis % np.ndim(autodiff.plain(x)))
    return [x[(*lead, k)] for k in range(np.shape(x)[axis])]


@_operation
def scatter(indices: Any, values: Any, shape: Sequence[int]) -> Any:
    """Zeros of `shape` with `values` added at `indices` (..., len(shape))."""
    result = np.zeros(shape, np.asarray(values).dtype)
    np.add.at(result, tuple(np.moveaxis(np.asarray(indices), -1, 0)), values)
    return result


def stop_gradient(variable: Any) -> Any:
    """The value, as a constant: no gradient flows through it."""
    return autodiff.plain(variable)


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """The result of one of two functions."""
    return true_fn() if bool(autodiff.plain(pred)) else false_fn()


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Sequence[Any],
    maximum_iterations: int | None = None,
) -> Any:
    """Repeat `body` on the variables while `cond` of them holds."""
    done = 0
    while bool(autodiff.plain(cond(*loop_vars))) and (maximum_iterations is None or done < maximum_iterations):
        new = body(*loop_vars)
        loop_vars = new if isinstance(new, list | tuple) else (new,)
        done += 1
    return loop_vars


def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int = 1,
) -> tuple:
    """Carry a state through `f(carry, x) -> (carry, y)` over the first axis of xs; (last carry, stacked ys)."""
    steps = range(length if xs is None else len(next(iter(tree.leaves(xs)))))  # type: ignore[arg-type]
    carry, ys = init, []
    for k in reversed(steps) if reverse else steps:
        carry, y = f(carry, None if xs is None else tree.map_leaves(lambda leaf, k=k: leaf[k], xs))
        ys.append(y)
    ys = ys[::-1] if reverse else ys
    numpy = autodiff.traced_numpy_module() if autodiff.is_traced(*tree.leaves(ys)) else np
    stacked = [numpy.stack(parts) for parts in zip(*map(tree.leaves, ys), strict=True)]
    return carry, tree.fill(ys[0], stacked)


_ACTIVATIONS = (
    "celu", "elu", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu",
    "log_sigmoid", "log_softmax", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus",
    "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh", "tanh_shrink",
    "threshold",
)  # fmt: skip

for _name in _ACTIVATIONS:
    if hasattr(activations, _name):
        globals()[_name] = _operation(getattr(activations, _name))

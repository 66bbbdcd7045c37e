"""Automatic differentiation: the only module that imports the autograd library.

Two directions meet here.  `vjp` differentiates a function that a user wrote (a layer's `call`, a loss, an
activation) and returns the same pair that every hand-derived function of gatewise returns: the value and its
pullback.  `differentiable` and `apply` go the other way: they let a hand-derived pair take part in such a
differentiation as one primitive, so that users may call built-in functions and layers inside their own.

The library is imported at the first call of `vjp`; without one there can be no traced value.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from gatewise import products, tree

Pullback = Callable[..., Any]
_Class = TypeVar("_Class")

NOT_TRACED = -2
"""The `_trace` of a stand-in that stands for nothing: below every trace, so that autograd passes it by."""

_stand_ins: set[type] = set()


def is_traced(*values: Any) -> bool:
    """True if any of the values is being differentiated by an enclosing `vjp`."""
    if "autograd" not in sys.modules:
        return False
    box_types = _box_types()
    return any(type(value) in box_types and value._trace >= 0 for value in values)


def stand_in(cls: type[_Class]) -> type[_Class]:
    """Class decorator: instances may stand for traced values, and autograd takes them as such.

    An instance has `_trace`, `_node` and `_value`: those of the traced value it stands for, or NOT_TRACED as `_trace`.
    """
    _stand_ins.add(cls)
    return cls


def plain(value: Any) -> Any:
    """The array behind a traced value; anything else unchanged.  No gradient flows through the result."""
    while is_traced(value):
        value = value._value
    return value


def vjp(fn: Callable[..., Any], *args: Any) -> tuple[Any, Pullback]:
    """Run `fn(*args)` and record how to go back.

    Args:
        fn: a function of arrays written with gatewise.ops, autograd.numpy or plain operators.  It returns an
            array, or a list or tuple of arrays.
        args: arrays; those of floating-point type are differentiated.

    Returns:
        (y, pullback).  `pullback(dy)`, with `dy` nested like `y` (None where nothing flows back), returns a
        tuple: for each argument its gradient in the argument's shape and dtype, None for non-float arguments.

    Raises:
        TypeError: from autograd, when `fn` applies an operation that cannot be traced.
    """
    from autograd.builtins import tuple as traced_tuple

    arrays = [a if is_traced(a) else np.asarray(a) for a in args]
    active = [k for k, a in enumerate(arrays) if np.issubdtype(a.dtype, np.floating)]
    shape_of_y: list[Any] = []

    def packed(boxes: Any) -> Any:
        full = list(arrays)
        for position, k in enumerate(active):
            full[k] = boxes[position]
        y = fn(*full)
        single = not isinstance(y, list | tuple)
        shape_of_y.append(None if single else type(y))
        # The arguments ride along, so that an output which depends on none of them is still part of the trace.
        return traced_tuple((boxes, *((y,) if single else y)))

    make_vjp = _make_vjp()
    _asked.depth += 1
    try:
        back, (_, *ys) = make_vjp(packed, tuple(arrays[k] for k in active))
    finally:
        _asked.depth -= 1
    container = shape_of_y[0]
    nothing = tuple(np.zeros_like(arrays[k]) for k in active)

    def pullback(dy: Any) -> tuple[Any, ...]:
        dys = (dy,) if container is None else dy
        cotangents = tuple(
            np.zeros(np.shape(y), _float_type(y)) if d is None else np.asarray(d, _float_type(y))
            for y, d in zip(ys, dys, strict=True)
        )
        gradients: list[Any] = [None] * len(arrays)
        for k, g in zip(active, back((nothing, *cotangents)), strict=True):
            # autograd.numpy.mean and others widen float32: the one cast back is here.
            gradients[k] = np.asarray(g, arrays[k].dtype)
        return tuple(gradients)

    return (ys[0] if container is None else container(ys)), pullback


def apply(forward: Callable[..., tuple[Any, Pullback]], *args: Any) -> Any:
    """Call a hand-derived `forward(*args) -> (y, pullback)` and return y, traced if any argument is.

    `pullback(dy)` returns one gradient (for one argument) or a tuple, one for each argument, None for an
    argument through which nothing flows.  `y` may be an array or a list or tuple of arrays.
    """
    args = tuple(arg.value if type(arg) in _stand_ins else arg for arg in args)
    if not is_traced(*args):
        return forward(*args)[0]
    call = _Call(forward)
    traced = _primitive()(call, *args)
    if not call.several:
        return traced
    return [traced[k] for k in range(call.n_outputs)]


def differentiable(forward: Callable[..., tuple[Any, Pullback]]) -> Any:
    """Decorator: from a hand-derived `forward(x, ...) -> (y, pullback)` make the public function `f(x, ...) -> y`.

    `f.forward` is the pair form.  Positional array arguments are differentiated; keyword arguments are static.
    """

    @functools.wraps(forward)
    def function(*args: Any, **static: Any) -> Any:
        bound = functools.partial(forward, **static) if static else forward
        return apply(bound, *args)

    function.forward = forward  # type: ignore[attr-defined]
    return function


class _Call:
    """One use of a hand-derived function inside a trace: carries its pullback from the value to the way back."""

    __slots__ = ("forward", "n_outputs", "pullback", "several")

    def __init__(self, forward: Callable[..., tuple[Any, Pullback]]) -> None:
        self.forward = forward
        self.pullback: Pullback | None = None
        self.several = False
        self.n_outputs = 1

    def run(self, args: tuple[Any, ...]) -> Any:
        y, self.pullback = self.forward(*args)
        self.several = isinstance(y, list | tuple)
        if self.several:
            self.n_outputs = len(y)
            return tuple(y)
        return y

    def gradients(self, dy: Any, y: Any, n_args: int) -> tuple[Any, ...]:
        assert self.pullback is not None
        if self.several:
            dy = [np.asarray(d, one.dtype) for d, one in zip(dy, y, strict=True)]
        else:
            dy = np.asarray(dy, y.dtype)
        found = self.pullback(dy)
        return found if isinstance(found, tuple) else (found,) * min(n_args, 1)


@functools.cache
def _primitive() -> Callable[..., Any]:
    """The one autograd primitive behind every built-in function and layer used inside a trace."""
    from autograd import core, extend

    def hand_derived(call: _Call, *args: Any) -> Any:
        return call.run(args)

    primitive = extend.primitive(hand_derived)

    def vjp_of(argnums: tuple[int, ...], y: Any, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Pullback:
        call, arrays = args[0], args[1:]

        def back(dy: Any) -> tuple[Any, ...]:
            found = call.gradients(dy, y, len(arrays))
            return tuple(np.zeros_like(arrays[k - 1]) if found[k - 1] is None else found[k - 1] for k in argnums)

        return back

    core.defvjp_argnums(primitive, vjp_of)
    return primitive


def traced_numpy_module() -> Any:
    """autograd.numpy: NumPy whose functions take traced values."""
    from autograd import numpy

    return numpy


def traced_numpy(name: str) -> Callable[..., Any]:
    """The function of autograd.numpy of that name.  One without a derivative runs on the plain values.

    Raises:
        TypeError: when that is called and returns floats, whose gradient would be lost.
    """
    found = _OURS.get(name) or getattr(traced_numpy_module(), name, None)
    return found if found is not None and _has_derivative(found) else functools.partial(_on_plain_values, name)


def summed_to(d: Any, shape: Sequence[int]) -> Any:
    """The gradient of what was broadcast from `shape`: d summed over the axes that were added or stretched."""
    if np.shape(d) == tuple(shape):
        return d
    lead = np.ndim(d) - len(shape)
    axes = (*range(lead), *(lead + k for k, size in enumerate(shape) if size == 1))
    return np.add.reduce(d, axis=axes).reshape(shape)


def _where(condition: Any, *choices: Any) -> Any:
    """numpy.where.  autograd's own forgets that the choices may have been broadcast."""
    if not choices:
        return np.where(plain(condition))
    return apply(functools.partial(_chosen, np.asarray(plain(condition)) != 0), *choices)


def _chosen(condition: np.ndarray, x1: Any, x2: Any) -> tuple[Any, Pullback]:
    def pullback(dy: Any) -> tuple[Any, Any]:
        zero = dy.dtype.type(0)
        return (
            summed_to(np.where(condition, dy, zero), np.shape(x1)),
            summed_to(np.where(condition, zero, dy), np.shape(x2)),
        )

    return np.where(condition, x1, x2), pullback


def _product(name: str, x1: Any, x2: Any, *static: Any, **more: Any) -> Any:
    """A product of two arrays, of which one is traced, by the kernels: NumPy's last bits depend on its threads."""
    if not products.takes(plain(x1), plain(x2)):
        return getattr(traced_numpy_module(), name)(x1, x2, *static, **more)
    forward = products.FORWARDS[name]
    return apply(lambda a, b: forward(a, b, *static, **more), x1, x2)


_OURS: dict[str, Callable[..., Any]] = {
    "where": _where,
    **{name: functools.partial(_product, name) for name in products.FORWARDS},
}
"""Functions of NumPy whose derivative in autograd is wrong, or whose sums depend on the number of threads."""


def _has_derivative(function: Any) -> bool:
    """True if autograd can differentiate its form of a function of NumPy, or knows that nothing flows through it."""
    from autograd.core import VJPNode, primitive_vjps
    from autograd.tracer import notrace_primitives

    composed_of_others = not hasattr(function, "fun")
    return composed_of_others or function in primitive_vjps or function in notrace_primitives[VJPNode]


def _on_plain_values(name: str, *args: Any, **kwargs: Any) -> Any:
    """NumPy's function of the plain values, whose result must not be floats."""
    result = getattr(np, name)(*tree.map_leaves(plain, args), **tree.map_leaves(plain, kwargs))
    if any(np.asarray(leaf).dtype.kind in "fc" for leaf in tree.leaves(result)):
        raise TypeError(_no_derivative(f"numpy.{name}"))
    return result


def _no_derivative(name: str) -> str:
    return f"No derivative is known of {name}; write it with other functions, or stop the gradient there."


@functools.cache
def _box_types() -> set[type]:
    from autograd.tracer import box_types

    box_types.update(_stand_ins)
    return box_types


@functools.cache
def _make_vjp() -> Callable[..., Any]:
    from autograd.core import make_vjp
    from autograd.numpy.numpy_boxes import ArrayBox

    _box_types()
    if not hasattr(ArrayBox, "__array_function__"):
        # autograd's arrays answer np.tanh (a ufunc) but not np.mean or np.concatenate; users write both.
        ArrayBox.__array_function__ = _call_traced_form  # type: ignore[attr-defined]
        _give_products(ArrayBox)
    return make_vjp


def _give_products(box: Any) -> None:
    """Within `vjp`, `x @ w` and `np.matmul` of traced values are products by the kernels.

    Outside of it autograd's arrays do what they did: it may serve others in the same program.
    """

    def by_kernels(own: Callable[..., Any], name: str, turned: bool = False) -> Callable[..., Any]:
        def product(self: Any, other: Any) -> Any:
            if not _asked.depth:
                return own(self, other)
            return _product(name, *((other, self) if turned else (self, other)))

        return product

    def of_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is np.matmul and method == "__call__" and not kwargs and _asked.depth:
            return _product("matmul", *inputs)
        return own_ufunc(self, ufunc, method, *inputs, **kwargs)

    own_ufunc, box.__array_ufunc__ = box.__array_ufunc__, of_ufunc
    box.__matmul__ = by_kernels(box.__matmul__, "matmul")
    box.__rmatmul__ = by_kernels(box.__rmatmul__, "matmul", turned=True)


def _call_traced_form(_self: Any, function: Any, _types: Any, args: Any, kwargs: Any) -> Any:
    """NumPy's protocol: `function`, of NumPy, was called with a traced value."""
    room = traced_numpy_module()
    for part in function.__module__.split(".")[1:]:  # numpy.linalg, numpy.fft
        room = getattr(room, part, None)
    traced = _OURS.get(function.__name__) or getattr(room, function.__name__, None)
    # autograd hands some functions on to NumPy with traced values still inside lists: that would come back here.
    if traced is None or function in _asked.functions:
        raise TypeError(_no_derivative(f"{function.__module__}.{function.__name__}"))
    _asked.functions.append(function)
    try:
        return traced(*args, **kwargs)
    finally:
        _asked.functions.pop()


class _Asked(threading.local):
    """NumPy's functions that are being called in their traced form on this thread, and how many `vjp` run there."""

    def __init__(self) -> None:
        self.functions: list[Any] = []
        self.depth = 0


_asked = _Asked()


def _float_type(y: Any) -> np.dtype:
    dtype = np.asarray(y).dtype
    return dtype if np.issubdtype(dtype, np.floating) else np.dtype(np.float64)

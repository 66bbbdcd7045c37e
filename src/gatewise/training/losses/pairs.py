"""What every loss function shares: shapes of its arguments, and the forms it is wanted in.

A loss function is written once, as a pair `f(y_true, y_pred, **options) -> (values, pullback)`, where `pullback`
takes the gradient of the values, an array of their shape or one number for all of them.  The decorators make of it
a function `f(y_true, y_pred, **options) -> values`, one value a sample (and time step), with the attributes

* `f.forward`: that pair, for any shapes that Keras takes;
* `f.total`: `(mean of all values, pullback(d))`, in as few passes as it takes;
* `f.valid`: None, or `valid(y_true, y_pred, **options) -> mask` of the values that count;
* `f.score`: None, or what says under which name the kernels know it: see `training.scores`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import autodiff, config
from gatewise.training.scores import Known

Pair = tuple[Any, Callable[..., Any]]


def floats(x: Any) -> np.ndarray:
    """x as an array of floats; what has no type of its own gets the default one."""
    if type(x) is np.ndarray and x.dtype.kind == "f":
        return x
    if not hasattr(x, "dtype"):
        return np.asarray(x, config.floatx())
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(config.floatx())


def same_rank(a: Any, b: Any) -> tuple[Any, Any]:
    """Keras's rule for ranks that differ by one: a last axis of size 1 goes, or comes for one-dimensional arrays."""
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[:, None]) if b.ndim == 1 else (a[..., 0], b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[:, None], b) if a.ndim == 1 else (a, b[..., 0])
    return a, b


def sum_to(gradient: Any, shape: tuple[int, ...]) -> Any:
    """The gradient of an array of `shape` from that of its broadcast or reshaped form."""
    if gradient.shape == shape:
        return gradient
    if gradient.size == np.prod(shape, dtype=int):
        return gradient.reshape(shape)
    missing = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(missing)))
    stretched = tuple(k for k, size in enumerate(shape) if size == 1 and gradient.shape[k] != 1)
    return gradient.sum(axis=stretched, keepdims=True)


def together(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """The two as arrays of y_pred's float type and of ranks that fit."""
    y_pred = floats(y_pred)
    y_true = np.asarray(y_true)
    if y_true.dtype != y_pred.dtype:
        y_true = y_true.astype(y_pred.dtype)
    return (y_true, y_pred) if y_true.ndim == y_pred.ndim else same_rank(y_true, y_pred)


def expand(d: Any, axis: int = -1) -> Any:
    """The gradient of a reduced array, to be broadcast along the axis that was reduced; numbers stay."""
    return np.expand_dims(d, axis) if isinstance(d, np.ndarray) and d.ndim else d


def elementwise(
    symmetric: bool = False, reduction: str = "mean", score: Known | None = None
) -> Callable[[Callable[..., Pair]], Any]:
    """Decorator: the pair has a value for each element; they are averaged (or summed) over the last axis.

    Args:
        symmetric: the value depends on y_pred - y_true alone and not on its sign, so y_true has a gradient too.
        reduction: "mean" or "sum" over the last axis, or the one that the option `axis` names.
        score: what the kernels call it.
    """

    def decorate(pair: Callable[..., Pair]) -> Any:
        def run(y_true: Any, y_pred: Any, options: dict[str, Any]) -> tuple[Any, Callable[..., Any], int]:
            y_true, y_pred = together(y_true, y_pred)
            if y_true.shape != y_pred.shape:
                y_pred = np.broadcast_to(y_pred, np.broadcast_shapes(y_true.shape, y_pred.shape))
            values, pullback = pair(y_true, y_pred, **options)
            return values, pullback, values.shape[options.get("axis", -1)] if reduction == "mean" else 1

        @functools.wraps(pair)
        def forward(y_true: Any, y_pred: Any, **options: Any) -> Pair:
            shape, axis = np.shape(y_pred), options.get("axis", -1)
            values, pullback, size = run(y_true, y_pred, options)
            reduced = np.add.reduce(values, axis=axis) / size
            return reduced, lambda d: sum_to(pullback(expand(d, axis) / size), shape)

        def total(y_true: Any, y_pred: Any, **options: Any) -> Pair:
            shape = np.shape(y_pred)
            values, pullback, size = run(y_true, y_pred, options)
            count = values.size if size != 1 else values.size // max(values.shape[options.get("axis", -1)], 1)
            count = count or 1  # the mean of nothing is 0, as in Keras
            return np.add.reduce(values, axis=None) / count, lambda d=1.0: sum_to(pullback(d / count), shape)

        return _publish(pair, forward, total, symmetric, score=score)

    return decorate


def samplewise(
    valid: Callable[..., Any] | None = None, score: Known | None = None
) -> Callable[[Callable[..., Pair]], Any]:
    """Decorator: the pair has a value for each sample already, and sees to its shapes itself."""

    def decorate(pair: Callable[..., Pair]) -> Any:
        @functools.wraps(pair)
        def forward(y_true: Any, y_pred: Any, **options: Any) -> Pair:
            return pair(y_true, floats(y_pred), **options)

        def total(y_true: Any, y_pred: Any, **options: Any) -> Pair:
            values, pullback = forward(y_true, y_pred, **options)
            count = values.size or 1
            return np.add.reduce(values, axis=None) / count, lambda d=1.0: pullback(d / count)

        return _publish(pair, forward, total, False, valid, score)

    return decorate


def _publish(pair: Any, forward: Any, total: Any, symmetric: bool, valid: Any = None, score: Any = None) -> Any:
    """The public function `f(y_true, y_pred, ...) -> values`, differentiable inside users' functions."""
    names = list(inspect.signature(pair).parameters)[2:]

    @functools.wraps(pair)
    def function(y_true: Any, y_pred: Any, *arguments: Any, **options: Any) -> Any:
        options.update(zip(names, arguments, strict=False))
        if autodiff.is_traced(y_true):
            if not symmetric:
                raise TypeError(
                    f"{pair.__name__} has no gradient with respect to y_true, its first argument, which depends "
                    "here on what is being differentiated. Its arguments are (y_true, y_pred)."
                )
            y_true, y_pred = np.zeros(np.shape(autodiff.plain(y_true))), y_pred - y_true
        return autodiff.apply(lambda p: forward(y_true, p, **options), y_pred)

    function.forward = forward  # type: ignore[attr-defined]
    function.total = total  # type: ignore[attr-defined]
    function.valid = valid  # type: ignore[attr-defined]
    function.score = score  # type: ignore[attr-defined]
    return function

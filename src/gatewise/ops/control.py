"""Loops and choices.  Everything here is plain Python: functions run as they are, and what they compute is traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, tree
from gatewise.ops.numpy_names import call_numpy
from gatewise.ops.operation import array, as_operation


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """The result of one of two functions."""
    return true_fn() if bool(autodiff.plain(pred)) else false_fn()


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """The result of the function at `index` (the first or last one beyond the ends) for the operands."""
    place = int(autodiff.plain(index))
    return branches[min(max(place, 0), len(branches) - 1)](*operands)


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    maximum_iterations: int | None = None,
) -> Any:
    """Repeat `body` on the variables while `cond` of them holds."""
    several = isinstance(loop_vars, list | tuple)
    state = tuple(loop_vars) if several else (loop_vars,)
    done = 0
    while bool(autodiff.plain(cond(*state))) and (maximum_iterations is None or done < maximum_iterations):
        new = body(*state)
        state = tuple(new) if isinstance(new, list | tuple) else (new,)
        done += 1
    return state if several else state[0]


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[int, Any], Any], init_val: Any) -> Any:
    """body_fun(k, value) for k from `lower` to before `upper`, each time of the value that came out last."""
    value = init_val
    for k in range(int(autodiff.plain(lower)), int(autodiff.plain(upper))):
        value = body_fun(k, value)
    return value


def _stacked(results: Sequence[Any], axis: int = 0) -> Any:
    """Results of one nesting, stacked leaf by leaf."""
    parts = zip(*(list(tree.leaves(result)) for result in results), strict=True)
    return tree.fill(results[0], [call_numpy("stack", [array(leaf) for leaf in leaves], axis) for leaves in parts])


def _row(nested: Any, k: int) -> Any:
    return tree.map_leaves(lambda leaf: leaf[k], nested)


def _length(nested: Any) -> int:
    return len(next(iter(tree.leaves(nested))))


@as_operation
def _map(f: Callable[..., Any], xs: Any) -> Any:
    """f of each row of xs (an array, or a nesting of arrays), the results stacked."""
    xs = tree.map_leaves(array, xs)
    return _stacked([f(_row(xs, k)) for k in range(_length(xs))])


@as_operation
def vectorized_map(function: Callable[..., Any], elements: Any) -> Any:
    """function of each row of the elements, the results stacked."""
    elements = tree.map_leaves(array, elements)
    return _stacked([function(_row(elements, k)) for k in range(_length(elements))])


@as_operation
def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
) -> tuple:
    """Carry a state through `f(carry, x) -> (carry, y)` over the first axis of xs; (last carry, stacked ys)."""
    steps = range(length if xs is None else _length(xs))  # type: ignore[arg-type]
    carry, ys = init, []
    for k in reversed(steps) if reverse else steps:
        carry, y = f(carry, None if xs is None else _row(xs, k))
        ys.append(y)
    ys = ys[::-1] if reverse else ys
    return carry, None if all(y is None for y in ys) else _stacked(ys)


@as_operation
def associative_scan(f: Callable[..., Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The running results f(f(e0, e1), e2), ... along an axis, for an f whose brackets may be moved.

    `f` is given parts of the elements with the axis kept; with `reverse` the running begins at the end.
    """
    leaves = [array(leaf) for leaf in tree.leaves(elems)]
    along = axis % leaves[0].ndim
    lead = (slice(None),) * along
    order = range(leaves[0].shape[along])
    rows = [tree.fill(elems, [leaf[(*lead, slice(k, k + 1))] for leaf in leaves]) for k in order]
    rows = rows[::-1] if reverse else rows
    results = rows[:1]
    for row in rows[1:]:
        results.append(f(results[-1], row))
    results = results[::-1] if reverse else results
    parts = zip(*(list(tree.leaves(result)) for result in results), strict=True)
    return tree.fill(elems, [call_numpy("concatenate", list(leaves), along) for leaves in parts])


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a function that says itself how gradients go back.

    `f(*args)` returns (y, grad), where `grad(dy)` (or `grad(upstream=dy)`) returns the gradient of each argument.
    """

    def pair(*args: Any) -> Any:
        y, grad = f(*args)
        several = isinstance(y, list | tuple)

        def pullback(dy: Any) -> Any:
            found = grad(*dy) if several else grad(dy)
            return tuple(found) if isinstance(found, list | tuple) else (found,)

        return (list(y) if several else np.asarray(y)), pullback

    def function(*args: Any) -> Any:
        return autodiff.apply(pair, *map(array, args))

    function.__name__ = getattr(f, "__name__", "custom")
    return as_operation(function)

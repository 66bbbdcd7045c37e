"""Nested lists, tuples and dictionaries of arrays: take the leaves out, and put others in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves in order; a dictionary's in the order of its keys' insertion."""
    if isinstance(tree, dict):
        for branch in tree.values():
            yield from leaves(branch)
    elif isinstance(tree, list | tuple):
        for branch in tree:
            yield from leaves(branch)
    else:
        yield tree


def leaves_by_key(tree: Any) -> Iterator[Any]:
    """The leaves in order; a dictionary's in the order of its sorted keys, as Keras flattens it."""
    if isinstance(tree, dict):
        for key in sorted(tree, key=str):
            yield from leaves_by_key(tree[key])
    elif isinstance(tree, list | tuple):
        for branch in tree:
            yield from leaves_by_key(branch)
    else:
        yield tree


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same nesting with `function(leaf)` at each leaf."""
    if isinstance(tree, dict):
        return {key: map_leaves(function, branch) for key, branch in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(map_leaves(function, branch) for branch in tree))
    if isinstance(tree, list | tuple):
        return type(tree)(map_leaves(function, branch) for branch in tree)
    return function(tree)


def fill(tree: Any, values: Any) -> Any:
    """The same nesting with the leaves replaced, in order, by `values`."""
    supply = iter(values)
    return map_leaves(lambda _: next(supply), tree)


def is_shape(value: Any) -> bool:
    """True for (2, None, 3): a tuple or list of sizes, each an integer or None."""
    return isinstance(value, list | tuple) and all(
        size is None or (hasattr(size, "__index__") and not isinstance(size, bool)) for size in value
    )


def map_shapes(function: Callable[[tuple], Any], tree: Any) -> Any:
    """The same nesting with `function(shape)` in place of each shape."""
    if is_shape(tree):
        return function(tuple(tree))
    if isinstance(tree, dict):
        return {key: map_shapes(function, branch) for key, branch in tree.items()}
    return type(tree)(map_shapes(function, branch) for branch in tree)


def leaves_of_shapes(tree: Any) -> Iterator[tuple]:
    """The shapes in a nesting of shapes, in order."""
    if is_shape(tree):
        yield tuple(tree)
    else:
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves_of_shapes(branch)

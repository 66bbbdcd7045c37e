"""Indices as vectors: one-hot, several-hot or counted; and what all layers that put these out have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import tree

ENCODINGS = ("one_hot", "multi_hot", "count")


def output_mode(value: Any, allowed: tuple[str, ...], layer: str) -> str:
    """The name of an output mode; "binary" and "tf-idf" are old ones.

    Raises:
        ValueError: unless it is one of those allowed.
    """
    value = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(value, value) if isinstance(value, str) else value
    if value not in allowed:
        raise ValueError(
            f"Unknown value for `output_mode` argument of {layer}. Allowed values are: {allowed}. Received: "
            f"output_mode={value!r}"
        )
    return value


def refuse_sparse(sparse: Any, layer: str) -> None:
    """Raise ValueError if sparse output is asked for."""
    if sparse:
        raise ValueError(f"{layer}: outputs are dense arrays; leave out sparse=True.")


def encoded_shape(shape: Any, mode: str, depth: int | None) -> tuple[int | None, ...]:
    """The shape of `encoded` for indices of a shape, batch included."""
    shape = tuple(shape)
    if mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape or (1,)), depth)
    return (*shape[:1], *shape[2:], depth) if len(shape) > 1 else (depth,)


def encoded(indices: np.ndarray, mode: str, depth: int, dtype: Any, weights: Any = None) -> np.ndarray:
    """Indices as vectors of length `depth`.

    Args:
        indices: integers, of any shape; those from `depth` on (and, one-hot, those below 0) count nowhere.
        mode: "one_hot": a vector for each index (a last axis of length 1 is taken away); "multi_hot": ones where
            any of the indices along the second axis (of the only one) is; "count": how often each occurs.
        depth: the length K of the vectors.
        dtype: of the result.
        weights: what each index counts in "count", of the shape of `indices`; default 1.

    Returns:
        (..., K); see `encoded_shape`.
    """
    indices = np.asarray(indices)
    if indices.ndim == 0:
        indices = indices[None]
    if mode == "one_hot":
        flat = indices[..., 0] if indices.ndim > 1 and indices.shape[-1] == 1 else indices
        return (flat[..., None] == np.arange(depth)).astype(dtype)
    rows = np.moveaxis(indices, 1, -1) if indices.ndim > 1 else indices
    counted = (rows >= 0) & (rows < depth)
    result = np.zeros((*rows.shape[:-1], depth), dtype)
    places = (*np.nonzero(counted)[:-1], rows[counted])
    if mode == "multi_hot":
        result[places] = 1
    else:
        amount = 1
        if weights is not None:
            weights = np.asarray(weights, dtype)
            amount = (np.moveaxis(weights, 1, -1) if indices.ndim > 1 else weights)[counted]
        np.add.at(result, places, amount)
    return result


def without_gradient(x: Any) -> Any:
    """The pullback of a function that is constant between its steps: no gradient for integers and text, else zeros."""

    def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
        has_gradient = wants_dx and x.dtype.kind == "f"
        return (np.zeros_like(x) if has_gradient else None,), {}

    return pullback


def shape_of_first(input_shape: Any) -> tuple:
    """The first shape in a shape or a nesting of shapes."""
    return tuple(next(iter(tree.leaves_of_shapes(input_shape))))

"""What attention layers share: products of stacked matrices, softmax under a mask, and values weighed by it.

Letters: T queries, S keys and values, D their features; "..." stands for the batch and, where there are any, the heads.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gatewise import kernels, validation


def stacked_matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., M, K) by (..., K, L) -> (..., M, L): one `kernels.matmul` a matrix, so threads change no result."""
    lead = a.shape[:-2]
    y = np.empty((*lead, a.shape[-2], b.shape[-1]), a.dtype)
    for place in np.ndindex(lead):
        kernels.matmul(a[place], b[place], y[place])
    return y


def transposed(a: np.ndarray) -> np.ndarray:
    """The last two axes swapped."""
    return a.swapaxes(-1, -2)


def masked_softmax(scores: np.ndarray, mask: Any) -> np.ndarray:
    """Softmax over the last axis, of what `mask` (of a shape that fits, or None) permits.

    A row in which nothing is permitted, or that is empty, is all zeros: such a query attends to nothing.
    """
    if mask is not None:
        scores = np.where(mask, scores, scores.dtype.type(-np.inf))
    highest = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    grown = np.exp(scores - np.where(highest == -np.inf, scores.dtype.type(0), highest))
    total = np.add.reduce(grown, axis=-1, keepdims=True)
    return grown / np.where(total == 0, scores.dtype.type(1), total)


class Weighed(NamedTuple):
    """What `weighed` returns.

    values: (..., T, D): for each query the mean of the values by its weights.
    weights: (..., T, S): the softmax of the scores.   kept: the same after dropout.
    back: from the gradients of these three (None where nothing flows back) to (d_scores, d_value).
    """

    values: np.ndarray
    weights: np.ndarray
    kept: np.ndarray
    back: Callable[..., tuple[np.ndarray, np.ndarray | None]]


def weighed(scores: np.ndarray, value: np.ndarray, mask: Any, multiplier: Any) -> Weighed:
    """The values by the softmax of the scores.

    w = softmax(scores);   k = w multiplier;   y = k value
    dk = dy value^T;   dvalue = k^T dy;   dw = dk multiplier;   dscores = w (dw - sum(dw w))

    Args:
        scores: (..., T, S).   value: (..., S, D).   mask: True where a query may attend to a key, or None.
        multiplier: what dropout multiplies the weights by, or None.
    """
    weights = masked_softmax(scores, mask)
    kept = weights if multiplier is None else weights * multiplier

    def back(d_values: Any, d_weights: Any = None, d_kept: Any = None) -> tuple[np.ndarray, np.ndarray | None]:
        d_value = None
        if d_values is not None:
            through = stacked_matmul(d_values, transposed(value))
            d_kept = through if d_kept is None else d_kept + through
            d_value = stacked_matmul(transposed(kept), d_values)
        dw = d_weights
        if d_kept is not None:
            dropped = d_kept if multiplier is None else d_kept * multiplier
            dw = dropped if dw is None else dw + dropped
        return weights * (dw - np.add.reduce(dw * weights, axis=-1, keepdims=True)), d_value

    return Weighed(stacked_matmul(kept, value), weights, kept, back)


def only(x: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """x, (..., D), with zeros where `counts`, (...), is False: what is not used cannot reach a result, NaN neither."""
    return x if counts.all() else np.where(counts[..., None], x, x.dtype.type(0))


def causal_mask(queries: int, keys: int) -> np.ndarray:
    """(T, S): a query may attend to the keys up to its own place."""
    return np.arange(queries)[:, None] >= np.arange(keys)


def as_mask(mask: Any) -> Any:
    """A mask as booleans; None stays None."""
    if mask is None:
        return None
    array = np.asarray(mask)
    return array if array.dtype == bool else array != 0


def check_mask(mask: Any, shape: tuple[int, ...], axes: tuple[str, ...], what: str, layer: str) -> None:
    """Raise ValueError unless a mask (or None) has this shape."""
    if mask is not None and mask.shape != shape:
        raise ValueError(
            f"Layer {layer} was given a mask that does not fit its {what}.\n    expected: "
            f"{validation.drawn(shape, axes)}, True where it counts\n    given:    {validation.drawn(mask.shape)}"
        )


_signature = functools.cache(inspect.signature)


def bound_call(call: Callable[..., Any], args: tuple, kwargs: dict[str, Any], layer: str) -> dict[str, Any]:
    """The arguments of a layer's call by the names that its `call` gives them; those that are None left out.

    Raises:
        TypeError: for arguments that there are not, or that are missing.
    """
    signature = _signature(call)
    try:
        bound = signature.bind(None, *args, **kwargs)
    except TypeError as error:
        names = ", ".join(str(p).partition(":")[0] for p in list(signature.parameters.values())[1:])
        raise TypeError(f"Layer {layer} is called with ({names}): {error}.") from None
    _, *given = bound.arguments.items()
    return {name: value for name, value in given if value is not None}

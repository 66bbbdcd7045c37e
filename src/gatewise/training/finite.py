"""NaN and infinity in data: warned about where they count."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import masks
from gatewise.ragged import Ragged

Counted = Callable[[int, np.ndarray], Any]
"""(place among the arrays, one of them): the mask of the steps of it that count, or None for all."""


def warn_about(model: Any, batch: Any, names: tuple[str, str] = ("x", "y"), also_weights: bool = True) -> bool:
    """Warn about NaN and infinity in a batch or a whole dataset, each kind once.

    Steps that the model masks may hold anything: Masking(nan) is there for data with gaps.

    Args:
        names: what x and y are called.
        also_weights: whether to look at the sample weights too.

    Returns:
        whether there was any.
    """

    def of_target(k: int, y: np.ndarray) -> Any:
        return mask_of_target(model, batch, k, y)

    found = [
        warn_if_not_finite(batch.x, names[0], lambda k, x: own_mask(model, k, x)),
        warn_if_not_finite(batch.y or [], names[1], of_target),
        also_weights and warn_if_not_finite(batch.weights or [], "sample_weight"),
    ]
    return any(found)


def warn_if_not_finite(arrays: Sequence[Any], what: str, counted: Counted | None = None) -> bool:
    """Warn about NaN and infinity in data, saying where the first one is; returns whether there was any.

    Args:
        arrays: flat list of arrays, None among them where there is none; what lies in a file is not looked at.
        what: what they are called.
        counted: where only some steps count.
    """
    for k, array in enumerate(arrays):
        if array is None or array.dtype.kind != "f" or not isinstance(array, np.ndarray | Ragged):
            continue
        places, first = bad_places(array, k, counted)
        if places:
            label = what if len(arrays) == 1 else f"{what}[{k}]"
            found = "a value that is" if len(places) == 1 else f"{len(places)} values that are"
            warnings.warn(
                f"{label} contains {found} NaN or infinite, the first, {first}, at {list(places[0])}"
                f"{_axes_of(array)}. It spreads through the network into the loss and the weights; remove or replace "
                "such values, or mask those steps.",
                stacklevel=levels_to_user(),
            )
            return True
    return False


def bad_places(array: Any, k: int, counted: Counted | None) -> tuple[list[tuple[int, ...]], Any]:
    """Where the k-th array, which may be `Ragged`, is not finite in steps that count; and the first such value."""
    if isinstance(array, Ragged):
        found = [(n, *place) for n, row in enumerate(array.sequences) for place in _places(row[None], k, counted)]
        places = [(n, *rest) for n, _, *rest in found]
        return places, array.sequences[places[0][0]][places[0][1:]] if places else None
    places = _places(array, k, counted)
    return places, array[places[0]] if places else None


def _places(array: np.ndarray, k: int, counted: Counted | None) -> list[tuple[int, ...]]:
    """Where the k-th array is not finite in steps that count."""
    # A finite sum proves that every element is finite, in one pass without a temporary array.
    with np.errstate(all="ignore"):
        if math.isfinite(array.sum(dtype=np.float64)):
            return []
    bad = ~np.isfinite(array)
    mask = None if counted is None or not bad.any() else counted(k, array)
    if mask is not None:
        bad &= mask.reshape(*mask.shape, *[1] * (array.ndim - mask.ndim))
    return [tuple(place) for place in np.argwhere(bad).tolist()]


def own_mask(model: Any, k: int, x: np.ndarray) -> Any:
    """Which steps of the model's k-th input count, where all that it goes into are layers that make masks."""
    given = (getattr(model, "inputs", None) or [None] * (k + 1))[k]
    users = [] if given is None else model.readers_of(given)
    if not users or not all(layer.may_create_mask and not (layer.is_model or layer._uses_call) for layer in users):
        return None
    return np.logical_or.reduce([layer.compute_mask(x, None) for layer in users])


def mask_of_target(model: Any, batch: Any, k: int, y: np.ndarray) -> Any:
    """Which steps of the k-th target count, where an input's mask comes out with the k-th output."""
    for j, x in enumerate(batch.x):
        mask = None if isinstance(x, Ragged) or y.ndim < 2 else own_mask(model, j, x)
        if mask is not None and mask.shape == y.shape[: mask.ndim]:
            outputs = model.compute([one[:1] for one in batch.x], None, False, batch.structure)
            out = masks.mask_of((outputs if isinstance(outputs, list) else [outputs])[k])
            return mask if out is not None and out.shape == (1, *mask.shape[1:]) else None
    return None


def _axes_of(array: Any) -> str:
    names = {1: " (sample)", 2: " (sample, feature)", 3: " (sample, time step, feature)"}
    return names.get(array.ndim, "")


def levels_to_user() -> int:
    """The `stacklevel` with which the caller's warning points to the user's line: the first outside the package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "gatewise":
        frame, level = frame.f_back, level + 1
    return level

"""Operations of gatewise.ops one time step at a time: those that leave the time axis alone, and h[:, -1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.arguments import is_array
from gatewise.stepper import AsItIs, CannotStep, LayerUse, Stepper, check_time_axes

_ELEMENTWISE = frozenset({
    "cast", "where", "clip", "zeros_like", "ones_like", "full_like", "nan_to_num", "one_hot", "round", "erf", "relu",
    "sigmoid", "tanh", "softplus", "silu", "gelu", "elu", "selu", "leaky_relu", "hard_sigmoid", "log_sigmoid", "rsqrt",
})  # fmt: skip
"""Operations on each number by itself, besides NumPy's own universal functions."""

_ALONG_AN_AXIS = {
    "softmax": -1, "log_softmax": -1, "concatenate": 0, "sum": None, "mean": None, "max": None, "min": None,
    "amax": None, "amin": None, "prod": None, "var": None, "std": None, "all": None, "any": None, "argmax": None,
    "argmin": None, "logsumexp": None, "norm": None, "flip": None, "sort": -1, "argsort": -1, "cumsum": None,
    "normalize": -1,
}  # fmt: skip
"""Operations along one axis, and the axis if none is given: steps do not meet unless it is time's or the batch's."""

_PRODUCTS = ("matmul", "vecdot", "dot", "einsum", "tensordot", "inner", "outer")

_AXIS_PLACE = {"norm": 2, "clip": 3}
"""Where the axis stands among positional arguments, if not second."""


class _LastStep(AsItIs):
    """h[:, -1]: what is left has no time axis."""

    def timed_outputs(self, count: int) -> list[bool]:
        return [False] * count


def operation_stepper(operation: Any, use: LayerUse) -> Stepper:
    """How an operation runs on values of which at least one has the stream's time.

    Raises:
        CannotStep: if steps would meet in it.
    """
    name = operation.function.__name__
    args, kwargs = use.structure.fill([None] * len(use.shapes)) if use.structure is not None else ((None,), {})
    if name == "get_item":
        return _item_stepper(operation, use, args[1] if len(args) > 1 else kwargs["index"])
    if name in _ELEMENTWISE or isinstance(getattr(np, name, None), np.ufunc) and name not in _PRODUCTS:
        check_time_axes(use)
        return AsItIs(operation, use)
    if name in _ALONG_AN_AXIS:
        place = _AXIS_PLACE.get(name, 1)
        axis = kwargs.get("axis", args[place] if len(args) > place else _ALONG_AN_AXIS[name])
        rank = max(len(shape) for shape, timed in zip(use.shapes, use.timed, strict=True) if timed)
        axes = axis if isinstance(axis, Sequence) else [axis]
        if all(a is not None and a % rank > 1 for a in axes) and all(use.timed):
            return AsItIs(operation, use)
        raise CannotStep(f"it works along axis {axis}, where the steps of the sequence meet")
    if name in _PRODUCTS:
        raise CannotStep("a product of arrays may be summed in another order for one step than for many; use Dense")
    raise CannotStep(operation.not_causal)


def _item_stepper(operation: Any, use: LayerUse, index: Any) -> Stepper:
    parts = list(index) if isinstance(index, tuple) else [index]
    if any(is_array(part) for part in parts):
        raise CannotStep("its index is an array")
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        named = sum(part is not None and part is not Ellipsis for part in parts)
        parts[place : place + 1] = [slice(None)] * (len(use.shapes[0]) - named)
    if None in parts[:2]:
        raise CannotStep("it puts a new axis before the time steps")
    batch, time = [*parts, slice(None), slice(None)][:2]
    if batch != slice(None):
        raise CannotStep("it takes rows out of the batch")
    if time == slice(None):
        return AsItIs(operation, use)
    if time == -1 or time == slice(-1, None):
        return _LastStep(operation, use)
    raise CannotStep(f"it takes the time steps [{time}]; a stream has only the last, [:, -1]")

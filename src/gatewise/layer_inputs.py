"""What a layer takes: arrays in its own type, sequences of different lengths padded, and nothing that is no number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, masks, ragged
from gatewise.arguments import describe


class TakesInputs:
    """The part of `Layer` that turns what it is given into arrays it computes with."""

    name: str
    autocast: bool
    _dtype: str
    _array_type: np.dtype
    _uses_call: bool

    input_type: Any = None  # the type of the Input made for it where it comes first; None: its float type
    takes_text = False  # strings may come in
    input_rank: int | None = None  # the number of axes of the input, batch included, where it is always the same
    takes_floats = True  # a built-in layer's integer inputs become floats; an Embedding's do not
    takes_list = False  # `layer([a, b])`: the mask is a list too

    def _in_own_type(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Floats, and integers where the layer takes none, in its float type; the same object if they are already."""
        own = self._array_type
        for x in inputs:
            if x.dtype is not own and x.dtype != own:
                break
        else:
            return inputs
        kinds = ("f" if self.autocast else "") + ("iub" if self.takes_floats else "")
        if not any(x.dtype != own and x.dtype.kind in kinds for x in inputs):
            return inputs
        return [x.astype(own) if x.dtype.kind in kinds else x for x in inputs]

    def _as_input(self, value: Any) -> Any:
        """A given value as an array of the layer's float type; integers stay integers for users' layers."""
        if autodiff.is_traced(value):
            return value
        array = np.asarray(value)
        if array.dtype is self._array_type:
            return array
        if array.dtype.kind == "f" and self.autocast and array.dtype != self._array_type:
            return array.astype(self._dtype)
        if array.dtype.kind not in "fiub":
            if self._uses_call and self.takes_text and array.dtype.kind in "OUST":
                return array
            raise TypeError(
                f"Layer '{self.name}' computes with numbers; it was given {describe(value)}. "
                "Turn text into numbers first (TextVectorization, StringLookup)."
            )
        if array.dtype.kind in "iub" and not self._uses_call and self.takes_floats:
            return array.astype(self._dtype)
        return array

    def _as_inputs(self, leaves: Sequence[Any], mask: Any) -> tuple[list, Any]:
        """The call's arrays in the layer's type, ragged ones padded, their masks attached; and the call's mask."""
        found = []
        for leaf in leaves:
            if not isinstance(leaf, ragged.Ragged):
                found.append(self._as_input(leaf))
                known = masks.mask_of(leaf) if found[-1] is not leaf else None
                if known is not None:
                    masks.attach(found[-1], known)
                continue
            values, own = leaf.padded()
            if self.input_rank == values.ndim + 1:
                values = values[..., None]
            values = self._as_input(values)
            if mask is None:
                masks.attach(values, own)
            elif np.shape(mask) == own.shape:
                mask = np.logical_and(mask, own)
            found.append(values)
        return found, mask

    def check_ragged(self, given: Sequence[Any]) -> None:
        """Raise ValueError for samples of different lengths where a length is no number of steps."""
        reads_steps = self.input_rank == 3 or not self.takes_floats or self._uses_call
        for leaf in given:
            if isinstance(leaf, ragged.Ragged) and leaf.ndim == 2 and not reads_steps:
                ragged.refuse_features(leaf, f"Layer '{self.name}' ({type(self).__name__})")


def cast_back(pullback: Any, inputs: Sequence[Any]) -> Any:
    """The pullback with the gradients of the inputs in the inputs' types; integers have none."""

    def cast(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
        d_inputs, gradients = pullback(dy, wants_dx)
        pairs = zip(d_inputs, inputs, strict=False)
        return tuple(None if d is None or x.dtype.kind != "f" else d.astype(x.dtype) for d, x in pairs), gradients

    return cast

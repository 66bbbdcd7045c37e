"""Layers without weights that recurrent networks begin and end with: Activation and Masking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import activations, autodiff, serialization, validation
from gatewise.layer import Layer
from gatewise.layers import pinned


class Activation(Layer):
    """Applies an activation, given by name or as a function, to its input."""

    stepwise = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.supports_masking = True
        self.built = True

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        y, back = activations.forward_of(self.activation)(inputs[0])
        return y, lambda dy, wants_dx=True: ((back(dy) if wants_dx else None,), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)


class Masking(Layer):
    """Marks the time steps at which all features equal `mask_value` as not counting, and sets them to zero.

    Args:
        mask_value: a number (NaN too: steps without any number), or an array of one number for each feature.
        **kwargs: of `Layer`.

    Input and output (N, T, F), or with further axes before F; the mask (N, T, ...) goes on to the layers that follow.
    """

    stepwise = True

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        value = serialization.deserialize_object(mask_value)
        if np.asarray(value).dtype.kind not in "fiub":
            raise ValueError(f"{type(self).__name__}: mask_value is a number; got {mask_value!r}.")
        self.mask_value = value
        self.supports_masking = True
        self.built = True

    @property
    def may_create_mask(self) -> bool:
        return True

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        if len(shapes[0]) < 2:
            raise ValueError(
                f"Layer '{self.name}' (Masking) looks at the features of each step; its input has none.\n"
                f"    expected: (batch, time steps, features)\n    given:    {validation.drawn(shapes[0])}\n"
                "Write x[:, :, None] for sequences of single numbers."
            )
        if not validation.spreads_over(np.shape(self.mask_value), shapes[0]):
            raise ValueError(
                f"Layer '{self.name}' (Masking) cannot compare its input with mask_value, of shape "
                f"{np.shape(self.mask_value)}.\n    given: {validation.drawn(shapes[0])}\n"
                "Write one number, or an array of one for each feature."
            )

    def _counts(self, x: np.ndarray) -> Any:
        value = np.asarray(self.mask_value, x.dtype)
        differs = x != value
        if np.isnan(value).any():
            differs &= ~(np.isnan(x) & np.isnan(value))
        return pinned.pinned_mask(differs.any(axis=-1))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return self._counts(np.asarray(autodiff.plain(inputs), self._array_type))

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        counts = self._counts(x)[..., None]
        zero = x.dtype.type(0)
        y = np.where(counts, x, zero)
        return y, lambda dy, wants_dx=True: ((np.where(counts, dy, zero) if wants_dx else None,), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

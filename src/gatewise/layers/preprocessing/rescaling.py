"""Rescaling: y = scale x + offset."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import serialization, validation
from gatewise.layer import Layer
from gatewise.stepper import LayerUse, Stepper, check_time_axes


class Rescaling(Layer):
    """Multiplies by `scale` and adds `offset`; input and output (...).

    Args:
        scale, offset: numbers, or arrays that broadcast to the input.
    """

    stepwise = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, value in (("scale", scale), ("offset", offset)):
            if np.asarray(value).dtype.kind not in "iuf":
                raise ValueError(f"Rescaling: {name} must be a number or an array of numbers; got {value!r}.")
        self.scale = scale
        self.offset = offset
        self.supports_masking = True
        self.built = True

    def stepper(self, use: LayerUse) -> Stepper:
        if use.is_timed:
            arrays = [np.shape(self.scale), np.shape(self.offset)]
            check_time_axes(LayerUse([*use.shapes, *arrays], [*use.timed, False, False]))
        return super().stepper(use)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        scale, offset = np.asarray(self.scale, self.dtype), np.asarray(self.offset, self.dtype)
        if not (validation.spreads_over(scale.shape, x.shape) and validation.spreads_over(offset.shape, x.shape)):
            raise ValueError(
                f"Layer '{self.name}' (Rescaling): scale and offset, of the shapes {scale.shape} and {offset.shape}, "
                f"do not fit an input of shape {x.shape}; give numbers, or one for each feature."
            )
        return x * scale + offset, lambda dy, wants_dx=True: ((dy * scale if wants_dx else None,), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        arrays = {
            name: serialization.deserialize_object(config[name]) for name in ("scale", "offset") if name in config
        }
        return cls(**{**config, **arrays})

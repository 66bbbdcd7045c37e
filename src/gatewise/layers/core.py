"""Layers without weights that stand around recurrent ones: Activation, Dropout, Masking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import activations, random, validation
from gatewise.layer import Layer


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


class Dropout(Layer):
    """In training, sets a fraction of its input to zero and scales the rest up by 1 / (1 - rate).

    Args:
        rate: the fraction, from 0 to 1.
        noise_shape: shape of the random choice, None or 1 where an axis shares it; default each number its own.
        seed: of the choice.

    Source: Srivastava et al. 2014.
    """

    stepwise = True

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = validation.fraction(rate, "rate", type(self).__name__)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self.seed = seed
        self.supports_masking = True
        self.built = True
        self._seeds = random.SeedGenerator(seed) if self.rate > 0 else None

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        if not training or self._seeds is None:
            return x, lambda dy, wants_dx=True: ((dy,), {})
        shape = x.shape
        if self.noise_shape is not None:
            shape = tuple(size if n is None else n for n, size in zip(self.noise_shape, x.shape, strict=True))
        multiplier = random.dropout_multiplier(self._seeds, shape, self.rate, x.dtype.name)
        return x * multiplier, lambda dy, wants_dx=True: ((dy * multiplier,), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)


class Masking(Layer):
    """Marks the time steps at which all features equal `mask_value` as not counting, and sets them to zero.

    Input and output (N, T, F); the mask (N, T) goes on to the layers that follow.
    """

    stepwise = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True
        self.built = True

    @property
    def may_create_mask(self) -> bool:
        return True

    def _counts(self, x: np.ndarray) -> Any:
        differs = ~np.isnan(x) if np.isnan(self.mask_value) else x != x.dtype.type(self.mask_value)
        return differs.any(axis=-1)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return self._counts(np.asarray(inputs))

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        counts = self._counts(x)[..., None]
        zero = x.dtype.type(0)
        return np.where(counts, x, zero), lambda dy, wants_dx=True: ((np.where(counts, dy, zero),), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

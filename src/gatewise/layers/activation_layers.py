"""Activations that are layers: ReLU, LeakyReLU, ELU and Softmax, and PReLU, which has weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import activations, constraints, initializers, regularizers, validation
from gatewise.layer import Layer


class _Elementwise(Layer):
    """An activation of each number alone; subclasses define `_activated(x) -> (y, pullback)`."""

    stepwise = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.built = True

    def _activated(self, x: np.ndarray) -> activations.Pair:
        return activations.linear.forward(x)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        y, back = self._activated(inputs[0])
        return y, lambda dy, wants_dx=True: ((back(dy) if wants_dx else None,), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)


class ReLU(_Elementwise):
    """y = x where x > threshold (at most max_value), negative_slope (x - threshold) elsewhere.

    Args:
        max_value: None for no limit.
        negative_slope, threshold: numbers of at least 0.
        **kwargs: of `Layer`.
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        cls = type(self).__name__
        self.max_value = None if max_value is None else _at_least_zero(max_value, "max_value", cls)
        self.negative_slope = _at_least_zero(negative_slope, "negative_slope", cls)
        self.threshold = _at_least_zero(threshold, "threshold", cls)

    def _activated(self, x: np.ndarray) -> activations.Pair:
        return activations.relu.forward(
            x, negative_slope=self.negative_slope, max_value=self.max_value, threshold=self.threshold
        )


class LeakyReLU(_Elementwise):
    """y = x where x > 0, negative_slope x elsewhere.

    Args:
        negative_slope: a number of at least 0.  Keras 1 and 2 called it `alpha`.
        **kwargs: of `Layer`.

    Source: Maas et al. 2013.
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        self.negative_slope = _at_least_zero(negative_slope, "negative_slope", type(self).__name__)

    def _activated(self, x: np.ndarray) -> activations.Pair:
        return activations.leaky_relu.forward(x, negative_slope=self.negative_slope)


class ELU(_Elementwise):
    """y = x where x > 0, alpha (exp(x) - 1) elsewhere.

    Args:
        alpha: a number.
        **kwargs: of `Layer`.

    Source: Clevert et al. 2016.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = _number(alpha, "alpha", type(self).__name__)

    def _activated(self, x: np.ndarray) -> activations.Pair:
        return activations.elu.forward(x, alpha=self.alpha)


class PReLU(Layer):
    """y = x where x > 0, alpha x elsewhere, with a trained alpha for each number of a sample.

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: of the weight.
        shared_axes: axes along which one alpha serves all, counted from 1 (0 is the batch): [1] shares it over time.
        **kwargs: of `Layer`.

    Weights: alpha, of the shape of a sample, with 1 for shared axes.  Source: He et al. 2015.
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = None if shared_axes is None else _axes(shared_axes, "shared_axes", type(self).__name__)
        self.supports_masking = True

    @property
    def stepwise(self) -> bool:
        """Whether all time steps have the same alpha."""
        return 1 in (self.shared_axes or ())

    def build(self, input_shape: Any) -> None:
        shared = self.shared_axes or ()
        self.alpha = self.add_weight(
            [1 if axis in shared else size for axis, size in enumerate(input_shape) if axis > 0],
            self.alpha_initializer,
            name="alpha",
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        shape, shared = tuple(shapes[0]), self.shared_axes or ()
        if any(not 1 <= axis < len(shape) for axis in shared):
            raise ValueError(
                f"Layer '{self.name}' (PReLU): shared_axes={self.shared_axes} does not fit an input of shape "
                f"{validation.drawn(shape)}; axes are counted from 1, 0 being the batch."
            )
        if self.built:
            expected = (None, *self.alpha.shape)
            validation.check_ndim(shape, len(expected), self.name, "PReLU", f"alpha has shape {self.alpha.shape}.")
            sizes = [(axis, shape[axis], expected[axis]) for axis in range(1, len(shape)) if axis not in shared]
            fits = all(given in (None, wanted) for _, given, wanted in sizes)
        else:
            expected = tuple(None if axis in (0, *shared) else "a number" for axis in range(len(shape)))
            fits = all(shape[axis] is not None for axis in range(1, len(shape)) if axis not in shared)
        if not fits:
            raise ValueError(
                f"Layer '{self.name}' (PReLU) has an alpha for each number of a sample, so the shape must be known and "
                f"stay the same.\n    expected: {validation.drawn(expected)}\n    given:    {validation.drawn(shape)}\n"
                "Write shared_axes=[1] to share alpha over any number of time steps."
            )

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if not self.built:
            self.check_inputs(shapes)
        super().ensure_built(shapes, structure)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        alpha = self.alpha.array
        below = np.minimum(x, 0)
        y = np.maximum(x, 0) + alpha * below

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            gradients = {}
            if self._trainable and self.alpha.trainable:
                total = np.add.reduce(dy * below, axis=(0, *(self.shared_axes or ())), keepdims=True)
                gradients[self.alpha] = total.reshape(alpha.shape)
            if not wants_dx:
                return (None,), gradients
            # At 0 the slope is 0 on both sides, as in Keras.
            return (dy * ((x > 0).astype(x.dtype) + alpha * (x < 0)),), gradients

        return y, pullback

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)


class Softmax(Layer):
    """y = exp(x) / sum(exp(x)) along `axis`; what is masked is left out of the sum, and 0.

    Args:
        axis: one axis, or several in a list.
        **kwargs: of `Layer`.

    `mask` at a call: True where a number counts; it has at most the axes of the input, each of its size or 1.  The mask
    of the time steps that comes with an input (N, T, F) counts for all features of a step.

    Raises:
        ValueError: for a mask that does not fit.
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        several = isinstance(axis, list | tuple)
        if not all(hasattr(k, "__index__") and not isinstance(k, bool) for k in (axis if several else (axis,))):
            raise ValueError(f"{type(self).__name__}: axis is an integer, or a list of integers; got {axis!r}.")
        self.axis = axis
        self.supports_masking = True
        self.built = True

    @property
    def stepwise(self) -> bool:
        """Whether the sum runs over the last axis alone."""
        return self.axis in (-1, [-1], (-1,))

    def select_masks(self, leaf_masks: Sequence[Any], structure: Any) -> Any:
        mask = super().select_masks(leaf_masks, structure)
        # The mask of an input has its leading axes; one that is given at the call is matched from the last axis.
        return mask if mask is None else mask[..., None]

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        if previous_mask is None or previous_mask.shape != (*np.shape(inputs)[:-1], 1):
            return previous_mask
        return previous_mask[..., 0]

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        rank = len(shapes[0])
        axes: Any = self.axis if isinstance(self.axis, list | tuple) else (self.axis,)
        if any(not -rank <= axis < rank for axis in axes):
            raise ValueError(
                f"Layer '{self.name}' (Softmax) has axis={self.axis}; its input of shape {validation.drawn(shapes[0])} "
                f"has the axes 0 to {rank - 1}."
            )

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        axis: Any = tuple(self.axis) if isinstance(self.axis, list | tuple) else self.axis
        if mask is None:
            y, back = activations.softmax.forward(x, axis=axis)
            return y, lambda dy, wants_dx=True: ((back(dy) if wants_dx else None,), {})
        counts = np.broadcast_to(self._fitting(np.asarray(mask), x.shape), x.shape)
        zero = x.dtype.type(0)
        y, back = activations.softmax.forward(np.where(counts, x, x.dtype.type(-1e9)), axis=axis)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            return (np.where(counts, back(np.where(counts, dy, zero)), zero) if wants_dx else None,), {}

        return np.where(counts, y, zero), pullback

    def _fitting(self, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The mask, of booleans (numbers count above 0.5).

        Raises:
            ValueError: if it cannot be spread over an input of `shape`.
        """
        if not validation.spreads_over(mask.shape, shape):
            hint = (
                " Write mask[..., None] if it has a number for each step." if mask.shape == shape[: mask.ndim] else ""
            )
            raise ValueError(
                f"Layer '{self.name}' (Softmax): The `mask` must be broadcastable to `inputs`: each of its axes, "
                f"counted from the last, of the input's size or 1.\n    expected: {validation.drawn(shape)}\n"
                f"    given:    {validation.drawn(mask.shape)}\n{hint}".rstrip()
            )
        return mask if mask.dtype == bool else mask > 0.5

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)


def _number(value: Any, argument: str, layer: str) -> float:
    """`value` as a float.

    Raises:
        ValueError: unless it is a finite number.
    """
    given = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not math.isfinite(given):
        raise ValueError(f"{layer}: {argument} must be a number. Received: {argument}={value!r}")
    return float(given)


def _at_least_zero(value: Any, argument: str, layer: str) -> float:
    """`value` as a float.

    Raises:
        ValueError: unless it is a number of at least 0.
    """
    number = _number(value, argument, layer)
    if number < 0:
        raise ValueError(
            f"{layer}: {argument} cannot be a negative value; expected a number of at least 0. Received: "
            f"{argument}={value!r}"
        )
    return number


def _axes(value: Any, argument: str, layer: str) -> list[int]:
    """One axis, or several, as a list.

    Raises:
        ValueError: unless they are integers.
    """
    given = list(value) if isinstance(value, list | tuple | np.ndarray) else [value]
    if not all(hasattr(axis, "__index__") and not isinstance(axis, bool) for axis in given):
        raise ValueError(f"{layer}: {argument} is an axis, or a list of axes; got {value!r}.")
    return [int(axis) for axis in given]

"""What normalization layers share: statistics with their pullbacks, checked axes, weights that scale and shift."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import constraints, initializers, regularizers, validation
from gatewise.autodiff import summed_to
from gatewise.layer import Layer
from gatewise.stepper import CannotStep, LayerUse, Stepper
from gatewise.variable import Variable


def finite_where_masked(x: np.ndarray, mask: Any) -> np.ndarray:
    """x, (N, T, ...), with what is not finite set to zero where the mask, (N, T), is False.

    Padding then never reaches a gradient: zero times NaN would be NaN.
    """
    if mask is None or np.isfinite(x).all():
        return x
    counts = (mask != 0).reshape(*mask.shape, *[1] * (x.ndim - mask.ndim))
    return np.where(counts | np.isfinite(x), x, x.dtype.type(0))


def mean_over(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The mean over some axes, summed in float64, in the type of x; the axes stay, of size 1."""
    return x.mean(axis=axes, keepdims=True, dtype=np.float64).astype(x.dtype, copy=False)


def standardized(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> tuple[np.ndarray, Callable]:
    """x_hat = (x - mean) / sqrt(variance + epsilon), the statistics taken over `axes`.

    Returns:
        (x_hat, back).  back(d): dx = (d - mean(d) - x_hat mean(d x_hat)) / sqrt(variance + epsilon).
    """
    centred = x - mean_over(x, axes)
    scale = 1 / np.sqrt(mean_over(centred * centred, axes) + x.dtype.type(epsilon))
    x_hat = centred * scale

    def back(d: np.ndarray) -> np.ndarray:
        return scale * (d - mean_over(d, axes) - x_hat * mean_over(d * x_hat, axes))

    return x_hat, back


def scaled_by_rms(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> tuple[np.ndarray, Callable]:
    """x_hat = x / sqrt(mean(x^2) + epsilon); back(d): dx = (d - x_hat mean(d x_hat)) / sqrt(mean(x^2) + epsilon)."""
    scale = 1 / np.sqrt(mean_over(x * x, axes) + x.dtype.type(epsilon))
    x_hat = x * scale
    return x_hat, lambda d: scale * (d - x_hat * mean_over(d * x_hat, axes))


def scaled_by_variance(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> tuple[np.ndarray, Callable]:
    """x_hat = x / sqrt(variance + epsilon): Keras's `rms_scaling`, which forgets to take the mean away."""
    centred = x - mean_over(x, axes)
    scale = 1 / np.sqrt(mean_over(centred * centred, axes) + x.dtype.type(epsilon))

    def back(d: np.ndarray) -> np.ndarray:
        return scale * (d - scale * scale * centred * mean_over(d * x, axes))

    return x * scale, back


class Normalizing(Layer):
    """Base of the normalization layers: axes that are checked, and weights that scale and shift x_hat.

    y = gamma x_hat + beta;   d_gamma = sum(dy x_hat);   d_beta = sum(dy);   dx_hat = gamma dy
    """

    axis: Any
    gamma: Variable | None = None
    beta: Variable | None = None

    stepwise = True

    def stepper(self, use: LayerUse) -> Stepper:
        refuse_axes_of_time(self.axis, use)
        return super().stepper(use)

    def compute_output_shape(self, input_shape: Any) -> Any:
        self.check_inputs([input_shape])
        return tuple(input_shape)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        shape, cls = tuple(shapes[0]), type(self).__name__
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        for axis in axes:
            if not -len(shape) <= axis < len(shape):
                raise ValueError(
                    f"Layer '{self.name}' ({cls}): axis {axis} is out of bounds for an input of {len(shape)} axes.\n"
                    f"    given:    {validation.drawn(shape)}\nThe axes are numbered from 0 (the batch) to "
                    f"{len(shape) - 1}, or from -{len(shape)} to -1."
                )
        if len({axis % len(shape) for axis in axes}) < len(axes):
            raise ValueError(
                f"Layer '{self.name}' ({cls}): axis={axes} names an axis twice for an input of {len(shape)} axes.\n"
                f"    given:    {validation.drawn(shape)}\nName each axis once."
            )
        if self.built:
            self._check_as_built(shape)
        elif any(size is None for size in self._weight_shape(shape)):
            raise ValueError(
                f"Layer '{self.name}' ({cls}) has a weight for each place along axis {self.axis}, whose length is not "
                f"known.\n    given:    {validation.drawn(shape)}\nGive that axis a fixed length in Input(...), or "
                "normalize over another axis."
            )

    def _check_as_built(self, shape: tuple) -> None:
        weight = self.gamma if self.gamma is not None else self.beta
        given = self._weight_shape(shape)
        if weight is None or all(size in (None, own) for size, own in zip(given, weight.shape, strict=True)):
            return
        raise ValueError(
            f"Layer '{self.name}' ({type(self).__name__}) was built for a length of "
            f"{validation.drawn(weight.shape)} along axis {self.axis} and was given {validation.drawn(given)}.\n"
            f"    given:    {validation.drawn(shape)}\nGive the same lengths as before, or make a new layer."
        )

    def _weight_shape(self, shape: tuple) -> tuple:
        """The shape of the weights for inputs of this shape."""
        return tuple(shape[axis] for axis in (self.axis if isinstance(self.axis, list) else [self.axis]))

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if not self.built:
            self.check_inputs(shapes)
        super().ensure_built(shapes, structure)

    def _keep_weight_arguments(self, given: dict[str, Any]) -> None:
        """Keep the arguments that say how gamma and beta begin and are held."""
        for weight in ("beta", "gamma"):
            for what, home in (
                ("initializer", initializers),
                ("regularizer", regularizers),
                ("constraint", constraints),
            ):
                name = f"{weight}_{what}"
                setattr(self, name, home.get(given[name]))

    def _make(self, weight: str, shape: tuple) -> Variable:
        return self.add_weight(
            shape, getattr(self, f"{weight}_initializer"), name=weight,
            regularizer=getattr(self, f"{weight}_regularizer"), constraint=getattr(self, f"{weight}_constraint"),
        )  # fmt: skip

    def _scaled(self, x_hat: np.ndarray, along: tuple[int, ...], back: Callable) -> tuple[np.ndarray, Callable]:
        """gamma x_hat + beta, and its pullback.

        Args:
            along: the shape of the weights among the axes of x_hat, 1 where they do not reach.
            back: from the gradient of x_hat to that of the input.
        """
        gamma = None if self.gamma is None else self.gamma.array.reshape(along)
        y = x_hat if gamma is None else x_hat * gamma
        y = y if self.beta is None else y + self.beta.array.reshape(along)

        def pullback(dy: np.ndarray, wants_dx: bool = True) -> tuple[tuple, dict]:
            gradients = {}
            if self.gamma is not None and self._trainable and self.gamma.trainable:
                gradients[self.gamma] = summed_to(dy * x_hat, along).reshape(self.gamma.shape)
            if self.beta is not None and self._trainable and self.beta.trainable:
                gradients[self.beta] = summed_to(dy, along).reshape(self.beta.shape)
            return (back(dy if gamma is None else dy * gamma) if wants_dx else None,), gradients

        return y, pullback


def sorted_axes(axis: int | list[int]) -> list[int]:
    """The axes in the order in which the weights have them: Keras sorts them as they were given."""
    return sorted(axis) if isinstance(axis, list) else [axis]


def positions(axis: int | list[int], ndim: int) -> tuple[int, ...]:
    """The axes counted from the front, in order."""
    return tuple(sorted(one % ndim for one in sorted_axes(axis)))


def lengths_along(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with 1 for every axis that is not among `axes`."""
    return tuple(size if k in axes else 1 for k, size in enumerate(shape))


def refuse_axes_of_time(axis: int | Sequence[int], use: LayerUse) -> None:
    """Raise CannotStep if one of a layer's axes is a stream's time."""
    axes = [axis] if isinstance(axis, int) else axis
    if any(
        timed and 1 in [one % len(shape) for one in axes] for shape, timed in zip(use.shapes, use.timed, strict=True)
    ):
        raise CannotStep("it normalizes along the time axis, so its output at one step depends on the others")

"""Normalization of each sample by its own statistics: layer, RMS, group and unit normalization."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import validation
from gatewise.layers.normalizing import (
    Normalizing,
    finite_where_masked,
    lengths_along,
    positions,
    scaled_by_rms,
    scaled_by_variance,
    sorted_axes,
    standardized,
)
from gatewise.variable import Variable


class LayerNormalization(Normalizing):
    """Each sample (or, with the default axis, each step of it) gets mean 0 and variance 1 over `axis`.

    x_hat = (x - mean) / sqrt(variance + epsilon);   y = gamma x_hat + beta

    Args:
        axis: the axis, or a list of them, over which the statistics are taken and along which the weights lie.
        epsilon: added to the variance.
        center, scale: whether there are beta and gamma.
        beta_*, gamma_*: initializers, regularizers and constraints of the weights.
        rms_scaling: Keras's former form: x / sqrt(variance + epsilon) gamma, with no beta.
        **kwargs: of `Layer`.

    Input and output of any shape.  Weights: gamma and beta, of the lengths of `axis`.

    Raises:
        TypeError: for an axis that is no integer.
        ValueError: for inputs without that axis, or with another length of it than the layer was built for.

    Source: Ba, Kiros & Hinton 2016.
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        given = locals()
        super().__init__(**kwargs)
        self.axis = validation.one_or_more_axes(axis, type(self).__name__)
        self.epsilon = epsilon
        self.center = bool(center)
        self.scale = bool(scale)
        self.rms_scaling = bool(rms_scaling)
        if self.rms_scaling:
            warnings.warn(
                "LayerNormalization(rms_scaling=True) divides by the standard deviation, not by the root mean square; "
                "write RMSNormalization() for the latter.",
                stacklevel=2,
            )
        self._keep_weight_arguments(given)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        self.axis = sorted_axes(self.axis)  # as Keras writes it once the layer is built
        shape = self._weight_shape(tuple(input_shape))
        if self.scale or self.rms_scaling:
            self.gamma = self._make("gamma", shape)
        if self.center and not self.rms_scaling:
            self.beta = self._make("beta", shape)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x = finite_where_masked(inputs[0], mask)
        axes = positions(self.axis, x.ndim)
        normalize = scaled_by_variance if self.rms_scaling else standardized
        x_hat, back = normalize(x, axes, self.epsilon)
        return self._scaled(x_hat, lengths_along(x.shape, axes), back)


class RMSNormalization(Normalizing):
    """Each sample is divided by its root mean square over `axis`: y = scale x / sqrt(mean(x^2) + epsilon).

    Args:
        axis: the axis, or a list of them.
        epsilon: added to the mean square.
        **kwargs: of `Layer`.

    Input and output of any shape.  Weight: scale, of the lengths of `axis`.

    Source: Zhang & Sennrich 2019.
    """

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = validation.one_or_more_axes(axis, type(self).__name__)
        self.epsilon = epsilon

    @property
    def scale(self) -> Variable | None:
        """The weight."""
        return self.gamma

    def build(self, input_shape: Any) -> None:
        self.axis = sorted_axes(self.axis)
        self.gamma = self.add_weight(self._weight_shape(tuple(input_shape)), "ones", name="scale")

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x = finite_where_masked(inputs[0], mask)
        axes = positions(self.axis, x.ndim)
        x_hat, back = scaled_by_rms(x, axes, self.epsilon)
        return self._scaled(x_hat, lengths_along(x.shape, axes), back)


class GroupNormalization(Normalizing):
    """The features are parted into groups; each group of a sample gets mean 0 and variance 1 over all other axes.

    Args:
        groups: their number, which divides that of the features; -1: each feature its own group.
        axis: where the features are.
        epsilon: added to the variance.
        center, scale: whether there are beta and gamma.
        beta_*, gamma_*: initializers, regularizers and constraints of the weights.
        **kwargs: of `Layer`.

    Input and output (N, ..., F).  Weights: gamma (F,), beta (F,).

    Raises:
        ValueError: for a number of groups that does not divide the number of features.

    Source: Wu & He 2018.
    """

    stepwise = False
    not_causal = "it takes its statistics over all steps"

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        given = locals()
        super().__init__(**kwargs)
        whole = isinstance(groups, int) and not isinstance(groups, bool)
        if not whole or (groups < 1 and groups != -1):
            raise ValueError(
                f"{type(self).__name__}: Received an invalid value for argument `groups`, expected a positive integer "
                f"(or `-1` for instance normalization). Received: groups={groups!r}"
            )
        self.groups = groups
        self.axis = validation.single_axis(axis, type(self).__name__)
        self.epsilon = epsilon
        self.center = bool(center)
        self.scale = bool(scale)
        self._keep_weight_arguments(given)
        self.supports_masking = True

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        super().check_inputs(shapes)
        shape = tuple(shapes[0])
        features = shape[self.axis]
        if self.axis % len(shape) == 0 or (self.groups > 0 and features is not None and features % self.groups):
            raise ValueError(
                f"Layer '{self.name}' (GroupNormalization): Number of groups ({self.groups}) must divide the number of "
                f"features ({features}), which are along axis {self.axis}.\n    given:    {validation.drawn(shape)}\n"
                "Write groups=1, groups=-1 (a group for each feature), or another number that divides it, and an axis "
                "other than the batch's."
            )

    def build(self, input_shape: Any) -> None:
        features = input_shape[self.axis]
        self.groups = features if self.groups == -1 else self.groups
        if self.scale:
            self.gamma = self._make("gamma", (features,))
        if self.center:
            self.beta = self._make("beta", (features,))

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x = finite_where_masked(inputs[0], mask)
        axis = self.axis % x.ndim
        shape = x.shape
        parted = (*shape[:axis], self.groups, shape[axis] // self.groups, *shape[axis + 1 :])
        axes = tuple(k for k in range(1, len(parted)) if k != axis)
        grouped_hat, grouped_back = standardized(x.reshape(parted), axes, self.epsilon)

        def back(d: np.ndarray) -> np.ndarray:
            return grouped_back(d.reshape(parted)).reshape(shape)

        return self._scaled(grouped_hat.reshape(shape), lengths_along(shape, (axis,)), back)


class UnitNormalization(Normalizing):
    """Each sample is divided by its Euclidean norm over `axis`, so that its norm is 1.

    Args:
        axis: the axis, or a list of them.
        **kwargs: of `Layer`.

    Input and output of any shape; a sample of zeros stays one.  dx = (dy - y sum(dy y)) / norm
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = validation.one_or_more_axes(axis, type(self).__name__)
        self.supports_masking = True
        self.built = True

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x = finite_where_masked(inputs[0], mask)
        axes = positions(self.axis, x.ndim)
        norm = np.sqrt(np.add.reduce(x * x, axis=axes, keepdims=True))
        is_short = norm < 1e-12  # there the divisor is fixed, so nothing flows through the norm
        scale = 1 / np.maximum(norm, x.dtype.type(1e-12))
        y = x * scale

        def pullback(dy: np.ndarray, wants_dx: bool = True) -> tuple[tuple, dict]:
            if not wants_dx:
                return (None,), {}
            through_norm = np.where(is_short, y.dtype.type(0), np.add.reduce(dy * y, axis=axes, keepdims=True))
            return (scale * (dy - y * through_norm),), {}

        return y, pullback

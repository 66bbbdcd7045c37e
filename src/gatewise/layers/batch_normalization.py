"""BatchNormalization: each feature gets mean 0 and variance 1 over the batch, in training; moving averages after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import config, initializers, validation
from gatewise.layers.normalizing import Normalizing, finite_where_masked, lengths_along, mean_over
from gatewise.stepper import CannotStep, LayerUse, Stepper


class _Statistics(NamedTuple):
    """Of one batch; mean and variance have the axes of x, of size 1 but for that of the features.

    back(d, scale): dx for the gradient d of x_hat = (x - mean) scale, scale = 1 / sqrt(variance + epsilon).
    """

    centred: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    back: Callable[[np.ndarray, np.ndarray], np.ndarray]


def _whole_statistics(x: np.ndarray, axes: tuple[int, ...]) -> _Statistics:
    """Mean and variance over `axes`.  dx = scale (d - mean(d) - x_hat mean(d x_hat))."""
    mean = mean_over(x, axes)
    centred = x - mean

    def back(d: np.ndarray, scale: np.ndarray) -> np.ndarray:
        x_hat = centred * scale
        return scale * (d - mean_over(d, axes) - x_hat * mean_over(d * x_hat, axes))

    return _Statistics(centred, mean, mean_over(centred * centred, axes), back)


def _masked_statistics(x: np.ndarray, axes: tuple[int, ...], counts: np.ndarray) -> _Statistics:
    """Mean and variance of what counts (m = 1), with Keras's small number e in the divisor n = sum(m) + e.

    mean = sum(m x) / n;   v = sum(m (x - mean)^2) / n
    dv = sum(d (x - mean)) (-scale^3 / 2);   dmean = -scale sum(d) - 2 dv sum(m (x - mean)) / n
    dx = scale d + m (dmean + 2 dv (x - mean)) / n
    """
    zero = x.dtype.type(0)
    number = np.add.reduce(np.broadcast_to(counts, x.shape), axis=axes, keepdims=True, dtype=x.dtype)
    n = number + x.dtype.type(config.epsilon())

    def total(values: np.ndarray) -> np.ndarray:
        return values.sum(axis=axes, keepdims=True, dtype=np.float64).astype(x.dtype, copy=False)

    mean = total(np.where(counts, x, zero)) / n
    centred = x - mean
    difference = np.where(counts, centred, zero)

    def back(d: np.ndarray, scale: np.ndarray) -> np.ndarray:
        d_variance = total(d * centred) * scale**3 / -2
        d_mean = -scale * total(d) - 2 * d_variance * total(difference) / n
        return scale * d + np.where(counts, (d_mean + 2 * d_variance * difference) / n, zero)

    return _Statistics(centred, mean, total(difference * difference) / n, back)


class BatchNormalization(Normalizing):
    """Each feature gets mean 0 and variance 1 over the batch and all its steps.

    In training:  x_hat = (x - mean) / sqrt(variance + epsilon);   y = gamma x_hat + beta
                  moving = momentum moving + (1 - momentum) (mean, variance)
    Otherwise, and while the layer is frozen, the moving averages stand for mean and variance.

    Args:
        axis: where the features are.
        momentum: how much of the moving averages stays at each batch.
        epsilon: added to the variance.
        center, scale: whether there are beta and gamma.
        beta_*, gamma_*: initializers, regularizers and constraints of the weights.
        moving_mean_initializer, moving_variance_initializer: what the averages begin with.
        renorm: batch renormalization: y = gamma (r x_hat + d) + beta, where r and d carry the statistics of the batch
            to slower averages and are held constant on the way back.
        renorm_clipping: {"rmin", "rmax", "dmax"}, bounds of r and of |d|.
        renorm_momentum: of those averages.
        synchronized: accepted; there is one replica.
        **kwargs: of `Layer`.

    Input and output (N, ..., F).  Masked steps do not enter the statistics.  Weights: gamma, beta (F,), and, not
    trainable, moving_mean, moving_variance (F,), with renorm also moving_stddev, renorm_mean, renorm_stddev.

    Raises:
        ValueError: for inputs without that axis, with another length of it, or with a mask of another shape.

    Source: Ioffe & Szegedy 2015; Ioffe 2017 (renormalization).
    """

    mixes_samples = True

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Mapping[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        given = locals()
        super().__init__(**kwargs)
        only = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis  # Keras 2 writes [3]
        self.axis = validation.single_axis(only, type(self).__name__)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = bool(center)
        self.scale = bool(scale)
        self._keep_weight_arguments(given)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.renorm = bool(renorm)
        self.renorm_clipping = _checked_clipping(renorm_clipping) if renorm else renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.synchronized = bool(synchronized)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        shape = self._weight_shape(tuple(input_shape))
        if self.scale:
            self.gamma = self._make("gamma", shape)
        if self.center:
            self.beta = self._make("beta", shape)
        self.moving_mean = self._average("moving_mean", self.moving_mean_initializer, shape)
        self.moving_variance = self._average("moving_variance", self.moving_variance_initializer, shape)
        if self.renorm:
            variance: Any = self.moving_variance_initializer

            def deviation(size: Sequence[int], dtype: Any = None) -> np.ndarray:
                return np.sqrt(variance(size, dtype=dtype))

            self.moving_stddev = self._average("moving_stddev", deviation, shape)
            self.renorm_mean = self._average("renorm_mean", self.moving_mean_initializer, shape)
            self.renorm_stddev = self._average("renorm_stddev", deviation, shape)

    def _average(self, name: str, initializer: Any, shape: tuple) -> Any:
        return self.add_weight(shape, initializer, name=name, trainable=False)

    def stepper(self, use: LayerUse) -> Stepper:
        if use.training and use.is_timed:
            raise CannotStep("it is called with training=True, which takes the statistics of all steps")
        return super().stepper(use)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        self._check_mask(inputs[0], mask)
        x = finite_where_masked(inputs[0], mask)
        axis = self.axis % x.ndim
        along = lengths_along(x.shape, (axis,))
        epsilon = x.dtype.type(self.epsilon)
        if not (training and self._trainable and x.size):  # of an empty batch there are no statistics
            scale = 1 / np.sqrt(self.moving_variance.array.reshape(along) + epsilon)
            x_hat = (x - self.moving_mean.array.reshape(along)) * scale
            return self._scaled(x_hat, along, lambda d: d * scale)
        axes = tuple(k for k in range(x.ndim) if k != axis)
        if mask is None:
            batch = _whole_statistics(x, axes)
        else:
            batch = _masked_statistics(x, axes, (mask != 0)[..., None])
        scale = 1 / np.sqrt(batch.variance + epsilon)
        x_hat = batch.centred * scale
        mean, variance = batch.mean.reshape(-1), batch.variance.reshape(-1)
        if not self.renorm:
            _follow(self.moving_mean, mean, self.momentum)
            _follow(self.moving_variance, variance, self.momentum)
            return self._scaled(x_hat, along, lambda d: batch.back(d, scale))
        r, shift = (value.reshape(along) for value in self._corrections(mean, np.sqrt(variance + epsilon)))
        return self._scaled(x_hat * r + shift, along, lambda d: batch.back(d * r, scale))

    def _corrections(self, mean: np.ndarray, deviation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r and d of batch renormalization; the averages then follow the batch."""
        slow = np.maximum(self.renorm_stddev.array, np.sqrt(mean.dtype.type(self.epsilon)))
        r, d = deviation / slow, (mean - self.renorm_mean.array) / slow
        clip = self.renorm_clipping or {}
        r = np.clip(r, clip.get("rmin"), clip.get("rmax"))
        if clip.get("dmax") is not None:
            d = np.clip(d, -clip["dmax"], clip["dmax"])
        _follow(self.renorm_mean, mean, self.renorm_momentum)
        _follow(self.renorm_stddev, deviation, self.renorm_momentum)
        _follow(self.moving_mean, mean, self.momentum)
        _follow(self.moving_stddev, deviation, self.momentum)
        averaged = self.moving_stddev.array
        self.moving_variance.assign(np.maximum(averaged * averaged - mean.dtype.type(self.epsilon), 0))
        return r, d

    def _check_mask(self, x: np.ndarray, mask: Any) -> None:
        if mask is None or mask.shape == x.shape[:-1]:
            return
        raise ValueError(
            f"Layer '{self.name}' (BatchNormalization) was given a mask that does not fit its input: it has one axis "
            f"less.\n    expected: {validation.drawn(x.shape[:-1])}\n    given:    {validation.drawn(mask.shape)}"
        )


def _follow(average: Any, value: np.ndarray, momentum: float) -> None:
    """Move an average towards the value of this batch."""
    average.assign(average.array * momentum + value * (1 - momentum))


def _checked_clipping(clipping: Mapping[str, float] | None) -> dict[str, float]:
    """The bounds of batch renormalization.

    Raises:
        ValueError: for unknown ones, and for those that exclude each other.
    """
    bounds = dict(clipping or {})
    rmin, rmax, dmax = (bounds.get(key) for key in ("rmin", "rmax", "dmax"))
    crossed = rmin is not None and rmax is not None and rmax < rmin
    if set(bounds) - {"rmin", "rmax", "dmax"} or crossed or (dmax is not None and dmax < 0):
        raise ValueError(
            "BatchNormalization: renorm_clipping holds numbers under the keys rmin, rmax (at least rmin) and dmax (at "
            f"least 0); got {dict(bounds)!r}."
        )
    return bounds

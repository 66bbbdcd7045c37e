"""Normalization: each feature of the input by a mean and variance that are given, or taken from data once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gatewise import config, validation
from gatewise.arguments import describe
from gatewise.layer import Layer
from gatewise.layers.normalizing import refuse_axes_of_time
from gatewise.stepper import LayerUse, Stepper
from gatewise.variable import Variable


class Normalization(Layer):
    """Shifts and scales features to mean 0 and variance 1: y = (x - mean) / max(sqrt(variance), 1e-7).

    Args:
        axis: the axis, or axes, along which each place has a mean and variance of its own; None: one for all numbers.
        mean, variance: numbers, or arrays that fit the lengths along `axis`; default: what `adapt` finds, 0 and 1
            before that.
        invert: undo it instead: y = mean + x max(sqrt(variance), 1e-7).
        **kwargs: of `Layer`.

    Input and output of any shape.  Weights, not trainable and only where mean and variance are not given: mean,
    variance, count.

    Raises:
        ValueError: if only one of mean and variance is given, or they do not fit each other or the input.
    """

    kept_as = {"mean": "input_mean", "variance": "input_variance"}

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        cls = type(self).__name__
        several = axis if isinstance(axis, list | tuple) else [axis]
        self.axis: tuple[int, ...] = () if axis is None else tuple(validation.single_axis(one, cls) for one in several)
        self.input_mean = None if mean is None else np.asarray(mean).tolist()
        self.input_variance = None if variance is None else np.asarray(variance).tolist()
        self.invert = bool(invert)
        self.supports_masking = True
        given: list[Any] = [mean, variance]
        shapes = [np.shape(one) for one in given]
        if (mean is None) != (variance is None) or shapes[0] != shapes[1] or len(shapes[0]) > len(self.axis):
            raise ValueError(
                f"{cls}: `mean` and `variance` are given together, with the same shape, of at most {len(self.axis)} "
                f"axes (axis={self.axis}); got mean={mean!r} and variance={variance!r}. Leave both out and call "
                "adapt(data) to take them from data."
            )

    stepwise = True

    def stepper(self, use: LayerUse) -> Stepper:
        refuse_axes_of_time(self.axis, use)
        return super().stepper(use)

    # --- the statistics --------------------------------------------------------------------------------------

    @property
    def mean(self) -> np.ndarray | None:
        """What is subtracted, in a shape that fits the input; None before the layer is built."""
        return self._statistic(self.input_mean, "adapt_mean")

    @property
    def variance(self) -> np.ndarray | None:
        """The square of what is divided by, in a shape that fits the input; None before the layer is built."""
        return self._statistic(self.input_variance, "adapt_variance")

    def _statistic(self, given: Any, held: str) -> np.ndarray | None:
        if not self.built:
            return None
        shape = tuple(size if k in self._kept else 1 for k, size in enumerate(self._adapted_shape))
        if given is None:
            return getattr(self, held).array.reshape(shape)
        value = np.asarray(given, self.dtype)
        spread = [1] * len(shape)
        for place, size in zip(self._kept[len(self._kept) - value.ndim :], value.shape, strict=True):
            spread[place] = size
        return np.broadcast_to(value.reshape(spread), shape)

    def build(self, input_shape: Any) -> None:
        shape = tuple(input_shape)
        self._adapted_shape = shape
        self._kept = tuple(sorted(axis % len(shape) for axis in self.axis)) if self.axis else ()
        if self.input_mean is None:
            lengths = tuple(shape[k] for k in self._kept)
            self.adapt_mean = self._held(lengths, "zeros", "mean")
            self.adapt_variance = self._held(lengths, "ones", "variance")
            self.count = self._held((), "zeros", "count", "int64")

    def _held(self, shape: tuple, initializer: str, name: str, dtype: str | None = None) -> Variable:
        return self.add_weight(shape, initializer, dtype=dtype, name=name, trainable=False)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        shape, cls = tuple(shapes[0]), type(self).__name__
        outside = [axis for axis in self.axis if not -len(shape) <= axis < len(shape)]
        if outside or any(shape[axis] is None for axis in self.axis):
            raise ValueError(
                f"Layer '{self.name}' ({cls}) keeps a mean for each place along axis {self.axis}, which "
                f"{'does not exist' if outside else 'has no known length'} here.\n    given:    "
                f"{validation.drawn(shape)}\nGive another axis, or axis=None for one mean of all numbers."
            )
        if self.built:
            self._check_as_built(shape)
        elif self.input_mean is not None:
            lengths = [shape[axis] for axis in sorted(axis % len(shape) for axis in self.axis)]
            given = np.shape(self.input_mean)
            if any(size not in (1, own) for size, own in zip(reversed(given), reversed(lengths), strict=False)):
                raise ValueError(
                    f"Layer '{self.name}' ({cls}) was given a mean of shape {given}, which does not fit the lengths "
                    f"{tuple(lengths)} along axis {self.axis}.\n    given:    {validation.drawn(shape)}"
                )

    def _check_as_built(self, shape: tuple) -> None:
        before = self._adapted_shape
        fits = len(shape) == len(before) and all(shape[k] == before[k] for k in self._kept)
        if not fits and (self._kept or self.axis):
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}) was built for another shape.\n    expected: "
                f"{validation.drawn([size if k in self._kept else None for k, size in enumerate(before)])}\n"
                f"    given:    {validation.drawn(shape)}\nGive data like before, or make a new layer."
            )

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if not self.built:
            self.check_inputs(shapes)
        super().ensure_built(shapes, structure)

    # --- learning them ---------------------------------------------------------------------------------------

    def adapt(self, data: Any) -> None:
        """Take mean and variance from data; what an earlier call found is replaced.

        Args:
            data: an array (or a frame), or an iterable of batches: a list of arrays, a generator, a data set.  Of a
                batch that is a tuple (x, y, ...) the first part counts.

        Raises:
            ValueError: for data of another shape than the layer was built for, for no data at all, and if mean and
                variance were given.
            TypeError: for what is neither an array nor batches.
        """
        if self.input_mean is not None:
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}) was given its mean and variance; adapt() would replace "
                "them. Make it without these arguments."
            )
        number = 0
        mean = variance = np.float64(0)
        for batch in self._batches(data):
            self.ensure_built([batch.shape])
            self.check_inputs([batch.shape])
            over = tuple(k for k in range(batch.ndim) if k not in self._kept)
            values = batch.astype(np.float64)
            size = math.prod(values.shape[k] for k in over)
            if not size:
                continue
            centre = values.mean(axis=over, keepdims=True)
            spread = np.square(values - centre).mean(axis=over)
            centre = centre.reshape(spread.shape)
            # Two sets of numbers together: Chan, Golub & LeVeque 1979.
            share = size / (number + size)
            step = centre - mean
            mean = mean + step * share
            variance = variance * (1 - share) + spread * share + np.square(step) * share * (1 - share)
            number += size
        if not number:
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}): adapt() was given no data. Give it an array of samples, "
                "or a list of such."
            )
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(variance)

    def _batches(self, data: Any) -> Iterator[np.ndarray]:
        """The data, batch by batch."""
        whole = hasattr(data, "shape") and hasattr(data, "__array__")
        if not whole and (not isinstance(data, Iterable) or isinstance(data, str | bytes | Mapping)):
            raise self._refused(data)
        for batch in [data] if whole else data:
            x = batch[0] if isinstance(batch, tuple) and batch else batch
            if not hasattr(x, "__array__") or not hasattr(x, "shape"):
                raise self._refused(x)
            array = np.asarray(x)
            if array.dtype.kind not in "fiub":
                raise self._refused(x)
            yield array

    def _refused(self, value: Any) -> TypeError:
        return TypeError(
            f"Layer '{self.name}' ({type(self).__name__}): adapt() takes an array of numbers, or an iterable of such "
            f"batches; it was given {describe(value)}. Write adapt(np.array(...))."
        )

    # --- the layer -------------------------------------------------------------------------------------------

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        mean: Any = self.mean
        variance: Any = self.variance
        if not self._kept:  # one number for inputs of any rank
            mean, variance = mean.reshape(()), variance.reshape(())
        deviation = np.maximum(np.sqrt(variance), variance.dtype.type(config.epsilon()))

        def pullback(dy: np.ndarray, wants_dx: bool = True) -> tuple[tuple, dict]:
            if not wants_dx:
                return (None,), {}
            return (dy * deviation if self.invert else dy / deviation,), {}

        return (mean + x * deviation if self.invert else (x - mean) / deviation), pullback

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

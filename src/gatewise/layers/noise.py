"""Layers that disturb their input in training only: Dropout and its relatives; and ActivityRegularization."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import activations, random, regularizers, validation
from gatewise.layer import Layer


class _Noise(Layer):
    """A layer that changes its input at random in training, and returns it as it is otherwise.

    Subclasses set `_seeds` (None: never any change) and define `_disturbed(x) -> (y, function of dy that gives dx)`.
    """

    stepwise = True
    _seeds: random.SeedGenerator | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.built = True

    def _disturbed(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[Any], Any]]:
        return x, lambda dy: dy

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        if not training or self._seeds is None:
            return x, lambda dy, wants_dx=True: ((dy,), {})
        y, back = self._disturbed(x)
        return y, lambda dy, wants_dx=True: ((back(dy) if wants_dx else None,), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

    def _refuse_all_noise(self) -> None:
        """Raise ValueError where rate=1 would leave nothing but noise of unlimited size."""
        raise ValueError(
            f"Layer '{self.name}' ({type(self).__name__}) cannot be trained with rate=1: its noise has no limit then. "
            "Give a rate below 1."
        )


class Dropout(_Noise):
    """In training, sets a fraction of its input to zero and scales the rest up by 1 / (1 - rate).

    Args:
        rate: the fraction, from 0 to 1.
        noise_shape: shape of the random choice, None for the input's size, 1 where an axis shares the choice; default
            each number its own.
        seed: of the choice.
        **kwargs: of `Layer`.

    Source: Srivastava et al. 2014.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = validation.fraction(rate, "rate", type(self).__name__)
        self.noise_shape = checked_noise_shape(noise_shape, type(self).__name__)
        self.seed = seed
        self._seeds = random.SeedGenerator(seed) if self.rate > 0 else None

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        check_noise_shape_fits(self.noise_shape, shapes[0], self.name, type(self).__name__)

    def _shape_of_choice(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return concrete_noise_shape(self.noise_shape, shape)

    def _disturbed(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[Any], Any]]:
        assert self._seeds is not None
        if self.rate == 1:
            return np.zeros_like(x), np.zeros_like  # whatever x is: 0 times infinity would be no number
        self.check_inputs([x.shape])  # within a graph sizes may become known only now
        shape = self._shape_of_choice(x.shape)
        multiplier = random.dropout_multiplier(self._seeds, shape, self.rate, x.dtype.name)
        return x * multiplier, lambda dy: dy * multiplier


class SpatialDropout1D(Dropout):
    """Dropout of whole features: in training, a feature is zero at all time steps of a sample or at none.

    Args:
        rate: the fraction of features, from 0 to 1.
        seed: of the choice.
        **kwargs: of `Layer`.

    Input (N, T, F).  Source: Tompson et al. 2015.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        kwargs.pop("noise_shape", None)  # Keras 2 wrote it
        super().__init__(rate, seed=seed, **kwargs)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        validation.check_ndim(shapes[0], 3, self.name, type(self).__name__, "It drops features of sequences.")

    def _shape_of_choice(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], 1, shape[2])

    def get_config(self) -> dict[str, Any]:
        """As Keras 3 writes it: the type by its name, and without `trainable`, unless that is False."""
        left_out = ("noise_shape", "trainable") if self.trainable else ("noise_shape",)
        config = {name: value for name, value in super().get_config().items() if name not in left_out}
        return {**config, "dtype": self.dtype}


class GaussianNoise(_Noise):
    """In training, adds normal noise of mean 0 to its input.

    Args:
        stddev: standard deviation of the noise, from 0 to 1.
        seed: of the noise.
        **kwargs: of `Layer`.
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = validation.fraction(stddev, "stddev", type(self).__name__)
        self.seed = seed
        self._seeds = random.SeedGenerator(seed) if self.stddev > 0 else None

    def _disturbed(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[Any], Any]]:
        assert self._seeds is not None
        return x + self.stddev * _normal(self._seeds, x), lambda dy: dy


class GaussianDropout(_Noise):
    """In training, multiplies its input by normal noise of mean 1 and standard deviation sqrt(rate / (1 - rate)).

    Args:
        rate: as of the Dropout that has the same variance, from 0 to below 1.
        seed: of the noise.
        **kwargs: of `Layer`.

    Source: Srivastava et al. 2014.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = validation.fraction(rate, "rate", type(self).__name__)
        self.seed = seed
        self._seeds = random.SeedGenerator(seed) if self.rate > 0 else None

    def _disturbed(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[Any], Any]]:
        assert self._seeds is not None
        if self.rate == 1:
            self._refuse_all_noise()
        multiplier = 1 + math.sqrt(self.rate / (1 - self.rate)) * _normal(self._seeds, x)
        return x * multiplier, lambda dy: dy * multiplier


class AlphaDropout(_Noise):
    """Dropout that keeps mean and variance of what `selu` makes: dropped numbers become selu's lower limit.

    y = a (x k + l (1 - k)) + b, with k = 0 where a number is dropped, else 1;  l = -1.7581, the limit;
    a = 1 / sqrt((1 - rate) (1 + rate l^2)),  b = -a l rate

    Args:
        rate: the fraction that is dropped, from 0 to below 1.
        noise_shape, seed: as in `Dropout`.
        **kwargs: of `Layer`.

    Source: Klambauer et al. 2017.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = validation.fraction(rate, "rate", type(self).__name__)
        self.noise_shape = checked_noise_shape(noise_shape, type(self).__name__)
        self.seed = seed
        self._seeds = random.SeedGenerator(seed) if self.rate > 0 else None

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        check_noise_shape_fits(self.noise_shape, shapes[0], self.name, type(self).__name__)

    def _disturbed(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[Any], Any]]:
        assert self._seeds is not None
        if self.rate == 1:
            self._refuse_all_noise()
        self.check_inputs([x.shape])  # within a graph sizes may become known only now
        limit = -activations.SELU_ALPHA * activations.SELU_SCALE
        a = ((1 - self.rate) * (1 + self.rate * limit**2)) ** -0.5
        b = -a * limit * self.rate
        shape = concrete_noise_shape(self.noise_shape, x.shape)
        kept = self._seeds.next().random(shape, dtype=x.dtype.name) >= self.rate
        scale = np.where(kept, x.dtype.type(a), x.dtype.type(0))
        return x * scale + np.where(kept, x.dtype.type(b), x.dtype.type(a * limit + b)), lambda dy: dy * scale


class ActivityRegularization(Layer):
    """Adds a penalty on its input to the loss, and returns the input as it is.

    loss += (l1 sum |x| + l2 sum x^2) / N

    Args:
        l1, l2: factors, 0 or greater.
        **kwargs: of `Layer`.
    """

    stepwise = True
    not_in_config = ("autocast", "activity_regularizer")

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1 = l1
        self.l2 = l2
        self.supports_masking = True
        self.built = True

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        return inputs[0], lambda dy, wants_dx=True: ((dy,), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)


def _normal(seeds: random.SeedGenerator, x: np.ndarray) -> np.ndarray:
    """Standard normal numbers in the shape and type of x."""
    kind: Any = x.dtype.type
    return seeds.next().standard_normal(x.shape, dtype=kind)


def checked_noise_shape(noise_shape: Any, layer: str) -> tuple[int | None, ...] | None:
    """The `noise_shape` argument as a tuple.

    Raises:
        ValueError: unless it is None, or a tuple or list of positive integers and None.
    """
    if noise_shape is None:
        return None
    sizes = None if isinstance(noise_shape, str) or not hasattr(noise_shape, "__iter__") else tuple(noise_shape)
    if sizes is None or any(
        size is not None and (isinstance(size, bool) or not hasattr(size, "__index__") or size < 1) for size in sizes
    ):
        raise ValueError(
            f"{layer}: Invalid value received for argument `noise_shape`. Expected a tuple or list of positive "
            f"integers and None, such as (None, 1, None). Received: noise_shape={noise_shape!r}"
        )
    return tuple(None if size is None else int(size) for size in sizes)


def concrete_noise_shape(noise_shape: Sequence[int | None] | None, shape: Sequence[Any]) -> tuple[Any, ...]:
    """The shape of the random choice for an input of `shape`."""
    if noise_shape is None:
        return tuple(shape)
    return tuple(shape[axis] if size is None else size for axis, size in enumerate(noise_shape))


def check_noise_shape_fits(noise_shape: Sequence[int | None] | None, shape: Sequence[Any], name: str, cls: str) -> None:
    """Check that a choice of `noise_shape` can be spread over an input of `shape`.

    Raises:
        ValueError: unless each size is 1 or the input's.
    """
    if noise_shape is None:
        return
    fits = len(noise_shape) <= len(shape)
    if not fits or not validation.spreads_over(concrete_noise_shape(noise_shape, shape), shape):
        raise ValueError(
            f"Layer '{name}' ({cls}) cannot spread its noise_shape over its input.\n"
            f"    expected: what fits {validation.drawn(shape)}, each size the same or 1, None for the same\n"
            f"    given:    {tuple(noise_shape)}\n"
            "Write noise_shape=(None, 1, None) for the same choice at all time steps."
        )

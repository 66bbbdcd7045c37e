"""Initializers: the first values of weights, `initializer(shape, dtype=...) -> array`.

Names, arguments, fans and distributions are Keras's.  A random initializer draws from a seed fixed when it is
made, so, as in Keras, one object gives the same values at every call; with `seed=None` that seed comes from the
global one (`gatewise.utils.set_random_seed`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gatewise import config, products
from gatewise.random import SeedGenerator, default_seed, next_generator
from gatewise.serialization import Registry, deserialize_object, serialize_object

Shape = Sequence[int]

_registry = Registry("keras.initializers", "initializer")


@_registry.add()
class Initializer:
    """Base class: subclasses define `__call__(shape, dtype=None)` and `get_config()`."""

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        raise TypeError(f"{type(self).__name__} makes no values: give it a method __call__(self, shape, dtype=None).")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """An initializer from its arguments; the `dtype` that Keras 1 and 2 wrote is without meaning."""
        return cls(**{key: value for key, value in config.items() if key != "dtype"})

    def clone(self) -> Any:
        """A new initializer of the same configuration."""
        return type(self).from_config(self.get_config())


# ---- without chance -----------------------------------------------------------------------------------


@_registry.add("zero")
class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        return np.zeros(shape, dtype or config.floatx())


@_registry.add("one")
class Ones(Initializer):
    """All ones."""

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        return np.ones(shape, dtype or config.floatx())


@_registry.add()
class Constant(Initializer):
    """`value` everywhere: a number, or an array of the shape asked for."""

    def __init__(self, value: Any = 0.0) -> None:
        self.value = deserialize_object(value)

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        return np.broadcast_to(np.asarray(self.value, dtype or config.floatx()), tuple(shape)).copy()

    def get_config(self) -> dict[str, Any]:
        return {"value": serialize_object(self.value)}


@_registry.add("IdentityInitializer")
class Identity(Initializer):
    """`gain` times the identity matrix; for two-dimensional weights only."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        if len(shape) != 2:
            raise ValueError(f"Identity makes matrices: a shape such as (4, 4) is needed; got {tuple(shape)}.")
        return self.gain * np.eye(*shape, dtype=dtype or config.floatx())

    def get_config(self) -> dict[str, Any]:
        # Keras 3 forgets the gain here; it is written where it matters.
        return {} if self.gain == 1.0 else {"gain": self.gain}


_WINDOWS = {
    "hann": np.hanning, "hamming": np.hamming, "blackman": np.blackman, "bartlett": np.bartlett, "boxcar": np.ones,
}  # fmt: skip


@_registry.add("STFTInitializer")
class STFT(Initializer):
    """The real or imaginary half of a short-time Fourier transform: a kernel (frame length, channels, frequencies).

    Args:
        side: "real" or "imag".
        window: a name ("hann", "hamming", "blackman", "bartlett", "boxcar"), an array (frame length,), or None.
        scaling: what the window is divided by: "density" the root of its sum of squares, "spectrum" its sum, or None.
        periodic: leave the window's last sample out, as its period begins anew there.
    """

    def __init__(
        self, side: str = "real", window: Any = "hann", scaling: str | None = "density", periodic: bool = False
    ) -> None:
        choices = (("side", side, ("real", "imag")), ("scaling", scaling, ("density", "spectrum", None)))
        for name, value, allowed in choices:
            if value not in allowed:
                raise ValueError(f"STFT: {name} must be one of {allowed}; got {value!r}.")
        if isinstance(window, str) and window not in _WINDOWS:
            raise ValueError(f"STFT: window must be an array, None, or one of {', '.join(_WINDOWS)}; got {window!r}.")
        self.side, self.scaling, self.periodic = side, scaling, periodic
        self.window = deserialize_object(window) if isinstance(window, dict) else window

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        frame, _, n_frequencies = shape
        angle = np.pi * np.outer(np.arange(frame), np.arange(n_frequencies)) / max(n_frequencies - 1, 1)
        kernel = np.cos(angle) if self.side == "real" else -np.sin(angle)
        if self.window is not None:
            window = self._window_of(frame)
            kernel *= window[:, None]
            if self.scaling is not None:
                kernel /= math.sqrt(np.sum(window**2)) if self.scaling == "density" else np.sum(np.abs(window))
        return np.broadcast_to(kernel[:, None], tuple(shape)).astype(dtype or config.floatx())

    def _window_of(self, frame: int) -> np.ndarray:
        if isinstance(self.window, str):
            return _WINDOWS[self.window](frame + 1)[:-1] if self.periodic else _WINDOWS[self.window](frame)
        window = np.asarray(self.window, "float64")
        if window.shape != (frame,):
            raise ValueError(f"STFT: the window must have the frame's length, ({frame},); got shape {window.shape}.")
        return window

    def get_config(self) -> dict[str, Any]:
        window = serialize_object(self.window)
        return {"side": self.side, "window": window, "periodic": self.periodic, "scaling": self.scaling}


# ---- random -------------------------------------------------------------------------------------------


class _Random(Initializer):
    """An initializer that draws from a seed: None, an integer or a SeedGenerator."""

    def __init__(self, seed: Any = None) -> None:
        seed = deserialize_object(seed)
        self._given_seed = seed
        self.seed = default_seed() if seed is None else seed

    def generator(self) -> np.random.Generator:
        """The stream of one call: the same each time, but for a SeedGenerator's."""
        return next_generator(self.seed)

    def get_config(self) -> dict[str, Any]:
        seed = self._given_seed
        return {"seed": serialize_object(seed) if isinstance(seed, SeedGenerator) else seed}


def _normal(rng: np.random.Generator, shape: Shape, dtype: Any) -> np.ndarray:
    """Standard normal draws of the float type asked for."""
    dtype = np.dtype(dtype or config.floatx())
    kind: Any = np.float32 if dtype == np.float32 else np.float64
    return rng.standard_normal(tuple(shape), dtype=kind).astype(dtype, copy=False)


def _truncated_normal(rng: np.random.Generator, shape: Shape, dtype: Any) -> np.ndarray:
    """Standard normal draws, those beyond two standard deviations drawn again."""
    z = _normal(rng, shape, dtype)
    beyond = np.abs(z) > 2
    while beyond.any():
        z[beyond] = _normal(rng, (int(beyond.sum()),), z.dtype)
        beyond = np.abs(z) > 2
    return z


def _uniform(rng: np.random.Generator, shape: Shape, low: float, high: float, dtype: Any) -> np.ndarray:
    dtype = np.dtype(dtype or config.floatx())
    kind: Any = np.float32 if dtype == np.float32 else np.float64
    return (low + (high - low) * rng.random(tuple(shape), dtype=kind)).astype(dtype, copy=False)


@_registry.add("normal")
class RandomNormal(_Random):
    """Normal with `mean` and `stddev`."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        return self.mean + self.stddev * _normal(self.generator(), shape, dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


@_registry.add()
class TruncatedNormal(RandomNormal):
    """Normal with `mean` and `stddev`, without what lies beyond two of the latter."""

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        return self.mean + self.stddev * _truncated_normal(self.generator(), shape, dtype)


@_registry.add("uniform")
class RandomUniform(_Random):
    """Uniform between `minval` and `maxval`."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        return _uniform(self.generator(), shape, self.minval, self.maxval, dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


def compute_fans(
    shape: Shape, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """(fan_in, fan_out): how many numbers meet in an output, and how many an input goes to.

    A kernel of more than two axes is a convolution's: the last two are features in and out, the others the window.
    """
    shape = tuple(int(size) for size in shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")
_TRUNCATION = 0.87962566103423978
"""The standard deviation of a standard normal cut off at two: what a truncated draw is divided by."""


@_registry.add()
class VarianceScaling(_Random):
    """Variance `scale / fan`, of a truncated or whole normal or a uniform distribution.

    Args:
        scale: positive number.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal" (Keras 1 and 2: "normal"), "untruncated_normal" or "uniform".
        input_axes, output_axes: the axes whose sizes make the fans; default as `compute_fans` says.
    Source: Glorot & Bengio 2010; He et al. 2015.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        if not scale > 0:
            raise ValueError(f"VarianceScaling: scale must be positive; got {scale!r}.")
        distribution = "truncated_normal" if distribution == "normal" else distribution
        for name, value, allowed in (("mode", mode, _MODES), ("distribution", distribution, _DISTRIBUTIONS)):
            if value not in allowed:
                raise ValueError(f"VarianceScaling: {name} must be one of {', '.join(allowed)}; got {value!r}.")
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        rng = self.generator()
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return _uniform(rng, shape, -limit, limit, dtype)
        if self.distribution == "truncated_normal":
            return math.sqrt(variance) / _TRUNCATION * _truncated_normal(rng, shape, dtype)
        return math.sqrt(variance) * _normal(rng, shape, dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


def _fixed_scaling(name: str, scale: float, mode: str, distribution: str, text: str) -> type[VarianceScaling]:
    """A VarianceScaling with its first three arguments settled, as a public class."""

    def __init__(
        self: Any,
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        VarianceScaling.__init__(self, scale, mode, distribution, seed, input_axes, output_axes)

    def get_config(self: Any) -> dict[str, Any]:
        axes = {"input_axes": self.input_axes, "output_axes": self.output_axes}
        return {**_Random.get_config(self), **axes}

    body = {"__init__": __init__, "get_config": get_config, "__doc__": text, "__module__": __name__}
    return _registry.add()(type(name, (VarianceScaling,), body))


GlorotUniform = _fixed_scaling(
    "GlorotUniform", 1.0, "fan_avg", "uniform", "Uniform within sqrt(6 / (fan_in + fan_out)).  Glorot & Bengio 2010."
)
GlorotNormal = _fixed_scaling(
    "GlorotNormal", 1.0, "fan_avg", "truncated_normal", "Truncated normal, variance 2 / (fan_in + fan_out)."
)
HeUniform = _fixed_scaling("HeUniform", 2.0, "fan_in", "uniform", "Uniform within sqrt(6 / fan_in).  He et al. 2015.")
HeNormal = _fixed_scaling("HeNormal", 2.0, "fan_in", "truncated_normal", "Truncated normal, variance 2 / fan_in.")
LecunUniform = _fixed_scaling("LecunUniform", 1.0, "fan_in", "uniform", "Uniform within sqrt(3 / fan_in).")
LecunNormal = _fixed_scaling("LecunNormal", 1.0, "fan_in", "truncated_normal", "Truncated normal, variance 1 / fan_in.")


@_registry.add("OrthogonalInitializer")
class Orthogonal(_Random):
    """`gain` times a random matrix with orthonormal columns (or rows, where it is wider than high).

    More than two axes count as (all but the last, the last).  Source: Saxe et al. 2014.
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal needs a shape of two axes or more; got {tuple(shape)}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        normal = self.generator().standard_normal((max(rows, columns), min(rows, columns)))
        q = products.orthonormal(normal)  # uniform over all such matrices
        q = q.T if rows < columns else q
        return (self.gain * q).reshape(tuple(shape)).astype(dtype or config.floatx())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}


# ---- names and objects --------------------------------------------------------------------------------

zeros, ones, constant, identity = Zeros, Ones, Constant, Identity
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, orthogonal = VarianceScaling, Orthogonal
IdentityInitializer, OrthogonalInitializer, STFTInitializer, stft = Identity, Orthogonal, STFT, STFT
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal, lecun_uniform, lecun_normal = HeUniform, HeNormal, LecunUniform, LecunNormal


def get(identifier: Any) -> Callable[..., np.ndarray] | None:
    """None, a name, a configuration, a number or array, a class or a callable `f(shape, dtype=...)` -> the latter.

    Raises:
        ValueError: unknown initializer, with the nearest name.
    """
    if isinstance(identifier, int | float | np.ndarray | np.generic) and not isinstance(identifier, bool):
        return Constant(identifier)
    return _registry.get(identifier)


def serialize(initializer: Any) -> Any:
    """Keras 3's configuration of an initializer."""
    return _registry.serialize(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The initializer that a name or configuration stands for."""
    return _registry.deserialize(config, custom_objects)

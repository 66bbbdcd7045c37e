"""Keras 1's and 2's K: numbers drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatewise import config, random
from gatewise.backend.shapes import known_sizes, variable
from gatewise.variable import Variable


def random_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Numbers from a normal distribution."""
    return random.normal(known_sizes("random_normal", shape), mean, stddev, dtype, seed)


def random_uniform(
    shape: Sequence[int], minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Numbers spread evenly between minval and maxval."""
    return random.uniform(known_sizes("random_uniform", shape), minval, maxval, dtype, seed)


def truncated_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Numbers from a normal distribution, none farther from the mean than two standard deviations."""
    return random.truncated_normal(known_sizes("truncated_normal", shape), mean, stddev, dtype, seed)


def random_binomial(shape: Sequence[int], p: float = 0.0, dtype: Any = None, seed: int | None = None) -> Any:
    """Ones with probability p, else zeros."""
    drawn = random.uniform(known_sizes("random_binomial", shape), 0.0, 1.0, "float64", seed)
    return (drawn <= p).astype(dtype or config.floatx())


random_bernoulli = random_binomial


def random_normal_variable(
    shape: Sequence[int], mean: float, scale: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Variable:
    """A variable whose numbers come from a normal distribution."""
    return variable(random_normal(shape, mean, scale, dtype, seed), dtype, name)


def random_uniform_variable(
    shape: Sequence[int], low: float, high: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Variable:
    """A variable whose numbers are spread evenly between low and high."""
    return variable(random_uniform(shape, low, high, dtype, seed), dtype, name)


def dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """x with each number 0 with probability `level`, else divided by 1 - level."""
    if not 0 <= level < 1:
        raise ValueError(f"K.dropout: level is a fraction from 0 to less than 1; got {level!r}.")
    return random.dropout(x, level, noise_shape=noise_shape, seed=seed)

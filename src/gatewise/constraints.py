"""Constraints: what weights are made to satisfy after each step of the optimizer, `constraint(w) -> array`.

Norms are taken along `axis`: 0 for a Dense or recurrent kernel, so that each unit's incoming weights are one vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gatewise import config
from gatewise.serialization import Registry

Axis = int | Sequence[int]

_registry = Registry("keras.constraints", "constraint")


@_registry.add()
class Constraint:
    """Base class: a user's subclass defines `__call__(w)` and, to be saved, `get_config()`."""

    def __call__(self, w: Any) -> Any:
        raise TypeError(f"{type(self).__name__} constrains nothing: give it a method __call__(self, w).")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A constraint from its arguments; Keras 1 called `max_value` m."""
        config = dict(config)
        if "m" in config:
            config["max_value"] = config.pop("m")
        return cls(**config)


def _norms(w: np.ndarray, axis: Axis) -> np.ndarray:
    axes = axis if isinstance(axis, int) else tuple(axis)
    return np.sqrt(np.sum(w * w, axis=axes, keepdims=True))


@_registry.add("maxnorm")
class MaxNorm(Constraint):
    """Vectors longer than `max_value` are shortened to it."""

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = np.asarray(w)
        norms = _norms(w, self.axis)
        return w * (np.minimum(norms, self.max_value) / (config.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


@_registry.add("nonneg")
class NonNeg(Constraint):
    """Negative weights become 0."""

    def __call__(self, w: Any) -> Any:
        return np.maximum(w, 0)


@_registry.add("unitnorm")
class UnitNorm(Constraint):
    """Every vector gets length 1."""

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = np.asarray(w)
        return w / (config.epsilon() + _norms(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


@_registry.add()
class MinMaxNorm(Constraint):
    """Lengths move by `rate` (1: all the way) of their distance into [`min_value`, `max_value`]."""

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = np.asarray(w)
        norms = _norms(w, self.axis)
        wanted = self.rate * np.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (config.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm


def get(identifier: Any) -> Callable[[Any], Any] | None:
    """None, a name, a configuration, a class or a callable -> the latter.

    Raises:
        ValueError: unknown constraint, with the nearest name.
    """
    return _registry.get(identifier)


def serialize(constraint: Any) -> Any:
    """Keras 3's configuration of a constraint."""
    return _registry.serialize(constraint)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The constraint that a name or configuration stands for."""
    return _registry.deserialize(config, custom_objects)

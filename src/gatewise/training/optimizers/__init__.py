"""Optimizers: Keras's, by class and by name, and a user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewise.serialization import Registry
from gatewise.training import schedules
from gatewise.training.optimizers.base import Optimizer
from gatewise.training.optimizers.classic import SGD, Adam, RMSprop

_registry = Registry("keras.optimizers", "optimizer")
for _class in (Optimizer, SGD, RMSprop, Adam):
    _registry.add(_class.__name__.lower())(_class)


def get(identifier: Any) -> Optimizer:
    """A name in any case, a configuration, a class or an optimizer -> the optimizer.

    Raises:
        ValueError: unknown optimizer, with the nearest name.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()
    if isinstance(identifier, str | dict):
        return deserialize(identifier)
    raise ValueError(
        f"Cannot make an optimizer from {type(identifier).__name__} {identifier!r}: write a name such as 'adam', or "
        "an object such as optimizers.Adam(learning_rate=0.01)."
    )


def serialize(optimizer: Optimizer) -> Any:
    """Keras 3's configuration of an optimizer."""
    return _registry.serialize(optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The optimizer that a name (in any case) or configuration stands for."""
    if isinstance(config, str) and config.lower() in _registry.objects:
        config = config.lower()
    if isinstance(config, dict) and str(config.get("class_name")).lower() in _registry.objects:
        config = {**config, "class_name": str(config["class_name"]).lower()}
    return _registry.deserialize(config, custom_objects)


__all__ = ["SGD", "Adam", "Optimizer", "RMSprop", "deserialize", "get", "schedules", "serialize"]

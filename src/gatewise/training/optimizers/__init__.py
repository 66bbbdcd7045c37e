"""Optimizers: Keras's, by class and by name, and a user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewise.serialization import Registry, get_registered_object
from gatewise.training import schedules
from gatewise.training.optimizers import legacy
from gatewise.training.optimizers.adagrad_family import Adadelta, Adafactor, Adagrad, Ftrl
from gatewise.training.optimizers.adam_family import Adamax, AdamW, Lamb, Lion, Nadam, ScheduleFreeAdamW
from gatewise.training.optimizers.base import Optimizer
from gatewise.training.optimizers.classic import SGD, Adam, RMSprop
from gatewise.training.optimizers.loss_scale import LossScaleOptimizer
from gatewise.training.optimizers.multi import MultiOptimizer, OptimizerMap
from gatewise.training.optimizers.muon import Muon

_registry = Registry("keras.optimizers", "optimizer")
for _class in (
    Optimizer, SGD, RMSprop, Adam, AdamW, Adagrad, Adadelta, Adamax, Nadam, Ftrl, Lion, Lamb, Adafactor, Muon,
    ScheduleFreeAdamW, LossScaleOptimizer, MultiOptimizer, OptimizerMap,
):  # fmt: skip
    _registry.add(_class.__name__.lower())(_class)

# Keras 1 and 2 had the classes under lower-case names too.
sgd, rmsprop, adam, adagrad, adadelta, adamax, nadam = SGD, RMSprop, Adam, Adagrad, Adadelta, Adamax, Nadam


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
    if isinstance(config, dict) and isinstance(config.get("class_name"), str):
        name = config["class_name"]
        if get_registered_object(name, custom_objects) is None:
            # TensorFlow 2.11 and 2.12 wrote "Custom>Adam" for its own.
            own = name.removeprefix("Custom>").lower()
            if own in _registry.objects:
                config = {**config, "class_name": own, "registered_name": None}
    return _registry.deserialize(config, custom_objects)


__all__ = [
    "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "LossScaleOptimizer",
    "MultiOptimizer", "Muon", "Nadam", "Optimizer", "OptimizerMap", "RMSprop", "ScheduleFreeAdamW",
    "adadelta", "adagrad", "adam", "adamax", "deserialize", "get",
    "legacy", "nadam", "rmsprop", "schedules", "serialize", "sgd",
]  # fmt: skip

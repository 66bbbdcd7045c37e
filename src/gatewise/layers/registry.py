"""Layers by name: what configurations and files look classes up in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gatewise import config, layers, serialization
from gatewise.layer import Layer

_NO_CLASSES = ("Input", "InputSpec", "REGISTRY")


class _Table(Mapping[str, Any]):
    """Name -> class, the class's file loaded when it is asked for; names in snake case are known too."""

    def __init__(self) -> None:
        classes = [name for name in layers.HOMES if name[0].isupper() and name not in _NO_CLASSES]
        self._public = {config.snake_case(name): name for name in classes} | {name: name for name in classes}

    def __getitem__(self, name: str) -> Any:
        return getattr(layers, self._public[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._public)

    def __len__(self) -> int:
        return len(self._public)


REGISTRY = serialization.Registry("keras.layers", "layer", _Table())


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The layer that a configuration stands for."""
    return REGISTRY.deserialize(config, custom_objects)


def serialize(layer: Layer) -> dict[str, Any]:
    """The configuration of a layer."""
    return serialization.serialize_object(layer)

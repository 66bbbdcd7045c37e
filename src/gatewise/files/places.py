"""Where in a file each layer's arrays lie: Keras 3's paths.

A model's layers are under `layers/`, each in a group named by its class in snake case, numbered where a class occurs
again; a layer inside a layer is under the attribute that holds it; a layer's own arrays are `vars/0`, `vars/1`, ...
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gatewise.config import snake_case
from gatewise.functional import Functional
from gatewise.layer import Layer
from gatewise.model import Model


def places(model: Layer) -> Iterator[tuple[str, Layer, bool]]:
    """Each layer at any depth, the model itself first: (path, layer, whether its arrays lie there).

    A layer that two models hold has its arrays at the first place; at the second, a file has a link to them.
    """
    yield from _within("", model, set())


def _within(path: str, layer: Layer, met: set[int]) -> Iterator[tuple[str, Layer, bool]]:
    met.add(id(layer))
    yield path, layer, True
    for name, held in _held(layer):
        inner = f"{path}/{name}".lstrip("/")
        if not isinstance(held, Layer):
            yield from _within_container(inner, held, met, isinstance(layer, Functional) and name == "layers")
        elif id(held) not in met:
            yield from _within(inner, held, met)


def _within_container(path: str, container: Any, met: set[int], linked: bool) -> Iterator[tuple[str, Layer, bool]]:
    numbers: dict[str, int] = {}
    for item in container.values() if isinstance(container, dict) else container:
        if not isinstance(item, Layer | list | tuple | dict):
            continue
        base = snake_case(type(item).__name__) if isinstance(item, Layer) else "container"
        number = numbers[base] = numbers.get(base, -1) + 1
        inner = f"{path}/{base}_{number}" if number else f"{path}/{base}"
        if not isinstance(item, Layer):
            yield from _within_container(inner, item, met, False)
        elif id(item) not in met:
            yield from _within(inner, item, met)
        elif linked:
            yield inner, item, False


def _held(layer: Layer) -> list[tuple[str, Any]]:
    """The attributes that may hold layers, in the order in which Keras looks at them."""
    attributes = vars(layer).items()
    if not isinstance(layer, Model):
        return sorted(((name, value) for name, value in attributes if _may_hold(name, value)), key=_name)
    public = [(name, value) for name, value in attributes if name[0] != "_" and _may_hold(name, value)]
    if isinstance(layer, Functional):
        return [("layers", layer.layers), *sorted(public, key=_name)]
    return sorted([*public, ("layers", layer.layers)], key=_name)


def _may_hold(name: str, value: Any) -> bool:
    return name not in _NO_PARTS and isinstance(value, Layer | list | tuple | dict)


_NO_PARTS = frozenset({"_inbound_nodes", "_constructed_with", "_variables", "_states"})


def _name(attribute: tuple[str, Any]) -> str:
    return attribute[0]

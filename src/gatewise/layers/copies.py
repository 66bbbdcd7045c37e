"""Layers made again from the arguments they were made with."""

from __future__ import annotations

import inspect
from typing import Any

from gatewise import tree
from gatewise.layer import Layer
from gatewise.layers.stacked_cells import StackedRNNCells


def made_anew(layer: Layer, **changes: Any) -> Any:
    """A new layer, unbuilt, from the arguments that `layer` was made with; layers among these are made anew too."""
    args, kwargs = layer._constructed_with
    bound = inspect.signature(type(layer).__init__).bind(layer, *args, **kwargs)
    _, *named = bound.arguments.items()
    given: dict[str, Any] = {}
    for name, value in named:
        given.update(value if bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD else {name: value})
    stack = getattr(layer, "cell", None)
    if isinstance(stack, StackedRNNCells) and isinstance(given.get("cell"), list | tuple):
        given["cell"] = stack  # what RNN made of a list of cells, so that its name is kept too
    given = tree.map_leaves(lambda item: made_anew(item, name=item.name) if isinstance(item, Layer) else item, given)
    parameters = bound.signature.parameters.values()
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    accepted = {p.name for p in parameters} | (set(changes) if takes_any else set())
    new = type(layer)(**{**given, **{name: value for name, value in changes.items() if name in accepted}})
    for name in set(changes) - accepted:  # a user's class whose constructor has no such argument
        setattr(new, name, changes[name])
    if not layer.trainable:
        new.trainable = False
    return new

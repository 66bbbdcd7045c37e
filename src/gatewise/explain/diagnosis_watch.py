"""One step of training looked at from outside: what each layer put out, and what gradient came back to it.

For the time of the step the methods through which a graph runs its layers are replaced on the layers themselves; no
other code knows of it, and afterwards the layers are as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gatewise import autodiff, tree
from gatewise.layer import Layer
from gatewise.layers.recurrent import RNN


@dataclass
class Call:
    """One use of a layer in a step.

    Attributes:
        path: names of the layers around it and its own, joined by "/".
        inputs, outputs: flat.   masks: which places of each output count, or None.
        d_outputs: the gradient of the loss with respect to each output, None where nothing came back.
    """

    layer: Any
    path: str
    inputs: list[Any]
    outputs: list[Any]
    masks: list[Any]
    d_outputs: list[Any] = field(default_factory=list)

    def counted(self, k: int = 0) -> np.ndarray:
        """The k-th output with zeros where it is masked."""
        y, mask = self.outputs[k], self.masks[k]
        if mask is None or np.shape(mask) != y.shape[: np.ndim(mask)]:
            return y
        return np.where(np.reshape(mask, (*mask.shape, *[1] * (y.ndim - mask.ndim))), y, y.dtype.type(0))


def layer_paths(model: Any) -> dict[int, tuple[Any, str]]:
    """Each layer inside a model by its id, with its path; what is inside the cell of a recurrent layer left out."""
    found: dict[int, tuple[Any, str]] = {id(model): (model, model.name)}

    def visit(layer: Layer, prefix: str) -> None:
        for inner in layer.sublayers():
            if id(inner) not in found:
                path = f"{prefix}{inner.name}"
                found[id(inner)] = (inner, path)
                if not isinstance(inner, RNN):
                    visit(inner, f"{path}/")

    visit(model, "")
    return found


@contextmanager
def watched(model: Any) -> Iterator[list[Call]]:
    """Within the block every use of a layer is noted, in the order in which they end."""
    calls: list[Call] = []
    layers = [layer for layer, _ in layer_paths(model).values()]
    paths = {key: path for key, (_, path) in layer_paths(model).items()}
    for layer in layers:
        vars(layer)["differentiate"] = _watching_differentiate(layer, paths[id(layer)], calls)
        vars(layer)["compute"] = _watching_compute(layer, paths[id(layer)], calls)
    try:
        yield calls
    finally:
        for layer in layers:
            del vars(layer)["differentiate"], vars(layer)["compute"]


def _watching_differentiate(layer: Any, path: str, calls: list[Call]) -> Any:
    original = layer.differentiate

    def differentiate(inputs: Any, mask: Any, training: bool, structure: Any) -> Any:
        y, pullback = original(inputs, mask, training, structure)
        call = _noted(layer, path, inputs, y, mask)
        calls.append(call)

        def watching(dy: Any, wants_dx: bool = True) -> Any:
            call.d_outputs = list(dy) if isinstance(dy, list | tuple) else [dy]
            return pullback(dy, wants_dx)

        return y, watching

    return differentiate


def _watching_compute(layer: Any, path: str, calls: list[Call]) -> Any:
    original = layer.compute

    def compute(inputs: Any, mask: Any, training: bool, structure: Any) -> Any:
        y = original(inputs, mask, training, structure)
        calls.append(_noted(layer, path, [autodiff.plain(x) for x in inputs], tree.map_leaves(autodiff.plain, y), mask))
        return y

    return compute


def _noted(layer: Any, path: str, inputs: Any, y: Any, mask: Any) -> Call:
    flat, arrays = list(tree.leaves(y)), list(inputs)
    found: list[Any] = [None] * len(flat)
    if (mask is not None and layer.supports_masking) or layer.may_create_mask:
        found = list(layer.masks_after(arrays, flat, autodiff.plain(mask)))
    return Call(layer, path, arrays, flat, [*found, *[None] * (len(flat) - len(found))])

"""Output shapes of layers that only have a `call`: run it on zeros of two sizes and see which sizes follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.context import collected_losses, collected_metrics
from gatewise.graph import SymbolicTensor
from gatewise.variable import assignments_undone

_TRIAL_SIZES = (16, 17)  # for unknown sizes: large enough for windows and pools to fit


def probed_outputs(layer: Any, leaves: Sequence[Any], structure: Any) -> Any:
    """Symbolic outputs of `layer` for symbolic `leaves`, nested as the layer returns them.

    A size of the output that changes with the unknown sizes of the input is unknown.
    """
    unknown = any(None in leaf.shape for leaf in leaves)
    trials = [trial(layer, leaves, structure, size) for size in (_TRIAL_SIZES if unknown else _TRIAL_SIZES[:1])]
    others = [list(tree.leaves(other)) for other in trials[1:]]

    def symbolic(index_and_value: tuple[int, Any]) -> SymbolicTensor:
        index, value = index_and_value
        shape = [
            size if all(np.shape(other[index])[axis] == size for other in others) else None
            for axis, size in enumerate(np.shape(value))
        ]
        return SymbolicTensor(shape, np.asarray(value).dtype.name)

    flat = list(tree.leaves(trials[0]))
    return tree.fill(trials[0], [symbolic(pair) for pair in enumerate(flat)])


def trial(layer: Any, leaves: Sequence[Any], structure: Any, size: int = _TRIAL_SIZES[0]) -> Any:
    """The layer's output with zeros for symbolic leaves, with `size` in place of each unknown size.

    It leaves no trace but the weights of layers that are built on the way: what they assign or add is forgotten.
    """
    values = [
        np.full([size if s is None else s for s in leaf.shape], "" if leaf.dtype == "string" else 0, leaf.array_type)
        if isinstance(leaf, SymbolicTensor)
        else leaf
        for leaf in leaves
    ]
    known = {id(inner) for inner in _layers_inside(layer) if "_build_shape" in vars(inner)}
    with collected_losses(), collected_metrics(), assignments_undone():
        result = layer.infer(*values, mask=None, training=False, structure=structure)
    symbolic = [leaf.shape for leaf in leaves if isinstance(leaf, SymbolicTensor)]
    if symbolic and all(shape[:1] == (None,) for shape in symbolic):
        steps_unknown = any(len(shape) > 1 and shape[1] is None for shape in symbolic)
        for inner in _layers_inside(layer):
            if id(inner) not in known and tree.is_shape(vars(inner).get("_build_shape")):
                inner._build_shape = _without_trial_sizes(inner._build_shape, size, steps_unknown)
    return result


def _layers_inside(layer: Any) -> Iterator[Any]:
    """The layers inside a layer, at any depth."""
    for inner in layer.sublayers():
        yield inner
        yield from _layers_inside(inner)


def _without_trial_sizes(shape: Sequence[int | None], size: int, steps_unknown: bool) -> tuple[int | None, ...]:
    """A shape that a layer inside was built for, with None again for the batch and, where unknown, the steps."""
    axes = 2 if steps_unknown and len(shape) > 2 else 1
    return tuple(None if axis < axes and n == size else n for axis, n in enumerate(shape))

"""What layers keep between their forward pass and their way back, as arithmetic: one function for each kind of layer.

Adding a kind is adding a function to `_RULES`.  A layer without one is said to keep its output (and, if that is a sum
of its parts, theirs), which holds for most; it is marked as not exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gatewise import activations, kernels, tree
from gatewise.explain.arithmetic import Expression, Number, times
from gatewise.layer import Layer
from gatewise.layers.cell import GatedCell

Shape = tuple[int, ...]


class Held(NamedTuple):
    """Numbers that a layer holds.

    what: "gates", "c", ...: what they are.   numbers: how many, as arithmetic.
    """

    what: str
    numbers: Expression


class Needs(NamedTuple):
    """What one use of a layer needs.

    kept: what it keeps for its way back beside its input and its output.
    passing: numbers that it needs while its way back runs, beside the gradients that come and go.
    workspace: those of them that lie in memory which the kernels keep for the next call.
    output: whether its output is an array of its own: False where it is a part of what is kept, or of the input.
    reads_input, reads_output: whether its way back reads its input, or its output, so that these stay until then.
    exact: whether this is known, and no guess.
    """

    kept: tuple[Held, ...] = ()
    passing: int = 0
    workspace: int = 0
    output: bool = True
    reads_input: bool = True
    reads_output: bool = False
    exact: bool = True


Rule = Callable[[Any, Sequence[Shape], Sequence[Shape]], Needs]


def needs_of(layer: Layer, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Needs:
    """What a layer needs for inputs and outputs of these shapes, batch included."""
    if not layer._uses_call:
        for cls in type(layer).__mro__:
            if cls.__name__ in _RULES and cls.__module__.startswith("gatewise.layers."):
                return _RULES[cls.__name__](layer, inputs, outputs)
    return Needs(reads_output=True, exact=False)


def size_of(shapes: Sequence[Shape]) -> int:
    """How many numbers arrays of these shapes hold."""
    return sum(math.prod(shape) for shape in shapes)


# ---- recurrent layers -----------------------------------------------------------------------------------------------

_TAPES = {"LSTMCell": 5, "GRUCell": 4, "SimpleRNNCell": 0}
"""By cell: how many times H numbers of a step the tape holds beside h; c and the gates, or the gates and h U."""

_GRADIENTS = {"LSTMCell": 4, "GRUCell": 4, "SimpleRNNCell": 1}
"""By cell: how many times H numbers of a step the gradients of what the gates are made of take."""


def _recurrent(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Needs:
    cell: Any = layer.cell
    name = next((c.__name__ for c in type(cell).__mro__ if c.__name__ in _TAPES), None)
    names = cell._kernel_activations() if isinstance(cell, GatedCell) and not cell._uses_call else None
    if name is None or names is None or getattr(cell, "is_variant", False):
        return Needs(reads_output=True, exact=False)
    shape = inputs[0]
    N, T = (shape[1], shape[0]) if layer.time_major else shape[:2]
    per_step = _TAPES[name] + (cell.n_gates if set(names) & set(kernels.ACTIVATIONS_NEEDING_INPUT) else 0)
    per_step += 0 if layer.return_sequences else 1  # h of all steps is the output, or kept beside it
    of_gradients = _GRADIENTS[name] - (not getattr(cell, "reset_after", True))
    n, t, h = Number(N, "N"), Number(T, "T"), Number(cell.units, "H")
    every = layer.remat_steps
    if every is None or every >= T:
        kept = (Held("tape", times(n, t, per_step, h)),) if per_step else ()
        workspace = N * T * of_gradients * cell.units
        return Needs(kept, workspace, workspace, output=layer.return_sequences, reads_output=True)
    states = len(cell.state_shapes)
    begun = Number(-(-T // every), "(T / k)")
    kept = (Held("states", times(n, begun, states, h)),)
    workspace = N * every * of_gradients * cell.units
    tape = N * every * (per_step + layer.return_sequences) * cell.units
    return Needs(kept, workspace + tape, workspace)


def _bidirectional(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Needs:
    parts = []
    for one in (layer.forward_layer, layer.backward_layer):
        shapes = list(tree.leaves_of_shapes(one.compute_output_shape(inputs[0])))
        found = needs_of(one, inputs, shapes)
        own = size_of(shapes[:1]) if found.output and layer.merge_mode is not None else 0
        parts.append(found._replace(kept=(*found.kept, *([Held("output", Number(own))] if own else []))))
    ahead, behind = parts
    return Needs(
        (*ahead.kept, *behind.kept),
        max(ahead.passing, behind.passing) + 2 * size_of(inputs[:1]),
        max(ahead.workspace, behind.workspace),
        exact=ahead.exact and behind.exact,
    )


def _time_distributed(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Needs:
    flat = [[(shape[0] * shape[1], *shape[2:]) for shape in shapes] for shapes in (inputs, outputs)]
    return needs_of(layer.layer, *flat)


# ---- layers that look at single steps, or none ----------------------------------------------------------------------


def _dense(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Needs:
    if layer.activation is activations.linear:
        return Needs()
    kept = _of_activation(layer.activation, outputs)
    return Needs(kept, size_of(outputs), reads_output=not kept)


def _activation(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Needs:
    if layer.activation is activations.linear:
        return Needs(output=False, reads_input=False)
    kept = _of_activation(layer.activation, outputs)
    return Needs(kept, reads_input=False, reads_output=not kept)


def _of_activation(function: Any, outputs: Sequence[Shape]) -> tuple[Held, ...]:
    """The slope at every place; softmax gets by with its output."""
    if function in (activations.softmax, activations.log_softmax):
        return ()
    return (Held("slopes", _product(outputs)),)


def _embedding(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Needs:
    return Needs(passing=size_of(outputs) * 8 // layer._array_type.itemsize)  # the place of every number


def _dropout(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Needs:
    return Needs(
        (Held("multipliers", _product(outputs)),) if layer.rate else (), output=bool(layer.rate), reads_input=False
    )


def _reshaped(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Needs:
    return Needs(output=False)


def _product(shapes: Sequence[Shape]) -> Expression:
    (shape,) = shapes
    letters = ("N", "T", "F") if len(shape) == 3 else ("N", "F") if len(shape) == 2 else (None,) * len(shape)
    return times(*(Number(n, letter) for n, letter in zip(shape, letters, strict=True)))


_RULES: dict[str, Rule] = {
    "RNN": _recurrent, "Bidirectional": _bidirectional, "TimeDistributed": _time_distributed, "Dense": _dense,
    "Activation": _activation, "Embedding": _embedding, "Dropout": _dropout, "Flatten": _reshaped, "Reshape": _reshaped,
}  # fmt: skip

"""Any cell over whole sequences: a built-in one by its own kernels, a user's in a loop over `cell(x, states)`.

`run` and `trace` have the contract of `Cell.run_states` and `Cell.trace_states`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gatewise import probing, tree
from gatewise.arguments import CallArguments
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.layers.cell import Cell, added, as_shape
from gatewise.layers.chance import Chance


def knows_sequences(cell: Any) -> bool:
    """True for a built-in cell whose step nobody has written anew."""
    return isinstance(cell, Cell) and not cell._uses_call


def output_is_first_state(cell: Any) -> bool:
    """True if a masked step of the cell repeats its output by keeping its states."""
    cells = getattr(cell, "cells", None)
    return knows_sequences(cell) and knows_sequences(cells[-1] if cells else cell)


def check_cell(cell: Any, layer: str, owner: str) -> None:
    """Raise ValueError, in the name of the layer, unless the cell can compute a step."""
    name = cell.__name__ if isinstance(cell, type) else type(cell).__name__
    if isinstance(cell, type):
        raise ValueError(f"Layer '{layer}' ({owner}) needs a cell, not a class; write {name}(...).")
    if not isinstance(cell, Layer) or not (isinstance(cell, Cell) or cell._uses_call):
        raise ValueError(
            f"Layer '{layer}' ({owner}) runs a cell: a Layer with a `call(self, inputs, states)` that returns (output, "
            f"states), and a `state_size`; got {name} {cell!r}."
        )
    if not hasattr(cell, "state_size"):
        raise ValueError(
            f"Layer '{layer}' ({owner}): the cell {name} has no `state_size`: set self.state_size to the length of "
            "the state, or to a list of lengths."
        )


def output_shape(cell: Any, dtype: str) -> tuple[int, ...]:
    """The shape of a step's output, without the batch: the cell's `output_size`, or its first state's."""
    size = getattr(cell, "output_size", None)
    if size is None:
        first = next(tree.leaves(initial_states(cell, 1, dtype)))
        return tuple(first.shape[1:])
    return as_shape(size)


def make_late_weights(cell: Any, step_shape: Sequence[Any]) -> None:
    """Let a user's cell create the weights that it only makes where it is called."""
    if knows_sequences(cell) or not cell._uses_call:
        return
    x = SymbolicTensor((1, *step_shape[1:]), cell.dtype)
    nested = initial_states(cell, 1, cell.dtype)
    probing.trial(cell, [x, *tree.leaves(nested)], CallArguments.structure_of((x, nested), {}))


def initial_states(cell: Any, batch: int, dtype: str) -> list[Any]:
    """The states a cell begins with, in a list: its own `get_initial_state`, or zeros."""
    own = getattr(cell, "get_initial_state", None)
    if own is None:
        zeros = tree.map_leaves(lambda size: np.zeros((batch, *as_shape(size)), dtype), cell.state_size)
    else:
        known = inspect.signature(own).parameters
        zeros = own(**{k: v for k, v in {"batch_size": batch, "dtype": dtype}.items() if k in known})
        zeros = tree.map_leaves(np.asarray, zeros)
    return list(zeros) if isinstance(zeros, list | tuple) else [zeros]


def _begin(cell: Any, x: np.ndarray, states: Sequence[Any], mask: Any) -> tuple[np.ndarray, list, Any]:
    """x with zeros in masked steps, the states, flat, and how a step's arguments nest."""
    nested = initial_states(cell, len(x), x.dtype.name)
    flat = list(states) or list(tree.leaves(nested))
    if mask is not None:
        x = np.where(mask.reshape(*mask.shape, *[1] * (x.ndim - 2)), x, x.dtype.type(0))
    structure = CallArguments.structure_of((x, tree.fill(nested, flat)), {})
    return x, flat, structure


def _step_results(cell: Any, found: Any, before: Sequence[Any], t: int) -> tuple[np.ndarray, list]:
    """A step's output and new states, flat.

    Raises:
        ValueError: at the first step, unless the cell returned an output and each state in its shape.
    """
    leaves = list(tree.leaves(found))
    if t == 0 and [np.shape(leaf) for leaf in leaves[1:]] != [np.shape(state) for state in before]:
        given = ", ".join(str(np.shape(leaf)) for leaf in leaves[1:])
        wanted = ", ".join(str(np.shape(state)) for state in before)
        raise ValueError(
            f"Cell '{cell.name}' ({type(cell).__name__}): its call(inputs, states) returned other states than "
            f"`state_size` says.\n    expected: an output, then the states [{wanted}]\n    given:    "
            f"{len(leaves[:1])} output, then the states [{given}]\nReturn (output, states), the states nested and "
            "shaped as they came."
        )
    return leaves[0], leaves[1:]


def _chosen(use: Any, new: np.ndarray, old: Any) -> np.ndarray:
    """`new` in the rows that count, `old` (None for zeros) in the others."""
    rows = use.reshape(-1, *[1] * (new.ndim - 1))
    return np.where(rows, new, new.dtype.type(0) if old is None else old)


def drawn(cell: Any, shape: Sequence[int], training: bool) -> Chance:
    """What chance decides in one run of a cell over x of this shape, (N, T, ...); a user's cell draws for itself."""
    return cell.drawn(shape, training) if knows_sequences(cell) else Chance()


def run(
    cell: Any,
    x: np.ndarray,
    states: Sequence[Any],
    mask: Any,
    training: bool,
    every_step: bool,
    chance: Chance | None = None,
) -> Any:
    """(outputs of every step or None, last output, [last states])."""
    if knows_sequences(cell):
        return cell.run_states(x, states, mask, training, every_step, chance)
    y, flat, outputs = None, list(states), []
    for y, flat in steps(cell, x, states, mask, training):  # noqa: B007
        if every_step:
            outputs.append(y)
    return (np.stack(outputs, axis=1) if every_step else None), y, flat


def steps(cell: Any, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool) -> Iterator[tuple[Any, list]]:
    """Each step's (output, states afterwards) of a user's cell."""
    x, flat, structure = _begin(cell, x, states, mask)
    y = None
    for t in range(x.shape[1]):
        new, after = _step_results(cell, cell.compute([x[:, t], *flat], None, training, structure), flat, t)
        if mask is not None:
            new = _chosen(mask[:, t], new, y)
            after = [_chosen(mask[:, t], a, b) for a, b in zip(after, flat, strict=True)]
        y, flat = new, after
        yield y, flat


def trace(
    cell: Any, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, chance: Chance | None = None
) -> Any:
    """(outputs of every step, [last states], pullback)."""
    if knows_sequences(cell):
        return cell.trace_states(x, states, mask, training, chance)
    return trace_steps(cell, x, states, mask, training)


def trace_steps(
    cell: Any, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool,
    seen: list | None = None, after_steps: list | None = None,
) -> Any:  # fmt: skip
    """`trace` of a user's cell.

    Args:
        after_steps: takes the states after each step.
        seen: takes, on the way back, each step's (gradient of the output, gradients of the states after it), the last
            step's first.
    """
    x, flat, structure = _begin(cell, x, states, mask)
    y, outputs, pullbacks = None, [], []
    for t in range(x.shape[1]):
        found, pullback = cell.differentiate([x[:, t], *flat], None, training, structure)
        new, after = _step_results(cell, found, flat, t)
        if mask is not None:
            new = _chosen(mask[:, t], new, y)
            after = [_chosen(mask[:, t], a, b) for a, b in zip(after, flat, strict=True)]
        y, flat = new, after
        outputs.append(y)
        pullbacks.append(pullback)
        if after_steps is not None:
            after_steps.append(flat)

    def back(dy: Any, dy_last: Any, d_last: Sequence[Any], wants_dx: bool) -> tuple[Any, list, dict]:
        return _back(pullbacks, mask, x, dy, dy_last, list(d_last), seen)

    return np.stack(outputs, axis=1), flat, back


def _back(
    pullbacks: list, mask: Any, x: np.ndarray, dy: Any, carried: Any, d_states: list, seen: list | None
) -> tuple[Any, list, dict]:
    """Gradients of x, of the first states and of the variables; `carried` is what the output of a step still gets."""
    dx = np.zeros_like(x)
    gradients: dict[Any, Any] = {}
    for t in reversed(range(len(pullbacks))):
        d_out = added(carried, None if dy is None else dy[:, t])
        if seen is not None:
            seen.append((d_out, list(d_states)))
        carried = None
        kept: list[Any] = [None] * len(d_states)
        if mask is not None:  # a masked step hands on what it is given
            use, skip = mask[:, t], ~mask[:, t]
            carried = None if d_out is None else _chosen(skip, d_out, None)
            kept = [None if d is None else _chosen(skip, d, None) for d in d_states]
            d_out = None if d_out is None else _chosen(use, d_out, None)
            d_states = [None if d is None else _chosen(use, d, None) for d in d_states]
        (dx_t, *d_before), found = pullbacks[t]([d_out, *d_states])
        d_states = [added(a, b) for a, b in zip(d_before, kept, strict=True)]
        if dx_t is not None:
            dx[:, t] = dx_t
        for variable, gradient in found.items():
            gradients[variable] = added(gradients.get(variable), gradient)
    if mask is not None:
        dx[~mask] = 0
    return dx, d_states, gradients

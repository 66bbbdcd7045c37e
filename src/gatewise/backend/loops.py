"""Keras 1's and 2's K: loops over rows and over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, ops, tree
from gatewise.ops.operation import as_operation


def map_fn(fn: Callable[[Any], Any], elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """fn of each row, the results stacked."""
    found = ops.map(fn, elems)
    return found if dtype is None else tree.map_leaves(lambda leaf: ops.cast(leaf, dtype), found)


def foldl(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """fn(...fn(fn(start, row 0), row 1)...); starting at row 0 without `initializer`."""
    rows = list(range(len(elems)))
    value = elems[rows.pop(0)] if initializer is None else initializer
    for k in rows:
        value = fn(value, elems[k])
    return value


def foldr(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """`foldl` from the last row to the first."""
    return foldl(fn, ops.flip(elems, axis=0), initializer, name)


@as_operation
def rnn(
    step_function: Callable[[Any, list], tuple[Any, list]],
    inputs: Any,
    initial_states: Sequence[Any],
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence[Any] | None = None,
    unroll: bool = False,
    input_length: int | None = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple:
    """Run a step over time.

    Args:
        step_function: (x_t, states + constants) -> (output, new states).
        inputs: (N, T, ...), or (T, N, ...) with `time_major`; a nesting of such arrays is taken step by step too.
        initial_states: a list of (N, ...).
        mask: (N, T) bool, True = the step counts.  Another step keeps the states and repeats the last output, which is
            0 at first (or always, with `zero_output_for_mask`).
        unroll, input_length: accepted; they change no result.

    Returns:
        (the last output, all outputs (N, T, ...), the last states).
    """
    if not time_major:
        inputs = tree.map_leaves(lambda x: ops.swapaxes(x, 0, 1), inputs)
        mask = None if mask is None else np.swapaxes(np.asarray(autodiff.plain(mask)), 0, 1)
    n_steps = len(next(iter(tree.leaves(inputs))))
    states, output, outputs = list(initial_states), None, []
    for t in reversed(range(n_steps)) if go_backwards else range(n_steps):
        x_t = tree.map_leaves(lambda x, t=t: x[t], inputs)
        new, new_states = step_function(x_t, [*states, *(constants or [])])
        if mask is None:
            output, states = new, list(new_states)
        else:
            before = ops.zeros_like(new) if output is None or zero_output_for_mask else output
            output = _where_row(mask[t], new, before)
            states = [_where_row(mask[t], later, sooner) for later, sooner in zip(new_states, states, strict=True)]
        outputs.append(output)
    stacked = ops.stack(outputs if return_all_outputs else outputs[-1:], axis=0)
    return output, stacked if time_major else ops.swapaxes(stacked, 0, 1), states


def _where_row(rows: Any, chosen: Any, other: Any) -> Any:
    """`chosen` in the rows marked, `other` in the rest."""
    kept = np.asarray(rows) != 0
    return ops.where(kept.reshape(kept.shape[0], *(1,) * (len(ops.shape(chosen)) - 1)), chosen, other)

"""Looking at recurrent layers while they run: what each cell's steps computed, and what came back through them.

Nobody looks unless there is a `watching` block on the thread; a layer then asks the block's `Watch` to run its cell.
What the watch keeps is the tape of the same kernels that train: it is shown, not computed again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.layers import stepping
from gatewise.layers.chance import Chance
from gatewise.layers.stacked_cells import StackedRNNCells
from gatewise.variable import on_trial

watches: dict[int, Watch] = {}
"""The `Watch` of each thread that looks; empty where nobody does, which is all that layers ask."""


@dataclass(eq=False)
class Received:
    """What came back to a cell: the gradients of every output, of the last one once more, and of the last states."""

    every: Any
    last: Any
    states: list
    dx: Any


@dataclass(eq=False)
class CellRun:
    """A cell over whole sequences, in the direction of the run.

    Attributes:
        cell: the cell.  place: its numbers in stacked cells, outermost first; () where there is one cell.
        x, mask, states: its inputs (N, T, ...), mask (N, T) or None, and first states, flat, [] for zeros.
        outputs: (N, T, ...).
        tape: what the family's kernels kept; for a user's cell the states after each step, (N, T, ...) each.
        last: the last states, flat.
        chance: what dropout and zoneout drew.
        received: the gradients, once they came back; None before.
        seen: for a user's cell, each step's (gradient of the output, gradients of the states), in order of time.
    """

    cell: Any
    place: tuple[int, ...]
    x: np.ndarray
    mask: Any
    states: list
    outputs: Any
    tape: Any
    last: list = field(default_factory=list)
    chance: Chance = Chance()
    received: Received | None = None
    seen: list = field(default_factory=list)


@dataclass(eq=False)
class LayerRun:
    """One use of a recurrent layer: its cells' runs, and the steps whose output it kept (None: all), (N, T)."""

    layer: Any
    keep: Any
    cells: list[CellRun]


class Watch:
    """Runs the cells of recurrent layers and keeps what it sees, in `runs`, in the order of the calls.

    Args:
        wants: whether a layer is to be looked at; the others run as ever.
        carries: whether a layer that is given no states begins with those that it had at the end of the part before:
            see `next_part`.
        keeps_sums: whether tapes are to hold the sums before activation.
    """

    def __init__(self, wants: Callable[[Any], bool], carries: Callable[[Any], bool], keeps_sums: bool) -> None:
        self.wants, self.carries, self.keeps_sums = wants, carries, keeps_sums
        self.runs: list[LayerRun] = []
        self._carried: dict[tuple[int, int], list] = {}
        self._calls: dict[int, int] = {}

    def next_part(self) -> list[LayerRun]:
        """The runs so far, which are forgotten: what runs from now on are the steps that follow."""
        runs, self.runs, self._calls = self.runs, [], {}
        return runs

    def trace(self, layer: Any, x: Any, states: Sequence[Any], mask: Any, training: bool) -> Any:
        """`stepping.trace` of the layer's cell; states are carried on the way forward alone (`run`)."""
        if not self.wants(layer):
            return stepping.trace(layer.cell, x, states, mask, training)
        run = LayerRun(layer, layer._kept_steps(mask, states), [])
        self.runs.append(run)
        return _tracer(run.cells, (), self.keeps_sums)(layer.cell, x, states, mask, training)

    def run(self, layer: Any, x: Any, states: Sequence[Any], mask: Any, training: bool) -> Any:
        """`stepping.run` of the layer's cell, with the outputs of every step."""
        begin = self._begin(layer, states, mask)
        if self.wants(layer):
            run = LayerRun(layer, layer._kept_steps(mask, states), [])
            self.runs.append(run)
            h, last, _ = _tracer(run.cells, (), self.keeps_sums, one_way=True)(layer.cell, x, begin, mask, training)
            h_last = h[:, -1]
        else:
            h, h_last, last = stepping.run(layer.cell, x, begin, mask, training, layer.return_sequences)
        if self.carries(layer):
            self._carried[id(layer), self._calls[id(layer)]] = list(last)
        return h, h_last, last

    def _begin(self, layer: Any, states: Sequence[Any], mask: Any) -> Sequence[Any]:
        """The states that a run begins with."""
        if not self.carries(layer):
            return states
        number = self._calls[id(layer)] = self._calls.get(id(layer), 0) + 1
        carried = self._carried.get((id(layer), number))
        if carried is None:
            return states
        if mask is not None and (states or not stepping.output_is_first_state(layer.cell)):
            raise ValueError(
                f"Layer '{layer.name}' ({type(layer).__name__}) has a mask, and "
                f"{'states to begin with' if states else 'a cell whose output is not its first state'}: what it puts "
                "out at a masked step may be decided in an earlier part, so it cannot be traced in parts."
            )
        return carried


@contextmanager
def watching(
    wants: Callable[[Any], bool] = lambda _: True,
    carries: Callable[[Any], bool] = lambda _: False,
    keeps_sums: bool = False,
) -> Iterator[Watch]:
    """A watch, which sees the recurrent layers that this thread calls within the block.

    Raises:
        RuntimeError: within another such block.
    """
    key = threading.get_ident()
    if key in watches:
        raise RuntimeError("The layers are being traced already: gatewise.trace was called from within a layer.")
    watches[key] = Watch(wants, carries, keeps_sums)
    try:
        yield watches[key]
    finally:
        del watches[key]


def current() -> Watch | None:
    """The watch of this thread, if there is one and a layer is not only being tried out."""
    return None if on_trial() else watches.get(threading.get_ident())


def _tracer(runs: list[CellRun], place: tuple[int, ...], keeps_sums: bool, one_way: bool = False) -> Callable[..., Any]:
    """A function of `stepping.trace`'s contract that appends to `runs`; with `one_way` there may be no pullback."""

    def trace(cell: Any, x: Any, states: Sequence[Any], mask: Any, training: bool) -> Any:
        known = stepping.knows_sequences(cell)
        if known and isinstance(cell, StackedRNNCells):
            tracers = [_tracer(runs, (*place, k), keeps_sums, one_way) for k in range(len(cell.cells))]
            return cell.traced_by(tracers, x, states, mask, training)
        run = CellRun(cell, place, x, mask, list(states), None, None)
        runs.append(run)
        if known:
            found = cell.taped_states(x, states, mask, training, keeps_sums)
            run.outputs, last, back, run.tape, run.chance = found
        elif one_way:
            run.outputs, last, back = _run_users_cell(run, training)
        else:
            run.outputs, last, back = _trace_users_cell(run, training)
        run.last = last
        return run.outputs, last, _remembering(run, back)

    return trace


def _run_users_cell(run: CellRun, training: bool) -> tuple[np.ndarray, list, Any]:
    outputs, states = [], []
    for y, after in stepping.steps(run.cell, run.x, run.states, run.mask, training):
        outputs.append(y)
        states.append(after)
    run.tape = [np.stack(of_steps, axis=1) for of_steps in zip(*states, strict=True)]
    return np.stack(outputs, axis=1), states[-1], None


def _trace_users_cell(run: CellRun, training: bool) -> tuple[np.ndarray, list, Any]:
    states: list[list] = []
    h, last, back = stepping.trace_steps(run.cell, run.x, run.states, run.mask, training, run.seen, states)
    run.tape = [np.stack(of_steps, axis=1) for of_steps in zip(*states, strict=True)]
    return h, last, back


def _remembering(run: CellRun, back: Any) -> Any:
    """The pullback, which leaves with the run what it was given and what it found."""

    def remembered(dy: Any, dy_last: Any, d_last: Sequence[Any], wants_dx: bool) -> tuple[Any, list, dict]:
        run.seen.clear()
        dx, d_states, gradients = back(dy, dy_last, d_last, wants_dx)
        run.seen.reverse()
        run.received = Received(dy, dy_last, list(d_last), dx)
        return dx, d_states, gradients

    return remembered


def first_states(run: CellRun) -> list[np.ndarray]:
    """The states that a run began with, flat."""
    if run.states:
        return run.states
    found = stepping.initial_states(run.cell, len(run.x), run.x.dtype.name)
    return [np.asarray(state, run.x.dtype) for state in tree.leaves(found)]

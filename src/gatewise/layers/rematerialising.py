"""Rematerialising: a recurrent layer's training with the tape of a few steps in memory at a time.

The way back through a recurrence reads the gates of every step.  Kept, they are most of what training takes.  Here the
states are kept where each run of k steps begins; on the way back, from the last run to the first, its steps are
computed again with their tape.  That costs one more forward pass and leaves (T / k) states and k steps of tape.

Chen, Xu, Zhang & Guestrin 2016; Gruslys, Munos, Danihelka, Lanctot & Graves 2016.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise.context import collected_losses, collected_metrics, running
from gatewise.layers import stepping
from gatewise.layers.cell import GatedCell, added
from gatewise.layers.chance import Draws, seed_generators
from gatewise.variable import assignments_undone


class _Part(NamedTuple):
    """Some steps, and what they begin with."""

    steps: slice
    states: list
    output_before: Any
    """The output before the first step, which masked steps repeat; None if there is none."""
    draws: Draws
    losses_before: int
    """How many losses were added before its own: those keep their places when it is computed again."""


def trace(
    cell: Any, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, every: int, every_step: bool
) -> tuple[Any, np.ndarray, list, Any]:
    """(outputs of every step or None, last output, [last states], pullback), with the tape of `every` steps at most.

    The arguments are those of `stepping.run`, the pullback is that of `stepping.trace`.  Its gradients are sums over
    parts of the steps, so their last digits differ from those of the whole tape; the outputs do not.
    """
    run = _Run(cell, x, mask, training)
    parts: list[_Part] = []
    y: Any = None
    last, current = None, list(states)
    for begin in range(0, x.shape[1], every):
        part = _Part(slice(begin, begin + every), current, last, Draws(run.generators), len(running.losses or ()))
        parts.append(part)
        piece, last, current = run.ahead(part, every_step)
        if every_step:
            y = np.empty((*x.shape[:2], *piece.shape[2:]), piece.dtype) if y is None else y
            y[:, part.steps] = piece

    def pullback(dy: Any, dy_last: Any, d_last: Sequence[Any], wants_dx: bool) -> tuple[Any, list, dict]:
        dx: Any = None
        gradients = _Sums()
        d_states = list(d_last)
        for part in reversed(parts):
            d_piece = None if dy is None else dy[:, part.steps]
            # Called where it is made: its tape must be gone before the next one is.
            d_part, d_states, found = run.again(part)(d_piece, dy_last, d_states, wants_dx)
            d_states = [None if d is None else _without_subnormal(d) for d in d_states]
            dy_last = run.passed_on(part, d_piece, dy_last)
            gradients.add(found)
            if wants_dx and d_part is not None:
                dx = np.empty(x.shape, d_part.dtype) if dx is None else dx
                dx[:, part.steps] = d_part
        return dx, d_states, gradients.found

    return y, last, current, pullback  # type: ignore[return-value]


class _Run:
    """One run of a cell over x (N, T, ...), which can be gone through part by part, and again."""

    def __init__(self, cell: Any, x: np.ndarray, mask: Any, training: bool) -> None:
        self._cell, self._x, self._mask, self._training = cell, x, mask, training
        self._chance = stepping.drawn(cell, x.shape, training)
        inside = [cell, *getattr(cell, "cells", ())]
        self._is_built_in = all(stepping.knows_sequences(one) for one in inside)
        self.generators = [] if self._is_built_in else seed_generators(cell)
        self._repeats_output = mask is not None and not stepping.output_is_first_state(cell)

    def _arguments(self, part: _Part) -> tuple[Any, Any, Any, Any, Any]:
        mask = None if self._mask is None else self._mask[:, part.steps]
        return self._cell, self._x[:, part.steps], part.states, mask, self._training

    def ahead(self, part: _Part, every_step: bool) -> tuple[Any, np.ndarray, list]:
        """A part's outputs (None may stand for them where nobody asks), its last output and last states."""
        cell, chance = self._cell, self._chance.of_steps(part.steps)
        is_kernel = isinstance(cell, GatedCell) and (self._training or cell._kernel_activations() is not None)
        if self._is_built_in and is_kernel:
            y, y_last, last = stepping.run(*self._arguments(part), every_step, chance)
        else:
            with contextlib.nullcontext() if self._is_built_in else part.draws.noted():
                y, last, _ = stepping.trace(*self._arguments(part), chance)
            y_last = y[:, -1]
        if self._repeats_output and part.output_before is not None:
            counted, before = self._counted(part, y.ndim), part.output_before
            y = np.where(counted, y, before[:, None])
            y_last = y[:, -1]
        # Views would keep the whole part's tape.
        return y, _own(y_last), [_own(state) for state in last]

    def again(self, part: _Part) -> Any:
        """The pullback of a part, computed once more; what its layers add to the loss was counted the first time."""
        chance = self._chance.of_steps(part.steps)
        if self._is_built_in:
            return stepping.trace(*self._arguments(part), chance)[2]
        with collected_losses() as again, collected_metrics(), assignments_undone(), part.draws.repeated():
            again.extend([None] * part.losses_before)
            return stepping.trace(*self._arguments(part), chance)[2]

    def passed_on(self, part: _Part, dy: Any, dy_last: Any) -> Any:
        """What the output before a part gets from the steps that repeat it; None for nothing."""
        if not self._repeats_output or part.output_before is None:
            return None
        counted = self._counted(part, part.output_before.ndim + 1)
        zero = part.output_before.dtype.type(0)
        of_steps = None if dy is None else np.where(counted, zero, dy).sum(axis=1)
        return added(of_steps, None if dy_last is None else np.where(counted[:, -1], zero, dy_last))

    def _counted(self, part: _Part, ndim: int) -> np.ndarray:
        """Whether a row has had a step that counts, within the part, (N, steps, 1, ...)."""
        counted = np.logical_or.accumulate(self._mask[:, part.steps], axis=1)
        return counted.reshape(*counted.shape, *[1] * (ndim - 2))


class _Sums:
    """Gradients by variable, added up in arrays of their own."""

    def __init__(self) -> None:
        self.found: dict[Any, Any] = {}
        self._ours: set[Any] = set()

    def add(self, more: dict[Any, Any]) -> None:
        for variable, gradient in more.items():
            before = self.found.get(variable)
            if before is None or gradient is None:
                self.found[variable] = gradient if before is None else before
            elif variable in self._ours:
                before += gradient
            else:
                self.found[variable] = before + gradient
                self._ours.add(variable)


def _own(a: np.ndarray) -> np.ndarray:
    return a if a.base is None else a.copy()


def _without_subnormal(d: np.ndarray) -> np.ndarray:
    """d with zeros for what is too small to be a normal number.

    A gradient that vanishes over many steps stays at the smallest such number for ever, for rounding takes it no
    further down, and processors compute with those many times slower.
    """
    return np.where(np.abs(d) < np.finfo(d.dtype).tiny, d.dtype.type(0), d)

"""The state of an optimizer: flat buffers laid out like the parameters, and the variables that show them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from gatewise.variable import ParameterStore, Slot, Variable


class Clock:
    """Counts the steps that wrote to a state: what `Variable.stamp` of its variables shows."""

    def __init__(self) -> None:
        self.stamp = 0

    def tick(self) -> None:
        self.stamp += 1


class FlatState:
    """A parameter store and the buffers of an optimizer beside it: one flat array a name (momentum, velocity...).

    Args:
        store: the parameters; every buffer has the layout of `store.values`.
        owner: the optimizer's name, the first part of each variable's path.
        decays: whether a variable takes part in the weight decay.
    """

    def __init__(self, store: ParameterStore, owner: str, decays: Callable[[Variable], bool]) -> None:
        self.store = store
        self.owner = owner
        self.clock = Clock()
        self.buffers: dict[str, np.ndarray] = {}
        self.variables: list[Variable] = []
        self.constrained = [slot for slot in store.slots if slot.variable.constraint is not None]
        self.decayed = [slot for slot in store.slots if decays(slot.variable)]

    def add(self, names: Sequence[str], initial: float = 0.0) -> None:
        """Add buffers; their variables come variable by variable, the names interleaved, as Keras lists them."""
        for name in names:
            self.buffers[name] = np.zeros_like(self.store.values)
            if initial:
                for slot in self.store.slots:
                    self.buffers[name][slot.start : slot.stop] = initial
        for variable, start, stop, shape in self.store.slots:
            reference = variable.path.replace("/", "_")
            for name in names:
                memory = self.buffers[name][start:stop].reshape(shape)
                full_name = f"{reference}_{name}"
                path = f"{self.owner}/{full_name}"
                shown = Variable(memory, trainable=False, name=full_name, path=path)
                shown.move_to(self, memory)  # type: ignore[arg-type]
                self.variables.append(shown)

    def adopt(self, known: dict[str, np.ndarray]) -> None:
        """Take over values by path: of an earlier state, for the variables that both have."""
        for variable in self.variables:
            value = known.get(variable.path)
            if value is not None and value.shape == variable.shape:
                np.copyto(variable.array, value, casting="unsafe")

    def decay_weights(self, factor: float, present: Collection[Slot] | None) -> None:
        """Multiply the weights that decay; `present`: the slots that have a gradient, None for all."""
        values = self.store.values
        if present is None and len(self.decayed) == len(self.store.slots):
            values *= values.dtype.type(factor)
            return
        for slot in self.decayed:
            if present is None or slot in present:
                values[slot.start : slot.stop] *= values.dtype.type(factor)

    def average(self, momentum: float, overwrite: bool) -> None:
        """Move the average towards the weights, and write it over them where asked."""
        average, values = self.buffers["average"], self.store.values
        average *= values.dtype.type(momentum)
        average += values * values.dtype.type(1 - momentum)
        if overwrite:
            values[:] = average

    def constrain(self, present: Collection[Slot] | None) -> None:
        """Make the weights satisfy their constraints."""
        for slot in self.constrained:
            if present is None or slot in present:
                part: Any = self.store.values[slot.start : slot.stop].reshape(slot.shape)
                part[...] = slot.variable.constraint(part)

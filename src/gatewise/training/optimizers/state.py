"""The state of an optimizer: flat buffers laid out like the parameters, and the variables that show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.variable import ParameterStore, Slot, Variable

Known = dict[tuple[str, int], np.ndarray]
"""Values of an earlier state: by path, and by the how-manieth of that path it is (Adafactor has pairs of one name)."""


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

    Attributes:
        buffers: the flat arrays by name.
        held: variables of other shapes, by a key of the optimizer's choice.
        variables: all that is shown and saved, in Keras's order.
    """

    def __init__(self, store: ParameterStore, owner: str, decays: Callable[[Variable], bool]) -> None:
        self.store = store
        self.owner = owner
        self.clock = Clock()
        self.buffers: dict[str, np.ndarray] = {}
        self.held: dict[Hashable, Variable] = {}
        self.variables: list[Variable] = []
        self._shown: list[tuple[Variable, str, Slot]] = []
        self.constrained = [slot for slot in store.slots if slot.variable.constraint is not None]
        self.decayed = [slot for slot in store.slots if decays(slot.variable)]

    def add(self, names: Sequence[str], initial: float = 0.0) -> None:
        """Add buffers; their variables come variable by variable, the names interleaved, as Keras lists them."""
        for name in names:
            self.add_buffer(name, initial)
        for slot in self.store.slots:
            for name in names:
                self.show(name, slot)

    def add_buffer(self, name: str, initial: float = 0.0) -> None:
        """Add a flat array, the padding between its slots filled like the slots."""
        self.buffers[name] = np.full_like(self.store.values, initial)

    def show(self, name: str, slot: Slot) -> None:
        """List the part of a buffer that belongs to one variable."""
        memory = self.buffers[name][slot.start : slot.stop].reshape(slot.shape)
        full_name = f"{slot.variable.path.replace('/', '_')}_{name}"
        shown = Variable(memory, trainable=False, name=full_name, path=f"{self.owner}/{full_name}")
        shown.move_to(self, memory)  # type: ignore[arg-type]
        self.variables.append(shown)
        self._shown.append((shown, name, slot))

    def __setstate__(self, content: dict[str, Any]) -> None:
        """Copies (copy.deepcopy, pickle): variables come with memory of their own, and go back to the buffers."""
        self.__dict__.update(content)
        for variable, name, slot in self._shown:
            memory = self.buffers[name][slot.start : slot.stop].reshape(slot.shape)
            variable.move_to(self, memory)  # type: ignore[arg-type]

    def hold(self, key: Hashable, name: str, path: str, value: Any) -> None:
        """List a variable with memory of its own; floats take the parameters' type."""
        value = np.asarray(value)
        dtype = self.store.dtype if value.dtype.kind == "f" else value.dtype
        held = Variable(value.astype(dtype), trainable=False, name=name, path=path)
        self.held[key] = held
        self.variables.append(held)

    def part(self, slot: Slot) -> dict[str, np.ndarray]:
        """The buffers by name, cut to one variable."""
        return {name: buffer[slot.start : slot.stop] for name, buffer in self.buffers.items()}

    def known(self) -> Known:
        """The values of all variables, for a later state to `adopt`."""
        return {key: variable.array for key, variable in _numbered(self.variables)}

    def adopt(self, known: Known) -> None:
        """Take over values of an earlier state, for the variables that both have."""
        for key, variable in _numbered(self.variables):
            value = known.get(key)
            if value is not None and value.shape == variable.shape:
                np.copyto(variable.array, value, casting="unsafe")

    def decay_weights(self, factor: float, slots: Sequence[Slot], present: Collection[Slot] | None) -> None:
        """Multiply the weights of `slots`; `present`: the slots that have a gradient, None for all."""
        values = self.store.values
        if present is None and len(slots) == len(self.store.slots):
            values *= values.dtype.type(factor)
            return
        for slot in slots:
            if present is None or slot in present:
                values[slot.start : slot.stop] *= values.dtype.type(factor)

    def average(self, momentum: float, overwrite: bool) -> None:
        """Move the average towards the weights, and write it over them where asked."""
        average, values = self.buffers["average"], self.store.values
        kernels.average_step(average, values, momentum)
        if overwrite:
            values[:] = average

    def constrain(self, present: Collection[Slot] | None) -> None:
        """Make the weights satisfy their constraints."""
        for slot in self.constrained:
            if present is None or slot in present:
                part: Any = self.store.values[slot.start : slot.stop].reshape(slot.shape)
                part[...] = slot.variable.constraint(part)


def store_of(variables: list[Variable]) -> ParameterStore:
    """The store that holds exactly these variables already, or a new one."""
    first = variables[0].store if variables else None
    if isinstance(first, ParameterStore) and first.variables == variables and first.owns_all():
        return first
    return ParameterStore.of(variables)


def _numbered(variables: Iterable[Variable]) -> list[tuple[tuple[str, int], Variable]]:
    """Each variable with its path and the number of earlier ones of that path."""
    before: Counter[str] = Counter()
    pairs = []
    for variable in variables:
        pairs.append(((variable.path, before[variable.path]), variable))
        before[variable.path] += 1
    return pairs

"""Memory: what training a model holds, by layer, as data: bytes kept for the way back, and the most at any time.

The steps of a training batch are gone through as the model runs them: forward every layer keeps its output and what
`memory_rules` says; on the way back each lets go of it, while gradients come and go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import tree, validation
from gatewise.explain.arithmetic import Expression, written
from gatewise.explain.document import Section, Table, text_of
from gatewise.explain.language import chosen_language, words_in
from gatewise.explain.memory_rules import Needs, Shape, needs_of, size_of
from gatewise.explain.tables import readable_bytes
from gatewise.functional import Functional
from gatewise.graph import SymbolicTensor

KEPT_WORKSPACE_BYTES = 2**27
"""The most that the kernels keep of their own memory between two calls."""


@dataclass(frozen=True)
class LayerMemory:
    """What one use of a layer holds.

    Attributes:
        name, cls: the layer's name, and that of its class.
        output_shape: batch included; a list for several outputs.
        arithmetic: what it keeps beside its input and output, as numbers; empty for nothing.
        kept_bytes: the bytes of that.
        output_bytes: of its output, where that is an array of its own.
        passing_bytes: what it needs while its way back runs, beside the gradients of its input and output.
        exact: False where nothing is known of the layer but its output.
    """

    name: str
    cls: str
    output_shape: Any
    arithmetic: tuple[Expression, ...]
    kept_bytes: int
    output_bytes: int
    passing_bytes: int
    exact: bool

    @property
    def held_bytes(self) -> int:
        """What there is more from its forward pass until its way back has run."""
        return self.kept_bytes + self.output_bytes

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name, "class": self.cls, "output_shape": [list(shape) for shape in self.output_shape],
            "kept": [written(one) for one in self.arithmetic],
            "formula": [written(one, letters=True) for one in self.arithmetic],
            "kept_bytes": self.kept_bytes, "output_bytes": self.output_bytes, "passing_bytes": self.passing_bytes,
            "exact": self.exact,
        }  # fmt: skip


@dataclass(frozen=True)
class Memory:
    """What a training batch, and a batch of prediction, hold.

    Attributes:
        model: its name.   batch_size: N.   steps: T, or None if no input has steps of an open number.
        layers: in the order in which they run.
        input_bytes: the batch that the model is given.
        parameter_bytes: all weights.
        gradient_bytes: the buffer of the gradients and those that the way back returns.
        optimizer_bytes: the optimizer's state; 0 for a model that is not compiled.
        peak_bytes: the most at any time of a training step, all of this together.
        prediction_bytes: the most at any time of predicting a batch, weights included.
        lang: the language of the text.
    """

    model: str
    batch_size: int
    steps: int | None
    layers: tuple[LayerMemory, ...]
    input_bytes: int
    parameter_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    peak_bytes: int
    prediction_bytes: int
    lang: str = "en"

    @property
    def held_bytes(self) -> int:
        """What all layers hold when the forward pass has ended."""
        return sum(layer.held_bytes for layer in self.layers)

    @property
    def exact(self) -> bool:
        """Whether every layer's needs are known."""
        return all(layer.exact for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain values, ready for JSON."""
        return {
            "model": self.model, "batch_size": self.batch_size, "steps": self.steps,
            "layers": [layer.to_dict() for layer in self.layers],
            "input_bytes": self.input_bytes, "parameter_bytes": self.parameter_bytes,
            "gradient_bytes": self.gradient_bytes, "optimizer_bytes": self.optimizer_bytes,
            "held_bytes": self.held_bytes, "peak_bytes": self.peak_bytes, "prediction_bytes": self.prediction_bytes,
            "exact": self.exact,
        }  # fmt: skip

    def __str__(self) -> str:
        return text_of((_section(self),))


def memory(model: Any, batch_size: int = 32, steps: int | None = None, lang: str | None = None) -> Memory:
    """What training and predicting with a model hold in memory.

    Args:
        model: a Sequential or functional model that is built.  Compiled, its optimizer's state is counted too.
        batch_size: N.
        steps: T, for models whose inputs have an open number of time steps.
        lang: "en", "zh" or "de"; default what the environment asks for, or English.

    Raises:
        TypeError: if `model` is no such model.
        ValueError: for sizes that are none, and where the number of steps is open and not given, or known and another.
    """
    if not isinstance(model, Functional) or not model.built:
        raise TypeError(
            f"memory() goes through the layers of a built Sequential or functional model; got {type(model).__name__}. "
            "Give its first layer an Input, or call it on data; what a subclassed model runs, its call alone knows."
        )
    batch_size = validation.positive_integer(batch_size, "batch_size", "memory()")
    walk = _Walk(model, [sized_input(x, batch_size, steps, model.name, "memory") for x in model.inputs])
    parameters = sum(v.array.nbytes for v in model.weights)
    trainable = sum(v.array.nbytes for v in model.trainable_variables)
    optimizer = _optimizer_bytes(model)
    fixed = parameters + 2 * trainable + optimizer + walk.input_bytes
    return Memory(
        model.name, batch_size, steps, tuple(walk.layers), walk.input_bytes, parameters, 2 * trainable, optimizer,
        fixed + walk.training_peak(), parameters + walk.input_bytes + walk.prediction_peak(), chosen_language(lang),
    )  # fmt: skip


def sized_input(x: SymbolicTensor, batch_size: int, steps: int | None, name: str, asked: str) -> SymbolicTensor:
    """An input with its batch, and its steps where these are open; `asked` is the function that wants to know."""
    shape = (batch_size, *x.shape[1:])
    if len(shape) > 1 and shape[1] is None:
        if steps is None:
            raise ValueError(
                f"Model '{name}' takes any number of time steps, {validation.drawn(x.shape)}: say how many, as in "
                f"{asked}(model, batch_size=32, steps=100)."
            )
        shape = (shape[0], validation.positive_integer(steps, "steps", f"{asked}()"), *shape[2:])
    elif steps is not None and len(shape) > 1 and shape[1] != steps:
        raise ValueError(f"Model '{name}' takes {validation.drawn(x.shape)}; leave steps={steps!r} out.")
    if None in shape:
        raise ValueError(
            f"Model '{name}' has an input of open sizes other than the steps: {validation.drawn(x.shape)}."
        )
    return SymbolicTensor(shape, x.dtype)


def _optimizer_bytes(model: Any) -> int:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return 0
    model._ready_store()  # makes the state, as the first step of training would
    return sum(np.asarray(v).nbytes for v in optimizer.variables)


class _Walk:
    """The uses of a model's layers, in the order in which they run, with the sizes of what they pass on."""

    def __init__(self, model: Functional, inputs: Sequence[SymbolicTensor]) -> None:
        self._graph = model._graph
        self._picks = "sparse" in str(getattr(model, "loss", None))  # such a loss looks at one number in each place
        known: dict[int, Any] = {id(x): sized for x, sized in zip(model.inputs, inputs, strict=True)}
        self.input_bytes = sum(map(_bytes_of, inputs))
        self.layers: list[LayerMemory] = []
        self._slots: dict[int, int] = {}
        self._workspaces: list[int] = []
        self._freed: dict[int, int] = {}  # bytes of outputs that nobody needs after a layer's way back
        for slot, x in zip(self._graph._input_slots, inputs, strict=True):
            self._slots[slot] = _bytes_of(x)
        found: list[tuple[Any, Needs, list[Shape]]] = []
        for step in self._graph._steps:
            node = step.node
            leaves = [known.get(id(x), x) for x in node.inputs]
            outputs = list(tree.leaves(node.layer._symbolic_outputs(leaves, node.structure)))
            known.update((id(y), new) for y, new in zip(node.outputs, outputs, strict=True))
            self._slots.update((slot, _bytes_of(y)) for slot, y in zip(step.outputs, outputs, strict=True))
            shapes = [tuple(x.shape) for x in leaves], [tuple(y.shape) for y in outputs]
            found.append((node.layer, needs_of(node.layer, *shapes), shapes[1]))
        first_reader: dict[int, int] = {}  # on the way back it is the last
        for position, (step, (_, needs, _)) in enumerate(zip(self._graph._steps, found, strict=True)):
            for slot in step.inputs if needs.reads_input else ():
                first_reader.setdefault(slot, position)
        for position, (step, (layer, needs, outputs)) in enumerate(zip(self._graph._steps, found, strict=True)):
            readers = [first_reader[slot] for slot in step.outputs if slot in first_reader]
            stays = needs.reads_output or bool(readers)
            self._add(layer, needs, outputs, stays and needs.output)
            if not set(step.outputs) & set(self._graph._output_slots):  # the metrics read those after the way back
                gone = position if needs.reads_output else min(readers, default=position)
                self._freed[gone] = self._freed.get(gone, 0) + self.layers[-1].output_bytes

    def _add(self, layer: Any, needs: Needs, outputs: list[Shape], output_stays: bool) -> None:
        item = layer._array_type.itemsize
        numbers = tuple(held.numbers for held in needs.kept)
        own = size_of(outputs[:1]) * item if output_stays else 0
        kept = sum(one.value for one in numbers) * item
        self._workspaces.append(needs.workspace * item)
        passing = (needs.passing - needs.workspace) * item
        made = LayerMemory(
            layer.name, type(layer).__name__, outputs, numbers, kept, own, passing + needs.workspace * item, needs.exact
        )
        self.layers.append(made)

    def training_peak(self) -> int:
        """The most at any time beside the weights, their gradients, the optimizer's state and the batch."""
        held = sum(layer.held_bytes for layer in self.layers)
        small = [size for size in self._workspaces if size <= KEPT_WORKSPACE_BYTES]
        stays = max(small, default=0)  # of the steps before, or of the layers after
        outputs = sum(self._slots[slot] for slot in self._graph._output_slots)
        pending = {slot: self._slots[slot] for slot in self._graph._output_slots}
        held += sum(
            self._slots[slot] for slot in set(self._graph._output_slots) - self._held_slots()
        )  # for the metrics
        most = held + stays + 2 * outputs  # of the loss: its differences and its values
        held += 0 if self._picks else outputs  # it keeps the differences
        for position, step, wants in self._graph._way_back(False):
            layer = self.layers[position]
            arriving = sum(pending.pop(slot, 0) for slot in step.outputs)
            leaving = {slot: self._slots[slot] for slot in step.inputs} if wants else {}
            workspace = self._workspaces[position]
            beside = layer.passing_bytes - workspace + max(workspace, stays)
            most = max(most, held + sum(pending.values()) + arriving + sum(leaving.values()) + beside)
            for slot, size in leaving.items():
                pending[slot] = size
            held -= layer.kept_bytes + self._freed.get(position, 0)
        return most

    def _held_slots(self) -> set[int]:
        """Where the outputs are that layers hold."""
        pairs = zip(self._graph._steps, self.layers, strict=True)
        return {slot for step, layer in pairs if layer.output_bytes for slot in step.outputs}

    def prediction_peak(self) -> int:
        """The most at any time beside the weights and the batch."""
        alive: dict[int, int] = {}
        most = 0
        for step in self._graph._steps:
            alive.update((slot, self._slots[slot]) for slot in step.outputs)
            most = max(most, sum(alive.values()))
            for slot in step.read_last:
                alive.pop(slot, None)
        return most


def _bytes_of(x: SymbolicTensor) -> int:
    item = 8 if x.array_type.kind == "O" else x.array_type.itemsize
    return size_of([tuple(n or 1 for n in x.shape)]) * item


# ---- in words -------------------------------------------------------------------------------------------------------


def _section(found: Memory) -> Section:
    words = words_in(found.lang)
    _ = words._
    rows = [tuple(_row(layer, _)) for layer in found.layers]
    held = Table((_("layer"), _("output"), _("kept for the way back"), _("bytes")), tuple(rows))
    sums = [
        (_("all layers, after the forward pass"), found.held_bytes),
        (_("the batch"), found.input_bytes),
        (_("weights"), found.parameter_bytes),
        (_("their gradients"), found.gradient_bytes),
        (_("state of the optimizer"), found.optimizer_bytes),
        (_("most at any time of a training step"), found.peak_bytes),
        (_("most at any time of predicting a batch"), found.prediction_bytes),
    ]
    totals = Table((_("in all"), _("bytes")), tuple((what, readable_bytes(n)) for what, n in sums))
    title = _("Memory of '{model}' for batches of {n} samples").format(model=found.model, n=found.batch_size)
    return Section(title, (held, totals))


def _row(layer: LayerMemory, _: Any) -> Iterator[str]:
    yield f"{layer.name} ({layer.cls})"
    yield ", ".join(str(shape) for shape in layer.output_shape)
    told = " + ".join(written(one, letters=True) for one in layer.arithmetic) or "-"
    yield told if layer.exact else _("its output, and what is not known")
    yield readable_bytes(layer.held_bytes)

"""The plan of a stream: a model's layers in the order in which they run, each with its stepper; models opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.functional import Functional
from gatewise.graph import Graph, Node, SymbolicTensor
from gatewise.layers.embedding import Embedding
from gatewise.model import Model
from gatewise.stepper import CannotStep, LayerUse, Stepper


class PlanStep:
    """One stepper with the slots it reads and writes, and the place of its states."""

    __slots__ = ("inputs", "mask", "name", "outputs", "states", "stepper")

    def __init__(self, name: str, stepper: Stepper, inputs: list[int], outputs: list[int], mask: int | None) -> None:
        self.name, self.stepper = name, stepper
        self.inputs, self.outputs, self.mask = inputs, outputs, mask
        self.states: int | None = None


class Plan:
    """How a model runs one time step.

    Args:
        model: a model whose layers are known as a graph.

    Attributes:
        steps: in the order in which they run; values travel in numbered slots.
        inputs, outputs: their slots.
        timed: whether the value in each slot has a time axis.
        timed_inputs: the same of each input.
        state_names: a name for each stepper that keeps states, in the order of their places.

    Raises:
        ValueError: naming the layer that cannot run one step at a time, and why.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.steps: list[PlanStep] = []
        self.timed: list[bool] = []
        self.constants: dict[int, Any] = {}
        self.state_names: list[str] = []
        graph = _graph_of(model)
        self.timed_inputs = _timed_inputs(graph)
        if not any(self.timed_inputs):
            shapes = ", ".join(f"'{n}' {x.shape}" for n, x in zip(model.input_names, graph.inputs, strict=True))
            raise ValueError(
                f"Model '{model.name}' has no input with a time axis, (batch, time steps, features): its inputs are "
                f"{shapes}. There is nothing to run step by step; use predict."
            )
        self.inputs = [self.new_slot(timed) for timed in self.timed_inputs]
        slots = self._add_graph(graph, dict(zip(map(id, graph.inputs), self.inputs, strict=True)), "")
        self.outputs = [slots[id(y)] for y in graph.outputs]

    def run(self, values: Sequence[Any], masks: Sequence[Any], states: list[list[np.ndarray]]) -> list[Any]:
        """The outputs of one step; `states` are changed in place."""
        slots: list[Any] = [None] * len(self.timed)
        slot_masks: list[Any] = [None] * len(self.timed)
        for slot, constant in self.constants.items():
            slots[slot] = constant
        for slot, value, mask in zip(self.inputs, values, masks, strict=True):
            slots[slot], slot_masks[slot] = value, mask
        for step in self.steps:
            stepper, inputs = step.stepper, [slots[k] for k in step.inputs]
            mask = _mask_for(step, slots, slot_masks)
            kept = states[step.states] if step.states is not None else []
            outputs, after = stepper.step(inputs, mask, kept)
            for old, new in zip(kept, after, strict=True):
                old[...] = new
            for slot, y in zip(step.outputs, outputs, strict=True):
                slots[slot] = y
            if mask is not None or stepper.may_create_mask:
                for slot, found in zip(step.outputs, stepper.masks_after(inputs, outputs, mask), strict=False):
                    slot_masks[slot] = found
        found = [slots[k][:, 0] if self.timed[k] else slots[k] for k in self.outputs]
        # A model may hand on what it was given; its outputs are the caller's, and the input stays as it is.
        return [y.copy() if any(np.may_share_memory(x, y) for x in values) else y for y in found]

    def new_slot(self, timed: bool) -> int:
        """A place for one more value."""
        self.timed.append(timed)
        return len(self.timed) - 1

    def _add_graph(self, graph: Graph, slots: dict[int, int], where: str) -> dict[int, int]:
        """Add a graph's steps, given its inputs' slots; returns the slot of each of its tensors, by identity."""
        for node in graph.nodes:
            for x in node.inputs:
                if id(x) not in slots:
                    slots[id(x)] = self.new_slot(False)
                    self.constants[slots[id(x)]] = x
            inputs = [slots[id(x)] for x in node.inputs]
            timed = [self.timed[k] for k in inputs]
            name = where + node.layer.name
            if isinstance(node.layer, Functional) and not node.layer._uses_call and any(timed):
                outputs = self._add_model(node, inputs, name)
            else:
                outputs = self._add_layer(node, inputs, timed, name, slots)
            slots.update(zip(map(id, node.outputs), outputs, strict=True))
        return slots

    def _add_model(self, node: Node, inputs: list[int], name: str) -> list[int]:
        """Open a nested model: its layers become steps of this plan."""
        model, graph = node.layer, node.layer._graph
        if node.mask is not None:
            raise self._refusal(node, name, "it is given a mask inside the model; give each of its layers the mask")
        if node.training:
            raise self._refusal(node, name, "it is called with training=True")
        converted = []
        for slot, given, wanted in zip(inputs, node.inputs, graph.inputs, strict=True):
            if len(given.shape) != len(wanted.shape):
                raise self._refusal(
                    node, name, f"it takes inputs with {len(wanted.shape)} axes and is given {len(given.shape)}"
                )
            if np.dtype(given.dtype) != wanted.array_type:
                stepper = _Converted(model, LayerUse([tuple(given.shape)], [self.timed[slot]]), wanted.array_type)
                slot, before = self.new_slot(self.timed[slot]), slot
                self.steps.append(PlanStep(name, stepper, [before], [slot], None))
            converted.append(slot)
        inner = self._add_graph(graph, dict(zip(map(id, graph.inputs), converted, strict=True)), f"{name}/")
        return [inner[id(y)] for y in graph.outputs]

    def _add_layer(self, node: Node, inputs: list[int], timed: list[bool], name: str, slots: dict) -> list[int]:
        use = LayerUse([tuple(np.shape(x) if _is_constant(x) else x.shape) for x in node.inputs], timed,
                       node.structure, node.training)  # fmt: skip
        mask = None
        if node.mask is not None:
            if use.is_timed and _is_constant(node.mask):
                raise self._refusal(node, name, "it is called with a fixed mask for a fixed number of steps")
            if id(node.mask) not in slots:
                slots[id(node.mask)] = self.new_slot(False)
                self.constants[slots[id(node.mask)]] = node.mask
            mask = slots[id(node.mask)]
        if not use.is_timed and any(getattr(layer, "stateful", False) for layer in node.layer.with_sublayers()):
            raise self._refusal(node, name, "it is stateful, and its input does not follow the stream's steps")
        try:
            stepper = node.layer.stepper(use)
        except CannotStep as reason:
            raise self._refusal(node, name, str(reason)) from None
        outputs = [self.new_slot(timed) for timed in stepper.timed_outputs(len(node.outputs))]
        step = PlanStep(name, stepper, inputs, outputs, mask)
        if stepper.initial(1):
            step.states = len(self.state_names)
            uses = sum(known == name or known.startswith(f"{name}@") for known in self.state_names)
            self.state_names.append(f"{name}@{uses + 1}" if uses else name)
        self.steps.append(step)
        return outputs

    def _refusal(self, node: Node, name: str, reason: str) -> ValueError:
        layer = node.layer
        known = isinstance(layer, Model) and layer._uses_call
        if known:
            reason = "what its `call` does with the time steps is not known"
        hint = (
            " If each step of its output depends on that step of its input alone, say so: stepwise = True in the class."
            if layer._uses_call and not layer.is_operation
            else ""
        )
        return ValueError(
            f"Model '{self.model.name}' cannot run one time step at a time: layer '{name}' "
            f"({type(layer).__name__}): {reason}.{hint} predict takes whole sequences."
        )


class _Converted(Stepper):
    """A value in the type of a nested model's input."""

    may_create_mask = False  # type: ignore[assignment]

    def __init__(self, layer: Any, use: LayerUse, dtype: np.dtype) -> None:
        super().__init__(layer, use)
        self.dtype = dtype

    def step(self, inputs: Sequence[Any], mask: Any, states: Sequence[np.ndarray]) -> tuple[list, list]:
        return [inputs[0].astype(self.dtype)], []

    def select_masks(self, found: Sequence[Any]) -> Any:
        return found[0]

    def masks_after(self, inputs: Sequence[Any], outputs: Sequence[Any], mask: Any) -> Sequence[Any]:
        return [mask]


def _graph_of(model: Any) -> Graph:
    """The graph of a model's layers.

    Raises:
        ValueError: if they are not known as one, or not yet.
    """
    if not isinstance(model, Functional) or model._uses_call:
        raise ValueError(
            f"Model '{model.name}' ({type(model).__name__}) cannot run one time step at a time: what its `call` does "
            "with the time steps is not known. Build it of layers, Sequential([...]) or Model(inputs, outputs)."
        )
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' does not know the shape of its input yet. Put an Input((None, features)) first, or "
            "call the model once."
        )
    return model._graph


def _timed_inputs(graph: Graph) -> list[bool]:
    """Whether each input has the stream's time; one of a single step beside longer ones holds at every step."""
    found = [_has_time(x, graph) for x in graph.inputs]
    longer = any(timed and x.shape[1] != 1 for timed, x in zip(found, graph.inputs, strict=True))
    return [timed and not (longer and x.shape[1] == 1) for timed, x in zip(found, graph.inputs, strict=True)]


def _has_time(x: SymbolicTensor, graph: Graph) -> bool:
    """True for (batch, steps, features ...), and for (batch, steps) where each step is one number by itself."""
    if len(x.shape) != 2:
        return len(x.shape) > 2
    users = [node.layer for node in graph.nodes if any(given is x for given in node.inputs)]
    return x.shape[1] is None or any(isinstance(layer, Embedding) for layer in users)


def _is_constant(x: Any) -> bool:
    return not isinstance(x, SymbolicTensor)


def _mask_for(step: PlanStep, slots: list, slot_masks: list) -> Any:
    """The mask a stepper is given: the one given at the call, or those of its inputs."""
    if step.mask is not None:
        return slots[step.mask]
    for k in step.inputs:
        if slot_masks[k] is not None:
            return step.stepper.select_masks([slot_masks[j] for j in step.inputs])
    return None

"""Symbolic tensors, the nodes that connect them, and running a graph of layers forward and back.

Calling a layer on a symbolic tensor computes nothing: it makes a `Node`.  `Graph` sorts the nodes between
given inputs and outputs once into a list of steps over numbered slots.  `Graph.forward` is one loop over the steps,
keeping the pullbacks, and its own pullback is one loop back: that is the whole engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from gatewise import config, tree
from gatewise.context import running
from gatewise.variable import structure_clock

Shape = tuple[int | None, ...]


class SymbolicTensor:
    """A value that is not known yet: its shape (None where unknown), its type and where it comes from.

    `history` is (node, index): the node that makes it and its place among the node's outputs.
    """

    __array_priority__ = 200.0
    __array_ufunc__ = None  # arithmetic with arrays on the left comes here

    def __init__(self, shape: Sequence[int | None], dtype: str = "float32", name: str | None = None) -> None:
        self.shape: Shape = tuple(None if size is None else int(size) for size in shape)
        self.dtype = dtype
        self.array_type = np.dtype(object if dtype == "string" else dtype)
        self.name = name or config.unique_name("tensor")
        self.history: tuple[Node, int] | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def node(self) -> Node:
        if self.history is None:
            raise ValueError(f"{self!r} was not made by a layer or by Input().")
        return self.history[0]

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(
            f"{self!r} has no value yet: it stands for data that a model will be given. "
            "Use gatewise.ops (or a layer) on it, or call the model on an array."
        )

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} has no value yet, so it is neither true nor false.")

    def __len__(self) -> int:
        raise TypeError(f"{self!r} has no length yet; its shape is {self.shape}.")

    def __iter__(self) -> Any:
        raise TypeError(f"Cannot iterate over {self!r}: its values are not known yet.")

    def __getitem__(self, index: Any) -> Any:
        from gatewise import ops

        return ops.get_item(self, index)


def _give_operators() -> None:
    """Arithmetic on symbolic tensors makes a node of the operation."""

    def operator(name: str, swapped: bool) -> Callable[[Any, Any], Any]:
        def operate(self: Any, other: Any) -> Any:
            from gatewise import ops

            function = getattr(ops, name)
            return function(other, self) if swapped else function(self, other)

        return operate

    def single(name: str) -> Callable[[Any], Any]:
        def operate(self: Any) -> Any:
            from gatewise import ops

            return getattr(ops, name)(self)

        return operate

    names = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "pow": "power",
        "matmul": "matmul", "floordiv": "floor_divide", "mod": "mod",
    }  # fmt: skip
    for symbol, name in names.items():
        setattr(SymbolicTensor, f"__{symbol}__", operator(name, False))
        setattr(SymbolicTensor, f"__r{symbol}__", operator(name, True))
    comparisons = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
    for symbol, name in comparisons.items():
        setattr(SymbolicTensor, f"__{symbol}__", operator(name, False))
    unary = {"neg": "negative", "abs": "absolute"}
    for symbol, name in unary.items():
        setattr(SymbolicTensor, f"__{symbol}__", single(name))


_give_operators()


class Node:
    """One use of a layer on symbolic tensors.

    Attributes:
        layer: the layer.
        inputs: the call's arrays, flat: symbolic tensors, or plain arrays for constants.
        structure: how the inputs fold back into the call's arguments; None for `layer(x)` and for layers that
            take flat inputs.
        mask: the mask given at the call (a symbolic tensor or an array, or a list of such and None for a layer that
            takes lists), or None: the inputs' own masks then.
        training: given at the call, or None: the model's mode then.
        outputs: symbolic tensors, flat.
    """

    def __init__(
        self,
        layer: Any,
        inputs: Sequence[Any],
        outputs: Sequence[SymbolicTensor],
        structure: Any = None,
        mask: Any = None,
        training: bool | None = None,
    ) -> None:
        self.layer = layer
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.structure = structure
        self.mask = mask
        self.training = training
        for index, output in enumerate(self.outputs):
            output.history = (self, index)

    @property
    def parents(self) -> list[SymbolicTensor]:
        """The symbolic tensors that must be known before this node can run."""
        found = [x for x in self.inputs if isinstance(x, SymbolicTensor)]
        return [*found, *(mask for mask in tree.leaves(self.mask) if isinstance(mask, SymbolicTensor))]


class _Step:
    """A node with its tensors replaced by slot numbers."""

    __slots__ = (
        "creates_mask", "inputs", "is_given_mask", "layer", "mask", "mask_slot", "mask_slots", "node", "only_input",
        "only_output", "outputs", "read_last", "structure", "training",
    )  # fmt: skip

    def __init__(self, node: Node, slot_of: dict[int, int]) -> None:
        self.node = node
        self.layer = node.layer
        self.inputs = [slot_of[id(x)] for x in node.inputs]
        self.outputs = [slot_of[id(y)] for y in node.outputs]
        self.structure = node.structure
        self.training = node.training
        self.mask_slot = slot_of[id(node.mask)] if isinstance(node.mask, SymbolicTensor) else None
        self.mask = None if self.mask_slot is not None else node.mask
        self.mask_slots = None
        if isinstance(node.mask, list | tuple) and any(isinstance(mask, SymbolicTensor) for mask in node.mask):
            self.mask_slots = [slot_of[id(mask)] if isinstance(mask, SymbolicTensor) else None for mask in node.mask]
        self.is_given_mask = node.mask is not None
        # Most steps have one input and one output; asking for those costs a training step of a small model least.
        self.only_input = self.inputs[0] if len(self.inputs) == 1 else None
        self.only_output = self.outputs[0] if len(self.outputs) == 1 else None
        self.creates_mask = bool(node.layer.may_create_mask)
        self.read_last: tuple[int, ...] = ()  # slots that no later step reads

    def slots_read(self) -> set[int]:
        """The slots of the step's inputs and of the masks given to it."""
        masks = {slot for slot in (self.mask_slot, *(self.mask_slots or ())) if slot is not None}
        return {*self.inputs, *masks}

    def taken_from(self, slots: list) -> list:
        """The step's inputs."""
        return [slots[k] for k in self.inputs] if self.only_input is None else [slots[self.only_input]]


class Graph:
    """The layers between given inputs and outputs, in an order in which they can run.

    Args:
        inputs, outputs: symbolic tensors.

    Raises:
        ValueError: if an output depends on an input that is not among `inputs`.
    """

    def __init__(self, inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.nodes = _sorted_nodes(self.inputs, self.outputs)
        slot_of: dict[int, int] = {}
        constants: dict[int, Any] = {}
        for tensor in self.inputs:
            slot_of.setdefault(id(tensor), len(slot_of))
        for node in self.nodes:
            for x in node.inputs:
                if not isinstance(x, SymbolicTensor) and id(x) not in slot_of:
                    constants[len(slot_of)] = x
                    slot_of[id(x)] = len(slot_of)
            for y in node.outputs:
                slot_of.setdefault(id(y), len(slot_of))
        self._constants = constants
        self._n_slots = len(slot_of)
        self._input_slots = [slot_of[id(x)] for x in self.inputs]
        self._output_slots = [slot_of[id(y)] for y in self.outputs]
        self._steps = [_Step(node, slot_of) for node in self.nodes]
        read: set[int] = set(self._output_slots)
        for step in reversed(self._steps):
            step.read_last = tuple(step.slots_read() - read)
            read |= step.slots_read()
        self._known_way: tuple[tuple, list[tuple[int, _Step, bool]]] = ((), [])

    def run(self, values: Iterable[Any], masks: Sequence[Any] | None = None, training: bool = False) -> tuple:
        """The outputs and their masks, as two lists; nothing is kept for a way back."""
        slots, slot_masks = self._begin(values, masks)
        masked = masks is not None
        for step in self._steps:
            mask = _mask_for(step, slots, slot_masks) if masked or step.is_given_mask else None
            y = step.layer.compute(
                step.taken_from(slots),
                mask,
                training if step.training is None else step.training,
                step.structure,
            )
            masked |= _end_step(step, y, mask, slots, slot_masks)
            for slot in step.read_last:
                slots[slot] = None
        return self._results(slots, slot_masks)

    def forward(self, values: Iterable[Any], masks: Sequence[Any] | None = None, training: bool = False) -> tuple:
        """The outputs, their masks, and a pullback.

        `pullback(d_outputs, wants_dx=True)` takes a gradient, or None, for each output and returns the gradients of
        the inputs (None where nothing flows) and {variable: gradient}.
        """
        slots, slot_masks = self._begin(values, masks)
        masked = masks is not None
        pullbacks: list[Any] = []
        losses = () if running.losses is None else running.losses
        known, adding = len(losses), {}
        for step in self._steps:
            mask = _mask_for(step, slots, slot_masks) if masked or step.is_given_mask else None
            y, pullback = step.layer.differentiate(
                step.taken_from(slots),
                mask,
                training if step.training is None else step.training,
                step.structure,
            )
            masked |= _end_step(step, y, mask, slots, slot_masks)
            if len(losses) != known:
                known = len(losses)
                adding[len(pullbacks)] = [(slots[k].shape, slots[k].dtype) for k in step.outputs]
            pullbacks.append(pullback)
            for slot in step.read_last:
                slots[slot] = None

        def pullback(d_outputs: Sequence[Any], wants_dx: bool = True) -> tuple[tuple, dict]:
            return self._back(pullbacks, d_outputs, wants_dx, adding)

        return (*self._results(slots, slot_masks), pullback)

    def _begin(self, values: Iterable[Any], masks: Sequence[Any] | None) -> tuple[list, list]:
        slots: list[Any] = [None] * self._n_slots
        slot_masks: list[Any] = [None] * self._n_slots
        for slot, constant in self._constants.items():
            slots[slot] = constant
        for k, value in zip(self._input_slots, values, strict=True):
            slots[k] = value
        if masks is not None:
            for k, mask in zip(self._input_slots, masks, strict=True):
                slot_masks[k] = mask
        return slots, slot_masks

    def _results(self, slots: list, slot_masks: list) -> tuple[list, list]:
        if len(self._output_slots) == 1:
            only = self._output_slots[0]
            return [slots[only]], [slot_masks[only]]
        return [slots[k] for k in self._output_slots], [slot_masks[k] for k in self._output_slots]

    def _back(
        self, pullbacks: list, d_outputs: Sequence[Any], wants_dx: bool, adding: dict[int, list]
    ) -> tuple[tuple, dict]:
        """Go back through the steps.

        Args:
            adding: the shapes and types of the outputs of each step that added to the loss: its way back is gone even
                if the outputs reach no loss, with zeros for their gradients.
        """
        d_slots: list[Any] = [None] * self._n_slots
        for slot, dy in zip(self._output_slots, d_outputs, strict=True):
            _accumulate(d_slots, slot, dy)
        gradients: dict[Any, Any] = {}
        once = running.goes_back_once
        for position, step, wants in self._way_back(wants_dx):
            if step.only_output is not None:
                dy, d_slots[step.only_output] = d_slots[step.only_output], None
                if dy is None:
                    if position not in adding:
                        continue
                    dy = np.zeros(*adding[position][0])
            else:
                dy = [d_slots[k] for k in step.outputs]
                if all(d is None for d in dy):
                    if position not in adding:
                        continue
                    dy = [np.zeros(*known) for known in adding[position]]
                for k in step.outputs:
                    d_slots[k] = None
            back = pullbacks[position]
            if once:  # what the step kept is needed no more once `back` has run
                pullbacks[position] = None
            dxs, found = back(dy, wants)
            if gradients.keys().isdisjoint(found):
                gradients.update(found)
            else:  # the layer is used more than once
                for variable, gradient in found.items():
                    gradients[variable] = gradients[variable] + gradient if variable in gradients else gradient
            if wants:
                for k, dx in zip(step.inputs, dxs, strict=False):
                    _accumulate(d_slots, k, dx)
        return tuple([d_slots[k] for k in self._input_slots]), gradients

    def _way_back(self, wants_dx: bool) -> list[tuple[int, _Step, bool]]:
        """The steps from the last to the first, each with its position and whether its inputs' gradients are wanted.

        They are if they lead to a trainable variable, or to an input of the graph that wants its own.  Steps from which
        nothing is wanted, such as frozen layers at the beginning, are left out.
        """
        known_for, way = self._known_way
        if known_for == (wants_dx, structure_clock.stamp):
            return way
        slots = set(self._input_slots) if wants_dx else set()
        way = []
        for position, step in enumerate(self._steps):
            wants = any(k in slots for k in step.inputs)
            if wants or step.layer.has_trainable_variables:
                way.append((position, step, wants))
                slots.update(step.outputs)
        way.reverse()
        self._known_way = ((wants_dx, structure_clock.stamp), way)
        return way


def _end_step(step: _Step, y: Any, mask: Any, slots: list, slot_masks: list) -> bool:
    """Put a step's outputs, and their masks if there may be any, into their slots; True if there may be."""
    if type(y) is np.ndarray:
        slots[step.outputs[0]] = y
        flat = [y]
    else:
        flat = list(tree.leaves(y))
        for slot, value in zip(step.outputs, flat, strict=True):
            slots[slot] = value
    if mask is None and not step.creates_mask:
        return False
    inputs = [slots[k] for k in step.inputs]
    for slot, found in zip(step.outputs, step.layer.masks_after(inputs, flat, mask), strict=False):
        slot_masks[slot] = found
    return True


def _accumulate(d_slots: list, slot: int, gradient: Any) -> None:
    if gradient is not None:
        before = d_slots[slot]
        d_slots[slot] = gradient if before is None else before + gradient


def _mask_for(step: _Step, slots: list, slot_masks: list) -> Any:
    """The mask a step's layer is called with: the one given at the call, or those of its inputs."""
    if step.mask_slot is not None:
        return slots[step.mask_slot]
    if step.mask_slots is not None:
        given: Any = step.mask
        return [mask if k is None else slots[k] for k, mask in zip(step.mask_slots, given, strict=True)]
    if step.mask is not None:
        return step.mask
    for k in step.inputs:
        if slot_masks[k] is not None:
            return step.layer.select_masks([slot_masks[j] for j in step.inputs], step.structure)
    return None


def _sorted_nodes(inputs: list[SymbolicTensor], outputs: list[SymbolicTensor]) -> list[Node]:
    """The nodes between inputs and outputs, each after those it needs; in order of creation where free."""
    known = {id(tensor) for tensor in inputs}
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[SymbolicTensor, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        tensor, ready = stack.pop()
        if id(tensor) in known or id(tensor.node) in seen:
            continue
        node = tensor.node
        if ready:
            seen.add(id(node))
            order.append(node)
            continue
        if not node.parents:
            raise ValueError(
                f"The graph is not connected: {tensor!r} comes from an Input that is not among the model's inputs. "
                "Add it to `inputs`."
            )
        stack.append((tensor, True))
        stack.extend((parent, False) for parent in reversed(node.parents))
    return order

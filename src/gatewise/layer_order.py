"""The order of a graph's layers, and with it the order of its weights and the numbers that files give to layers.

It is Keras's: the farther a layer is from the outputs, the earlier it comes.  Keras computes masks with operations of
the graph, which lie on the way as layers do, so what a mask passes through counts here too: two models that are written
alike must list their weights alike, or a file of one would be read into the wrong layers of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatewise import tree
from gatewise.arguments import call_parameters
from gatewise.graph import Node, SymbolicTensor
from gatewise.layer import Layer

_MASK_READERS = {
    "BatchNormalization", "Bidirectional", "GlobalAveragePooling1D", "Lambda", "Model", "SequenceLayer", "Softmax",
    "TimeDistributed",
}  # fmt: skip
"""Layers, by name, whose `call` in Keras takes a mask; of one input only, for masks of lists are not handed over."""

_MASK_ENDS = {"Dot", "GlobalAveragePooling1D", "Lambda", "Model"}
_MERGES = {"Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"}


class _Step:
    """A use of a layer, or an operation that computes a mask (`layer` None then), and the steps that come before it."""

    __slots__ = ("depth", "layer", "parents")

    def __init__(self, layer: Layer | None, parents: list[_Step]) -> None:
        self.layer, self.parents, self.depth = layer, parents, 0


def layers_by_depth(inputs: Sequence[SymbolicTensor], outputs: Any) -> list[Layer]:
    """The layers in Keras's order: the farther from the outputs, the earlier; at one depth, as outputs reach them.

    Args:
        inputs: the graph's inputs, flat.
        outputs: its outputs in their nesting; those of a dictionary are reached in the order of its sorted keys.
    """
    ends = {id(x) for x in inputs}
    order: dict[int, int] = {}
    nodes = _nodes_reached(list(tree.leaves_by_key(outputs)), ends, order)
    layer_of = {id(node.layer): node.layer for node in nodes}
    layer_depth: dict[int, int] = {}
    for step in reversed(_Steps(ends).of(nodes)):
        if step.layer is not None:
            step.depth = layer_depth[id(step.layer)] = max(step.depth, layer_depth.get(id(step.layer), 0))
        for parent in step.parents:
            parent.depth = max(parent.depth, step.depth + 1)
    for tensor in inputs:  # inputs that reach no output
        layer_of.setdefault(id(tensor.node.layer), tensor.node.layer)
        layer_depth.setdefault(id(tensor.node.layer), 0)
        order.setdefault(id(tensor.node.layer), -1)
    return sorted(layer_of.values(), key=lambda layer: (-layer_depth[id(layer)], order[id(layer)]))


def _nodes_reached(outputs: list[SymbolicTensor], ends: set[int], order: dict[int, int]) -> list[Node]:
    """The nodes behind the outputs, each after those it needs; `order` gets the place of each layer's first visit."""
    nodes: list[Node] = []
    visited: set[int] = set()

    def visit(tensor: SymbolicTensor) -> None:
        node = tensor.node
        if id(node) in visited:
            return
        visited.add(id(node))
        order.setdefault(id(node.layer), len(order))
        if id(tensor) not in ends:
            for parent in node.parents:
                visit(parent)
        nodes.append(node)

    for tensor in outputs:
        visit(tensor)
    return nodes


class _Steps:
    """The steps of a graph: its nodes, and between them the operations with which Keras computes masks."""

    def __init__(self, ends: set[int]) -> None:
        self._ends = ends
        self._made: list[_Step] = []
        self._step_of: dict[int, _Step] = {}  # of a node
        self._mask_of: dict[int, _Step] = {}  # of a tensor

    def of(self, nodes: list[Node]) -> list[_Step]:
        """The steps, each after those it needs."""
        for node in nodes:
            if any(id(y) in self._ends for y in node.outputs):
                self._step_of[id(node)] = self._new(node.layer, [])
            else:
                self._add(node)
        return self._made

    def _new(self, layer: Layer | None, parents: list[_Step]) -> _Step:
        self._made.append(_Step(layer, parents))
        return self._made[-1]

    def _add(self, node: Node) -> None:
        values = [x for x in node.inputs if isinstance(x, SymbolicTensor)]
        steps = [self._step_of[id(x.node)] for x in node.parents]
        masks = [self._mask_of.get(id(x)) for x in values]
        if isinstance(node.mask, SymbolicTensor):
            masks[:1] = [self._step_of[id(node.mask.node)]]
        elif len(values) == 1 and masks[0] is not None and _reads_mask(node.layer):
            steps.append(masks[0])
        self._step_of[id(node)] = self._new(node.layer, steps)
        mask = self._mask_after(node.layer, steps[: len(values)], masks)
        if mask is not None:
            for output in node.outputs[: 2 if getattr(node.layer, "merge_mode", "") is None else 1]:
                self._mask_of[id(output)] = mask

    def _mask_after(self, layer: Layer, inputs: list[_Step], masks: list[_Step | None]) -> _Step | None:
        """The last operation of the mask of a layer's output, or None where it has no mask."""
        names = _names(layer)
        if "Masking" in names:
            return self._new(None, [self._new(None, inputs)])  # any(x != mask_value)
        if "Embedding" in names and layer.may_create_mask:
            return self._new(None, inputs)  # x != 0
        known = [mask for mask in masks if mask is not None]
        if not known or names & _MASK_ENDS or not layer.supports_masking:
            return None
        if names & {"SequenceLayer", "Bidirectional"}:
            reader: Any = getattr(layer, "forward_layer", layer)
            return masks[0] if reader.return_sequences else None
        if "Concatenate" in names:
            return self._joined(inputs, masks)
        if names & _MERGES:
            return self._chain(known) if len(known) == len(masks) else None
        if names & {"Attention", "AdditiveAttention"}:
            return None if masks[0] is None else self._new(None, [masks[0]])
        return masks[0]

    def _joined(self, inputs: list[_Step], masks: list[_Step | None]) -> _Step:
        """any(concatenate(...)) of each mask spread over its input's features; of ones where an input has no mask."""
        parts = []
        for x, mask in zip(inputs, masks, strict=True):
            spread = [x] if mask is None else [self._new(None, [mask]), self._new(None, [x])]
            parts.append(self._new(None, spread))
        return self._new(None, [self._new(None, parts)])

    def _chain(self, masks: list[_Step]) -> _Step:
        """The first mask, or-ed with each of the others in turn."""
        result = masks[0]
        for mask in masks[1:]:
            result = self._new(None, [result, mask])
        return result


def _names(layer: Layer) -> set[str]:
    """The names of the built-in classes that a layer is of; a user's class may have any name."""
    return {cls.__name__ for cls in type(layer).__mro__ if cls.__module__.startswith("gatewise.")}


def _reads_mask(layer: Layer) -> bool:
    """True if Keras hands the layer the mask of its input: its `call` has a parameter of that name."""
    return bool(_names(layer) & _MASK_READERS) or (layer._uses_call and "mask" in call_parameters(type(layer)))

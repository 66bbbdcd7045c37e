"""Layers as links of a chain: which can be, what the kernels are told of them, where their weights are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import activations
from gatewise.graph import SymbolicTensor
from gatewise.layer import REPLACEABLE
from gatewise.layers import (
    GRU,
    LSTM,
    Activation,
    Dense,
    Dropout,
    Identity,
    SimpleRNN,
    SpatialDropout1D,
    TimeDistributed,
)
from gatewise.layers.noise import AlphaDropout, GaussianDropout, GaussianNoise
from gatewise.variable import Variable

_DENSE_ACTIVATIONS = {
    activations.linear: "linear", activations.sigmoid: "sigmoid", activations.tanh: "tanh", activations.relu: "relu",
}  # fmt: skip
"""Those whose value and slope the kernels compute wherever the layer runs."""

_NOISE = (Dropout, SpatialDropout1D, GaussianNoise, GaussianDropout, AlphaDropout)
_RECURRENT = (LSTM, GRU, SimpleRNN)


class Link:
    """One layer of a chain.

    Attributes:
        told: what the kernels are told of it; None for a layer that hands on what it is given.
        weights: returns the weights as the kernels take them in prediction.
        parameters: the variables W, U and b, None where there is none.
        trains: whether the layer is a link in training too.
        is_trained: whether its weights are to be trained, as far as the layer says.
        timed, features: whether its output has time steps, and how many features.
    """

    def __init__(self, told: tuple | None, timed: bool, features: int, trains: bool = True) -> None:
        self.told, self.timed, self.features, self.trains = told, timed, features, trains
        self.weights: Callable[[], Any] = _no_weights
        self.parameters: tuple[Variable | None, Variable | None, Variable | None] = (None, None, None)
        self.is_trained = False


def links_of(root: Any) -> list[Link] | None:
    """The links of a layer or model, in order; None if it is no chain."""
    found = links_up_to(root)
    if found is None or found[1] is not None:
        return None
    return found[0] if any(link.told for link in found[0]) else None


def links_up_to(root: Any) -> tuple[list[Link], Any] | None:
    """(the first links, the layer that can be none or None where all can); None if the layers are no row of layers."""
    shape = input_shape(root) if is_chain_class(root) and root.built else None
    layers = None if shape is None else _layers_in_order(root)
    if shape is None or layers is None:
        return None
    timed, features = len(shape) == 3, shape[-1]
    found: list[Link] = []
    for layer in layers:
        link = _link(layer, input_type(root), timed, features)
        if link is None:
            return found, layer
        found.append(link)
        timed, features = link.timed, link.features
    return found, None


def is_chain_class(layer: Any) -> bool:
    """Whether the class itself, and not only one that it is made from, says that it may be a chain."""
    return bool(vars(type(layer)).get("_may_chain"))


def input_type(root: Any) -> np.dtype:
    """The type of what goes in."""
    return root.inputs[0].array_type if root.is_model else root._array_type


def input_shape(root: Any) -> tuple | None:
    """The shape of what goes in, of 2 axes or of 3; None for a root that takes something else."""
    shape: tuple
    if root.is_model:
        inputs = root.inputs
        if len(inputs) != 1 or isinstance(root._input_tree, dict) or not isinstance(root._output_tree, SymbolicTensor):
            return None
        # The layers run in the first one's type, whatever the model's own.
        shape = tuple(inputs[0].shape) if inputs[0].array_type.kind == "f" else ()
    elif type(root) in _RECURRENT:
        shape = (None, None, root.cell.features)
    elif type(root) is Dense:
        shape = (None, root.kernel.shape[0])
    elif type(root) is TimeDistributed and type(root.layer) is Dense:
        shape = (None, None, root.layer.kernel.shape[0])
    else:
        return None
    return shape if len(shape) in (2, 3) and shape[-1] else None


def _layers_in_order(root: Any) -> list[Any] | None:
    """The layers of a model that are one after another; those of models inside it are taken out."""
    if not root.is_model:
        return [root]
    if root._ends is not None or not _is_plain(root):
        return None
    graph = root._graph
    slot, found = graph._input_slots[0], []
    for step in graph._steps:
        if step.only_input != slot or step.only_output is None or step.is_given_mask:
            return None
        if step.structure is not None or step.training is not None:
            return None
        inner = [step.layer]
        if step.layer.is_model:
            inner = _layers_in_order(step.layer) if is_chain_class(step.layer) and input_shape(step.layer) else None
            if inner is None:
                return None
        found.extend(inner)
        slot = step.only_output
    return found if slot == graph._output_slots[0] and len(graph._output_slots) == 1 else None


def _is_plain(layer: Any) -> bool:
    """Whether a layer computes what its class says, and adds nothing to the loss."""
    return (
        layer.built
        and layer.activity_regularizer is None
        and not layer._loss_functions
        and REPLACEABLE.isdisjoint(vars(layer))
    )


def _link(layer: Any, dtype: np.dtype, timed: bool, features: int) -> Link | None:
    if not _is_plain(layer) or layer._array_type != dtype:
        return None
    kind = type(layer)
    if kind is TimeDistributed:
        inner = layer.layer
        is_dense = timed and type(inner) is Dense and _is_plain(inner) and inner._array_type == dtype
        return _dense(inner, timed, features) if is_dense else None
    if kind is Identity or kind in _NOISE:
        return Link(None, timed, features, trains=kind is Identity or layer._seeds is None)
    if kind is Activation:
        finish = _finish(layer.activation)
        return None if finish is None else Link(("activation", 0, *finish), timed, features)
    if kind is Dense:
        return _dense(layer, timed, features)
    return _recurrent(layer, features) if kind in _RECURRENT and timed else None


def _finish(activation: Any) -> tuple[str, bool] | None:
    """(name of an elementwise activation, whether it is softmax)."""
    if activation is activations.softmax:
        return "linear", True
    name = _DENSE_ACTIVATIONS.get(activation) if callable(activation) and _is_hashable(activation) else None
    return None if name is None else (name, False)


def _is_hashable(value: Any) -> bool:
    return getattr(type(value), "__hash__", None) is not None


def _dense(layer: Dense, timed: bool, features: int) -> Link | None:
    finish = _finish(layer.activation)
    if finish is None or layer.kernel.shape != (features, layer.units):
        return None
    kernel, bias = layer.kernel, layer.bias
    link = Link(("dense", layer.units, *finish), timed, layer.units)
    link.weights = lambda: (kernel.array, None if bias is None else bias.array)
    link.parameters = (kernel, None, bias)
    link.is_trained = layer._trainable
    return link


def _recurrent(layer: Any, features: int) -> Link | None:
    cell = layer.cell
    kind = cell.stream_kind() if type(cell) is layer.cell_class and _is_plain(cell) else None
    known = cell._kernel_activations() if kind else None
    if kind is None or known is None or cell._array_type != layer._array_type or cell.features != features:
        return None
    if layer.return_state or layer.stateful or layer.time_major:
        return None
    told = (
        kind, cell.units, known[0], known[-1], layer.return_sequences, layer.go_backwards,
        bool(getattr(cell, "reset_after", False)),
    )  # fmt: skip
    trains = cell._seeds is None and layer.remat_steps is None
    link = Link(told, layer.return_sequences, cell.units, trains)
    link.weights = cell._packed_weights
    link.parameters = (cell.kernel, cell.recurrent_kernel, cell.bias)
    link.is_trained = cell._trainable
    return link


def _no_weights() -> None:
    """Of a layer that has none."""

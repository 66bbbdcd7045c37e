"""A model's graph as data: its layers (one box for each use), their shapes, types and counts, and what feeds what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gatewise import tree
from gatewise.explain.accounting import LayerAccount
from gatewise.explain.counting import account_as_it_is
from gatewise.explain.walk import output_shape_of
from gatewise.functional import Functional
from gatewise.model import Model
from gatewise.sequential import Sequential


@dataclass(frozen=True)
class Box:
    """One use of a layer.

    Attributes:
        account: of the layer.
        use: which use of the layer it is, from 1, and of how many.
        inputs, outputs: shapes, batch first; empty where unknown.
        dtype: the type it computes in.
        activation: its name; None for a layer without one.
        trainable: the layer's flag; None without weights.
        inner: the graph inside, of a model in the model.
    """

    account: LayerAccount
    use: tuple[int, int] = (1, 1)
    inputs: tuple[tuple, ...] = ()
    outputs: tuple[tuple, ...] = ()
    dtype: str = ""
    activation: str | None = None
    trainable: bool | None = None
    inner: GraphFacts | None = None

    @property
    def cls(self) -> str:
        """The class, and that of a wrapped layer."""
        account, names = self.account, [self.account.cls]
        while account.kind in ("bidirectional", "time_distributed", "rnn") and account.inside:
            account = account.inside[0]
            names.append(account.cls)
        return "(".join(names) + ")" * (len(names) - 1)


@dataclass(frozen=True)
class GraphFacts:
    """The boxes of a model and its edges, (from, to) by the boxes' numbers; `known`: whether the edges are."""

    account: LayerAccount
    boxes: tuple[Box, ...]
    edges: tuple[tuple[int, int], ...]
    known: bool = True


def graph_of(model: Any, account: LayerAccount | None = None) -> GraphFacts:
    """The graph of a model: from its nodes, or a chain where it is a Sequential that is not built."""
    account = account_as_it_is(model) if account is None else account
    nodes = list(model._graph.nodes) if isinstance(model, Functional) and hasattr(model, "_graph") else []
    if not nodes:
        return _without_nodes(model, account)
    accounts = {id(layer): inner for layer, inner in zip(model.operations, account.inside, strict=True)}
    boxes = [_entry(tensor, layer.name) for tensor, layer in zip(model.inputs, model._entries, strict=True)]
    begins = {id(tensor): k for k, tensor in enumerate(model.inputs)}
    numbers = {id(node): len(boxes) + k for k, node in enumerate(nodes)}
    uses: dict[int, int] = {}
    total: dict[int, int] = {}
    for node in nodes:
        total[id(node.layer)] = total.get(id(node.layer), 0) + 1
    edges = []
    for node in nodes:
        key = id(node.layer)
        uses[key] = uses.get(key, 0) + 1
        shapes = tuple(tuple(tensor.shape) for tensor in node.outputs)
        inputs = tuple(tuple(tensor.shape) for tensor in node.parents)
        boxes.append(_box(node.layer, accounts[key], (uses[key], total[key]), inputs or shapes, shapes))
        edges += [(begins.get(id(x), numbers.get(id(x.node), -1)), numbers[id(node)]) for x in node.parents]
    return GraphFacts(account, tuple(boxes), tuple(dict.fromkeys(edges)))


def _entry(tensor: Any, name: str) -> Box:
    """The box of an input."""
    shape = tuple(tensor.shape)
    account = LayerAccount(name, "InputLayer", input_shape=shape, output_shape=shape)
    return Box(account, inputs=(shape,), outputs=(shape,), dtype=tensor.dtype)


def graph_of_account(account: LayerAccount) -> GraphFacts:
    """The boxes of an account; a chain if it is of a Sequential, for nothing else is known of its edges."""
    boxes = tuple(
        Box(
            inner,
            inputs=_shapes(inner.input_shape),
            outputs=_shapes(inner.output_shape),
            trainable=inner.trainable if inner.size else None,
            inner=graph_of_account(inner) if inner.kind == "model" else None,
        )
        for inner in account.inside
    )
    chain = account.cls == "Sequential"
    return GraphFacts(account, boxes, _chain(len(boxes)) if chain else (), chain)


def _without_nodes(model: Any, account: LayerAccount) -> GraphFacts:
    """A model whose edges only a run would tell: its layers, as a chain if it is a Sequential."""
    chain = isinstance(model, Sequential)
    boxes = []
    for layer, inner in zip(model.layers if chain else model.sublayers(), account.inside, strict=True):
        shape = inner.output_shape if inner.output_shape is not None else output_shape_of(layer)
        boxes.append(_box(layer, inner, (1, 1), _shapes(inner.input_shape), _shapes(shape)))
    return GraphFacts(account, tuple(boxes), _chain(len(boxes)) if chain else (), chain)


def _chain(n: int) -> tuple[tuple[int, int], ...]:
    """The edges of n boxes, each followed by the next."""
    return tuple((k, k + 1) for k in range(n - 1))


def _box(layer: Any, account: LayerAccount, use: tuple[int, int], inputs: tuple, outputs: tuple) -> Box:
    function = getattr(layer, "activation", None)
    name = None if function is None else getattr(function, "__name__", None) or type(function).__name__
    return Box(
        account,
        use,
        inputs,
        outputs,
        str(getattr(layer, "compute_dtype", None) or layer.dtype),
        name,
        layer.trainable if account.size else None,
        graph_of(layer, account) if isinstance(layer, Model) else None,
    )


def _shapes(shape: Any) -> tuple[tuple, ...]:
    if shape is None:
        return ()
    return tuple(tuple(one) for one in tree.leaves_of_shapes(shape))

"""`Model.summary()`: from a model to rows, from rows to one of two tables."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.explain.accounting import LayerAccount
from gatewise.explain.counting import account_as_it_is
from gatewise.explain.tables import Row, Sheet, box_text, ruled_text
from gatewise.explain.walk import output_shape_of
from gatewise.functional import Functional
from gatewise.layer import Layer
from gatewise.sequential import Sequential

STYLES = ("keras3", "classic")


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
    style: str = "keras3",
) -> None:
    """Print a model's layers with their output shapes and numbers of parameters.

    Args:
        line_length: width in characters; default as in Keras, at most the terminal's.
        positions: where the columns end, as fractions of the width or in characters.
        print_fn: called once, with the whole text, instead of printing.
        expand_nested: show the layers of models inside the model.
        show_trainable: add a column that says which layers are trained.
        layer_range: names (or regular expressions) of the first and the last layer to show.
        style: "keras3" (a box) or "classic" (ruled lines, as Keras 2 printed).

    Raises:
        ValueError: for an unknown style, a range that names no layers, or too small a width.
    """
    text = summary_text(model, line_length, positions, expand_nested, show_trainable, layer_range, style)
    if print_fn is not None:
        print_fn(text)
    else:
        print(text, end="" if text.endswith("\n") else "\n")


def summary_text(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
    style: str = "keras3",
) -> str:
    """The text that `print_summary` prints."""
    if style not in STYLES:
        raise ValueError(f"summary() has the styles {' and '.join(map(repr, STYLES))}; got style={style!r}.")
    if line_length is not None and (type(line_length) is not int or line_length < 1):
        raise ValueError(f"summary(): line_length is a number of characters; got {line_length!r}.")
    sheet = sheet_of(model, expand_nested, layer_range)
    if style == "classic":
        return ruled_text(sheet, line_length, positions, show_trainable)
    columns = shutil.get_terminal_size().columns
    return box_text(sheet, columns, line_length, positions, show_trainable)


def sheet_of(model: Any, expand_nested: bool = False, layer_range: Sequence[str] | None = None) -> Sheet:
    """The rows and totals of a model's summary."""
    counted = account_as_it_is(model)
    chain = _is_chain(model)
    nodes = set() if chain else {id(node) for node in model._graph.nodes}
    pairs = list(zip(model.operations, counted.inside, strict=True))
    first, stop = _range(model.operations, layer_range)
    rows: list[Row] = []
    for layer, entry in pairs[first:stop]:
        rows += _rows(layer, entry, nodes, expand_nested, 0)
    return Sheet(
        model.name,
        tuple(rows),
        chain,
        (counted.trainable_size, counted.trainable_bytes),
        (counted.non_trainable_size, counted.non_trainable_bytes),
        _optimizer_size(model),
    )


def _rows(layer: Layer, entry: LayerAccount, nodes: set[int], expand_nested: bool, level: int) -> list[Row]:
    """The layer's row, and those of the layers of a model inside."""
    params = f"{entry.size:,}" if layer.built else "0 (unbuilt)"
    trainable = ("Y" if layer.trainable else "N") if any(True for _ in entry.all_matrices()) else "-"
    shape, sources = _shape_text(layer), _connections(layer, nodes)
    row = Row(layer.name, type(layer).__name__, shape, params, sources, trainable, level)
    inner = getattr(layer, "layers", None)
    if not expand_nested or not isinstance(inner, list):
        return [row]
    pairs = zip(inner, entry.inside, strict=True)
    return [row, *(r for one, its in pairs for r in _rows(one, its, nodes, expand_nested, level + 1))]


def _shape_text(layer: Layer) -> str:
    """(None, 10); [(None, 10), (None, 10)] for several outputs; ? where unknown."""
    shape = output_shape_of(layer)
    if shape is None:
        return "?"
    shapes = [f"({', '.join(map(str, one))})" for one in tree.leaves_of_shapes(shape)]
    return shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]"


def _connections(layer: Layer, nodes: set[int]) -> tuple[str, ...]:
    """Where the layer's inputs come from: layer[use][output], for each of its uses in the model."""
    found = []
    for node in layer._inbound_nodes:
        if id(node) in nodes:
            for tensor in node.parents:
                source, index = tensor.node, tensor.history[1] if tensor.history else 0
                use = next(k for k, other in enumerate(source.layer._inbound_nodes) if other is source)
                found.append(f"{source.layer.name}[{use}][{index}]")
    return tuple(found)


def _is_chain(model: Any) -> bool:
    """True if each layer simply follows the one before it."""
    if isinstance(model, Sequential) or not isinstance(model, Functional):
        return True
    nodes = model._graph.nodes
    parents = [tensor.node for node in nodes for tensor in node.parents]
    each_feeds_one = len({id(parent) for parent in parents}) == len(parents) == len(nodes)
    each_used_once = len({id(node.layer) for node in nodes}) == len(nodes)
    return len(model.inputs) == 1 and each_feeds_one and each_used_once


def _range(layers: Sequence[Layer], layer_range: Sequence[str] | None) -> tuple[int, int]:
    """The first index and the one after the last of the layers that `layer_range` names."""
    if layer_range is None:
        return 0, len(layers)
    if isinstance(layer_range, str) or len(layer_range) != 2 or not all(isinstance(n, str) for n in layer_range):
        raise ValueError(
            f"layer_range is a list of two layer names, the first and the last to show; got {layer_range!r}."
        )
    found = [[k for k, layer in enumerate(layers) if re.match(name, layer.name)] for name in layer_range]
    for name, indices in zip(layer_range, found, strict=True):
        if not indices:
            raise ValueError(f"layer_range: no layer is named {name!r}; there are {[layer.name for layer in layers]}.")
    first, last = found
    if min(first) > max(last):
        return min(last), max(first) + 1
    return min(first), max(last) + 1


def _optimizer_size(model: Any) -> tuple[int, int] | None:
    """How many numbers and bytes the optimizer of a trained model holds."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not getattr(optimizer, "built", False):
        return None
    arrays = [np.asarray(variable) for variable in optimizer.variables]
    return sum(a.size for a in arrays), sum(a.nbytes for a in arrays)

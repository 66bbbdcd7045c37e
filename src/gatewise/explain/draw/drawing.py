"""`gatewise.draw`: from a model, a layer, an account, a trace or a history to a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gatewise import suggest
from gatewise.arguments import describe
from gatewise.explain.accounting import LayerAccount
from gatewise.explain.attribution import Attribution
from gatewise.explain.counting import account as count
from gatewise.explain.draw.attribution_view import draw_attribution
from gatewise.explain.draw.cell_view import draw_cell
from gatewise.explain.draw.flow_view import draw_gradients, draw_saturation
from gatewise.explain.draw.graph_facts import graph_of, graph_of_account
from gatewise.explain.draw.graph_view import GraphStyle, draw_graph
from gatewise.explain.draw.layer_view import draw_layer
from gatewise.explain.draw.matrices_view import draw_matrices
from gatewise.explain.draw.parts import Drawn
from gatewise.explain.draw.picture import Picture
from gatewise.explain.draw.subject import RecurrentFacts, facts_of, facts_of_weights
from gatewise.explain.draw.trace_facts import TraceFacts
from gatewise.explain.draw.trace_view import draw_gates, draw_states
from gatewise.explain.draw.training_view import draw_training, history_of
from gatewise.explain.draw.unit_view import draw_unit
from gatewise.explain.draw.unrolled_view import draw_unrolled
from gatewise.explain.language import Words, chosen_language, words_in
from gatewise.explain.trace_data import LayerTrace, Trace
from gatewise.layer import Layer
from gatewise.layers.recurrent import RNN
from gatewise.model import Model
from gatewise.training.callbacks.history import History

LAYER_VIEWS: dict[str, Callable[[RecurrentFacts], Drawn]] = {
    "layer": draw_layer, "unit": draw_unit, "cell": draw_cell, "unrolled": draw_unrolled, "matrices": draw_matrices,
}  # fmt: skip
TRACE_VIEWS: dict[str, Callable[[TraceFacts], Drawn]] = {
    "gates": draw_gates, "states": draw_states, "saturation": draw_saturation, "gradients": draw_gradients,
}  # fmt: skip
VIEWS = (*LAYER_VIEWS, "graph", *TRACE_VIEWS, "training", "attribution")
"""Every view by name."""

RANKDIRS = ("TB", "BT", "LR", "RL")


def draw(
    obj: Any,
    view: str | None = None,
    lang: str | None = None,
    *,
    x: Any = None,
    y: Any = None,
    layer: Any = None,
    input_shape: Any = None,
    mask: Any = None,
    sample: int = 0,
    unit: int = 0,
    rankdir: str = "TB",
    loss: Any = None,
    dpi: float = 192.0,
) -> Picture:
    """Draw what a model, a layer, an account, a trace or a history holds.

    Views: of a recurrent layer "layer" (its units side by side), "unit" (one unit's dot products), "cell" (the gates),
    "unrolled" (over time) and "matrices" (the weights, to scale); of a model "graph"; of a trace, or of a layer or
    model with x, "gates", "states", "saturation" and, with y, "gradients"; of a History "training"; of an
    `Attribution` "attribution".

    Args:
        obj: a model, a layer, a `LayerAccount`, a `Trace` or `LayerTrace`, a `History` or its
            dictionary, an `Attribution`.
        view: which picture; default the first that suits.
        lang: "en", "zh" or "de"; default from the environment.
        x, y: data to trace, and the targets that gradients need.
        layer: of a model or trace the layer to draw: its name, its path, or itself.
        input_shape: of one sample, for a layer that is not built: (13, 5).
        mask: (T,), True where a step counts, for "unrolled".
        sample: which sample of a trace or an attribution is shown.
        unit: which unit "unit" shows.
        rankdir: which way a graph runs: "TB" (from the top down), "BT", "LR" or "RL".
        loss: for gradients of a model that is not compiled, or of a layer.
        dpi: dots per inch of a PNG.

    Returns:
        Picture, which shows itself in notebooks; `.svg` is its text, `.save("file.svg")` (.png, .pdf) writes it.

    Raises:
        TypeError: for something that cannot be drawn.
        ValueError: for a view that does not suit it, naming those that do, or when data or a shape are missing.
    """
    words = words_in(chosen_language(lang))
    if view is not None and view not in VIEWS:
        raise ValueError(f"draw(): {suggest.unknown('view', view, VIEWS)}")
    if rankdir not in RANKDIRS:
        raise ValueError(f"draw(): rankdir is one of {', '.join(map(repr, RANKDIRS))}; got {rankdir!r}.")
    if isinstance(obj, History) or (isinstance(obj, Mapping) and not isinstance(obj, Trace)):
        view = _suiting(view, ("training",), "a History")
        drawn = draw_training(history_of(obj, words))
    elif isinstance(obj, Attribution):
        view = _suiting(view, ("attribution",), "an attribution")
        _check_sample(sample, len(obj.outputs))
        drawn = draw_attribution(obj, sample, words)
    elif isinstance(obj, Trace | LayerTrace):
        traced = _one_of(obj, layer)
        view = _suiting(view, trace_views(traced), "a trace" if _has_gradients(traced) else "a trace without gradients")
        drawn = TRACE_VIEWS[view](_trace_facts(traced, sample, words))
    elif isinstance(obj, LayerAccount):
        view, drawn = _of_account(obj, view, layer, mask, unit, rankdir, words)
    elif isinstance(obj, Layer):
        view, drawn = _of_layer(obj, view, words, x, y, layer, input_shape, mask, sample, unit, rankdir, loss)
    else:
        hint = f" Write {obj.__name__}(...)." if isinstance(obj, type) else ""
        raise TypeError(f"draw() takes a model, a layer, an account, a trace or a History; got {describe(obj)}.{hint}")
    return Picture(*drawn, view, words.lang, dpi)


def graph_picture(model: Model, style: GraphStyle, lang: str | None, dpi: float) -> Picture:
    """The picture of `utils.plot_model`."""
    words = words_in(chosen_language(lang))
    return Picture(*draw_graph(graph_of(model), style, words), "graph", words.lang, dpi)


def _suiting(view: str | None, views: tuple[str, ...], what: str) -> str:
    """The view, or the first that suits.

    Raises:
        ValueError: for one that does not.
    """
    if view is None:
        return views[0]
    if view not in views:
        suit = ", ".join(map(repr, views)) or "none"
        raise ValueError(f"draw(): view={view!r} does not suit {what}; these do: {suit}.")
    return view


# --- layers and models -------------------------------------------------------------------------------------------


def layer_views(facts: RecurrentFacts | None) -> tuple[str, ...]:
    """The views that suit a layer's facts."""
    if facts is None:
        return ()
    gated = all(cell.account.gates for _name, _run, cell in facts.all_cells())
    return tuple(name for name in LAYER_VIEWS if gated or name not in ("layer", "unit"))


def _of_account(
    account: LayerAccount, view: str | None, layer: Any, mask: Any, unit: int, rankdir: str, words: Words
) -> tuple[str, Drawn]:
    if account.kind == "model" and layer is None:
        view = _suiting(view, ("graph",), f"the account of the model '{account.name}' (say which layer: layer=...)")
        return view, draw_graph(graph_of_account(account), GraphStyle(rankdir=rankdir), words)
    if layer is not None:
        account = _account_inside(account, str(layer))
    facts = facts_of(account, words)
    views = layer_views(facts)
    if facts is None:
        facts, views = facts_of_weights(account, words), ("matrices",)
    view = _suiting(view, views, f"the account of the layer '{account.name}' ({account.cls})")
    return view, LAYER_VIEWS[view](_completed(facts, mask, unit))


def _account_inside(account: LayerAccount, name: str) -> LayerAccount:
    found: dict[str, LayerAccount] = {}

    def visit(one: LayerAccount, path: str) -> None:
        for inner in one.inside:
            place = f"{path}/{inner.name}" if path else inner.name
            found[place] = inner
            visit(inner, place)

    visit(account, "")
    return found[_path_of(name, found, account.name)]


def _path_of(name: str, paths: Mapping[str, Any], where: str) -> str:
    """The one path that is, or ends in, this name.

    Raises:
        ValueError: if there is none, or several.
    """
    if name in paths:
        return name
    alike = [path for path in paths if path.endswith(f"/{name}")]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise ValueError(f"draw(): '{where}' has several layers named {name!r}: {', '.join(alike)}. Give the path.")
    raise ValueError(f"draw(): '{where}': {suggest.unknown('layer', name, paths)}")


def _of_layer(
    obj: Layer, view: str | None, words: Words, x: Any, y: Any, layer: Any, input_shape: Any, mask: Any, sample: int,
    unit: int, rankdir: str, loss: Any,
) -> tuple[str, Drawn]:  # fmt: skip
    if view in TRACE_VIEWS or (view is None and x is not None):
        view = view or "gates"
        traced = _one_of(_traced(obj, view, x, y, layer, mask, loss), layer)
        return view, TRACE_VIEWS[view](_trace_facts(traced, sample, words))
    is_model = isinstance(obj, Model)
    if is_model and layer is None and view in (None, "graph"):
        _build_for(obj, input_shape, x)
        return "graph", draw_graph(graph_of(obj), GraphStyle(rankdir=rankdir), words)
    if layer is None and is_model:
        layer = _only_recurrent(obj, view)
    target = obj if layer is None else _inside(obj, layer)
    if isinstance(target, Model):
        view = _suiting(view, ("graph",), f"the model '{target.name}'")
        return view, draw_graph(graph_of(target), GraphStyle(rankdir=rankdir), words)
    if input_shape is None and x is not None and target is obj and not target.built:
        input_shape = np.shape(x)[1:]
    account = count(target, input_shape)
    facts = facts_of(account, words, target)
    views = (*layer_views(facts), *TRACE_VIEWS)
    if facts is None:
        views = ("matrices",) if account.size else ()
        facts = facts_of_weights(account, words, target)
    view = _suiting(view, views, f"the layer '{target.name}' ({type(target).__name__})")
    return view, LAYER_VIEWS[view](_completed(facts, mask, unit))


def _build_for(model: Model, input_shape: Any, x: Any) -> None:
    """Build a model for the shape that was given, if any was and it is not built."""
    if not model.built and input_shape is not None:
        model.build((None, *input_shape))
    elif not model.built and x is not None:
        model.build(np.shape(x))


def recurrent_layers(model: Layer) -> dict[str, Layer]:
    """{path: layer} of the recurrent layers in a model, wrappers for what they wrap."""
    found: dict[str, Layer] = {}

    def visit(layer: Layer, path: str) -> None:
        for inner in layer.sublayers():
            place = f"{path}/{inner.name}" if path else inner.name
            if isinstance(inner, RNN) or type(inner).__name__ == "Bidirectional":
                found.setdefault(place, inner)
            else:
                visit(inner, place)

    visit(model, "")
    return found


def _only_recurrent(model: Model, view: str | None) -> Layer:
    found = recurrent_layers(model)
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise ValueError(
            f"draw(): view={view!r} does not suit the model '{model.name}', which has no recurrent layer; these do: "
            "'graph', and with layer=... of a layer that has weights 'matrices'."
        )
    raise ValueError(
        f"draw(): the model '{model.name}' has several recurrent layers, so say which: layer= one of "
        f"{', '.join(map(repr, found))}. Of the model as a whole there is the view 'graph'."
    )


def _inside(obj: Layer, layer: Any) -> Layer:
    """The layer of a model that is meant."""
    if isinstance(layer, Layer):
        return layer
    found: dict[str, Layer] = {}

    def visit(one: Layer, path: str) -> None:
        for inner in one.sublayers():
            place = f"{path}/{inner.name}" if path else inner.name
            if place not in found:
                found[place] = inner
                if not isinstance(inner, RNN):
                    visit(inner, place)

    visit(obj, "")
    return found[_path_of(str(layer), found, obj.name)]


def _completed(facts: RecurrentFacts, mask: Any, unit: int) -> RecurrentFacts:
    """The facts with what the caller chose.

    Raises:
        ValueError: if the mask or the unit does not fit.
    """
    units = facts.single.units
    if units is not None and not 0 <= unit < units:
        raise ValueError(f"draw(): unit is from 0 to {units - 1}; got {unit}.")
    if mask is None:
        return replace(facts, unit=unit)
    found = np.asarray(mask)
    if found.ndim != 1 or found.dtype != np.bool_:
        raise ValueError(
            f"draw(): mask is a vector of True and False, one for each step; got {describe(found)}. Of masks for a "
            "batch give one row."
        )
    steps = facts.runs[0].steps
    if steps is not None and steps != len(found):
        raise ValueError(f"draw(): the layer reads {steps} steps, but the mask has {len(found)}.")
    return replace(facts, unit=unit, mask=found)


# --- traces --------------------------------------------------------------------------------------------------


def _traced(obj: Layer, view: str, x: Any, y: Any, layer: Any, mask: Any, loss: Any) -> Trace:
    from gatewise.explain.tracing import trace

    if x is None:
        raise ValueError(f"draw(): view={view!r} shows what happens to data: give x=... (or draw a trace of it).")
    wanted = view == "gradients"
    if wanted and y is None:
        raise ValueError("draw(): view='gradients' needs the targets of the loss: give y=... too.")
    only = None if layer is None or layer is obj else layer
    return trace(obj, x, layers=only, gradients=wanted, y=y if wanted else None, mask=mask, loss=loss)


def _one_of(traced: Any, layer: Any) -> LayerTrace:
    """The trace of one layer."""
    if isinstance(traced, LayerTrace):
        return traced
    if len(traced) == 1:
        return next(iter(traced.values()))
    if layer is None:
        raise ValueError(
            f"draw(): the trace has several layers, so say which: layer= one of {', '.join(map(repr, traced))}."
        )
    name = layer.name if isinstance(layer, Layer) else str(layer)
    inside = [path for path in traced if f"/{path}/".find(f"/{name}/") >= 0]
    if len(inside) > 1:
        raise ValueError(
            f"draw(): {name!r} runs more than one recurrent cell, so say which: layer= one of "
            f"{', '.join(map(repr, inside))}."
        )
    return traced[inside[0]] if inside else traced[layer]


def _has_gradients(traced: LayerTrace) -> bool:
    return any(name.startswith("d_") for name in traced)


def trace_views(traced: LayerTrace) -> tuple[str, ...]:
    """The views that suit a layer's trace."""
    return tuple(view for view in TRACE_VIEWS if view != "gradients" or _has_gradients(traced))


def _trace_facts(traced: LayerTrace, sample: int, words: Words) -> TraceFacts:
    facts = TraceFacts(traced, sample, words)
    _check_sample(sample, facts.samples)
    return facts


def _check_sample(sample: int, samples: int) -> None:
    if not 0 <= sample < samples:
        raise ValueError(f"draw(): sample is from 0 to {samples - 1}; got {sample}.")

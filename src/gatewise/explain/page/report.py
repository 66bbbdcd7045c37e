"""What the page shows of models, as data for JSON: their layers, weights, and traces on the user's data."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gatewise import activations, tree
from gatewise.arguments import describe
from gatewise.explain import account
from gatewise.explain.language import LANGUAGES, chosen_language
from gatewise.explain.page.texts import page_texts
from gatewise.explain.trace_data import LayerTrace
from gatewise.explain.traced_cells import family
from gatewise.explain.tracing import recurrent_places, trace
from gatewise.layer import Layer
from gatewise.version import __version__

MOST_SAMPLES, MOST_STEPS = 16, 512
MOST_NUMBERS = 4_000_000
"""The most numbers of one layer's trace, and of its weights; beyond it fewer samples and steps, or no weights."""

KINDS = ("LSTM", "GRU", "SimpleRNN")
"""The families of cells that the page shows."""

WAVE_STEPS = 13
"""How many made-up steps a layer without data and without a length of its own is shown on."""

PAGE_ACTIVATIONS = frozenset(
    "tanh sigmoid linear relu softsign hard_sigmoid hard_sigmoid_keras2 hard_tanh softplus elu silu exponential".split()
)
_ODD_OPTIONS = ("peephole", "cell_clip", "coupled_gates", "layer_norm", "zoneout_cell", "zoneout_output")


def page_data(
    models: Sequence[dict[str, Any]], lang: str | None = None, compare: bool = False, served: bool = False
) -> dict[str, Any]:
    """Everything that the page reads.

    Args:
        models: what `model_data` found.
        lang: the language to begin with; default the environment's.
        compare: whether to begin with two side by side.
        served: whether a server takes uploads.
    """
    return {
        "version": __version__, "lang": chosen_language(lang), "languages": LANGUAGES, "texts": page_texts(),
        "models": list(models), "compare": compare, "served": served,
    }  # fmt: skip


def model_data(model: Any, x: Any = None, name: str | None = None, stamp: int = 0) -> dict[str, Any]:
    """A model (or a layer) and what its recurrent layers compute on x.

    Args:
        x: as for `predict`; without it the page shows the weights on a made-up wave.
        name: what to call it; default its own name.
        stamp: tells apart data that were given at different times.

    Raises:
        TypeError: for something that is not a layer.
        ValueError: for a model without recurrent layers that the page can show, or data that do not fit.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"explore takes a model or a layer; got {describe(model)}.")
    given_samples = 0 if x is None else _length(x)
    found = None if x is None else trace(model, _few(x))
    layers = list(_traced_layers(found, given_samples)) if found is not None else list(_bare_layers(model))
    if not layers:
        raise ValueError(
            f"'{getattr(model, 'name', model)}' has no LSTM, GRU or SimpleRNN layer that is built, so there is nothing "
            "to explore. Give it data (x=...), or an Input."
        )
    counted = account(model)
    rows = counted.inside if counted.kind == "model" else [counted]
    return {
        "name": name or model.name, "params": counted.size, "stamp": stamp, "layers": layers,
        "rows": [{"name": row.name, "cls": row.cls, "params": row.size} for row in rows],
    }  # fmt: skip


# --- layers ----------------------------------------------------------------------------------------------------


def _traced_layers(found: Any, given_samples: int) -> Iterator[dict[str, Any]]:
    for path, traced in found.items():
        cell = _cell_of(traced)
        if family(cell) not in KINDS:
            continue
        yield {**_layer_facts(path, traced.described, cell), **_trace_facts(traced, given_samples)}


def _bare_layers(model: Any) -> Iterator[dict[str, Any]]:
    """The recurrent layers of a built model, without data: on a made-up wave."""
    places = recurrent_places(model)
    for layer in _recurrent(model, set(places)):
        cells = dict(_cells(layer))
        if not all(family(cell) in KINDS and cell.built for cell in cells.values()):
            continue
        shape = getattr(layer, "input_shape", None)
        known = shape if isinstance(shape, tuple | list) and len(shape) == 3 else (None, None, None)
        wave = _wave(known[1] or WAVE_STEPS, _features(next(iter(cells.values()))))
        found = trace(layer, np.repeat(wave[None], known[0] or 1, axis=0))
        for path, traced in found.items():
            inner = path.partition("/")[2]
            name = "/".join(part for part in (places[id(layer)] or layer.name, inner) if part)
            facts = _trace_facts(traced, 0) | {"samples": 0}
            yield _layer_facts(name, layer, _cell_of(traced)) | facts


def _wave(T: int, F: int) -> np.ndarray:
    """A calm wave for every feature, each with its own pace; (T, F)."""
    t, k = np.arange(1, T + 1)[:, None], np.arange(F)
    return (np.sin(t * (0.55 + 0.37 * (k % 7)) + 1.3 * k) * (0.9 - 0.25 * (k % 3))).astype(np.float32)


def _recurrent(model: Any, ids: set[int]) -> Iterator[Any]:
    seen: set[int] = set()
    for layer in (model, *model.with_sublayers()):
        if id(layer) in ids and id(layer) not in seen:
            seen.add(id(layer))
            yield layer


def _cells(layer: Any) -> Iterator[tuple[str, Any]]:
    cells = getattr(layer.cell, "cells", None)
    if cells is None:
        yield "", layer.cell
    else:
        yield from ((f"/cell_{k}", cell) for k, cell in enumerate(cells))


def _cell_of(traced: LayerTrace) -> Any:
    """The cell that computed a trace: the layer's, or the one of its stack that the path names."""
    cells = dict(_cells(traced.described))
    suffix = traced.name.partition(" (")[0].rpartition("/")[2]
    return cells.get(f"/{suffix}", cells.get("")) if len(cells) > 1 else next(iter(cells.values()))


def _layer_facts(path: str, layer: Any, cell: Any) -> dict[str, Any]:
    kind = family(cell)
    gate = getattr(cell, "recurrent_activation", cell.activation)
    names = [activations.serialize(cell.activation), activations.serialize(gate)]
    odd = cell.quantization is not None or any(getattr(cell, name, None) for name in _ODD_OPTIONS)
    own = {name: repr(getattr(cell, name)) for name in _ODD_OPTIONS if getattr(cell, name, None)}
    plain = not odd and all(isinstance(name, str) and name in PAGE_ACTIVATIONS for name in names)
    weights = _weights(cell)
    size = sum(variable.value.size for variable in cell._variables)
    projected = getattr(cell, "projection_units", None)
    return {
        "path": path, "kind": kind, "features": _features(cell), "units": cell.units,
        "out_units": projected or cell.units, "projection_units": projected or 0,
        "activation": names[0] if plain else "tanh", "recurrent_activation": names[1] if plain else "sigmoid",
        "more_options": _more_options(names, kind) | own, "own_options": list(own),
        "reset_after": bool(getattr(cell, "reset_after", True)),
        "use_bias": bool(cell.use_bias), "reads_backwards": bool(layer.go_backwards),
        "return_sequences": bool(layer.return_sequences), "return_state": bool(layer.return_state),
        "bidirectional": False, "plain": plain, "weights": weights, "params": size,
        "steps_declared": _declared_steps(layer),
        "matrices": [[variable.name, list(variable.shape)] for variable in cell._variables],
    }  # fmt: skip


def _features(cell: Any) -> int:
    return int(cell.kernel.shape[0])


def _more_options(names: Sequence[Any], kind: str | None) -> dict[str, str]:
    """Arguments for the code that the page writes, where they differ from the defaults."""
    found = {}
    if isinstance(names[0], str) and names[0] != "tanh":
        found["activation"] = repr(names[0])
    if kind != "SimpleRNN" and isinstance(names[1], str) and names[1] != "sigmoid":
        found["recurrent_activation"] = repr(names[1])
    return found


def _declared_steps(layer: Any) -> int | None:
    shape = getattr(layer, "input_shape", None) if layer.built else None
    return shape[1] if isinstance(shape, tuple | list) and len(shape) == 3 else None


def _weights(cell: Any) -> dict[str, Any] | None:
    """The cell's arrays under Keras's names; None if they are too many."""
    if sum(variable.value.size for variable in cell._variables) > MOST_NUMBERS:
        return None
    return {variable.name: packed(variable.numpy()) for variable in cell._variables}


# --- traces ----------------------------------------------------------------------------------------------------


def _trace_facts(traced: LayerTrace, given_samples: int) -> dict[str, Any]:
    names = [name for name in traced if name != "output"]
    N, T = traced["h"].shape[:2]
    each = sum(traced[name].shape[2] for name in names)
    steps = max(1, min(T, MOST_STEPS, MOST_NUMBERS // each))
    samples = max(1, min(N, MOST_SAMPLES, MOST_NUMBERS // (each * steps)))
    first = T - steps if traced.reads_backwards else 0  # the steps that the layer reads first
    kept = slice(first, first + steps)
    mask = None if traced.mask is None else traced.mask[:samples, kept].tolist()
    return {
        "samples": samples, "samples_given": max(given_samples, N), "steps": steps, "steps_given": T,
        "trace": {name: packed(traced[name][:samples, kept]) for name in names},
        "initial": {name: packed(values[:samples]) for name, values in traced.initial.items()}, "mask": mask,
    }  # fmt: skip


def packed(values: np.ndarray) -> dict[str, Any]:
    """An array for JSON: its shape, and its float32 numbers in base64."""
    content = np.ascontiguousarray(values, dtype="<f4")
    return {"shape": list(content.shape), "base64": base64.b64encode(content.tobytes()).decode("ascii")}


def _length(x: Any) -> int:
    return len(next(iter(tree.leaves(x))))


def _few(x: Any) -> Any:
    """The first samples of x."""
    return tree.map_leaves(lambda array: np.asarray(array)[:MOST_SAMPLES], x)

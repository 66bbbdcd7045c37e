"""What is wrong with the data before a layer has seen them: numbers that are not finite, scales, ranges, classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gatewise.explain.diagnosis_facts import Finding
from gatewise.layers.recurrent import RNN
from gatewise.ragged import Ragged
from gatewise.training import finite
from gatewise.training.data import Batch

LARGE_INPUT = 10.0  # root mean square of a feature: gates and tanh are flat long before
LARGE_TARGET = 100.0
NOTED_TARGET = 10.0  # root mean square: told if the gradient is large too
UNBALANCED = 0.9  # share of one class
FEW = 0.1  # of the samples: empty sequences among others do no harm
MUCH_PADDING = 0.5  # of all steps
_LISTED = 8

_RANGES = {
    "sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0), "softsign": (-1.0, 1.0), "relu": (0.0, None), "relu6": (0.0, 6.0),
    "softplus": (0.0, None), "exponential": (0.0, None),
}  # fmt: skip
"""What activations can put out."""

_NOT_PROBABILITIES = {
    "tanh", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "mish", "hard_tanh",
    "hard_silu", "hard_swish", "softsign", "softplus", "tanh_shrink", "log_sigmoid", "log_softmax",
}  # fmt: skip
"""Activations whose values below 0 or above 1 no crossentropy takes for probabilities."""

_SCALING = {
    "Embedding", "Normalization", "BatchNormalization", "LayerNormalization", "Rescaling", "IntegerLookup",
    "StringLookup", "TextVectorization", "CategoryEncoding", "Hashing", "Discretization",
}  # fmt: skip
"""Layers that take numbers of any size."""


def data_findings(model: Any, batch: Batch) -> list[Finding]:
    """What there is to say about the inputs, targets and sample weights of a whole dataset."""
    targets = batch.y or []
    return [
        *_not_finite(model, batch),
        *(one for k, x in enumerate(batch.x) for one in _inputs(model, k, x, _name("x", batch.x, k))),
        *_all_masked(model, batch),
        *(one for k, y in enumerate(targets) if y is not None for one in _targets(model, batch, k, y)),
        *_weights(batch),
    ]


def _name(what: str, arrays: Sequence[Any], k: int) -> str:
    return what if len(arrays) == 1 else f"{what}[{k}]"


# --- numbers that are not finite ---------------------------------------------------------------------------------


def _not_finite(model: Any, batch: Batch) -> Iterator[Finding]:
    def of_input(k: int, x: np.ndarray) -> Any:
        return finite.own_mask(model, k, x)

    def of_target(k: int, y: np.ndarray) -> Any:
        return finite.mask_of_target(model, batch, k, y)

    groups = (("x", batch.x, of_input), ("y", batch.y or [], of_target), ("sample_weight", batch.weights or [], None))
    for what, arrays, counted in groups:
        for k, array in enumerate(arrays):
            if array is None or array.dtype.kind != "f":
                continue
            name = _name(what, arrays, k)
            places, first = finite.bad_places(array, k, counted)
            if places:
                index = places[0]
                samples = sorted({place[0] for place in places})
                facts = {
                    "index": index, "value": str(float(first)), "count": len(places),
                    "samples": samples[:_LISTED], "n_samples": len(samples),
                }  # fmt: skip
                yield Finding("data_not_finite", "error", name, facts)


# --- inputs ------------------------------------------------------------------------------------------------------


def _numbers(array: Any) -> np.ndarray:
    """All values of an array by its last axis, (values, features)."""
    flat = array.joined() if isinstance(array, Ragged) else np.asarray(array)
    return flat.reshape(-1, flat.shape[-1]) if flat.ndim > 1 else flat.reshape(-1, 1)


def _counted_numbers(model: Any, k: int, x: Any) -> np.ndarray:
    """The values of the steps that count."""
    if isinstance(x, Ragged) or np.ndim(x) < 3:
        return _numbers(x)
    x = np.asarray(x)
    mask = finite.own_mask(model, k, x)
    return _numbers(x) if mask is None else x[mask].reshape(-1, x.shape[-1])


def _readers(model: Any, k: int) -> list[Any]:
    """The layers that read the k-th input, as far as that is known without running the model."""
    inputs = getattr(model, "inputs", None)
    return [] if not inputs or not hasattr(model, "readers_of") else list(model.readers_of(inputs[k]))


def _takes_any_scale(model: Any, k: int) -> bool:
    readers = _readers(model, k)
    known = readers or [layer for layer in model.with_sublayers() if not layer.is_model]
    names = [{cls.__name__ for cls in type(getattr(layer, "layer", layer)).__mro__} for layer in known]
    return all(found & _SCALING for found in names) if readers else any(found & _SCALING for found in names)


def _inputs(model: Any, k: int, x: Any, name: str) -> Iterator[Finding]:
    if x.dtype.kind != "f" or _takes_any_scale(model, k):
        return
    values = _counted_numbers(model, k, x)
    if len(values) < 2:
        return
    with np.errstate(all="ignore"):
        size = np.sqrt(np.nanmean(np.square(np.where(np.isfinite(values), values, np.nan), dtype=np.float64), axis=0))
    large = np.flatnonzero(size > LARGE_INPUT)
    if len(large):
        facts = {
            "features": large[:_LISTED].tolist(),
            "n": len(large),
            "of": len(size),
            "rms": float(size[large].max()),
        }
        yield Finding("inputs_large", "warning", name, facts)
    constant = np.flatnonzero((values == values[0]).all(axis=0))
    if len(constant):
        facts = {"features": constant[:_LISTED].tolist(), "n": len(constant), "of": len(size)}
        yield Finding("features_constant", "warning" if len(constant) == len(size) else "note", name, facts)


def _all_masked(model: Any, batch: Batch) -> Iterator[Finding]:
    for k, x in enumerate(batch.x):
        mask: Any = None
        if isinstance(x, Ragged):
            empty = np.flatnonzero(np.asarray(x.lengths) == 0)
        else:
            mask = finite.own_mask(model, k, np.asarray(x))
            empty = np.array([]) if mask is None or mask.ndim < 2 else np.flatnonzero(~mask.any(axis=1))
        if len(empty):
            facts = {"samples": empty[:_LISTED].tolist(), "n": len(empty), "of": len(x)}
            severity = "warning" if len(empty) > FEW * len(x) else "note"
            yield Finding("samples_masked", severity, _name("x", batch.x, k), facts)
        elif mask is None and not isinstance(x, Ragged):
            yield from _padding(model, k, np.asarray(x), _name("x", batch.x, k))


def _padding(model: Any, k: int, x: np.ndarray, name: str) -> Iterator[Finding]:
    """Sequences of numbers of words that end in zeros, which an Embedding takes for a word."""
    readers = _readers(model, k)
    if x.ndim != 2 or len(x) < 2 or not readers or not all(type(layer).__name__ == "Embedding" for layer in readers):
        return
    after = ~np.logical_or.accumulate((x != 0)[:, ::-1], axis=1)  # seen from the end
    share = float(after.mean())
    if share > MUCH_PADDING and any(isinstance(layer, RNN) for layer in model.with_sublayers()):
        yield Finding("padding_counted", "warning", name, {"share": share, "layer": readers[0].name})


# --- targets -----------------------------------------------------------------------------------------------------


def _targets(model: Any, batch: Batch, k: int, y: Any) -> Iterator[Finding]:
    assert batch.y is not None
    name, loss = _name("y", batch.y, k), loss_of(model, k)
    layer, activation = last_of(model, k)
    values = _numbers(y)
    good = values[np.isfinite(values)] if values.dtype.kind == "f" else values.reshape(-1)
    if loss is None or not good.size:
        return
    kind, logits = kind_of(loss), from_logits(loss)
    yield from _output_findings(kind, logits, layer, activation)
    if kind == "other":
        low, high = float(good.min()), float(good.max())
        yield from _range_findings(name, kind, good, activation)
        size = float(np.sqrt(np.mean(np.square(good, dtype=np.float64))))
        if size > NOTED_TARGET:
            severity = "warning" if size > LARGE_TARGET else "note"
            yield Finding("targets_large", severity, name, {"rms": size, "low": low, "high": high})
        if low == high and good.size > 1:
            yield Finding("targets_constant", "warning", name, {"value": low})
        return
    if kind == "one_hot":
        sums = values.sum(axis=-1)
        wrong = np.flatnonzero(np.abs(sums - 1) > 1e-3)
        if len(wrong):
            facts = {"row": int(wrong[0]), "sum": float(sums[wrong[0]]), "n": len(wrong)}
            yield Finding("targets_no_distribution", "warning", name, facts)
    elif kind == "binary":
        yield from _range_findings(name, kind, good, "sigmoid")
    yield from _balance(name, kind, values)


def _range_findings(name: str, kind: str, good: np.ndarray, activation: str | None) -> Iterator[Finding]:
    low, high = float(good.min()), float(good.max())
    least, most = _RANGES.get(activation or "", (None, None))
    if (least is not None and low < least) or (most is not None and high > most):
        facts = {"activation": activation, "low": low, "high": high, "least": least, "most": most, "loss": kind}
        if kind == "binary" and low >= 0 and (good == np.round(good)).all():
            facts["classes"] = int(high) + 1
        yield Finding("targets_out_of_range", "error", name, facts)


def _output_findings(kind: str, logits: bool, layer: Any, activation: str | None) -> Iterator[Finding]:
    if layer is None:
        return
    facts = {"activation": activation, "loss": kind}
    if activation == "softmax" and getattr(layer, "units", None) == 1:
        yield Finding("softmax_of_one", "error", layer.name, facts)
    if kind == "other":
        return
    if logits and activation in ("softmax", "sigmoid"):
        yield Finding("activation_twice", "error", layer.name, facts)
    if not logits and activation == "linear":
        yield Finding("activation_missing", "error", layer.name, facts)
    elif not logits and activation in _NOT_PROBABILITIES:
        yield Finding("activation_unfit", "error", layer.name, facts)


def _balance(name: str, kind: str, values: np.ndarray) -> Iterator[Finding]:
    if kind == "classes":
        classes, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    elif kind == "one_hot":
        if values.shape[-1] == 1:
            return  # no class to choose: told of the rows' sums
        classes, counts = np.unique(values.argmax(axis=-1), return_counts=True)
    elif values.shape[-1] == 1:
        classes, counts = np.unique(np.round(values[np.isfinite(values)]), return_counts=True)
    else:
        return
    share = float(counts.max() / counts.sum())
    if len(classes) == 1 and counts.sum() > 1:
        yield Finding("targets_constant", "warning", name, {"value": float(classes[0])})
    elif share > UNBALANCED:
        most = classes[counts.argmax()]
        weights = {
            int(c): round(float(counts.sum() / (len(classes) * n)), 3) for c, n in zip(classes, counts, strict=True)
        }
        facts = {"most": int(most), "share": share, "weights": dict(list(weights.items())[:_LISTED])}
        yield Finding("classes_unbalanced", "warning", name, facts)


def _weights(batch: Batch) -> Iterator[Finding]:
    known: set[int] = set()
    for k, weights in enumerate(batch.weights or []):
        if weights is None or id(weights) in known:
            continue
        known.add(id(weights))
        values = _numbers(weights)
        name = _name("sample_weight", batch.weights or [], k)
        if (values < 0).any():
            yield Finding(
                "weights_negative", "warning", name, {"n": int((values < 0).sum()), "low": float(values.min())}
            )
        if not values.any():
            yield Finding("weights_zero", "error", name)


# --- the end of the model ----------------------------------------------------------------------------------------


def loss_of(model: Any, k: int) -> Any:
    """The loss of the k-th output, None where it has none or it is not known yet."""
    names = model._known_output_names()
    return None if names is None else model._ready_objective(len(names)).losses[k]


def kind_of(loss: Any) -> str:
    """What a loss takes as targets: "classes", "one_hot", "binary" or "other"."""
    name = getattr(getattr(loss, "fn", loss), "__name__", "")
    if name.startswith("sparse_categorical"):
        return "classes"
    if name.startswith("categorical_") and "hinge" not in name and "generalized" not in name:
        return "one_hot"
    return "binary" if name in ("binary_crossentropy", "binary_focal_crossentropy") else "other"


def from_logits(loss: Any) -> bool:
    """Whether a loss takes numbers before the softmax or sigmoid."""
    return bool(getattr(loss, "_options", {}).get("from_logits", False))


def activation_name(layer: Any) -> str | None:
    """The name of a layer's activation; that of a recurrent layer bounds its output; None if it has none."""
    layer = getattr(layer, "layer", layer) if type(layer).__name__ == "TimeDistributed" else layer
    cls = type(layer).__name__
    if cls in ("ReLU", "Softmax"):
        return cls.lower()
    found = getattr(layer, "activation", None)
    return None if found is None else getattr(found, "__name__", type(found).__name__)


def last_of(model: Any, k: int) -> tuple[Any, str | None]:
    """The layer that makes the k-th output of a graph, and its activation; (None, None) where nobody knows."""
    outputs = getattr(model, "outputs", None)
    if not outputs:
        return None, None
    layer = outputs[k].node.layer
    return layer, activation_name(layer)

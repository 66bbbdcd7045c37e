"""What is wrong with a model whatever its data are: nothing to train, units that stay alike, dropout, penalties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gatewise.explain.diagnosis_data import LARGE_INPUT
from gatewise.explain.diagnosis_facts import Finding, LossFacts
from gatewise.explain.diagnosis_step import Step, gate_symbols, owned_weights
from gatewise.explain.diagnosis_units import counted
from gatewise.explain.diagnosis_watch import Call, layer_paths
from gatewise.layers.recurrent import RNN

LARGE_DROPOUT = 0.75
LARGE_PENALTY = 10.0  # beside the loss, and beside that of the same answer for every sample


def model_findings(model: Any, step: Step, loss: LossFacts | None, is_finite: bool) -> Iterator[Finding]:
    """What there is to say about the model, after a step.

    Args:
        loss: None where it is not finite.   is_finite: whether the gradient is too.
    """
    if model.weights and not model.trainable_variables:
        yield Finding("nothing_trains", "error", model.name)
    yield from _dropout(model)
    if loss is not None:
        yield from _penalties(model, loss)
    if is_finite:
        yield from _inputs_of_layers(step)
        yield from _alike(model, step)


def _dropout(model: Any) -> Iterator[Finding]:
    for layer, path in layer_paths(model).values():
        options = ("dropout", "recurrent_dropout") if isinstance(layer, RNN) else ("rate",)
        if isinstance(layer, RNN) or "Dropout" in type(layer).__name__:
            rates = [rate for option in options if isinstance(rate := getattr(layer, option, None), int | float)]
            if rates and max(rates) > LARGE_DROPOUT:
                yield Finding("dropout_large", "warning", path, {"rate": float(max(rates))})


def _penalties(model: Any, loss: LossFacts) -> Iterator[Finding]:
    usual = max(sum(map(abs, loss.parts.values())), sum(map(abs, loss.trivial.values())))
    if loss.penalties > LARGE_PENALTY * usual > 0:
        yield Finding("penalties_large", "warning", model.name, {"penalties": loss.penalties, "loss": usual})


def _inputs_of_layers(step: Step) -> Iterator[Finding]:
    """Recurrent layers that get large numbers from a layer before; of the model's own inputs the data tell."""
    told: set[str] = set()
    given = {id(x) for x in step.batch.x}
    for call in step.calls:
        x = call.inputs[0] if call.inputs else None
        if not isinstance(call.layer, RNN) or call.path in told or not isinstance(x, np.ndarray) or x.ndim < 3:
            continue
        if id(x) in given or x.dtype.kind != "f":
            continue
        told.add(call.path)
        values = counted(x, _mask_of(step.calls, x))
        size = float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0
        if size > LARGE_INPUT:
            yield Finding("layer_inputs_large", "warning", call.path, {"rms": size})


def _mask_of(calls: list[Call], x: np.ndarray) -> Any:
    """The mask that the layer which made x put beside it."""
    for call in calls:
        for y, mask in zip(call.outputs, call.masks, strict=True):
            if y is x and mask is not None and np.shape(mask) == x.shape[: np.ndim(mask)]:
                return mask
    return None


def _alike(model: Any, step: Step) -> Iterator[Finding]:
    """Layers whose units have the same weights and the same gradient: these stay the same units for ever."""
    told: set[str] = set()
    for variable, layer, path in owned_weights(model):
        if path in told or len(variable.shape) < 2 or variable not in step.updated:
            continue
        gates = len(gate_symbols(layer)) if isinstance(layer, RNN) else 1
        units = getattr(layer, "units", None)
        if variable is not getattr(getattr(layer, "cell", layer), "kernel", None) or not gates or not units:
            continue
        if units > 1 and variable.shape[-1] == gates * units:
            gradient = step.gradients.get(variable)
            shape = (-1, gates, units)
            kinds = [np.asarray(a).reshape(shape) for a in (variable.array, gradient) if a is not None]
            if all((a == a[..., :1]).all() for a in kinds):
                told.add(path)
                yield Finding("units_alike", "warning", path, {"of": units, "value": float(variable.array.flat[0])})

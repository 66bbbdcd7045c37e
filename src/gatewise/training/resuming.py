"""All that decides how a training goes on, as data: for a run that is to continue in another process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gatewise import random
from gatewise.layer import Layer
from gatewise.layers.chance import seed_generators
from gatewise.training import metrics
from gatewise.training.callbacks.base import Callback

Arrays = list[np.ndarray]


def captured(run: Any, epoch: int, batches: int) -> tuple[dict[str, Any], Arrays]:
    """The state of a run before a batch.

    Args:
        run: what `fit` hands to `set_run`.
        epoch, batches: where to go on: the epoch from 0, and how many of its batches are done.

    Returns:
        what JSON can hold, and the arrays that it refers to by {"array": index}.
    """
    model = run.model
    model._ready_store()
    arrays: Arrays = []
    state = {
        "epoch": epoch,
        "batches": batches,
        "stop": bool(model.stop_training),
        "data": run.batches.position(),
        "held_out": run.held_out.drawn() if hasattr(run.held_out, "drawn") else 0,
        "random": random.state(),
        "seeds": [seeds.state() for seeds in seed_generators(model)],
        "weights": [v.numpy() for v in model.weights],
        "optimizer": model.optimizer.get_weights(),
        "states": [None if s is None else [v.numpy() for v in s] for s in map(kept_states, stateful_layers(model))],
        "means": _running_means(model) if batches else None,
        "callbacks": [_state_of(callback) for callback in run.callbacks],
    }
    return _packed(state, arrays, "the training"), arrays


def restore(run: Any, told: dict[str, Any], arrays: Arrays, source: Any) -> None:
    """Bring a run to a captured state; nothing is changed if it does not fit.

    Raises:
        ValueError: if it was captured from another model, optimizer or list of callbacks.
    """
    model, state = run.model, _unpacked(told, arrays)
    model._ready_store()
    _check([v.shape for v in model.weights], state["weights"], f"the weights of model '{model.name}'", source)
    variables = model.optimizer.variables
    _check([v.shape for v in variables], state["optimizer"], f"the state of {type(model.optimizer).__name__}", source)
    names = [type(callback).__name__ for callback in run.callbacks]
    if names != [name for name, _ in state["callbacks"]]:
        raise ValueError(
            f"{source} was written in a training with the callbacks {[name for name, _ in state['callbacks']]}; now "
            f"they are {names}. Give the same ones, or delete the file to begin anew."
        )
    for variable, value in zip([*model.weights, *variables], [*state["weights"], *state["optimizer"]], strict=True):
        variable.assign(value)
    for seeds, position in zip(seed_generators(model), state["seeds"], strict=True):
        seeds.set_state(position)
    for layer, values in zip(stateful_layers(model), state["states"], strict=True):
        restore_states(layer, values)
    if state["means"] is not None:
        _restore_means(model, state["means"])
    for callback, (_, values) in zip(run.callbacks, state["callbacks"], strict=True):
        for name, value in values.items():
            setattr(callback, name, value)
    random.set_state(state["random"])
    run.batches.resume(state["data"])
    if state.get("held_out"):
        run.held_out.skip(state["held_out"])
    model.stop_training = state["stop"]
    run.resume_at(state["epoch"], state["batches"])


def _check(shapes: Sequence[tuple], values: Sequence[np.ndarray], what: str, source: Any) -> None:
    found = [value.shape for value in values]
    if found != list(shapes):
        raise ValueError(
            f"{source} does not fit {what}: it has arrays of shapes {found}, and here they are {list(shapes)}. It was "
            "written in another training; delete it, or give another folder."
        )


def _layers(layer: Layer, met: set[int]) -> Iterator[Layer]:
    if id(layer) not in met:
        met.add(id(layer))
        yield layer
        for inner in layer.sublayers():
            yield from _layers(inner, met)


def stateful_layers(model: Layer) -> list[Any]:
    """The layers that keep a state from batch to batch."""
    return [layer for layer in _layers(model, set()) if getattr(layer, "stateful", False) and hasattr(layer, "_states")]


def kept_states(layer: Any) -> Any:
    """The states that a stateful layer keeps, variables; None before its first batch."""
    return layer._states


def restore_states(layer: Any, values: list[np.ndarray] | None) -> None:
    """Give a stateful layer kept states, or None for those of a layer before its first batch."""
    if values is None:
        layer._states = None
        return
    if layer._states is None:
        layer._make_states(len(values[0]))
    made: Any = layer._states
    for variable, value in zip(made, values, strict=True):
        variable.assign(value)


def _running_means(model: Any) -> dict[str, Any]:
    """The metrics of an epoch that has begun."""
    objective = model._objective
    return {
        "n_outputs": len(objective.names),
        "built_for": objective.built_for,
        "added": list(objective.added),
        "values": [[v.numpy() for v in metric.variables] for metric in model.metrics],
    }


def _restore_means(model: Any, means: dict[str, Any]) -> None:
    objective = model._ready_objective(means["n_outputs"])
    if means["built_for"] is not None and objective.unweighted is None:  # only the shapes are looked at
        stand_ins = [[None if s is None else np.broadcast_to(0, s) for s in shapes] for shapes in means["built_for"]]
        objective.build_metrics(*stand_ins)
    for name in means["added"]:
        objective.added.setdefault(name, metrics.Mean(name=name))
    for metric, values in zip(model.metrics, means["values"], strict=True):
        if len(metric.variables) < len(values):
            _show_a_batch(objective, metric, means["built_for"])
        for variable, value in zip(metric.variables, values, strict=True):
            variable.assign(value)


def _show_a_batch(objective: Any, metric: Any, shapes: Any) -> None:
    """Let a metric that makes its variables at its first batch see one of these shapes; its values are set after."""
    for made in (objective.unweighted, objective.weighted):
        for y_true, y_pred, of_output in zip(*shapes, made or [], strict=True):
            if any(metric is item for item in of_output):
                metric.update_state(np.zeros(y_true), np.zeros(y_pred))


def _state_of(callback: Any) -> list[Any]:
    names = callback.state_names if isinstance(callback, Callback) else ()
    return [type(callback).__name__, {name: getattr(callback, name) for name in names}]


def _packed(value: Any, arrays: Arrays, owner: str) -> Any:
    """What JSON can hold, the arrays put aside."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {"dict": [[key, _packed(item, arrays, str(key))] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_packed(item, arrays, owner) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"{owner} is a {type(value).__name__}, which cannot be kept: state_names are for attributes that are numbers, "
        "text, arrays, lists and dictionaries."
    )


def _unpacked(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, arrays) for item in value]
    if isinstance(value, dict):
        if "array" in value:
            return arrays[value["array"]]
        return {key: _unpacked(item, arrays) for key, item in value["dict"]}
    return value

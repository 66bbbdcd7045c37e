"""One step of training, looked at: the first number that is not finite, the loss, the gradients, the next change."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise.explain.diagnosis_data import from_logits, kind_of
from gatewise.explain.diagnosis_facts import Finding, LossFacts, Origin, WeightFacts, first_bad
from gatewise.explain.diagnosis_watch import Call, layer_paths, watched
from gatewise.layers.recurrent import RNN
from gatewise.training.data import Batch
from gatewise.variable import ParameterStore, Variable

LARGE_GRADIENT = 100.0
SMALL_GRADIENT = 1e-7
LARGE_UPDATE, SMALL_UPDATE = 0.1, 1e-6  # beside the weight; about 1e-3 is usual
FADING = 1e-4  # norm of the gradient of the first layer beside that of the last


class Step(NamedTuple):
    """What a step of training computed.

    Attributes:
        calls: the uses of layers, in the order in which they ended.
        outputs, masks: flat.   targets, weights: flat.
        loss: the total.   parts: each output's loss, unweighted.
        gradients: {variable: gradient}.   updated: {variable: its value after the step}.
    """

    calls: list[Call]
    outputs: list[np.ndarray]
    masks: list[Any]
    batch: Batch
    loss: float
    parts: list[float]
    gradients: dict[Variable, np.ndarray]
    updated: dict[Variable, np.ndarray]


def run_step(model: Any, batch: Batch) -> Step:
    """A step in training mode.  The weights stay; what layers assign and draw is the caller's to put back."""
    with np.errstate(all="ignore"), watched(model) as calls:
        outcome, gradients = model._loss_and_gradients(batch)
    updated = next_values(model, gradients)
    return Step(calls, outcome.outputs, outcome.masks, batch, outcome.loss, list(outcome.parts), gradients, updated)


def next_values(model: Any, gradients: dict[Variable, np.ndarray]) -> dict[Variable, np.ndarray]:
    """What the weights would be after the optimizer's step, computed with copies of it and of them."""
    trainable = [v for v in model.trainable_variables if v.dtype.startswith("float")]
    if not trainable:
        return {}
    copies = [copy.deepcopy(v) for v in trainable]
    optimizer, store = copy.deepcopy(model.optimizer), ParameterStore.of(copies)
    optimizer.bind(store)
    found = {twin: gradients[v] for v, twin in zip(trainable, copies, strict=True) if gradients.get(v) is not None}
    every = optimizer.gradient_accumulation_steps or 1
    for _ in range(every - int(optimizer._iterations.array) % every):  # as if the batches until then gave the same
        slots = store.set_gradients(found)
        if optimizer.loss_scale_factor:
            store.gradients *= optimizer.loss_scale_factor
        with np.errstate(all="ignore"):
            optimizer.step(store.values, store.gradients, slots)
    return {v: twin.array for v, twin in zip(trainable, copies, strict=True)}


# --- the first number that is not finite ------------------------------------------------------------------------


def bad_weights(model: Any) -> Iterator[Origin]:
    """The weights that hold numbers that are not finite, in the order of the layers."""
    for variable, layer, path in owned_weights(model):
        found = first_bad(variable.array)
        if found is not None:
            index, value, count = found
            gate, unit = gate_of(layer, variable, index)
            yield Origin("weight", variable.path, path, gate, unit=unit, index=index, value=value, count=count)


def first_in_step(step: Step, model: Any) -> Origin | None:
    """Where the first number that is not finite came up in a step from finite data and weights."""
    for call in step.calls:
        for k, y in enumerate(call.outputs):
            found = first_bad(call.counted(k)) if isinstance(y, np.ndarray) else None
            if found is not None:
                return _in_output(call, *found)
    if not math.isfinite(step.loss):
        largest = max((float(np.abs(y).max()) for y in step.outputs if y.size), default=0.0)
        return Origin("loss", model.name, value=str(float(step.loss)), largest=largest)
    return _in_gradient(step, model) or _in_update(step, model)


def _in_output(call: Call, index: tuple[int, ...], value: str, count: int) -> Origin:
    timed = len(index) == 3
    sizes = [
        (float(np.abs(v.array).max()), v.path) for v in call.layer.weights if v.size and v.dtype.startswith("float")
    ]
    largest, weight = max(sizes, default=(None, None))
    return Origin(
        "forward", call.path, call.path, step=index[1] if timed else None, sample=index[0] if index else None,
        unit=index[-1] if len(index) > 1 else None, index=index, value=value, count=count,
        weight=weight, largest=largest,
    )  # fmt: skip


def _in_gradient(step: Step, model: Any) -> Origin | None:
    bad = {id(v): found for v, g in step.gradients.items() if (found := first_bad(np.asarray(g))) is not None}
    owners = {id(v): (v, layer, path) for v, layer, path in owned_weights(model)}
    before: Call | None = None
    for call in reversed(step.calls):  # the way back
        if any(isinstance(d, np.ndarray) and first_bad(d) is not None for d in call.d_outputs):
            if before is None:  # it came from behind the model
                return Origin("slope", model.name)
            source = before
            mine = [key for key in bad if key in owners and owners[key][2] == source.path]
            key = next(iter(mine or bad), None)
            return (
                _at_weight("gradient", owners[key], bad[key], source.path)
                if key in owners
                else Origin("gradient", source.path, source.path)
            )
        before = call if any(d is not None for d in call.d_outputs) else before
    for key in (key for key in owners if key in bad):
        return _at_weight("gradient", owners[key], bad[key], owners[key][2])
    return None


def _in_update(step: Step, model: Any) -> Origin | None:
    for variable, layer, path in owned_weights(model):
        found = first_bad(step.updated[variable]) if variable in step.updated else None
        if found is not None:
            return _at_weight("update", (variable, layer, path), found, path)
    return None


def _at_weight(stage: str, owner: Any, found: Any, path: str) -> Origin:
    (variable, layer, _), (index, value, count) = owner, found
    gate, unit = gate_of(layer, variable, index)
    return Origin(stage, variable.path, path, gate, unit=unit, index=index, value=value, count=count)


def owned_weights(model: Any) -> list[tuple[Variable, Any, str]]:
    """Each weight with the layer that holds it and that layer's path; a cell's weights are its recurrent layer's."""
    found: dict[int, tuple[Variable, Any, str]] = {}
    for layer, path in list(layer_paths(model).values())[::-1]:
        own = layer.weights if isinstance(layer, RNN) else layer._own_variables()
        for variable in own:
            found.setdefault(id(variable), (variable, layer, path))
    order = [id(v) for v in model.weights]
    return [found[key] for key in order if key in found]


def gate_symbols(layer: Any) -> list[str]:
    """The symbols of the blocks of columns in a recurrent layer's kernels, in order."""
    cell = getattr(layer, "cell", None)
    n = getattr(cell, "n_gates", None)
    names = {cls.__name__ for cls in type(cell).__mro__}
    if "LSTMCell" in names:
        return ["i", "f", "g", "o"] if n == 4 else ["i", "g", "o"]
    if "GRUCell" in names:
        return ["z", "r", "g"]
    return ["h"] if "SimpleRNNCell" in names else []


def gate_of(layer: Any, variable: Variable, index: tuple[int, ...]) -> tuple[str | None, int | None]:
    """The gate and the unit that an element of a weight belongs to, by its column."""
    symbols, units = gate_symbols(layer), getattr(getattr(layer, "cell", None), "units", None)
    if symbols and units and index and variable.shape[-1] == len(symbols) * units:
        return symbols[index[-1] // units], index[-1] % units
    return None, (index[-1] if index else None)


# --- loss --------------------------------------------------------------------------------------------------------

_CENTRES = {
    "mean_squared_error": np.mean, "mean_squared_logarithmic_error": np.mean, "huber": np.median, "log_cosh": np.mean,
    "poisson": np.mean, "mean_absolute_error": np.median,
}  # fmt: skip
"""The best answer that is the same for all samples, or nearly so, by the name of the loss."""


def loss_facts(model: Any, step: Step) -> LossFacts:
    """The loss in its parts, and what answering the same for all samples would give."""
    objective = model._ready_objective(len(step.outputs))
    parts = {name: part for name, part, loss in zip(objective.names, step.parts, objective.losses, strict=True) if loss}
    weighted = sum(w * part for w, part in zip(objective.weights, step.parts, strict=True))
    trivial = {}
    for k, loss in enumerate(objective.losses):
        y = None if step.batch.y is None else step.batch.y[k]
        if loss is not None and y is not None:
            weights = None if step.batch.weights is None else step.batch.weights[k]
            found = _trivial(loss, np.asarray(y), step.outputs[k], weights, step.masks[k])
            if found is not None and math.isfinite(found):
                trivial[objective.names[k]] = found
    return LossFacts(float(step.loss), parts, float(step.loss - weighted), trivial)


def _trivial(loss: Any, y: np.ndarray, output: np.ndarray, weights: Any, mask: Any) -> float | None:
    """The loss of the best constant answer; None where that is not known."""
    kind, name = kind_of(loss), getattr(getattr(loss, "fn", loss), "__name__", "")
    n = output.shape[-1]
    values = y.reshape(-1) if kind == "classes" else y.reshape(-1, n) if y.size % n == 0 else None
    if values is None or (mask is not None and np.shape(mask) == y.shape[: np.ndim(mask)] and not np.any(mask)):
        return None
    if mask is not None and len(values) == np.size(mask):
        values = values[np.reshape(mask, -1)]
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        return None
    if kind == "other":
        if name not in _CENTRES:
            return None
        best = _CENTRES[name](values, axis=0)
    else:
        best = _best_probabilities(kind, values, n, from_logits(loss))
    constant = np.broadcast_to(np.asarray(best, output.dtype), output.shape)
    return float(loss.forward(y, np.ascontiguousarray(constant), weights, mask)[0])


def _best_probabilities(kind: str, values: np.ndarray, n: int, logits: bool) -> np.ndarray:
    if kind == "classes":
        counted = values[(values >= 0) & (values < n)].astype(np.int64)
        share = np.bincount(counted, minlength=n) / max(len(counted), 1)
    else:
        share = values.mean(axis=0)
    share = np.clip(share, 1e-6, 1 - 1e-6)
    if not logits:
        return share
    return np.log(share) - (np.log1p(-share) if kind == "binary" else 0.0)


def loss_findings(facts: LossFacts, step: Step, names: Sequence[str]) -> list[Finding]:
    """Whether the model has learnt anything, and whether it answers the same whatever it is given."""
    found = []
    for name, trivial in facts.trivial.items():
        value = facts.parts[name]
        if math.isfinite(value) and value >= 0.95 * trivial and trivial > 1e-6:
            found.append(Finding("loss_trivial", "note", name, {"loss": value, "trivial": trivial}))
    for k, (name, y) in enumerate(zip(names, step.outputs, strict=True)):
        truth = None if step.batch.y is None else step.batch.y[k]
        if truth is None or len(y) < 2 or not np.isfinite(y).all() or (truth == truth[:1]).all():
            continue
        if np.ptp(y, axis=0).max() <= 1e-6 * max(1e-3, float(np.abs(y).max())):
            found.append(Finding("output_constant", "warning", name, {"value": float(y.reshape(-1)[0])}))
    return found


# --- gradients ---------------------------------------------------------------------------------------------------


def weight_facts(model: Any, step: Step) -> tuple[WeightFacts, ...]:
    """Norms of each trainable weight, its gradient and its next change, in the order of the layers."""
    found = []
    for variable, _, path in owned_weights(model):
        if variable not in step.updated:
            continue
        gradient = step.gradients.get(variable)
        size = 0.0 if gradient is None else norm(gradient)
        change = norm(step.updated[variable].astype(np.float64) - variable.array)
        found.append(WeightFacts(variable.path, path, variable.shape, norm(variable.array), size, change))
    return tuple(found)


def norm(array: Any) -> float:
    """The Euclidean norm, in double precision: squares of float32 may overflow."""
    flat = np.asarray(array, np.float64).reshape(-1)
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.dot(flat, flat)))


def layer_norms(weights: Sequence[WeightFacts]) -> dict[str, float]:
    """{path of the layer: norm of the gradient of its weights}."""
    squares: dict[str, float] = {}
    for one in weights:
        squares[one.layer] = squares.get(one.layer, 0.0) + one.gradient_norm**2
    return {path: math.sqrt(square) for path, square in squares.items()}


def gradient_findings(weights: Sequence[WeightFacts]) -> list[Finding]:
    """Gradients that are very large, very small or nothing, and steps that do not suit their weights."""
    layers = layer_norms(weights)
    if not layers:
        return []
    total, found = math.sqrt(sum(n * n for n in layers.values())), []
    if total > LARGE_GRADIENT:
        largest = max(weights, key=lambda one: one.gradient_norm)
        found.append(
            Finding("gradient_large", "warning", largest.path, {"norm": total, "largest": largest.gradient_norm})
        )
    elif total < SMALL_GRADIENT:
        found.append(Finding("gradient_small", "warning", "", {"norm": total}))
    still = [path for path, size in layers.items() if size == 0]
    found += [Finding("gradient_zero", "warning", path) for path in still if total >= SMALL_GRADIENT]
    moving = [(path, size) for path, size in layers.items() if size > 0]
    if len(moving) > 1 and moving[0][1] < FADING * moving[-1][1]:
        (first, low), (last, high) = moving[0], moving[-1]
        found.append(Finding("gradient_fades", "warning", first, {"norm": low, "last": last, "last_norm": high}))
    return [*found, *_update_findings(weights)]


def _update_findings(weights: Sequence[WeightFacts]) -> list[Finding]:
    matrices = [(one, one.update_ratio) for one in weights if len(one.shape) > 1 and one.update_ratio is not None]
    large = [(one, ratio) for one, ratio in matrices if ratio is not None and ratio > LARGE_UPDATE]
    if large:
        one, ratio = max(large, key=lambda pair: pair[1] or 0)
        return [Finding("update_large", "warning", one.path, {"ratio": ratio, "n": len(large)})]
    if matrices and all(ratio is not None and ratio < SMALL_UPDATE for _, ratio in matrices):
        if any(one.gradient_norm > 0 for one, _ in matrices):
            one, ratio = max(matrices, key=lambda pair: pair[1] or 0)
            return [Finding("update_small", "warning", one.path, {"ratio": ratio})]
    return []

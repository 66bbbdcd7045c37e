"""`gatewise.trace`: a model run on data, and everything that its recurrent layers computed on the way.

The gates are those of the kernels that train, as they computed them: nothing is computed a second time, but the sums
before activation, where the kernels keep none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gatewise import suggest, tree
from gatewise.arguments import CallArguments, describe
from gatewise.context import collected_losses, collected_metrics
from gatewise.explain import traced_cells
from gatewise.explain.trace_data import LayerTrace, Trace
from gatewise.layer import Layer
from gatewise.layers import observing
from gatewise.layers.recurrent import RNN
from gatewise.model import Model
from gatewise.training.data import Batch
from gatewise.training.objective import Objective


def trace(
    model: Any,
    x: Any,
    layers: Any = None,
    preactivations: bool = False,
    gradients: bool = False,
    y: Any = None,
    sample_weight: Any = None,
    training: bool = False,
    initial_state: Any = None,
    mask: Any = None,
    loss: Any = None,
    to: Any = None,
    chunk: int = 1000,
) -> Any:
    """Run a model (or a layer) on x, all of it at once, and keep what its recurrent layers computed at every step.

    The hidden states are `predict`'s to the last bit.  The model stays as it is: kept states and moving means are what
    they were before.

    Args:
        model: a model, or a layer that is or holds a recurrent layer; it is built for x if it is not built yet.
        x: as for `predict`, or for a call of the layer.
        layers: the layers to trace: names, paths or layers, in a list or alone; default all recurrent ones.
        preactivations: also the sums before activation, as z_i, z_f, ...
        gradients: also the gradient of the loss for y by gate and step: d_i, ... with respect to the gate's value,
            dz_i, ... to its sum before activation, d_h and d_c all that reaches these states, d_input.
        y, sample_weight: the targets and weights, as for `fit`; only for gradients.
        training: whether dropout and its like are active.
        initial_state: the states to begin with, for a recurrent layer.
        mask: (N, T), True where a step counts.
        loss: a loss for the gradients; default the compiled model's.
        to: where to write the trace part by part, for sequences longer than memory: a .nc file (netCDF), or a folder
            for .npz files.  x may then be anything that can be cut along its axes: a memory map, an HDF5 dataset.
        chunk: the number of steps in a part.

    Returns:
        a `Trace`, {path: LayerTrace}; with `to` the path that was written.

    Raises:
        TypeError: for something that is not a layer.
        ValueError: for a model without recurrent layers, an unknown layer, data that do not fit, gradients without y.
    """
    places = _places_of(model)
    if gradients and y is None:
        raise ValueError("trace(gradients=True) needs the targets that the loss is taken for: give y=...")
    if not gradients and any(given is not None for given in (y, sample_weight, loss)):
        raise ValueError("trace was given targets, weights or a loss, which only gradients need: write gradients=True.")
    if to is not None:
        unusable = [name for name, on in (("gradients", gradients), ("training", training)) if on]
        return _trace_in_parts(model, x, layers, preactivations, initial_state, mask, to, chunk, unusable, places)
    batch = _batch_of(model, x, y, sample_weight, initial_state, mask)
    wanted = _wanted(model, layers, places)
    found_loss = None
    with left_as_it_is(model), observing.watching(wanted, keeps_sums=preactivations) as watch:
        if gradients:
            outputs, found_loss = _there_and_back(model, batch, training, loss)
        else:
            with collected_losses(), collected_metrics():
                outputs = model.compute(batch.x, batch.mask, bool(training), batch.structure)
    if not watch.runs:
        raise ValueError(
            f"{_called(model)} called no recurrent layer{'' if layers is None else ' of those'} when it ran: there is "
            "nothing to trace."
        )
    traced, paths = _layer_traces(model, watch.runs, places, preactivations, gradients)
    return Trace(traced, model.name, _nested(model, outputs), found_loss, paths)


def _trace_in_parts(
    model: Any, x: Any, layers: Any, preactivations: bool, initial_state: Any, mask: Any, to: Any, chunk: Any,
    unusable: Sequence[str], places: dict[int, str],
) -> Any:  # fmt: skip
    """`trace` to a file or folder, with `chunk` steps in memory at a time."""
    from gatewise.explain.trace_parts import Parts, check_parts, write_parts

    size = check_parts(to, chunk, unusable)
    parts = Parts(model, x, mask, size)
    wanted = _wanted(model, layers, places)

    def traces() -> Iterator[Trace]:
        begin = initial_state
        with (
            left_as_it_is(model),
            observing.watching(
                lambda layer: id(layer) in parts.carrying and wanted(layer),
                lambda layer: id(layer) in parts.carrying,
                preactivations,
            ) as watch,
        ):
            for piece, piece_mask in parts:
                batch = _batch_of(model, piece, None, None, begin, piece_mask)
                begin = None
                outputs = model.compute(batch.x, batch.mask, False, batch.structure)
                traced, _ = _layer_traces(model, watch.next_part(), places, preactivations, False)
                yield Trace(traced, model.name, _nested(model, outputs))

    return write_parts(traces, to)


def _called(model: Layer) -> str:
    return f"{'Model' if model.is_model else 'Layer'} '{model.name}' ({type(model).__name__})"


def _places_of(model: Any) -> dict[int, str]:
    """Where the recurrent layers are that are known so far.

    Raises:
        TypeError, ValueError: if it is no layer, or there is none.
    """
    if not isinstance(model, Layer):
        hint = f" Write {model.__name__}(...)." if isinstance(model, type) else ""
        raise TypeError(f"trace takes a model or a layer; got {describe(model)}.{hint}")
    places = recurrent_places(model)
    if model.built and not places:
        raise ValueError(f"{_called(model)} has no recurrent layer, so there is nothing to trace.")
    return places


# --- which layers --------------------------------------------------------------------------------------------


def recurrent_places(root: Layer) -> dict[int, str]:
    """{id of each recurrent layer: its path}: the names from the root, which does not count, down, joined by "/"."""
    found: dict[int, str] = {}

    def visit(layer: Any, path: str, above: tuple[int, ...]) -> None:
        if isinstance(layer, RNN):
            found.setdefault(id(layer), path or layer.name)
        elif id(layer) not in above:
            for inner in layer.sublayers():
                visit(inner, f"{path}/{inner.name}" if path else inner.name, (*above, id(layer)))

    visit(root, "", ())
    return found


def _wanted(model: Layer, chosen: Any, places: dict[int, str]) -> Callable[[Any], bool]:
    """Whether a recurrent layer is among those chosen: by name, by path, or by itself or what holds it.

    Raises:
        ValueError: for one that the model does not have.
    """
    if chosen is None:
        return lambda layer: True
    wanted: set[int] = set()
    for item in chosen if isinstance(chosen, list | tuple | set) else [chosen]:
        if isinstance(item, Layer):
            here = {id(layer) for layer in item.with_sublayers()} & places.keys()
        else:
            here = {key for key, path in places.items() if f"/{path}/".endswith(f"/{item}/") or path == item}
            here = here or {key for key, path in places.items() if f"/{path}".find(f"/{item}/") >= 0}
        if not here:
            name = item.name if isinstance(item, Layer) else item
            known = {*places.values(), *(path.rpartition("/")[2] for path in places.values())}
            raise ValueError(f"{_called(model)}: {suggest.unknown('recurrent layer', name, known)}")
        wanted |= here
    return lambda layer: id(layer) in wanted


# --- running -------------------------------------------------------------------------------------------------


def _batch_of(model: Any, x: Any, y: Any, sample_weight: Any, initial_state: Any, mask: Any) -> Batch:
    """What is given, as flat arrays that suit the model, which is built for them."""
    if isinstance(model, Model) and initial_state is None:
        batch = model._checked_batch(x, y, sample_weight, None)
        if batch.is_ragged:
            batch = model._padded_batch(batch)
        if mask is not None:
            batch = batch._replace(mask=CallArguments.of([], None, {"mask": mask}).mask)
        return batch
    given = {} if initial_state is None else {"initial_state": initial_state}
    if given and not hasattr(model, "state_shapes"):
        raise ValueError(f"{_called(model)}: initial_state goes with a recurrent layer; give a model its states as x.")
    leaves, structure = model.arrange((x,), given)
    call = CallArguments.of(leaves, structure, {} if mask is None else {"mask": mask})
    if not call.leaves:
        raise TypeError(f"{_called(model)}: x must be numbers in arrays; got {describe(x)}.")
    model.check_ragged(call.leaves)
    leaves, mask = model._as_inputs(call.leaves, call.mask)
    model.build_for(leaves, structure)
    model.check_inputs([leaf.shape for leaf in leaves])
    if mask is None:
        from gatewise import masks

        own = [masks.mask_of(leaf) for leaf in leaves]
        mask = model.select_masks(own, structure) if any(m is not None for m in own) else None
    dtype = model.dtype
    ys = None if y is None else [np.asarray(item, dtype) for item in (y if isinstance(y, list | tuple) else [y])]
    weights = None if sample_weight is None else [np.asarray(sample_weight, dtype)] * len(ys or [None])
    return Batch(leaves, ys, weights, structure, mask=mask)


def _there_and_back(model: Any, batch: Batch, training: bool, loss: Any) -> tuple[Any, float]:
    """The outputs and the loss; the gradients go back through the layers."""
    from gatewise import masks

    with collected_losses() as added, collected_metrics():
        outputs, pullback = model.differentiate(batch.x, batch.mask, bool(training), batch.structure)
    flat = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    objective = _objective(model, batch, flat, loss)
    found = [masks.mask_of(value) for value in flat]
    total, _, back = objective.forward(batch.y, flat, batch.weights, found)
    dys = back()
    pullback(dys if isinstance(outputs, list | tuple) else dys[0], True)
    return outputs, total + sum(map(float, added))


def _objective(model: Any, batch: Batch, outputs: list, loss: Any) -> Objective:
    """What the gradients are of: the loss given, or the compiled model's."""
    if loss is None and isinstance(model, Model) and model.compiled:
        return model._objective_for(batch, outputs)
    if loss is None:
        hint = "compile the model, or " if isinstance(model, Model) else ""
        raise ValueError(f"{_called(model)} has no loss to take the gradient of: {hint}write trace(..., loss='mse').")
    names = [f"output_{k}" for k in range(len(outputs))]
    losses = loss if isinstance(loss, list | tuple | dict) else [loss, *[None] * (len(outputs) - 1)]
    objective = Objective(losses, None, None, None, getattr(model, "output_names", None) or names)
    ys = list(batch.y or ())
    batch.y[:] = [*ys, *[None] * (len(outputs) - len(ys))]  # type: ignore[index]
    objective.check_targets([y for y in batch.y or () if y is not None], [y.shape for y in outputs][: len(ys)])
    return objective


@contextmanager
def left_as_it_is(model: Layer) -> Iterator[None]:
    """Afterwards kept states and all weights that are not trained, such as moving means, are what they were."""
    layers = model.with_sublayers()
    states = [(layer, layer._states) for layer in layers if isinstance(layer, RNN)]
    held = [v for _, kept_states in states for v in kept_states or ()]
    for layer in layers:
        own = layer._own_variables() if layer._uses_call else layer._variables
        held.extend(v for v in own if not v.trainable)
    values = [(v, v.numpy()) for v in held]
    try:
        yield
    finally:
        for layer, kept_states in states:
            layer._states = kept_states
        for variable, value in values:
            variable.assign(value)


def _nested(model: Any, outputs: Any) -> Any:
    flat = list(tree.leaves(outputs))
    return model._nested(flat) if isinstance(model, Model) else outputs


# --- what was seen, as data ----------------------------------------------------------------------------------


def _layer_traces(
    model: Layer, runs: Sequence[observing.LayerRun], places: dict[int, str], preactivations: bool, gradients: bool
) -> tuple[dict[str, LayerTrace], dict[int, str]]:
    """{path: trace}, and {id of each layer: the path of its first call}."""
    found: dict[str, LayerTrace] = {}
    paths: dict[int, str] = {}
    calls: dict[int, int] = {}
    if any(id(run.layer) not in places for run in runs):  # made where the model was called first
        places = recurrent_places(model)
    for run in runs:
        key = id(run.layer)
        calls[key] = number = calls.get(key, 0) + 1
        path: str = places.get(key) or run.layer.name
        for cell_run in run.cells:
            inner = "".join(f"/cell_{k}" for k in cell_run.place)
            name = path + inner + (f" ({number})" if number > 1 else "")
            found[name] = layer_trace(name, run, cell_run, preactivations, gradients)
        paths.setdefault(key, path)
    return found, paths


def layer_trace(
    name: str, run: observing.LayerRun, cell_run: observing.CellRun, preactivations: bool, gradients: bool
) -> LayerTrace:
    """What one cell computed, the steps in the order of the layer's input."""
    layer, cell = run.layer, cell_run.cell
    is_last = cell_run is run.cells[-1]
    found = {"input": cell_run.x, **traced_cells.arrays_of(cell_run)}
    found["output"] = traced_cells.zero_where_masked(cell_run.outputs, run.keep if is_last else None)
    if preactivations:
        found.update(traced_cells.preactivations_of(cell_run))
    if gradients:
        from gatewise.explain.traced_gradients import gradients_of

        found.update(gradients_of(cell_run))
    dims = {variable: traced_cells.dims_of(cell_run, variable, values) for variable, values in found.items()}
    mask = cell_run.mask
    if layer.go_backwards:
        found = {variable: values[:, ::-1] for variable, values in found.items()}
        mask = None if mask is None else mask[:, ::-1]
    family = traced_cells.family(cell)
    kind = f"ConvLSTM{cell.rank}D" if family == "ConvLSTM" else family or type(cell).__name__
    firsts = zip(traced_cells.state_names(cell_run), observing.first_states(cell_run), strict=True)
    gates = traced_cells.gates_of(family)
    return LayerTrace(name, kind, found, dims, mask, dict(firsts), layer, layer.go_backwards, gates)

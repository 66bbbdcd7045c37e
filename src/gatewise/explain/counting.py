"""From layers to accounts: one function for each class that has more to tell than the shapes of its weights.

Adding a class is adding one function, registered with `counts(Class)`.  It must work for a layer that is not built,
from its arguments and the input's shape, without creating a weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatewise import tree
from gatewise.explain.accounting import GateAccount, LayerAccount, MatrixAccount, ModelAccount, OutputForm, Part, Shape
from gatewise.explain.arithmetic import Expression, Number, plus, times
from gatewise.explain.walk import Walk, counts, known_input, output_shape_of, unknown
from gatewise.functional import Functional
from gatewise.layer import Layer
from gatewise.layers.dense import Dense
from gatewise.layers.lstm import LSTM, LSTMCell
from gatewise.layers.recurrent import RNN
from gatewise.layers.time_distributed import TimeDistributed
from gatewise.model import Model
from gatewise.sequential import Sequential

LSTM_GATES = (("i", "input"), ("f", "forget"), ("c", "candidate"), ("o", "output"))


def account(layer: Any, input_shape: Any = None) -> LayerAccount:
    """Count what a layer or a model holds, by layer, matrix and gate.

    Args:
        layer: a layer or a model; it need not be built if `input_shape` is given, and is not changed.
        input_shape: of one sample, as Keras's argument of that name: (13, 5) for 13 steps of 5 features; None for
            any number of steps.  Recurrent layers also take it with the batch in front.

    Returns:
        LayerAccount; ModelAccount for a model.

    Raises:
        TypeError: if `layer` is not a layer.
        ValueError: if its weights do not exist and no shape is known, or the shape does not suit it.
    """
    if not isinstance(layer, Layer):
        hint = f" Write {layer.__name__}(...)." if isinstance(layer, type) else ""
        raise TypeError(f"account() counts a layer or a model; got {type(layer).__name__} {layer!r}.{hint}")
    walk = Walk(layer, strict=True)
    return walk.count(layer, _batch_shape(layer, input_shape))


def account_as_it_is(layer: Layer) -> LayerAccount:
    """The account of a layer as it stands: layers that are not built yet hold nothing (`known` is False)."""
    return Walk(layer, strict=False).count(layer)


def _batch_shape(layer: Layer, shape: Any) -> Any:
    """The shape with the batch in front, from the shape of one sample."""
    if shape is None:
        return None
    if not tree.is_shape(shape):
        if isinstance(shape, int):
            raise ValueError(
                f"Layer '{layer.name}': input_shape is a tuple; got {shape}. Write input_shape=(None, {shape}) for any "
                f"number of steps of {shape} features."
            )
        shapes = [tuple(s) for s in tree.leaves_of_shapes(shape)]
        return [(None, *s) for s in shapes]
    first = layer
    while isinstance(first, Sequential) and first.layers:
        first = first.layers[0]
    has_batch = isinstance(first, RNN) and len(shape) == 3
    return tuple(shape) if has_batch else (None, *shape)


# --- recurrent layers ------------------------------------------------------------------------------------------


def gated_cell(
    cell: Any, features: int, gates: Sequence[tuple[str, str]], activations: Sequence[str], walk: Walk, trainable: bool
) -> tuple[tuple[MatrixAccount, ...], tuple[GateAccount, ...], Expression]:
    """The rows of a cell whose k gates stand side by side: kernel (F, kH), recurrent_kernel (H, kH), bias (kH,).

    Returns:
        (matrices, gates, the total as a formula: k x ((F + H) x H + H)).
    """
    F, H, k = Number(features, "F"), Number(cell.units, "H"), Number(len(gates))
    wide = f"{k.value}H"
    rows = {"kernel": (F, "F"), "recurrent_kernel": (H, "H")} | ({"bias": (None, "")} if cell.use_bias else {})
    parts_of: dict[str, list[Part]] = {symbol: [] for symbol, _ in gates}
    matrices = []
    for name, (n_rows, letter) in rows.items():
        lead = () if n_rows is None else (n_rows.value,)
        parts = tuple(
            Part(name, symbol, j * H.value, (j + 1) * H.value, (*lead, H.value)) for j, (symbol, _) in enumerate(gates)
        )
        for part in parts:
            parts_of[part.gate].append(part)
        matrices.append(
            walk.matrix(
                name,
                (*lead, k.value * H.value),
                getattr(cell, name) if cell.built else None,
                trainable=trainable,
                dtype=cell.dtype,
                letters=(letter, wide) if letter else (wide,),
                parts=parts,
                arithmetic=times(*([n_rows] if n_rows else []), k, H),
            )
        )
    products = times(plus(F, H), H)
    each = plus(products, H) if cell.use_bias else products
    W, b = (H.value, H.value + F.value), (H.value,) if cell.use_bias else ()
    found = tuple(
        GateAccount(symbol, name, activation, tuple(parts_of[symbol]), W, b, each)
        for (symbol, name), activation in zip(gates, activations, strict=True)
    )
    return tuple(matrices), found, times(k, each)


_RECURRENT_DEFAULTS = {
    "use_bias": True, "unit_forget_bias": True, "go_backwards": False, "stateful": False, "unroll": False,
    "time_major": False, "zero_output_for_mask": False, "dropout": 0.0, "recurrent_dropout": 0.0,
}  # fmt: skip


def _options(layer: Layer, defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, default in defaults.items() if (value := getattr(layer, name, default)) != default}


def _activation_name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _output_forms(layer: Any, shape: Shape) -> tuple[OutputForm, ...]:
    """The output shapes under the four choices of return_sequences and return_state."""
    n, t, _ = layer._batch_major_shape(shape)
    width = next(tree.leaves(layer.cell.output_size))
    states = tuple((n, *state) for state in layer.state_shapes)
    forms = []
    for sequences in (False, True):
        y = ((t, n, width) if layer.time_major else (n, t, width)) if sequences else (n, width)
        for state in (False, True):
            chosen = (sequences, state) == (layer.return_sequences, layer.return_state)
            forms.append(OutputForm(sequences, state, (y, *states) if state else (y,), chosen))
    return tuple(forms)


@counts(LSTM)
def _count_lstm(layer: Any, shape: Any, walk: Walk) -> LayerAccount:
    cell, shape = layer.cell, known_input(layer, shape)
    if isinstance(shape, list):
        shape = shape[0]  # the rest are initial states
    if shape is None and not cell.built:
        return unknown(layer, walk)
    shape = (None, None, cell.kernel.shape[0]) if shape is None else tuple(shape)
    batch, steps, features = layer._batch_major_shape(shape)
    matrices, gates, arithmetic = _lstm_rows(cell, features, walk, layer.trainable)
    return LayerAccount(
        layer.name,
        type(layer).__name__,
        "lstm",
        input_shape=shape,
        output_shape=layer.compute_output_shape(shape),
        trainable=layer.trainable,
        matrices=(*matrices, *walk.rest(layer)),
        gates=gates,
        sizes={"units": cell.units, "features": features, "steps": steps, "batch": batch},
        options=_options(layer, _RECURRENT_DEFAULTS),
        forms=_output_forms(layer, shape),
        arithmetic=arithmetic,
    )


@counts(LSTMCell)
def _count_lstm_cell(cell: Any, shape: Any, walk: Walk) -> LayerAccount:
    seen: Any = known_input(cell, shape)
    if cell.built:
        features = cell.kernel.shape[0]
    elif seen is None:
        return unknown(cell, walk)
    else:
        features = seen[-1]
    matrices, gates, arithmetic = _lstm_rows(cell, features, walk, cell.trainable)
    return LayerAccount(
        cell.name,
        type(cell).__name__,
        "lstm",
        input_shape=(None, features),
        output_shape=cell.compute_output_shape((None, features)),
        trainable=cell.trainable,
        matrices=(*matrices, *walk.rest(cell, (cell.kernel, cell.recurrent_kernel, cell.bias) if cell.built else ())),
        gates=gates,
        sizes={"units": cell.units, "features": features},
        options=_options(cell, _RECURRENT_DEFAULTS),
        arithmetic=arithmetic,
    )


def _lstm_rows(cell: Any, features: int, walk: Walk, trainable: bool) -> Any:
    gate, candidate = _activation_name(cell.recurrent_activation), _activation_name(cell.activation)
    return gated_cell(cell, features, LSTM_GATES, (gate, gate, candidate, gate), walk, trainable)


# --- other layers ----------------------------------------------------------------------------------------------


@counts(Dense)
def _count_dense(layer: Any, shape: Any, walk: Walk) -> LayerAccount:
    seen: Any = known_input(layer, shape)
    if layer.built:
        features = layer.kernel.shape[0]
    elif seen is None:
        return unknown(layer, walk)
    else:
        features = seen[-1]
    F, units = Number(features, "F"), Number(layer.units, "units")
    built, given = layer.built, {"trainable": layer.trainable, "dtype": layer.dtype}
    rows = [
        walk.matrix(
            "kernel", (features, layer.units), layer.kernel if built else None, **given,
            letters=("F", "units"), arithmetic=times(F, units),
        )
    ]  # fmt: skip
    if layer.use_bias:
        rows.append(walk.matrix("bias", (layer.units,), layer.bias if built else None, **given, letters=("units",)))
    known = (layer.kernel, layer.bias) if built else ()
    return LayerAccount(
        layer.name,
        type(layer).__name__,
        "dense",
        input_shape=seen,
        output_shape=output_shape_of(layer, seen),
        trainable=layer.trainable,
        matrices=(*rows, *walk.rest(layer, known)),
        sizes={"units": layer.units, "features": features},
        options=_options(layer, {"use_bias": True}),
        arithmetic=plus(times(F, units), units) if layer.use_bias else times(F, units),
    )


@counts(TimeDistributed)
def _count_time_distributed(layer: Any, shape: Any, walk: Walk) -> LayerAccount:
    shape = known_input(layer, shape)
    if shape is None and not layer.layer.built:
        return unknown(layer, walk)
    inner = walk.count(layer.layer, None if shape is None else layer._step_shape(shape))
    return LayerAccount(
        layer.name,
        type(layer).__name__,
        "time_distributed",
        input_shape=shape,
        output_shape=None if shape is None else layer.compute_output_shape(shape),
        trainable=layer.trainable,
        matrices=walk.rest(layer),
        inside=(inner,),
        sizes={"steps": None if shape is None else shape[1]},
        arithmetic=inner.arithmetic,
    )


@counts(Model)
def _count_model(model: Any, shape: Any, walk: Walk) -> LayerAccount:
    """A subclassed model: the layers in its attributes."""
    if not model.built and walk.strict and not all(layer.built for layer in model.layers):
        if shape is None:
            return unknown(model, walk)
        raise ValueError(
            f"Model '{model.name}' ({type(model).__name__}) is not built, and only running it tells which shapes its "
            f"layers see. Call model.build({(None, *shape[1:])}) first, or call the model on data."
        )
    return ModelAccount(
        model.name,
        type(model).__name__,
        "model",
        known=model.built,
        input_shape=known_input(model, shape),
        output_shape=output_shape_of(model, shape),
        trainable=model.trainable,
        matrices=walk.rest(model),
        inside=walk.inside(model),
    )


@counts(Functional)
def _count_functional(model: Any, shape: Any, walk: Walk) -> LayerAccount:
    uses: dict[int, int] = {}
    for node in model._graph.nodes:
        uses[id(node.layer)] = uses.get(id(node.layer), 0) + 1
    inputs = [tuple(x.shape) for x in model.inputs]
    return ModelAccount(
        model.name,
        type(model).__name__,
        "model",
        input_shape=shape or (inputs[0] if len(inputs) == 1 else inputs),
        output_shape=output_shape_of(model, shape) or _output_of(model),
        trainable=model.trainable,
        matrices=walk.rest(model),
        inside=tuple(walk.count(layer, uses=uses.get(id(layer), 1)) for layer in model.operations),
    )


def _output_of(model: Any) -> Any:
    outputs = [tuple(y.shape) for y in model.outputs]
    return outputs[0] if len(outputs) == 1 else outputs


@counts(Sequential)
def _count_sequential(model: Any, shape: Any, walk: Walk) -> LayerAccount:
    if model._first is not None and model.layers:
        return _count_functional(model, shape, walk)
    if shape is None and model._first is not None:
        shape = model._first.batch_shape
    if shape is None and walk.strict:
        return unknown(model, walk)
    inside, now = [], shape
    for layer in model.layers:
        inside.append(walk.count(layer, now))
        now = inside[-1].output_shape if now is not None else None
    return ModelAccount(
        model.name,
        type(model).__name__,
        "model",
        known=shape is not None,
        input_shape=shape,
        output_shape=now,
        trainable=model.trainable,
        inside=tuple(inside),
    )

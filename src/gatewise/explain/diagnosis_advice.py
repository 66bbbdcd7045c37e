"""What to try against what was found: for each kind of finding, what helps most first, with the code to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gatewise.explain.diagnosis_data import activation_name, kind_of, last_of, loss_of
from gatewise.explain.diagnosis_facts import Advice, Finding

_LARGE_OUTPUT = 1e4  # where a loss is not finite: it is the model that has run away, not a logarithm of 0

_UNBOUNDED = ("relu", "linear", "elu", "selu", "exponential", "softplus", "leaky_relu")
_GROWN = 3.0  # times the largest weight that the initializer gives

_OF_OPTIMIZER = ("lower_rate", "higher_rate", "clip_gradient")

Suggestions = list[tuple[str, str]]
"""(kind of advice, code)."""


def advice_for(model: Any, findings: Sequence[Finding]) -> tuple[Advice, ...]:
    """What to try, each thing once, that against the most serious findings first; nothing against mere notes."""
    against: dict[tuple[str, str], list[str]] = {}
    rate: dict[str, tuple[str, str]] = {}
    for finding in findings:
        if finding.severity != "note":
            for kind, code in _BY_KIND.get(finding.kind, _nothing)(model, finding):
                # One way to write the optimizer is enough.
                key = rate.setdefault(kind, (kind, code)) if kind in _OF_OPTIMIZER else (kind, code)
                against.setdefault(key, []).append(finding.kind)
    return tuple(Advice(kind, code, tuple(dict.fromkeys(kinds))) for (kind, code), kinds in against.items())


def _nothing(model: Any, finding: Finding) -> Suggestions:
    return []


# --- the code -------------------------------------------------------------------------------------------------


def _optimizer(model: Any, factor: float, clip: bool) -> str:
    """The model's optimizer with its learning rate times a factor, as one writes it; its default instead of none."""
    optimizer = model.optimizer
    rate = float(optimizer.learning_rate) * factor
    options = [f"{rate:.1g}"] * (rate > 0) + ["clipnorm=1.0"] * clip
    return f"model.compile(optimizer=gatewise.optimizers.{type(optimizer).__name__}({', '.join(options)}), ...)"


def _without_bad_samples(finding: Finding) -> str:
    name = finding.where
    good = f"numpy.isfinite({name}).reshape(len({name}), -1).all(axis=1)"
    return f"good = {good}; {_chosen(name, 'good')}"


def _chosen(name: str, which: str) -> str:
    """`x, y = x[good], y[good]`, also where x or y is a list of arrays."""
    parts = [f"[a[{which}] for a in {of}]" if name.startswith(f"{of}[") else f"{of}[{which}]" for of in ("x", "y")]
    return f"x, y = {', '.join(parts)}" + (f"; {name} = {name}[{which}]" if name == "sample_weight" else "")


def _layer(model: Any, path: str) -> Any:
    """The layer at a path such as "bidirectional/forward_lstm"; None if there is none."""
    layers = model.sublayers()
    found = None
    for name in path.split("/"):
        found = next((layer for layer in layers if layer.name == name), None)
        if found is None:
            return None
        layers = found.sublayers()
    return found


def _call(model: Any, path: str, option: str) -> str:
    """`LSTM(10, option)` for the layer at a path."""
    layer = _layer(model, path)
    units = getattr(layer, "units", None)
    return f"{type(layer).__name__}({'' if units is None else f'{units}, '}{option})"


# --- data -------------------------------------------------------------------------------------------------------


def _bad_data(model: Any, finding: Finding) -> Suggestions:
    found = [("clean_data", _without_bad_samples(finding))]
    if finding.where.startswith("x") and finding.facts["value"] == "nan" and len(finding.facts["index"]) > 2:
        found.append(("mask_gaps", "gatewise.layers.Masking(mask_value=numpy.nan)"))
    return found


def _large_inputs(model: Any, finding: Finding) -> Suggestions:
    name = finding.where
    return [
        (
            "scale_inputs",
            f"scale = gatewise.layers.Normalization(); scale.adapt({name})   # Sequential([Input(...), scale, ...])",
        )
    ]


def _constant_features(model: Any, finding: Finding) -> Suggestions:
    name, facts = finding.where, finding.facts
    if facts["n"] == facts["of"]:
        return []  # the data were read wrongly: nothing would be left
    still = facts["features"]
    if facts["n"] > len(still):
        still = f"numpy.flatnonzero(numpy.ptp({name}.reshape(-1, {facts['of']}), axis=0) == 0)"
    return [("drop_features", f"{name} = numpy.delete({name}, {still}, axis=-1)")]


def _masked_samples(model: Any, finding: Finding) -> Suggestions:
    facts, name = finding.facts, finding.where
    maker = next((layer for layer in model.with_sublayers() if layer.may_create_mask and not layer.is_model), None)
    if facts["n"] == facts["of"]:
        made = None if maker is None else f"model.get_layer('{maker.name}').compute_mask({name}).mean()"
        return [] if made is None else [("see_mask", made)]
    if facts["n"] > len(facts["samples"]):
        kept = f"[len(a) > 0 for a in {name}]"
        if maker is not None:
            kept = f"model.get_layer('{maker.name}').compute_mask({name}).any(axis=1)"
        return [("drop_samples", f"kept = numpy.flatnonzero({kept}); {_chosen(name, 'kept')}")]
    if name != "x":
        return [
            ("drop_samples", f"kept = numpy.delete(range({facts['of']}), {facts['samples']}); {_chosen(name, 'kept')}")
        ]
    return [("drop_samples", f"x, y = (numpy.delete(a, {facts['samples']}, axis=0) for a in (x, y))")]


def _padding(model: Any, finding: Finding) -> Suggestions:
    layer = model.get_layer(finding.facts["layer"])
    return [("mask_zero", f"gatewise.layers.Embedding({layer.input_dim}, {layer.output_dim}, mask_zero=True)")]


def _out_of_range(model: Any, finding: Finding) -> Suggestions:
    name, facts = finding.where, finding.facts
    scaled = ("scale_targets", f"{name} = ({name} - {name}.min()) / ({name}.max() - {name}.min())")
    if "classes" in facts:
        n = facts["classes"]
        code = f"gatewise.layers.Dense({n}, activation='softmax'), loss='sparse_categorical_crossentropy'"
        return [("several_classes", code)]
    if facts["loss"] == "binary":
        return [scaled]
    return [("other_output", "gatewise.layers.Dense(..., activation='linear')"), scaled]


def _large_targets(model: Any, finding: Finding) -> Suggestions:
    name = finding.where
    return [("scale_targets", f"{name} = ({name} - {name}.mean()) / {name}.std()")]


def _softmax_of_one(model: Any, finding: Finding) -> Suggestions:
    return [("sigmoid_for_one", "gatewise.layers.Dense(1, activation='sigmoid'), loss='binary_crossentropy'")]


def _activation_twice(model: Any, finding: Finding) -> Suggestions:
    return [("no_activation", "gatewise.layers.Dense(..., activation=None)")]


def _activation_missing(model: Any, finding: Finding) -> Suggestions:
    fitting = "sigmoid" if finding.facts["loss"] == "binary" else "softmax"
    if finding.facts["activation"] != "linear":  # what has one loses it; what has gates cannot
        units = getattr(_layer(model, finding.where), "units", "...")
        return [("output_layer", f"gatewise.layers.Dense({units}, activation='{fitting}')   # as the last layer")]
    loss = next(
        (loss_of(model, k) for k in range(_n_outputs(model)) if last_of(model, k)[0].name == finding.where), None
    )
    return [("add_activation", f"activation='{fitting}', or loss=gatewise.losses.{_class_of(loss)}(from_logits=True)")]


def _class_of(loss: Any) -> str:
    """ "BinaryCrossentropy" for the loss binary_crossentropy."""
    return "".join(part.title() for part in getattr(getattr(loss, "fn", None), "__name__", "loss").split("_"))


def _n_outputs(model: Any) -> int:
    return len(getattr(model, "outputs", ()) or ())


def _unbalanced(model: Any, finding: Finding) -> Suggestions:
    return [("weigh_classes", f"model.fit(..., class_weight={finding.facts['weights']})")]


# --- numbers that are not finite ----------------------------------------------------------------------------------


def _bad_weight(model: Any, finding: Finding) -> Suggestions:
    return [("older_weights", "model.load_weights('best.weights.h5')"), *_stop_early()]


def _stop_early() -> Suggestions:
    return [("stop_at_nan", "model.fit(..., callbacks=[gatewise.callbacks.TerminateOnNaN(diagnose=True)])")]


def _is_unbounded(cell: Any) -> bool:
    """Whether the state of a cell may grow without limit."""
    return getattr(getattr(cell, "activation", None), "__name__", None) in _UNBOUNDED


def _overflow(model: Any, finding: Finding) -> Suggestions:
    found: Suggestions = []
    layer = _layer(model, finding.where)
    cell = getattr(layer, "cell", None)
    if _is_unbounded(cell):
        found.append(("bounded_activation", _call(model, finding.where, "activation='tanh'")))
    if type(layer).__name__ == "LSTM":
        found.append(("clip_cell", _call(model, finding.where, "cell_clip=50.0")))
    return [*found, ("lower_rate", _optimizer(model, 0.1, clip=True)), *_stop_early()]


def _bad_loss(model: Any, finding: Finding) -> Suggestions:
    losses = [loss_of(model, k) for k in range(_n_outputs(model))]
    of_probabilities = next((one for one in losses if one is not None and kind_of(one) != "other"), None)
    large = (finding.facts["largest"] or 0) > _LARGE_OUTPUT
    found = [("lower_rate", _optimizer(model, 0.1, clip=True))] if large else []
    if of_probabilities is not None:
        found.append(("loss_of_logits", f"loss=gatewise.losses.{_class_of(of_probabilities)}(from_logits=True)"))
    elif not large:
        found.append(("guard_loss", "gatewise.ops.log(gatewise.ops.maximum(y_pred, 1e-7))"))
    return [*found, *_stop_early()]


def _bad_slope(model: Any, finding: Finding) -> Suggestions:
    return [("guard_loss", "gatewise.ops.sqrt(gatewise.ops.maximum(difference, 1e-7))"), *_stop_early()]


def _large_gradient(model: Any, finding: Finding) -> Suggestions:
    return [("clip_gradient", _optimizer(model, 1.0, clip=True))]


def _large_step(model: Any, finding: Finding) -> Suggestions:
    ratio = finding.facts.get("ratio") or 0.0  # steps of a hundredth of the weights are large enough
    factor = min(0.1, 0.01 / ratio) if 0 < ratio < float("inf") else 0.1
    return [("lower_rate", _optimizer(model, factor, clip=not model.optimizer.clipnorm))]


def _small_step(model: Any, finding: Finding) -> Suggestions:
    ratio = finding.facts["ratio"]
    return [("higher_rate", _optimizer(model, max(10.0, 0.001 / ratio) if ratio > 0 else 0.0, clip=False))]


# --- time ---------------------------------------------------------------------------------------------------------


def _vanishing(model: Any, finding: Finding) -> Suggestions:
    layer, found = _layer(model, finding.where), []
    cls = type(layer).__name__
    cell = getattr(layer, "cell", None)
    units = getattr(layer, "units", "...")
    if cls == "SimpleRNN":
        found.append(("gated_layer", f"gatewise.layers.LSTM({units})"))
    if cls == "LSTM":
        found += _open_forget_gate(model, finding)
    found += _orthogonal(model, finding, cell)
    steps = max(10, 2 * (finding.facts["reach"] or 0))
    return [*found, ("shorter_sequences", f"x = x[:, -{steps}:]")] if steps < finding.facts["steps"] else found


def _open_forget_gate(model: Any, finding: Finding) -> Suggestions:
    """An LSTM whose forget gate begins open, or whose bias is raised where that is so already."""
    layer = _layer(model, finding.where)
    units, cell = getattr(layer, "units", 0), getattr(layer, "cell", None)
    if not getattr(cell, "unit_forget_bias", True):
        return [("forget_bias", f"gatewise.layers.LSTM({units}, unit_forget_bias=True)")]
    if type(layer).__name__ != "LSTM" or getattr(cell, "bias", None) is None:
        return []
    return [("raise_forget_bias", f"b = layer.bias.numpy(); b[{units}:{2 * units}] = 3.0; layer.bias.assign(b)")]


def _exploding(model: Any, finding: Finding) -> Suggestions:
    cell = getattr(_layer(model, finding.where), "cell", None)
    bounded = []
    if type(_layer(model, finding.where)).__name__ == "SimpleRNN" and _is_unbounded(cell):
        bounded = [("bounded_activation", _call(model, finding.where, "activation='tanh'"))]
    return [*bounded, *_orthogonal(model, finding, cell), ("clip_gradient", _optimizer(model, 1.0, clip=True))]


def _fading(model: Any, finding: Finding) -> Suggestions:
    """Layers on the way whose activation passes little gradient get another one."""
    flat = [
        layer for layer in model.with_sublayers()
        if type(layer).__name__ == "Dense" and activation_name(layer) in ("sigmoid", "hard_sigmoid", "tanh")
        and not any(layer is last_of(model, k)[0] for k in range(_n_outputs(model)))
    ]  # fmt: skip
    found = [("passing_activation", f"gatewise.layers.Dense({flat[0].units}, activation='relu')")] if flat else []
    return [*found, ("batch_normalisation", "gatewise.layers.BatchNormalization()   # between the layers")]


def _orthogonal(model: Any, finding: Finding, cell: Any) -> Suggestions:
    initializer = getattr(cell, "recurrent_initializer", None)
    if initializer is None or type(initializer).__name__ in ("Orthogonal", "OrthogonalInitializer"):
        return []
    return [("orthogonal", _call(model, finding.where, "recurrent_initializer='orthogonal'"))]


# --- units --------------------------------------------------------------------------------------------------------


def _saturated(model: Any, finding: Finding) -> Suggestions:
    layer = _layer(model, finding.where)
    found = []
    if _has_grown(layer):
        found.append(("lower_rate", _optimizer(model, 0.1, clip=not model.optimizer.clipnorm)))
    elif not _begins_small(layer):
        option = "kernel_initializer='glorot_uniform', bias_initializer='zeros'"
        found.append(("smaller_sums", _call(model, finding.where, option)))
    if type(_layer(model, finding.where)).__name__ == "LSTM":
        found.append(("normalise_layer", _call(model, finding.where, "layer_norm=True")))
    return found


def _begins_small(layer: Any) -> bool:
    """Whether a layer's initializers are those that keep its sums small."""
    names = [type(getattr(layer, f"{of}_initializer", None)).__name__ for of in ("kernel", "bias")]
    return names == ["GlorotUniform", "Zeros"]


def _has_grown(layer: Any) -> bool:
    """Whether training has made the weights of a layer that began small much larger than they began."""
    kernel = getattr(getattr(layer, "cell", layer), "kernel", None)
    if kernel is None or not _begins_small(layer):
        return False
    return float(abs(kernel.numpy()).max()) > _GROWN * (6.0 / sum(kernel.shape)) ** 0.5


def _large_layer_inputs(model: Any, finding: Finding) -> Suggestions:
    return [("normalise_inputs", f"gatewise.layers.LayerNormalization()   # before {finding.where.split('/')[0]}")]


def _nothing_trains(model: Any, finding: Finding) -> Suggestions:
    return [("unfreeze", "model.trainable = True; model.compile(...)")]


def _alike(model: Any, finding: Finding) -> Suggestions:
    return [("random_weights", _call(model, finding.where, "kernel_initializer='glorot_uniform'"))]


def _large_dropout(model: Any, finding: Finding) -> Suggestions:
    layer = _layer(model, finding.where)
    if "Dropout" in type(layer).__name__:
        return [("less_dropout", f"gatewise.layers.{type(layer).__name__}(0.3)")]
    option = "recurrent_dropout" if layer.recurrent_dropout >= layer.dropout else "dropout"
    return [("less_dropout", _call(model, finding.where, f"{option}=0.3"))]


def _large_penalties(model: Any, finding: Finding) -> Suggestions:
    return [("smaller_penalty", "kernel_regularizer=gatewise.regularizers.L2(1e-4)")]


def _dead(model: Any, finding: Finding) -> Suggestions:
    if finding.facts["activation"] != "relu":
        return _saturated(model, finding)
    option = "activation='leaky_relu', kernel_initializer='he_normal'"
    return [("leaky_units", _call(model, finding.where, option)), ("lower_rate", _optimizer(model, 0.1, clip=False))]


def _still(model: Any, finding: Finding) -> Suggestions:
    return [("connect", f"model.get_layer('{finding.where.split('/')[0]}')")]


_BY_KIND: dict[str, Callable[[Any, Finding], Suggestions]] = {
    "data_not_finite": _bad_data,
    "inputs_large": _large_inputs,
    "features_constant": _constant_features,
    "samples_masked": _masked_samples,
    "targets_out_of_range": _out_of_range,
    "targets_large": _large_targets,
    "softmax_of_one": _softmax_of_one,
    "activation_twice": _activation_twice,
    "activation_missing": _activation_missing,
    "classes_unbalanced": _unbalanced,
    "weight_not_finite": _bad_weight,
    "forward_not_finite": _overflow,
    "loss_not_finite": _bad_loss,
    "slope_not_finite": _bad_slope,
    "gradient_not_finite": _large_step,
    "update_not_finite": _large_step,
    "gradient_large": _large_gradient,
    "update_large": _large_step,
    "update_small": _small_step,
    "gradient_vanishes": _vanishing,
    "gradient_explodes": _exploding,
    "gradient_zero": _still,
    "gate_closed": _saturated,
    "gate_saturated": _saturated,
    "state_saturated": _saturated,
    "units_saturated": _saturated,
    "forgets_always": _open_forget_gate,
    "keeps_always": _saturated,
    "gradient_fades": _fading,
    "layer_inputs_large": _large_layer_inputs,
    "nothing_trains": _nothing_trains,
    "units_alike": _alike,
    "dropout_large": _large_dropout,
    "penalties_large": _large_penalties,
    "padding_counted": _padding,
    "activation_unfit": _activation_missing,
    "units_dead": _dead,
}

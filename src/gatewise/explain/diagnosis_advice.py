"""What to try against what was found: for each kind of finding, what helps most first, with the code to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gatewise.explain.diagnosis_data import kind_of, last_of, loss_of
from gatewise.explain.diagnosis_facts import Advice, Finding

_LARGE_OUTPUT = 1e4  # where a loss is not finite: it is the model that has run away, not a logarithm of 0

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
    """The model's optimizer with its learning rate times a factor, as one writes it."""
    optimizer = model.optimizer
    rate = float(optimizer.learning_rate) * factor
    limit = ", clipnorm=1.0" if clip else ""
    return f"model.compile(optimizer=gatewise.optimizers.{type(optimizer).__name__}({rate:.1g}{limit}), ...)"


def _without_bad_samples(finding: Finding) -> str:
    name, axes = finding.where, tuple(range(1, len(finding.facts["index"])))
    good = f"numpy.isfinite({name})" + (f".all(axis={axes})" if axes else "")
    return f"good = {good}; x, y = x[good], y[good]"


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
    return [
        ("clean_data", _without_bad_samples(finding)),
        ("mask_gaps", "gatewise.layers.Masking(mask_value=numpy.nan)"),
    ]


def _large_inputs(model: Any, finding: Finding) -> Suggestions:
    name = finding.where
    return [
        (
            "scale_inputs",
            f"scale = gatewise.layers.Normalization(); scale.adapt({name})   # Sequential([Input(...), scale, ...])",
        )
    ]


def _constant_features(model: Any, finding: Finding) -> Suggestions:
    return [("drop_features", f"{finding.where} = numpy.delete({finding.where}, {finding.facts['features']}, axis=-1)")]


def _masked_samples(model: Any, finding: Finding) -> Suggestions:
    return [("drop_samples", f"x, y = (numpy.delete(a, {finding.facts['samples']}, axis=0) for a in (x, y))")]


def _out_of_range(model: Any, finding: Finding) -> Suggestions:
    if finding.facts["activation"] == "sigmoid" and finding.facts["low"] >= 0 and finding.facts["most"] == 1.0:
        other = "gatewise.layers.Dense(..., activation='linear'), loss='mse'"
    else:
        other = "gatewise.layers.Dense(..., activation='linear')"
    name = finding.where
    return [
        ("other_output", other),
        ("scale_targets", f"{name} = ({name} - {name}.min()) / ({name}.max() - {name}.min())"),
    ]


def _large_targets(model: Any, finding: Finding) -> Suggestions:
    name = finding.where
    return [("scale_targets", f"{name} = ({name} - {name}.mean()) / {name}.std()")]


def _softmax_of_one(model: Any, finding: Finding) -> Suggestions:
    return [("sigmoid_for_one", "gatewise.layers.Dense(1, activation='sigmoid'), loss='binary_crossentropy'")]


def _activation_twice(model: Any, finding: Finding) -> Suggestions:
    return [("no_activation", "gatewise.layers.Dense(..., activation=None)")]


def _activation_missing(model: Any, finding: Finding) -> Suggestions:
    fitting = "sigmoid" if finding.facts["loss"] == "binary" else "softmax"
    loss = next(
        (loss_of(model, k) for k in range(_n_outputs(model)) if last_of(model, k)[0].name == finding.where), None
    )
    name = "".join(part.title() for part in getattr(getattr(loss, "fn", None), "__name__", "loss").split("_"))
    return [("add_activation", f"activation='{fitting}', or loss=gatewise.losses.{name}(from_logits=True)")]


def _n_outputs(model: Any) -> int:
    return len(getattr(model, "outputs", ()) or ())


def _unbalanced(model: Any, finding: Finding) -> Suggestions:
    return [("weigh_classes", f"model.fit(..., class_weight={finding.facts['weights']})")]


# --- numbers that are not finite ----------------------------------------------------------------------------------


def _bad_weight(model: Any, finding: Finding) -> Suggestions:
    return [("older_weights", "model.load_weights('best.weights.h5')"), *_stop_early()]


def _stop_early() -> Suggestions:
    return [("stop_at_nan", "model.fit(..., callbacks=[gatewise.callbacks.TerminateOnNaN(diagnose=True)])")]


def _overflow(model: Any, finding: Finding) -> Suggestions:
    found: Suggestions = []
    layer = _layer(model, finding.where)
    cell = getattr(layer, "cell", None)
    activation = getattr(getattr(cell, "activation", None), "__name__", None)
    if activation in ("relu", "linear", "elu", "selu", "exponential", "softplus", "leaky_relu"):
        found.append(("bounded_activation", _call(model, finding.where, "activation='tanh'")))
    if type(layer).__name__ == "LSTM":
        found.append(("clip_cell", _call(model, finding.where, "cell_clip=50.0")))
    return [*found, ("lower_rate", _optimizer(model, 0.1, clip=True)), *_stop_early()]


def _bad_loss(model: Any, finding: Finding) -> Suggestions:
    kinds = {kind_of(loss_of(model, k)) for k in range(_n_outputs(model))}
    large = (finding.facts["largest"] or 0) > _LARGE_OUTPUT
    found = [("lower_rate", _optimizer(model, 0.1, clip=True))] if large else []
    if not large or kinds & {"classes", "one_hot", "binary"}:
        found.append(("loss_of_logits", "loss=gatewise.losses.CategoricalCrossentropy(from_logits=True)"))
    return [*found, *_stop_early()]


def _large_gradient(model: Any, finding: Finding) -> Suggestions:
    return [("clip_gradient", _optimizer(model, 1.0, clip=True))]


def _large_step(model: Any, finding: Finding) -> Suggestions:
    return [("lower_rate", _optimizer(model, 0.1, clip=not model.optimizer.clipnorm))]


def _small_step(model: Any, finding: Finding) -> Suggestions:
    return [("higher_rate", _optimizer(model, 10.0, clip=False))]


# --- time ---------------------------------------------------------------------------------------------------------


def _vanishing(model: Any, finding: Finding) -> Suggestions:
    layer, found = _layer(model, finding.where), []
    cls = type(layer).__name__
    cell = getattr(layer, "cell", None)
    units = getattr(layer, "units", "...")
    if cls == "SimpleRNN":
        found.append(("gated_layer", f"gatewise.layers.LSTM({units})"))
    if cls == "LSTM" and not getattr(cell, "unit_forget_bias", True):
        found.append(("forget_bias", f"gatewise.layers.LSTM({units}, unit_forget_bias=True)"))
    elif cls == "LSTM" and getattr(cell, "bias", None) is not None:
        found.append(
            ("raise_forget_bias", f"b = layer.bias.numpy(); b[{units}:{2 * units}] = 3.0; layer.bias.assign(b)")
        )
    found += _orthogonal(model, finding, cell)
    steps = max(10, 2 * (finding.facts["reach"] or 0))
    return [*found, ("shorter_sequences", f"x = x[:, -{steps}:]")] if steps < finding.facts["steps"] else found


def _exploding(model: Any, finding: Finding) -> Suggestions:
    cell = getattr(_layer(model, finding.where), "cell", None)
    return [("clip_gradient", _optimizer(model, 1.0, clip=True)), *_orthogonal(model, finding, cell)]


def _orthogonal(model: Any, finding: Finding, cell: Any) -> Suggestions:
    initializer = getattr(cell, "recurrent_initializer", None)
    if initializer is None or type(initializer).__name__ in ("Orthogonal", "OrthogonalInitializer"):
        return []
    return [("orthogonal", _call(model, finding.where, "recurrent_initializer='orthogonal'"))]


# --- units --------------------------------------------------------------------------------------------------------


def _saturated(model: Any, finding: Finding) -> Suggestions:
    found = [
        ("smaller_sums", _call(model, finding.where, "kernel_initializer='glorot_uniform', bias_initializer='zeros'"))
    ]
    if type(_layer(model, finding.where)).__name__ == "LSTM":
        found.append(("normalise_layer", _call(model, finding.where, "layer_norm=True")))
    return found


def _forgetful(model: Any, finding: Finding) -> Suggestions:
    return [("forget_bias", _call(model, finding.where, "unit_forget_bias=True"))]


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
    "forgets_always": _forgetful,
    "units_dead": _dead,
}

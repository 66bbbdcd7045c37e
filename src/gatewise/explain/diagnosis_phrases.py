"""Each finding, and each thing to try, as a sentence."""

from __future__ import annotations

from typing import Any

from gatewise.explain.diagnosis_facts import Advice, Finding, Origin
from gatewise.explain.language import Words


def number(value: Any) -> str:
    """A measured number in three digits."""
    return str(value) if not isinstance(value, float) else f"{value:.3g}"


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def gate_name(symbol: str | None, words: Words) -> str:
    """ "forget gate f"; the symbol alone for states of users' cells."""
    _ = words._
    known = {
        "i": _("input gate"), "f": _("forget gate"), "o": _("output gate"), "z": _("update gate"),
        "r": _("reset gate"), "g": _("candidate"), "c": _("cell state"), "h": _("hidden state"),
    }  # fmt: skip
    return f"{known[symbol]} {symbol}" if symbol in known else str(symbol)


def finding_text(finding: Finding, words: Words) -> str:
    """The finding in a sentence or two."""
    facts, where = finding.facts, finding.where
    if finding.kind.endswith("_not_finite") and finding.kind != "data_not_finite":
        return origin_text(Origin(**{**facts, "index": tuple(facts["index"])}), words)
    shown = _shown(finding, words)
    for told in (_of_data, _of_targets, _of_model, _of_loss, _of_time, _of_units):
        text = told(finding.kind, words)
        if text:
            return text.format(where=where, **shown)
    raise KeyError(f"There are no words for a finding of the kind {finding.kind!r}.")


def _shown(finding: Finding, words: Words) -> dict[str, Any]:
    """The facts as they are written."""
    facts = finding.facts
    shown = {key: number(value) for key, value in facts.items()}
    for key in ("share", "rate"):
        if key in facts:
            shown[key] = percent(facts[key])
    for key in ("features", "samples", "units"):
        if key in facts:
            shown[key] = _listed(facts[key], facts["n_samples"] if "n_samples" in facts else facts["n"])
    if "least" in facts:
        shown["least"] = "-∞" if facts["least"] is None else number(facts["least"])
        shown["most"] = "∞" if facts["most"] is None else number(facts["most"])
    if "index" in facts:
        shown["index"] = str(list(facts["index"]))
    if "gate" in facts:
        shown["gate"] = gate_name(facts["gate"], words)
    return shown


def _listed(places: Any, n: int) -> str:
    """1, 2, 3, ..."""
    return ", ".join(map(str, places)) + (", ..." if n > len(places) else "")


def _of_data(kind: str, words: Words) -> str:
    _ = words._
    return {
        "data_not_finite": _(
            "{where} holds numbers that are not finite: {count} in all (samples: {samples}); the first is {value}, at "
            "{index}."
        ),
        "inputs_large": _(
            "{where}: {n} of {of} features are large (features {features}; root mean square up to {rms}). "
            "Sums that large drive gates and tanh to their flat ends, where hardly any gradient passes."
        ),
        "features_constant": _(
            "{where}: {n} of {of} features never change (features {features}), so nothing can be learnt from them."
        ),
        "samples_masked": _("{where}: in {n} of {of} samples every step is masked (samples {samples})."),
        "weights_negative": _(
            "{where}: {n} sample weights are negative (down to {low}); the loss of those samples is made larger."
        ),
        "padding_counted": _(
            "{where}: {share} of the steps are zeros after the end of a sequence, and {layer} takes them for a word. "
            "What the sequence said is forgotten before it ends."
        ),
        "weights_zero": _("{where}: all sample weights are 0, so there is nothing to learn."),
    }.get(kind, "")


def _of_targets(kind: str, words: Words) -> str:
    _ = words._
    return {
        "targets_large": _(
            "{where}: the targets are large (from {low} to {high}, root mean square {rms}), and with them the "
            "loss and its gradient."
        ),
        "targets_constant": _("{where}: all targets are {value}; there is nothing to tell apart."),
        "targets_out_of_range": _(
            "{where}: the targets run from {low} to {high}, but with {activation} the output stays between {least} and "
            "{most}. It can never reach them."
        ),
        "targets_no_distribution": _(
            "{where}: categorical_crossentropy takes rows that add up to 1; {n} do not, the first is row {row} with "
            "the sum {sum}."
        ),
        "classes_unbalanced": _(
            "{where}: {share} of the samples are of class {most}; answering that every time is right that often."
        ),
        "softmax_of_one": _("{where}: softmax over one unit is 1, whatever comes in."),
        "activation_twice": _(
            "{where}: its activation is {activation}, and the loss, with from_logits=True, applies one again."
        ),
        "activation_missing": _(
            "{where}: the loss takes probabilities, but the layer has no activation, so its output may be any number."
        ),
        "activation_unfit": _(
            "{where}: the loss takes probabilities, but {activation} gives numbers that may be below 0 or above 1."
        ),
    }.get(kind, "")


def _of_model(kind: str, words: Words) -> str:
    _ = words._
    return {
        "nothing_trains": _("{where}: no weight is trainable, so nothing can be learnt."),
        "layer_inputs_large": _(
            "{where}: what comes in from the layer before is large (root mean square {rms}). Sums that large drive "
            "gates and tanh to their flat ends, where hardly any gradient passes."
        ),
        "units_alike": _(
            "{where}: all {of} units have the same weights ({value}) and the same gradient, so they stay one unit."
        ),
        "dropout_large": _(
            "{where}: dropout sets {rate} of the values to zero; hardly anything is left to learn from."
        ),
        "penalties_large": _(
            "{where}: the penalties on weights and outputs ({penalties}) outweigh the loss ({loss}), so training "
            "mainly shrinks the weights."
        ),
    }.get(kind, "")


def _of_loss(kind: str, words: Words) -> str:
    _ = words._
    return {
        "loss_trivial": _(
            "{where}: the loss is {loss}; the same answer for every sample would give {trivial}. So far the inputs "
            "have taught the model nothing."
        ),
        "output_constant": _("{where}: the output is the same for every sample ({value}), whatever comes in."),
        "gradient_large": _("The gradient is very large: its norm is {norm}, most of it in {where} ({largest})."),
        "gradient_small": _("There is hardly any gradient: its norm is {norm}."),
        "gradient_zero": _("{where} gets no gradient at all: the loss does not depend on its weights."),
        "gradient_fades": _(
            "The gradient fades from layer to layer: its norm is {last_norm} at {last} and {norm} at {where}."
        ),
        "update_large": _(
            "The next step changes {where} by {ratio} of its size ({n} weights change by more than a tenth); about "
            "0.001 is usual."
        ),
        "update_small": _(
            "The next step hardly changes anything: at most {ratio} of a weight's size ({where}); about 0.001 is usual."
        ),
    }.get(kind, "")


def _of_time(kind: str, words: Words) -> str:
    _ = words._
    return {
        "gradient_vanishes": _(
            "{where}: the gradient vanishes on its way back through {steps} steps: its norm is {last} at the last "
            "step and {first} at the first (ratio {ratio}, times {per_step} a step). What happened early is not learnt."
        ),
        "gradient_explodes": _(
            "{where}: the gradient explodes on its way back through {steps} steps: its norm is {last} at the last "
            "step and {first} at the first (ratio {ratio}, times {per_step} a step)."
        ),
    }.get(kind, "")


def _of_units(kind: str, words: Words) -> str:
    _ = words._
    return {
        "gate_closed": _("{where}: the {gate} is shut (below 0.05) in {share} of its values: nothing passes."),
        "forgets_always": _("{where}: the {gate} is shut (below 0.05) in {share} of its values: nothing is kept."),
        "keeps_always": _("{where}: the {gate} is above 0.95 in {share} of its values: the state hardly changes."),
        "gate_saturated": _("{where}: the {gate} is at one of its flat ends in {share} of its values."),
        "state_saturated": _(
            "{where}: the {gate} is at one of its flat ends ({activation}) in {share} of its values; hardly any "
            "gradient passes there."
        ),
        "units_dead": _("{where}: {n} of {of} units are 0 for every sample and step (units {units})."),
        "units_constant": _(
            "{where}: {n} of {of} units put out the same number for every sample and step (units {units})."
        ),
        "units_saturated": _(
            "{where}: {n} of {of} units are nearly always at the flat ends of {activation} (units {units})."
        ),
    }.get(kind, "")


# --- the first number that is not finite -------------------------------------------------------------------------


def origin_text(origin: Origin, words: Words) -> str:
    """Where the first number that is not finite came up."""
    _ = words._
    texts = {
        "data": _("The first number that is not finite is in the data: {where}, at {index}, is {value}."),
        "weight": _("The weight {where} is not finite: {value} at {index}{gate} ({count} such numbers)."),
        "forward": _("The first number that is not finite comes up in layer {where}: {place}, where it is {value}."),
        "loss": _(
            "All outputs are finite, the largest is {largest}, but the loss is {value}: it comes up in the loss "
            "function."
        ),
        "slope": _(
            "Loss and outputs are finite, but the slope of the loss function is not, as at a root or a quotient of 0."
        ),
        "gradient": _("Loss and outputs are finite, but the gradient of {where} is not: {value} at {index}{gate}."),
        "update": _(
            "Loss and gradients are finite, but the optimizer's step makes {where} not finite: {value} at "
            "{index}{gate}."
        ),
    }
    of_gate = f" ({gate_name(origin.gate, words)})" if origin.gate else ""
    text = texts[origin.stage].format(
        where=origin.where, index=list(origin.index), value=origin.value, count=origin.count, gate=of_gate,
        largest=number(origin.largest), place=_place(origin, words),
    )  # fmt: skip
    if origin.weight is not None:
        of_weight = _("The largest weight of that layer is {largest}, in {weight}.")
        text = words.joined(text, of_weight.format(largest=number(origin.largest), weight=origin.weight))
    if origin.epoch is None:
        return text
    return words.joined(_("In epoch {epoch}, batch {batch} (counted from 0):").format(
        epoch=origin.epoch, batch=origin.batch), text)  # fmt: skip


def _place(origin: Origin, words: Words) -> str:
    _ = words._
    parts = [
        "" if origin.gate is None else gate_name(origin.gate, words),
        "" if origin.step is None else _("time step {n}").format(n=origin.step),
        "" if origin.sample is None else _("sample {n}").format(n=origin.sample),
        "" if origin.unit is None else _("unit {n}").format(n=origin.unit),
    ]
    return ", ".join(part for part in parts if part)


# --- what to try --------------------------------------------------------------------------------------------------


def advice_text(advice: Advice, words: Words) -> str:
    """What to try, without the code."""
    return _advice_on_data(advice.kind, words) or _advice_on_training(advice.kind, words)


def _advice_on_data(kind: str, words: Words) -> str:
    _ = words._
    return {
        "clean_data": _("Leave out the samples with such numbers, or replace these by something that makes sense:"),
        "mask_gaps": _("If they stand for gaps, mask those steps, as the first layer:"),
        "scale_inputs": _("Scale the inputs to mean 0 and standard deviation 1, learnt from the training data alone:"),
        "drop_features": _("Leave those features out:"),
        "drop_samples": _("Leave those samples out:"),
        "see_mask": _("See whether the mask's value really stands for padding; the share of steps that count is"),
        "mask_zero": _("Mask the padding, or pad in front:"),
        "several_classes": _("Give each class a unit of its own:"),
        "output_layer": _("Put a layer with the activation that the loss takes at the end:"),
        "other_output": _("Let the output take any value:"),
        "scale_targets": _("Scale the targets, and scale the predictions back:"),
        "sigmoid_for_one": _("For two classes take one unit with sigmoid:"),
        "no_activation": _("Apply the activation once:"),
        "add_activation": _("Give the layer its activation, or let the loss take numbers before it:"),
        "weigh_classes": _("Let rare classes count more:"),
        "older_weights": _(
            "Training cannot go on from here. Go back to weights that are finite, or build the model anew:"
        ),
        "stop_at_nan": _("Stop at the first such number in training, with a diagnosis of that step:"),
    }.get(kind, "")


def _advice_on_training(kind: str, words: Words) -> str:
    _ = words._
    return {
        "bounded_activation": _("Take an activation that is bounded, so that the state cannot grow without limit:"),
        "clip_cell": _("Cut the cell state off:"),
        "lower_rate": _("Take smaller steps:"),
        "higher_rate": _("Take larger steps:"),
        "clip_gradient": _("Limit the norm of the gradient:"),
        "loss_of_logits": _("Take the loss from the numbers before the activation, where no logarithm of 0 comes up:"),
        "gated_layer": _(
            "Take a layer with gates, whose state passes from step to step without being multiplied down:"
        ),
        "forget_bias": _("Let the forget gate begin open:"),
        "raise_forget_bias": _("Open the forget gate wider, so that the cell keeps its content over more steps:"),
        "orthogonal": _("Begin with an orthogonal recurrent kernel, which keeps the length of the state:"),
        "shorter_sequences": _("Give shorter sequences, if what matters lies within them:"),
        "guard_loss": _("Keep what logarithms, roots and quotients in the loss are taken of away from 0:"),
        "normalise_inputs": _("Normalise what goes into the layer:"),
        "passing_activation": _("Take an activation that lets the gradient pass in the layers between:"),
        "batch_normalisation": _("Normalise between the layers:"),
        "unfreeze": _("Let weights be trained, and compile again:"),
        "random_weights": _("Begin with weights that differ, by chance:"),
        "less_dropout": _("Drop fewer values:"),
        "smaller_penalty": _("Take a smaller factor:"),
        "smaller_sums": _("Scale the inputs, and begin with smaller weights and without biases:"),
        "normalise_layer": _("Normalise the sums within the layer:"),
        "leaky_units": _("Let units pass something below 0 too, so that none stays dead:"),
        "connect": _("See whether the layer's output reaches the loss, and whether the units after it are dead:"),
    }.get(kind, "")

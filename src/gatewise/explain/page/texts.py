"""The page's texts by key, in each language; the same catalogues as those of the explanations."""

from __future__ import annotations

from gatewise.explain.language import LANGUAGES, Words, words_in


def page_texts() -> dict[str, dict[str, str]]:
    """{language: {key: text}}; {placeholders} in a text are filled by the page."""
    return {lang: _texts(words_in(lang)) for lang in LANGUAGES}


def _texts(words: Words) -> dict[str, str]:
    return {
        **_controls(words),
        **_player(words),
        **_pictures(words),
        **_counts(words),
        **_sums(words),
        **_models(words),
    }


def _controls(words: Words) -> dict[str, str]:
    _ = words._
    return {
        "controls": _("Settings of the layer"),
        "skip": _("Skip to the pictures"),
        "kind": _("Kind of layer"),
        "features": _("features"),
        "units": _("units"),
        "steps": _("time steps"),
        "projection_units": _("outputs of the projection"),
        "exactly": _("{name}, as a number"),
        "direction": _("Direction"),
        "forwards": _("forwards →"),
        "backwards": _("← backwards"),
        "compare": _("Compare two"),
        "theme": _("Light or dark"),
        "theme_auto": _("auto"),
        "theme_light": _("light"),
        "theme_dark": _("dark"),
        "language": _("Language"),
    }


def _player(words: Words) -> dict[str, str]:
    _ = words._
    return {
        "player": _("Steps of the sequence"),
        "play": _("play"),
        "pause": _("pause"),
        "first": _("first step"),
        "last": _("last step"),
        "back": _("one step back"),
        "forward": _("one step on"),
        "speed": _("Speed"),
        "step": _("time step"),
        "step_n": _("step {n}"),
        "step_of": _("step {step} of {steps}"),
        "moments": _("What is computed within the step"),
        "live_input": _("Step {step}: the input enters."),
        "live_value": _("Step {step}, {name}: unit {unit} is {value}."),
    }


def _pictures(words: Words) -> dict[str, str]:
    _ = words._
    return {
        "cell_title": _("One step of the cell: step {step}"),
        "cell_sentence": _(
            "Every gate sees all {F} inputs and the whole hidden state of the step before. A row is one of {H} units."
        ),
        "cell_label": _("{kind} cell at step {step}; unit {unit}: {values}"),
        "numbers_count": _("{n} numbers"),
        "sequence_title": _("The sequence: the same cell at every step"),
        "sequence_sentence": _("One set of weights is used {T} times; only the states go on from step to step."),
        "sequence_label": _("The cell at {steps} time steps; output shapes: {shape}"),
        "layer_title": _("The layer: its units side by side, {H} of them"),
        "layer_sentence": _(
            "Each unit gets the same {F} features and all the outputs of the step before, and puts out one number."
        ),
        "layer_label": _("{units} units side by side; {features} features come in, {outputs} numbers go out"),
        "layer_entering": _("{x}: {features}, and {h}: {outputs}, to every unit"),
        "maps_title": _("All values over the sequence"),
        "maps_real": _("A row is a unit, a column a step: what the fitted layer computed on this sample."),
        "maps_toy": _("A row is a unit, a column a step: blue above 0, brown below. Weights and data are made up."),
        "maps_label": _("Values over {steps} steps, step {step} marked; arrow keys change step and unit"),
        "map_label": _("{name}: {units} rows, {steps} steps; the chosen one is {value}"),
        "matrices_title": _("The weights, to scale"),
        "matrices_sentence": _("The gates stand side by side in one array; each colour is one weight's value."),
        "matrix_label": _("{name} {shape}: {n} numbers"),
        "weights_absent": _("too large to be shown here"),
        "weight_place": _("{name}, row {row}, column {column} (from 0)"),
    }


def _counts(words: Words) -> dict[str, str]:
    _ = words._
    return {
        "count_title": _("How many numbers are learned"),
        "matrix": _("array"),
        "shape": _("shape"),
        "numbers": _("numbers"),
        "gates": _("gates"),
        "states": _("states"),
        "output": _("output"),
        "why_LSTM": _(
            "An LSTM has four gates. In each of them every one of the {H} units weighs {inputs} numbers: {F} features "
            "and the {P} outputs of the step before. With the biases that makes {gate} numbers a gate."
        ),
        "why_GRU": _(
            "A GRU has three gates. In each of them every one of the {H} units weighs {inputs} numbers: {F} features "
            "and the {P} outputs of the step before. With the biases that makes {gate} numbers a gate."
        ),
        "why_SimpleRNN": _(
            "Every one of the {H} units weighs {inputs} numbers: {F} features and the {P} outputs of the step before. "
            "With the biases that makes {gate} numbers."
        ),
        "why_two_biases": _("Each gate has two biases a unit, one for the inputs and one for the recurrence."),
        "why_one_bias": _("With reset_after=False each gate has one bias a unit."),
        "why_no_bias": _("Here there are no biases."),
        "why_projection": _("The projection makes {P} outputs of {H} numbers: {H} × {P} more."),
        "why_bidirectional": _("The backward layer has as many numbers again, its own."),
        "why_not_steps": _("The number of time steps does not matter: every step uses the same numbers."),
        "output_title": _("What comes out"),
        "out_sequence": _("return_sequences=True: {H} numbers for each of the {T} steps."),
        "out_last": _("return_sequences=False: the {H} numbers of the last step alone."),
        "out_both": _("Both directions are put side by side, so there are twice as many."),
        "out_state": _("return_state=True: the last hidden state too."),
        "out_states_lstm": _("return_state=True: the last h and the last C too."),
        "code_title": _("The Keras code"),
        "code_own": _("{names}: options of gatewise that Keras does not have"),
        "code_count": _("{n} parameters"),
        "copy": _("Copy"),
        "copied": _("Copied"),
        "compare_title": _("The two compared"),
    }


def _sums(words: Words) -> dict[str, str]:
    _ = words._
    return {
        "sum_title": _("One number, term by term"),
        "sum_sentence": _("Step {step}, unit {unit} of {units}. Choose a gate; point at any number to see its sum."),
        "sum_caption": _("The sum that makes {name} at step {step}"),
        "sum_term": _("term"),
        "sum_value": _("value"),
        "sum_times": _("times"),
        "sum_weight": _("weight"),
        "sum_product": _("product"),
        "sum_of_terms": _("sum"),
        "more_terms": _("{n} more terms"),
        "no_sum": _("This layer has options whose sums the page cannot write out; its values are the real ones."),
        "masked_step": _("This step is masked: the states stay as they were."),
        "not_yet": _("Not computed yet."),
        "initial_state": _("The state before the first step."),
        "from_data": _("A number of the data."),
        "unit": _("unit"),
        "unit_before": _("unit before"),
        "unit_after": _("unit after"),
        "name_LSTM_f": _("forget gate"),
        "name_LSTM_i": _("input gate"),
        "name_LSTM_g": _("candidate"),
        "name_LSTM_o": _("output gate"),
        "name_LSTM_c": _("cell state"),
        "name_LSTM_h": _("hidden state"),
        "name_GRU_z": _("update gate"),
        "name_GRU_r": _("reset gate"),
        "name_GRU_g": _("candidate"),
        "name_GRU_h": _("hidden state"),
        "name_SimpleRNN_h": _("hidden state"),
    }


def _models(words: Words) -> dict[str, str]:
    _ = words._
    return {
        "source": _("Whose numbers"),
        "source_toy": _("made up"),
        "source_model": _("your model"),
        "model": _("model"),
        "layer": _("layer"),
        "sample": _("sample"),
        "all_layers": _("All {n} layers"),
        "real_trace": _("The values are those that the fitted layer computed on your data."),
        "no_data_yet": _("The weights are the fitted ones; without data the input is a made-up wave."),
        "steps_cut": _("The first {shown} of {all} steps are shown."),
        "open_model": _("Open a .keras model …"),
        "open_data": _("Open data (.npy, .npz, .csv) …"),
        "reading": _("Reading {name} …"),
        "no_server": _("The server does not answer. Is gatewise explore still running?"),
    }

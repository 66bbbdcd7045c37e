"""gatewise.trace: what is shown is what predict computes, to the last bit, and what the equations say."""

import threading

import numpy as np
import pytest

import gatewise as gw
from explain import traced_models
from explain.traced_models import F, data, seq, sequential
from gatewise import config, kernels, layers, ops
from gatewise.explain.tracing import layer_trace
from gatewise.kernels import reference
from gatewise.layers import observing
from golden import build, load


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    before = config.floatx()
    config.set_floatx(request.param)
    yield request.param
    config.set_floatx(before)


@pytest.fixture(params=[1, 2, 5])
def threads(request):
    before = kernels.get_threads()
    kernels.set_threads(request.param)
    yield request.param
    kernels.set_threads(before)


def padded(*shape, dtype="float32"):
    """Sequences of which some steps are padding."""
    x = data(*shape, dtype=dtype)
    x[0, 4:] = 0
    x[1, :2] = 0
    return x


@pytest.mark.parametrize("name", traced_models.MODELS)
def test_the_outputs_are_those_of_predict_to_the_last_bit(name, dtype, threads):
    config.reset_names()
    model = traced_models.MODELS[name]()
    x = padded(9, 7, F, dtype=dtype)
    expected = model.predict(x)
    trace = gw.trace(model, x)
    np.testing.assert_array_equal(trace.output, expected)
    for layer in trace.values():
        assert all(values.dtype == dtype for values in layer.arrays.values())
        assert all(values.shape[:2] == (9, 7) for values in layer.arrays.values())
        assert all(len(layer.dims[key]) == values.ndim for key, values in layer.arrays.items())
    np.testing.assert_array_equal(model.predict(x), expected)


FLAT = [name for name in traced_models.MODELS if name not in ("subclassed", "shared", "nested")]


@pytest.mark.parametrize("name", FLAT)
def test_the_hidden_states_of_each_layer_are_those_of_predict_to_the_last_bit(name, dtype):
    config.reset_names()
    model = traced_models.MODELS[name]()
    x = padded(3, 6, F, dtype=dtype)
    trace = gw.trace(model, x)
    for layer in model.layers:
        if isinstance(layer, layers.Masking | layers.Dense):
            continue
        y = gw.Model(model.inputs, layer.output).predict(x)
        if isinstance(layer, layers.Bidirectional):
            halves = [trace[layer.forward_layer]["output"], trace[layer.backward_layer]["output"]]
            found = halves[0] + halves[1] if layer.merge_mode == "sum" else np.concatenate(halves, axis=-1)
        else:
            paths = [path for path in trace if path.split("/")[0] == layer.name]
            found = trace[paths[-1]]["output"]
            if layer.go_backwards:
                found = found[:, ::-1]
        np.testing.assert_array_equal(found if y.ndim == 3 else found[:, -1], y)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_an_lstm_is_the_reference_twin_and_its_equations():
    layer, x = seq(layers.LSTM, 4, dtype="float64"), data(5, 6, F, dtype="float64")
    traced = gw.trace(layer, x, preactivations=True)[layer.name]
    tape = reference.lstm_forward(x, None, None, *(w for w in layer.get_weights()))
    for k, gate in enumerate("ifgo"):
        np.testing.assert_allclose(traced[gate], tape.gates[:, :, k], atol=1e-12)
        np.testing.assert_allclose(traced[f"z_{gate}"], tape.z[:, :, k], atol=1e-12)
        activation = np.tanh if gate == "g" else sigmoid
        np.testing.assert_allclose(activation(traced[f"z_{gate}"]), traced[gate], atol=1e-12)
    c_before = np.concatenate([traced.initial["c"][:, None], traced["c"][:, :-1]], axis=1)
    np.testing.assert_allclose(traced["f"] * c_before + traced["i"] * traced["g"], traced["c"], atol=1e-12)
    np.testing.assert_allclose(traced["o"] * np.tanh(traced["c"]), traced["h"], atol=1e-12)
    np.testing.assert_array_equal(traced["input"], x)


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_gru_is_the_reference_twin(reset_after):
    layer, x = seq(layers.GRU, 4, dtype="float64", reset_after=reset_after), data(5, 6, F, dtype="float64")
    layer.build(x.shape)
    layer.bias.assign(data(*layer.bias.shape, dtype="float64"))
    traced = gw.trace(layer, x, preactivations=True)[layer.name]
    tape = reference.gru_forward(x, None, *layer.get_weights(), reset_after=reset_after)
    for k, gate in enumerate("zrg"):
        np.testing.assert_allclose(traced[gate], tape.gates[:, :, k], atol=1e-12)
        np.testing.assert_allclose(traced[f"z_{gate}"], tape.sums[:, :, k], atol=1e-12)
    np.testing.assert_allclose(traced["h"], tape.h, atol=1e-12)


@pytest.mark.parametrize("name", FLAT)
def test_the_sums_before_activation_are_those_of_the_gates(name):
    config.reset_names()
    model = traced_models.MODELS[name]()
    x = padded(3, 6, F)
    for layer in model.layers:
        for weight in layer.trainable_weights:
            weight.assign(data(*weight.shape, seed=1) * 0.5)
    trace = gw.trace(model, x, preactivations=True)
    checked = 0
    for layer in trace.values():
        for gate in layer.gates:
            if f"z_{gate}" not in layer:
                assert gate == "f"
                np.testing.assert_allclose(layer["f"], np.where(layer["i"] == 0, 0, 1 - layer["i"]), atol=1e-6)
                continue
            if gate != "g":  # the candidate's activation differs from model to model
                use = np.ones(layer["h"].shape[:2], bool) if layer.mask is None else layer.mask
                np.testing.assert_allclose(sigmoid(layer[f"z_{gate}"])[use], layer[gate][use], atol=2e-6)
                assert (layer[gate][~use] == 0).all() and (layer[f"z_{gate}"][~use] == 0).all()
            checked += 1
    assert checked or "rnn" in name or "users_cell" in name


def test_a_convolutional_lstm_shows_its_places():
    for options in ({}, {"data_format": "channels_first"}, {"dropout": 0.2, "recurrent_dropout": 0.2}):
        layer = layers.ConvLSTM2D(3, 2, return_sequences=True, padding="same", **options)
        x = data(2, 5, 4, 6, 3) if not options.get("data_format") else data(2, 5, 3, 4, 6)
        expected = layer(x)
        traced = gw.trace(layer, x, preactivations=True)[layer.name]
        assert traced.kind == "ConvLSTM2D"
        np.testing.assert_array_equal(traced["h"], expected)
        c_before = np.concatenate([traced.initial["c"][:, None], traced["c"][:, :-1]], axis=1)
        np.testing.assert_allclose(traced["f"] * c_before + traced["i"] * traced["g"], traced["c"], atol=1e-6)
        for gate in "ifo":
            np.testing.assert_allclose(sigmoid(traced[f"z_{gate}"]), traced[gate], atol=1e-6)
        last = ("unit", "row", "column") if options.get("data_format") else ("row", "column", "unit")
        assert traced.dims["h"] == ("sample", "time", *last)


def test_times_are_those_of_the_input_whatever_way_a_layer_reads_them():
    x = data(2, 6, F)
    ahead, behind = seq(layers.LSTM, 4), seq(layers.LSTM, 4, go_backwards=True)
    ahead(x), behind(x)
    behind.set_weights(ahead.get_weights())
    forward = gw.trace(ahead, x[:, ::-1])[ahead.name]
    backward = gw.trace(behind, x)[behind.name]
    assert backward.reads_backwards and not forward.reads_backwards
    np.testing.assert_array_equal(backward["input"], x)
    for name in "ifgoch":
        np.testing.assert_array_equal(backward[name], forward[name][:, ::-1])
    time_major = seq(layers.LSTM, 4, time_major=True)
    time_major(x.swapaxes(0, 1))
    time_major.set_weights(ahead.get_weights())
    other = gw.trace(time_major, x.swapaxes(0, 1))[time_major.name]
    np.testing.assert_array_equal(other["f"], gw.trace(ahead, x)[ahead.name]["f"])


def test_paths_name_the_parts():
    config.reset_names()
    x = data(2, 5, F)
    assert list(gw.trace(traced_models.nested(), x)) == ["encoder/lstm", "gru"]
    assert list(gw.trace(traced_models.shared(), x)) == ["lstm", "lstm (2)"]
    stack = traced_models.MODELS["stacked_cells"]()
    assert list(gw.trace(stack, x)) == ["rnn/cell_0", "rnn/cell_1"]
    both = sequential(layers.Bidirectional(layers.LSTM(2, name="lstm"), name="both"))
    assert list(gw.trace(both, x)) == ["both/forward_lstm", "both/backward_lstm"]
    model = traced_models.Subclassed()
    assert list(gw.trace(model, x)) == [model.first.name, model.second.name]


def test_a_layer_used_twice_has_a_trace_of_each_call():
    config.reset_names()
    model, x = traced_models.shared(), data(2, 5, F)
    trace = gw.trace(model, x)
    np.testing.assert_array_equal(trace["lstm (2)"]["input"], trace["lstm"]["h"])
    lstm = model.get_layer("lstm")
    assert trace[lstm] is trace["lstm"]


def test_time_distributed_layers_have_a_row_for_each_step():
    inner = layers.LSTM(4, name="lstm")
    model = gw.Sequential([gw.Input((5, 6, F)), layers.TimeDistributed(inner, name="each")])
    x = data(2, 5, 6, F)
    trace = gw.trace(model, x)
    np.testing.assert_array_equal(trace["each/lstm"]["h"][:, -1].reshape(2, 5, 4), model.predict(x))
    np.testing.assert_array_equal(trace["lstm"]["input"], x.reshape(10, 6, F))


def test_states_go_in_and_masks_are_told():
    layer, x = seq(layers.LSTM, 4), data(3, 5, F)
    states, mask = [data(3, 4, seed=1), data(3, 4, seed=2)], np.arange(5) < np.array([[5], [2], [0]])
    traced = gw.trace(layer, x, initial_state=states, mask=mask)[layer.name]
    np.testing.assert_array_equal(traced["output"], layer(x, initial_state=states, mask=mask))
    np.testing.assert_array_equal(traced.mask, mask)
    np.testing.assert_array_equal(traced["h"][2], np.tile(states[0][2], (5, 1)))
    np.testing.assert_array_equal(traced.initial["c"], states[1])
    assert not traced["f"][~mask].any() and traced["f"][mask].all()


def test_sequences_of_different_lengths():
    model = sequential(seq(layers.LSTM, 4))
    x = [data(6, F), data(2, F)]
    traced = gw.trace(model, x)[model.layers[0]]
    assert traced.mask.tolist() == [[True] * 6, [True, True, False, False, False, False]]


def test_a_trace_leaves_a_stateful_model_as_it_was():
    layer = layers.LSTM(4, stateful=True)
    model = gw.Sequential([gw.Input(batch_shape=(2, 5, F)), layer, layers.BatchNormalization()])
    x = data(2, 5, F)
    model.predict(x)
    before = [w.copy() for w in (*model.get_weights(), *(s.numpy() for s in layer.states))]
    trace = gw.trace(model, x, training=True)
    after = [*model.get_weights(), *(s.numpy() for s in layer.states)]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(trace[layer].initial["h"], layer.states[0].numpy())
    np.testing.assert_array_equal(gw.trace(model, x).output, model.predict(x))
    fresh = layers.GRU(2, stateful=True)
    gw.trace(fresh, x)
    assert not fresh.states[0].numpy().any()


def test_dropout_is_active_in_training_alone():
    layer, x = layers.LSTM(64, dropout=0.5, recurrent_dropout=0.5, seed=3), data(2, 5, 8)
    np.testing.assert_array_equal(gw.trace(layer, x)[layer.name]["h"][:, -1], layer(x))
    one, two = (gw.trace(layer, x, training=training)[layer.name] for training in (True, False))
    assert (one["h"] != two["h"]).any()
    dropped = gw.trace(layer, x, training=True, preactivations=True)[layer.name]
    np.testing.assert_allclose(sigmoid(dropped["z_f"]), dropped["f"], atol=2e-6)


def test_only_the_layers_asked_for():
    config.reset_names()
    model, x = traced_models.MODELS["masking"](), padded(3, 5, F)
    whole = gw.trace(model, x)
    bidirectional = model.layers[2]
    for chosen in ("lstm", ["lstm"], model.layers[1]):
        assert list(gw.trace(model, x, layers=chosen)) == ["lstm"]
    for chosen in ("bidirectional", bidirectional):
        assert list(gw.trace(model, x, layers=chosen)) == ["bidirectional/forward_gru", "bidirectional/backward_gru"]
    one = gw.trace(model, x, layers="bidirectional/backward_gru")
    assert list(one) == ["bidirectional/backward_gru"]
    np.testing.assert_array_equal(one["backward_gru"]["z"], whole["backward_gru"]["z"])
    np.testing.assert_array_equal(one.output, whole.output)


def test_users_cells_show_their_states():
    model, x = traced_models.MODELS["users_cell"](), data(2, 5, F)
    (traced,) = gw.trace(model, x).values()
    assert traced.kind == "Leaky" and traced.keys() == ["input", "state_0", "state_1", "output"]
    cell = model.layers[0].cell
    y, (a, b) = cell(x[:, 0], [np.zeros((2, 2), "float32"), np.zeros((2, 4), "float32")])
    np.testing.assert_array_equal(traced["state_0"][:, 0], a)
    np.testing.assert_array_equal(traced["state_1"][:, 0], b)
    np.testing.assert_array_equal(traced["output"][:, 0], y)

    class Plain(layers.Layer):
        state_size = 3

        def call(self, inputs, states):
            h = ops.tanh(inputs + 0.5 * states[0])
            return h, [h]

    layer = layers.RNN(Plain())
    traced = gw.trace(layer, x)[layer.name]
    assert traced.keys() == ["input", "h", "output"]


def test_a_users_layer_over_a_built_in_one():
    class Doubled(layers.LSTM):
        def call(self, inputs, mask=None, training=None):
            return super().call(2.0 * inputs, mask=mask)

    model, x = sequential(Doubled(4, return_sequences=True)), data(2, 5, F)
    (traced,) = gw.trace(model, x).values()
    np.testing.assert_array_equal(traced["h"], model.predict(x))
    np.testing.assert_array_equal(traced["input"], 2 * x)


def test_nobody_is_watched_afterwards():
    from gatewise.layers import observing

    model = sequential(layers.LSTM(2))
    gw.trace(model, data(2, 5, F))
    with pytest.raises(ValueError):
        gw.trace(model, data(2, 5, F + 1))
    assert not observing.watches


def test_items_and_repr():
    config.reset_names()
    model, x = traced_models.MODELS["bidirectional"](), data(2, 5, F)
    trace = gw.trace(model, x)
    assert repr(trace).splitlines()[1:] == [
        "  bidirectional/forward_lstm   LSTM, 2 x 5 steps: input, i, f, g, o, c, h, output",
        "  bidirectional/backward_lstm  LSTM, 2 x 5 steps: input, i, f, g, o, c, h, output>",
    ]
    assert repr(trace["forward_lstm"]).startswith("<LayerTrace 'bidirectional/forward_lstm' (LSTM): input, i, f, g,")
    assert trace[model.layers[0].forward_layer] is trace["bidirectional/forward_lstm"]
    assert trace.nbytes == sum(layer.nbytes for layer in trace.values()) > 0
    assert trace["forward_lstm"].config["units"] == 4
    with pytest.raises(KeyError, match="unknown layer 'forwrd_lstm'. Did you mean 'bidirectional/forward_lstm'"):
        trace["forwrd_lstm"]
    with pytest.raises(KeyError, match="unknown variable 'z'"):
        trace["forward_lstm"]["z"]
    with pytest.raises(KeyError, match="is not in the trace"):
        trace[layers.LSTM(3)]
    twice = gw.Sequential(
        [gw.Input((None, F)), gw.Sequential([seq(layers.LSTM, 2, name="a")]), gw.Sequential([layers.LSTM(2, name="a")])]
    )
    with pytest.raises(KeyError, match="Several layers are named 'a'"):
        gw.trace(twice, x)["a"]


GOLDEN = [
    case
    for group in ("lstm", "gru", "simple_rnn", "rnn_generic", "conv_lstm", "bidirectional")
    for case in load.cases("layers", group)
    if build.is_supported(case["spec"])
]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["id"])
def test_what_is_watched_is_keras(case):
    """Every golden case, looked at while it runs: outputs of Keras, and states that follow from the gates shown."""
    with observing.watching() as watch:
        found = build.run_layer(case, "float32")
    compared = 0
    for name in found.keys() & case["arrays"].keys():
        if name.partition(".")[2].startswith("y") and found[name].dtype != bool:
            load.assert_close(found[name], case, name, float64=1e-11)
            compared += 1
    assert compared and watch.runs
    for run in watch.runs:
        for cell_run in run.cells:
            traced = layer_trace("layer", run, cell_run, False, False)
            use = np.ones(traced["output"].shape[:2], bool) if traced.mask is None else traced.mask
            if traced.kind not in ("LSTM", "GRU"):
                continue
            state = "c" if traced.kind == "LSTM" else "h"
            order = slice(None, None, -1) if traced.reads_backwards else slice(None)
            values = {name: traced[name][:, order] for name in (*traced.gates, state)}
            before = np.concatenate([traced.initial[state][:, None], values[state][:, :-1]], axis=1)
            if traced.kind == "LSTM":
                made = values["f"] * before + values["i"] * values["g"]
            else:
                made = values["z"] * before + (1 - values["z"]) * values["g"]
            made = np.where(use[:, order, None], made, before)
            np.testing.assert_allclose(values[state], made, atol=1e-5, rtol=1e-5)


def test_other_threads_are_not_watched():
    model, x = sequential(layers.LSTM(3), layers.Dense(1)), data(2, 5, F)
    expected, found = model.predict(x), []
    with observing.watching() as watch:
        thread = threading.Thread(target=lambda: found.append(model.predict(x)))
        thread.start()
        thread.join()
        assert not watch.runs
        model.predict_on_batch(x)
        assert len(watch.runs) == 1
    np.testing.assert_array_equal(found[0], expected)


def test_plain_calls_within_a_model_are_seen_however_often_it_was_called():
    model, x = traced_models.Subclassed(), data(2, 5, F)
    for _ in range(5):  # layers that are called often find short ways
        expected = model(x)
        model.first(x)
    trace = gw.trace(model, x)
    assert list(trace) == [model.first.name, model.second.name]
    np.testing.assert_array_equal(trace.output, expected)
    assert len(gw.trace(model.first, x)) == 1

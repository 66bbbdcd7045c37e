"""gatewise.quantize: what it changes, what it leaves, what it says; everything around cells with narrow weights."""

import copy
import json
import pickle

import numpy as np
import pytest

import gatewise
from gatewise import Input, Model, Sequential, layers, tree
from gatewise.kernels import reference
from gatewise.layers import narrow
from gatewise.quantization import Quantization

RNG = np.random.default_rng(3)
X = RNG.normal(size=(30, 9, 5)).astype("f4")
both_storages = pytest.mark.parametrize("dtype", ["int8", "bfloat16"])


def functional():
    """A model with a mask, initial states, a nested model and two outputs."""
    a = Input((9, 5), name="a")
    masked = layers.Masking()(a)
    y, h, c = layers.LSTM(12, return_sequences=True, return_state=True, name="first")(masked)
    z = layers.LSTM(12, name="second")(y, initial_state=[h, c])
    inner = Sequential([Input((9, 12)), layers.GRU(7, return_sequences=True, name="within")], name="inner")
    return Model(a, [layers.Dense(2)(z), inner(y)])


MODELS = {
    "LSTM": lambda: Sequential([Input((9, 5)), layers.LSTM(12), layers.Dense(3)]),
    "GRU": lambda: Sequential([Input((9, 5)), layers.GRU(13, return_sequences=True), layers.Dense(3)]),
    "SimpleRNN": lambda: Sequential([Input((9, 5)), layers.SimpleRNN(11, activation="relu"), layers.Dense(3)]),
    "backwards": lambda: Sequential([Input((9, 5)), layers.LSTM(6, go_backwards=True, return_sequences=True)]),
    "no bias": lambda: Sequential([Input((9, 5)), layers.GRU(6, use_bias=False), layers.Dense(2)]),
    "bidirectional": lambda: Sequential([
        Input((9, 5)), layers.Bidirectional(layers.GRU(6, return_sequences=True), "sum"), layers.LSTM(4),
    ]),
    "cells": lambda: Sequential([Input((9, 5)), layers.RNN(layers.GRUCell(6), return_sequences=True), layers.Dense(2)]),
    "stack": lambda: Sequential([Input((9, 5)), layers.RNN([layers.LSTMCell(6), layers.SimpleRNNCell(7)])]),
    "of models": lambda: Sequential([
        Input((2, 9, 5)), layers.TimeDistributed(Sequential([Input((9, 5)), layers.LSTM(6)])), layers.GRU(3),
    ]),
    "functional": functional,
}  # fmt: skip


def data_for(model):
    x = X.copy()
    x[::2, 6:] = 0  # masked where a model masks
    return x.reshape(15, 2, 9, 5) if len(model.input_shape) == 4 else x


def flat(y):
    return list(tree.leaves(y))


def same(y, z):
    return all(np.array_equal(a, b) for a, b in zip(flat(y), flat(z), strict=True))


def cells_of(model):
    return [
        layer for layer in model.with_sublayers() if getattr(layer, "quantization", None) and not hasattr(layer, "cell")
    ]


@both_storages
@pytest.mark.parametrize("name", MODELS)
def test_predictions(name, dtype, tmp_path):
    model = MODELS[name]()
    x = data_for(model)
    before, weights = model.predict(x, verbose=0), model.get_weights()
    quantized = gatewise.quantize(model, x, dtype)
    found = quantized.predict(x, verbose=0)

    assert cells_of(quantized) and all(layer.storage == dtype for layer in quantized.quantization_report.layers)
    assert same(model.predict(x, verbose=0), before) and same(model.get_weights(), weights)
    for a, b in zip(flat(before), flat(found), strict=True):
        assert a.shape == b.shape and b.dtype == np.float32
        assert 0 < abs(a - b).max() < 0.04 * max(1, abs(a).max())
    assert same(quantized(x), found) and same(quantized.predict_on_batch(x), found)

    quantized.save(tmp_path / "m.keras")
    loaded = gatewise.load_model(tmp_path / "m.keras")
    for other in (loaded, copy.deepcopy(quantized), pickle.loads(pickle.dumps(quantized))):
        assert same(other.predict(x, verbose=0), found)
    assert json.loads(loaded.to_json()) == json.loads(quantized.to_json())


@pytest.mark.parametrize(
    ("family", "layer"), [("lstm", layers.LSTM(9)), ("gru", layers.GRU(9)), ("simple_rnn", layers.SimpleRNN(9))]
)
def test_a_layer_computes_what_the_twin_does(family, layer):
    """A single step, for which no number can fall on the other side of a half."""
    x = X[:, :1]
    W, U, b = (weight.numpy() for weight in (layer(x), layer)[1].weights)
    found = gatewise.quantize(layer, x, headroom=1)(x)
    h_range = float(abs(layer(x)).max())
    weights = reference.int8_weights(family, W, U, b, abs(x).max(axis=(0, 1)), h_range)
    expected = reference.narrow_predict(x, None, None, reference.pack_narrow(family, weights))[1]
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


@both_storages
def test_the_weights_stand_for_those_of_the_model(dtype):
    layer = layers.LSTM(9)
    layer(X)
    W, U, b = layer.get_weights()
    cell = gatewise.quantize(layer, X, dtype).cell
    of_x, of_h = reference.floats_of(narrow.weights_of(cell))
    share = 2**-8 if dtype == "bfloat16" else None
    assert np.array_equal(cell.bias.numpy(), b)
    if share:
        assert (abs(of_x - W) <= share * abs(W)).all() and (abs(of_h - U) <= share * abs(U)).all()
    else:
        steps = cell.kernel_scale.numpy() * 127
        assert (abs(of_x - W) <= 0.5001 * steps / cell.input_range.numpy()[:, None]).all()
        assert (abs(of_h - U) <= 0.5001 * steps / float(cell.state_range)).all()
    assert {v.dtype for v in cell.weights[:2]} == {"int8" if dtype == "int8" else "uint16"}
    assert not any(v.trainable for v in cell.weights)


@both_storages
@pytest.mark.parametrize("name", ["LSTM", "GRU", "stack", "cells"])
def test_streams_are_predict_to_the_last_bit(name, dtype):
    model = MODELS[name]()
    x = data_for(model)
    quantized = gatewise.quantize(model, x, dtype)
    assert same(np.asarray(quantized.stream(len(x)).run(x))[:, -1], _last(quantized.predict(x, verbose=0)))


def _last(y):
    return y[:, -1] if y.ndim == 3 else y


@both_storages
def test_states_are_kept_between_batches(dtype):
    layer = layers.LSTM(6, stateful=True, return_sequences=True)
    layer(X)
    layer.reset_states()
    quantized = gatewise.quantize(layer, X, dtype)
    assert layer.states is None and quantized.states is None
    whole = quantized(X)
    quantized.reset_states()
    assert same(np.concatenate([quantized(X[:, :4]), quantized(X[:, 4:])], axis=1), whole)


def test_calibration_leaves_kept_states_as_they_were():
    layer = layers.GRU(6, stateful=True)
    layer(X)
    states = [s.numpy() for s in layer.states]
    quantized = gatewise.quantize(layer, X)
    assert same([s.numpy() for s in quantized.states], states) and same([s.numpy() for s in layer.states], states)


def test_masked_steps_do_not_count():
    model = Sequential([Input((9, 5)), layers.Masking(), layers.LSTM(6)])
    x, cut = X.copy(), X.copy()
    x[:, 5:] = 0
    cut[:, 5:] = 0
    quantized = gatewise.quantize(model, x)
    shorter = Sequential([Input((None, 5)), model.layers[-1]])
    assert same(gatewise.quantize(shorter, x[:, :5]).predict(x[:, :5], verbose=0), quantized.predict(x, verbose=0))


def test_ranges_come_from_what_the_layers_are_given():
    model = Sequential([Input((9, 5)), layers.GRU(6, return_sequences=True), layers.LSTM(4)])
    first, second = gatewise.quantize(model, X, headroom=2, batch_size=7).quantization_report.layers
    inner = model.layers[0](X)
    np.testing.assert_allclose(first.x_range, 2 * abs(X).max(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(first.h_range, 2 * abs(inner).max(), rtol=1e-6)
    np.testing.assert_allclose(second.x_range, 2 * abs(inner).max(axis=(0, 1)), rtol=1e-6)


def test_clip_leaves_out_the_largest():
    layer = layers.LSTM(4)
    x = X.copy()
    x[3, 4] = 100
    layer(x)
    (found,) = gatewise.quantize(layer, x, clip=0.99, headroom=1).quantization_report.layers
    (largest,) = gatewise.quantize(layer, x, headroom=1).quantization_report.layers
    assert min(largest.x_range) == 100 and max(found.x_range) < 5


@pytest.mark.parametrize("kind", ["array", "generator", "batches", "dict"])
def test_calibration_data_of_any_kind(kind):
    a = Input((9, 5), name="a")
    model = Model(a, layers.LSTM(4)(a))
    given = {
        "array": X, "generator": (X[k : k + 10] for k in (0, 10, 20)),
        "batches": [(X[:10], np.zeros(10))], "dict": {"a": X},
    }[kind]  # fmt: skip
    given = iter(given) if kind == "batches" else given
    (found,) = gatewise.quantize(model, given, headroom=1).quantization_report.layers
    seen = X[:10] if kind == "batches" else X
    np.testing.assert_allclose(found.x_range, abs(seen).max(axis=(0, 1)), rtol=1e-6)


def test_layers_that_cannot_be_keep_their_weights():
    class OwnCell(layers.Layer):
        state_size = 3

        def call(self, inputs, states):
            return inputs[:, :3], [inputs[:, :3]]

    class OwnLSTM(layers.LSTM):
        def call(self, inputs):
            return super().call(inputs) * 2

    model = Sequential([
        Input((9, 5)),
        layers.LSTM(4, peephole=True, return_sequences=True, name="peephole"),
        layers.GRU(4, reset_after=False, return_sequences=True, name="before"),
        layers.LSTM(4, activation=lambda v: v * 0.5, return_sequences=True, name="own_function"),
        layers.RNN(OwnCell(), return_sequences=True, name="own_cell"),
        OwnLSTM(3, return_sequences=True, name="own_layer"),
        layers.LSTM(4, name="plain"),
    ])  # fmt: skip
    quantized = gatewise.quantize(model, X)
    report = quantized.quantization_report
    reasons = {layer.path: layer.reason for layer in report.layers}
    assert reasons.pop("plain") == ""
    assert "variants of the LSTM" in reasons["peephole"]
    assert "reset_after=False" in reasons["before"]
    assert "activation is none that the kernels know" in reasons["own_function"]
    assert "OwnCell has no kernel" in reasons["own_cell"]
    assert "its class OwnLSTM has a call of its own" in reasons["own_layer"]
    assert "before stays float32: a GRU with reset_after=False" in str(report)
    assert abs(quantized.predict(X, verbose=0) - model.predict(X, verbose=0)).max() < 0.02


def test_layers_of_float64_keep_their_weights():
    layer = layers.LSTM(4, dtype="float64")
    layer(X)
    (found,) = gatewise.quantize(layer, X.astype("f8")).quantization_report.layers
    assert found.storage == "float32" and "computes in float64" in found.reason


def test_the_report():
    model = Sequential([Input((9, 5)), layers.LSTM(64, name="lstm"), layers.Dense(1)], name="m")
    model.compile("adam", "mse", metrics=["mae"])
    x, y = X.copy(), RNG.normal(size=(30, 1))
    x[..., 1] = 0
    report = gatewise.quantize(model, x, evaluation=(x, y)).quantization_report
    assert isinstance(report, Quantization)
    (layer,) = report.layers
    assert (layer.path, layer.cls, layer.storage) == ("lstm", "LSTMCell", "int8")
    assert layer.bytes_before == 4 * 256 * (5 + 64 + 1)
    assert layer.bytes_after == 256 * (5 + 64) + 4 * (256 + 256 + 5 + 1)
    assert report.bytes_after - layer.bytes_after == report.other_bytes == 4 * 65
    assert 0 < layer.weight_error <= 0.5 / 127 + 1e-6
    assert report.outputs.mean <= report.outputs.largest < 0.1 < report.outputs.largest_output
    before, after = report.metrics["mae"]
    assert before == model.evaluate(x, y, verbose=0, return_dict=True)["mae"] != after
    text = str(report)
    assert "Model 'm', int8: 1 of 1 recurrent layers" in text and "mae: " in text
    assert "lstm: features 1 were zero in all of the calibration data and are taken for zeros." in text
    assert json.loads(json.dumps(report.to_dict()))["layers"][0]["storage"] == "int8"


def test_the_optimizer_has_taken_no_step():
    model = MODELS["LSTM"]()
    model.compile("adam", "mse")
    model.fit(X, np.zeros((30, 3)), epochs=1, verbose=0)
    quantized = gatewise.quantize(model, X)
    assert int(model.optimizer.iterations) == 1 and int(quantized.optimizer.iterations) == 0
    assert quantized.evaluate(X, np.zeros((30, 3)), verbose=0) > 0


def test_no_chain_passes_them_by():
    quantized = gatewise.quantize(MODELS["LSTM"](), X)
    first = quantized.predict(X, verbose=0)
    assert all(same(quantized(X), first) for _ in range(4)) and quantized._chain is None


def test_written_weights_are_packed_again():
    layer = layers.LSTM(4)
    layer(X)
    quantized = gatewise.quantize(layer, X)
    before = quantized(X)
    quantized.cell.recurrent_kernel.assign(-quantized.cell.recurrent_kernel.numpy())
    assert not same(quantized(X), before)


@both_storages
@pytest.mark.parametrize("ways", ["fit", "train_on_batch", "value_and_grad", "trace", "frozen"])
def test_training_is_refused(ways, dtype):
    model = MODELS["LSTM"]()
    model.compile("adam", "mse")
    quantized = gatewise.quantize(model, X, dtype)
    y = np.zeros((30, 3), "f4")
    run = {
        "fit": lambda: quantized.fit(X, y, verbose=0),
        "train_on_batch": lambda: quantized.train_on_batch(X, y),
        "value_and_grad": lambda: gatewise.value_and_grad(
            lambda: (quantized(X, training=True) ** 2).sum(), quantized.trainable_variables
        ),
        "trace": lambda: gatewise.trace(quantized, X),
        "frozen": lambda: quantized.fit(X, y, verbose=0),
    }[ways]
    if ways == "frozen":
        quantized.layers[0].trainable = False
    with pytest.raises(ValueError, match=rf"has {dtype} weights, which are for prediction.*given to gatewise.quantize"):
        run()


def test_dropout_cannot_be_active():
    layer = layers.LSTM(4, dropout=0.5)
    layer(X)
    quantized = gatewise.quantize(layer, X)
    with pytest.raises(ValueError, match="dropout cannot be active in it"):
        quantized(X, training=True)


@pytest.mark.parametrize("where", ["inputs", "initial states"])
def test_numbers_that_are_not_finite(where):
    layer = layers.LSTM(4, name="here")
    layer(X)
    x, h = X.copy(), np.zeros((30, 4), "f4")
    (x[3, 2] if where == "inputs" else h[3])[...] = np.nan
    int8, half = gatewise.quantize(layer, X), gatewise.quantize(layer, dtype="bfloat16")
    with pytest.raises(ValueError, match=f"int8 weights, and its {where} hold numbers that are not finite"):
        int8(x, initial_state=[h, h])
    assert np.isnan(half(x, initial_state=[h, h])[3]).all()
    mask = np.ones(X.shape[:2], bool)
    mask[3, 2] = False
    if where == "inputs":
        assert np.isfinite(int8(x, mask=mask)).all()


BAD = [
    (lambda m: gatewise.quantize("model", X), TypeError, "quantize takes a model or a layer; got"),
    (lambda m: gatewise.quantize(m), ValueError, r"write gatewise.quantize\(model, calibration=x\)"),
    (lambda m: m.quantize("int8"), ValueError, r"write gatewise.quantize\(model, calibration=x\)"),
    (lambda m: gatewise.quantize(m, X, "int4"), ValueError, 'are "int8" or "bfloat16"; got \'int4\''),
    (lambda m: gatewise.quantize(m, X, clip=0), ValueError, "clip is the fraction of all numbers"),
    (lambda m: gatewise.quantize(m, X, headroom=0.5), ValueError, "headroom is what the ranges are multiplied with"),
    (lambda m: gatewise.quantize(m, X, batch_size=0), ValueError, "batch_size"),
    (
        lambda m: gatewise.quantize(m, X * np.nan),
        ValueError,
        "Layer 'lstm.*calibration data give it numbers that are not",
    ),
    (lambda m: gatewise.quantize(m, iter([])), ValueError, "empty"),
    (lambda m: gatewise.quantize(m.layers[1], X), ValueError, "has no recurrent layer"),
    (lambda m: gatewise.quantize(layers.LSTM(3), X), ValueError, "has no weights yet"),
    (lambda m: layers.LSTM(3, quantization="int4"), ValueError, 'are "int8" or "bfloat16"; got \'int4\''),
    (lambda m: layers.LSTM(3, peephole=True, quantization="int8")(X), ValueError, "cannot have int8 weights: the var"),
    (lambda m: layers.GRU(3, reset_after=False, quantization="int8")(X), ValueError, "reset_after=False"),
]


@pytest.mark.parametrize(("run", "error", "message"), BAD)
def test_bad_input(run, error, message):
    model = MODELS["LSTM"]()
    with pytest.raises(error, match=message):
        run(model)


def test_weights_that_are_not_finite():
    model = MODELS["LSTM"]()
    model.layers[0].cell.kernel.assign(model.layers[0].cell.kernel.numpy() * np.nan)
    with pytest.raises(ValueError, match="has weights that are not finite"):
        gatewise.quantize(model, dtype="bfloat16")


def test_the_method_is_the_function():
    model = MODELS["GRU"]()
    assert same(model.quantize("int8", X).predict(X, verbose=0), gatewise.quantize(model, X).predict(X, verbose=0))

"""Sequential: with and without a known input, grown and cut after it was built, inside others."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.fixture(autouse=True)
def fresh_names():
    gw.config.reset_names()


def pair():
    return [layers.LSTM(3), layers.Dense(1)]


@pytest.mark.parametrize(
    "begin",
    [
        lambda: gw.Sequential([gw.Input((4, 2)), *pair()]),
        lambda: gw.Sequential([gw.Input(shape=(4, 2), name="data"), *pair()]),
        lambda: gw.Sequential([layers.InputLayer(shape=(4, 2)), *pair()]),
        lambda: gw.Sequential([layers.LSTM(3, input_shape=(4, 2)), layers.Dense(1)]),
        lambda: gw.Sequential([layers.LSTM(3, input_shape=[4, 2]), layers.Dense(1)]),
        lambda: gw.Sequential([layers.LSTM(3, input_dim=2, input_length=4), layers.Dense(1)]),
        lambda: gw.Sequential([layers.LSTM(3, batch_input_shape=(None, 4, 2)), layers.Dense(1)]),
    ],
)
def test_ways_to_say_the_input_shape(begin):
    model = begin()
    assert model.built and model.input_shape == (None, 4, 2) and model.output_shape == (None, 1)
    assert [layer.name for layer in model.layers] == ["lstm", "dense"] and model.count_params() == 76
    assert model.predict(data(3, 4, 2), verbose=0).shape == (3, 1)


def test_an_unknown_input_is_known_after_build_a_call_or_fit():
    def built():
        return gw.Sequential(pair())

    by_build, by_call, by_fit, by_symbol = built(), built(), built(), built()
    by_build.build((None, 4, 2))
    by_call(data(3, 4, 2))
    by_fit.compile("sgd", "mse")
    by_fit.fit(data(3, 4, 2), data(3, 1), verbose=0)
    by_symbol(gw.Input((4, 2)))
    for model in (by_build, by_call, by_fit, by_symbol):
        assert model.built and model.count_params() == 76 and model.output_shape == (None, 1)
    paths = [w.path for w in by_build.weights]
    assert paths[0] == "sequential/lstm/lstm_cell/kernel" and paths[-1] == "sequential/dense/bias"


def test_before_that_it_says_what_is_missing():
    model = gw.Sequential(pair())
    assert not model.built and model.weights == [] and len(model.layers) == 2
    with pytest.raises(ValueError, match="isn't built"):
        model.count_params()
    with pytest.raises(AttributeError, match="no defined output shape yet"):
        _ = model.output_shape
    with pytest.raises(ValueError, match="does not know the shape of its input"):
        model.build()
    with pytest.raises(ValueError, match="the batch first"):
        model.build(3)
    with pytest.raises(ValueError, match="has no layers"):
        gw.Sequential().predict(data(3, 4, 2), verbose=0)


def test_add_and_pop_after_it_was_built():
    model = gw.Sequential([gw.Input((4, 2)), *pair()])
    kept = model.layers[0].get_weights()
    assert model.pop().name == "dense"
    assert model.output_shape == (None, 3)
    model.add(layers.Dense(2, activation="tanh"))
    model.add(layers.Dense(5))
    assert model.output_shape == (None, 5) and len(model.weights) == 7
    for a, b in zip(kept, model.layers[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    lstm, *denses = model.layers
    h = lstm(data(3, 4, 2))
    for dense in denses:
        h = dense(h)
    np.testing.assert_array_equal(model.predict(data(3, 4, 2), verbose=0), h)
    model.compile("sgd", "mse")
    model.fit(data(3, 4, 2), data(3, 5), verbose=0)


def test_the_optimizer_goes_on_after_a_layer_was_added():
    model = gw.Sequential([gw.Input((4, 2)), *pair()])
    model.compile("adam", "mse")
    model.fit(data(3, 4, 2), data(3, 1), verbose=0)
    model.add(layers.Dense(2))
    model.compile("adam", "mse")
    before = model.get_weights()
    model.fit(data(3, 4, 2), data(3, 2), verbose=0)
    assert all(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_inside_another():
    inner = gw.Sequential([layers.LSTM(3, return_sequences=True)], name="inner")
    model = gw.Sequential([inner, gw.Sequential([layers.LSTM(2), layers.Dense(1)])])
    model.build((None, 4, 2))
    flat = gw.Sequential([gw.Input((4, 2)), layers.LSTM(3, return_sequences=True), layers.LSTM(2), layers.Dense(1)])
    flat.set_weights(model.get_weights())
    x, y = data(5, 4, 2), data(5, 1)
    np.testing.assert_array_equal(model.predict(x, verbose=0), flat.predict(x, verbose=0))
    for each in (model, flat):
        each.compile("adam", "mse")
        each.fit(x, y, epochs=3, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), flat.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: gw.Sequential([gw.Input((4, 2)), gw.Input((4, 2))]), "already has an input"),
        (lambda: gw.Sequential([layers.Dense(1, name="a")] * 2), "already has a layer named 'a'"),
        (lambda: gw.Sequential([layers.LSTM]), r"Write LSTM\(...\)"),
        (lambda: gw.Sequential(["dense"]), "Only layers can be added"),
        (lambda: gw.Sequential(layers.Dense(1)), "takes a list of layers"),
        (lambda: gw.Sequential().pop(), "no layer to take away"),
        (lambda: gw.Sequential([gw.Input((4, 2)), layers.LSTM(3, return_state=True), layers.Dense(1)]), "return_state"),
        (lambda: gw.Sequential([gw.Input((4, 2)), layers.LSTM(3), layers.LSTM(2)]), "return_sequences=True"),
        (lambda: gw.Sequential([gw.Input((4, 2)), *pair()]).fitt, "fitt"),
    ],
)
def test_what_does_not_fit_is_said(make, words):
    with pytest.raises((ValueError, AttributeError), match=words):
        make()

"""Models with a `call` of their own: built by trying, trained by fit, inputs and outputs of every nesting."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, ops


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.fixture(autouse=True)
def fresh_names():
    gw.config.reset_names()
    gw.utils.set_random_seed(1)


class Forecaster(gw.Model):
    def __init__(self):
        super().__init__()
        self.recurrent = layers.LSTM(3, return_sequences=True)
        self.dense = layers.Dense(1)

    def call(self, inputs):
        h = self.recurrent(inputs)
        return self.dense(h[:, -1] + ops.mean(h, axis=1))


class Lists(gw.Model):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = layers.LSTM(3, return_state=True), layers.LSTM(3, return_sequences=True)

    def call(self, inputs):
        a, b = inputs
        _, h, c = self.encoder(a)
        return self.decoder(b, initial_state=[h, c])


class Dictionaries(gw.Model):
    def __init__(self):
        super().__init__()
        self.recurrent, self.first, self.second = layers.LSTM(3), layers.Dense(1), layers.Dense(2)

    def call(self, inputs):
        h = self.recurrent(inputs["a"])
        return {"u": self.first(h + inputs["b"]), "v": self.second(h)}


def as_functional(model, x):
    """The same network as a Functional, with the same weights."""
    inputs = gw.Input(x.shape[1:])
    h = layers.LSTM(3, return_sequences=True)(inputs)
    twin = gw.Model(inputs, layers.Dense(1)(h[:, -1] + ops.mean(h, axis=1)))
    twin.set_weights(model.get_weights())
    return twin


def test_it_trains_as_the_functional_model_does():
    x, y = data(5, 4, 2), data(5, 1, seed=1)
    model = Forecaster()
    model(x)
    twin = as_functional(model, x)
    histories = []
    for each in (model, twin):
        each.compile("adam", "mse")
        histories.append(each.fit(x, y, batch_size=2, epochs=3, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), twin.predict(x, verbose=0), rtol=1e-4, atol=1e-6)


def test_fit_builds_it_and_trains_from_the_first_step():
    model = Forecaster()
    assert not model.built and not model.weights
    with pytest.raises(ValueError, match="isn't built"):
        model.count_params()
    model.compile("sgd", "mse")
    model.fit(data(40, 4, 2), data(40, 1), epochs=1, batch_size=40, verbose=0)
    assert model.built and [layer.name for layer in model.layers] == ["lstm", "dense"]
    assert model.weights[0].path == "forecaster/lstm/lstm_cell/kernel"
    assert model.weights[-1].value.any()  # the bias began at zero


def test_lists_of_inputs():
    x = [data(3, 4, 2), data(3, 5, 2, seed=1)]
    model = Lists()
    model.compile("sgd", "mse")
    before = model.predict(x, verbose=0)
    np.testing.assert_array_equal(before, model(x))
    model.fit(x, data(3, 5, 3), verbose=0)
    assert not np.array_equal(before, model.predict(x, verbose=0))


def test_dictionaries_of_inputs_and_outputs():
    x = {"b": data(3, 3), "a": data(3, 4, 2)}
    model = Dictionaries()
    model.compile("sgd", {"v": "mae", "u": "mse"}, metrics={"u": ["mae"]})
    history = model.fit(x, {"v": data(3, 2), "u": data(3, 1)}, epochs=2, verbose=0).history
    assert {"loss", "u_loss", "v_loss", "u_mae"} == set(history)
    found = model.predict(x, verbose=0)
    assert list(found) == ["u", "v"] and found["v"].shape == (3, 2)
    assert model.get_weights()[-1].any()


def test_a_tuple_of_outputs():
    class Pair(Forecaster):
        def call(self, inputs):
            return super().call(inputs), self.recurrent(inputs)

    model = Pair()
    assert isinstance(model(data(3, 4, 2)), tuple)
    model.compile("sgd", ["mse", "mse"])
    model.fit(data(3, 4, 2), [data(3, 1), data(3, 4, 3)], verbose=0)
    assert [y.shape for y in model.predict(data(3, 4, 2), verbose=0)] == [(3, 1), (3, 4, 3)]


def test_build_from_a_shape_and_from_a_symbolic_input():
    by_shape, by_input = Forecaster(), Forecaster()
    by_shape.build((None, 4, 2))
    x = gw.Input((None, 2))
    outer = gw.Model(x, by_input(x))
    assert by_shape.count_params() == by_input.count_params() == outer.count_params() == 72 + 4
    assert outer.output_shape == (None, 1)
    assert by_shape.compute_output_shape((7, 4, 2)) == (7, 1)


def test_integers_reach_call_as_they_are():
    class Lookup(gw.Model):
        def __init__(self):
            super().__init__()
            self.table = self.add_weight(shape=(5, 2), name="table")

        def call(self, ids):
            return self.table[ids]

    model = Lookup()
    model.compile("sgd", "mse")
    before = model.get_weights()[0]
    model.fit(np.array([[1, 2], [1, 1]]), np.ones((2, 2, 2)), verbose=0)
    changed = (before != model.get_weights()[0]).any(axis=1)
    assert changed.tolist() == [False, True, True, False, False]


def test_a_stateful_layer_inside_meets_only_real_batches():
    class Stateful(gw.Model):
        def __init__(self):
            super().__init__()
            self.recurrent = layers.LSTM(3, stateful=True)

        def call(self, x):
            return self.recurrent(x)

    model = Stateful()
    first, second = model.predict(data(2, 4, 2), verbose=0), model.predict(data(2, 4, 2), verbose=0)
    assert not np.array_equal(first, second)
    model.reset_states()
    np.testing.assert_array_equal(model.predict(data(2, 4, 2), verbose=0), first)


def test_a_constructor_that_hands_inputs_and_outputs_up():
    class Fixed(gw.Model):
        def __init__(self):
            x = gw.Input((4, 2))
            super().__init__(inputs=x, outputs=layers.Dense(1)(layers.LSTM(3)(x)))

    model = Fixed()
    assert type(model).__name__ == "Fixed" and model.name == "fixed" and model.count_params() == 76


def test_a_layer_used_in_training_only_is_trained_too():
    class Noisy(Forecaster):
        def __init__(self):
            super().__init__()
            self.extra = layers.Dense(3)

        def call(self, inputs, training=False):
            h = self.recurrent(inputs)[:, -1]
            return self.dense(self.extra(h) if training else h)

    model = Noisy()
    model(data(3, 4, 2))
    assert len(model.weights) == 5
    model.compile("sgd", "mse")
    model.fit(data(3, 4, 2), data(3, 1), epochs=2, verbose=0)
    assert len(model.trainable_weights) == 7 and model.extra.bias.value.any()

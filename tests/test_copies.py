"""copy.deepcopy and pickle of layers and models: equal, apart, and able to go on training."""

import copy
import pickle

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, ops


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def sequential():
    return gw.Sequential([gw.Input((4, 2)), layers.Masking(), layers.LSTM(3, dropout=0.2), layers.Dense(1)])


def functional():
    x = gw.Input((4, 2))
    h = layers.LSTM(3, return_sequences=True)(x)
    pooled = ops.concatenate([h[:, -1], ops.mean(h, axis=1)], axis=-1)
    return gw.Model(x, layers.Dense(1)(pooled * 2.0 - 1.0))


def unknown_input():
    return gw.Sequential([layers.LSTM(3, kernel_regularizer="l2"), layers.Dense(1)])


ways = pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"]
)


@ways
@pytest.mark.parametrize("make", [sequential, functional, unknown_input, lambda: layers.LSTM(3)])
def test_a_copy_is_equal_and_apart(again, make):
    original = make()
    original(data(3, 4, 2))
    twin = again(original)
    assert type(twin) is type(original) and twin.name == original.name
    np.testing.assert_array_equal(twin(data(3, 4, 2)), original(data(3, 4, 2)))
    kept = original.get_weights()
    twin.set_weights([w + 1 for w in twin.get_weights()])
    for a, b in zip(kept, original.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(twin(data(3, 4, 2)), original(data(3, 4, 2)))


@ways
@pytest.mark.parametrize("make", [sequential, functional, unknown_input])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_copy_goes_on_training_as_the_original_would(again, make, optimizer):
    gw.utils.set_random_seed(3)
    x, y = data(6, 4, 2), data(6, 1, seed=1)
    original = make()
    original.compile(optimizer, "mse", metrics=["mae"])
    original.fit(x, y, epochs=2, shuffle=False, verbose=0)
    twin = again(original)
    kept = original.get_weights()
    losses = twin.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"]
    for a, b in zip(kept, original.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert losses == original.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"]
    for a, b in zip(twin.get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_cannot_be_pickled_says_so():
    model = gw.Sequential([gw.Input((4, 2)), layers.LSTM(3, activation=lambda x: x)])
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(model)
    np.testing.assert_array_equal(copy.deepcopy(model)(data(3, 4, 2)), model(data(3, 4, 2)))

"""Models used from several threads at once: predictions, and training of different models."""

import threading

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, ops
from gatewise.kernels import twins


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class Users(layers.Layer):
    supports_masking = True

    def __init__(self):
        super().__init__()
        self.recurrent = layers.LSTM(3, return_sequences=True)

    def call(self, x, training=False):
        return ops.tanh(self.recurrent(x)) * (2.0 if training else 1.0)


def model_of(seed):
    gw.utils.set_random_seed(seed)
    return gw.Sequential([gw.Input((4, 2)), layers.Masking(), Users(), layers.LSTM(2), layers.Dense(1)])


def in_threads(work, n):
    errors = []

    def guarded(k):
        try:
            work(k)
        except BaseException as error:  # handed to the test
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(k,)) for k in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def test_one_model_predicts_in_several_threads():
    model = model_of(0)
    inputs = [data(5, 4, 2, seed=k) for k in range(3)]
    alone = [model.predict(x, verbose=0) for x in inputs]

    def work(k):
        for _ in range(15):
            np.testing.assert_array_equal(model.predict(inputs[k], verbose=0), alone[k])
            np.testing.assert_array_equal(model(inputs[k]), alone[k])

    in_threads(work, 3)


def test_models_train_side_by_side_as_they_do_alone():
    x, y = data(6, 4, 2), data(6, 1, seed=9)

    def trained(model):
        model.compile("adam", "mse")
        model.fit(x, y, epochs=5, shuffle=False, verbose=0)
        return model.get_weights()

    alone = [trained(model_of(k)) for k in range(3)]
    models = [model_of(k) for k in range(3)]
    found = [None] * 3

    def work(k):
        found[k] = trained(models[k])

    in_threads(work, 3)
    for a, b in zip(alone, found, strict=True):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_activations_of_ones_own_multiply_by_the_kernels_too(layer, monkeypatch):
    """NumPy's product (BLAS) may sum in another order with another number of threads: only the kernels' may be used."""
    used = []
    monkeypatch.setattr(twins, "_product", lambda a, b, own=twins._product: used.append(a.shape) or own(a, b))
    twins._with_steady_products.cache_clear()
    rnn = layer(5, activation="softmax", return_sequences=True)
    x = data(6, 4, 3)
    rnn(x)
    used.clear()
    y, back = rnn.differentiate([x], None, False, None)
    forward = len(used)
    back(np.ones_like(y))
    twins._with_steady_products.cache_clear()
    assert (
        forward >= 1 + 4 and len(used) - forward >= 3 + 4 - 1
    )  # x W and four steps; three gradients and the steps back

"""Training leaves a model's weights what they are: the same variables in the same order, frozen where frozen."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers

X = np.random.default_rng(0).normal(size=(8, 5, 2)).astype("float32")
Y = np.random.default_rng(1).normal(size=(8, 1)).astype("float32")


def regularized():
    return gw.Sequential([
        gw.Input((5, 2)),
        layers.LSTM(3, return_sequences=True),
        layers.LSTM(2, kernel_regularizer="l1", recurrent_regularizer="l2", bias_regularizer="l2"),
        layers.Dense(1, kernel_regularizer="l2"),
    ])  # fmt: skip


def trained(how):
    model = regularized()
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    before = (model.weights, model.trainable_weights)
    if how == "fit":
        model.fit(X, Y, verbose=0)
    elif how == "evaluate":
        model.evaluate(X, Y, verbose=0)
    else:
        getattr(model, how)(X, Y)
    return model, before


@pytest.mark.parametrize("how", ["fit", "evaluate", "train_on_batch", "test_on_batch", "value_and_grad"])
def test_weights_keep_their_order(how):
    model, (weights, trainable) = trained(how)
    assert all(a is b for a, b in zip(model.weights, weights, strict=True))
    assert all(a is b for a, b in zip(model.trainable_weights, trainable, strict=True))


def test_freezing_after_training_holds():
    model, _ = trained("fit")
    model.layers[1].trainable = False
    model.compile("adam", "mse")
    before = model.layers[1].get_weights()
    model.fit(X, Y, epochs=3, verbose=0)
    for a, b in zip(before, model.layers[1].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert sum(v.size for v in model.trainable_weights) == 3


def test_a_trained_regularized_model_comes_back_from_its_file(tmp_path):
    model, _ = trained("fit")
    model.save(tmp_path / "model.keras")
    again = gw.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    again.fit(X, Y, verbose=0)

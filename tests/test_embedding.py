"""Embedding: what the contract and golden tests leave out."""

import warnings

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers

TOKENS = np.array([[1, 2, 0, 2], [3, 0, 0, 1]])


def test_the_gradient_sums_the_rows_of_equal_indices():
    layer = layers.Embedding(5, 3, dtype="float64")
    layer(TOKENS)
    dy = np.random.default_rng(0).normal(size=(2, 4, 3))
    (dx,), gradients = layer.differentiate([TOKENS], None, False, None)[1](dy)
    expected = np.zeros((5, 3))
    np.add.at(expected, TOKENS, dy)
    np.testing.assert_allclose(gradients[layer.embeddings], expected, rtol=1e-15)
    assert dx is None


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "uint64", "float32", "float64", ">i4"])
def test_indices_of_every_type(dtype):
    layer = layers.Embedding(5, 3)
    np.testing.assert_array_equal(layer(TOKENS.astype(dtype)), layer.embeddings.numpy()[TOKENS])
    assert layer(TOKENS.astype(dtype)).dtype == np.float32


def test_booleans_are_indices_and_floats_are_cut_off():
    layer = layers.Embedding(5, 3)
    np.testing.assert_array_equal(layer(np.array([True, False])), layer.embeddings.numpy()[[1, 0]])
    np.testing.assert_array_equal(layer(np.array([1.9, -0.5, 4.9])), layer.embeddings.numpy()[[1, 0, 4]])


def test_large_indices_given_as_floats_keep_their_digits():
    layer = layers.Embedding(2**24 + 4, 1, embeddings_initializer="zeros")
    layer(np.array([0]))
    rows = layer.embeddings.numpy()
    rows[2**24 + 1] = 1
    layer.set_weights([rows])
    assert layer(np.array([2.0**24 + 1])) == 1


@pytest.mark.parametrize(
    "given, words",
    [
        ([[1, 5]], ["'it' (Embedding)", "index 5", "[0, 1]", "from 0 to 4", "input_dim=6"]),
        ([[1, -1]], ["index -1", "do not count from the end", "mask_zero=True"]),
        ([[9, 7]], ["index 9", "2 of 2 outside", "input_dim=10"]),
        ([[1.0, np.nan]], ["index nan", "Replace missing values by 0"]),
        ([[1.0, np.inf]], ["index inf", "Replace missing"]),
        ([[5.5, 1.0]], ["index 5.5", "input_dim=6"]),
        ([[-1.0, 1.0]], ["index -1.0"]),
        (np.array([[255]], "uint8"), ["index 255", "input_dim=256"]),
        (np.array([[2**64 - 1]], "uint64"), ["index 18446744073709551615"]),
    ],
)
def test_indices_without_a_row_are_refused(given, words):
    layer = layers.Embedding(5, 3, name="it")
    for call in (layer, lambda x: layer.differentiate([np.asarray(x)], None, True, None)):
        layer(np.zeros((1, 1), int))
        with pytest.raises(ValueError) as caught:
            call(np.asarray(given))
        for word in words:
            assert word in str(caught.value), str(caught.value)


def test_refused_inside_a_model_too():
    model = gw.Sequential([layers.Embedding(5, 3, name="it"), layers.LSTM(2)])
    with pytest.raises(ValueError, match="'it'.*index 7"):
        model.predict(np.array([[1, 7]]), verbose=0)


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None, True])
@pytest.mark.parametrize("argument", ["input_dim", "output_dim"])
def test_sizes(argument, value):
    with pytest.raises(ValueError, match=f"Embedding: .*`{argument}`, expected a positive integer") as caught:
        layers.Embedding(**{"input_dim": 4, "output_dim": 3, argument: value})
    assert repr(value) in str(caught.value)


def test_an_input_of_floats_as_scripts_write_it():
    inputs = gw.Input((None,))
    h = layers.Embedding(5, 3, mask_zero=True)(inputs)
    model = gw.Model(inputs, layers.Dense(1)(layers.LSTM(2)(h)))
    assert h.shape == (None, None, 3)
    embedding, lstm = model.layers[1:3]
    expected = lstm(embedding.embeddings.numpy()[TOKENS], mask=TOKENS != 0)
    inner = gw.Model(inputs, model.layers[2].output)
    np.testing.assert_allclose(inner.predict(TOKENS, verbose=0), expected, rtol=1e-6)
    model.compile("adam", "mse")
    assert np.isfinite(model.fit(TOKENS, np.zeros((2, 1)), verbose=0).history["loss"]).all()


def test_masks():
    layer = layers.Embedding(5, 3, mask_zero=True)
    np.testing.assert_array_equal(layer.compute_mask(TOKENS), TOKENS != 0)
    assert layer.supports_masking and layer.may_create_mask
    without = layers.Embedding(5, 3)
    assert without.compute_mask(TOKENS) is None
    assert not without.may_create_mask
    np.testing.assert_array_equal(without.compute_mask(TOKENS, TOKENS > 1), TOKENS > 1)  # given, it goes on
    np.testing.assert_array_equal(layer.compute_mask(TOKENS, TOKENS > 1), TOKENS > 1)


def test_what_stands_at_padded_places_changes_nothing_behind_them():
    gw.utils.set_random_seed(1)
    model = gw.Sequential([layers.Embedding(5, 3, mask_zero=True), layers.LSTM(2)])
    before = model.predict(TOKENS, verbose=0)
    rows = model.layers[0].get_weights()[0]
    rows[0] = np.nan
    model.layers[0].set_weights([rows])
    np.testing.assert_array_equal(model.predict(TOKENS, verbose=0), before)


def test_weights_to_begin_with():
    matrix = np.arange(15.0).reshape(5, 3)
    for given in (matrix, [matrix], matrix.tolist()):
        layer = layers.Embedding(5, 3, weights=given if not isinstance(given, list) or given[0] is matrix else [given])
        np.testing.assert_array_equal(layer.get_weights()[0], matrix)
    assert "weights" not in layers.Embedding(5, 3, weights=[matrix]).get_config()
    with pytest.raises(ValueError, match=r"'it'.*shape \(4, 3\).*\(5, 3\)"):
        layers.Embedding(4, 3, weights=[matrix], name="it")


def test_frozen_rows_of_a_pretrained_matrix():
    layer = layers.Embedding(5, 3, weights=[np.ones((5, 3))], trainable=False)
    model = gw.Sequential([layer, layers.LSTM(2)])
    model.compile("sgd", "mse")
    model.fit(TOKENS, np.zeros((2, 2)), verbose=0)
    np.testing.assert_array_equal(layer.get_weights()[0], np.ones((5, 3)))


@pytest.mark.parametrize("length, shape", [(4, (None, 4)), ((4, 2), (None, 4, 2)), (None, None)])
def test_input_length_of_keras_1_and_2(length, shape):
    layer = layers.Embedding(5, 3, input_length=length)
    assert layer._batch_input_shape == shape
    assert "input_length" not in layer.get_config()


def test_a_sequential_with_input_length_is_built_at_once_and_takes_other_lengths():
    model = gw.Sequential([layers.Embedding(5, 3, input_length=4), layers.LSTM(2)])
    assert model.built and model.output_shape == (None, 2)
    assert model.predict(TOKENS[:, :2], verbose=0).shape == (2, 2)


def test_no_steps_give_no_vectors():
    assert layers.Embedding(5, 3)(np.zeros((2, 0), int)).shape == (2, 0, 3)


def test_the_configuration_is_keras_s():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = layers.Embedding(7, 3, name="e").get_config()
    assert {key: value for key, value in config.items() if not isinstance(value, dict)} == {
        "name": "e", "trainable": True, "input_dim": 7, "output_dim": 3, "embeddings_regularizer": None,
        "activity_regularizer": None, "embeddings_constraint": None, "mask_zero": False, "quantization_config": None,
    }  # fmt: skip
    assert config["embeddings_initializer"]["class_name"] == "RandomUniform"

"""Models with functions of gatewise.ops between their layers: written and read; nothing else can be named in a file."""

import json

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, models, ops


def model_with_operations():
    x = gw.Input((4, 3))
    h = layers.LSTM(5, return_sequences=True)(x)
    last, first = h[:, -1], h[..., 0]
    joined = ops.concatenate([last * 2.0 - 1.0, ops.mean(h, axis=1), first], axis=-1)
    return gw.Model(x, ops.softmax(layers.Dense(2)(joined)) + np.array([1.0, 2.0], "float32"))


def test_json_round_trip():
    model = model_with_operations()
    again = models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    np.testing.assert_array_equal(again(x), model(x))
    assert again.get_config() == model.get_config()


def test_file_round_trip(tmp_path):
    model = model_with_operations()
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    np.testing.assert_array_equal(gw.load_model(tmp_path / "model.keras")(x), model(x))


@pytest.mark.parametrize("name", ["Load", "Fromfile", "Save", "Genfromtxt", "OperationFromConfig", "Vectorize"])
def test_a_file_cannot_name_functions_that_do_more_than_compute(name):
    config = json.loads(model_with_operations().to_json())
    operation = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "GetItem")
    operation["class_name"] = name
    with pytest.raises(ValueError, match="unknown operation"):
        models.model_from_json(json.dumps(config))

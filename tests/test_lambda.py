"""Lambda: what it computes, what a file holds of it, and what is refused."""

import json

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, masks, models, ops, saving

X = np.random.default_rng(0).normal(size=(2, 3, 4))
STEPS = np.array([[True, True, False], [True, False, False]])


@saving.register_keras_serializable("test_lambda")
def scaled(x, by=2.0):
    return x * by


@saving.register_keras_serializable("test_lambda")
def first_two(shape):
    return shape[:2]


def unknown_to_files(x):
    return x + 1


def test_it_is_differentiated():
    layer = layers.Lambda(lambda x: ops.sum(x * x, axis=1), dtype="float64")
    y, back = layer.differentiate([X], None, False, None)
    np.testing.assert_allclose(y, (X * X).sum(1))
    np.testing.assert_allclose(back(np.ones_like(y))[0][0], 2 * X)


def test_shapes_are_found_or_given():
    inputs = gw.Input((None, 4))
    assert layers.Lambda(lambda x: x[:, -1])(inputs).shape == (None, 4)
    assert layers.Lambda(lambda x: x[:, 0], output_shape=(4,))(inputs).shape == (None, 4)
    assert layers.Lambda(lambda x: x[..., 0], output_shape=first_two)(inputs).shape == (None, None)
    assert layers.Lambda(lambda x: x[:, 0], output_shape=(4,)).compute_output_shape((5, 3, 4)) == (5, 4)


def test_several_inputs_and_arguments():
    layer = layers.Lambda(lambda xs, power: xs[0] * xs[1] ** power, arguments={"power": 2}, dtype="float64")
    np.testing.assert_allclose(layer([X, X]), X**3)
    inputs = [gw.Input((3, 4)), gw.Input((3, 4))]
    model = gw.Model(inputs, layer(inputs))
    np.testing.assert_allclose(model.predict([X, X], verbose=0), X**3, rtol=1e-5)


def test_the_function_is_given_mask_and_mode_where_it_takes_them():
    seen = []

    def look(x, mask=None, training=None):
        seen.append((mask, training))
        return x * 1

    layers.Lambda(look, mask=STEPS)(X, mask=STEPS, training=True)
    np.testing.assert_array_equal(seen[0][0], STEPS)
    assert seen[0][1] is True
    layers.Lambda(lambda x: x * 1)(X, training=True)


def test_masks():
    x = layers.Masking()(np.where(STEPS[..., None], X, 0))
    with pytest.warns(UserWarning, match="does not support masking"):
        assert masks.mask_of(layers.Lambda(scaled)(x)) is None
    passed = layers.Lambda(scaled, mask=lambda inputs, mask: mask)(x)
    np.testing.assert_array_equal(masks.mask_of(passed), STEPS)
    np.testing.assert_array_equal(masks.mask_of(layers.Lambda(scaled, mask=~STEPS)(X)), ~STEPS)


def test_a_file_holds_the_name_of_the_function(tmp_path):
    model = gw.Sequential([gw.Input((3, 4)), layers.Lambda(scaled, arguments={"by": 3.0}), layers.LSTM(2)])
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    config = model.layers[0].get_config()
    assert config["function"]["config"] == "test_lambda>scaled" and config["arguments"] == {"by": 3.0}
    assert "mask" not in config and "output_shape" not in config


def test_shape_and_mask_go_through_the_configuration():
    layer = layers.Lambda(scaled, output_shape=first_two, mask=STEPS)
    again = layers.Lambda.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config() and again._output_shape is first_two
    np.testing.assert_array_equal(again.mask, STEPS)
    given = layers.Lambda(scaled, output_shape=(3, None))
    assert layers.Lambda.from_config(json.loads(json.dumps(given.get_config())))._output_shape == (3, None)


def test_a_function_that_is_not_registered_is_asked_for(tmp_path):
    model = gw.Sequential([gw.Input((3,)), layers.Lambda(unknown_to_files)])
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="unknown function 'unknown_to_files'.*custom_objects"):
        models.load_model(tmp_path / "model.keras")
    given = {"unknown_to_files": unknown_to_files}
    again = models.load_model(tmp_path / "model.keras", custom_objects=given)
    assert again.predict(np.ones((1, 3)), verbose=0).tolist() == [[2.0, 2.0, 2.0]]


def test_configurations_of_keras_2():
    old = {
        "name": "it", "trainable": True, "dtype": "float32", "function": "test_lambda>scaled",
        "function_type": "function", "module": "__main__", "output_shape": None, "output_shape_type": "raw",
        "output_shape_module": None, "arguments": {"by": 5.0},
    }  # fmt: skip
    layer = layers.Lambda.from_config(old)
    assert layer(np.ones((1, 1))).item() == 5


@pytest.mark.parametrize("function_type", ["lambda", None])
def test_code_is_never_run_from_a_configuration(function_type):
    code = ["4wEAAAAAAAAAAQAAAAMAAABT", None, None]
    function = code if function_type else {"class_name": "__lambda__", "config": {"code": code[0]}}
    with pytest.raises(ValueError, match="code, which is never run"):
        layers.Lambda.from_config({"name": "it", "function": function, "function_type": function_type})


def test_a_lambda_is_not_saved():
    with pytest.raises(ValueError, match=r"'it' \(Lambda\): A lambda cannot be saved.*register_keras_serializable"):
        gw.Sequential([gw.Input((3,)), layers.Lambda(lambda x: x, name="it")]).to_json()


@pytest.mark.parametrize("function", [3, None, "tanh"])
def test_what_is_no_function_is_refused(function):
    with pytest.raises(TypeError, match=r"Lambda wraps a function; got .*Write Lambda\(lambda x"):
        layers.Lambda(function)


def test_functions_written_in_c():
    np.testing.assert_allclose(layers.Lambda(np.tanh, dtype="float64")(X), np.tanh(X))

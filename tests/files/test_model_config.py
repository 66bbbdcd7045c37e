"""Models to JSON and back: equal to Keras's, and the same model again."""

import json
import zipfile

import numpy as np
import pytest

import gatewise as gw
from files.zoo import CUSTOM, SERIES, ZOO, same
from gatewise import layers, model_config
from gatewise.models import clone_model, model_from_json
from golden import load

GOLDEN = [(case, folder) for case, folder in load.saved_models() if (folder / "model.keras").exists()]
LAYER = {"module": "keras.layers", "registered_name": None}


def without_noise(item):
    """Keras's JSON without what says nothing: identities of objects, masks and modes that were not given."""
    if isinstance(item, dict):
        noise = {"shared_object_id"}
        noise |= {key for key in ("mask", "training") if key in item and not item[key]}
        return {key: without_noise(value) for key, value in item.items() if key not in noise}
    return [without_noise(value) for value in item] if isinstance(item, list) else item


@pytest.mark.parametrize("case, folder", GOLDEN, ids=lambda value: getattr(value, "name", ""))
def test_json_equals_keras(case, folder):
    with zipfile.ZipFile(folder / "model.keras") as archive:
        written = without_noise(json.loads(archive.read("config.json")))
    again = json.loads(model_from_json(json.dumps(written)).to_json())
    assert without_noise(again) == written


@pytest.mark.parametrize("name", ZOO)
def test_the_same_model_again(name):
    make, inputs = ZOO[name]
    model = make()
    again = model_from_json(model.to_json(), CUSTOM)
    assert type(again).__name__ == type(model).__name__
    assert json.loads(again.to_json()) == json.loads(model.to_json())
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in model.layers]
    if not name.startswith("own"):  # a user's constructor names its layers anew
        assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    again.set_weights(model.get_weights())
    assert same(again.predict(inputs, verbose=0), model.predict(inputs, verbose=0))


@pytest.mark.parametrize("name", ["sequential", "encoder_decoder", "model_used_twice"])
def test_from_config_and_clone(name):
    make, inputs = ZOO[name]
    model = make()
    for again in (type(model).from_config(model.get_config()), clone_model(model)):
        again.set_weights(model.get_weights())
        assert same(again.predict(inputs, verbose=0), model.predict(inputs, verbose=0))


def test_a_constant_among_the_inputs():
    class Sum(gw.Layer):
        def call(self, inputs):
            return inputs[0] + inputs[1]

    x = gw.Input((3,), batch_size=2)
    model = gw.Model(x, Sum()([x, np.ones((2, 3), np.float32)]))
    node = json.loads(model.to_json())["config"]["layers"][1]["inbound_nodes"][0]
    assert node["args"][0][1]["config"] == {"value": [[1.0] * 3] * 2, "dtype": "float32"}
    again = model_from_json(model.to_json(), {"Sum": Sum})
    np.testing.assert_array_equal(again.predict(np.ones((2, 3)), verbose=0), np.full((2, 3), 2.0))


def test_uses_are_numbered_within_the_model():
    dense = layers.Dense(3)
    dense(gw.Input((3,)))  # a use that is no part of the model
    x = gw.Input((3,), name="x")
    written = json.loads(gw.Model(x, dense(x)).to_json())["config"]
    assert written["output_layers"] == [dense.name, 0, 0]
    assert written["input_layers"] == ["x", 0, 0]


def test_keras_counts_the_making_of_a_functional_as_its_first_use():
    a, x = gw.Input((3,)), gw.Input((3,))
    inner = gw.Model(a, layers.Dense(2)(a), name="inner")
    assert gw.Model(x, inner(x)).get_config()["output_layers"] == ["inner", 1, 0]


# ---- Keras 2 --------------------------------------------------------------------------------------------


def keras2(class_name, **config):
    return {
        "class_name": class_name,
        "config": {"trainable": True, "dtype": "float32", **config},
        "name": config["name"],
    }


def test_keras2_functional_with_states_and_keywords():
    source = keras2("InputLayer", name="source", batch_input_shape=[None, 5, 3], sparse=False)
    target = keras2("InputLayer", name="target", batch_input_shape=[None, 5, 3], sparse=False)
    encoder = keras2("LSTM", name="encoder", units=4, return_state=True, implementation=1)
    decoder = keras2("LSTM", name="decoder", units=4, return_sequences=True, recurrent_activation="hard_sigmoid")
    head = keras2("TimeDistributed", name="head", layer=keras2("Dense", name="dense", units=1))
    uses = [
        [],
        [],
        [[["source", 0, 0, {}]]],
        [[["target", 0, 0, {}], ["encoder", 0, 1, {}], ["encoder", 0, 2, {}]]],
        [[["decoder", 0, 0, {}]]],
    ]
    written = [
        {**data, "inbound_nodes": use} for data, use in zip([source, target, encoder, decoder, head], uses, strict=True)
    ]
    ends = {"input_layers": [["source", 0, 0], ["target", 0, 0]], "output_layers": [["head", 0, 0]]}
    config = {"class_name": "Model", "config": {"name": "old", "layers": written, **ends}, "keras_version": "2.2.4"}
    model = model_from_json(json.dumps(config))
    assert model.predict([SERIES, SERIES], verbose=0)[0].shape == (4, 5, 1)
    assert model.get_layer("decoder").get_config()["recurrent_activation"] == "hard_sigmoid_keras2"
    assert model.count_params() == 2 * 4 * ((3 + 4) * 4 + 4) + 5


def test_keras2_counts_the_making_of_a_model_as_its_first_use():
    first = {**keras2("Dense", name="dense", units=3), "name": None}
    first["config"]["batch_input_shape"] = [None, 3]
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": [first]}, "name": "inner"}
    x = keras2("InputLayer", name="x", batch_input_shape=[None, 3])
    layers_ = [{**x, "inbound_nodes": []}, {**inner, "inbound_nodes": [[["x", 0, 0, {}]], [["inner", 1, 0, {}]]]}]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["inner", 2, 0]]}
    model = model_config.model_from_config(
        {"class_name": "Model", "config": {"name": "outer", "layers": layers_, **ends}}
    )
    kernel, bias = model.get_weights()
    once = np.ones((1, 3), np.float32) @ kernel + bias
    result = model.predict(np.ones((1, 3)), verbose=0)
    np.testing.assert_allclose(result[0] if isinstance(result, list) else result, once @ kernel + bias, rtol=1e-5)


def test_keras1_sequential_is_a_bare_list():
    dense = keras2("Dense", name="dense", units=2, batch_input_shape=[None, 3])
    assert gw.Sequential.from_config([dense]).count_params() == 8


# ---- what is refused ------------------------------------------------------------------------------------


def sequential_of(*written):
    return json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": list(written)}})


@pytest.mark.parametrize(
    "layer, named",
    [
        ({"class_name": "Lambda", "config": {"name": "mine", "function": ["4wEAAA==", None, None]}, **LAYER}, "mine"),
        (
            {"class_name": "Dense", "config": {"units": 1, "activation": {"class_name": "__lambda__"}}, **LAYER},
            "lambda",
        ),
    ],
)
def test_code_is_refused(layer, named):
    with pytest.raises(ValueError, match="code, which is never run from a file") as caught:
        model_from_json(sequential_of(layer))
    assert named in str(caught.value)


def test_a_lambda_layer_may_be_named_by_the_user():
    class Twice(gw.Layer):
        def __init__(self, function=None, **kwargs):
            super().__init__(**kwargs)

        def call(self, inputs):
            return inputs * 2

    data = {"class_name": "Lambda", "config": {"name": "mine", "function": "code"}, **LAYER}
    model = model_from_json(sequential_of(data), {"Lambda": Twice})
    np.testing.assert_array_equal(model(np.ones((1, 2))), np.full((1, 2), 2.0))


@pytest.mark.parametrize("module", ["os", "builtins", "subprocess", None])
def test_nothing_is_imported_by_name(module):
    data = {"module": module, "class_name": "system", "config": {"command": "true"}, "registered_name": None}
    with pytest.raises(ValueError, match=r"unknown layer 'system'.*pass custom_objects=\{'system': \.\.\.\}"):
        model_from_json(sequential_of(data))


def test_unknown_layer_of_keras_names_the_nearest():
    with pytest.raises(ValueError, match="unknown layer 'Danse'. Did you mean 'Dense'"):
        model_from_json(sequential_of({"class_name": "Danse", "config": {}, **LAYER}))


@pytest.mark.parametrize("text", ["", "not json", "[" * 100_000, "[1]", '{"class_name": 3}'])
def test_text_that_is_no_model(text):
    with pytest.raises(ValueError, match="JSON|class_name|unknown"):
        model_from_json(text)


def test_a_layer_is_no_model():
    with pytest.raises(ValueError, match="not a model"):
        model_from_json(json.dumps({"class_name": "Dense", "config": {"units": 1}, **LAYER}))


@pytest.mark.parametrize("part", ["output_layers", "inbound_nodes"])
def test_references_to_nothing(part):
    x = gw.Input((3,), name="x")
    config = json.loads(gw.Model(x, layers.Dense(1, name="d")(x)).to_json())
    if part == "output_layers":
        config["config"][part] = ["d", 3, 0]
    else:
        tensor = config["config"]["layers"][1]["inbound_nodes"][0]["args"][0]["config"]
        tensor["keras_history"] = ["nobody", 0, 0]
    with pytest.raises(ValueError, match=r"no tensor \['d', 3, 0\]|layer 'd' needs a tensor"):
        model_from_json(json.dumps(config))


def test_an_old_model_without_an_input_means_the_old_hard_sigmoid():
    layers_ = [
        {"class_name": "LSTM", "config": {"units": 2, "recurrent_activation": "hard_sigmoid"}},
        {"class_name": "Activation", "config": {"activation": "hard_sigmoid"}},
    ]
    model = gw.Sequential.from_config({"name": "old", "layers": layers_})
    assert model.layers[0].get_config()["recurrent_activation"] == "hard_sigmoid_keras2"
    assert model.layers[1].get_config()["activation"] == "hard_sigmoid_keras2"
    again = gw.Sequential.from_config(
        gw.Sequential([gw.layers.LSTM(2, recurrent_activation="hard_sigmoid")]).get_config()
    )
    assert again.layers[0].get_config()["recurrent_activation"] == "hard_sigmoid"

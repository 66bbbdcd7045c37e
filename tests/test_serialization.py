"""Configurations: Keras 3's form, the older forms, the user's objects, and no code from data."""

import json

import numpy as np
import pytest

from gatewise import activations, initializers, serialization, suggest
from golden import load


@pytest.fixture(autouse=True)
def clean_registry():
    before = dict(serialization.get_custom_objects())
    yield
    serialization.get_custom_objects().clear()
    serialization.get_custom_objects().update(before)


class Scaled:
    def __init__(self, factor=1.0):
        self.factor = factor

    def __call__(self, shape, dtype=None):
        return np.full(shape, self.factor, dtype)

    def get_config(self):
        return {"factor": self.factor}


@pytest.mark.parametrize(
    "value",
    [None, 1, 2.5, "text", True, [1, [2, "x"]], {"a": {"b": 1}}, slice(1, None, 2), b"bytes", Ellipsis],
)
def test_plain_values_come_back(value):
    form = serialization.serialize_object(value)
    json.dumps(form)
    assert serialization.deserialize_object(form) == value


def test_arrays_come_back():
    value = np.arange(6, dtype="int32").reshape(2, 3)
    again = serialization.deserialize_object(serialization.serialize_object(value))
    np.testing.assert_array_equal(again, value)
    assert again.dtype == value.dtype
    assert serialization.serialize_object(np.float32(0.5)) == 0.5


def test_users_object_by_registration():
    serialization.register_keras_serializable("mine")(Scaled)
    config = serialization.serialize_object(Scaled(3.0))
    assert config == {
        "module": Scaled.__module__,
        "class_name": "Scaled",
        "config": {"factor": 3.0},
        "registered_name": "mine>Scaled",
    }
    assert initializers.get(config).factor == 3.0
    assert initializers.get("mine>Scaled").factor == 1.0


def test_users_object_by_scope_and_argument():
    config = {"class_name": "Scaled", "config": {"factor": 2.0}}
    with pytest.raises(ValueError, match="unknown initializer 'Scaled'"):
        initializers.deserialize(config)
    assert initializers.deserialize(config, {"Scaled": Scaled}).factor == 2.0
    with serialization.custom_object_scope({"Scaled": Scaled}):
        assert initializers.get(config).factor == 2.0
    serialization.get_custom_objects()["Scaled"] = Scaled
    assert initializers.get(config).factor == 2.0


def test_users_function():
    @serialization.register_keras_serializable("mine")
    def twice(x):
        return 2 * x

    config = activations.serialize(twice)
    assert config["config"] == "mine>twice"
    assert activations.get(config) is twice
    assert activations.get("mine>twice") is twice


def test_nothing_is_imported_or_run_from_data():
    attack = {"module": "os", "class_name": "system", "config": {"command": "true"}, "registered_name": None}
    with pytest.raises(ValueError, match=r"from 'os'\), pass custom_objects"):
        serialization.deserialize_object(attack)
    code = {"class_name": "__lambda__", "config": {"value": {"code": "4wEAAA=="}}}
    with pytest.raises(ValueError, match="code, which is never run from a file"):
        serialization.deserialize_object(code)
    assert serialization.deserialize_object(code, custom_objects={"<lambda>": abs}) is abs
    with pytest.raises(ValueError, match="lambda cannot be saved"):
        serialization.serialize_object(lambda x: x)
    with pytest.raises(TypeError, match="no get_config"):
        serialization.serialize_object(object())


def test_a_class_to_register_needs_get_config():
    with pytest.raises(ValueError, match="get_config"):
        serialization.register_keras_serializable()(type("Bare", (), {}))


def initializer_configs():
    """Every initializer configuration inside the golden models' configurations."""
    found = {}
    for _, folder in load.saved_models():
        stack = [json.loads((folder / "config.json").read_text())]
        while stack:
            node = stack.pop()
            if isinstance(node, dict):
                if node.get("module") == "keras.initializers":
                    found[json.dumps(node, sort_keys=True)] = node
                stack.extend(node.values())
            elif isinstance(node, list):
                stack.extend(node)
    return list(found.values())


@pytest.mark.parametrize("config", initializer_configs(), ids=lambda config: config["class_name"])
def test_configurations_in_keras_files(config):
    assert initializers.serialize(initializers.deserialize(config)) == config


def test_nearest_names():
    assert suggest.nearest("RELU6", ["relu", "relu6"]) == "relu6"
    assert suggest.nearest("zzz", ["relu"]) is None
    assert suggest.unknown("object", "f", []) == "unknown object 'f'."
    assert suggest.unknown("loss", "mes", ["mse", "mae"]) == "unknown loss 'mes'. Did you mean 'mse'? Known: mae, mse."

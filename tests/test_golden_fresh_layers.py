"""Fresh layers against Keras: their configurations, the weights they begin with, and what they refuse."""

import json

import numpy as np
import pytest

import gatewise as gw
from gatewise import config, layers, tree
from golden import build, load


def has_model(spec):
    """True for specs with models: those that nobody gave an Input are described otherwise here."""
    if isinstance(spec, list):
        return any(map(has_model, spec))
    return isinstance(spec, dict) and (spec.get("module") == "models" or any(map(has_model, spec.values())))


def names_depend_on_order(spec):
    """True where two layers of a kind are arguments: the one that a spec's reader makes first is named first."""
    return "backward_layer" in spec["kwargs"]


GROUPS = [group for group in load.groups("layers") if group not in ("initial_weights", "errors")]
CONFIGS = [
    case
    for group in [*GROUPS, "initial_weights"]
    for case in load.cases("layers", group)
    if "config" in case and build.is_supported(case["spec"])
    if not has_model(case["spec"]) and not names_depend_on_order(case["spec"])
]
FRESH = [case for case in load.cases("layers", "initial_weights") if build.is_supported(case["spec"])]
ERRORS = [case for case in load.cases("layers", "errors") if build.is_supported(case["spec"])]


def by_id(case):
    return case["id"]


def described(value):
    """A configuration as JSON, without the shapes that layers were built for, at any depth."""
    if isinstance(value, dict):
        return {k: described(v) for k, v in value.items() if k not in ("build_config", "build_input_shape")}
    return [described(item) for item in value] if isinstance(value, list | tuple) else json.loads(json.dumps(value))


def called(case):
    """The layer of a case, called once as the case says."""
    config.reset_names()
    layer = build.build(case["spec"])
    if "calls" in case:
        call = case["calls"][0]
        layer(*build.filled(call["args"], case, "float32"), **build.filled(call.get("kwargs", {}), case, "float32"))
    else:
        symbolic_output(layer, case)
    return layer


def symbolic_output(layer, case):
    x = gw.Input(batch_shape=case["input_shape"])
    return layer(x, x) if case["spec"]["class"] == "MultiHeadAttention" else layer(x)


@pytest.mark.parametrize("case", CONFIGS, ids=by_id)
def test_configurations(case):
    assert described(layers.serialize(called(case))) == described(case["config"])


@pytest.mark.parametrize("case", FRESH, ids=by_id)
def test_initial_weights(case):
    config.reset_names()
    layer = build.build(case["spec"])
    shapes = [list(y.shape) for y in tree.leaves(symbolic_output(layer, case))]
    assert case["output_shape"] is None or shapes in (case["output_shape"], [case["output_shape"]])
    assert layer.count_params() == case["count_params"]
    for variable, expected in zip(layer.weights, case["weights"], strict=True):
        assert list(variable.shape) == expected["shape"] and variable.trainable == expected["trainable"]
        assert variable.path == expected["path"]
        if expected["fixed"]:
            np.testing.assert_allclose(variable.numpy(), case["arrays"][expected["key"]], rtol=1e-6)


@pytest.mark.parametrize("case", ERRORS, ids=by_id)
def test_what_keras_refuses_is_refused(case):
    with pytest.raises((ValueError, TypeError)) as caught:
        layer = build.build(case["spec"])
        shape = case["input_shape"]
        layer(np.zeros(shape, "float32"))
    assert str(caught.value)

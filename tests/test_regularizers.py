"""Regularizers: values by formula, gradients by central differences, configurations as Keras writes them."""

import numpy as np
import pytest

from gatewise import regularizers
from golden import load

W = np.random.default_rng(0).normal(size=(4, 3))
ALL = [
    regularizers.L1(0.3),
    regularizers.L2(0.2),
    regularizers.L1L2(0.1, 0.2),
    regularizers.OrthogonalRegularizer(0.5),
    regularizers.OrthogonalRegularizer(0.5, mode="columns"),
    lambda w: 0.7 * (w * w * w).sum(),
]


@pytest.mark.parametrize("regularizer", ALL)
def test_pullback_is_the_derivative(regularizer):
    value, pullback = regularizers.forward_of(regularizer)(W)
    assert value == pytest.approx(regularizer(W), rel=1e-15)
    gradient = pullback()
    step = 1e-6
    for index in np.ndindex(*W.shape):
        up, down = W.copy(), W.copy()
        up[index] += step
        down[index] -= step
        assert gradient[index] == pytest.approx((regularizer(up) - regularizer(down)) / (2 * step), rel=1e-7)
    np.testing.assert_allclose(pullback(2.0), 2 * gradient)


@pytest.mark.parametrize("regularizer", ALL)
def test_float32_stays(regularizer):
    value, pullback = regularizers.forward_of(regularizer)(W.astype("float32"))
    assert np.asarray(value).dtype == np.float32
    assert pullback().dtype == np.float32


def test_values():
    assert regularizers.L1L2(0.1, 0.2)(W) == pytest.approx(0.1 * np.abs(W).sum() + 0.2 * (W**2).sum(), rel=1e-14)
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    cosines = [abs(unit[i] @ unit[j]) for i in range(4) for j in range(i)]
    assert regularizers.OrthogonalRegularizer(0.5)(W) == pytest.approx(0.5 * np.mean(cosines), rel=1e-12)
    assert regularizers.OrthogonalRegularizer()(W[:1]) == 0


def test_users_subclass_overrides_a_built_in_one():
    class Twice(regularizers.L2):
        def __call__(self, x):
            return 2 * super().__call__(x)

    value, pullback = regularizers.forward_of(Twice(0.1))(W)
    assert value == pytest.approx(0.2 * (W**2).sum())
    np.testing.assert_allclose(pullback(), 0.4 * W)


def regularizer_specs():
    seen = {}
    for group in ("regularizers_constraints",):
        for case in load.cases("training", group):
            stack = [case["spec"]]
            while stack:
                node = stack.pop()
                if isinstance(node, dict):
                    if node.get("module") == "regularizers":
                        seen[str(node)] = node
                    stack.extend(node.values())
                elif isinstance(node, list):
                    stack.extend(node)
    return list(seen.values())


@pytest.mark.parametrize("spec", regularizer_specs(), ids=str)
def test_every_regularizer_of_the_golden_models_exists(spec):
    regularizer = getattr(regularizers, spec["class"])(**spec["kwargs"])
    again = regularizers.deserialize(regularizers.serialize(regularizer))
    assert again(W) == pytest.approx(regularizer(W), rel=1e-6)


def test_configurations():
    assert regularizers.serialize(regularizers.L2(0.25)) == {
        "module": "keras.regularizers",
        "class_name": "L2",
        "config": {"l2": 0.25},
        "registered_name": None,
    }
    old = {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}}
    assert regularizers.get(old).l2 == 0.01
    assert regularizers.get(None) is None
    assert regularizers.get("l2").l2 == 0.01
    assert (regularizers.get("l1_l2").l1, regularizers.get("l1_l2").l2) == (0.01, 0.01)
    assert regularizers.L1().get_config() == {"l1": 0.009999999776482582}  # a float32, as in Keras


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: regularizers.L2(-1), "L2: l2 must be a number, 0 or greater; got -1"),
        (lambda: regularizers.L1("a"), "L1: l1 must be"),
        (lambda: regularizers.get("l3"), "unknown regularizer 'l3'"),
        (lambda: regularizers.OrthogonalRegularizer(mode="diagonal"), "'rows' or 'columns'"),
        (lambda: regularizers.OrthogonalRegularizer()(np.ones(3)), r"shape \(3,\)"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_every_name_of_keras():
    names = ["L1", "L1L2", "L2", "OrthogonalRegularizer", "l1", "l1_l2", "l2", "orthogonal_regularizer"]
    for name in names:
        assert hasattr(regularizers, name) and callable(regularizers.get(name))
    assert regularizers.get("l1l2")(np.ones(2)) == 0  # Keras 1

"""Losses against Keras's values and gradients; users' losses; masks, weights, targets and messages."""

import numpy as np
import pytest

from gatewise import autodiff, serialization
from gatewise.training import losses
from golden import load

CASES = [c for c in load.cases("losses_metrics", "losses") if hasattr(losses, c["loss"]["class"])]
FUNCTION_CASES = list(load.cases("losses_metrics", "loss_functions"))


def typed(array, dtype):
    return array.astype(dtype) if array.dtype.kind == "f" else array


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}-{case['loss']['class']}")
def test_equals_keras(case, dtype):
    loss = getattr(losses, case["loss"]["class"])(**case["loss"]["kwargs"])
    a = {name: typed(array, dtype) for name, array in case["arrays"].items() if not name.startswith(("value", "grad"))}
    value, pullback = loss.forward(a["y_true"], a["y_pred"], a.get("sample_weight"), a.get("mask"))
    load.assert_close(np.asarray(value, dtype), case, "value")
    gradient = pullback(1.0)
    assert gradient.dtype == dtype
    assert gradient.shape == a["y_pred"].shape
    if "grad" in case["arrays"]:  # Keras gave none for CTC: see test_ctc.py
        load.assert_close(gradient, case, "grad")


@pytest.mark.parametrize("case", [c for c in CASES if "config" in c], ids=lambda case: case["id"])
def test_config_equals_keras(case):
    loss = getattr(losses, case["loss"]["class"])(**case["loss"]["kwargs"])
    config = losses.serialize(loss)
    shared = {key: value for key, value in config["config"].items() if key in case["config"]["config"]}
    assert {**config, "config": shared} == case["config"]
    again = losses.deserialize(config)
    a = case["arrays"]
    np.testing.assert_array_equal(again(a["y_true"], a["y_pred"]), loss(a["y_true"], a["y_pred"]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", FUNCTION_CASES, ids=lambda case: f"{case['id']}-{case['function']}")
def test_function_equals_keras(case, dtype):
    fn = getattr(losses, case["function"])
    y_true, y_pred = (typed(case["arrays"][name], dtype) for name in ("y_true", "y_pred"))
    value = fn(y_true, y_pred, **case["kwargs"])
    assert value.dtype == dtype
    load.assert_close(value, case, "value")
    load.assert_close(fn.forward(y_true, y_pred, **case["kwargs"])[1](np.ones_like(value)), case, "grad")


def test_users_function_is_differentiated():
    def cubed(y_true, y_pred):
        return ((y_pred - y_true) ** 3).sum(axis=-1)

    y_true, y_pred = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    loss = losses.as_loss(cubed)
    assert loss.name == "cubed"
    value, pullback = loss.forward(y_true, y_pred)
    assert value == pytest.approx(np.mean(np.sum((y_pred - y_true) ** 3, -1)), rel=1e-6)
    assert pullback().dtype == np.float32
    np.testing.assert_allclose(pullback(2.0), 6 * (y_pred - y_true) ** 2 / 4, rtol=1e-5)


def test_users_function_may_return_a_scalar_and_call_built_in_losses():
    def mixed(y_true, y_pred):
        return losses.mean_squared_error(y_true, y_pred).mean() + losses.MeanAbsoluteError()(y_true, y_pred)

    y_true, y_pred = np.random.default_rng(0).normal(size=(2, 4, 3))
    value, pullback = losses.as_loss(mixed).forward(y_true, y_pred)
    d = y_pred - y_true
    assert value == pytest.approx(np.mean(d * d) + np.mean(np.abs(d)))
    np.testing.assert_allclose(pullback(), (2 * d + np.sign(d)) / 12)


def test_users_subclass_with_mask_and_weights():
    class Mine(losses.Loss):
        def call(self, y_true, y_pred):
            return ((y_true - y_pred) ** 2).mean(axis=-1)

    class Overridden(losses.MeanAbsoluteError):
        def call(self, y_true, y_pred):
            return ((y_true - y_pred) ** 2).mean(axis=-1)

    rng = np.random.default_rng(1)
    y_true, y_pred = rng.normal(size=(2, 4, 5, 3))
    options = {"sample_weight": rng.random((4, 5)), "mask": rng.random((4, 5)) > 0.4}
    expected, expected_back = losses.MeanSquaredError().forward(y_true, y_pred, **options)
    for loss in (Mine(), Overridden()):
        value, pullback = loss.forward(y_true, y_pred, **options)
        assert value == pytest.approx(expected, rel=1e-14)
        np.testing.assert_allclose(pullback(3.0), expected_back(3.0), rtol=1e-13)


def test_gradient_through_either_argument():
    a, b = np.random.default_rng(0).normal(size=(2, 4, 3))
    _, pullback = autodiff.vjp(lambda a, b: losses.mean_squared_error(a, b).sum(), a, b)
    da, db = pullback(1.0)
    np.testing.assert_allclose(da, -db)
    np.testing.assert_allclose(db, 2 * (b - a) / 3)
    with pytest.raises(TypeError, match="no gradient with respect to y_true"):
        autodiff.vjp(lambda a: losses.binary_crossentropy(a, b).sum(), a)


def test_masked_padding_with_nan_stays_out_of_nothing():
    y_true, y_pred = np.ones((2, 3, 1)), np.zeros((2, 3, 1))
    assert losses.MeanSquaredError()(y_true, y_pred, mask=np.zeros((2, 3), bool)) == 0


@pytest.mark.parametrize("name", ["mse", "MSE", "mean_squared_error", "MeanSquaredError"])
def test_names(name):
    y_true, y_pred = np.zeros((2, 3)), np.ones((2, 3))
    assert losses.as_loss(name)(y_true, y_pred) == 1.0


def test_get():
    assert losses.get(None) is None
    assert losses.get("bce") is losses.binary_crossentropy
    assert isinstance(losses.get(losses.Huber), losses.Huber)
    old = {"class_name": "MeanSquaredError", "config": {"reduction": "auto", "name": "mse"}}
    assert losses.get(old)(np.zeros(3), np.ones(3)) == 1.0

    @serialization.register_keras_serializable("test_losses")
    def my_loss(y_true, y_pred):
        return abs(y_true - y_pred)

    wrapper = losses.LossFunctionWrapper(my_loss)
    assert losses.deserialize(losses.serialize(wrapper)).fn is my_loss


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: losses.get("mean_sqared_error"), "Did you mean 'mean_squared_error'"),
        (lambda: losses.MeanSquaredError(reduction="avg"), "reduction must be one of"),
        (lambda: losses.MeanSquaredError(delta=1), "MeanSquaredError.*delta"),
        (lambda: losses.Loss()(np.ones(2), np.ones(2)), "give it a method call"),
        (lambda: losses.MeanSquaredError()(np.ones((3, 4, 1)), np.ones((3, 4, 1)), np.ones(3)), "does not fit"),
        (
            lambda: losses.MeanSquaredError()(np.ones((3, 4, 1)), np.ones((3, 4, 1)), np.ones(3), np.ones((3, 4))),
            "beside a mask",
        ),
        (lambda: losses.CategoricalCrossentropy()(np.ones((3, 1)), np.ones((3, 4))), "sparse_categorical"),
        (lambda: losses.SparseCategoricalCrossentropy()(np.array([0, 7]), np.ones((2, 5))), "Class 7 .* 5 outputs"),
        (lambda: losses.SparseCategoricalCrossentropy()(np.array([0, -1]), np.ones((2, 5))), "Class -1"),
        (lambda: losses.SparseCategoricalCrossentropy()(np.ones((2, 5)), np.ones((2, 5))), "one-hot"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        wrong()


@pytest.mark.parametrize(
    ("loss", "y_true", "output_shape", "message"),
    [
        ("categorical_crossentropy", np.zeros((6,), int), (None, 5), "utils.to_categorical"),
        ("categorical_crossentropy", np.zeros((6, 1), int), (None, 5), "Use sparse_categorical_crossentropy"),
        ("categorical_crossentropy", np.zeros((6, 4)), (None, 5), r"shape \(batch, 5\); y_true has \(6, 4\)"),
        ("sparse_categorical_crossentropy", np.eye(5), (None, 5), "Use categorical_crossentropy"),
        ("sparse_categorical_crossentropy", np.array([0, 7]), (None, 5), "class 7 .* 5 units"),
        ("sparse_categorical_crossentropy", np.array([0, -1]), (None, 5), "class -1"),
        ("sparse_categorical_crossentropy", np.array([0, 0.5]), (None, 5), "fractions"),
        ("mse", np.zeros((6, 4, 1)), (None, 1), "return_sequences=True"),
        ("mse", np.zeros((6, 1)), (None, 4, 1), "return_sequences=False"),
        ("mse", np.zeros((6, 2)), (None, 3), "units of the last layer"),
        ("binary_crossentropy", np.zeros(6), (None, 3), "sparse_categorical_crossentropy for classes"),
    ],
)
def test_check_targets(loss, y_true, output_shape, message):
    for form in (losses.get(loss), losses.as_loss(loss)):
        with pytest.raises(ValueError, match=message):
            losses.check_targets(form, y_true, output_shape, "dense")


@pytest.mark.parametrize(
    ("loss", "y_true", "output_shape"),
    [
        ("mse", np.zeros((6,)), (None, 1)),
        ("mse", np.zeros((6, 4, 1)), (None, None, 1)),
        ("mse", np.zeros((6, 4)), (None, 4, 1)),
        ("sparse_categorical_crossentropy", np.zeros((6, 1)), (None, 2)),
        ("sparse_categorical_crossentropy", np.zeros((6, 4)), (None, 4, 2)),
        ("categorical_crossentropy", np.eye(3), (None, 3)),
        (lambda t, p: p, np.zeros((6, 9)), (None, 3)),
    ],
)
def test_check_targets_accepts(loss, y_true, output_shape):
    losses.check_targets(losses.as_loss(loss), y_true, output_shape, "dense")

"""compile: every form of its arguments, what the numbers are called, and what is refused."""

import numpy as np
import pytest

from gatewise import losses, metrics, optimizers
from training_models import data, forecaster, random, two_headed

X, Y = data()
CLASSES = np.arange(7) % 3


def logs_of(model, x=X, y=Y, **settings):
    model.compile(optimizers.SGD(0.0), **settings)
    return model.evaluate(x, y, verbose=0, return_dict=True)


def squares(y_true, y_pred):
    return (y_true - y_pred) ** 2


MSE = np.mean((forecaster().predict(X) - Y) ** 2)


@pytest.mark.parametrize(
    "loss",
    ["mse", "mean_squared_error", "MeanSquaredError", losses.MeanSquaredError(), losses.mean_squared_error, ["mse"],
     squares, lambda t, p: np.mean((t - p) ** 2), {"class_name": "MeanSquaredError", "config": {}}],
)  # fmt: skip
def test_forms_of_a_loss(loss):
    assert logs_of(forecaster(), loss=loss) == {"loss": pytest.approx(MSE, rel=1e-6)}


def test_a_loss_by_output_name():
    model = forecaster()
    assert logs_of(model, loss={model.layers[-1].name: "mse"})["loss"] == pytest.approx(MSE, rel=1e-6)


@pytest.mark.parametrize("weights", [2.0, [2.0], 2])
def test_forms_of_loss_weights(weights):
    assert logs_of(forecaster(), loss="mse", loss_weights=weights)["loss"] == pytest.approx(2 * MSE, rel=1e-6)


@pytest.mark.parametrize(
    "optimizer", ["sgd", "SGD", optimizers.SGD(), optimizers.SGD, {"class_name": "SGD", "config": {}}]
)
def test_forms_of_an_optimizer(optimizer):
    model = forecaster()
    model.compile(optimizer, "mse")
    assert isinstance(model.optimizer, optimizers.SGD)


def test_names_of_metrics_are_those_written():
    logs = logs_of(forecaster(), loss="mse", metrics=["mae", metrics.MeanSquaredError(name="m2"), squares])
    assert list(logs) == ["loss", "mae", "m2", "squares"]
    assert logs["m2"] == logs["squares"] == pytest.approx(MSE, rel=1e-6)


def test_metrics_of_one_name_are_numbered():
    assert list(logs_of(forecaster(), loss="mse", metrics=["mae", "mae"], weighted_metrics=["mae"])) == [
        "loss", "mae", "mae_1", "weighted_mae",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "units, activation, y, expected",
    [
        (1, "sigmoid", (Y > 0), "binary"),
        (1, "sigmoid", (Y > 0)[:, 0], "binary"),
        (3, "softmax", CLASSES, "sparse"),
        (3, "softmax", CLASSES[:, None], "sparse"),
        (3, "softmax", np.eye(3)[CLASSES], "categorical"),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc", "Accuracy"])
def test_accuracy_suits_the_shapes(units, activation, y, expected, name):
    model = forecaster(units, activation)
    p = model.predict(X)
    right = {
        "binary": lambda: (p[:, 0] > 0.5) == y.reshape(7),
        "sparse": lambda: p.argmax(1) == y.reshape(7),
        "categorical": lambda: p.argmax(1) == y.argmax(1),
    }[expected]()
    logs = logs_of(model, y=y, loss="crossentropy", metrics=[name])
    assert logs[name] == pytest.approx(right.mean())


@pytest.mark.parametrize(
    "units, activation, y, name",
    [
        (1, "sigmoid", Y > 0, "binary_crossentropy"),
        (3, "softmax", CLASSES, "sparse_categorical_crossentropy"),
        (3, "softmax", np.eye(3)[CLASSES], "categorical_crossentropy"),
    ],
)
def test_crossentropy_suits_the_shapes(units, activation, y, name):
    assert logs_of(forecaster(units, activation), y=y, loss="ce") == logs_of(
        forecaster(units, activation), y=y, loss=name
    )


def test_accuracy_for_every_step_of_a_sequence():
    model, y = forecaster(3, "softmax", return_sequences=True), np.arange(35).reshape(7, 5) % 3
    expected = (model.predict(X).argmax(-1) == y).mean()
    for targets in (y, y[..., None]):
        logs = logs_of(model, y=targets, loss="sparse_categorical_crossentropy", metrics=["acc"])
        assert logs["acc"] == pytest.approx(expected)


LISTS = {"loss": ["mse", "sparse_categorical_crossentropy"], "loss_weights": [1.0, 0.5], "metrics": [["mae"], ["acc"]]}
DICTS = {
    "loss": {"b": "sparse_categorical_crossentropy", "a": "mse"},
    "loss_weights": {"a": 1.0, "b": 0.5},
    "metrics": {"b": "acc", "a": ["mae"]},
}


def test_several_outputs_in_lists_and_dictionaries():
    names = ["loss", "a_loss", "b_loss", "a_mae", "b_acc"]
    found = [
        logs_of(two_headed(), y=y, **settings)
        for settings in (LISTS, DICTS)
        for y in ([Y, CLASSES], (Y, CLASSES), {"b": CLASSES, "a": Y}, [Y.tolist(), CLASSES.tolist()])
    ]
    assert all(logs == found[0] for logs in found)
    assert list(found[0]) == names
    assert found[0]["loss"] == pytest.approx(found[0]["a_loss"] + 0.5 * found[0]["b_loss"])


@pytest.mark.parametrize("loss", [{"a": "mse"}, ["mse", None], {"a": "mse", "b": None}])
@pytest.mark.parametrize("y", [{"a": Y}, [Y], Y, [Y, None], {"a": Y, "b": CLASSES}])
def test_an_output_without_a_loss(loss, y):
    model = two_headed()
    before = [w.copy() for w in model.get_layer("b").get_weights()]
    model.compile(optimizers.SGD(0.1), loss=loss)
    history = model.fit(X, y, verbose=0).history
    assert list(history) == ["loss"]
    assert history["loss"][0] == pytest.approx(np.mean((two_headed().predict(X)[0] - Y) ** 2), rel=1e-5)
    assert all((w == v).all() for w, v in zip(before, model.get_layer("b").get_weights(), strict=True))


def test_sample_weights_by_output():
    model = two_headed()
    weights = np.arange(7.0)
    model.compile("sgd", **DICTS, weighted_metrics={"a": ["mae"]})
    both = model.evaluate(X, [Y, CLASSES], sample_weight={"a": weights, "b": None}, verbose=0, return_dict=True)
    error = np.abs(model.predict(X)[0] - Y)[:, 0]
    assert both["a_weighted_mae"] == pytest.approx((error * weights).sum() / weights.sum(), rel=1e-5)
    assert both["a_mae"] == pytest.approx(error.mean(), rel=1e-5)
    one = model.evaluate(X, [Y, CLASSES], sample_weight=weights, verbose=0, return_dict=True)
    assert one["a_loss"] == both["a_loss"] and one["b_loss"] != both["b_loss"]


def test_before_data_nothing_is_known_but_the_loss():
    model = forecaster()
    assert model.metrics == [] and model.metrics_names == [] and not model.compiled
    model.compile("adam", "mse", metrics=["mae"])
    assert model.metrics_names == ["loss"] and model.compiled
    model.evaluate(X, Y, verbose=0)
    assert model.metrics_names == ["loss", "mae"]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"loss": "mze"}, "'mse'"),
        ({"loss": "mse", "metrics": ["acuracy"]}, "accuracy"),
        ({"loss": "mse", "weighted_metrics": ["maee"]}, "'mae'"),
        ({"optimizer": "adm", "loss": "mse"}, "'adam'"),
        ({"optimizer": None, "loss": "mse"}, "'adam'"),
        ({"loss": "mse", "metrics": "mae"}, "a list"),
        ({"loss": "mse", "metrics": [None]}, "None"),
        ({"loss": ["mse", "mae"]}, "one output"),
        ({"loss": {"densee": "mse"}}, "densee"),
        ({"loss": "mse", "loss_weights": "half"}, "numbers"),
    ],
)  # fmt: skip
def test_what_is_refused(settings, message):
    model = forecaster()
    with pytest.raises(ValueError, match=message):
        model.compile(**settings)
    assert not model.compiled


def test_a_refused_compile_changes_nothing():
    model = forecaster()
    model.compile("sgd", "mse")
    optimizer = model.optimizer
    with pytest.raises(ValueError):
        model.compile("adam", "no such loss")
    assert model.optimizer is optimizer and model.evaluate(X, Y, verbose=0) == pytest.approx(MSE, rel=1e-6)


def test_lists_for_several_outputs_have_their_length():
    with pytest.raises(ValueError, match="2 outputs"):
        two_headed().compile("sgd", loss="mse", metrics=["mae"])


def test_an_unknown_argument_is_a_type_error():
    with pytest.raises(TypeError, match="losss"):
        forecaster().compile("sgd", losss="mse")


def test_a_loss_that_is_not_one_number():
    model = forecaster()
    model.compile("sgd", losses.MeanSquaredError(reduction="none"))
    with pytest.raises(ValueError, match="sum_over_batch_size"):
        model.fit(X, Y, verbose=0)


def test_batch_size_does_not_change_the_mean_of_a_metric():
    logs = logs_of(forecaster(), x=random(10, 5, 3), y=random(10, 1), loss="mse", metrics=["mse"])
    assert logs["loss"] == pytest.approx(logs["mse"], rel=1e-6)

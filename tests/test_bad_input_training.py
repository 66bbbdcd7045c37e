"""Bad input to training: each mistake has a message that says what came, what was expected and what to write."""

import warnings

import numpy as np
import pytest

import gatewise
from gatewise import optimizers
from gatewise.layers import LSTM, Dense
from training_models import data, forecaster, random, two_headed

X, Y = data()
CLASSES = np.arange(7) % 3


def compiled(model=None, loss="mse", **settings):
    model = model or forecaster()
    model.compile(optimizers.SGD(0.1), loss, **settings)
    return model


def classifier(loss="sparse_categorical_crossentropy"):
    return compiled(forecaster(3, "softmax"), loss)


def refused(call, *parts, error=ValueError):
    """The call raises the error with every part in its message, and prints no warning on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error) as caught:
            call()
    for part in parts:
        assert part in str(caught.value), f"{part!r} is not in: {caught.value}"


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch", "value_and_grad"])
def test_a_model_that_is_not_compiled(method):
    model = forecaster()
    refused(lambda: getattr(model, method)(X, Y), model.name, f"before {method}()", "model.compile(")


METHODS = ("fit", "evaluate", "train_on_batch", "test_on_batch")


@pytest.mark.parametrize("method", METHODS)
class TestTargets:
    def test_more_numbers_than_the_output_has(self, method):
        refused(lambda: getattr(compiled(), method)(X, random(7, 2)), "'dense", "(batch, 1)", "(7, 2)")

    def test_a_target_for_every_step_where_there_is_one_for_all(self, method):
        refused(lambda: getattr(compiled(), method)(X, random(7, 5, 1)), "(7, 5, 1)", "return_sequences=True")

    def test_one_target_where_there_is_one_for_every_step(self, method):
        model = compiled(forecaster(2, return_sequences=True))
        refused(lambda: getattr(model, method)(X, random(7, 2)), "(7, 2)", "return_sequences=False")

    def test_a_class_out_of_range(self, method):
        y = CLASSES.copy()
        y[3] = 3
        refused(lambda: getattr(classifier(), method)(X, y), "class 3", "0 to 2", "units=4")

    def test_a_negative_class(self, method):
        refused(lambda: getattr(classifier(), method)(X, CLASSES - 1), "class -1")

    def test_one_hot_for_a_sparse_loss(self, method):
        refused(lambda: getattr(classifier(), method)(X, np.eye(3)[CLASSES]), "categorical_crossentropy", "argmax")

    def test_classes_for_a_one_hot_loss(self, method):
        model = classifier("categorical_crossentropy")
        refused(lambda: getattr(model, method)(X, CLASSES), "sparse_categorical_crossentropy", "num_classes=3")

    def test_none_at_all(self, method):
        refused(lambda: getattr(compiled(), method)(X), "needs targets", "fit(x, y)")

    def test_complex_numbers(self, method):
        refused(lambda: getattr(compiled(), method)(X, Y + 1j), "targets", "complex", error=TypeError)

    def test_text(self, method):
        refused(lambda: getattr(compiled(), method)(X, ["yes"] * 7), "targets", "'yes'", error=TypeError)

    def test_another_number_of_samples(self, method):
        refused(lambda: getattr(compiled(), method)(X, Y[:5]), "same number of samples", "x: 7; y: 5")

    def test_no_samples(self, method):
        refused(lambda: getattr(compiled(), method)(X[:0], Y[:0]), "empty", "0 samples")


@pytest.mark.parametrize("method", [*METHODS, "predict"])
@pytest.mark.parametrize("built", [True, False])
class TestInputs:
    def call(self, method, built, x):
        model = forecaster() if built else gatewise.Sequential([LSTM(4), Dense(1)])
        compiled(model)
        return lambda: getattr(model, method)(x, *([] if method == "predict" else [Y]))

    def test_two_axes(self, method, built):
        refused(self.call(method, built, X[:, 0]), "'lstm", "time steps", "(7, 3)")

    def test_text(self, method, built):
        refused(self.call(method, built, [["a", "b"]] * 7), "numbers", "TextVectorization", error=TypeError)

    def test_ragged_lists(self, method, built):
        ragged = [[[1.0, 2.0, 3.0][: 1 + k % 3]] * 4 for k in range(7)]
        refused(self.call(method, built, ragged), "number of steps", "(4, 1)", "(4, 2)")

    def test_objects(self, method, built):
        refused(self.call(method, built, np.array([object()] * 7)), "numbers", error=TypeError)

    def test_dates(self, method, built):
        refused(self.call(method, built, np.zeros((7, 5, 3), "datetime64[s]")), "numbers", error=TypeError)

    def test_complex_numbers(self, method, built):
        refused(self.call(method, built, X.astype("complex64")), "complex", error=TypeError)

    def test_one_number(self, method, built):
        refused(self.call(method, built, 3.0), "numbers", error=TypeError)

    def test_a_string(self, method, built):
        refused(self.call(method, built, "data.csv"), "'data.csv'", error=TypeError)

    def test_nothing(self, method, built):
        refused(self.call(method, built, None), "None", error=TypeError)

    def test_no_samples(self, method, built):
        refused(self.call(method, built, X[:0]), "samples")

    def test_no_steps(self, method, built):
        refused(self.call(method, built, X[:, :0]), "time steps")


@pytest.mark.parametrize("method", [*METHODS, "predict"])
def test_another_number_of_features(method):
    model, x = compiled(), random(7, 5, 4)
    refused(
        lambda: getattr(model, method)(x, *([] if method == "predict" else [Y])), "'lstm", "features=3", "features=4"
    )


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "32", True])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_batch_size(method, batch_size):
    args = (X,) if method == "predict" else (X, Y)
    refused(lambda: getattr(compiled(), method)(*args, batch_size=batch_size), "batch_size", repr(batch_size))


@pytest.mark.parametrize(
    "arguments, part",
    [
        ({"epochs": -1}, "epochs"),
        ({"epochs": 2.5}, "2.5"),
        ({"epochs": "3"}, "'3'"),
        ({"epochs": True}, "True"),
        ({"initial_epoch": -1}, "initial_epoch"),
        ({"steps_per_epoch": 0}, "steps_per_epoch"),
        ({"validation_steps": 0, "validation_data": (X, Y)}, "validation_steps"),
        ({"validation_batch_size": 0, "validation_data": (X, Y)}, "validation_batch_size"),
        ({"validation_freq": 0, "validation_data": (X, Y)}, "validation_freq"),
        ({"validation_freq": None, "validation_data": (X, Y)}, "validation_freq"),
        ({"validation_freq": [1, 0], "validation_data": (X, Y)}, "epoch in validation_freq, counted from 1"),
        ({"validation_freq": [1.5], "validation_data": (X, Y)}, "1.5"),
        ({"validation_freq": ["2"], "validation_data": (X, Y)}, "'2'"),
        ({"validation_split": 1.5}, "between 0 and 1"),
        ({"validation_split": -0.1}, "between 0 and 1"),
        ({"validation_split": 0.95}, "empty part"),
        ({"validation_data": (X, Y, Y, Y)}, "validation_data is (x, y)"),
        ({"validation_data": X}, "validation_data is (x, y)"),
        ({"validation_data": (X, Y[:3])}, "same number of samples"),
        ({"validation_data": (X, random(7, 2))}, "(7, 2)"),
        ({"sample_weight": np.ones(5)}, "sample_weight: 5"),
        ({"sample_weight": np.ones((7, 5))}, "(7, 5)"),
        ({"class_weight": [1.0, 2.0]}, "{0: 1.0, 1: 5.0}"),
        ({"class_weight": {"a": 1.0}}, "{'a': 1.0}"),
        ({"class_weight": {0: "much"}}, "{0: 'much'}"),
    ],
)
def test_arguments_of_fit(arguments, part):
    refused(lambda: compiled().fit(X, Y, verbose=0, **arguments), part)


@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_steps(method):
    given = (X, Y) if method == "evaluate" else (X,)
    refused(lambda: getattr(compiled(), method)(*given, steps=0), "steps must be a positive integer; got 0")


@pytest.mark.parametrize(
    "arguments, part",
    [
        ({"steps_per_execution": 0}, "steps_per_execution must be a positive integer; got 0"),
        ({"steps_per_execution": -1}, "-1"),
        ({"steps_per_execution": 2.5}, "Write 2, a whole number"),
        ({"steps_per_execution": "all"}, "'all'"),
        ({"steps_per_execution": True}, "True"),
        ({"run_eagerly": "no"}, "run_eagerly is True or False; got 'no'"),
        ({"run_eagerly": 2}, "2"),
        ({"jit_compile": "no"}, "jit_compile is True or False or 'auto'; got 'no'"),
        ({"jit_compile": 1}, "1"),
        ({"auto_scale_loss": "auto"}, "auto_scale_loss is True or False; got 'auto'"),
    ],
)
def test_arguments_of_compile(arguments, part):
    model = compiled()
    before = model.optimizer
    refused(lambda: model.compile("adam", "mae", **arguments), part)
    assert model.optimizer is before and model.loss == "mse"


def test_arguments_of_compile_that_change_no_result():
    def trained(**arguments):
        model = compiled(**arguments)
        return model.fit(X, Y, batch_size=3, shuffle=False, verbose=0).history

    for arguments in (
        {"steps_per_execution": 2, "run_eagerly": True, "jit_compile": False, "auto_scale_loss": False},
        {"steps_per_execution": "auto", "run_eagerly": None, "jit_compile": None},  # as tf.keras wrote its defaults
        {"steps_per_execution": None, "jit_compile": np.True_},
    ):
        assert trained(**arguments) == trained()


def test_unknown_arguments():
    refused(lambda: compiled().fit(X, Y, epoch=3), "'epoch'", error=TypeError)
    refused(lambda: compiled().evaluate(X, Y, epochs=3), "'epochs'", error=TypeError)


def test_batches_and_what_does_not_go_with_them():
    batches = lambda: iter([(X, Y)])  # noqa: E731
    refused(lambda: compiled().fit(batches(), Y), "batches of its own")
    refused(lambda: compiled().fit(batches(), validation_split=0.2), "validation_split needs arrays")
    refused(lambda: compiled().fit(iter([])), "empty")
    refused(lambda: compiled().evaluate(iter([]), verbose=0), "empty")
    refused(lambda: compiled().predict(iter([])), "empty")
    refused(lambda: compiled().fit(iter([(X, Y, Y[:, 0], Y)]), verbose=0), "4 items")
    refused(lambda: compiled().fit(iter([(X, random(7, 2))]), verbose=0), "(7, 2)")


def test_several_outputs():
    def fit(y, **arguments):
        model = two_headed()
        model.compile("sgd", ["mse", "sparse_categorical_crossentropy"])
        return lambda: model.fit(X, y, verbose=0, **arguments)

    refused(fit(Y), "2 outputs (a, b)", "1 arrays")
    refused(fit([Y, CLASSES, Y]), "3 arrays")
    refused(fit({"a": Y}), "missing: ['b']")
    refused(fit({"a": Y, "b": CLASSES, "c": Y}), "unknown: ['c']")
    refused(fit([CLASSES, Y]), "'b'")
    refused(fit([Y, CLASSES], sample_weight=[np.ones(7)] * 3), "sample_weight has 3")
    refused(fit([Y, CLASSES], class_weight={0: 1.0}), "single output")


def test_two_targets_for_one_output():
    refused(lambda: compiled().fit(X, [Y, Y]), "1 output", "2 arrays")


def test_a_subclassed_model_with_the_wrong_number_of_targets():
    class Two(gatewise.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = Dense(1), Dense(1)

        def call(self, x):
            return self.a(x), self.b(x)

    refused(lambda: compiled(Two()).fit(random(7, 3), Y), "2 outputs", "1 arrays")
    for method in METHODS:
        refused(lambda m=method: getattr(compiled(Two()), m)(random(7, 3), [Y, random(7, 2)]), "output_2", "(7, 2)")


def stateful(batch=2):
    return compiled(gatewise.Sequential([gatewise.Input(batch_shape=(batch, 5, 3)), LSTM(4, stateful=True), Dense(1)]))


def test_a_batch_size_that_does_not_match_a_stateful_layer():
    refused(
        lambda: stateful().fit(X, Y, batch_size=2, verbose=0), "'lstm", "stateful", "2 sequences", "this batch has 1"
    )
    refused(lambda: stateful().fit(X[:6], Y[:6], batch_size=3, verbose=0), "batch_size=2")
    refused(lambda: stateful().predict(X[:6], batch_size=3), "batch_size=2")


def test_nothing_to_minimize():
    model = forecaster()
    model.compile("sgd", metrics=["mae"])
    refused(lambda: model.fit(X, Y, verbose=0), model.name, "loss='mse'")
    assert model.evaluate(X, Y, verbose=0)[1] == pytest.approx(np.abs(model.predict(X) - Y).mean(), rel=1e-5)


def test_a_loss_that_fails_says_its_own_words():
    def broken(y_true, y_pred):
        raise RuntimeError("mine")

    refused(lambda: compiled(loss=broken).fit(X, Y, verbose=0), "mine", error=RuntimeError)


def test_after_a_refusal_the_model_trains_on():
    model = compiled()
    for x, y in ((X, Y[:3]), (X[:, 0], Y), (X, random(7, 2))):
        with pytest.raises(ValueError):
            model.fit(x, y, verbose=0)
    assert len(model.fit(X, Y, epochs=2, verbose=0).epoch) == 2

"""Sick trainings of which the cause has to stand first, advice that can be followed, and healthy ones without alarm."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise
from gatewise import layers
from gatewise.initializers import Constant, RandomNormal
from gatewise.layers import GRU, LSTM, Dense, SimpleRNN

N, T, F = 64, 20, 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, T, F)).astype("float32")
Y = X[:, :, :1].mean(axis=1)
WORDS = RNG.integers(1, 50, (N, T))


def compiled(*inner, optimizer="adam", loss="mse", shape=(None, F)):
    gatewise.utils.set_random_seed(1)
    model = gatewise.Sequential([gatewise.Input(shape), *inner])
    model.compile(optimizer, loss)
    return model


def diagnosed(model, x=X, y=Y, **options):
    return gatewise.diagnose(model, x, y, lang="en", **options)


def kinds(diagnosis):
    return [finding.kind for finding in diagnosis.findings]


def with_forget_bias(value):
    model = compiled(LSTM(8), Dense(1))
    bias = model.layers[0].bias.numpy()
    bias[8:16] = value
    model.layers[0].bias.assign(bias)
    return model


SICK = {
    "units_dead": lambda: compiled(LSTM(8), Dense(16, activation="relu", bias_initializer=Constant(-10.0)), Dense(1)),
    "gradient_explodes": lambda: compiled(
        SimpleRNN(8, activation="relu", recurrent_initializer=RandomNormal(stddev=1.5)), Dense(1)
    ),
    "forgets_always": lambda: with_forget_bias(-5.0),
    "keeps_always": lambda: compiled(GRU(8, bias_initializer=Constant(6.0)), Dense(1)),
    "units_alike": lambda: compiled(
        LSTM(8, kernel_initializer="ones", recurrent_initializer="ones"), Dense(1, kernel_initializer="ones")
    ),
    "dropout_large": lambda: compiled(layers.Dropout(0.99), LSTM(8), Dense(1)),
    "penalties_large": lambda: compiled(LSTM(8, kernel_regularizer=gatewise.regularizers.L2(1000.0)), Dense(1)),
    "update_large": lambda: compiled(LSTM(8), Dense(1), optimizer=gatewise.optimizers.Adam(1.0)),
}


@pytest.mark.parametrize("kind", SICK)
def test_the_cause_stands_first(kind):
    diagnosis = diagnosed(SICK[kind]())
    assert diagnosis.findings[0].kind == kind and not diagnosis.ok
    assert kind in diagnosis.advice[0].against


def test_a_frozen_model_is_not_well():
    model = compiled(LSTM(8), Dense(1))
    model.trainable = False
    model.compile("adam", "mse")
    diagnosis = diagnosed(model)
    assert kinds(diagnosis)[0] == "nothing_trains" and not diagnosis.ok and "All is well" not in str(diagnosis)
    model.layers[1].trainable = model.trainable = True
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    assert diagnosed(model).ok


@pytest.mark.parametrize(
    ("last", "loss", "y"),
    [
        (Dense(1, activation="relu"), "binary_crossentropy", (Y > 0).astype(int)),
        (Dense(5, activation="tanh"), "sparse_categorical_crossentropy", RNG.integers(0, 5, N)),
    ],
)
def test_an_activation_that_gives_no_probabilities(last, loss, y):
    diagnosis = diagnosed(compiled(LSTM(8), last, loss=loss), y=y)
    assert kinds(diagnosis)[0] == "activation_unfit" and diagnosis.findings[0].severity == "error"
    fitting = "sigmoid" if loss.startswith("binary") else "softmax"
    assert diagnosis.advice[0].code.startswith(f"gatewise.layers.Dense({last.units}, activation='{fitting}')")


def test_a_recurrent_layer_that_is_taken_for_probabilities():
    told = diagnosed(compiled(LSTM(5), loss="sparse_categorical_crossentropy"), y=RNG.integers(0, 5, N))
    assert kinds(told)[0] == "activation_unfit"


def test_large_numbers_from_an_embedding():
    model = compiled(layers.Embedding(50, 8, embeddings_initializer=RandomNormal(stddev=50.0)), LSTM(8), Dense(1),
                     shape=(None,))  # fmt: skip
    (told,) = [f for f in diagnosed(model, WORDS).findings if f.kind == "layer_inputs_large"]
    table = model.layers[0].embeddings.numpy()[WORDS]
    assert told.where == model.layers[1].name
    assert told.facts["rms"] == pytest.approx(np.sqrt((table.astype(float) ** 2).mean()), rel=1e-6)
    usual = compiled(layers.Embedding(50, 8), LSTM(8), Dense(1), shape=(None,))
    assert diagnosed(usual, WORDS).ok
    assert "layer_inputs_large" not in kinds(diagnosed(compiled(layers.Masking(), LSTM(8), Dense(1)), 50 * X))


def test_padding_behind_that_is_not_masked():
    x = np.pad(WORDS[:, :5], ((0, 0), (0, 30)))
    model = compiled(layers.Embedding(50, 8, name="words"), LSTM(8), Dense(1), shape=(None,))
    diagnosis = diagnosed(model, x)
    assert kinds(diagnosis)[0] == "padding_counted" and diagnosis.findings[0].facts["share"] == pytest.approx(30 / 35)
    assert diagnosis.advice[0].code == "gatewise.layers.Embedding(50, 8, mask_zero=True)"
    masked = compiled(layers.Embedding(50, 8, mask_zero=True), LSTM(8), Dense(1), shape=(None,))
    for other, data in ((masked, x), (model, x[:, ::-1]), (model, WORDS)):
        assert "padding_counted" not in kinds(diagnosed(other, data))


def test_few_empty_sequences_are_no_alarm_and_many_are():
    model = compiled(layers.Masking(), LSTM(8), Dense(1))
    x = X.copy()
    x[5] = 0
    assert diagnosed(model, x).ok and "samples_masked" in kinds(diagnosed(model, x))
    x[:20] = 0
    diagnosis = diagnosed(model, x)
    names = {"model": model, "x": x, "y": Y, "numpy": np}
    exec(diagnosis.advice[0].code, names)
    assert len(names["x"]) == len(names["y"]) == N - 20 and names["x"].any(axis=(1, 2)).all()
    diagnosis = diagnosed(model, 0 * x)
    assert diagnosis.advice[0].kind == "see_mask" and eval(diagnosis.advice[0].code, {"model": model, "x": 0 * x}) == 0


def test_the_code_against_constant_features_leaves_the_others():
    x = np.concatenate([X, np.ones((N, T, 12), "float32")], axis=-1)
    gatewise.utils.set_random_seed(1)
    model = compiled(LSTM(8), Dense(1), shape=(None, F + 12))
    told = next(f for f in diagnosed(model, x).findings if f.kind == "features_constant")
    from gatewise.explain.diagnosis_advice import advice_for
    from gatewise.explain.diagnosis_facts import Finding

    (advice,) = advice_for(model, [Finding(told.kind, "warning", told.where, told.facts)])
    names = {"x": x, "numpy": np}
    exec(advice.code, names)
    assert np.array_equal(names["x"], X)
    assert diagnosed(compiled(LSTM(8), Dense(1)), 0 * X + 1).advice == ()  # nothing would be left


def test_the_code_against_bad_targets_of_one_axis():
    y = Y[:, 0].copy()
    y[7] = np.nan
    advice = diagnosed(compiled(LSTM(8), Dense(1)), y=y).advice
    names = {"x": X, "y": y, "numpy": np}
    exec(advice[0].code, names)
    assert len(names["x"]) == len(names["y"]) == N - 1 and "mask_gaps" not in [one.kind for one in advice]


def test_labels_of_several_classes_for_one_unit():
    model = compiled(LSTM(8), Dense(1, activation="sigmoid"), loss="binary_crossentropy")
    (advice,) = diagnosed(model, y=np.arange(N) % 5).advice
    assert advice.code == "gatewise.layers.Dense(5, activation='softmax'), loss='sparse_categorical_crossentropy'"
    (advice,) = diagnosed(model, y=2 * (np.arange(N) % 2) - 1).advice
    assert advice.kind == "scale_targets"


def test_rates_that_are_advised():
    model = compiled(LSTM(8), Dense(1), optimizer=gatewise.optimizers.Adam(1e-9))
    (advice,) = diagnosed(model).advice
    assert advice.code == "model.compile(optimizer=gatewise.optimizers.Adam(0.0003), ...)"
    model.compile(gatewise.optimizers.SGD(0.0), "mse")
    (advice,) = diagnosed(model).advice
    assert advice.code == "model.compile(optimizer=gatewise.optimizers.SGD(), ...)"


def test_weights_that_training_made_large_are_no_matter_of_initializers():
    model = compiled(LSTM(8), Dense(1), optimizer=gatewise.optimizers.Adam(1.0))
    model.fit(X, Y, epochs=20, verbose=0)
    diagnosis = diagnosed(model)
    assert "state_saturated" in kinds(diagnosis)
    assert diagnosis.advice[0].kind == "lower_rate" and "smaller_sums" not in [one.kind for one in diagnosis.advice]


def test_a_gradient_that_fades_and_a_loss_of_ones_own_have_advice():
    between = [Dense(8, activation="sigmoid") for _ in range(12)]
    assert "passing_activation" in [a.kind for a in diagnosed(compiled(LSTM(8), *between, Dense(1))).advice]

    def of_logarithm(y_true, y_pred):
        return gatewise.ops.mean(gatewise.ops.log(y_pred))

    with np.errstate(all="ignore"):
        diagnosis = diagnosed(compiled(LSTM(8), Dense(1), loss=of_logarithm))
    assert [a.kind for a in diagnosis.advice] == ["guard_loss", "stop_at_nan"]


def test_a_large_gradient_of_large_targets_tells_of_the_targets():
    diagnosis = diagnosed(compiled(LSTM(8), Dense(1)), y=70 + Y)
    assert kinds(diagnosis)[:2] == ["targets_large", "gradient_large"]
    assert diagnosis.advice[0].kind == "scale_targets"
    assert diagnosed(compiled(LSTM(8), Dense(1)), y=15 + Y).ok


def test_one_column_of_one_hot_targets_is_not_called_constant():
    model = compiled(LSTM(8), Dense(1, activation="softmax"), loss="categorical_crossentropy")
    assert "targets_constant" not in kinds(diagnosed(model, y=(Y > 0).astype(int)))


WELL = {
    "regression": lambda: (compiled(LSTM(16), Dense(1)), X, Y),
    "classes": lambda: (
        compiled(GRU(16), Dense(3, activation="softmax"), loss="sparse_categorical_crossentropy"),
        X,
        np.digitize(Y[:, 0], [-0.1, 0.1]),
    ),
    "stack with dropout and batch normalisation": lambda: (
        compiled(LSTM(16, return_sequences=True), layers.Dropout(0.5), layers.BatchNormalization(), LSTM(8), Dense(1)),
        X,
        Y,
    ),
    "words": lambda: (
        compiled(layers.Embedding(50, 8), layers.Bidirectional(LSTM(8)), Dense(1, activation="sigmoid"),
                 loss="binary_crossentropy", shape=(None,)),
        WORDS,
        (WORDS[:, 0] > 25).astype(int),
    ),
    "tags": lambda: (
        compiled(LSTM(16, return_sequences=True), Dense(F, activation="softmax"),
                 loss="sparse_categorical_crossentropy"),
        X,
        X.argmax(axis=-1),
    ),
    "autoencoder": lambda: (
        compiled(LSTM(16), layers.RepeatVector(T), LSTM(16, return_sequences=True), Dense(F), shape=(T, F)), X, X
    ),
    "L2": lambda: (compiled(LSTM(16, kernel_regularizer="l2", recurrent_regularizer="l2"), Dense(1)), X, Y),
}  # fmt: skip


@pytest.mark.parametrize("name", WELL)
def test_healthy_trainings_raise_no_alarm(name):
    model, x, y = WELL[name]()
    assert diagnosed(model, x, y).ok
    model.fit(x, y, epochs=10, verbose=0)
    assert diagnosed(model, x, y).ok


def test_a_language_that_there_is_not_is_no_matter_of_explain():
    with pytest.raises(ValueError, match=r'^gatewise speaks "en".*got lang=\'fr\''):
        gatewise.diagnose(compiled(LSTM(2), Dense(1)), X, Y, lang="fr")


def test_a_slope_of_the_loss_that_is_not_finite_is_blamed_on_the_loss():
    def of_root(y_true, y_pred):
        return gatewise.ops.mean(gatewise.ops.sqrt(gatewise.ops.abs(y_pred - y_pred)))

    model = compiled(LSTM(8), Dense(1), loss=of_root)
    diagnosis = diagnosed(model)
    assert (diagnosis.origin.stage, diagnosis.origin.where) == ("slope", model.name)
    assert [a.kind for a in diagnosis.advice] == ["guard_loss", "stop_at_nan"]
    stop = gatewise.callbacks.TerminateOnNaN(diagnose=True, lang="en")
    model.fit(X, Y, verbose=0, callbacks=[stop])
    assert stop.diagnosis.origin.stage == "slope"
    assert [a.kind for a in stop.diagnosis.advice] == ["guard_loss"]  # it has stopped

"""Diagnosis of models and data of all kinds: what is told of the data, and that nothing is changed."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gatewise
from gatewise import layers
from gatewise.layers import GRU, LSTM, Dense, SimpleRNN

N, T, F = 8, 10, 3
X = np.random.default_rng(0).standard_normal((N, T, F)).astype("float32")
Y = X[:, :, 0].mean(axis=1, keepdims=True)


def compiled(*inner, optimizer="adam", loss="mse", shape=(None, F)):
    gatewise.utils.set_random_seed(1)
    model = gatewise.Sequential([gatewise.Input(shape), *inner])
    model.compile(optimizer, loss)
    return model


def findings(model, x, y, **options):
    return {f.kind: f for f in gatewise.diagnose(model, x, y, lang="en", **options).findings}


# --- data --------------------------------------------------------------------------------------------------------


def test_scales_and_constant_features():
    x = X.copy()
    x[:, :, 1] = 300 + x[:, :, 1]
    x[:, :, 2] = 7
    told = findings(compiled(LSTM(3), Dense(1)), x, Y)
    assert told["inputs_large"].facts["features"] == [1] and told["inputs_large"].facts["rms"] == pytest.approx(
        300, 0.01
    )
    assert told["features_constant"].facts == {"features": [2], "n": 1, "of": 3}
    assert "inputs_large" not in findings(compiled(layers.LayerNormalization(), LSTM(3), Dense(1)), x, Y)
    words = np.random.default_rng(0).integers(0, 500, (N, T))
    told = findings(compiled(layers.Embedding(500, 4), LSTM(3), Dense(1), shape=(None,)), words, Y)
    assert "inputs_large" not in told


@pytest.mark.parametrize(
    ("units", "activation", "target", "bounds"),
    [(1, "sigmoid", 3 * Y, (0.0, 1.0)), (1, "tanh", 9 * Y, (-1.0, 1.0)), (1, "relu", Y, (0.0, None))],
)
def test_targets_that_cannot_be_reached(units, activation, target, bounds):
    told = findings(compiled(LSTM(3), Dense(units, activation=activation)), X, target)["targets_out_of_range"]
    assert (told.facts["least"], told.facts["most"]) == bounds and told.severity == "error"
    assert told.facts["low"] == pytest.approx(target.min())
    assert "targets_out_of_range" not in findings(compiled(LSTM(3), Dense(1)), X, target)


def test_the_range_of_a_recurrent_output():
    told = findings(compiled(LSTM(1)), X, 5 * Y)
    assert told["targets_out_of_range"].facts["activation"] == "tanh"


def test_output_and_loss_that_do_not_fit():
    classes = np.arange(N) % 3
    sparse = "sparse_categorical_crossentropy"
    assert "activation_missing" in findings(compiled(LSTM(3), Dense(3), loss=sparse), X, classes)
    logits = gatewise.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert "activation_twice" in findings(compiled(LSTM(3), Dense(3, activation="softmax"), loss=logits), X, classes)
    right = [(Dense(3), logits), (Dense(3, activation="softmax"), sparse)]
    for last, loss in right:
        assert not {"activation_twice", "activation_missing"} & set(
            findings(compiled(LSTM(3), last, loss=loss), X, classes)
        )
    assert "softmax_of_one" in findings(compiled(LSTM(3), Dense(1, activation="softmax")), X, abs(Y))
    half = np.full((N, 3), 0.5, "float32")
    told = findings(compiled(LSTM(3), Dense(3, activation="softmax"), loss="categorical_crossentropy"), X, half)
    assert told["targets_no_distribution"].facts == {"row": 0, "sum": 1.5, "n": N}


def test_advice_for_a_missing_activation_is_the_loss_compiled_with():
    model = compiled(LSTM(3), Dense(1), loss="binary_crossentropy")
    diagnosis = gatewise.diagnose(model, X, (Y > 0).astype("float32"), lang="en")
    (code,) = [a.code for a in diagnosis.advice if a.kind == "add_activation"]
    assert code == "activation='sigmoid', or loss=gatewise.losses.BinaryCrossentropy(from_logits=True)"


def test_classes_that_are_unbalanced_and_constant_targets():
    x = np.random.default_rng(0).standard_normal((50, T, F)).astype("float32")
    y = np.zeros(50)
    model = compiled(LSTM(3), Dense(2, activation="softmax"), loss="sparse_categorical_crossentropy")
    assert findings(model, x, y)["targets_constant"].facts["value"] == 0
    y[:2] = 1
    diagnosis = gatewise.diagnose(model, x, y, lang="en")
    told = next(f for f in diagnosis.findings if f.kind == "classes_unbalanced")
    assert told.facts["share"] == 0.96 and told.facts["weights"] == {0: 0.521, 1: 12.5}
    assert "class_weight={0: 0.521, 1: 12.5}" in diagnosis.advice[0].code
    assert "targets_constant" in findings(compiled(LSTM(3), Dense(1)), X, np.ones((N, 1)))


def test_sample_weights():
    model = compiled(LSTM(3), Dense(1))
    assert findings(model, X, Y, sample_weight=np.linspace(-1, 1, N))["weights_negative"].facts["n"] == N // 2
    assert findings(model, X, Y, sample_weight=np.zeros(N))["weights_zero"].severity == "error"


# --- models ------------------------------------------------------------------------------------------------------


class Own(gatewise.Model):
    """A subclassed model with a recurrent layer inside."""

    def __init__(self):
        super().__init__()
        self.rnn, self.out = GRU(4), Dense(1)

    def call(self, x):
        return self.out(self.rnn(x))


class Slow(gatewise.layers.Layer):
    """A user's cell: h[t] = 0.5 h[t-1] + x[t] w."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, shape):
        self.w = self.add_weight((shape[-1], self.units), name="w")

    def call(self, inputs, states):
        h = 0.5 * states[0] + gatewise.ops.matmul(inputs, self.w)
        return h, [h]


def test_a_subclassed_model():
    model = Own()
    model.compile("adam", "mse")
    diagnosis = gatewise.diagnose(model, X, Y)
    assert diagnosis.ok and [one.path for one in diagnosis.recurrent] == [model.rnn.name]
    assert set(diagnosis.layers) == {model.rnn.name, model.out.name}
    bias = model.rnn.bias.numpy()
    bias[1, 9] = np.nan
    model.rnn.bias.assign(bias)
    origin = gatewise.diagnose(model, X, Y).origin
    assert (origin.stage, origin.index, origin.gate) == ("weight", (1, 9), "g")


def test_a_users_cell():
    model = compiled(layers.RNN(Slow(3)), Dense(1))
    (facts,) = gatewise.diagnose(model, X, Y).recurrent
    norms = np.asarray(facts.gradients.norms)
    assert norms / norms[-1] == pytest.approx(0.5 ** np.arange(T - 1, -1, -1.0), rel=1e-4)
    assert [use.symbol for use in facts.gates] == ["h"] and facts.units == 3


def test_several_inputs_and_outputs():
    a, b = gatewise.Input((T, F)), gatewise.Input((4,))
    h = layers.Concatenate()([LSTM(4, name="reader")(a), b])
    model = gatewise.Model([a, b], [Dense(1, name="one")(h), Dense(3, activation="softmax", name="two")(h)])
    model.compile("adam", {"one": "mse", "two": "sparse_categorical_crossentropy"}, loss_weights=[1.0, 0.5])
    other = X[:, 0, :1].repeat(4, axis=1) * [1, 2, 3, 4]
    diagnosis = gatewise.diagnose(model, [X, other], [Y, np.arange(N) % 3])
    assert diagnosis.ok, diagnosis
    assert set(diagnosis.loss.parts) == {"one", "two"} == set(diagnosis.loss.trivial)
    total = diagnosis.loss.parts["one"] + 0.5 * diagnosis.loss.parts["two"]
    assert diagnosis.loss.value == pytest.approx(total)
    other[3, 2] = np.nan
    origin = gatewise.diagnose(model, [X, other], [Y, np.arange(N) % 3]).origin
    assert (origin.where, origin.index) == ("x[1]", (3, 2))


def test_sequences_of_different_lengths():
    samples = [x[: 3 + k % 5] for k, x in enumerate(X)]
    model = compiled(LSTM(4), Dense(1))
    diagnosis = gatewise.diagnose(model, samples, Y)
    assert diagnosis.ok and len(diagnosis.recurrent[0].gradients.norms) == 7
    values = sum(len(s) for s in samples) * 4
    assert sum(diagnosis.recurrent[0].gates[0].histogram) == values
    samples[2] = samples[2].copy()
    samples[2][1, 0] = np.inf
    assert gatewise.diagnose(model, samples, Y).origin.index == (2, 1, 0)


def test_masked_steps_are_left_out_of_the_counts():
    x = X.copy()
    x[:, 6:] = 0
    model = compiled(layers.Masking(), LSTM(4, return_sequences=True), layers.TimeDistributed(Dense(1)))
    diagnosis = gatewise.diagnose(model, x, X[:, :, :1])
    assert diagnosis.ok, diagnosis
    assert sum(diagnosis.recurrent[0].gates[0].histogram) == N * 6 * 4


def test_only_the_first_samples_are_run_and_all_data_are_looked_at():
    model, x = compiled(LSTM(3), Dense(1)), X.copy()
    diagnosis = gatewise.diagnose(model, x, Y, batch_size=3)
    assert (diagnosis.samples, diagnosis.of) == (3, N)
    assert diagnosis.loss.value == pytest.approx(model.value_and_grad(X[:3], Y[:3])[0])
    x[6, 1, 1] = np.nan
    assert gatewise.diagnose(model, x, Y, batch_size=3).origin.sample == 6


def test_a_layer_without_recurrence_that_overflows():
    model = compiled(layers.Flatten(), Dense(4, name="wide"), Dense(1, name="last"), shape=(T, F))
    model.get_layer("wide").kernel.assign(np.full((T * F, 4), 3e38))
    diagnosis = gatewise.diagnose(model, X, Y)
    assert (diagnosis.origin.stage, diagnosis.origin.layer) == ("forward", "wide") and diagnosis.recurrent == ()
    assert diagnosis.origin.sample == 0
    with pytest.raises(ValueError, match="has no recurrent layer"):
        diagnosis.draw()


# --- nothing changes ---------------------------------------------------------------------------------------------


def test_nothing_is_changed():
    model = compiled(
        layers.BatchNormalization(), layers.Dropout(0.4), LSTM(4, dropout=0.3, recurrent_dropout=0.2), Dense(1)
    )
    twin = compiled(
        layers.BatchNormalization(), layers.Dropout(0.4), LSTM(4, dropout=0.3, recurrent_dropout=0.2), Dense(1)
    )
    for one in (model, twin):
        gatewise.utils.set_random_seed(5)
        one.fit(X, Y, epochs=2, verbose=0)
        metrics = one.get_metrics_result()
        before = [v.numpy() for v in [*one.weights, *one.optimizer.variables]]
        state = gatewise.random.state()
        if one is model:
            gatewise.diagnose(one, X, Y)
        assert gatewise.random.state() == state and one.get_metrics_result() == metrics
        for v, value in zip([*one.weights, *one.optimizer.variables], before, strict=True):
            assert v.numpy().tobytes() == value.tobytes(), v.path
        assert "differentiate" not in vars(one.layers[2]) and "compute" not in vars(one)
        one.fit(X, Y, epochs=2, verbose=0)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_kept_states_stay():
    model = compiled(LSTM(4, stateful=True), Dense(1), shape=(None, F))
    model.predict(X, batch_size=N)
    before = [v.numpy() for v in model.layers[0].states]
    diagnosis = gatewise.diagnose(model, np.concatenate([X, X]), np.concatenate([Y, Y]))
    assert diagnosis.samples == N
    assert all(v.numpy().tobytes() == b.tobytes() for v, b in zip(model.layers[0].states, before, strict=True))
    model.reset_states()
    gatewise.diagnose(model, X, Y)
    assert model.layers[0].states is None


def test_an_optimizer_that_has_not_begun_is_not_begun():
    model = compiled(LSTM(4), Dense(1))
    stores = [v.store for v in model.weights]
    gatewise.diagnose(model, X, Y)
    assert not model.optimizer.built and [v.store for v in model.weights] == stores
    model.optimizer.exclude_from_weight_decay(var_names=["bias"])


# --- bad input ---------------------------------------------------------------------------------------------------


def test_what_is_refused():
    model = compiled(LSTM(3), Dense(1))
    with pytest.raises(TypeError, match=r"diagnose\(\) takes a compiled model; got .*LSTM"):
        gatewise.diagnose(LSTM(3), X, Y)
    fresh = gatewise.Sequential([gatewise.Input((None, F)), LSTM(3)])
    with pytest.raises(ValueError, match=r"must be compiled before diagnose\(\)"):
        gatewise.diagnose(fresh, X, Y)
    with pytest.raises(TypeError, match=r"supplies batches of its own.*x, y = next\(iter\(batches\)\)"):
        gatewise.diagnose(model, iter([(X, Y)]))
    with pytest.raises(ValueError, match="batch_size must be a positive integer; got 0"):
        gatewise.diagnose(model, X, Y, batch_size=0)
    with pytest.raises(ValueError, match="got lang='fr'"):
        gatewise.diagnose(model, X, Y, lang="fr")
    with pytest.raises(ValueError, match="needs targets"):
        gatewise.diagnose(model, X)
    with pytest.raises(ValueError, match="same number of samples"):
        gatewise.diagnose(model, X, Y[:3])
    with pytest.raises(TypeError, match="must be numbers"):
        gatewise.diagnose(model, np.array([["a"]]), Y)
    assert "differentiate" not in vars(model)


def test_data_for_json():
    model = compiled(SimpleRNN(3), Dense(1))
    model.layers[0].kernel.assign(np.full((F, 3), np.nan))
    told = json.loads(json.dumps(gatewise.diagnose(model, X, Y, lang="en").to_dict(), allow_nan=False))
    assert told["origin"]["stage"] == "weight" and told["ok"] is False and told["weights"][0]["norm"] == "nan"

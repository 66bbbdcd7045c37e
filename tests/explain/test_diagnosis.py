"""Diagnosis: failures built on purpose, and what is told of them against what was built in."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gatewise
from gatewise import layers
from gatewise.kernels import reference
from gatewise.layers import GRU, LSTM, Bidirectional, Dense, SimpleRNN

N, T, F = 8, 12, 3


def data(steps=T, seed=0):
    """Sequences, and the mean of their first feature."""
    x = np.random.default_rng(seed).standard_normal((N, steps, F)).astype("float32")
    return x, x[:, :, 0].mean(axis=1, keepdims=True)


def compiled(*inner, optimizer="adam", loss="mse", features=F, seed=1):
    gatewise.utils.set_random_seed(seed)
    model = gatewise.Sequential([gatewise.Input((None, features)), *inner])
    model.compile(optimizer, loss)
    return model


def diagnosed(model, x, y, **options):
    return gatewise.diagnose(model, x, y, lang="en", **options)


def found(diagnosis, kind):
    """The one finding of a kind."""
    (one,) = [finding for finding in diagnosis.findings if finding.kind == kind]
    return one


def kinds(diagnosis, *severities):
    return {f.kind for f in diagnosis.findings if f.severity in (severities or ("error", "warning", "note"))}


@pytest.mark.parametrize(
    "inner",
    [
        [LSTM(5), Dense(1)],
        [GRU(5, return_sequences=True), Bidirectional(LSTM(4)), Dense(1)],
        [LSTM(5, layer_norm=True, projection_units=3, dropout=0.2), layers.Dropout(0.3), Dense(1)],
        [layers.Masking(), layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)]), Dense(1)],
        [layers.Flatten(), Dense(4, activation="relu"), Dense(1)],
    ],
)
def test_a_healthy_model_is_ok(inner):
    steps = T if isinstance(inner[0], layers.Flatten) else None
    gatewise.utils.set_random_seed(3)
    model = gatewise.Sequential([gatewise.Input((steps, F)), *[type(i).from_config(i.get_config()) for i in inner]])
    model.compile("adam", "mse")
    diagnosis = diagnosed(model, *data())
    assert diagnosis.ok, diagnosis
    assert diagnosis.advice == () and diagnosis.origin is None and "All is well" in str(diagnosis)
    total, gradients = model.value_and_grad(*data(), training=False)
    if not any(isinstance(i, layers.Dropout) for i in inner) and not getattr(inner[0], "dropout", 0):
        assert diagnosis.loss.value == pytest.approx(total)
        norms = [float(np.linalg.norm(np.asarray(g, np.float64))) for g in gradients.values()]
        assert sorted(w.gradient_norm for w in diagnosis.weights) == pytest.approx(sorted(norms))
        assert sum(n**2 for n in diagnosis.layers.values()) == pytest.approx(sum(n**2 for n in norms))
    json.dumps(diagnosis.to_dict())


# --- what is not finite ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_data_come_first(value):
    model, (x, y) = compiled(LSTM(4), Dense(1)), data()
    x[5, 7, 2] = value
    x[6, 1, 0] = np.nan
    diagnosis = diagnosed(model, x, y)
    origin = diagnosis.origin
    assert (origin.stage, origin.where, origin.index, origin.value) == ("data", "x", (5, 7, 2), str(value))
    assert (origin.sample, origin.step, origin.unit, origin.count) == (5, 7, 2, 2)
    assert found(diagnosis, "data_not_finite").facts["samples"] == [5, 6]
    assert not diagnosis.ok and kinds(diagnosis) == {"data_not_finite"}
    good = {"numpy": np, "x": x, "y": y}
    exec(diagnosis.advice[0].code, good)
    assert len(good["x"]) == len(good["y"]) == N - 2 and np.isfinite(good["x"]).all()


def test_targets_and_weights_that_are_not_finite():
    model, (x, y) = compiled(LSTM(4), Dense(1)), data()
    y[3] = np.inf
    weights = np.ones(N, "float32")
    weights[2] = np.nan
    diagnosis = diagnosed(model, x, y, sample_weight=weights)
    told = [(f.where, f.facts["index"]) for f in diagnosis.findings if f.kind == "data_not_finite"]
    assert told == [("y", (3, 0)), ("sample_weight", (2,))] and diagnosis.origin.where == "y"


def test_padding_that_is_masked_may_hold_anything():
    x, y = data()
    x[3, 8:] = np.nan
    model = compiled(layers.Masking(np.nan), LSTM(4), Dense(1))
    assert diagnosed(model, x, y).ok
    x[4, :] = np.nan
    diagnosis = diagnosed(model, x, y)
    assert found(diagnosis, "samples_masked").facts == {"samples": [4], "n": 1, "of": N}


@pytest.mark.parametrize(
    ("layer", "gate"),
    [(LSTM(4), "ifgo"), (GRU(4), "zrg"), (SimpleRNN(4), "h"), (LSTM(4, coupled_gates=True), "igo")],
)
def test_a_weight_that_is_not_finite_is_named(layer, gate):
    model, (x, y) = compiled(type(layer).from_config(layer.get_config()), Dense(1)), data()
    kernel = model.layers[0].recurrent_kernel
    column = 4 * (len(gate) - 1) + 2
    value = kernel.numpy()
    value[3, column] = np.inf
    kernel.assign(value)
    origin = diagnosed(model, x, y).origin
    assert (origin.stage, origin.where, origin.index) == ("weight", kernel.path, (3, column))
    assert (origin.gate, origin.unit, origin.value, origin.count) == (gate[-1], 2, "inf", 1)


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_first_step_that_overflows_is_that_of_the_twin(wrapped):
    layer = SimpleRNN(3, activation="relu")
    model, (x, y) = compiled(Bidirectional(layer) if wrapped else layer, Dense(1)), data(60)
    run = model.layers[0].forward_layer if wrapped else model.layers[0]
    U = np.diag([1.0, 1e3, 0.1]).astype("float32")
    run.set_weights([np.abs(run.get_weights()[0]), U, np.zeros(3, "float32")])
    with np.errstate(all="ignore"):
        W, U, b = run.get_weights()
        h = reference.simple_rnn_forward(x, None, W, U, b, None, "relu").h
    step = int(np.argmax((~np.isfinite(h)).any(axis=(0, 2))))
    assert 3 < step < 40
    sample = int(np.argmax((~np.isfinite(h[:, step])).any(axis=1)))
    diagnosis = diagnosed(model, x, y)
    origin = diagnosis.origin
    assert (origin.stage, origin.gate, origin.step, origin.sample) == ("forward", "h", step, sample)
    assert origin.unit == int(np.argmax(~np.isfinite(h[sample, step]))) == 1
    assert origin.layer == (f"{model.layers[0].name}/{run.name}" if wrapped else run.name)
    assert (origin.weight, origin.largest) == (run.recurrent_kernel.path, 1000)
    assert "bounded_activation" in [a.kind for a in diagnosis.advice]
    assert f"time step {step}, sample {sample}, unit 1" in " ".join(str(diagnosis).split())


def test_the_first_gate_that_overflows_in_an_lstm():
    model, (x, y) = compiled(LSTM(3, activation="relu"), Dense(1)), data(80)
    lstm = model.layers[0]
    W, U, b = lstm.get_weights()
    U[:], b[:] = 0, 0
    b[:9] = 30.0  # input, forget and candidate: c grows by 30 a step
    U[1, 6 + 1] = 50.0  # and the candidate of unit 1 by 50 times what it puts out
    lstm.set_weights([0 * W, U, b])
    with np.errstate(all="ignore"):
        tape = reference.lstm_forward(x, None, None, *lstm.get_weights(), None, "relu", "sigmoid")
    bad = {"g": ~np.isfinite(tape.gates[:, :, 2]), "c": ~np.isfinite(tape.c), "h": ~np.isfinite(tape.h)}
    first = {name: int(np.argmax(b.any(axis=(0, 2)))) if b.any() else 999 for name, b in bad.items()}
    gate = min(first, key=lambda name: first[name])
    origin = diagnosed(model, x, y).origin
    assert (origin.layer, origin.gate, origin.step, origin.unit) == (lstm.name, gate, first[gate], 1)
    assert 0 < first[gate] < 79


def test_a_loss_that_is_not_finite():
    def logarithm(y_true, y_pred):
        return gatewise.ops.log(y_pred * 0.0)

    diagnosis = diagnosed(compiled(LSTM(3), Dense(1), loss=logarithm), *data())
    assert (diagnosis.origin.stage, diagnosis.origin.value) == ("loss", "-inf") and "guard_loss" in str(
        [a.kind for a in diagnosis.advice]
    )
    model, (x, y) = compiled(LSTM(3), Dense(1)), data()
    model.layers[1].bias.assign([1e30])
    diagnosis = diagnosed(model, x, y)
    assert diagnosis.origin.stage == "loss" and diagnosis.origin.largest == pytest.approx(1e30)
    assert [a.kind for a in diagnosis.advice] == ["lower_rate", "stop_at_nan"]


def test_a_gradient_that_overflows_in_time():
    model, (x, y) = compiled(SimpleRNN(2, activation="linear", use_bias=False), Dense(1)), data(60)
    rnn = model.layers[0]
    rnn.set_weights([np.zeros((F, 2), "float32"), np.diag([10.0, 1.0]).astype("float32")])
    diagnosis = diagnosed(model, x, y)
    assert (diagnosis.origin.stage, diagnosis.origin.layer) == ("gradient", rnn.name)
    assert found(diagnosis, "gradient_explodes").facts["per_step"] == pytest.approx(10, rel=0.1)


def test_a_step_of_the_optimizer_that_overflows():
    model, (x, y) = compiled(LSTM(3), Dense(1), optimizer=gatewise.optimizers.SGD(3e38)), data()
    model.layers[1].kernel.assign(1e4 * np.ones((3, 1)))
    diagnosis = diagnosed(model, 3 * x, y)
    assert diagnosis.origin.stage == "update" and diagnosis.origin.where in [w.path for w in model.weights]
    assert "SGD(3e+37, clipnorm=1.0)" in diagnosis.advice[0].code


# --- gradients through time --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("w", "verdict"), [(0.3, "vanishing"), (1.0, "ok"), (2.0, "exploding"), (-0.9, "ok")])
def test_a_linear_recurrence_is_a_power(w, verdict):
    model, (x, y) = compiled(SimpleRNN(1, activation="linear"), Dense(1)), data(24)
    rnn = model.layers[0]
    rnn.set_weights([np.full((F, 1), 0.1, "float32"), np.array([[w]], "float32"), np.zeros(1, "float32")])
    (facts,) = diagnosed(model, x, y).recurrent
    g = facts.gradients
    assert np.asarray(g.norms) / g.norms[-1] == pytest.approx(np.abs(w) ** np.arange(23, -1, -1.0), rel=1e-4)
    assert g.per_step == pytest.approx(abs(w), rel=1e-5) and g.ratio == pytest.approx(abs(w) ** 23, rel=1e-4)
    assert g.verdict == verdict and facts.matrices[0].radius == pytest.approx(abs(w), rel=1e-6)
    expected = int(np.ceil(np.log(0.01) / np.log(abs(w)))) if abs(w) == 0.3 else None
    assert g.reach == expected


def test_a_sigmoid_recurrence_vanishes_as_its_kernel_says():
    """With sums of 0 the slope is 1/4 at each step, so the gradient shrinks by radius / 4."""
    model, (x, y) = compiled(SimpleRNN(2, activation="sigmoid", use_bias=True), Dense(1)), data(30)
    U = np.array([[0.4, 0.0], [0.0, 0.4]], "float32")
    model.layers[0].set_weights([np.zeros((F, 2), "float32"), U, np.full(2, -0.2, "float32")])  # sums: 0.4 h - 0.2
    diagnosis = diagnosed(model, x, y)
    (facts,) = diagnosis.recurrent
    h = 0.0
    slopes = []
    for _ in range(30):
        h = 1 / (1 + np.exp(0.2 - 0.4 * h))
        slopes.append(h * (1 - h))
    assert facts.gradients.ratio == pytest.approx(np.prod(0.4 * np.asarray(slopes[1:])), rel=1e-3)
    assert facts.gradients.per_step == pytest.approx(facts.matrices[0].radius / 4, rel=0.01)
    told = found(diagnosis, "gradient_vanishes")
    assert told.severity == "warning" and told.facts["cls"] == "SimpleRNN" and told.facts["steps"] == 30
    assert [a.kind for a in diagnosis.advice][:2] == ["gated_layer", "shorter_sequences"]
    assert "LSTM(2)" in diagnosis.advice[0].code


def test_advice_against_vanishing_suits_the_layer():
    def advice(layer):
        model, (x, y) = compiled(layer, Dense(1)), data(60)
        layer.bias.assign(layer.bias.numpy() - np.repeat([0, 4, 0, 0], 2))
        diagnosis = diagnosed(model, x, y)
        assert "gradient_vanishes" in kinds(diagnosis, "warning")
        return {a.kind: a.code for a in diagnosis.advice}

    told = advice(LSTM(2, unit_forget_bias=False, recurrent_initializer="zeros"))
    assert {"forget_bias", "orthogonal"} <= set(told) and "unit_forget_bias=True" in told["forget_bias"]
    told = advice(LSTM(2))
    assert "raise_forget_bias" in told and "orthogonal" not in told and "b[2:4] = 3.0" in told["raise_forget_bias"]


# --- gates and units ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "bias", "kind", "severity"),
    [
        ("i", -9, "gate_closed", "warning"),
        ("f", -9, "forgets_always", "warning"),
        ("o", -9, "gate_closed", "warning"),
        ("o", 9, "gate_saturated", "note"),
    ],
)
def test_gates_that_are_stuck(gate, bias, kind, severity):
    model, (x, y) = compiled(LSTM(5), Dense(1)), data()
    b = model.layers[0].bias.numpy().reshape(4, 5)
    b["ifgo".index(gate)] = bias
    model.layers[0].bias.assign(b.reshape(-1))
    diagnosis = diagnosed(model, x, y)
    told = next(f for f in diagnosis.findings if f.kind == kind)
    assert (told.where, told.facts["gate"], told.severity) == (model.layers[0].name, gate, severity)
    use = next(use for use in diagnosis.recurrent[0].gates if use.symbol == gate)
    trace = gatewise.trace(model, x)[model.layers[0].name]
    values = np.asarray(trace.arrays[gate])
    assert use.low == pytest.approx((values < 0.05).mean()) and use.high == pytest.approx((values > 0.95).mean())
    assert use.mean == pytest.approx(values.mean(), rel=1e-5) and sum(use.histogram) == values.size
    assert (use.low_units if bias < 0 else use.high_units) == tuple(range(5))


def test_an_update_gate_that_keeps_and_a_saturated_state():
    model, (x, y) = compiled(GRU(4), Dense(1)), data()
    b = model.layers[0].bias.numpy()
    b[0, :4] = 9
    model.layers[0].bias.assign(b)
    assert found(diagnosed(model, x, y), "keeps_always").facts["gate"] == "z"
    model = compiled(SimpleRNN(4), Dense(1))
    model.layers[0].bias.assign([9, -9, 9, 0.0])
    told = found(diagnosed(model, x, y), "state_saturated")
    assert told.facts["share"] > 0.74 and told.facts["activation"] == "tanh"


def test_dead_and_constant_and_saturated_units():
    model, (x, y) = compiled(LSTM(4), Dense(6, activation="relu"), Dense(3, activation="tanh"), Dense(1)), data()
    relu, tanh = model.layers[1], model.layers[2]
    relu.bias.assign([0, -99, 0, -99, 0, 0])
    tanh.bias.assign([0, 0, 99])
    diagnosis = diagnosed(model, x, y)
    facts = {one.path: one for one in diagnosis.units}
    assert set(facts[relu.name].zero) >= {1, 3} and facts[tanh.name].saturated == (2,)
    assert facts[tanh.name].constant == (2,)
    assert found(diagnosis, "units_dead").severity == "warning"
    leaky = next(a for a in diagnosis.advice if a.kind == "leaky_units")
    assert leaky.code.startswith("Dense(6, activation='leaky_relu'")
    trace = model.layers[0](x)
    assert facts[relu.name].zero == tuple(np.flatnonzero(~np.asarray(relu(trace)).any(axis=0)))


# --- loss, gradients by layer, steps -----------------------------------------------------------------------------


def test_the_loss_of_the_same_answer_for_all():
    x, y = data()
    model = compiled(LSTM(3), Dense(1))
    model.layers[1].set_weights([np.zeros((3, 1)), np.array([float(y.mean())])])
    diagnosis = diagnosed(model, x, y)
    (trivial,) = diagnosis.loss.trivial.values()
    assert trivial == pytest.approx(float(y.var()), rel=1e-5) == pytest.approx(diagnosis.loss.value, rel=1e-5)
    assert {"loss_trivial", "output_constant"} <= kinds(diagnosis)
    classes = np.array([0, 0, 1, 2, 2, 2, 1, 0])
    share = np.bincount(classes) / N
    model = compiled(LSTM(3), Dense(3, activation="softmax"), loss="sparse_categorical_crossentropy")
    (trivial,) = diagnosed(model, x, classes).loss.trivial.values()
    assert trivial == pytest.approx(-(share * np.log(share)).sum(), rel=1e-4)
    for loss, best in (("mae", np.median), ("binary_crossentropy", None)):
        model = compiled(LSTM(3), Dense(1, activation=None if best else "sigmoid"), loss=loss)
        target = y if best else (y > 0).astype("float32")
        (trivial,) = diagnosed(model, x, target).loss.trivial.values()
        p = target.mean()
        expected = np.abs(y - np.median(y)).mean() if best else -(p * np.log(p) + (1 - p) * np.log(1 - p))
        assert trivial == pytest.approx(expected, rel=1e-4)


def test_the_next_step_is_that_of_the_optimizer():
    x, y = data()
    for optimizer in ("adam", gatewise.optimizers.SGD(0.1, momentum=0.9, clipnorm=0.01), "rmsprop"):
        model = compiled(LSTM(3), Dense(1), optimizer=optimizer)
        model.fit(x, y, batch_size=N, epochs=2, shuffle=False, verbose=0)
        diagnosis = diagnosed(model, x, y)
        before = {v.path: v.numpy() for v in model.weights}
        model.train_on_batch(x, y)
        for one, v in zip(diagnosis.weights, model.trainable_weights, strict=True):
            assert one.path == v.path
            assert one.update_norm == pytest.approx(np.linalg.norm(v.numpy() - before[v.path]), rel=1e-4)


def test_gradients_that_are_gathered_over_several_batches():
    x, y = data()
    plain = diagnosed(compiled(LSTM(3), Dense(1), optimizer=gatewise.optimizers.SGD(0.1)), x, y)
    gathering = gatewise.optimizers.SGD(0.1, gradient_accumulation_steps=3)
    diagnosis = diagnosed(compiled(LSTM(3), Dense(1), optimizer=gathering), x, y)
    norms = [w.update_norm for w in plain.weights]
    assert diagnosis.ok and [w.update_norm for w in diagnosis.weights] == pytest.approx(norms, rel=1e-5)


def test_steps_too_large_and_too_small():
    x, y = data()
    large = diagnosed(compiled(LSTM(3), Dense(1), optimizer=gatewise.optimizers.Adam(1.0)), x, y)
    assert "Adam(0.003, clipnorm=1.0)" in next(a.code for a in large.advice if a.kind == "lower_rate")
    assert found(large, "update_large").facts["ratio"] > 0.1
    small = diagnosed(compiled(LSTM(3), Dense(1), optimizer=gatewise.optimizers.Adam(1e-9)), x, y)
    assert kinds(small, "warning") == {"update_small"} and "Adam(0.0007)" in small.advice[0].code


def test_gradients_that_are_nothing_or_very_large():
    x, y = data()
    model = compiled(LSTM(3), Dense(2, activation="relu"), Dense(1))
    model.layers[1].bias.assign([-99, -99])
    diagnosis = diagnosed(model, x, y)
    still = {f.where for f in diagnosis.findings if f.kind == "gradient_zero"}
    assert still == {layer.name for layer in model.layers[:2]}
    large = diagnosed(compiled(LSTM(3), Dense(1)), x, 1000 * y)
    assert {"gradient_large", "targets_large"} <= kinds(large, "warning")
    assert "clipnorm=1.0" in next(a.code for a in large.advice if a.kind == "clip_gradient")
    chain = [Dense(3, activation="sigmoid") for _ in range(8)]
    model = compiled(SimpleRNN(3), *chain, Dense(1))
    assert found(diagnosed(model, x, y), "gradient_fades").where == model.layers[0].name

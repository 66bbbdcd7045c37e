"""TerminateOnNaN(diagnose=True): the fatal step, gone through again."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise
from gatewise.callbacks import TerminateOnNaN
from gatewise.kernels import reference
from gatewise.layers import GRU, LSTM, BatchNormalization, Dense, SimpleRNN

N, T, F = 32, 20, 3
X = np.random.default_rng(0).standard_normal((N, T, F)).astype("float32")
Y = X[:, :, 0].mean(axis=1, keepdims=True)
pytestmark = pytest.mark.filterwarnings("ignore")


def trained(*inner, x=X, y=Y, optimizer="adam", shuffle=False, epochs=3, **options):
    gatewise.utils.set_random_seed(1)
    model = gatewise.Sequential([gatewise.Input((None, F)), *inner])
    model.compile(optimizer, "mse")
    stop = TerminateOnNaN(diagnose=True, lang="en", **options)
    history = model.fit(x, y, batch_size=8, epochs=epochs, shuffle=shuffle, verbose=0, callbacks=[stop])
    return model, stop, history


def test_bad_data_are_found_in_the_batch_where_they_did_harm(capsys):
    """Gates hide an infinite input: the loss of that batch is finite, its gradient is not, the next loss is NaN."""
    x = X.copy()
    x[13, 4, 2] = np.inf
    model, stop, history = trained(GRU(4), Dense(1), x=x)
    origin = stop.diagnosis.origin
    assert (origin.stage, origin.where, origin.index) == ("data", "x", (13 - 8, 4, 2))
    assert (origin.epoch, origin.batch) == (0, 1)
    assert len(history.epoch) == 1 and model.stop_training
    told = capsys.readouterr().out
    assert "the loss is nan; training stops." in told and "In epoch 0, batch 1 (counted from 0)" in told
    assert not np.isfinite(model.layers[0].kernel.numpy()).all()  # the model is as training left it


def test_an_overflow_names_layer_gate_and_step():
    def inner():
        return SimpleRNN(4, activation="linear", name="reader"), Dense(1)

    rate = gatewise.optimizers.SGD(1e3)
    model, stop, _ = trained(*inner(), optimizer=rate)
    origin = stop.diagnosis.origin
    # The same step by hand: the weights after the batches before it, and the NumPy twin over its samples.
    gatewise.utils.set_random_seed(1)
    twin = gatewise.Sequential([gatewise.Input((None, F)), *inner()])
    twin.compile(gatewise.optimizers.SGD(1e3), "mse")
    for k in range(origin.batch):
        twin.train_on_batch(X[8 * k : 8 * k + 8], Y[8 * k : 8 * k + 8])
    batch = X[8 * origin.batch : 8 * origin.batch + 8]
    with np.errstate(all="ignore"):
        h = reference.simple_rnn_forward(batch, None, *twin.layers[0].get_weights(), None, "linear").h
    bad = ~np.isfinite(h)
    step = int(np.argmax(bad.any(axis=(0, 2))))
    assert 0 < step < T - 1
    assert (origin.stage, origin.layer, origin.gate, origin.epoch, origin.step) == ("forward", "reader", "h", 0, step)
    assert [origin.sample, origin.unit] == np.argwhere(bad[:, step])[0].tolist()
    assert "lower_rate" in [a.kind for a in stop.diagnosis.advice]


def test_a_step_of_the_optimizer_that_overflows():
    _, stop, _ = trained(LSTM(4), Dense(1), y=1e3 * Y, optimizer=gatewise.optimizers.SGD(3e38))
    assert (stop.diagnosis.origin.stage, stop.diagnosis.origin.batch) == ("update", 0)


def test_the_step_is_replayed_to_the_last_bit():
    """The replayed loss is that of the step: dropout, kept states and running means are those before it."""
    lossy = [
        BatchNormalization(),
        LSTM(4, dropout=0.3, recurrent_dropout=0.2, stateful=True),
        Dense(1),
    ]
    gatewise.utils.set_random_seed(3)
    model = gatewise.Sequential([gatewise.Input((None, F), batch_size=8), *lossy])
    model.compile(gatewise.optimizers.SGD(1e-2, momentum=0.9), "mse")
    seen = []

    class Spoil(gatewise.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"] * (batch + 1) - sum(seen))

    class Pretend(TerminateOnNaN):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, {"loss": np.nan} if batch == 2 else logs)

    stop = Pretend(diagnose=True, lang="en")
    after = {}
    keep = gatewise.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: after.update(w=model.get_weights()))
    model.fit(X, Y, batch_size=8, shuffle=False, verbose=0, callbacks=[Spoil(), keep, stop])
    assert len(seen) == 3 and stop.diagnosis.origin is None
    assert stop.diagnosis.loss.value == pytest.approx(seen[2], rel=1e-6)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(after["w"], model.get_weights(), strict=True))


def test_training_is_the_same_with_and_without():
    results = []
    for chosen in ([], [TerminateOnNaN(diagnose=True)]):
        gatewise.utils.set_random_seed(4)
        model = gatewise.Sequential([gatewise.Input((None, F)), LSTM(4, dropout=0.2), Dense(1)])
        model.compile("adam", "mse")
        model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=chosen)
        results.append([w.tobytes() for w in model.get_weights()])
    assert results[0] == results[1] and chosen[0].diagnosis is None


def test_the_error_tells_too():
    x = X.copy()
    x[3, 4, 2] = np.nan
    with pytest.raises(RuntimeError, match=r"(?s)loss is nan after batch 0 .*x,\s+at\s+\[3,\s+4,\s+2\]"):
        trained(LSTM(4), Dense(1), x=x, raise_error=True)


def test_without_a_diagnosis_nothing_is_kept(capsys):
    x = X.copy()
    x[3, 4, 2] = np.nan
    model = gatewise.Sequential([gatewise.Input((None, F)), LSTM(4), Dense(1)])
    model.compile("adam", "mse")
    stop = TerminateOnNaN()
    model.fit(x, Y, verbose=0, callbacks=[stop])
    assert stop.diagnosis is None and stop._before is None
    assert capsys.readouterr().out == "Batch 0: the loss is nan; training stops.\n"


def test_the_language_is_checked_before_training():
    with pytest.raises(ValueError, match="got lang='fr'"):
        model = gatewise.Sequential([gatewise.Input((None, F)), LSTM(4), Dense(1)])
        model.compile("adam", "mse")
        model.fit(X, Y, verbose=0, callbacks=[TerminateOnNaN(diagnose=True, lang="fr")])

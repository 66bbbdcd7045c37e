"""gatewise.memory: what it says is what a training step takes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import gatewise as gw
from gatewise import layers
from gatewise.explain.memory import Memory

MEASURE = """
import os, sys
os.environ["GATEWISE_THREADS"] = "1"
import numpy as np, gatewise as gw
from gatewise import layers as L

def most():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

{model}
model.compile("adam", "mse")
rng = np.random.default_rng(0)
x = rng.random((N, *model.input_shape[1:]), dtype="float32")
y = rng.random((N, *model.output_shape[1:]), dtype="float32")
model.train_on_batch(x[:1], y[:1])
told = gw.memory(model, batch_size=N)
standing = told.parameter_bytes + told.gradient_bytes // 2 + told.optimizer_bytes + told.input_bytes
open("/proc/self/clear_refs", "w").write("5")  # the peak so far is forgotten
before = most()
model.train_on_batch(x, y)
print(told.peak_bytes - standing, most() - before)
"""

MODELS = {
    "LSTM": "[L.LSTM(64), L.Dense(1)]",
    "LSTM, all steps": "[L.LSTM(64, return_sequences=True), L.LSTM(48), L.Dense(3)]",
    "GRU": "[L.GRU(64, return_sequences=True), L.GRU(64, reset_after=False), L.Dense(8, activation='tanh')]",
    "SimpleRNN": "[L.Dense(32, activation='tanh'), L.SimpleRNN(128), L.Dense(1)]",
    "Bidirectional": "[L.Bidirectional(L.LSTM(64, return_sequences=True)), L.GRU(64), L.Dense(1)]",
    "LSTM, remat": "[L.LSTM(128, return_sequences=True, remat_steps=40), L.Dense(4)]",
}


def measured(model: str, batch: int) -> tuple[int, int]:
    """What `memory` says of a training step beyond what stands before it, and what it took, in bytes."""
    script = MEASURE.format(model=f"N = {batch}\n{model}")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told, took = map(int, done.stdout.split())
    return told, took


linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks are read from /proc")


@linux_only
@pytest.mark.parametrize("name", MODELS)
def test_the_most_that_a_training_step_takes(name):
    told, took = measured(f"model = gw.Sequential([gw.Input((1000, 16)), *{MODELS[name]}])", 32)
    assert took > 15e6  # large enough for the rounding of pages not to matter
    assert abs(told / took - 1) < 0.15


@linux_only
def test_remat_takes_what_the_formula_says():
    """T = 20,000 steps of LSTM(32): the tape falls from N T 6 H numbers to the states of every 100th step."""
    N, T, H, k = 8, 20_000, 32, 100
    model = "model = gw.Sequential([gw.Input(({T}, 4)), L.LSTM({H}{k}), L.Dense(1)])"
    told, took = measured(model.format(T=T, H=H, k=""), N)
    assert abs(told / took - 1) < 0.15 and told > N * T * (6 + 4) * H * 4
    told, took = measured(model.format(T=T, H=H, k=f", remat_steps={k}"), N)
    of_states, of_tape = N * T // k * 2 * H * 4, N * k * (6 + 4) * H * 4
    assert told == pytest.approx(of_states + of_tape, rel=0.05)
    assert took < told + 6e6  # huge pages and the buffers of a forward pass round up
    assert took < N * T * 10 * H * 4 / 20


def small(**options):
    model = gw.Sequential(
        [gw.Input((None, 16)), layers.LSTM(64, return_sequences=True, **options), layers.GRU(32), layers.Dense(1)],
        name="reader",
    )
    model.compile("adam", "mse")
    return model


def test_the_numbers_by_layer():
    found = gw.memory(small(), batch_size=8, steps=100)
    lstm, gru, dense = found.layers
    assert lstm.kept_bytes == 8 * 100 * 5 * 64 * 4 and lstm.output_bytes == 8 * 100 * 64 * 4
    assert gru.kept_bytes == 8 * 100 * 5 * 32 * 4 and dense.kept_bytes == 0
    assert found.held_bytes == sum(layer.held_bytes for layer in found.layers)
    assert found.optimizer_bytes >= 2 * found.parameter_bytes
    assert found.peak_bytes > found.held_bytes and found.exact
    again = gw.memory(small(remat_steps=10), batch_size=8, steps=100)
    assert again.layers[0].kept_bytes == 8 * 10 * 2 * 64 * 4
    assert json.loads(json.dumps(found.to_dict()))["layers"][0]["formula"] == ["N x T x 5 x H"]


def test_in_float64_and_for_activations_that_read_their_input():
    model = gw.Sequential([gw.Input((10, 3)), layers.LSTM(4, activation="gelu", dtype="float64")])
    assert gw.memory(model, 2).layers[0].kept_bytes == 2 * 10 * 10 * 4 * 8  # c, h, the gates before and after


def test_prediction_holds_one_layer_and_the_next():
    model = gw.Sequential([gw.Input((100, 8)), *(layers.LSTM(8, return_sequences=True) for _ in range(5))])
    found = gw.memory(model, 4)
    assert found.prediction_bytes == found.parameter_bytes + 3 * found.input_bytes


def test_what_is_not_known_is_said():
    model = gw.Sequential([gw.Input((4, 3)), layers.Lambda(lambda x: x * 2), layers.LSTM(2)])
    found = gw.memory(model, 2, lang="en")
    assert not found.exact and not found.layers[0].exact and found.layers[1].exact
    assert "its output, and what is not known" in str(found)


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", "kept for the way back"), ("de", "für den Rückweg behalten"), ("zh", "为反向传播保留")],
)
def test_in_words(lang, words):
    found = gw.memory(small(), 8, 100, lang=lang)
    assert isinstance(found, Memory)
    text = str(found)
    assert words in text and "N x T x 5 x H" in text and "(8, 100, 64)" in text


def test_bad_input():
    with pytest.raises(ValueError, match=r"'reader' takes any number of time steps.*steps=100"):
        gw.memory(small())
    with pytest.raises(ValueError, match="batch_size.*positive integer"):
        gw.memory(small(), 0, 10)
    with pytest.raises(ValueError, match="steps.*positive integer"):
        gw.memory(small(), 1, 2.5)
    fixed = gw.Sequential([gw.Input((4, 3)), layers.LSTM(2)], name="fixed")
    with pytest.raises(ValueError, match=r"'fixed' takes .*leave steps=7 out"):
        gw.memory(fixed, 1, 7)
    with pytest.raises(TypeError, match="built Sequential or functional model; got LSTM"):
        gw.memory(layers.LSTM(3))
    with pytest.raises(TypeError, match="got Sequential. Give its first layer an Input"):
        gw.memory(gw.Sequential([layers.LSTM(3)]))

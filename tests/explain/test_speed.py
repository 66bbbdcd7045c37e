"""explain_speed and config.show: operations counted by hand and from accounts, divisions as the kernels make them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers
from gatewise.explain.speed import explain_speed
from gatewise.kernels import planning


@pytest.fixture
def two_threads():
    before = gw.config.threads()
    gw.config.set_threads(2)
    yield
    gw.config.set_threads(before)


def model_of(*chosen, shape=(50, 16)):
    return gw.Sequential([gw.Input(shape), *chosen])


def told(model, N=32, **options):
    return explain_speed(model, batch_size=N, measure=False, **{"lang": "en", **options})


# ---- operations -----------------------------------------------------------------------------------------------------


def test_operations_by_hand():
    """N = 32, T = 50, F = 16, H = 8: a multiply-add is two."""
    found = told(model_of(layers.LSTM(8), layers.Dense(3)))
    lstm, dense = found.layers
    assert lstm.flops == 2 * 32 * 50 * 4 * 8 * (16 + 8) == 2_457_600
    assert dense.flops == 2 * 32 * 8 * 3
    assert found.flops == lstm.flops + dense.flops
    assert told(model_of(layers.LSTM(8))).flops * 3 == told(model_of(layers.LSTM(8)), training=True).flops


@pytest.mark.parametrize(
    "layer",
    [
        layers.LSTM(8), layers.GRU(8), layers.GRU(8, reset_after=False), layers.SimpleRNN(8, return_sequences=True),
        layers.LSTM(8, peephole=True), layers.LSTM(8, projection_units=5), layers.LSTM(8, coupled_gates=True),
        layers.Bidirectional(layers.GRU(7)), layers.RNN([layers.LSTMCell(8), layers.GRUCell(6)]),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_operations_by_the_account(layer):
    """Each number of a matrix is multiplied and added once for each step of each sequence."""
    model = model_of(layer)
    account = gw.account(layer)
    names = {"kernel", "recurrent_kernel", "projection_kernel"}
    numbers = sum(matrix.size for matrix in account.all_matrices() if matrix.name in names)
    (found,) = told(model, 4).layers
    assert found.flops == 2 * 4 * 50 * numbers and found.exact
    assert found.weight_bytes == 4 * account.size


def test_operations_of_wrappers_and_models_inside_models():
    inner = model_of(layers.LSTM(8, return_sequences=True), layers.TimeDistributed(layers.Dense(3)))
    parts = told(inner, 4)
    assert parts.layers[1].flops == 2 * 4 * 50 * 8 * 3
    (whole,) = told(model_of(inner), 4).layers
    assert whole.flops == parts.flops and whole.weight_bytes == sum(layer.weight_bytes for layer in parts.layers)


def test_float64_takes_twice_the_bytes():
    small, large = (told(model_of(layers.LSTM(8, dtype=dtype))).layers[0] for dtype in ("float32", "float64"))
    assert large.bytes == 2 * small.bytes and large.flops == small.flops


# ---- how work is divided --------------------------------------------------------------------------------------------


def kinds(layer):
    return [reason.kind for reason in layer.reasons]


def test_divisions(two_threads):
    def one(N, layer, shape):
        return told(model_of(layer, shape=shape), N).layers[0]

    tiny = one(1, layers.LSTM(4), (5, 3))
    assert tiny.threads == 1 and "little_work" in kinds(tiny) and tiny.limit == "call"
    many = one(64, layers.LSTM(128), (50, 64))
    assert many.threads == 2 and not many.by_units and kinds(many)[:2] == ["by_sequences", "fused"]
    alone = one(1, layers.LSTM(512), (100, 256))
    assert alone.by_units and alone.projected and kinds(alone)[:2] == ["by_units_few_rows", "projected"]
    gw.config.set_threads(1)
    assert kinds(one(64, layers.LSTM(128), (50, 64)))[0] == "one_allowed"


def test_sequences_with_masks_are_sorted():
    model = model_of(layers.Masking(), layers.LSTM(8, return_sequences=True), layers.GRU(8))
    masking, lstm, gru = told(model).layers
    assert (masking.sorted, lstm.sorted, gru.sorted) == (False, True, True)
    assert "sorted" in kinds(gru)
    assert not any(layer.sorted for layer in told(model_of(layers.LSTM(8), layers.Dense(1))).layers)


def test_plans_are_the_kernels_own(two_threads):
    plan = planning.plan_recurrence("lstm", 64, 50, 64, 128)
    padded = -(-128 // plan.lanes) * plan.lanes
    assert plan.weight_bytes == 4 * 4 * padded * (64 + 128)
    assert plan.step_flops == 2 * 64 * 4 * padded * (64 + 128)
    for N in range(1, 13):
        assert planning.plan_recurrence("gru", N, 5, 3, 4).projected is (N < plan.few_rows)
    assert not planning.plan_recurrence("gru", 2, 5, 3, 4, dropout=True).projected
    with pytest.raises(
        ValueError, match="there is no layer 'rnn'; there are lstm, gru, gru_reset_before and simple_rnn"
    ):
        planning.plan_recurrence("rnn", 1, 1, 1, 1)
    with pytest.raises(ValueError, match="N, T, F and H must be at least 1"):
        planning.plan_recurrence("lstm", 0, 1, 1, 1)


def test_what_is_not_a_kernel_says_so():
    class Doubled(layers.Layer):
        def call(self, x):
            return 2 * x

    found = told(model_of(Doubled(name="doubled"), layers.LSTM(4, activation=lambda x: x, name="odd")))
    users, odd = found.layers
    assert users.kernel == "python" and not users.exact and users.seconds is None
    assert odd.kernel == "numpy" and kinds(odd) == ["activation"]
    assert found.seconds is None and found.chain_reason.values["layer"] == "doubled"
    assert "Python, your code: what Doubled computes is not known here." in " ".join(str(found).split())
    variant = told(model_of(layers.LSTM(4, layer_norm=True))).layers[0]
    assert variant.kernel == "lstm_variant" and "variant" in kinds(variant)


def test_chains_are_those_that_run():
    chain, general = model_of(layers.LSTM(4), layers.Dense(1)), model_of(layers.Bidirectional(layers.LSTM(4)))
    assert told(chain).chain and told(chain).chain_reason is None
    assert not told(general).chain and told(general).chain_reason.kind == "chain_layer"
    for model in (chain, general):
        for _ in range(3):
            model(np.zeros((2, 50, 16), "float32"))
        assert (model._chain is not None) is told(model).chain


# ---- words and data -------------------------------------------------------------------------------------------------

WORDS = {
    "en": (
        "prediction of 32 samples",
        "One thread: more are not allowed",
        "A prediction is one native call",
        "assumed",
    ),
    "zh": ("32 个样本的预测", "一个线程：不允许更多", "一次原生调用", "假设"),
    "de": (
        "Vorhersage mit 32 Beispielen",
        "Ein Thread: mehr sind nicht erlaubt",
        "ein einziger nativer Aufruf",
        "angenommen",
    ),
}


@pytest.mark.parametrize("lang", WORDS)
def test_words(lang, two_threads):
    gw.config.set_threads(1)
    text = " ".join(str(told(model_of(layers.LSTM(8), layers.Dense(1)), lang=lang)).split())
    for words in WORDS[lang]:
        assert words in text.replace(" ", "") or words in text
    assert "{" not in text and "2.46 M" in text


def test_data_is_json_and_layers_tell_of_themselves():
    model = model_of(layers.LSTM(8), layers.Dense(1), shape=(None, 16))
    data = json.loads(json.dumps(model.explain_speed(batch_size=4, steps=20, measure=False).to_dict()))
    alone = model.layers[0].explain_speed(batch_size=4, steps=20, measure=False)
    assert data["layers"][0]["flops"] == alone.flops == 2 * 4 * 20 * 32 * 24
    assert data["layers"][0]["reasons"] == alone.to_dict()["layers"][0]["reasons"]
    assert data["rates"]["measured"] is False


def test_measured_rates():
    rates = explain_speed(model_of(layers.LSTM(8))).rates
    assert rates.measured and 1e8 < rates.flops < 1e14 and 1e7 < rates.memory_bytes < 1e13


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: explain_speed("x"), "explain_speed\\(\\) goes through a layer"),
        (lambda: layers.LSTM(3).explain_speed(), "is not built, so its shapes are not known"),
        (lambda: model_of(layers.LSTM(3), shape=(None, 2)).explain_speed(), "say how many, as in explain_speed\\("),
        (lambda: model_of(layers.LSTM(3)).explain_speed(0), "explain_speed\\(\\).*batch_size"),
        (lambda: model_of(layers.LSTM(3)).explain_speed(steps=7), "leave steps=7 out"),
        (lambda: model_of(layers.LSTM(3)).explain_speed(lang="fr"), "got lang='fr'"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises((TypeError, ValueError), match=said):
        call()


# ---- config.show ----------------------------------------------------------------------------------------------------

SHOW = """
import dataclasses, json, gatewise
before = gatewise.config.settings()
gatewise.config.set_threads(1)
print(json.dumps([dataclasses.asdict(before), dataclasses.asdict(gatewise.config.show()), before.vnni]))
"""


def shown(**environment):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GATEWISE_")}
    done = subprocess.run(
        [sys.executable, "-c", SHOW], env=variables | environment, capture_output=True, text=True, check=True
    )
    *printed, last = done.stdout.splitlines()
    return "\n".join(printed), *json.loads(last)


def test_show_says_what_runs_and_what_chose_it():
    printed, before, after, vnni = shown(GATEWISE_THREADS="2", GATEWISE_ISA="baseline")
    assert (before["threads"], before["threads_from"]) == (2, "GATEWISE_THREADS")
    assert (after["threads"], after["threads_from"]) == (1, "config.set_threads")
    assert (before["instruction_set"], before["chosen_by"]) == ("baseline", "GATEWISE_ISA")
    assert before["int8_kernels"] == "baseline" and vnni is False
    assert "threads          1, from config.set_threads" in printed
    assert f"gatewise         {gw.__version__}" in printed and f"numpy            {np.__version__}, BLAS: " in printed


def test_show_without_an_environment():
    _, before, _, _ = shown()
    assert before["chosen_by"] == "the processor" and before["instruction_set"] == before["supported"][-1]
    assert "CPUs" in before["threads_from"]
    assert before["native_module"].split("/")[-1].startswith("_native")

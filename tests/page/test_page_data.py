"""What the page is given: traces, weights, texts; the page as one file."""

import base64
import json
import re

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers
from gatewise.explain.page import single_file
from gatewise.explain.page.report import MOST_NUMBERS, MOST_SAMPLES, MOST_STEPS, model_data, packed
from gatewise.explain.page.texts import page_texts
from page.page_models import HOSTILE, data, model


def unpacked(array):
    return np.frombuffer(base64.b64decode(array["base64"]), "<f4").reshape(array["shape"])


def test_traces_and_weights_are_those_of_the_model():
    built, x = model(), data()
    facts, trace = model_data(built, x), gw.trace(built, x)
    assert (
        [layer["path"] for layer in facts["layers"]] == list(trace) == ["lstm", "both/forward_gru", "both/backward_gru"]
    )
    for layer in facts["layers"]:
        traced = trace[layer["path"]]
        for name, array in layer["trace"].items():
            np.testing.assert_array_equal(unpacked(array), traced[name])
        for variable in traced.described.cell._variables:
            np.testing.assert_array_equal(unpacked(layer["weights"][variable.name]), variable.numpy())
    lstm, _, backward = facts["layers"]
    assert np.array(lstm["mask"]).tolist() == trace["lstm"].mask.tolist()
    assert (lstm["kind"], lstm["features"], lstm["units"], lstm["steps_declared"]) == ("LSTM", 3, 4, 7)
    assert backward["reads_backwards"] and not lstm["reads_backwards"]
    assert facts["params"] == built.count_params() == sum(row["params"] for row in facts["rows"])


def test_without_data_the_layers_run_on_a_wave():
    facts = model_data(model())
    assert [layer["samples"] for layer in facts["layers"]] == [0, 0, 0]
    assert facts["layers"][0]["trace"]["h"]["shape"] == [1, 7, 4]


def test_long_data_are_cut_and_the_page_says_so():
    long = gw.Sequential([gw.Input((None, 1)), layers.GRU(2, go_backwards=True, name="gru")])
    x = np.random.default_rng(0).normal(size=(MOST_SAMPLES + 9, MOST_STEPS + 40, 1)).astype("float32")
    (layer,) = model_data(long, x)["layers"]
    assert (layer["samples"], layer["samples_given"]) == (MOST_SAMPLES, MOST_SAMPLES + 9)
    assert (layer["steps"], layer["steps_given"]) == (MOST_STEPS, MOST_STEPS + 40)
    expected = gw.trace(long, x[:MOST_SAMPLES])["gru"]["h"][:, -MOST_STEPS:]  # what it reads first
    np.testing.assert_array_equal(unpacked(layer["trace"]["h"]), expected)


def test_very_large_weights_stay_at_home():
    wide = layers.SimpleRNN(2, kernel_initializer="zeros")
    big = gw.Sequential([gw.Input((2, MOST_NUMBERS // 2)), wide])
    (layer,) = model_data(big)["layers"]
    assert layer["weights"] is None and layer["params"] > MOST_NUMBERS


@pytest.mark.parametrize(
    "layer", [layers.LSTM(3, peephole=True), layers.LSTM(3, coupled_gates=True), layers.GRU(3, activation="mish")]
)
def test_what_the_page_cannot_add_up_is_marked(layer):
    (facts,) = model_data(gw.Sequential([gw.Input((4, 2)), layer]))["layers"]
    assert not facts["plain"]
    assert facts["params"] == layer.count_params() == sum(int(np.prod(shape)) for _, shape in facts["matrices"])


def test_stacked_cells_have_a_run_each():
    stack = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], name="stack")
    facts = model_data(gw.Sequential([gw.Input((4, 2)), stack]))["layers"]
    assert [(layer["path"], layer["kind"]) for layer in facts] == [("stack/cell_0", "LSTM"), ("stack/cell_1", "GRU")]


def test_bad_input():
    with pytest.raises(ValueError, match="'plain' has no LSTM, GRU or SimpleRNN layer"):
        gw.explore(gw.Sequential([gw.Input((3,)), layers.Dense(1)], name="plain"))
    with pytest.raises(ValueError, match="explore\\(model, x\\)"):
        gw.explore(x=data())
    with pytest.raises(TypeError, match="takes a model or a layer"):
        gw.explore("model.keras")
    with pytest.raises(ValueError, match="ends in .html"):
        gw.explore().save("report.txt")
    with pytest.raises(ValueError, match="gatewise speaks"):
        gw.explore(lang="fr")


def test_texts_have_the_same_keys_in_all_languages():
    texts = page_texts()
    assert set(texts) == {"en", "zh", "de"} and texts["de"].keys() == texts["zh"].keys() == texts["en"].keys()
    script = single_file.joined_script()
    used = set(re.findall(r'\b(?:say|words)\(\s*"(\w+)"', script))
    assert len(used) > 60 and used <= set(texts["en"])
    assert len([key for key, text in texts["en"].items() if texts["zh"][key] == text]) == 0


def test_one_file_asks_for_nothing_and_names_cannot_become_markup(tmp_path):
    path = gw.explore(model(HOSTILE), data()).save(tmp_path / "report.html")
    text = path.read_text(encoding="utf-8")
    assert (
        HOSTILE not in text
        and HOSTILE in json.loads(text.split('id="gatewise-data">')[1].split("</script>")[0])["models"][0]["name"]
    )
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text) and "default-src 'none'" in text
    assert not re.search(r"^(import|export) ", single_file.joined_script(), re.M)


def test_top_names_of_the_modules_differ():
    seen = {}
    for name in single_file.modules():
        tops = re.findall(
            r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)", single_file.static_file(name), re.M
        )
        for top in tops:
            assert top not in seen, f"{top} stands in {name} and in {seen[top]}; joined into one file they would clash"
            seen[top] = name
    assert set(single_file.modules()) == {path.name for path in single_file.FOLDER.glob("*.js")}
    assert "innerHTML" not in single_file.joined_script() and "eval(" not in single_file.joined_script()


def test_the_notebook_gets_a_frame_of_its_own():
    shown = gw.explore(lang="de")._repr_html_()
    assert shown.startswith('<iframe title="gatewise" sandbox="allow-scripts') and "allow-same-origin" not in shown
    assert "<script" not in shown and "&lt;script" in shown


def test_packing():
    values = np.arange(6, dtype="float64").reshape(2, 3).T
    np.testing.assert_array_equal(unpacked(packed(values)), values)

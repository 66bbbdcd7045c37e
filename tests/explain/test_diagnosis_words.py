"""A diagnosis in words, in three languages, and as a picture."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import gatewise
from gatewise.explain import diagnosis_advice, diagnosis_phrases
from gatewise.explain.diagnosis_facts import CAUSES_FIRST, Advice, Finding, Origin
from gatewise.explain.language import words_in
from gatewise.layers import LSTM, Bidirectional, Dense, SimpleRNN

X = np.random.default_rng(0).standard_normal((8, 30, 3)).astype("float32")
Y = X[:, :, 0].mean(axis=1, keepdims=True)
LANGUAGES = ("en", "zh", "de")

FACTS = {
    "index": (3, 4, 1), "value": 0.5, "count": 2, "samples": [1, 2], "n_samples": 3, "features": [0], "n": 3, "of": 8,
    "rms": 12.0, "low": -1.0, "high": 300.0, "activation": "tanh", "least": 0.0, "most": None, "loss": 0.51234,
    "trivial": 0.6, "row": 1, "sum": 0.7, "share": 0.934, "norm": 1e4, "largest": 9e3, "last": "dense",
    "last_norm": 2.0, "ratio": 1e-9, "steps": 30, "first": 1e-12, "per_step": 0.4, "gate": "f", "units": [0, 1],
    "layer": "lstm", "rate": 0.9, "penalties": 7e3,
}  # fmt: skip


def all_kinds():
    """Every kind of finding that the code can make."""
    folder = [sys.modules[f"gatewise.explain.{name}"] for name in
              ("diagnosis_data", "diagnosis_model", "diagnosis_step", "diagnosis_time", "diagnosis_units")]  # fmt: skip
    found = set()
    for module in folder:
        text = open(module.__file__, encoding="utf-8").read()
        found |= {part.split('"')[1] for part in text.split("Finding(")[1:] if part.startswith('"')}
    return found | {"gradient_vanishes", "gradient_explodes", "units_dead", "units_constant", "units_saturated"}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_finding_and_advice_has_words(lang):
    words, english = words_in(lang), words_in("en")
    import gatewise.explain.diagnosis  # noqa: F401  (loads all parts)

    assert len(all_kinds()) > 30 and all_kinds() <= set(CAUSES_FIRST)
    for kind in sorted(all_kinds()):
        finding = Finding(kind, "warning", "lstm", FACTS)
        text = diagnosis_phrases.finding_text(finding, words)
        assert "lstm" in text or kind in ("gradient_small",), kind
        assert "{" not in text and (lang == "en" or text != diagnosis_phrases.finding_text(finding, english)), kind
    for stage in ("data", "weight", "forward", "loss", "slope", "gradient", "update"):
        origin = Origin(
            stage,
            "lstm",
            gate="f",
            step=3,
            sample=1,
            unit=2,
            index=(1, 3),
            epoch=0,
            batch=7,
            weight="lstm/kernel",
            largest=2.0,
        )
        text = diagnosis_phrases.origin_text(origin, words)
        assert "7" in text and (lang == "en" or text != diagnosis_phrases.origin_text(origin, english))
    source = open(diagnosis_advice.__file__, encoding="utf-8").read()
    kinds = {part.split('"')[0] for part in source.split('("')[1:] if '", ' in part[:30]} & {
        part.split('"')[0] for part in open(diagnosis_phrases.__file__, encoding="utf-8").read().split('        "')[1:]
    }
    assert len(kinds) > 20
    for kind in kinds:
        text = diagnosis_phrases.advice_text(Advice(kind, "", ()), words)
        assert text and (lang == "en" or text != diagnosis_phrases.advice_text(Advice(kind, "", ()), english)), kind


def model_of(*inner, loss="mse", optimizer="adam"):
    gatewise.utils.set_random_seed(2)
    model = gatewise.Sequential([gatewise.Input((None, 3)), *inner])
    model.compile(optimizer, loss)
    return model


def test_a_diagnosis_in_three_languages():
    both = Bidirectional(LSTM(4, return_sequences=True, name="reader"), name="both")
    model = model_of(both, SimpleRNN(3, activation="sigmoid", name="simple_rnn"), Dense(1, name="out"))
    diagnosis = gatewise.diagnose(model, 50 * X, Y, lang="en")
    told = {lang: str(diagnosis.in_language(lang)) for lang in LANGUAGES}
    assert "the gradient vanishes on its way back through 30 steps" in " ".join(told["en"].split())
    assert "What to try" in told["en"] and "Was zu versuchen ist" in told["de"] and "可以试试" in told["zh"]
    for text in told.values():
        assert "Normalization(); scale.adapt(x)" in text and "simple_rnn" in text
        assert all(len(line) <= 130 for line in text.splitlines())
    html = diagnosis.in_language("de")._repr_html_()
    assert html.startswith('<div class="gatewise-explanation" lang="de">') and "<table>" in html
    assert diagnosis.in_language("zh").to_dict()["sections"] != diagnosis.to_dict()["sections"]
    assert "findings, lang='en'" in repr(diagnosis)


def test_nothing_to_try_where_all_is_well():
    text = str(gatewise.diagnose(model_of(LSTM(4), Dense(1)), X, Y, lang="en"))
    assert "All is well" in text and "What to try" not in text and "Gradients by time step" in text
    assert "at the flat" not in text


def test_the_first_place_is_said_once():
    x = X.copy()
    x[1, 2, 0] = np.nan
    text = " ".join(str(gatewise.diagnose(model_of(LSTM(4), Dense(1)), x, Y, lang="en")).split())
    assert text.count("The first number that is not finite") == 1
    assert "x, at [1, 2, 0], is nan" in text and "Gates and states" not in text


def test_advice_can_be_run():
    x = 50 * X
    model = model_of(LSTM(4), Dense(1))
    diagnosis = gatewise.diagnose(model, x, Y, lang="en")
    code = next(a.code for a in diagnosis.advice if a.kind == "scale_inputs")
    room = {"gatewise": gatewise, "x": x}
    exec(code, room)
    scaled = gatewise.Sequential([gatewise.Input((None, 3)), room["scale"], LSTM(4), Dense(1)])
    scaled.compile("adam", "mse")
    assert "inputs_large" not in {f.kind for f in gatewise.diagnose(scaled, x, Y).findings}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_picture(tmp_path, lang):
    pytest.importorskip("matplotlib")
    model = model_of(Bidirectional(LSTM(4, return_sequences=True)), SimpleRNN(3, activation="sigmoid"), Dense(1))
    diagnosis = gatewise.diagnose(model, X, Y, lang=lang)
    figure = diagnosis.draw(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    gradients = figure.findobj(lambda a: getattr(a, "get_yscale", lambda: "")() == "log")[0]
    drawn = {line.get_label().split(":")[0]: np.asarray(line.get_ydata()) for line in gradients.get_lines()}
    assert len({(line.get_linestyle(), line.get_marker()) for line in gradients.get_lines()}) == 3
    for one in diagnosis.recurrent:
        assert drawn[one.path] == pytest.approx(np.asarray(one.gradients.norms), nan_ok=True)
    assert "pyplot" not in {name.split(".")[-1] for name in sys.modules if name.startswith("matplotlib")}


def test_a_picture_without_matplotlib(monkeypatch):
    diagnosis = gatewise.diagnose(model_of(LSTM(4), Dense(1)), X, Y)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "gatewise\[plot\]"'):
        diagnosis.draw()

"""Explanations: what they say, in which language, in which form."""

from __future__ import annotations

import html.parser
import json
import re

import numpy as np
import pytest

from gatewise import Input, Model, Sequential
from gatewise.explain import explain
from gatewise.explain.command import explain_model, explain_numbers
from gatewise.explain.language import chosen_language
from gatewise.layers import LSTM, Dense, Dropout, Layer, LSTMCell, TimeDistributed

LANGUAGES = ("en", "zh", "de")


def forecaster() -> Model:
    return Sequential([Input((None, 1)), LSTM(10, return_sequences=True), TimeDistributed(Dense(1))], name="forecaster")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("units", "features", "arithmetic"),
    [
        (1, 1, "4 x ((1 + 1) x 1 + 1) = 12"),
        (3, 2, "4 x ((2 + 3) x 3 + 3) = 72"),
        (10, 1, "4 x ((1 + 10) x 10 + 10) = 480"),
        (4, 3, "4 x ((3 + 4) x 4 + 4) = 128"),
        (10, 5, "4 x ((5 + 10) x 10 + 10) = 640"),
    ],
)
def test_the_arithmetic_is_written_out(lang, units, features, arithmetic):
    assert arithmetic in str(explain(LSTM(units), (13, features), lang))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_models_add_up_in_words(lang):
    text = str(explain(forecaster(), lang=lang))
    assert "480 + 11 = 491" in text
    assert "11 = 10 + 1" in text
    assert "10 x 1 + 1 = 11" in text
    text = str(explain(Sequential([Input((5, 3)), LSTM(4), Dense(2)]), lang=lang))
    assert "128 + 10 = 138" in text
    assert "4 x 2 + 2 = 10" in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_lstm_answers_every_question(lang):
    text = " ".join(str(explain(LSTM(10), (13, 5), lang)).split())
    for part in (
        "4 x 10 x (5 + 10 + 1) = 640",  # the other ways to write it
        "4 x ((5 + 1) x 10 + 10^2) = 640",
        "(5 + 10) x 10 + 10 160",  # each gate
        "W_f: 10 x 15",
        "b_f: 10",
        "(5, 40) (F, 4H) 5 x 4 x 10 200",  # each matrix
        "(10, 40) (H, 4H) 10 x 4 x 10 400",
        "(40,) (4H,) 4 x 10 40",
        "200 + 400 + 40 640",
        "[..., 10:20]",  # columns
        "f = sigmoid(W_f [h, x] + b_f)",  # equations
        "4 x ((5 + 1) x 1 + 1^2) = 28",  # the mistake
        "28 x 10 = 280",
        "64 x 10 = 640",
        "(N, 13, 10)",  # output shapes
        "[(N, 13, 10), (N, 10), (N, 10)]",
        "stateful=True",
        "input_shape=(None, 5)",  # steps
        "640 + 40 = 680",  # PyTorch
        "b_ih",
    ):
        assert part in text, part


def test_the_second_texts_mistake_is_named():
    text = " ".join(str(explain(LSTM(10, return_sequences=True), (None, 1), "en")).split())
    assert "4 x ((1 + 1) x 1 + 1^2) = 12 a unit and 12 x 10 = 120 in all" in text
    assert "one unit has 4 x (1 + 10 + 1) = 48, and the layer 48 x 10 = 480" in text
    assert "(1 + 10 + 1) / (1 + 1 + 1) = 12 / 3" in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_without_bias_no_bias_is_counted(lang):
    text = str(explain(LSTM(10, use_bias=False), (13, 5), lang))
    assert "4 x (5 + 10) x 10 = 600" in text
    assert "bias=False" in text and "b_f" not in text
    assert "640" not in text


def test_the_code_in_the_text_makes_the_textbooks_step():
    layer = LSTM(4, return_state=True)
    x = np.random.default_rng(0).normal(size=(1, 2, 3)).astype("float32")
    layer(x)
    layer.set_weights([np.random.default_rng(k).normal(size=w.shape) for k, w in enumerate(layer.get_weights())])
    (code,) = re.findall(r"W_f = .*\n +b_f = .*", str(explain(layer, lang="en")))
    found = {"np": np, "layer": layer}
    exec("\n".join(line.strip() for line in code.splitlines()), found)
    (_, h1, c1), (_, _, c2) = layer(x[:, :1]), layer(x)
    # f from the text's matrices is what kept c1 in c2: c2 = f c1 + i g, with i and g from Keras's own columns.
    z = x[0, 1] @ np.asarray(layer.kernel) + h1[0] @ np.asarray(layer.recurrent_kernel) + np.asarray(layer.bias)
    f = 1 / (1 + np.exp(-(found["W_f"] @ np.concatenate([h1[0], x[0, 1]]) + found["b_f"])))
    i, g = 1 / (1 + np.exp(-z[:4])), np.tanh(z[8:12])
    np.testing.assert_allclose(f * c1[0] + i * g, c2[0], rtol=1e-5)


def test_options_are_explained():
    layer = LSTM(4, go_backwards=True, stateful=True, dropout=0.25, unit_forget_bias=False, trainable=False)
    text = str(explain(layer, (7, 2), "en"))
    for part in (
        "go_backwards=True",
        "stateful=True:",
        "dropout=0.25",
        "unit_forget_bias=False",
        "Frozen: 112 of the 112",
    ):
        assert part in text


def test_one_unit_has_no_two_readings():
    text = " ".join(str(explain(LSTM(1), (1, 1), "en")).split())
    assert "plain numbers" in text and "independent copies" not in text


def test_later_lstms_are_told_in_short():
    model = Sequential([Input((None, 2)), LSTM(3, return_sequences=True), LSTM(4)])
    titles = [section.title for section in explain(model, lang="en").sections]
    assert titles.count("What `units` is") == 1
    assert titles.count("Gate by gate, as in the textbooks") == 2


@pytest.mark.parametrize("lang", LANGUAGES)
def test_other_layers_and_models(lang):
    class Scaled(Layer):
        def build(self, input_shape):
            self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")

        def call(self, x):
            return x * self.scale

    x = Input((4, 2))
    shared = Dense(2, use_bias=False, name="shared")
    inner = Sequential([Input((4, 2)), LSTM(3, name="inside"), Dropout(0.5)], name="inner")
    model = Model(x, inner(Scaled(name="scaled")(shared(shared(x)))))
    text = str(explain(model, lang=lang))
    for name in ("shared", "scaled", "inner", "inside"):
        assert name in text
    assert f"= {model.count_params()}" in text
    for layer in (LSTMCell(3), Dropout(0.5), TimeDistributed(LSTM(2))):
        assert str(explain(layer, (4, 5, 2), lang) if layer.name.startswith("time") else explain(layer, (4,), lang))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_to_dict_is_json_and_says_what_the_text_says(lang):
    explanation = explain(forecaster(), lang=lang)
    data = explanation.to_dict()
    assert json.loads(json.dumps(data, ensure_ascii=False)) == data
    assert data["language"] == lang
    assert data["account"]["params"] == 491
    titles = [section["title"] for section in data["sections"]]
    assert all(title in str(explanation) for title in titles)


class Balanced(html.parser.HTMLParser):
    """Checks that every tag is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("lang", LANGUAGES)
def test_html_is_well_formed_and_escaped(lang):
    x = Input((13, 5))
    model = Model(x, LSTM(10, name="a<b>&c")(x), name="<script>alert(1)</script>")
    text = explain(model, lang=lang)._repr_html_()
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    assert "script" not in parser.seen and "a&lt;b&gt;&amp;c" in text
    assert "4 x ((5 + 10) x 10 + 10) = 640" in text
    assert f'lang="{lang}"' in text


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "zh_CN"}, "zh"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "en_GB"}, "en"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "de"}, "en"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "fr:zh_TW:de"}, "zh"),
        ({"LC_ALL": "POSIX", "LANG": "de_DE"}, "en"),
    ],
)
def test_the_language_comes_from_the_environment(monkeypatch, environment, expected):
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert chosen_language() == expected
    assert explain(LSTM(1), (1, 1)).lang == expected


def test_a_language_can_be_given_in_full():
    assert [chosen_language(name) for name in ("de", "zh_CN", "EN-us")] == ["de", "zh", "en"]


@pytest.mark.parametrize("lang", ["fr", "", "deutsch", 3])
def test_other_languages_are_refused(lang):
    with pytest.raises(ValueError, match='"en".*"zh".*"de"'):
        explain(LSTM(1), (1, 1), lang)


def test_long_numbers_are_grouped_but_not_in_the_arithmetic():
    text = str(explain(LSTM(1024), (None, 1024), "en"))
    assert "4 x ((1024 + 1024) x 1024 + 1024) = 8392704" in text
    assert "8,392,704 parameters" in text
    assert "8.392.704 Parameter" in str(explain(LSTM(1024), (None, 1024), "de"))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_commands_texts(lang):
    assert explain_numbers(10, 5, 13, lang) == str(explain(LSTM(10, name="lstm"), (13, 5), lang))
    data = json.loads(explain_numbers(10, 5, None, lang, as_json=True))
    assert data["account"]["params"] == 640
    assert "491" in explain_model(forecaster(), lang)
    assert json.loads(explain_model(forecaster(), lang, as_json=True))["account"]["params"] == 491


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, 5, 13), "units.*got 0"),
        (("10", 5, 13), "without quotation marks"),
        ((10, -1, 13), "features.*got -1"),
        ((10, 5, 0), "steps.*got 0"),
    ],
)
def test_the_command_refuses_bad_sizes(arguments, says):
    with pytest.raises(ValueError, match=says):
        explain_numbers(*arguments, "en")


def test_the_package_can_be_called():
    import gatewise.explain.summary  # noqa: F401  (importing a part binds gatewise.explain to the package)

    assert "640" in str(gatewise.explain(LSTM(10), (13, 5), "en"))


def test_lines_are_not_wider_than_a_page():
    for lang in LANGUAGES:
        from gatewise.explain.text_width import width_of

        lines = str(explain(forecaster(), lang=lang)).splitlines()
        assert max(width_of(line) for line in lines) <= 110
        assert not any(re.search(r"\{\w+\}", line) for line in lines)

"""`summary()` of real models: the text that Keras printed for the same model."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise
from gatewise import Input, Model, Sequential, config
from gatewise.layers import LSTM, Dense, Dropout, TimeDistributed
from golden import build, load

SAVED = [(case, folder) for case, folder in load.saved_models("keras3") if build.is_supported(case["spec"])]


def printed(model: Model, columns: int = 80, **kwargs) -> str:
    """What summary() prints on a terminal of that width."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        texts: list[str] = []
        assert model.summary(print_fn=texts.append, **kwargs) is None
    (text,) = texts
    return text


def trained_once(model: Model, golden: str) -> None:
    """Let the golden model's optimizer make its variables: none for each weight in SGD, one in RMSprop, two in Adam."""
    held = int(golden.split("Optimizer params: ")[1].split()[0].replace(",", "")) - 2
    trained = sum(v.size for v in model.trainable_weights)
    optimizer = ("sgd", "rmsprop", "adam")[held // trained]
    rng = np.random.default_rng(0)
    sizes = [[2 if size is None else size for size in x.shape] for x in model.inputs]
    x = [(rng.random(size) * 2).astype(leaf.dtype) for size, leaf in zip(sizes, model.inputs, strict=True)]
    model.compile(optimizer, "mse")
    model.predict_on_batch(x if len(x) > 1 else x[0])
    y = [np.zeros([2 if size is None else size for size in out.shape], "float32") for out in model.outputs]
    model.train_on_batch(x if len(x) > 1 else x[0], y if len(y) > 1 else y[0])


@pytest.mark.parametrize(("case", "folder"), SAVED, ids=[folder.name for _, folder in SAVED])
def test_summary_is_what_keras_prints(case, folder):
    def golden(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8").rstrip("\n") + "\n"

    config.reset_names()
    model = build.build(case["spec"])
    if "Optimizer" in golden("summary.txt"):
        trained_once(model, golden("summary.txt"))
    assert printed(model) == golden("summary.txt")
    assert printed(model, 200) == golden("summary_wide.txt")
    assert printed(model, 200, expand_nested=True, show_trainable=True) == golden("summary_nested.txt")


def test_models_of_the_golden_data_are_here():
    assert len(SAVED) >= 9


CLASSIC_TRAINING_SCRIPT = """\
Model: "sequential"
_________________________________________________________________
Layer (type)                 Output Shape              Param #   
=================================================================
lstm (LSTM)                  (None, 4)                 128       
_________________________________________________________________
dense (Dense)                (None, 2)                 10        
=================================================================
Total params: 138
Trainable params: 138
Non-trainable params: 0
_________________________________________________________________"""  # noqa: W291


def test_the_classic_table_of_the_training_script():
    config.reset_names()
    model = Sequential([LSTM(4, input_shape=(5, 3)), Dense(2, activation="sigmoid")])
    assert printed(model, style="classic") == CLASSIC_TRAINING_SCRIPT


def test_the_classic_table_cuts_long_names():
    model = Sequential(
        [LSTM(10, return_sequences=True, input_shape=(None, 1)), TimeDistributed(Dense(1), name="time_distributed_4")]
    )
    lines = printed(model, style="classic").splitlines()
    assert lines[6] == "time_distributed_4 (TimeDist (None, None, 1)           11        "


def test_an_unbuilt_model():
    config.reset_names()
    text = printed(Sequential([LSTM(3), Dense(1)]))
    assert "│ lstm (LSTM)                     │ ?                      │   0 (unbuilt) │" in text
    assert " Total params: 0 (0.00 B)" in text
    text = printed(Sequential([LSTM(3, name="lstm")]), style="classic")
    assert "lstm (LSTM)                  ?                         unbuilt   " in text


def test_a_model_without_layers():
    assert " Total params: 0 (0.00 B)" in printed(Sequential())


def test_a_subclassed_model():
    class Forecaster(Model):
        def __init__(self):
            super().__init__()
            self.lstm = LSTM(3, name="lstm")
            self.head = Dense(2, name="head")

        def call(self, x):
            return self.head(self.lstm(x))

    model = Forecaster()
    assert printed(model).count("(unbuilt)") == 2
    model(np.zeros((2, 4, 5), "float32"))
    text = printed(model)
    assert "│ lstm (LSTM)                     │ (2, 3)                 │           108 │" in text
    assert "│ head (Dense)                    │ (2, 2)                 │             8 │" in text
    assert " Total params: 116 (464.00 B)" in text


def test_a_chain_has_no_connections_and_a_branch_has():
    x = Input((4, 2))
    h = LSTM(3)(x)
    assert "Connected to" not in printed(Model(x, h))
    assert "Connected to" not in printed(Model(x, [h, Dense(2)(h)]))
    assert "Connected to" in printed(Model(x, [Dense(2)(h), Dense(3)(h)]))
    shared = Dense(2)
    assert "Connected to" in printed(Model(x, shared(shared(x))))


def test_it_prints_when_nobody_asks_otherwise(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    model = Sequential([Input((13, 5)), LSTM(10)], name="s")
    assert model.summary() is None
    assert capsys.readouterr().out == printed(model)
    model.summary(style="classic")
    assert capsys.readouterr().out == printed(model, style="classic") + "\n"


def test_no_colours():
    assert "\x1b" not in printed(Sequential([Input((13, 5)), LSTM(10)]))


def test_a_range_of_layers():
    model = Sequential(
        [Input((4, 2)), Dense(3, name="a"), Dense(3, name="b"), Dropout(0.1, name="c"), Dense(1, name="d")]
    )
    text = printed(model, layer_range=["b", "c"])
    assert "b (Dense)" in text and "c (Dropout)" in text and "a (Dense)" not in text and "d (Dense)" not in text
    assert printed(model, layer_range=["c", "b"]) == text
    assert f" Total params: {model.count_params()}" in text


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"style": "fancy"}, "'keras3' and 'classic'.*'fancy'"),
        ({"line_length": 10}, "line_length"),
        ({"line_length": "80"}, "number of characters"),
        ({"layer_range": ["x", "lstm"]}, "'x'.*lstm"),
        ({"layer_range": "lstm"}, "two layer names"),
        ({"layer_range": [0, 1]}, "two layer names"),
    ],
)
def test_bad_arguments(kwargs, says):
    model = Sequential([Input((13, 5)), LSTM(10, name="lstm")])
    with pytest.raises(ValueError, match=says):
        printed(model, **kwargs)


def test_a_line_length_is_kept_on_a_narrow_terminal():
    text = printed(Sequential([Input((13, 5)), LSTM(10)]), 80, line_length=120)
    assert {len(line) for line in text.splitlines()[1:6]} == {120}


def test_users_layers_and_operations():
    x = Input((4, 2))
    model = Model(x, gatewise.ops.tanh(LSTM(3)(x)) + 1.0)
    assert " Total params: 72 (288.00 B)" in printed(model)

"""The command line as a process: the five texts' scripts, help, and what is said about bad input."""

import json
import pathlib
import re

import pytest

from commands import gatewise

SEEDS = pathlib.Path(__file__).parent / "seeds"


def counts(text):
    """The layers' numbers of parameters and the totals that stand in summaries of either style."""
    boxed = re.findall(r"^│.*│.*│ +([\d,]+) │$", text, re.MULTILINE)
    ruled = re.findall(r"^\w+ \(\w+\)? +\(.*\) +(\d+) *$", text, re.MULTILINE)
    totals = re.findall(r"Total params: ([\d,]+)", text)
    return [int(n.replace(",", "")) for n in boxed or ruled], [int(n.replace(",", "")) for n in totals]


@pytest.mark.parametrize("style", ["keras3", "classic"])
@pytest.mark.parametrize(
    "name, rows, totals",
    [
        ("s000_functional", [0, 12, 0, 72], [12, 72]),
        ("s001_deferred", [20], [20]),
        ("s002_time_distributed", [480, 11], [491]),
        ("s003_train", [128, 10], [138]),
        ("s004_count", [640], [640]),
    ],
)
def test_the_five_scripts_run_unmodified(name, rows, totals, style):
    done = gatewise("run", "--summary", style, SEEDS / f"{name}.py")
    assert done.returncode == 0 and done.stderr == ""
    assert counts(done.stdout) == (rows, totals)


def test_keras_3s_box_is_the_default():
    assert (
        gatewise("run", SEEDS / "s004_count.py").stdout
        == gatewise("run", "--summary", "keras3", SEEDS / "s004_count.py").stdout
    )


def test_the_printed_lines_of_the_functional_script():
    lines = gatewise("run", SEEDS / "s000_functional.py").stdout.splitlines()
    assert lines.count("None") == 2  # print(model.summary()), as in the text
    assert [line for line in lines if line.startswith("Model:")] == ['Model: "functional"', 'Model: "functional_1"']


def test_the_deferred_script_predicts():
    lines = gatewise("run", SEEDS / "s001_deferred.py").stdout.splitlines()
    assert lines[0] == "(2, 1)" and lines[-1] == "(2, 32)"


def test_the_training_script_prints_the_texts_lines():
    done = gatewise("run", "--summary", "classic", SEEDS / "s003_train.py")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["2.21.0", 'Model: "sequential"']
    assert lines[2] == "_" * 65 and lines[3] == "Layer (type)                 Output Shape              Param #   "
    assert "lstm (LSTM)                  (None, 4)                 128       " in lines
    training = lines[lines.index("Epoch 1/100") :]
    assert training[::2] == [f"Epoch {k}/100" for k in range(1, 101)]
    for line in training[1::2]:
        assert re.fullmatch(r"5/5 - 0s - loss: 0\.\d{4} - accuracy: (0\.\d{4}|1\.0000)", line), line
    losses = [float(re.search(r"loss: (\S+)", line).group(1)) for line in training[1::2]]
    assert losses[-1] < losses[0]


# --- explain ----------------------------------------------------------------------------------------------------

NUMBERS = ("--units", 10, "--features", 5, "--steps", 13)


@pytest.mark.parametrize("lang, word", [("en", "parameters"), ("zh", "参数"), ("de", "Parameter")])
def test_explain_in_three_languages(lang, word):
    done = gatewise("explain", *NUMBERS, "--lang", lang)
    assert done.returncode == 0 and done.stderr == ""
    assert word in done.stdout
    assert "4 x ((5 + 10) x 10 + 10) = 640" in done.stdout


def test_the_language_is_the_locales_by_default():
    assert (
        gatewise("explain", *NUMBERS, LANG="de_DE.UTF-8").stdout == gatewise("explain", *NUMBERS, "--lang", "de").stdout
    )
    assert gatewise("explain", *NUMBERS, LANG="C").stdout == gatewise("explain", *NUMBERS, "--lang", "en").stdout


def test_explain_as_json():
    found = json.loads(gatewise("explain", *NUMBERS, "--json").stdout)
    assert found["account"]["params"] == 640
    assert [gate["params"] for gate in found["account"]["gates"]] == [160] * 4


@pytest.mark.parametrize(
    "name, expected",
    [
        ("s000_functional", [12, 72]), ("s001_deferred", [20]), ("s002_time_distributed", [491]),
        ("s003_train", [138]), ("s004_count", [640]),
    ],
)  # fmt: skip
def test_explain_the_models_of_a_script(name, expected):
    done = gatewise("explain", SEEDS / f"{name}.py", "--json")
    assert done.returncode == 0 and done.stderr == ""
    assert [found["account"]["params"] for found in json.loads(done.stdout)] == expected
    words = gatewise("explain", SEEDS / f"{name}.py")
    assert words.returncode == 0
    assert all(str(n) in words.stdout for n in expected)
    assert "Epoch" not in words.stdout and "Model:" not in words.stdout  # what the script prints is not shown


def test_explain_does_not_train_save_or_wait(tmp_path):
    """Ten thousand epochs take no time, weights that were saved stay, and the script gets values of the right shape."""
    script = tmp_path / "long.py"
    script.write_text(
        "import numpy as np, sys\n"
        "from keras import Input, Model, Sequential\n"
        "from keras.layers import LSTM, Dense\n"
        "x, y = np.random.rand(500, 7, 3), np.random.rand(500, 2)\n"
        "inner = Sequential([LSTM(4)], name='inner')\n"
        "model = Sequential([inner, Dense(2)])\n"
        "model.compile('adam', 'mse', metrics=['mae'])\n"
        "h = model.fit(x, y, epochs=10000, validation_split=0.2, verbose=2)\n"
        "assert len(h.history['loss']) == len(h.history['val_mae']) == 10000\n"
        "assert model.predict(x).shape == (500, 2)\n"
        "assert len(model.evaluate(x, y)) == 2\n"
        "for _ in range(1000): loss = model.train_on_batch(x[:32], y[:32])\n"
        "model.save('model.keras')\n"
        "unused = Sequential([LSTM(5)], name='never_built')\n"
        "assert sys.argv[1:] == ['--size', '3'], sys.argv\n"
    )
    done = gatewise("explain", "--json", script, "--", "--size", "3", cwd=tmp_path, seconds=30)
    assert [found["account"]["params"] for found in json.loads(done.stdout)] == [4 * (3 + 4 + 1) * 4 + 10]
    assert done.stderr == "Model 'never_built' was never given the shape of its input, so it has no weights to count.\n"
    assert done.returncode == 0
    assert not (tmp_path / "model.keras").exists()


def test_explain_what_a_failing_script_built_before(tmp_path):
    script = tmp_path / "fails.py"
    script.write_text(
        "from keras import Input, Sequential\n"
        "from keras.layers import LSTM\n\n"
        "Sequential([Input((13, 5)), LSTM(10)]); 1 / 0\n"
    )
    done = gatewise("explain", script)
    assert "640" in done.stdout and done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n") and "line 4" in done.stderr


@pytest.mark.parametrize(
    "arguments, said",
    [
        ((), "give --units and --features"),
        (("--units", 10), "give --units and --features"),
        (("--units", 0, "--features", 5), "units"),
        (("--units", -3, "--features", 5), "units"),
        (("--units", 10, "--features", 0), "features"),
        (("--units", 10, "--features", 5, "--steps", 0), "steps"),
        (("--units", "2.5", "--features", 5), "invalid int value: '2.5'"),
        (("nowhere.py",), "there is no script 'nowhere.py'"),
        ((SEEDS / "s004_count.py", "--units", 10), "not both"),
        ((*NUMBERS, "--lang", "fr"), "invalid choice: 'fr'"),
    ],
)
def test_explain_refuses(arguments, said):
    done = gatewise("explain", *arguments)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_script_without_models(tmp_path):
    (tmp_path / "empty.py").write_text("import keras")
    done = gatewise("explain", tmp_path / "empty.py")
    assert done.returncode == 2 and "built no model" in done.stderr


# --- the command itself -----------------------------------------------------------------------------------------


def test_version():
    from gatewise import __version__

    assert gatewise("--version").stdout == f"gatewise {__version__}\n"


@pytest.mark.parametrize(
    "command, words",
    [
        ((), ["run", "explain", "demo", "--version"]),
        (("run",), ["SCRIPT.py", "--summary"]),
        (("explain",), ["--units", "--features", "--steps", "--lang", "--json", "SCRIPT.py"]),
        (("demo",), ["--out", "--epochs", "--units", "--csv", "--column", "--seed", "--lang"]),
    ],
)
def test_help(command, words):
    done = gatewise(*command, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert all(word in done.stdout for word in words)


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("run",), ("run", "--summary", "fancy", "x.py")])
def test_wrong_use(arguments):
    done = gatewise(*arguments)
    assert done.returncode == 2 and done.stderr.startswith("usage: gatewise") and "Traceback" not in done.stderr


def test_explain_a_script_that_ends_itself(tmp_path):
    text = (SEEDS / "s004_count.py").read_text(encoding="utf-8") + "\nimport sys\nsys.exit(3)\n"
    (tmp_path / "ends.py").write_text(text, encoding="utf-8")
    done = gatewise("explain", tmp_path / "ends.py", "--lang", "en")
    assert done.returncode == 1 and "= 640" in done.stdout
    assert "ended itself with 3" in done.stderr and "Traceback" not in done.stderr

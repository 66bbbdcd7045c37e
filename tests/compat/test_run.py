"""`gatewise run`: a script runs as it would under python, and its errors look as they would there."""

import re
import sys

import pytest

from commands import gatewise
from gatewise.compat import run_script


def script(folder, text, name="script.py"):
    path = folder / name
    path.write_text(text)
    return path


def test_the_script_sees_what_python_would_show_it(tmp_path):
    (tmp_path / "neighbour.py").write_text("value = 5")
    path = script(
        tmp_path,
        "import sys, neighbour\nfrom keras.layers import LSTM\n"
        "print(__name__, __file__, sys.argv, neighbour.value, sys.path[0])\n"
        "print(sys.modules['__main__'].LSTM is LSTM)\n",
    )
    done = gatewise("run", path, "--epochs", "3", "-h", "a b")
    assert done.stderr == "" and done.returncode == 0
    shown, own = done.stdout.splitlines()
    assert shown == f"__main__ {path} {[str(path), '--epochs', '3', '-h', 'a b']} 5 {tmp_path}"
    assert own == "True"


def test_options_of_run_stand_before_the_script(tmp_path):
    path = script(tmp_path, "import sys; print(sys.argv[1:])")
    assert gatewise("run", "--summary", "classic", path, "--summary", "x").stdout == "['--summary', 'x']\n"


@pytest.mark.parametrize("code, expected", [("3", 3), ("None", 0), ("'no data'", 1), ("0", 0)])
def test_the_scripts_exit_code_is_the_commands(tmp_path, code, expected):
    done = gatewise("run", script(tmp_path, f"import sys; sys.exit({code})"))
    assert done.returncode == expected
    assert done.stderr == ("no data\n" if code == "'no data'" else "")


def test_a_traceback_begins_in_the_script(tmp_path):
    path = script(tmp_path, "def f():\n    return 1 / 0\n\nf()\n")
    done = gatewise("run", path)
    assert done.returncode == 1 and done.stdout == ""
    frames = re.findall(r'File "(.*?)", line (\d+)', done.stderr)
    assert frames == [(str(path), "4"), (str(path), "2")]
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert "return 1 / 0" in done.stderr


def test_an_error_inside_gatewise_shows_the_way_there(tmp_path):
    path = script(tmp_path, "import numpy as np\nfrom keras.layers import LSTM\nLSTM(4)(np.zeros((2, 3)))\n")
    done = gatewise("run", path)
    assert done.returncode == 1
    assert re.findall(r'File "(.*?)", line (\d+)', done.stderr)[0] == (str(path), "3")
    assert "expected ndim=3, found ndim=2" in done.stderr and "runner.py" not in done.stderr


def test_an_error_that_came_from_another(tmp_path):
    path = script(tmp_path, "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('second') from e\n")
    done = gatewise("run", path)
    assert [line for _, line in re.findall(r'File "(.*?)", line (\d+)', done.stderr)] == ["2", "4"]


def test_a_syntax_error(tmp_path):
    path = script(tmp_path, "x = (\n")
    done = gatewise("run", path)
    assert done.returncode == 1
    assert re.findall(r'File "(.*?)", line (\d+)', done.stderr) == [(str(path), "1")]
    assert "SyntaxError: '(' was never closed" in done.stderr


@pytest.mark.parametrize(
    "line, expected",
    [
        ("from keras.layers import LSTMM", r"ImportError: .*'keras.layers'.*'LSTMM'.*line 2\).*keras\.layers\.LSTM\."),
        ("import keras; keras.layers.Danse", r"AttributeError: .*'Danse'.*line 2\).*keras\.layers\.Dense\."),
        (
            "import tensorflow as tf; tf.kerass",
            r"AttributeError: .*'tensorflow'.*'kerass'.*line 2\).*tensorflow\.keras\.",
        ),
        ("import tensorflow.keraz.layers", r"ModuleNotFoundError: .*'tensorflow.keraz'.*line 2\).*tensorflow\.keras\."),
        ("import keras.qqqqq", r"ModuleNotFoundError: No module named 'keras.qqqqq': .*line 2\)\.$"),
    ],
)
def test_a_missing_name_is_named_with_its_place_and_the_nearest(tmp_path, line, expected):
    path = script(tmp_path, f"import numpy\n{line}\n")
    done = gatewise("run", path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert re.search(expected, last), last
    assert str(path) in last
    # One frame: the script's.
    assert re.findall(r'File "(.*?)", line (\d+)', done.stderr) == [(str(path), "2")]


def test_neither_keras_nor_tensorflow_is_needed_or_touched(tmp_path):
    """What is installed under these names is not even looked at."""
    (tmp_path / "keras.py").write_text("raise SystemExit('the installed keras was imported')")
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('the installed tensorflow was imported')")
    path = script(
        tmp_path, "import keras, tensorflow as tf\nfrom tensorflow.keras.layers import LSTM\nprint(tf.__version__)\n"
    )
    done = gatewise("run", path)
    assert (done.stdout, done.returncode) == ("2.21.0\n", 0), done.stderr


@pytest.mark.parametrize("name, said", [("nowhere.py", "there is no script 'nowhere.py'"), (".", "'.' is a folder")])
def test_no_script(tmp_path, name, said):
    done = gatewise("run", name, cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_ctrl_c(tmp_path):
    done = gatewise("run", script(tmp_path, "raise KeyboardInterrupt"))
    assert done.returncode == 130 and done.stderr.endswith("KeyboardInterrupt\n")


def test_a_reader_that_has_enough(tmp_path):
    """`gatewise run script.py | head -1`."""
    import subprocess

    path = script(tmp_path, "for k in range(100000): print('a line of text', k)")
    command = f"{sys.executable} -m gatewise run {path} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("a line of text 0\n", "")


def test_run_script_in_python(tmp_path):
    path = script(
        tmp_path,
        "import sys\nfrom keras.layers import LSTM\nlayer = LSTM(3)\nsys.path.append('extra')\nargs = sys.argv\n",
    )
    before = sys.argv, list(sys.path), sys.modules["__main__"]
    found = run_script(path, ["7"])
    assert found["layer"].units == 3 and found["args"] == [str(path), "7"]
    assert (sys.argv, sys.path, sys.modules["__main__"]) == before
    with pytest.raises(FileNotFoundError):
        run_script(tmp_path / "nowhere.py")
    with pytest.raises(ZeroDivisionError):
        run_script(script(tmp_path, "1 / 0"))
    assert sys.modules["__main__"] is before[2]

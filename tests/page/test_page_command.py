"""`gatewise explore`: files, scripts, and what is said about bad input."""

import numpy as np
import pytest

from commands import gatewise
from page.page_models import data, model

SCRIPT = """
import sys
from keras import layers, Sequential
model = Sequential([layers.Input((4, 2)), layers.GRU(int(sys.argv[1]))])
"""


def test_a_model_with_data_becomes_one_file(tmp_path):
    model().save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", data())
    done = gatewise("explore", "m.keras", "--data", "x.npy", "-o", "page.html", "--lang", "de", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "page.html\n", "")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '"samples":5' in text and '"lang":"de"' in text


def test_a_script_and_nothing(tmp_path):
    (tmp_path / "s.py").write_text(SCRIPT)
    done = gatewise("explore", "s.py", "-o", "page.html", "--", "6", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"kind":"GRU","features":2,"units":6' in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert gatewise("explore", "-o", "empty.html", cwd=tmp_path).returncode == 0
    assert '"models":[]' in (tmp_path / "empty.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "x.npy"], "--data is for a model to run on"),
        (["missing.keras"], "does not exist"),
        (["missing.py"], "there is no script"),
        (["m.keras", "--data", "missing.npy", "-o", "p.html"], "missing.npy"),
        (["m.keras", "--data", "wrong.npy", "-o", "p.html"], "expected"),
        (["m.keras", "-o", "p.txt"], "ends in .html"),
        (["--no-browser", "--port", "99999"], "port"),
    ],
)
def test_bad_input_is_told(tmp_path, arguments, words):
    model().save(tmp_path / "m.keras")
    np.save(tmp_path / "wrong.npy", np.zeros((2, 7, 5), "float32"))
    done = gatewise("explore", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, done.stderr

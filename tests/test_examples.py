"""Every example runs as a process and ends with a result worth showing."""

import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"


def output_of(name):
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")], capture_output=True, text=True, timeout=120, encoding="utf-8"
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def last_number(text, key):
    return float(re.findall(rf"{key}: ([0-9.e+-]+)", text)[-1])


def test_first_lstm():
    text = output_of("first_lstm")
    assert "4 x ((1 + 10) x 10 + 10) = 480" in text
    assert last_number(text, "val_mae") < 0.1


def test_encoder_decoder():
    assert last_number(output_of("encoder_decoder"), "val_accuracy") > 0.95


def test_own_layer_and_loss():
    share = int(re.search(r"(\d+)% of the targets", output_of("own_layer_and_loss")).group(1))
    assert share == pytest.approx(90, abs=5)


def test_streaming():
    text = output_of("streaming")
    assert "as predict: True" in text and "restored: True" in text
    assert last_number(text, "mean error") < 0.2


def test_the_list_names_every_example():
    listed = set(re.findall(r"`(\w+\.py)`", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in EXAMPLES.glob("*.py")}


def test_quantized():
    """Weights of fewer bits forecast the demo's unseen years as well as float32, within a hundredth."""
    text = output_of("quantized")
    rows = {
        name: list(map(float, row.replace(",", "").split()))
        for name, row in re.findall(r"^(\w+) +([\d., ]+)$", text, re.M)
    }
    assert set(rows) == {"float32", "bfloat16", "int8"}
    for name, share in (("bfloat16", 0.55), ("int8", 0.35)):
        assert abs(rows[name][0] / rows["float32"][0] - 1) < 0.01
        assert rows[name][2] < share * rows["float32"][2]

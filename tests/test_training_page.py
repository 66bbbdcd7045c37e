"""What docs/training.md shows is so: its examples run, one after the other."""

import pathlib
import re

import numpy as np

PAGE = (pathlib.Path(__file__).resolve().parent.parent / "docs/training.md").read_text(encoding="utf-8")


def test_the_examples_run(capsys):
    names: dict = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(compile(code, "docs/training.md", "exec"), names)
    losses = [float(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
    assert losses[2] < losses[0]
    assert set(names["history"]) == {"loss", "mae"}
    assert names["saliency"].shape == (4, 12)
    assert set(names["gan"].history.history) == {"d_loss", "g_loss"}
    assert np.isfinite(names["model"].predict(names["x"])).all()


def test_the_loop_takes_ten_lines():
    loop = re.search(r"```python\n(.*?)```", PAGE, re.S).group(1)
    assert len([line for line in loop.splitlines() if line and "import" not in line]) <= 10

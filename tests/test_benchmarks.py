"""The benchmark command works; what it measures is not tested here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the benchmarks are run from the root and are not installed

from benchmarks.grid import Cell  # noqa: E402
from benchmarks.problem import make_problem  # noqa: E402


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_cells_with_gatewise_alone(tmp_path: Path) -> None:
    done = command(
        *("cells", "--peers", "none", "--cells", "1,1,1,1;3,5,3,4", "--seconds", "0.1", "--no-chart"),
        *("--out", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "cells.json").read_text())
    assert data["run"]["settings"]["seconds per cell"] == 0.1
    cells = data["result"]
    assert [(cell["cell"], cell["mode"]) for cell in cells] == [
        ([1, 1, 1, 1], "infer"),
        ([3, 5, 3, 4], "infer"),
        ([1, 1, 1, 1], "train"),
        ([3, 5, 3, 4], "train"),
    ]
    for cell in cells:
        assert cell["missing"] == {}
        assert cell["timings"][0]["peer"] == "gatewise"
        assert cell["timings"][0]["ratio"] == 1
        # The layer and the model around it compute the same.
        assert all(timing["difference"] == 0 for timing in cell["timings"])
    lines = (tmp_path / "results.md").read_text().splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert sum(line.startswith("| 3,5,3,4 |") for line in tables) == 2
    for heads, rule, *_ in (tables[:3], tables[4:7]):
        assert heads.count("|") == rule.count("|")


def test_a_peer_that_cannot_start_is_named(tmp_path: Path) -> None:
    done = command(
        *("cells", "--peers", "jax", "--peer-python", sys.executable, "--cells", "1,1,1,1", "--modes", "infer"),
        *("--seconds", "0.1", "--no-chart", "--out", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "cells.json").read_text())
    timed = {timing["peer"] for timing in result["result"][0]["timings"]}
    assert "jax" in timed or "jax is left out" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--peers", "torch"), "There is no peer 'torch'"),
        (("--cells", "3,5,3"), "four positive sizes"),
        (("--modes", "train,test"), "infer and train"),
        (("--threads", "0"), "positive integer"),
    ],
)
def test_bad_arguments_are_explained(arguments: tuple[str, str], said: str) -> None:
    done = command("cells", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_gate_order() -> None:
    problem = make_problem(Cell(2, 3, 4, 5))
    W, _, b = problem.gates("iofc")
    np.testing.assert_array_equal(W[:, 5:10], problem.W[:, 15:])
    np.testing.assert_array_equal(b[15:], problem.b[10:15])

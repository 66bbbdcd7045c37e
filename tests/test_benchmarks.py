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

from benchmarks import scaling, targets_fastest  # noqa: E402
from benchmarks.conductor import CellResult, Timing  # noqa: E402
from benchmarks.grid import FULL, SUITES, Cell, lengths  # noqa: E402
from benchmarks.peers import PEERS  # noqa: E402
from benchmarks.problem import make_problem  # noqa: E402
from benchmarks.results import Results  # noqa: E402


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
        (("--only", "cells,lstm"), "There is no benchmark 'lstm'"),
    ],
)
def test_bad_arguments_are_explained(arguments: tuple[str, str], said: str) -> None:
    done = command("cells", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_every_suite_runs_with_gatewise_alone(tmp_path: Path) -> None:
    """One small cell of each kind, in each mode: the same results whichever way is asked."""
    names = [name for name in SUITES if name not in ("cells", "fit")]
    done = command(
        *("all", "--only", ",".join(names), "--quick", "--peers", "none", "--cells", "3,5,3,4"),
        *("--seconds", "0.05", "--no-chart", "--out", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    assert "minutes, if nothing else uses the machine" in done.stdout
    page = (tmp_path / "results.md").read_text()
    for name in names:
        cells = json.loads((tmp_path / f"{name}.json").read_text())["result"]
        assert [cell["mode"] for cell in cells] == list(SUITES[name].modes)
        assert SUITES[name].title in page
        for cell in cells:
            assert cell["kind"] == SUITES[name].kind and cell["missing"] == {} and cell["peak_gflops"] > 0
            assert all(timing["difference"] in (0, None) for timing in cell["timings"])
    ways = {timing["way"] for timing in json.loads((tmp_path / "small.json").read_text())["result"][0]["timings"]}
    assert set(targets_fastest.SMALL_SECONDS) <= ways
    assert "int8 at least" not in page  # promised from H = 256 on only


def test_gate_order() -> None:
    problem = make_problem(Cell(2, 3, 4, 5))
    W, _, b = problem.gates("iofc")
    np.testing.assert_array_equal(W[:, 5:10], problem.layers[0].W[:, 15:])
    np.testing.assert_array_equal(b[15:], problem.layers[0].b[10:15])
    gru = make_problem(Cell(2, 3, 4, 5), "gru")
    np.testing.assert_array_equal(gru.gates("rzh").b[:, :5], gru.layers[0].b[:, 5:10])


def test_batches_are_half_padding() -> None:
    for cell in SUITES["masked"].cells:
        found = lengths(cell)
        assert len(found) == cell.N and min(found) >= 1 and max(found) <= cell.T
        assert sorted(found) != found  # nobody is given them in order
        assert abs(sum(found) / (cell.N * cell.T) - 0.5) < 0.02
        assert cell.flops("infer", "masked") < 0.53 * cell.flops("infer")
    problem = make_problem(Cell(4, 6, 2, 3), "masked")
    assert not problem.x[~problem.mask].any() and problem.x[problem.mask].all()


def test_operations_of_a_cell() -> None:
    cell = Cell(2, 3, 4, 5)
    assert cell.flops("infer") == 2 * 2 * 3 * 4 * 5 * (4 + 5)
    assert cell.flops("train", "gru") == 3 * 2 * 2 * 3 * 3 * 5 * (4 + 5)
    assert cell.flops("infer", "bidirectional") == 2 * cell.flops("infer")
    assert cell.flops("infer", "stacked") == cell.flops("infer") + Cell(2, 3, 5, 5).flops("infer")


def test_who_takes_part() -> None:
    assert PEERS["onnxruntime"].takes("gru", "infer") and not PEERS["onnxruntime"].takes("gru", "train")
    assert PEERS["pytorch"].takes("masked", "train") and not PEERS["jax"].takes("masked", "infer")
    assert [name for name, peer in PEERS.items() if peer.takes("quantized", "infer")] == ["gatewise"]


def cell_result(cell: Cell, mode: str, ratio: float, gflops: float = 190.0, kind: str = "lstm") -> CellResult:
    ours = Timing("gatewise", "layer", 1e-5, gflops, 1.0, (1.0, 1.0), 5, 0.0)
    peer = Timing("pytorch", "module", 1e-5 * ratio, gflops / ratio, ratio, (ratio, ratio), 5, 0.0)
    return CellResult(cell, mode, [ours, peer], {}, kind, 200.0)


def verdicts_of(**suites: list[CellResult]) -> dict[str, bool]:
    found = targets_fastest.verdicts(Results(suites, None, None, None, None, {}))
    return {verdict.promise: verdict.holds for verdict in found}


def test_what_is_promised_of_each_size() -> None:
    bounds = [targets_fastest.inference_times(cell) for cell in FULL]
    assert bounds == [4, 4, 4, 4, 2, 2, 1.1, 1, 1, 1, 1]
    assert [targets_fastest.training_times(cell) for cell in FULL] == [3] * 5 + [1.2] * 6


def test_a_promise_fails_by_its_closest_cell() -> None:
    good = [cell_result(cell, "infer", 5.0) for cell in FULL]
    assert all(verdicts_of(cells=good).values())
    one_slow = [*good[:-1], cell_result(FULL[-1], "infer", 0.9)]
    found = verdicts_of(cells=one_slow)
    assert [promise for promise, holds in found.items() if not holds] == [
        "One LSTM layer, inference: at least 1 times as fast as the best peer, H = 256, 512, 1024"
    ]
    off_peak = [*good[:-1], cell_result(FULL[-1], "infer", 5.0, gflops=100.0)]
    assert not verdicts_of(gru=off_peak)["One GRU layer, inference: at least 92% of the peak at H >= 512, N >= 32"]


def test_our_own_ways_are_held_against_each_other() -> None:
    cell = Cell(32, 100, 128, 256)
    ours = Timing("gatewise", "masked", 1e-3, 1.0, 1.0, (1.0, 1.0), 5, 0.0)

    def beside(way: str, ratio: float, mode: str = "infer") -> list[CellResult]:
        return [CellResult(cell, mode, [ours, Timing("gatewise", way, ratio, 1.0, ratio, (1, 1), 5, None)])]

    dense = "Half-empty batches at least 1.5 times as fast as dense ones, inference"
    assert verdicts_of(masked=beside("dense", 1.6))[dense] and not verdicts_of(masked=beside("dense", 1.4))[dense]
    int8 = "int8 at least 1.8 times as fast as float32, H >= 256, inference"
    assert verdicts_of(quantized=beside("int8", 0.5))[int8] and not verdicts_of(quantized=beside("int8", 0.6))[int8]
    variant = "peephole: at most 1.25 times the plain LSTM"
    assert verdicts_of(variants=beside("peephole", 1.2))[variant]
    assert not verdicts_of(variants=beside("peephole", 1.3))[variant]


def test_slopes_and_cliffs() -> None:
    sizes = (1, 2, 4, 8, 127, 128, 129)
    points = [{"at": n, "seconds": 1e-6 * n**2, "flops": 10 * n**2} for n in sizes]
    assert abs(scaling.slope(points, "seconds") - 2) < 1e-9
    ratio, _, _ = scaling.steepest(points)
    assert abs(ratio - 1) < 1e-9
    points[5]["seconds"] *= 3
    ratio, fast, slow = scaling.steepest(points)
    assert abs(ratio - 3) < 1e-9 and slow == 128 and fast in (127, 129)
    assert scaling.steepest(points[:4]) is None


def test_an_idle_process_uses_no_cpu() -> None:
    """A second after work on all threads takes far less than a second of them."""
    code = "from benchmarks.scaling_worker import idle_cpu_seconds; print(idle_cpu_seconds(2))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.25

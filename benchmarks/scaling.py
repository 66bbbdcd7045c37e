"""How time and memory grow with each size: measured in a process of its own, then told and drawn."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TITLES = {
    "N": "batch N", "T": "time steps T", "F": "features F", "H": "units H", "all": "N = T = F = H", "layers": "layers",
}  # fmt: skip
_FONT: dict[Any, Any] = {
    "font.size": 9, "axes.titlesize": 10, "axes.labelsize": 9, "legend.fontsize": 8, "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}  # fmt: skip
_NEAR = 1.02
"""Sizes as near as this to each other are neighbours, between which there should be no cliff."""


def expected_seconds(quick: bool) -> float:
    """About how long `measure` takes."""
    return 20.0 if quick else 120.0


def measure(quick: bool, threads: int) -> dict[str, Any]:
    """What `scaling_worker` finds, as plain data.

    Raises:
        RuntimeError: with what it said if it fails.
    """
    command = [sys.executable, "-m", "benchmarks.scaling_worker", "quick" if quick else "full", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def slope(points: Sequence[Mapping[str, Any]], of: str) -> float:
    """By what power `of` ("seconds" or "flops") grows from the point in the middle of the sizes to the last one."""
    first, last = points[len(points) // 2], points[-1]
    return math.log(last[of] / first[of]) / math.log(last["at"] / first["at"])


def steepest(points: Sequence[Mapping[str, Any]]) -> tuple[float, int, int] | None:
    """(the largest ratio of times per operation of two neighbouring sizes, the faster and the slower of them)."""
    found = []
    for a, b in zip(points, points[1:], strict=False):
        if b["at"] / a["at"] < _NEAR:
            rate_a, rate_b = a["seconds"] / a["flops"], b["seconds"] / b["flops"]
            ratio = max(rate_a / rate_b, rate_b / rate_a)
            found.append((ratio, *((a["at"], b["at"]) if rate_a < rate_b else (b["at"], a["at"]))))
    return max(found, default=None)


def lines(found: Mapping[str, Any], has_chart: bool) -> Iterator[str]:
    """The part of the page."""
    yield from ("## Scaling", "")
    yield "| against | slope of the time | slope of the arithmetic | largest step between neighbours |"
    yield "|:--|--:|--:|--:|"
    for axis, points in found["curves"].items():
        cliff = steepest(points)
        told = "-" if cliff is None else f"{cliff[0]:.2f} ({cliff[1]} to {cliff[2]})"
        yield f"| {TITLES[axis]} | {slope(points, 'seconds'):.2f} | {slope(points, 'flops'):.2f} | {told} |"
    yield ""
    yield "Slopes are of the upper half of the sizes; steps of the time per operation, between sizes at most 2 % apart."
    if has_chart:
        yield from ("", "![Time against each size, log-log, with the slope of the arithmetic](scaling.png)")
    yield ""
    yield from _threads(found["threads"])
    same, blas = found["same_time"], found["with_blas"]
    yield f"- Two Python threads predicting at the same time: {same['ratio']:.2f} times the predictions of one."
    yield f"- Predictions and NumPy's products in turn: {blas['ratio']:.2f} times the sum of both alone."
    yield f"- CPU time in an idle second after work: {found['idle_cpu_seconds'] * 1000:.1f} ms."
    for one in found["memory"]:
        layers, N, T, F, H = one["sizes"]
        told, took = one["told"] / 1e6, one["took"] / 1e6
        yield (
            f"- Memory of a training step, {layers} x LSTM({H}), ({N}, {T}, {F}): {told:.1f} MB by the formula, "
            f"{took:.1f} MB measured."
        )


def _threads(points: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    alone = {tuple(point["cell"]): point["seconds"] for point in points if point["at"] == 1}
    for point in points:
        if point["at"] > 1:
            cell = tuple(point["cell"])
            times = alone[cell] / point["seconds"]
            yield f"- {point['at']} threads, ({','.join(map(str, cell))}): {times:.2f} times as fast as one."


def draw(found: Mapping[str, Any], folder: Path) -> None:
    """Write scaling.png: a picture for each size, the time in log-log and the arithmetic's slope beside it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(_FONT):
        figure, axes = pyplot.subplots(2, 3, figsize=(11, 6.6), layout="constrained")
        for axis, (name, points) in zip(axes.flat, found["curves"].items(), strict=True):
            _draw_curve(axis, name, points)
        axes.flat[0].legend(loc="upper left")
        figure.savefig(folder / "scaling.png", dpi=110)
        pyplot.close(figure)


def _draw_curve(axis: Any, name: str, points: Sequence[Mapping[str, Any]]) -> None:
    at = [point["at"] for point in points]
    last = points[-1]
    arithmetic = [last["seconds"] * point["flops"] / last["flops"] * 1e6 for point in points]
    axis.plot(
        at, [point["seconds"] * 1e6 for point in points], "o-", color="C0", markersize=3, linewidth=1, label="time"
    )
    axis.plot(at, arithmetic, "--", color="C1", linewidth=1, label="slope of the arithmetic")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    shown = [point["seconds"] * 1e6 for point in points] + arithmetic
    axis.set_ylim(10 ** math.floor(math.log10(min(shown))), 10 ** math.ceil(math.log10(max(shown))))  # whole decades
    axis.set_title(f"against {TITLES[name]}")
    axis.set_xlabel(TITLES[name])
    axis.set_ylabel("µs a call")
    axis.yaxis.set_minor_formatter("")
    axis.grid(True, which="major", alpha=0.3)

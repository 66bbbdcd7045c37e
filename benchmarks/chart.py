"""The cells' ratios as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.conductor import CellResult
from benchmarks.peers import OURS

_MARKERS = "osD^vPX*<>"
CHARTED = ("cells", "gru", "simple_rnn", "bidirectional", "stacked")
"""The suites that are drawn: those with several peers."""
_FARTHEST = 100.0
"""Ratios beyond this are drawn here, so that a few of them do not squeeze all others together."""


def draw(cells: Sequence[CellResult], path: Path) -> None:
    """Write a PNG: a row for each cell, a marker for each peer at its time divided by gatewise's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    modes = list(dict.fromkeys(result.mode for result in cells))
    figure, axes = pyplot.subplots(
        1, len(modes), figsize=(7.5 * len(modes), 2.4 + 0.42 * len(cells) / len(modes)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    entrants = list(dict.fromkeys((t.peer, t.way) for result in cells for t in result.timings if t.peer != OURS))
    handles = {}
    for axis, mode in zip(axes[0], modes, strict=True):
        _draw_mode(axis, mode, [result for result in cells if result.mode == mode], entrants)
        handles |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend(handles.values(), handles.keys(), fontsize=8, loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw_mode(axis, mode: str, cells: Sequence[CellResult], entrants: Sequence[tuple[str, str]]) -> None:
    peers = list(dict.fromkeys(peer for peer, _ in entrants))
    for k, (peer, way) in enumerate(entrants):
        points = [
            (min(timing.ratio, _FARTHEST), row)
            for row, result in enumerate(cells)
            for timing in result.timings
            if (timing.peer, timing.way) == (peer, way)
        ]
        if not points:
            continue
        marker, color = _MARKERS[k % len(_MARKERS)], f"C{peers.index(peer) % 10}"
        axis.plot(*zip(*points, strict=True), marker, color=color, label=f"{peer} {way}", alpha=0.8)
    axis.axvline(1.0, color="black", linewidth=1)
    axis.set_xscale("log")
    axis.set_yticks(range(len(cells)), [f"({result.cell})" for result in cells])
    axis.invert_yaxis()
    axis.grid(True, axis="x", which="both", alpha=0.25)
    axis.set_title({"infer": "Inference", "train": "Training step"}[mode])
    axis.set_xlabel(f"peer's time / gatewise's time, at most {_FARTHEST:g} (right of 1: gatewise is faster)")
    axis.set_ylabel("N, T, F, H")

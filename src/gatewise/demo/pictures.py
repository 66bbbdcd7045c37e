"""The demo's two pictures: forecasts against the truth, and the loss by epoch.  Readable without colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.demo.judging import Score

_SIZE_INCHES = (10, 5)
_DOTS_PER_INCH = 150
# Colours that differ in brightness too, each with a line of its own kind.
_LINES = (
    {"color": "#0b4f8a", "linewidth": 2.2, "linestyle": "-"},
    {"color": "#d9822b", "linewidth": 1.5, "linestyle": "--"},
    {"color": "#8a8a8a", "linewidth": 1.2, "linestyle": ":"},
)


def draw_forecasts(
    path: Path, title: str, positions: np.ndarray, truth: np.ndarray, scores: Sequence[Score], axes: tuple[str, str]
) -> None:
    """Draw what came and what each method had forecast.

    Args:
        path: the PNG file.
        positions: (n,) horizontal places.  truth: (n,).
        scores: the methods, the most important first.
        axes: what the horizontal and the vertical axis say.
    """
    figure, plot = _new_picture(title, axes)
    marks = "o-" if len(truth) <= 150 else "-"
    plot.plot(positions, truth, marks, color="black", linewidth=0.9, markersize=3.5, label="what came", zorder=5)
    for line, result in reversed(list(zip(_LINES, scores, strict=True))):
        plot.plot(positions, result.forecast, label=f"{result.method} (RMSE {result.rmse:.3g})", **line)
    handles, labels = plot.get_legend_handles_labels()
    order = [0, *range(len(handles) - 1, 0, -1)]
    top = max(truth.max(), *(s.forecast.max() for s in scores))
    bottom = min(truth.min(), *(s.forecast.min() for s in scores))
    plot.set_ylim(bottom - 0.05 * (top - bottom), top + 0.28 * (top - bottom))  # the legend stands above the lines
    plot.margins(x=0.01)
    plot.legend([handles[k] for k in order], [labels[k] for k in order], loc="upper center", ncols=2, frameon=False)
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def draw_losses(path: Path, title: str, losses: Sequence[float], validation_losses: Sequence[float], kept: int) -> None:
    """Draw the training and the validation loss after each epoch, on a logarithmic scale.

    Args:
        path: the PNG file.
        kept: the epoch (from 0) whose weights were kept.
    """
    figure, plot = _new_picture(title, ("epoch", "mean squared error (scaled values)"))
    epochs = np.arange(1, len(losses) + 1)
    mark = "." if len(losses) <= 30 else ""  # a single epoch is a point, not a line
    plot.plot(epochs, losses, label="training", marker=mark, **_LINES[0])
    plot.plot(epochs, validation_losses, label="validation", marker=mark, **_LINES[1])
    plot.plot(
        [kept + 1],
        [validation_losses[kept]],
        "o",
        color="black",
        markersize=7,
        label=f"kept: epoch {kept + 1}",
        zorder=5,
    )
    plot.set_yscale("log")
    _plain_ticks(plot.yaxis)
    plot.set_xlim(0, len(losses) + 1)
    plot.legend(frameon=False)
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def _plain_ticks(axis: Any) -> None:
    """Write 0.05, 0.1, 0.2, not powers of ten, on a logarithmic axis that spans little."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _new_picture(title: str, axes: tuple[str, str]) -> tuple[Any, Any]:
    """A figure with one plot.  It is drawn straight to the file: no window, no global state of matplotlib's."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    plot.set_title(title, loc="left")
    plot.set_xlabel(axes[0])
    plot.set_ylabel(axes[1])
    plot.grid(True, color="#dddddd", linewidth=0.6)
    plot.set_axisbelow(True)
    for side in ("top", "right"):
        plot.spines[side].set_visible(False)
    return figure, plot

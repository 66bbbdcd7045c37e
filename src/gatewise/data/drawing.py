"""Windows as a picture: the rows in time, the parts, and the windows as bars.  Readable without colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gatewise.data.windowing import Windows

# Of Okabe & Ito's colours, told apart by every kind of colour vision; they differ in brightness too, and in hatching.
_LOOKS = {
    "train": ("#0072B2", None, "training"),
    "validation": ("#E69F00", "////", "validation"),
    "test": ("#7F7F7F", "xxxx", "test"),
}
_MOST_GROUPS = 5
_MOST_POINTS = 4000
_SHOWN = 3  # windows at each end of a stretch
_DOTS_PER_INCH = 150


def draw(windows: Windows, path: Any = None) -> Any:
    """The figure; saved as well, where a path is given.

    One panel a group: the first target in time, below it the first and the last windows of every part.

    Raises:
        ImportError: without matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError('Pictures need matplotlib: pip install "gatewise[plot]"') from None
    groups = windows.table.group_names[:_MOST_GROUPS]
    figure = Figure(figsize=(11, 1.2 + 3.4 * len(groups)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2 * len(groups), 1, height_ratios=[1.2, 1.0] * len(groups))
    first = None
    for k, group in enumerate(groups):
        rows = np.flatnonzero(windows.table.groups == k)
        series = figure.add_subplot(grid[2 * k], sharex=first)
        bars = figure.add_subplot(grid[2 * k + 1], sharex=series)
        first = first or series
        _draw_series(series, windows, rows, group)
        _draw_bars(bars, windows, rows)
        bars.set_xlabel("row" if windows.table.time is None else "time")
    more = len(windows.table.group_names) - len(groups)
    figure.suptitle(_title(windows) + (f"; {more} more groups are not drawn" if more else ""), x=0.01, ha="left")
    _add_legend(figure, windows)
    if path is not None:
        figure.savefig(path, dpi=_DOTS_PER_INCH)
    return figure


def _title(windows: Windows) -> str:
    span = windows.span
    gap = f", gap {span.gap}" if span.gap else ""
    counts = ", ".join(f"{_LOOKS[name][2]} {part.count}" for name, part in windows.parts.items())
    return f"Windows of {span.steps_in} rows in{gap}, {span.steps_out} out: {counts}"


def _places(windows: Windows, rows: Any) -> np.ndarray:
    """Where rows stand on the horizontal axis."""
    table = windows.table
    return table.frame_rows[rows] if table.time is None else table.time[rows]


def _edges(windows: Windows, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each of a group's rows begins and ends on the axis: half a usual step before and after."""
    places = _places(windows, rows)
    steps = np.diff(places)
    usual = np.median(steps) if len(steps) else np.ones(1, places.dtype)[0]
    if places.dtype.kind == "M":
        half = np.timedelta64(int(usual.astype("int64")) // 2, np.datetime_data(places.dtype)[0])
    else:
        half = usual / 2
    return places - half, places + half


def _draw_series(plot: Any, windows: Windows, rows: np.ndarray, group: Any) -> None:
    """The first target in time, each part on its own ground."""
    name = windows.targets[0]
    values, places = windows.table.columns[name][rows], _places(windows, rows)
    thin = max(1, len(rows) // _MOST_POINTS)
    numbers = windows.facts.stretches.number[rows]
    breaks = np.flatnonzero(np.diff(numbers)) + 1
    for piece in np.split(np.arange(len(rows)), breaks):
        plot.plot(places[piece][::thin], values[piece][::thin], color="black", linewidth=0.9)
    low, high = _edges(windows, rows)
    parts = windows.row_parts[rows]
    for piece in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(parts)) + 1):
        if parts[piece[0]] < 0:
            continue
        color, hatch, _ = _LOOKS[list(windows.parts)[parts[piece[0]]]]
        ground = {"linewidth": 0.8, "zorder": 0}
        plot.axvspan(low[piece[0]], high[piece[-1]], facecolor=color, alpha=0.22, **ground)
        plot.axvspan(
            low[piece[0]], high[piece[-1]], facecolor="none", edgecolor=color, hatch=hatch, alpha=0.5, **ground
        )
    plot.margins(x=0.01)
    plot.set_ylabel(name if isinstance(name, str) else f"column {name}")
    if group is not None:
        plot.set_title(str(group), loc="left", fontsize="medium")
    plot.tick_params(labelbottom=False)
    for side in ("top", "right"):
        plot.spines[side].set_visible(False)


def _draw_bars(plot: Any, windows: Windows, rows: np.ndarray) -> None:
    """The first and the last windows of each piece of each part, one below the other."""
    low, high = _edges(windows, rows)
    at = {int(row): k for k, row in enumerate(rows)}
    span, lines = windows.span, 0
    numbers = windows.facts.stretches.number
    for name, part in windows.parts.items():
        starts = part.starts[np.isin(part.starts, rows)]
        pieces = np.split(starts, np.flatnonzero(np.diff(numbers[starts])) + 1) if len(starts) else []
        for piece in pieces:
            for level, start in enumerate(_ends(piece)):
                if start is None:
                    _draw_dots(
                        plot, low[at[int(piece[_SHOWN - 1])]], high[at[int(piece[-_SHOWN])] + span.length - 1], level
                    )
                    continue
                k = at[int(start)]
                _draw_bar(plot, low[k], high[k + span.steps_in - 1], level, name)
                target = k + span.ahead
                _draw_target(plot, low[target], high[target + span.steps_out - 1], level)
                lines = max(lines, level)
    plot.set_ylim(lines + 0.8, -0.8)
    plot.set_yticks([])
    plot.set_ylabel("windows")
    for side in ("top", "right", "left"):
        plot.spines[side].set_visible(False)


def _ends(starts: np.ndarray) -> list[Any]:
    """The first and the last starts, and None in place of those between."""
    if len(starts) <= 2 * _SHOWN + 1:
        return list(starts)
    return [*starts[:_SHOWN], None, *starts[-_SHOWN:]]


def _draw_bar(plot: Any, left: Any, right: Any, level: int, name: str) -> None:
    color, hatch, _ = _LOOKS[name]
    plot.barh(level, right - left, left=left, height=0.62, color=color, edgecolor="white", hatch=hatch, linewidth=0.4)


def _draw_target(plot: Any, left: Any, right: Any, level: int) -> None:
    plot.barh(level, right - left, left=left, height=0.62, color="black", linewidth=0)


def _draw_dots(plot: Any, left: Any, right: Any, level: int) -> None:
    """A line of dots for the windows between."""
    plot.plot([left, right], [level, level], color="#555555", linestyle=(0, (1, 4)), linewidth=1.2)


def _add_legend(figure: Any, windows: Windows) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    looks = [_LOOKS[name] for name in windows.parts]
    handles: list[Any] = [
        Patch(facecolor=color, edgecolor="white", hatch=hatch, label=f"inputs of {label}")
        for color, hatch, label in looks
    ]
    handles.append(Patch(facecolor="black", label="targets"))
    handles.append(Line2D([], [], color="#555555", linestyle=(0, (1, 4)), label="more between them"))
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False)


__all__ = ["draw"]

"""Charts: axes with round numbers, heat maps, lines with a mark and a dash of their own, bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise.explain.draw import measure, palette
from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.palette import FAINT, PAPER, SMALL, SOFT, Ink
from gatewise.explain.draw.svg import number

_LEVELS = 24  # colours of a heat map
MOST_ROWS, MOST_COLUMNS = 64, 128


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from low to high: multiples of 1, 2 or 5 times a power of ten."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [low]
    power = 10.0 ** math.floor(math.log10(span / max(about, 1)))
    step = next(power * m for m in (1, 2, 5, 10) if span / (power * m) <= about)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_text(value: float) -> str:
    """A number at an axis, short."""
    return "0" if value == 0 else f"{value:.4g}"


class Frame(NamedTuple):
    """The rectangle of a chart and the range of its numbers; `log`: the upright axis is logarithmic."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    log: bool = False

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + self.width * ((value - low) / (high - low) if high > low else 0.5)

    def y(self, value: float) -> float:
        low, high = self.y_range
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.top + self.height * (1 - ((value - low) / (high - low) if high > low else 0.5))


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Powers of ten from low to high."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / most))
    return [10.0**k for k in range(first, last + 1, every)]


def axes(canvas: Canvas, frame: Frame, x_label: str, y_label: str, x_ticks: Sequence[float] | None = None) -> None:
    """Faint lines at round numbers, the numbers, and what they are."""
    ticks = log_ticks(*frame.y_range) if frame.log else round_ticks(*frame.y_range)
    for value in ticks:
        y = frame.y(value)
        canvas.line([(frame.left, y), (frame.left + frame.width, y)], FAINT, width=0.75)
        canvas.text(frame.left - 8, y + 4, tick_text(value), SMALL, "end", fill=SOFT)
    bottom = frame.top + frame.height
    canvas.line([(frame.left, bottom), (frame.left + frame.width, bottom)])
    for value in x_ticks if x_ticks is not None else round_ticks(*frame.x_range, about=8):
        x = frame.x(value)
        canvas.line([(x, bottom), (x, bottom + 4)])
        canvas.text(x, bottom + 18, tick_text(value), SMALL, "middle", fill=SOFT)
    canvas.text(frame.left + frame.width, bottom + 36, x_label, SMALL, "end", fill=SOFT)
    canvas.text(frame.left, frame.top - 12, y_label, SMALL, fill=SOFT)


def whole_ticks(low: int, high: int, about: int = 8) -> list[float]:
    """Round whole numbers with both ends; a round one too close to an end is left out."""
    found = [value for value in round_ticks(low, high, about) if value == int(value)]
    gap = (high - low) / (about * 1.6)
    return [low, *(v for v in found if v - low > gap and high - v > gap), high] if high > low else [low]


def curve(canvas: Canvas, frame: Frame, xs: Sequence[float], ys: Any, ink: Ink, key: str | None = None) -> None:
    """A line through the points that are finite, with marks of its own here and there."""
    run: list[tuple[float, float]] = []
    parts: list[list[tuple[float, float]]] = []
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(y) and (not frame.log or y > 0):
            run.append((frame.x(x), frame.y(y)))
        elif run:
            parts.append(run)
            run = []
    parts += [run] if run else []
    text = " ".join(f"M {_xy(part[0])} " + " ".join(f"L {_xy(point)}" for point in part[1:]) for part in parts)
    if text:
        canvas.path(text.strip(), ink.stroke, dash=ink.dash, width=1.75, key=key)
    points = [point for part in parts for point in part]
    every = max(1, math.ceil(len(points) / 12))
    for x, y in points[every // 2 :: every]:
        mark(canvas, x, y, ink)


def mark(canvas: Canvas, x: float, y: float, ink: Ink, size: float = 3.4) -> None:
    """The mark of a line: a circle, a square, a triangle, a diamond, a cross or a ring."""
    if ink.mark == "circle":
        canvas.circle(x, y, size, ink.stroke, PAPER)
    elif ink.mark == "ring":
        canvas.circle(x, y, size, PAPER, ink.stroke)
    elif ink.mark == "cross":
        d = f"M {number(x - size)} {number(y - size)} L {number(x + size)} {number(y + size)} "
        d += f"M {number(x - size)} {number(y + size)} L {number(x + size)} {number(y - size)}"
        canvas.path(d, ink.stroke, width=1.75)
    else:
        corners = {
            "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
            "triangle": [(0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            "diamond": [(0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)],
        }[ink.mark]
        canvas.polygon([(x + a * size, y + b * size) for a, b in corners], ink.stroke, PAPER)


def end_labels(canvas: Canvas, x: float, entries: Sequence[tuple[float, str, Ink]], leading: float = 17) -> None:
    """Names beside the ends of lines, moved apart where they would touch, each with its line's mark."""
    order = sorted(range(len(entries)), key=lambda k: entries[k][0])
    places = [entries[k][0] for k in order]
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + leading)
    if places:
        shift = max(0.0, (places[-1] - entries[order[-1]][0]) / 2)
        places = [place - shift for place in places]
    for place, k in zip(places, order, strict=True):
        _y, text, ink = entries[k]
        canvas.line([(x, place), (x + 22, place)], ink.stroke, ink.dash, width=1.75)
        mark(canvas, x + 11, place, ink)
        canvas.fit(x + 28, place + 4, text, 240, SMALL, fill=ink.stroke)


# --- heat maps -------------------------------------------------------------------------------------------------


class Scale(NamedTuple):
    """What colours mean: numbers from `low` to `high`; `signed` if 0 is in the middle."""

    low: float
    high: float
    signed: bool

    def place(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5


def scale_for(values: np.ndarray) -> Scale:
    """From 0 to 1 for shares; else as far below 0 as above."""
    finite = values[np.isfinite(values)]
    top = float(np.abs(finite).max()) if finite.size else 1.0
    return Scale(-top, top, True) if top > 0 else Scale(-1.0, 1.0, True)


def condensed(values: np.ndarray, rows: int = MOST_ROWS, columns: int = MOST_COLUMNS) -> tuple[np.ndarray, int, int]:
    """Means over blocks, so that there are at most so many rows and columns; and the height and width of a block."""
    down, across = math.ceil(values.shape[0] / rows), math.ceil(values.shape[1] / columns)
    if down == across == 1:
        return values, 1, 1
    tops, lefts = range(0, values.shape[0], down), range(0, values.shape[1], across)
    found = np.add.reduceat(np.add.reduceat(values.astype(np.float64), tops, 0), lefts, 1)
    heights = np.diff(np.array([*tops, values.shape[0]]))[:, None]
    widths = np.diff(np.array([*lefts, values.shape[1]]))[None, :]
    return found / (heights * widths), down, across


def heat_map(
    canvas: Canvas, left: float, top: float, width: float, height: float, values: np.ndarray, scale: Scale,
    key: str | None = None,
) -> tuple[int, int]:  # fmt: skip
    """Numbers (rows, columns) as shades within a rectangle; what is not finite is left white with a cross.

    Returns how many rows and columns one shade stands for: 1, 1 unless there are very many.
    """
    shown, down, across = condensed(values)
    # The last block may be smaller than the others: edges are where its rows and columns really end.
    ys = [top + height * min(k * down, values.shape[0]) / values.shape[0] for k in range(shown.shape[0] + 1)]
    xs = [left + width * min(k * across, values.shape[1]) / values.shape[1] for k in range(shown.shape[1] + 1)]
    canvas.rect(left, top, width, height)
    cells: dict[int, list[str]] = {}
    for row in range(shown.shape[0]):
        for column in range(shown.shape[1]):
            value = shown[row, column]
            x, y, right, bottom = xs[column], ys[row], xs[column + 1], ys[row + 1]
            level = -1
            if np.isfinite(value):
                level = round(min(max(scale.place(float(value)), 0.0), 1.0) * _LEVELS)
            corner = f"M {_xy((x, y))} h {number(right - x)} v {number(bottom - y)} h {number(x - right)} Z"
            crossed = f"M {_xy((x, y))} L {_xy((right, bottom))} M {_xy((x, bottom))} L {_xy((right, y))}"
            cells.setdefault(level, []).append(corner if level >= 0 else crossed)
    for level, paths in sorted(cells.items()):
        color = palette.shade(level / _LEVELS, scale.signed)
        name = f"{key}:{level}" if key else None
        if level < 0:
            canvas.path(" ".join(paths), SOFT, width=0.75, key=name)
        else:
            canvas.path(" ".join(paths), color, color, width=0.3, key=name)
    canvas.rect(left, top, width, height, "none")
    return down, across


def color_bar(canvas: Canvas, left: float, top: float, scale: Scale, width: float = 160) -> float:
    """What the shades mean; returns the right edge."""
    for k in range(_LEVELS):
        x = left + width * k / _LEVELS
        canvas.rect(
            x,
            top,
            min(width / _LEVELS + 1, left + width - x),
            12,
            palette.shade((k + 0.5) / _LEVELS, scale.signed),
            None,
        )
    canvas.rect(left, top, width, 12, "none")
    values = [scale.low, 0.0, scale.high] if scale.signed else [scale.low, scale.high]
    for value in values:
        x = left + width * scale.place(value)
        canvas.text(x, top + 26, tick_text(value) if scale.signed else f"{value:g}", SMALL, "middle", fill=SOFT)
    return left + width + measure.width("-0.0000", SMALL) / 2


def _xy(point: tuple[float, float]) -> str:
    return f"{number(point[0])} {number(point[1])}"

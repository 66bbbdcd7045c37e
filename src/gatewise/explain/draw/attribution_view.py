"""An attribution: a heat map of steps and features for each input, with the sums of its rows and columns beside it.

What adds to the output is blue, what takes from it orange; large squares have a plus or a minus, small ones that take
away a stroke, so signs are read without colours too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.charts import condensed, tick_text, whole_ticks
from gatewise.explain.draw.palette import FAINT, HEADING, INK, LABEL, PAPER, SMALL, SOFT, TITLE, balance
from gatewise.explain.draw.parts import TOP, Drawn
from gatewise.explain.draw.svg import number
from gatewise.explain.language import Words

if TYPE_CHECKING:
    from gatewise.explain.attribution import Attribution

_WIDTH, _LARGEST, _ROW, _TALLEST = 620.0, 34.0, 22.0, 320.0
_LEFT, _BARS, _GAP = 58.0, 90.0, 16.0
_MARKED, _VISIBLE = 11.0, 0.06
_PLUS, _MINUS = "#1b5e9b", "#ba5408"


class _Panel(NamedTuple):
    """One input's heat map: its numbers (rows, columns), its rectangle, and the number that the darkest squares are."""

    values: np.ndarray
    left: float
    top: float
    width: float
    height: float
    scale: float


def draw_attribution(found: Attribution, sample: int, words: Words) -> Drawn:
    """The values of one sample."""
    canvas, _ = Canvas(), words._
    title = _("What {target} comes from").format(target=_target(found, sample, words))
    about = words.joined(_method(found, sample, words), _sum(found, sample, words))
    canvas.fit(0, 0, title, 760, TITLE, bold=True)
    y = canvas.paragraph(0, 24, about, 760, fill=SOFT) + TOP - 24
    for name, values, timed in zip(found.names, found.values, found.sequences, strict=True):
        one = np.asarray(values[sample], np.float64)
        y = _input(canvas, y, name, one.reshape(one.shape[0], -1).T if timed else one.reshape(1, -1), timed, words)
    return Drawn(canvas, title, about)


def _target(found: Attribution, sample: int, words: Words) -> str:
    """ "'dense'[2]"."""
    if found.classes is not None:
        return f"{found.target.split(',')[0]}[{int(found.classes[sample])}]"
    return words._("a function of the outputs") if found.target == "a function of the outputs" else found.target


def _method(found: Attribution, sample: int, words: Words) -> str:
    _ = words._
    which = _("Sample {k} of {n}.").format(k=sample + 1, n=len(found.outputs))
    if found.method == "gradient_times_input":
        return words.joined(which, _("Gradient times input."))
    text = words.ngettext("Integrated gradients, {n} point.", "Integrated gradients, {n} points.", found.points)
    return words.joined(which, text.format(n=found.points))


def _sum(found: Attribution, sample: int, words: Words) -> str:
    """Whether the values add up to what they explain."""
    y, base, gap = (float(a[sample]) for a in (found.outputs, found.baseline_outputs, found.gap))
    text = words._(
        "The output is {output}, for the baseline {baseline}: a difference of {difference}. The values add up to "
        "{total}; the gap is {gap}."
    )
    return text.format(
        output=f"{y:.4g}", baseline=f"{base:.4g}", difference=f"{y - base:.4g}", total=f"{y - base + gap:.4g}",
        gap=f"{abs(gap):.1g}",
    )  # fmt: skip


def _input(canvas: Canvas, top: float, name: str, values: np.ndarray, timed: bool, words: Words) -> float:
    """The heat map of one input (features, steps); where there is no time (1, features).  Returns the line under it."""
    _ = words._
    canvas.fit(0, top, name, 500, HEADING, bold=True)
    n_rows, n_columns = values.shape
    shown, down, across = condensed(values)
    finite = shown[np.isfinite(shown)]
    scale = float(np.abs(finite).max(initial=0.0)) or 1.0
    width, height = min(_WIDTH, n_columns * _LARGEST), min(max(n_rows * _ROW, _ROW), _TALLEST)
    panel = _Panel(shown, _LEFT, top + 18, width, height, scale)
    _squares(canvas, panel, name)
    below = panel.top + height
    if timed:
        _row_numbers(canvas, panel, n_rows)
        _bars_right(canvas, panel, values.sum(axis=1), name, words)
    y = _bars_below(canvas, panel, values.sum(axis=0), below + _GAP, name) if timed else below
    for k in whole_ticks(1, n_columns):
        x = _LEFT + width * (k - 0.5) / n_columns
        canvas.text(x, y + 16, f"{k:g}", SMALL, "middle", fill=SOFT)
    canvas.text(_LEFT + width / 2, y + 33, _("step") if timed else _("feature"), SMALL, "middle", fill=SOFT)
    if timed:
        canvas.text(_LEFT + width + 12, below + _GAP + _BARS / 2 + 4, _("sum by step"), SMALL, fill=SOFT)
    y = _key(canvas, y + 54, scale, words)
    if down * across > 1:
        text = _("Each shade is the mean of {rows} features and {columns} steps.")
        canvas.text(0, y + 16, text.format(rows=down, columns=across), SMALL, fill=SOFT)
        y += 18
    return y + 46


def _squares(canvas: Canvas, panel: _Panel, name: str) -> None:
    """The heat map, and the signs of its numbers; what is not finite is crossed out."""
    rows, columns = panel.values.shape
    wide, tall = panel.width / columns, panel.height / rows
    canvas.rect(panel.left, panel.top, panel.width, panel.height)
    levels: dict[int, list[str]] = {}
    marks: dict[str, list[str]] = {}
    for row, column in np.ndindex(rows, columns):
        x, y = panel.left + column * wide, panel.top + row * tall
        value = panel.values[row, column]
        if not np.isfinite(value):
            marks.setdefault(SOFT, []).append(_strokes((x, y, x + wide, y + tall), (x, y + tall, x + wide, y)))
            continue
        place = float(value) / panel.scale
        corner = (f"{number(a)} {number(b)}" for a, b in ((x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall)))
        levels.setdefault(round(place * 24), []).append("M " + " L ".join(corner) + " Z")
        if abs(place) >= _VISIBLE:
            ink = PAPER if abs(place) > 0.55 else INK
            marks.setdefault(ink, []).append(_sign(x + wide / 2, y + tall / 2, min(wide, tall), place > 0))
    for level, parts in sorted(levels.items()):
        color = balance(level / 24)
        canvas.path(" ".join(parts), color, color, width=0.3, key=f"attribution:{name}:{level}")
    for ink, strokes in marks.items():
        if any(strokes):
            canvas.path(" ".join(filter(None, strokes)), ink, width=1.1, key=f"signs:{name}")
    canvas.rect(panel.left, panel.top, panel.width, panel.height, "none")


def _sign(x: float, y: float, side: float, is_plus: bool) -> str:
    """A plus or a minus in a square; in a small one a slanted stroke for minus alone."""
    if side < _MARKED:
        half = side * 0.3
        return "" if is_plus else _strokes((x - half, y + half, x + half, y - half))
    half = min(side * 0.22, 4.0)
    level = (x - half, y, x + half, y)
    return _strokes(level, (x, y - half, x, y + half)) if is_plus else _strokes(level)


def _strokes(*lines: tuple[float, float, float, float]) -> str:
    return " ".join(f"M {number(a)} {number(b)} L {number(c)} {number(d)}" for a, b, c, d in lines)


def _row_numbers(canvas: Canvas, panel: _Panel, n: int) -> None:
    """The numbers of the features at the left."""
    for k in whole_ticks(1, n, max(2, int(panel.height / 24))):
        canvas.text(_LEFT - 8, panel.top + panel.height * (k - 0.5) / n + 4, f"{k:g}", SMALL, "end", fill=SOFT)


def _bars_below(canvas: Canvas, panel: _Panel, sums: np.ndarray, top: float, name: str) -> float:
    """The sums by step, up and down from a line."""
    zero, high, edge = _range(sums, _BARS)
    base, unit = top + zero, panel.width / len(sums)

    def bar(k: int, length: float, color: str) -> None:
        thick = unit * 0.7 if unit > 3 else unit
        canvas.rect(panel.left + unit * k + (unit - thick) / 2, base - max(length, 0), thick, abs(length), color, None)

    _bars(sums, _BARS / edge, bar)
    canvas.line([(panel.left, base), (panel.left + panel.width, base)])
    for value in high:
        canvas.text(_LEFT - 8, base - value * _BARS / edge + 4, tick_text(_short(value)), SMALL, "end", fill=SOFT,
                    key=f"sums:{name}:steps")  # fmt: skip
    return top + _BARS


def _bars_right(canvas: Canvas, panel: _Panel, sums: np.ndarray, name: str, words: Words) -> None:
    """The sums by feature, left and right from a line, their numbers where there is room."""
    zero, _high, edge = _range(sums, _BARS)
    base, unit = panel.left + panel.width + _GAP + (_BARS - zero), panel.height / len(sums)

    def bar(k: int, length: float, color: str) -> None:
        thick = unit * 0.7 if unit > 3 else unit
        canvas.rect(base + min(length, 0), panel.top + unit * k + (unit - thick) / 2, abs(length), thick, color, None)

    _bars(sums, _BARS / edge, bar)
    canvas.line([(base, panel.top), (base, panel.top + panel.height)])
    right = panel.left + panel.width + _GAP + _BARS + 8
    canvas.text(panel.left + panel.width + _GAP, panel.top - 10, words._("sum by feature"), SMALL, fill=SOFT)
    if unit >= SMALL + 2:
        for k, value in enumerate(sums):
            canvas.text(right, panel.top + unit * (k + 0.5) + 4, tick_text(_short(float(value))), SMALL,
                        key=f"sums:{name}:feature:{k}")  # fmt: skip


def _bars(sums: np.ndarray, scale: float, bar: Callable[[int, float, str], None]) -> None:
    for k, value in enumerate(sums):
        if np.isfinite(value) and value:
            bar(k, float(value) * scale, _PLUS if value > 0 else _MINUS)


def _range(sums: np.ndarray, room: float) -> tuple[float, list[float], float]:
    """How far 0 is from the upper end, the numbers at both ends, and the whole range."""
    finite = sums[np.isfinite(sums)]
    low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    edge = high - low or 1.0
    ends = [value for value in (low, high) if abs(value) > 0.15 * edge]
    return room * high / edge, [0.0, *ends], edge


def _short(value: float) -> float:
    """Three digits of a number."""
    return float(f"{value:.3g}")


def _key(canvas: Canvas, y: float, scale: float, words: Words) -> float:
    """What the colours mean: from the largest that takes away to the largest that adds."""
    steps, width = 24, 11.0
    for k in range(steps):
        place = (k + 0.5) / steps * 2 - 1
        canvas.rect(_LEFT + width * k, y, width + 0.3, 12, balance(place), None)
        if abs(place) > 0.3 and k % 3 == 1:
            ink = PAPER if abs(place) > 0.55 else INK
            canvas.path(_sign(_LEFT + width * (k + 0.5), y + 6, 12, place > 0), ink, width=1.1)
    canvas.rect(_LEFT, y, width * steps, 12, "none", FAINT)
    meaning = words._("Blue or +: adds to the output. Orange, − or a stroke: takes from it.")
    canvas.text(_LEFT + width * steps + 36, y + 10, meaning, SMALL, fill=SOFT)
    for share, value in ((0.0, -scale), (0.5, 0.0), (1.0, scale)):
        canvas.text(_LEFT + width * steps * share, y + 26, tick_text(_short(value)), LABEL - 2, "middle", fill=SOFT)
    return y + 26

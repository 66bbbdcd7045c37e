"""What several pictures have in common: headings, rows of squares that stand for numbers, tables, panels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gatewise.explain.accounting import LayerAccount
from gatewise.explain.arithmetic import equation
from gatewise.explain.draw import measure
from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.palette import FAINT, HEADING, INK, LABEL, PLAIN, SMALL, SOFT, TITLE, Ink, gate_ink
from gatewise.explain.draw.subject import CellFacts, RecurrentFacts, Run
from gatewise.explain.language import Words
from gatewise.explain.phrases import shape_text, symbolic_shape

TOP = 54  # where the drawing begins, under title and subtitle
_NAME_ROOM = 520.0


class Drawn(NamedTuple):
    """What a view gives back: the sheet, its heading, and the same in words."""

    canvas: Canvas
    title: str
    description: str


def heading(canvas: Canvas, title: str, subtitle: str) -> None:
    """The picture's title and what it is about, at the top left."""
    canvas.fit(0, 0, title, 760, TITLE, bold=True)
    canvas.fit(0, 24, subtitle, 860, LABEL, fill=SOFT)


def called(account: LayerAccount) -> str:
    """LSTM "encoder": the class and the name, which is shortened when it is very long."""
    return f"{account.cls} \u201c{measure.fitted(account.name, _NAME_ROOM, TITLE, True)}\u201d"


def counted(n: int, words: Words) -> str:
    """108 parameters."""
    return words.ngettext("{n} parameter", "{n} parameters", n).format(n=words.count(n))


def numbers(n: int | None, words: Words, letter: str = "F") -> str:
    """5 numbers; the letter where the size may be anything."""
    if n is None:
        return words._("{letter} numbers").format(letter=letter)
    return words.ngettext("{n} number", "{n} numbers", n).format(n=words.count(n))


def count_text(account: LayerAccount, words: Words) -> str:
    """The arithmetic of a count with a proper times sign: 4 × ((5 + 3) × 3 + 3) = 108."""
    if account.arithmetic is None:
        return words.count(account.size)
    text = equation(account.arithmetic).replace(" x ", " × ")
    return re.sub(r"\d+", lambda found: words.count(int(found.group())), text)


def shape_of(shape: tuple[int | None, ...]) -> str:
    """(5, 12) of a weight."""
    return shape_text(shape)


def batch_shape(shape: tuple[int | None, ...], time_major: bool = False) -> str:
    """(N, T, 5) of data."""
    return symbolic_shape(shape, time_major)


def role(symbol: str, name: str, words: Words) -> str:
    """What a gate is called: "forget gate"."""
    _ = words._
    known = {
        "input": _("input gate"), "forget": _("forget gate"), "output": _("output gate"),
        "update": _("update gate"), "reset": _("reset gate"), "candidate": _("candidate"), "state": _("new state"),
    }  # fmt: skip
    return known.get(name, symbol)


def matrix_name(name: str, words: Words) -> str:
    """What a weight is called; its own name where it has no other."""
    _ = words._
    known = {
        "kernel": _("kernel"), "recurrent_kernel": _("recurrent kernel"), "bias": _("bias"),
        "peephole_kernel": _("peepholes"), "projection_kernel": _("projection"), "kernel_gain": _("kernel gain"),
        "recurrent_gain": _("recurrent gain"), "cell_gain": _("cell gain"), "cell_offset": _("cell offset"),
    }  # fmt: skip
    return known.get(name, name)


# --- squares that stand for numbers --------------------------------------------------------------------------


class Squares(NamedTuple):
    """Which of n things are shown, and how much room they take in a row."""

    shown: tuple[int | None, ...]
    side: float
    gap: float

    @property
    def room(self) -> float:
        return len(self.shown) * self.side + (len(self.shown) - 1) * self.gap

    def place(self, slot: int) -> float:
        """Where a slot begins, from the row's beginning."""
        return slot * (self.side + self.gap)


def few_of(n: int | None, most: int = 6) -> tuple[int | None, ...]:
    """0, 1, 2, None, n - 1: all of n indices where they are few; None where some are left out."""
    if n is not None and n <= most:
        return tuple(range(n))
    first = tuple(range(most // 2))
    return (*first, None, -1 if n is None else n - 1)


def squares(n: int | None, side: float = 14, most: int = 8) -> Squares:
    """A row of squares for n numbers, condensed if there are many or n is not known."""
    return Squares(few_of(n, most), side, 3)


def draw_squares(canvas: Canvas, x: float, y: float, row: Squares, ink: Ink = PLAIN, title: str | None = None) -> None:
    """The squares from (x, y) to the right; three dots for those left out."""
    for slot, index in enumerate(row.shown):
        left = x + row.place(slot)
        if index is None:
            for k in (-1, 0, 1):
                canvas.circle(left + row.side / 2 + 4 * k, y + row.side / 2, 1.2, INK, None)
        else:
            canvas.patterned(left, y, row.side, row.side, ink, title=title)


# --- a chip: pattern and name ----------------------------------------------------------------------------------


def swatch(canvas: Canvas, x: float, y: float, ink: Ink, height: float = 16, width: float = 16) -> None:
    canvas.patterned(x, y, width, height, ink)


def legend(canvas: Canvas, x: float, y: float, entries: Sequence[tuple[Ink, str]]) -> float:
    """Patterns and what they mean in a row; returns the line under them."""
    for ink, text in entries:
        swatch(canvas, x, y - 12, ink)
        box = canvas.text(x + 22, y, text, LABEL)
        x = box.right + 22
    return y + 22


def gate_legend(canvas: Canvas, x: float, y: float, cell: CellFacts, words: Words) -> float:
    """Each gate's pattern, letter and name."""
    entries = [(gate_ink(g.symbol), f"{g.symbol} · {role(g.symbol, g.name, words)}") for g in cell.account.gates]
    return legend(canvas, x, y, entries)


# --- tables ----------------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A row of a small table: what, its shape or size, a count that stands to the right; keys name the numbers."""

    what: str
    size: str = ""
    count: str = ""
    key: str | None = None


def table(canvas: Canvas, x: float, y: float, rows: Sequence[Line], first: float = 0, leading: float = 20) -> float:
    """Rows with aligned columns from the line y down, the second from `first` on; returns the line after."""
    first = max(first, *(measure.width(row.what, LABEL) + 18 for row in rows))
    second = max((measure.width(row.size, LABEL) for row in rows), default=0)
    third = max((measure.width(row.count, LABEL) for row in rows), default=0)
    for row in rows:
        canvas.text(x, y, row.what, fill=SOFT)
        if row.size:
            canvas.text(x + first, y, row.size, key=f"{row.key}:size" if row.key else None)
        if row.count:
            right = x + first + second + 24 + third
            canvas.text(right, y, row.count, anchor="end", key=f"{row.key}:count" if row.key else None)
        y += leading
    return y


def rule(canvas: Canvas, x: float, y: float, width: float) -> None:
    """A faint line."""
    canvas.line([(x, y), (x + width, y)], FAINT)


# --- panels ----------------------------------------------------------------------------------------------------

Panel = Callable[[Canvas, float, Run, CellFacts, RecurrentFacts], float]


def panels(canvas: Canvas, facts: RecurrentFacts, draw: Panel) -> None:
    """One drawing for each cell, one under another, with headings where there are several."""
    y = float(TOP)
    cells = facts.all_cells()
    for name, run, cell in cells:
        if len(cells) > 1:
            text = f"{name}: {called(cell.account)}, {counted(cell.account.size, facts.words)}"
            canvas.fit(0, y + 6, text, 860, HEADING, bold=True)
            y += 34
        y = draw(canvas, y, run, cell, facts) + 40


def tag(canvas: Canvas, x: float, y: float, text: str, size: float = SMALL, anchor: str = "middle") -> None:
    """A small word on a white ground, so that a line behind it does not cross it."""
    box = measure.text_box(x, y, text, size, anchor)
    canvas.rect(box.left - 3, box.top - 1, box.right - box.left + 6, box.bottom - box.top + 2, stroke=None)
    canvas.text(x, y, text, size, anchor, fill=SOFT)

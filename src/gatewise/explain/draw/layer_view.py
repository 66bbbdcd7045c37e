"""The layer: its units side by side, what enters them at a step and what leaves them, with the real sizes."""

from __future__ import annotations

from gatewise.explain.draw import measure
from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.palette import FAINT, INK, LABEL, PLAIN, SHADE, SMALL, SOFT, gate_ink
from gatewise.explain.draw.parts import (
    Drawn,
    Line,
    Squares,
    batch_shape,
    called,
    count_text,
    counted,
    draw_squares,
    few_of,
    gate_legend,
    heading,
    numbers,
    panels,
    squares,
    table,
)  # fmt: skip
from gatewise.explain.draw.subject import CellFacts, RecurrentFacts, Run
from gatewise.explain.language import Words

_UNIT, _HEIGHT, _GAP = 104.0, 84.0, 16.0
_DOTS = 44.0  # room of the units that are left out
_LEFT = 0.0


def draw_layer(facts: RecurrentFacts) -> Drawn:
    """All the units of a layer at one time step."""
    canvas, _ = Canvas(), facts.words._
    account = facts.account
    units = facts.single.units
    title = called(account)
    if units is not None and len(facts.all_cells()) == 1:
        one = facts.words.ngettext("{n} unit", "{n} units", units)
        many = (_("{n} units side by side") if units > 1 else one).format(n=units)
        title = f"{title}: {many}"
    about = _("One time step. Every unit sees all of x[t] and all of h[t-1]; {count} in all.")
    about = about.format(count=counted(account.size, facts.words))
    heading(canvas, title, about)
    panels(canvas, facts, _panel)
    return Drawn(canvas, title, about)


def _panel(canvas: Canvas, top: float, run: Run, cell: CellFacts, facts: RecurrentFacts) -> float:
    words, _ = facts.words, facts.words._
    y_out, y_units = top + 10, top + 78
    projected = "projection_units" in cell.account.options
    if projected:
        y_units += 58
    shown = few_of(cell.units if cell.units is not None else cell.out)
    places, right = _places(shown)
    y_bus = y_units + _HEIGHT + 30
    for index, left in zip(shown, places, strict=True):
        if index is None:
            for k in (-1, 0, 1):
                canvas.circle(left + _DOTS / 2 + 9 * k, y_units + _HEIGHT / 2, 2, INK, None)
        else:
            _unit(canvas, left, y_units, index, cell, words)
            middle = left + _UNIT / 2
            canvas.arrow((middle, y_bus), (middle, y_units + _HEIGHT))
            if projected:
                canvas.arrow((middle, y_units), (middle, y_units - 30))
    if projected:
        _projection(canvas, right, y_units, y_out, cell, words)
    else:
        canvas.rect(_LEFT, y_out - 9, right - _LEFT, 44, stroke=FAINT, radius=8)
        for index, left in zip(shown, places, strict=True):
            if index is not None:
                canvas.arrow((left + _UNIT / 2, y_units), (left + _UNIT / 2, y_out + 26))
                middle = left + _UNIT / 2
                canvas.rect(middle - 24, y_out, 48, 26, SHADE)
                canvas.text(middle, y_out + 18, f"h{index + 1 if index >= 0 else 'H'}", anchor="middle")
    y = _inputs(canvas, right, y_bus, places, cell, words)
    _loop(canvas, right, y_out + 13, y_bus + 47, cell, facts)
    y = gate_legend(canvas, _LEFT, y + 30, cell, words) if cell.account.gates else y + 20
    return table(canvas, _LEFT, y + 12, _rows(run, cell, facts)) - 20


def _places(shown: tuple[int | None, ...]) -> tuple[list[float], float]:
    """Where each unit begins, and where the last ends."""
    places, x = [], _LEFT
    for index in shown:
        places.append(x)
        x += (_DOTS if index is None else _UNIT) + _GAP
    return places, x - _GAP


def _unit(canvas: Canvas, x: float, y: float, index: int, cell: CellFacts, words: Words) -> None:
    canvas.rect(x, y, _UNIT, _HEIGHT, radius=6)
    number = str(index + 1) if index >= 0 else "H"
    canvas.text(x + _UNIT / 2, y + 22, words._("unit {n}").format(n=number), anchor="middle", bold=True)
    gates = cell.account.gates
    room = len(gates) * 16 + max(len(gates) - 1, 0) * 6
    left = x + (_UNIT - room) / 2
    for k, gate in enumerate(gates):
        at = left + 22 * k
        canvas.patterned(at, y + 34, 16, 16, gate_ink(gate.symbol))
        canvas.text(at + 8, y + 64, gate.symbol, SMALL, "middle")
    if "C" in cell.states:
        canvas.text(x + _UNIT / 2, y + 79, words._("keeps one C"), SMALL, "middle", fill=SOFT)


def _projection(canvas: Canvas, right: float, y_units: float, y_out: float, cell: CellFacts, words: Words) -> None:
    """The bar that all units' outputs go through, and what comes out of it."""
    matrix = next(m for m in cell.account.matrices if m.name == "projection_kernel")
    width = right - _LEFT
    canvas.rect(_LEFT, y_units - 58, width, 28, SHADE, radius=6)
    text = words._("projection {shape}: {count}").format(shape=_shape(matrix.shape), count=words.count(matrix.size))
    canvas.fit(_LEFT + width / 2, y_units - 39, text, max(width, 300), LABEL, anchor="middle")
    row = squares(cell.out, 26)
    x = _LEFT + width / 2 - row.room / 2
    draw_squares(canvas, x, y_out, row)
    canvas.arrow((_LEFT + width / 2, y_units - 58), (_LEFT + width / 2, y_out + 26))


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _inputs(
    canvas: Canvas, right: float, y_bus: float, places: list[float], cell: CellFacts, words: Words
) -> float:  # fmt: skip
    """The row of numbers that all units see, and the line that brings it to them."""
    seen, kept, start = _strips(cell, words)
    middle = _LEFT + _UNIT / 2
    y = y_bus + 40
    canvas.line([(middle, y - 10), (middle, y_bus)])
    if right - _LEFT > _UNIT:
        canvas.line([(middle, y_bus), (right - _UNIT / 2, y_bus)])
    canvas.rect(_LEFT, y - 10, start + kept.room + 10 - _LEFT, 34, radius=8)
    draw_squares(canvas, _LEFT + 10, y, seen)
    draw_squares(canvas, start, y, kept, PLAIN._replace(tint="#c9d1d8"))
    canvas.text(_LEFT, y + 44, f"x[t]: {numbers(cell.features, words)}", key="features")
    canvas.text(start, y + 44, f"h[t-1]: {numbers(cell.out, words, 'H')}", key="out")
    return y + 48


def _strips(cell: CellFacts, words: Words) -> tuple[Squares, Squares, float]:
    """The squares of x[t], those of h[t-1], and where these begin."""
    seen, kept = squares(cell.features), squares(cell.out)
    label = measure.width(f"x[t]: {numbers(cell.features, words)}", LABEL)
    return seen, kept, _LEFT + max(seen.room + 10, label) + 24


def _loop(canvas: Canvas, right: float, y_out: float, y_in: float, cell: CellFacts, facts: RecurrentFacts) -> None:
    """What leaves comes back at the next step."""
    words = facts.words
    _seen, kept, start = _strips(cell, words)
    inputs = start + kept.room + 10
    label = start + measure.width(f"h[t-1]: {numbers(cell.out, words, 'H')}", LABEL)
    edge = max(right, inputs, label) + 30
    begin = right
    if "projection_units" in cell.account.options:
        row = squares(cell.out, 26)
        begin = _LEFT + (right - _LEFT) / 2 + row.room / 2
    canvas.arrow((begin, y_out), (edge, y_out), (edge, y_in), (inputs, y_in))
    canvas.text(edge + 12, y_out + 5, f"h[t]: {numbers(cell.out, words, 'H')}", key="out")
    canvas.text(edge + 12, y_out + 25, words._("to the next layer, and"), fill=SOFT)
    canvas.text(edge + 12, y_out + 43, words._("back at the next step"), fill=SOFT)


def _rows(run: Run, cell: CellFacts, facts: RecurrentFacts) -> list[Line]:
    """The sizes in a table."""
    words, _ = facts.words, facts.words._
    rows = []
    for state in cell.states:
        kept = numbers(cell.width_of(state), words, "H")
        rows.append(Line(_("state {name}, from step to step").format(name=state), kept, key=f"state:{state}"))
    form = run.form
    if run.account.input_shape is not None and form is not None and run.account.kind != "stack":
        major = bool(run.account.options.get("time_major"))
        shape = run.account.input_shape
        rows.append(Line(_("input of the layer"), batch_shape(shape, major), key="input"))
        rows.append(Line(_("output of the layer"), ", ".join(batch_shape(s, major) for s in form.shapes), key="output"))
    rows.append(Line(_("parameters"), count_text(cell.account, words), key="params"))
    return rows

"""The cell: its gate diagram, with each matrix's shape and number of parameters at the gate that owns it."""

from __future__ import annotations

from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.cell_gru import gru_cell, simple_cell
from gatewise.explain.draw.cell_lstm import lstm_cell
from gatewise.explain.draw.cell_parts import LEFT, matrix_table
from gatewise.explain.draw.palette import HEADING, SHADE, SMALL, SOFT
from gatewise.explain.draw.parts import Drawn, called, counted, heading, panels, shape_of
from gatewise.explain.draw.subject import CellFacts, RecurrentFacts, Run
from gatewise.explain.language import Words

_DIAGRAMS = {"lstm": lstm_cell, "gru": gru_cell, "simple_rnn": simple_cell}


def draw_cell(facts: RecurrentFacts) -> Drawn:
    """What a cell does at one step."""
    canvas, words = Canvas(), facts.words
    title = words._("{layer}: inside the cell").format(layer=called(facts.account))
    about = words._("One time step. {count}, at the gates that own them.")
    about = about.format(count=counted(facts.account.size, words))
    if not any(cell.account.gates for _name, _run, cell in facts.all_cells()):
        about = counted(facts.account.size, words)
    heading(canvas, title, about)
    panels(canvas, facts, _panel)
    return Drawn(canvas, title, about)


def _panel(canvas: Canvas, top: float, run: Run, cell: CellFacts, facts: RecurrentFacts) -> float:
    if cell.kind in _DIAGRAMS:
        return _DIAGRAMS[cell.kind](canvas, top, cell, facts.words)
    return _unknown_cell(canvas, top, run, cell, facts.words)


def _unknown_cell(canvas: Canvas, top: float, run: Run, cell: CellFacts, words: Words) -> float:
    """A cell whose inside only its author knows: what goes in, what comes out, its weights."""
    y = top + 48
    canvas.text(0, y + 4, "x[t]", bold=True)
    canvas.text(LEFT + 308, y + 4, "h[t]", bold=True)
    shape, form = run.account.input_shape, run.form
    if len(run.cells) == 1 and shape is not None and form is not None:
        canvas.text(0, y + 20, shape_of(shape[2:]), SMALL, fill=SOFT, key="in:x")
        given = form.shapes[0][2 if form.return_sequences else 1 :]
        canvas.text(LEFT + 308, y + 20, shape_of(given), SMALL, fill=SOFT, key="out:h")
    canvas.arrow((34, y), (LEFT, y))
    canvas.rect(LEFT, top + 10, 240, 76, SHADE)
    canvas.fit(LEFT + 120, top + 53, cell.account.cls, 220, HEADING, anchor="middle", bold=True)
    canvas.arrow((LEFT + 240, y), (LEFT + 300, y))
    return matrix_table(canvas, top + 126, cell, words) if cell.account.matrices else top + 90

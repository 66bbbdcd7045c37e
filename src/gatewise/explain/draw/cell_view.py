"""The cell: its gate diagram, with each matrix's shape and number of parameters at the gate that owns it."""

from __future__ import annotations

from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.cell_gru import gru_cell, simple_cell
from gatewise.explain.draw.cell_lstm import lstm_cell
from gatewise.explain.draw.cell_parts import LEFT, entry, leave, matrix_table
from gatewise.explain.draw.palette import HEADING, SHADE
from gatewise.explain.draw.parts import Drawn, called, counted, heading, panels
from gatewise.explain.draw.subject import CellFacts, RecurrentFacts, Run
from gatewise.explain.language import Words

_DIAGRAMS = {"lstm": lstm_cell, "gru": gru_cell, "simple_rnn": simple_cell}


def draw_cell(facts: RecurrentFacts) -> Drawn:
    """What a cell does at one step."""
    canvas, words = Canvas(), facts.words
    title = words._("{layer}: inside the cell").format(layer=called(facts.account))
    about = words._("One time step. {count}, at the gates that own them.")
    about = about.format(count=counted(facts.account.size, words))
    heading(canvas, title, about)
    panels(canvas, facts, _panel)
    return Drawn(canvas, title, about)


def _panel(canvas: Canvas, top: float, run: Run, cell: CellFacts, facts: RecurrentFacts) -> float:
    diagram = _DIAGRAMS.get(cell.kind, _unknown_cell)
    return diagram(canvas, top, cell, facts.words)


def _unknown_cell(canvas: Canvas, top: float, cell: CellFacts, words: Words) -> float:
    """A cell whose inside only its author knows: what goes in, what comes out, its weights."""
    y = top + 40
    entry(canvas, y, "x[t]", cell.features, words, "in:x", "F")
    canvas.arrow((60, y), (LEFT, y))
    canvas.rect(LEFT, top + 10, 240, 76, SHADE)
    canvas.fit(LEFT + 120, top + 53, cell.account.cls, 220, HEADING, anchor="middle", bold=True)
    canvas.arrow((LEFT + 240, y), (LEFT + 300, y))
    leave(canvas, LEFT + 300, y, "h[t]", cell.out, words, "out:h")
    return matrix_table(canvas, top + 126, cell, words) if cell.account.matrices else top + 90

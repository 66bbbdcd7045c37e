"""The diagrams of the cells of GRU, with the reset before or after the product, and of SimpleRNN."""

from __future__ import annotations

from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.cell_parts import (
    LEFT,
    GateBox,
    box_height,
    box_width,
    entry,
    gate_box,
    inputs,
    leave,
    matrix_table,
    pill,
)  # fmt: skip
from gatewise.explain.draw.palette import SMALL, SOFT
from gatewise.explain.draw.subject import CellFacts
from gatewise.explain.language import Words

_GAP = 44.0
_MIDDLE = 62.0


def gru_cell(canvas: Canvas, top: float, cell: CellFacts, words: Words) -> float:
    """h runs along the top: z keeps a part of it, and the candidate fills the rest; returns the lower edge."""
    gates = {gate.symbol: gate for gate in cell.account.gates}
    after = cell.account.options.get("reset_after", True)
    width, height = box_width(cell.account.gates, words), box_height(cell.account.gates)
    y_line, y_box = top + 22, top + 22 + _MIDDLE + 52
    x, boxes = LEFT, {}
    for symbol in ("z", "r", "h"):
        boxes[symbol] = gate_box(canvas, x, y_box, width, height, gates[symbol], words)
        x += width + (_GAP if symbol == "z" else 92)
    z, r, h = (boxes[symbol] for symbol in ("z", "r", "h"))
    _state_line(canvas, y_line, z, r, h, cell, words)
    y_bus = y_box + height
    y_row = h.rows["recurrent_kernel"]
    if after:
        canvas.arrow((r.right, y_row), (h.left - 11, y_row))
        canvas.operation(h.left, y_row, "times")
        note = "r × (U h[t-1] + b)" if "use_bias" not in cell.account.options else "r × (U h[t-1])"
        canvas.text((r.right + h.left) / 2, y_row - 18, words._("reset"), SMALL, "middle", fill=SOFT)
        targets = [(box.middle, box.bottom, "") for box in (z, r, h)]
    else:
        gap = (r.right + h.left) / 2
        canvas.arrow((r.right, y_row), (gap - 11, y_row))
        canvas.operation(gap, y_row, "times")
        canvas.arrow((gap + 11, y_row), (h.left, y_row))
        note = "U (r × h[t-1])"
        targets = [(z.middle, z.bottom, "x[t], h[t-1]"), (r.middle, r.bottom, "x[t], h[t-1]")]
        targets += [(gap, y_row + 11, "h[t-1]"), (h.middle, h.bottom, "x[t]")]
    y = inputs(canvas, y_bus, targets, cell, words)
    where = words._("The reset gate acts after the product: {sum}") if after else words._(
        "The reset gate acts before the product: {sum}"
    )  # fmt: skip
    canvas.text(0, y + 22, where.format(sum=note))
    return matrix_table(canvas, y + 50, cell, words)


def _state_line(canvas: Canvas, y: float, z: GateBox, r: GateBox, h: GateBox, cell: CellFacts, words: Words) -> None:
    entry(canvas, y, "h[t-1]", cell.out, words, "in:h")
    middle, right = y + _MIDDLE, h.right + 10
    canvas.arrow((50, y), (z.middle - 11, y))
    canvas.arrow((z.middle + 11, y), (h.middle - 11, y))
    canvas.arrow((h.middle + 11, y), (right, y))
    canvas.operation(z.middle, y, "times")
    canvas.operation(h.middle, y, "plus")
    canvas.operation(h.middle, middle, "times")
    canvas.arrow((z.middle, z.top), (z.middle, y + 11))
    canvas.dot(z.middle, middle)
    half = pill(canvas, r.middle, middle, "1 - z")
    canvas.arrow((z.middle, middle), (r.middle - half, middle))
    canvas.arrow((r.middle + half, middle), (h.middle - 11, middle))
    canvas.arrow((h.middle, h.top), (h.middle, middle + 11))
    canvas.arrow((h.middle, middle - 11), (h.middle, y + 11))
    leave(canvas, right, y, "h[t]", cell.out, words, "out:h")


def simple_cell(canvas: Canvas, top: float, cell: CellFacts, words: Words) -> float:
    """One box: the new state is the output; returns the lower edge."""
    gate = cell.account.gates[0]
    width, height = box_width([gate], words), box_height([gate])
    box = gate_box(canvas, LEFT, top + 10, width, height, gate, words)
    y = box.top + height / 2
    canvas.arrow((box.right, y), (box.right + 60, y))
    leave(canvas, box.right + 60, y, "h[t]", cell.out, words, "out:h")
    below = inputs(canvas, box.bottom, [(box.middle, box.bottom, "")], cell, words)
    return matrix_table(canvas, below + 26, cell, words)

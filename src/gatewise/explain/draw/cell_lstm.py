"""The diagram of an LSTM's cell, with what its variants add where it acts."""

from __future__ import annotations

from gatewise.explain.draw import measure
from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.cell_parts import (
    LEFT,
    GateBox,
    block,
    box_height,
    box_width,
    entry,
    gate_box,
    inputs,
    leave,
    matrix_table,
    pill,
)  # fmt: skip
from gatewise.explain.draw.palette import LABEL, SMALL, SOFT
from gatewise.explain.draw.subject import CellFacts
from gatewise.explain.language import Words

_GAP = 30.0
_MIDDLE = 62.0  # from the line of C down to the products


def lstm_cell(canvas: Canvas, top: float, cell: CellFacts, words: Words) -> float:
    """C runs along the top; the gates stand below it in the order in which they act; returns the lower edge."""
    gates = {gate.symbol: gate for gate in cell.account.gates}
    order = [symbol for symbol in ("f", "i", "c", "o") if symbol in gates]
    options = cell.account.options
    normed, coupled = "layer_norm" in options, "f" not in gates
    y_line = top + 22
    y_out = y_line + (172 if normed else 96)
    y_box = y_out + (58 if "peephole" in options else 44)
    width, height = box_width(cell.account.gates, words), box_height(cell.account.gates)
    start = LEFT + (70 if coupled else 0)
    boxes = {
        symbol: gate_box(canvas, start + k * (width + _GAP), y_box, width, height, gates[symbol], words)
        for k, symbol in enumerate(order)
    }
    end = _state_line(canvas, y_line, boxes, cell, words)
    right = _output(canvas, y_line, y_out, end, boxes["o"], cell, words)
    canvas.arrow((end, y_line), (right, y_line))
    leave(canvas, right, y_line, "C[t]", cell.units, words, "out:C")
    if "peephole" in options:
        _peepholes(canvas, boxes)
    targets = [(boxes[symbol].middle, boxes[symbol].bottom, "") for symbol in order]
    y = inputs(canvas, y_box + height, targets, cell, words)
    return matrix_table(canvas, y + 26, cell, words)


def _state_line(canvas: Canvas, y: float, boxes: dict[str, GateBox], cell: CellFacts, words: Words) -> float:
    """C[t-1] times f plus i times c, and what else happens to it; returns where C[t] stands on the line."""
    options, i, c = cell.account.options, boxes["i"], boxes["c"]
    entry(canvas, y, "C[t-1]", cell.units, words, "in:C")
    middle = y + _MIDDLE
    forget = boxes["f"].middle if "f" in boxes else LEFT + 4
    canvas.arrow((50, y), (forget - 11, y))
    canvas.arrow((forget + 11, y), (c.middle - 11, y))
    canvas.operation(forget, y, "times")
    canvas.operation(c.middle, y, "plus")
    canvas.operation(c.middle, middle, "times")
    canvas.arrow((c.middle, middle - 11), (c.middle, y + 11))
    canvas.arrow((c.middle, c.top), (c.middle, middle + 11))
    canvas.arrow((i.middle, i.top), (i.middle, middle), (c.middle - 11, middle))
    if "f" in boxes:
        canvas.arrow((forget, boxes["f"].top), (forget, y + 11))
    else:
        canvas.arrow((i.middle, middle + 14), (forget, middle + 14), (forget, y + 11))
        canvas.dot(i.middle, middle + 14)
        pill(canvas, (i.middle + forget) / 2, middle + 14, "1 - i", "option:coupled_gates")
    x = c.middle + 11
    told = []
    if "cell_clip" in options:
        told.append((words._("clip ±{value}").format(value=options["cell_clip"]), "option:cell_clip"))
    if "zoneout_cell" in options:
        told.append((words._("zoneout {p}").format(p=options["zoneout_cell"]), "option:zoneout_cell"))
    for text, key in told:
        half = measure.width(text, LABEL) / 2 + 11
        canvas.arrow((x, y), (x + 22, y))
        pill(canvas, x + 22 + half, y, text, key)
        x += 22 + 2 * half
    return x


def _output(
    canvas: Canvas, y_line: float, y_out: float, begin: float, o: GateBox, cell: CellFacts, words: Words
) -> float:  # fmt: skip
    """o times tanh(C), projected if it is; returns the right edge, where C[t] and h[t] leave."""
    options = cell.account.options
    matrices = {matrix.name: matrix for matrix in cell.account.matrices}
    x = max(o.middle, begin + 26)
    canvas.dot(x, y_line)
    y = y_line
    if "layer_norm" in options:
        y = _norm(canvas, x, y_line, matrices, words)
    canvas.arrow((x, y), (x, y_out - 56))
    pill(canvas, x, y_out - 44, "tanh")
    canvas.arrow((x, y_out - 32), (x, y_out - 11))
    canvas.operation(x, y_out, "times")
    if x == o.middle:
        canvas.arrow((x, o.top), (x, y_out + 11))
    else:
        canvas.arrow((o.middle, o.top), (o.middle, y_out), (x - 11, y_out))
    edge = x + 11
    if "projection_kernel" in matrices:
        canvas.arrow((edge, y_out), (edge + 22, y_out))
        edge += 22 + block(canvas, edge + 22, y_out, words._("projection"), matrices["projection_kernel"], words)
    if "zoneout_output" in options:
        text = words._("zoneout {p}").format(p=options["zoneout_output"])
        half = measure.width(text, LABEL) / 2 + 11
        canvas.arrow((edge, y_out), (edge + 22, y_out))
        pill(canvas, edge + 22 + half, y_out, text, "option:zoneout_output")
        edge += 22 + 2 * half
    right = max(o.right, edge + 40)
    canvas.arrow((edge, y_out), (right, y_out))
    leave(canvas, right, y_out, "h[t]", cell.out, words, "out:h")
    return right


def _norm(canvas: Canvas, x: float, y: float, matrices: dict, words: Words) -> float:
    """The normalisation of C before tanh, with its gain and offset; returns its lower edge."""
    rows = [matrices[name] for name in ("cell_gain", "cell_offset") if name in matrices]
    width = 150.0
    canvas.arrow((x, y), (x, y + 22))
    canvas.rect(x - width / 2, y + 22, width, 62)
    canvas.text(x - width / 2 + 10, y + 39, words._("N · normalised"), bold=True)
    for k, matrix in enumerate(rows):
        line = y + 56 + 18 * k
        name = words._("gain") if matrix.name == "cell_gain" else words._("offset")
        canvas.text(x - width / 2 + 10, line, name, SMALL)
        canvas.text(x + width / 2 - 44, line, f"({matrix.shape[0]},)", SMALL, "end", key=f"matrix:{matrix.name}:shape")
        canvas.text(x + width / 2 - 10, line, words.count(matrix.size), SMALL, "end",
                    key=f"matrix:{matrix.name}:count")  # fmt: skip
    return y + 84


def _peepholes(canvas: Canvas, boxes: dict[str, GateBox]) -> None:
    """The gates that see C, by a dashed arrow with its name."""
    for symbol, box in boxes.items():
        if symbol != "c":
            x = box.left + 26
            canvas.arrow((x, box.top - 24), (x, box.top), dash="4 3")
            name = "C[t]" if symbol == "o" else "C[t-1]"
            canvas.text(x, box.top - 29, name, SMALL, "middle", fill=SOFT, key=f"peephole:{symbol}")

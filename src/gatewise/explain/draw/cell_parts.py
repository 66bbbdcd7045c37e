"""What the diagrams of all cells are made of: a gate's box with its matrices, pills, the line of the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gatewise.explain.accounting import GateAccount, MatrixAccount
from gatewise.explain.draw import measure
from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.palette import HEADING, INK, LABEL, SHADE, SMALL, SOFT, gate_ink
from gatewise.explain.draw.parts import Line, count_text, matrix_name, numbers, role, rule, shape_of, table
from gatewise.explain.draw.subject import CellFacts
from gatewise.explain.language import Words

LEFT = 118.0  # where the boxes begin; what comes in stands before
_HEAD, _ROW, _FOOT = 46.0, 18.0, 26.0
_BAND = 12.0  # the gate's pattern along its box


class GateBox(NamedTuple):
    """Where a gate was drawn, and the height of each of its matrices' rows."""

    left: float
    top: float
    width: float
    height: float
    rows: dict[str, float]

    @property
    def middle(self) -> float:
        return self.left + self.width / 2

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


def box_width(gates: Sequence[GateAccount], words: Words) -> float:
    """The width that all gates of a cell get."""
    inner = 0.0
    for gate in gates:
        names = max(measure.width(matrix_name(part.matrix, words), SMALL) for part in gate.parts)
        shapes = max(measure.width(shape_of(part.shape), SMALL) for part in gate.parts)
        counts = measure.width(words.count(gate.size), LABEL, True)
        head = measure.width(f"{gate.symbol} · {role(gate.symbol, gate.name, words)}", HEADING, True)
        total = measure.width(words._("parameters"), SMALL) + 16 + counts
        inner = max(inner, names + 14 + shapes + 14 + counts, head, total)
    return _BAND + 12 + inner + 14


def box_height(gates: Sequence[GateAccount]) -> float:
    """The height that all gates of a cell get."""
    return _HEAD + _ROW * max(len(gate.parts) for gate in gates) + _FOOT


def gate_box(
    canvas: Canvas, left: float, top: float, width: float, height: float, gate: GateAccount, words: Words
) -> GateBox:  # fmt: skip
    """A gate: its letter and name, its function, the shape and count of its share of each matrix, its total."""
    canvas.rect(left, top, width, height, radius=0)
    canvas.patterned(left, top, _BAND, height, gate_ink(gate.symbol))
    x, right = left + _BAND + 10, left + width - 12
    canvas.text(x, top + 20, f"{gate.symbol} · {role(gate.symbol, gate.name, words)}", HEADING, bold=True)
    canvas.text(x, top + 37, gate.activation, SMALL, fill=SOFT)
    y, rows = top + _HEAD + 12, {}
    shapes = max(measure.width(words.count(part.size), SMALL) for part in gate.parts)
    for part in gate.parts:
        canvas.text(x, y, matrix_name(part.matrix, words), SMALL)
        key = f"gate:{gate.symbol}:{part.matrix}"
        canvas.text(right - shapes - 12, y, shape_of(part.shape), SMALL, "end", key=f"{key}:shape")
        canvas.text(right, y, words.count(part.size), SMALL, "end", key=f"{key}:count")
        rows[part.matrix] = y - 4
        y += _ROW
    foot = top + height - _FOOT
    rule(canvas, x, foot + 2, right - x)
    canvas.text(x, foot + 18, words._("parameters"), SMALL, fill=SOFT)
    canvas.text(right, foot + 18, words.count(gate.size), LABEL, "end", bold=True, key=f"gate:{gate.symbol}:params")
    return GateBox(left, top, width, height, rows)


def pill(canvas: Canvas, x: float, y: float, text: str, key: str | None = None) -> float:
    """A small function on a line, centred on (x, y); returns half its width."""
    half = measure.width(text, LABEL) / 2 + 11
    canvas.rect(x - half, y - 12, 2 * half, 24, SHADE, radius=12)
    canvas.text(x, y + 4.5, text, anchor="middle", key=key)
    return half


def block(canvas: Canvas, x: float, y: float, head: str, matrix: MatrixAccount, words: Words) -> float:
    """A matrix that no gate owns, on a line, from (x, y) to the right; returns its width."""
    text = f"{shape_of(matrix.shape)}  "
    count = words.count(matrix.size)
    width = max(measure.width(head, LABEL, True), measure.width(text, SMALL) + 16 + measure.width(count, SMALL)) + 24
    canvas.rect(x, y - 22, width, 44, SHADE)
    canvas.text(x + 12, y - 4, head, bold=True)
    canvas.text(x + 12, y + 13, text.strip(), SMALL, key=f"matrix:{matrix.name}:shape")
    canvas.text(x + width - 12, y + 13, count, SMALL, "end", key=f"matrix:{matrix.name}:count")
    return width


def entry(canvas: Canvas, y: float, name: str, n: int | None, words: Words, key: str, letter: str = "H") -> None:
    """The name of a value that comes in at the left, and how many numbers it has."""
    canvas.text(0, y + 4, name, bold=True)
    canvas.text(0, y + 20, numbers(n, words, letter), SMALL, fill=SOFT, key=key)


def leave(canvas: Canvas, x: float, y: float, name: str, n: int | None, words: Words, key: str) -> None:
    """The name of a value that goes out at the right."""
    canvas.text(x + 8, y + 4, name, bold=True)
    canvas.text(x + 8, y + 20, numbers(n, words, "H"), SMALL, fill=SOFT, key=key)


def inputs(
    canvas: Canvas, bottom: float, targets: Sequence[tuple[float, float, str]], cell: CellFacts, words: Words
) -> float:  # fmt: skip
    """x[t] and h[t-1] come from the left on one line, and an arrow goes up to each target (x, y, what it takes).

    `bottom` is the lower edge of the boxes above.

    Returns the line under what was drawn.
    """
    options = cell.account.options
    y = bottom + (58 if "recurrent_dropout" in options else 40)
    joint, last = LEFT - 22, targets[-1][0]
    low = y + 46
    entry(canvas, y, "h[t-1]", cell.out, words, "in:h")
    entry(canvas, low, "x[t]", cell.features, words, "in:x", "F")
    begin = measure.width("h[t-1]", LABEL, True) + 8
    canvas.line([(begin, y), (last, y), (last, targets[-1][1])], arrow=True)
    canvas.line([(begin, low), (joint, low), (joint, y)])
    canvas.dot(joint, y)
    for x, tip, _what in targets[:-1]:
        canvas.dot(x, y)
        canvas.arrow((x, y), (x, tip))
    for x, tip, what in targets:
        if what:
            canvas.text(x + 8, (y + tip) / 2 + 8, what, SMALL, fill=SOFT)
    if "dropout" in options:
        text = words._("dropout {p}").format(p=options["dropout"])
        x = joint + measure.width(text, LABEL) / 2 + 25
        canvas.line([(joint - 6, low), (x, low)], dash="3 3")
        pill(canvas, x, low, text, "option:dropout")
    if "recurrent_dropout" in options:
        text = words._("recurrent dropout {p}").format(p=options["recurrent_dropout"])
        canvas.line([(joint - 26, y - 24), (joint - 26, y)], dash="3 3")
        pill(canvas, measure.width(text, LABEL) / 2 + 11, y - 25, text, "option:recurrent_dropout")
    return low + 26


def matrix_table(canvas: Canvas, y: float, cell: CellFacts, words: Words) -> float:
    """The matrices as `get_weights()` has them, and the sum."""
    rows = []
    for matrix in cell.account.matrices:
        letters = f"{shape_of(matrix.shape)}"
        if matrix.letters:
            letters += f" = ({', '.join(matrix.letters)}{',' if len(matrix.letters) == 1 else ''})"
        name = matrix_name(matrix.name, words)
        rows.append(Line(name, letters, words.count(matrix.size), f"matrix:{matrix.name}"))
    label = words._("parameters")
    x = max(measure.width(text, LABEL) for text in [label, *(row.what for row in rows)]) + 18
    y = table(canvas, 0, y, rows, first=x)
    canvas.text(0, y + 4, label, LABEL, fill=SOFT)
    canvas.text(x, y + 4, count_text(cell.account, words), fill=INK, bold=True, key="params")
    return y

"""The matrices to scale: kernel, recurrent kernel and bias, their columns by gate; the weights as shades."""

from __future__ import annotations

import numpy as np

from gatewise.explain.accounting import MatrixAccount
from gatewise.explain.draw import measure
from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.charts import Scale, color_bar, condensed, heat_map, scale_for
from gatewise.explain.draw.palette import LABEL, PAPER, PLAIN, SMALL, SOFT, STROKE, gate_ink
from gatewise.explain.draw.parts import (
    Drawn,
    called,
    counted,
    gate_legend,
    heading,
    matrix_name,
    panels,
    shape_of,
)  # fmt: skip
from gatewise.explain.draw.subject import CellFacts, RecurrentFacts, Run
from gatewise.explain.language import Words

_WIDEST, _TALLEST, _LARGEST, _LEAST = 640.0, 480.0, 26.0, 5.0
_BAND, _GAP = 9.0, 46.0


def draw_matrices(facts: RecurrentFacts) -> Drawn:
    """The weights of a layer as the rectangles that they are."""
    canvas, words = Canvas(), facts.words
    _ = words._
    title = _("{layer}: its matrices to scale").format(layer=called(facts.account))
    fitted = any(cell.weights for _name, _run, cell in facts.all_cells())
    about = _("{count}. Rows are inputs, columns are units, gate by gate.")
    if fitted:
        about = _("{count}. Rows are inputs, columns are units, gate by gate; the darker, the larger the weight.")
    about = about.format(count=counted(facts.account.size, words))
    heading(canvas, title, about)
    panels(canvas, facts, _panel)
    return Drawn(canvas, title, about)


def _sides(matrix: MatrixAccount) -> tuple[int, int]:
    """Rows and columns; a vector is one row, a kernel of more axes has all but the last as rows."""
    if not matrix.shape:
        return 1, 1
    return int(np.prod(matrix.shape[:-1])), matrix.shape[-1]


def _panel(canvas: Canvas, top: float, run: Run, cell: CellFacts, facts: RecurrentFacts) -> float:
    words, matrices = facts.words, cell.account.matrices
    if not matrices:
        canvas.text(0, top + 20, words._("This cell has no weights."))
        return top + 30
    rows = sum(_sides(matrix)[0] for matrix in matrices)
    side = min(_LARGEST, _WIDEST / max(_sides(matrix)[1] for matrix in matrices), _TALLEST / rows)
    labels = [matrix_name(matrix.name, words) for matrix in matrices]
    left = max(measure.width(text, LABEL, True) for text in labels) + 28
    left = max(left, *(measure.width(shape_of(matrix.shape), SMALL) + 28 for matrix in matrices))
    y = top + 14
    if cell.account.gates:
        y = gate_legend(canvas, 0, y, cell, words) + 22
    scale = _scale_of(cell)
    for matrix, label in zip(matrices, labels, strict=True):
        y = _matrix(canvas, left, y, side, matrix, label, cell, scale, words) + _GAP
    if scale is not None:
        color_bar(canvas, left, y - 8, scale)
        canvas.text(0, y + 2, words._("weight"), SMALL, fill=SOFT)
        y += 34
    return y - 14


def _scale_of(cell: CellFacts) -> Scale | None:
    """The range of what is shown: of the weights, or of their means where there are too many to show each."""
    shown = [condensed(values.reshape(-1, values.shape[-1]))[0].ravel() for values in cell.weights.values()]
    return scale_for(np.concatenate(shown)) if shown else None


def _matrix(
    canvas: Canvas, left: float, top: float, side: float, matrix: MatrixAccount, label: str, cell: CellFacts,
    scale: Scale | None, words: Words,
) -> float:  # fmt: skip
    """One matrix with its name, shape and count at the left; returns its lower edge."""
    rows, columns = _sides(matrix)
    width, height = max(columns * side, _LEAST), max(rows * side, _LEAST)
    title = f"{matrix.name} {shape_of(matrix.shape)}"
    canvas.text(0, top + 4, label, LABEL, bold=True)
    canvas.text(0, top + 20, shape_of(matrix.shape), SMALL, key=f"matrix:{matrix.name}:shape")
    canvas.text(0, top + 35, words.count(matrix.size), SMALL, fill=SOFT, key=f"matrix:{matrix.name}:count")
    values = cell.weights.get(matrix.name)
    by_row = any(part.row is not None for part in matrix.parts)
    if values is not None and scale is not None:
        shown = values.reshape(rows, columns)
        down, across = heat_map(canvas, left, top, width, height, shown, scale, f"weights:{matrix.name}")
        if down * across > 1:
            text = words._("each shade is the mean of {rows} × {columns} weights").format(rows=down, columns=across)
            canvas.text(left, top + height + 15, text, SMALL, fill=SOFT)
    else:
        canvas.rect(left, top, width, height, PLAIN.tint, title=title)
    if by_row and height / rows < SMALL:
        canvas.text(left + width + 8, top + height / 2 + 4, ", ".join(part.gate for part in matrix.parts), SMALL)
    for part in matrix.parts:
        ink = gate_ink(part.gate)
        if by_row:
            y, tall = top + height * part.row / rows, height / rows  # type: ignore[operator]
            if values is None:
                canvas.patterned(left, y, width, tall, ink, title=part.gate)
            if tall >= SMALL:
                canvas.text(left + width + 8, y + tall / 2 + 4, part.gate, SMALL)
            continue
        x, wide = left + width * part.start / columns, width * (part.stop - part.start) / columns
        if values is None:
            canvas.patterned(x, top, wide, height, ink, key=f"part:{matrix.name}:{part.gate}")
        canvas.patterned(x, top - _BAND - 3, wide, _BAND, ink)
        if wide > 12:
            canvas.text(x + wide / 2, top - _BAND - 7, part.gate, SMALL, "middle")
    if not by_row and values is not None:
        _separators(canvas, left, top, width, height, matrix, columns)
    if side >= 7:
        _grid(canvas, left, top, width, height, rows, columns)
    return max(top + height, top + 36)


def _separators(
    canvas: Canvas, left: float, top: float, width: float, height: float, matrix: MatrixAccount, columns: int
) -> None:  # fmt: skip
    """Lines between the gates' columns."""
    for part in matrix.parts[1:]:
        x = left + width * part.start / columns
        canvas.line([(x, top), (x, top + height)], PAPER, width=3)
        canvas.line([(x, top), (x, top + height)], width=STROKE)


def _grid(canvas: Canvas, left: float, top: float, width: float, height: float, rows: int, columns: int) -> None:
    """White lines between the single weights, where they are large enough to be seen."""
    for k in range(1, columns):
        x = left + width * k / columns
        canvas.line([(x, top + 0.6), (x, top + height - 0.6)], PAPER, width=0.75)
    for k in range(1, rows):
        y = top + height * k / rows
        canvas.line([(left + 0.6, y), (left + width - 0.6, y)], PAPER, width=0.75)

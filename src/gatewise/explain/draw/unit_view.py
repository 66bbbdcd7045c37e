"""The unit: the small dot products of one unit, one for each gate, each with its number of weights."""

from __future__ import annotations

from typing import NamedTuple

from gatewise.explain.accounting import GateAccount
from gatewise.explain.draw import measure
from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.palette import INK, LABEL, SMALL, SOFT, gate_ink
from gatewise.explain.draw.parts import (
    Drawn,
    called,
    draw_squares,
    heading,
    matrix_name,
    panels,
    role,
    rule,
    shape_of,
    squares,
)  # fmt: skip
from gatewise.explain.draw.subject import CellFacts, RecurrentFacts, Run
from gatewise.explain.language import Words

_ROW = 64.0
_SIDE = 14.0


class _Term(NamedTuple):
    """A dot product of a unit: so many weights times what."""

    matrix: str
    weights: int
    factor: str


def draw_unit(facts: RecurrentFacts) -> Drawn:
    """One unit of a layer, gate by gate."""
    canvas, words = Canvas(), facts.words
    _ = words._
    gates = len(facts.single.account.gates)
    title = words.ngettext(
        "{layer}: one unit is one small dot product", "{layer}: one unit is {n} small dot products", gates
    ).format(layer=called(facts.account), n=gates)
    about = _("Unit {k} of {n}. Each square is a weight; weights times inputs, added up, go through the function.")
    units = facts.single.units
    about = about.format(k=facts.unit + 1, n=units)
    heading(canvas, title, about)
    panels(canvas, facts, _panel)
    return Drawn(canvas, title, about)


def _panel(canvas: Canvas, top: float, run: Run, cell: CellFacts, facts: RecurrentFacts) -> float:
    words, _ = facts.words, facts.words._
    account, H = cell.account, cell.units or 1
    rows = [(gate, terms_of(gate, cell)) for gate in account.gates]
    names = [role(gate.symbol, gate.name, words) for gate in account.gates]
    start = 28 + max(measure.width(name, LABEL) for name in [*names, role("f", "forget", words)]) + 24
    openings = [f"{gate.symbol} = {gate.activation}(" for gate in account.gates]
    start += max(measure.width(text, LABEL) for text in openings) + 8
    columns, right = _columns(rows, start, words)
    y = top + 20
    for (gate, terms), opening, name in zip(rows, openings, names, strict=True):
        _gate_row(canvas, y, gate, terms, opening, name, columns, start, words)
        share = gate.size // H
        _weights_text(canvas, right, y, share, f"unit:{gate.symbol}", words)
        y += _ROW
    if "coupled_gates" in account.options:
        canvas.text(28, y + 4, role("f", "forget", words))
        canvas.text(start - 8, y + 4, "f = 1 - i", anchor="end")
        _weights_text(canvas, right, y, 0, "unit:f", words)
        y += _ROW
    return _sums(canvas, y - 26, right, cell, words)


def _weights_text(canvas: Canvas, right: float, y: float, n: int, key: str, words: Words) -> None:
    text = words.ngettext("{n} weight", "{n} weights", n).format(n=words.count(n))
    canvas.text(right, y + 4, text, anchor="end", key=key)


def terms_of(gate: GateAccount, cell: CellFacts) -> list[_Term]:
    """What a gate of one unit adds up, and how many of the gate's weights each part takes."""
    order = ("kernel", "kernel_gain", "recurrent_kernel", "recurrent_gain", "peephole_kernel", "bias")
    parts = sorted(gate.parts, key=lambda part: order.index(part.matrix))
    found = []
    state = "C[t]" if gate.name == "output" else "C[t-1]"
    factors = {"kernel": "x[t]", "recurrent_kernel": "h[t-1]", "peephole_kernel": state}
    for part in parts:
        found.append(_Term(part.matrix, part.size // (cell.units or 1), factors.get(part.matrix, "")))
    return found


def _columns(
    rows: list[tuple[GateAccount, list[_Term]]], start: float, words: Words
) -> tuple[dict[str, float], float]:  # fmt: skip
    """Where each matrix's squares begin, and the right edge of the counts."""
    columns: dict[str, float] = {}
    x = start
    matrices = list(dict.fromkeys(term.matrix for _gate, terms in rows for term in terms))
    for matrix in matrices:
        columns[matrix] = x
        terms = [t for _gate, terms in rows for t in terms if t.matrix == matrix]
        label = max(measure.width(_label(term, words), SMALL) for term in terms)
        x += max(max(squares(term.weights, _SIDE).room for term in terms) + 8, label) + 30
    return columns, x + measure.width(words._("{n} weights").format(n=words.count(10_000)), LABEL)


def _label(term: _Term, words: Words) -> str:
    if term.factor:
        return words._("{n} weights · {factor}").format(n=words.count(term.weights), factor=term.factor)
    return f"{matrix_name(term.matrix, words)}: {words.count(term.weights)}"


def _gate_row(
    canvas: Canvas, y: float, gate: GateAccount, terms: list[_Term], opening: str, name: str,
    columns: dict[str, float], start: float, words: Words,
) -> None:  # fmt: skip
    ink = gate_ink(gate.symbol)
    canvas.patterned(0, y - 8, 16, 16, ink)
    canvas.text(28, y + 4, name, bold=True)
    canvas.text(start - 8, y + 4, opening, anchor="end")
    for k, term in enumerate(terms):
        x, row = columns[term.matrix], squares(term.weights, _SIDE)
        if k:
            canvas.text(x - 18, y + 5, "×" if term.matrix.endswith("gain") else "+", anchor="middle")
        draw_squares(canvas, x, y - _SIDE / 2, row, ink, f"{term.matrix}: {term.weights}")
        canvas.text(x, y + 24, _label(term, words), SMALL, fill=SOFT, key=f"unit:{gate.symbol}:{term.matrix}")
        if k == len(terms) - 1:
            canvas.text(x + row.room + 6, y + 5, ")")


def _sums(canvas: Canvas, y: float, right: float, cell: CellFacts, words: Words) -> float:
    """One unit's weights, all units', what they share, and what becomes of the gates."""
    _, account, H = words._, cell.account, cell.units or 1
    gates = sum(gate.size for gate in account.gates)
    rule(canvas, 0, y, right)
    lines = [(_("one unit"), words.count(gates // H), "unit:total")]
    if H > 1:
        text = _("all {n} units: {n} × {each}").format(n=words.count(H), each=words.count(gates // H))
        lines.append((text, words.count(gates), "gates"))
    for matrix in account.matrices:
        if not matrix.parts:
            text = _("shared by the units: {name} {shape}")
            shared = text.format(name=matrix_name(matrix.name, words), shape=shape_of(matrix.shape))
            lines.append((shared, words.count(matrix.size), f"matrix:{matrix.name}"))
    if gates != account.size:
        lines.append((_("together"), words.count(account.size), "params"))
    for k, (what, n, key) in enumerate(lines):
        canvas.text(28, y + 24 + 20 * k, what, bold=k == 0)
        canvas.text(right, y + 24 + 20 * k, n, anchor="end", bold=k == 0, key=key)
    y += 24 + 20 * len(lines) + 16
    for line in equations(cell):
        canvas.text(28, y, line, LABEL, fill=INK)
        y += 20
    return y - 14


def equations(cell: CellFacts) -> list[str]:
    """What the unit makes of its gates."""
    options = cell.account.options
    if cell.kind == "lstm":
        state = "N(C[t])" if "layer_norm" in options else "C[t]"
        made = f"h[t] = o × tanh({state})"
        if "projection_units" in options:
            made = f"h[t] = (o × tanh({state})) · P"
        return ["C[t] = f × C[t-1] + i × c", made]
    if cell.kind == "gru":
        after = cell.account.options.get("reset_after", True)
        inner = "r × (U h[t-1] + b)" if after else "U (r × h[t-1])"
        return [f"h = tanh(W x[t] + {inner}{' + b' if 'use_bias' not in options else ''})",
                "h[t] = z × h[t-1] + (1 - z) × h"]  # fmt: skip
    return ["h[t] = h"] if cell.kind == "simple_rnn" else []

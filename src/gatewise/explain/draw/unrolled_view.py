"""Unrolled over time: the one cell used again at each step, the states passed on, and which outputs are given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gatewise.explain.draw import measure
from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.cell_parts import pill
from gatewise.explain.draw.palette import FAINT, HEADING, INK, LABEL, LINES, PAPER, SHADE, SMALL, SOFT
from gatewise.explain.draw.parts import (
    TOP,
    Drawn,
    Line,
    batch_shape,
    called,
    counted,
    few_of,
    heading,
    legend,
    numbers,
    table,
)  # fmt: skip
from gatewise.explain.draw.subject import RecurrentFacts, Run
from gatewise.explain.language import Words

_STEP, _BOX, _HEIGHT, _DOTS = 128.0, 84.0, 50.0, 58.0
_SMALL_W, _SMALL_H = 46.0, 26.0
_MOST = 8
_GIVEN = LINES[0]
_STATE = LINES[1]


class _Steps(NamedTuple):
    """Where the steps stand: their indices from 0 (None for those left out, -1 for the last of an unknown number)."""

    shown: tuple[int | None, ...]
    middles: tuple[float, ...]

    @property
    def right(self) -> float:
        return self.middles[-1] + _BOX / 2


def draw_unrolled(facts: RecurrentFacts) -> Drawn:
    """A layer over all its time steps."""
    canvas, words = Canvas(), facts.words
    _ = words._
    title = _("{layer}: the same cell at every step").format(layer=called(facts.account))
    about = _("{count}, used again at each step; the states go from one step to the next.")
    about = about.format(count=counted(facts.account.size, words))
    heading(canvas, title, about)
    y = float(TOP)
    for k, run in enumerate(facts.runs):
        if facts.both:
            side = (_("forward"), _("backward"))[k]
            canvas.fit(0, y + 8, f"{side}: {called(run.account)}", 860, HEADING, bold=True)
            y += 26
        y = _run(canvas, y, run, facts) + 30
    if facts.both:
        y = _merge(canvas, y, facts) + 30
    entries = [(_GIVEN, _("output of the layer")), (_STATE, _("state, given too"))]
    if not any(run.form is not None and run.form.return_state for run in facts.runs):
        entries = entries[:1]
    y = legend(canvas, 0, y + 4, entries)
    table(canvas, 0, y + 10, _rows(facts))
    return Drawn(canvas, title, about)


def _places(run: Run, mask: np.ndarray | None, begin: float) -> _Steps:
    steps = run.steps if mask is None else len(mask)
    shown = few_of(steps, _MOST if mask is not None else 6)
    middles, x = [], begin
    for index in shown:
        room = _DOTS if index is None else _STEP
        middles.append(x + room / 2)
        x += room
    return _Steps(shown, tuple(middles))


def _run(canvas: Canvas, top: float, run: Run, facts: RecurrentFacts) -> float:
    """One direction: outputs on top, cells, inputs below; returns the lower edge."""
    words, form = facts.words, run.form
    before = _before(run, words)
    side = max(_room_before(one, words) for one in facts.runs)
    steps = _places(run, facts.mask, side)
    labels = list(dict.fromkeys(cell.account.cls.removesuffix("Cell") for cell in run.cells))
    tall = _HEIGHT + 16 * (len(run.cells) - 1)
    y_out, y_cell = top, top + _SMALL_H + 34
    y_in = y_cell + tall + 32
    last = 0 if run.backwards else len(steps.shown) - 1
    for k, (index, middle) in enumerate(zip(steps.shown, steps.middles, strict=True)):
        if index is None:
            for j in (-1, 0, 1):
                canvas.circle(middle + 10 * j, y_cell + tall / 2 - 14, 2, INK, None)
            continue
        masked = facts.mask is not None and not facts.mask[index]
        given = form is not None and (form.return_sequences or k == last)
        _column(canvas, middle, (y_out, y_cell, y_in), tall, index, masked, given, labels, run, words)
    _states(canvas, steps, y_cell + tall / 2, before, side, run, words)
    return y_in + _SMALL_H + 22


def _column(
    canvas: Canvas, middle: float, levels: tuple[float, float, float], tall: float, index: int, masked: bool,
    given: bool, labels: list[str], run: Run, words: Words,
) -> None:  # fmt: skip
    """One step: its input, the cell, its output."""
    y_out, y_cell, y_in = levels
    number = str(index + 1) if index >= 0 else "T"
    canvas.rect(middle - _BOX / 2, y_cell, _BOX, tall, PAPER if masked else SHADE, FAINT if masked else INK,
                dash="4 3" if masked else None, radius=6)  # fmt: skip
    if masked:
        canvas.fit(middle, y_cell + tall / 2 + 16, words._("masked"), _BOX - 6, SMALL, anchor="middle", fill=SOFT)
    else:
        names = labels if len(run.cells) == len(labels) else [f"{len(run.cells)} × {labels[0]}"]
        first = y_cell + tall / 2 + 4.5 - 8 * (len(names) - 1)
        for k, name in enumerate(names):
            canvas.fit(middle, first + 16 * k, name, _BOX - 8, LABEL, anchor="middle", bold=True)
    left = middle - _SMALL_W / 2
    canvas.rect(left, y_in, _SMALL_W, _SMALL_H, PAPER, FAINT if masked else INK, dash="4 3" if masked else None)
    canvas.text(middle, y_in + 17.5, f"x{number}", anchor="middle", fill=SOFT if masked else INK)
    canvas.text(middle, y_in + _SMALL_H + 16, words._("step {k}").format(k=number), SMALL, "middle", fill=SOFT)
    if not masked:
        canvas.arrow((middle, y_in), (middle, y_cell + tall))
    canvas.line([(middle, y_cell), (middle, y_out + _SMALL_H)], INK if given else FAINT, arrow=given)
    if given:
        canvas.patterned(left, y_out, _SMALL_W, _SMALL_H, _GIVEN, key="given")
        canvas.rect(left + 9, y_out + 4, _SMALL_W - 18, _SMALL_H - 8, stroke=None)
    else:
        canvas.rect(left, y_out, _SMALL_W, _SMALL_H, PAPER, FAINT, dash="4 3", key="kept")
    canvas.text(middle, y_out + 17.5, f"h{number}", anchor="middle", fill=INK if given else SOFT)


def _before(run: Run, words: Words) -> tuple[str, str]:
    """What the first step gets."""
    _ = words._
    names = ", ".join(_state_names(run))
    if run.account.options.get("stateful"):
        return names, _("kept from the batch before")
    return names, _("zeros, or initial_state")


def _room_before(run: Run, words: Words) -> float:
    """The room at the left of the first step: what it gets, or what becomes of the states that arrive there."""
    if not run.backwards:
        names, origin = _before(run, words)
        return max(measure.width(names, LABEL, True), measure.width(origin, SMALL)) + 32
    given = run.form is not None and run.form.return_state
    kept = measure.width(words._("kept for the next batch"), SMALL) + 8 if run.account.options.get("stateful") else 0
    return (44 if given else 0) + kept + 24


def _state_names(run: Run) -> list[str]:
    found = []
    for k, cell in enumerate(run.cells):
        suffix = str(k + 1) if len(run.cells) > 1 else ""
        found += [name + suffix for name in cell.states]
    return found


def _states(
    canvas: Canvas, steps: _Steps, y: float, before: tuple[str, str], side: float, run: Run, words: Words
) -> None:  # fmt: skip
    """The arrows of the states from step to step, what goes into the first and what becomes of the last."""
    names = ", ".join(_state_names(run))
    pairs = list(zip(steps.shown, steps.middles, strict=True))
    edges = [(m - (18 if i is None else _BOX / 2), m + (18 if i is None else _BOX / 2)) for i, m in pairs]
    for (_l, right), (left, _r) in zip(edges, edges[1:], strict=False):
        ends = ((left, y), (right, y)) if run.backwards else ((right, y), (left, y))
        canvas.arrow(*ends)
        if left - right > 30 and len(names) <= 5:
            canvas.text((left + right) / 2, y - 8, names, SMALL, "middle", fill=SOFT)
    far = steps.right + 44
    first, first_edge = (far, edges[-1][1]) if run.backwards else (side - 22, edges[0][0])
    last, last_edge = (side - 22, edges[0][0]) if run.backwards else (far, edges[-1][1])
    canvas.arrow((first, y), (first_edge, y))
    anchor = "start" if run.backwards else "end"
    x = first + 8 if run.backwards else first - 8
    canvas.text(x, y - 3, before[0], LABEL, anchor, bold=True)
    canvas.text(x, y + 13, before[1], SMALL, anchor, fill=SOFT)
    _last_states(canvas, last, last_edge, y, run, words)


def _last_states(canvas: Canvas, x: float, edge: float, y: float, run: Run, words: Words) -> None:
    """What becomes of the last step's states: given, kept for the next batch, or let go."""
    form, stateful = run.form, run.account.options.get("stateful")
    given = form is not None and form.return_state
    if not given and not stateful:
        return
    canvas.arrow((edge, y), (x, y))
    sign = -1 if run.backwards else 1
    anchor = "end" if run.backwards else "start"
    names = _state_names(run)
    if given:
        width = 44.0
        for k, name in enumerate(names):
            top = y - 15 * len(names) + 30 * k
            left = x if sign > 0 else x - width
            canvas.patterned(left, top, width, 26, _STATE, key="state")
            canvas.rect(left + 9, top + 4, width - 18, 18, stroke=None)
            canvas.text(left + width / 2, top + 17.5, name, anchor="middle")
        x += sign * width
    if stateful:
        canvas.text(x + 8 * sign, y + 4, words._("kept for the next batch"), SMALL, anchor, fill=SOFT)


def _merge(canvas: Canvas, y: float, facts: RecurrentFacts) -> float:
    """How the outputs of the two directions are put together."""
    words, _ = facts.words, facts.words._
    canvas.text(0, y + 8, _("together"), HEADING, bold=True)
    y += 42
    sequences = all(run.form is not None and run.form.return_sequences for run in facts.runs)
    sides = (_("forward"), _("backward"))
    last = facts.runs[0].steps or "T"
    step = ("h[t]", "h[t]") if sequences else (f"h{last}", "h1")
    x = 0.0
    texts = [f"{side} {name}: {numbers(run.cells[-1].out, words, 'H')}"
             for side, name, run in zip(sides, step, facts.runs, strict=True)]  # fmt: skip
    room = max(measure.width(text, LABEL) for text in texts) + 24
    for k, text in enumerate(texts):
        canvas.rect(x, y - 13 + 38 * k, room, 26, SHADE)
        canvas.text(x + 12, y + 4.5 + 38 * k, text)
    if facts.merge is None:
        canvas.text(room + 16, y + 23, _("both are given, one after the other"), fill=SOFT)
        return y + 56
    middle = room + 40 + measure.width(facts.merge, LABEL) / 2
    half = pill(canvas, middle, y + 19, facts.merge, "merge")
    canvas.arrow((room, y), (middle, y), (middle, y + 7))
    canvas.arrow((room, y + 38), (middle, y + 38), (middle, y + 31))
    canvas.arrow((middle + half, y + 19), (middle + half + 40, y + 19))
    shape = facts.account.output_shape
    shape = shape[0] if isinstance(shape, list) else shape
    canvas.patterned(middle + half + 40, y + 6, 26, 26, _GIVEN)
    if shape is not None:
        canvas.text(middle + half + 76, y + 23.5, batch_shape(shape), key="output")
    return y + 56


def _rows(facts: RecurrentFacts) -> list[Line]:
    """What the arguments of the layer say."""
    _, run = facts.words._, facts.runs[0]
    form, options = run.form, run.account.options
    major = bool(options.get("time_major"))
    rows = []
    if run.account.input_shape is not None:
        rows.append(Line("input", batch_shape(run.account.input_shape, major), key="input"))
        rows[-1] = rows[-1]._replace(what=_("input of the layer"))
    if form is not None and not facts.both:
        what = _("every step's h") if form.return_sequences else _("the last step's h only")
        rows.append(Line(f"return_sequences={form.return_sequences}", f"{what}: {batch_shape(form.shapes[0], major)}",
                         key="output"))  # fmt: skip
        states = ", ".join(batch_shape(shape) for shape in form.shapes[1:])
        what = _("the last states too: {shapes}").format(shapes=states) if states else _("no states")
        rows.append(Line(f"return_state={form.return_state}", what, key="states"))
    elif form is not None:
        what = _("every step's h") if form.return_sequences else _("the last step read by each direction")
        rows.append(Line(f"return_sequences={form.return_sequences}", what))
    if run.backwards and not facts.both:
        rows.append(Line("go_backwards=True", _("reads from the last step to the first; outputs in that order")))
    if options.get("stateful"):
        rows.append(Line("stateful=True", _("states are kept from batch to batch, until reset_states()")))
    if facts.mask is not None:
        masked = int((~facts.mask).sum())
        rows.append(Line(_("mask"), _("{n} of {steps} steps are masked: the states stay as they are").format(
            n=masked, steps=len(facts.mask)), key="mask"))  # fmt: skip
    return rows

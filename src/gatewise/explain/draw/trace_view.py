"""Traces: every gate over a sequence as shades, and the states as lines."""

from __future__ import annotations

import numpy as np

from gatewise.explain.draw import measure
from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.charts import (
    Frame,
    Scale,
    axes,
    color_bar,
    curve,
    end_labels,
    heat_map,
    round_ticks,
    scale_for,
    whole_ticks,
)  # fmt: skip
from gatewise.explain.draw.palette import LABEL, LINES, MASK, PLAIN, SMALL, SOFT, gate_ink
from gatewise.explain.draw.parts import TOP, Drawn, few_of, heading
from gatewise.explain.draw.trace_facts import TraceFacts, stretches
from gatewise.explain.language import Words

_WIDTH, _ROW, _TALLEST, _LEAST = 620.0, 18.0, 190.0, 48.0
_MOST_POINTS = 600


def variable_name(variable: str, words: Words) -> str:
    """ "f · forget gate"."""
    _ = words._
    known = {
        "i": _("input gate"), "f": _("forget gate"), "o": _("output gate"), "z": _("update gate"),
        "r": _("reset gate"), "g": _("candidate"), "c": _("cell state"), "h": _("hidden state"),
        "output": _("output"),
    }  # fmt: skip
    return f"{variable} · {known[variable]}" if variable in known else variable


def layer_title(facts: TraceFacts, text: str) -> str:
    """ "LSTM "encoder/lstm": ..."."""
    return text.format(layer=f"{facts.trace.kind} \u201c{measure.fitted(facts.trace.name, 420, 19, True)}\u201d")


def which_sample(facts: TraceFacts) -> str:
    """Which sample is shown, and how the layer reads it."""
    words, _ = facts.words, facts.words._
    texts = [_("Sample {k} of {n}, {steps} steps.").format(k=facts.sample + 1, n=facts.samples, steps=facts.steps)]
    if facts.trace.reads_backwards:
        texts.append(_("The layer reads from the last step to the first."))
    if facts.is_spatial:
        texts.append(_("Means over all places."))
    return words.joined(*texts)


def draw_gates(facts: TraceFacts) -> Drawn:
    """A heat map for each gate and state: units down, steps across."""
    canvas, words = Canvas(), facts.words
    _ = words._
    title = layer_title(facts, _("{layer}: gates and states over a sequence"))
    about = words.joined(which_sample(facts), _("The darker, the larger the number."))
    heading(canvas, title, about)
    left = max(measure.width(variable_name(v, words), LABEL, True) for v in facts.variables) + 30
    y, down, across = TOP + 10.0, 1, 1
    for variable in facts.variables:
        values = facts.values(variable)[facts.sample].T
        height = min(max(values.shape[0] * _ROW, _LEAST), _TALLEST)
        scale = Scale(0.0, 1.0, False) if facts.is_share(variable) else scale_for(values)
        down, across = heat_map(canvas, left, y, _WIDTH, height, values, scale, f"map:{variable}")
        _masked(canvas, facts, left, y, height)
        canvas.patterned(0, y, 8, height, gate_ink(variable) if variable in facts.gates else PLAIN)
        canvas.text(16, y + 14, variable_name(variable, words), bold=True)
        canvas.text(16, y + 31, words.ngettext("{n} unit", "{n} units", len(values)).format(n=len(values)), SMALL,
                    fill=SOFT, key=f"units:{variable}")  # fmt: skip
        color_bar(canvas, left + _WIDTH + 34, y + max(0.0, height / 2 - 16), scale, 110)
        y += height + 14
    y = _time_axis(canvas, left, y - 10, facts.steps, words)
    notes = []
    if down * across > 1:
        notes.append(_("Each shade is the mean of {rows} units and {columns} steps.").format(rows=down, columns=across))
    if facts.masked is not None:
        notes.append(_("Hatched: masked steps."))
    if notes:
        canvas.text(left, y + 16, words.joined(*notes), SMALL, fill=SOFT)
    return Drawn(canvas, title, about)


def _time_axis(canvas: Canvas, left: float, y: float, steps: int, words: Words) -> float:
    """Numbers of steps, each under the middle of its column."""
    for value in whole_ticks(1, steps):
        x = left + _WIDTH * (value - 0.5) / steps
        canvas.line([(x, y), (x, y + 4)])
        canvas.text(x, y + 17, f"{value:g}", SMALL, "middle", fill=SOFT)
    canvas.text(left + _WIDTH, y + 34, words._("step"), SMALL, "end", fill=SOFT)
    return y + 34


def _masked(canvas: Canvas, facts: TraceFacts, left: float, top: float, height: float) -> None:
    if facts.masked is None:
        return
    unit = _WIDTH / facts.steps
    for first, last in stretches(facts.masked):
        canvas.patterned(left + unit * first, top, unit * (last - first + 1), height, MASK, key="masked")


def draw_states(facts: TraceFacts) -> Drawn:
    """The states of some units as lines over time."""
    canvas, words = Canvas(), facts.words
    _ = words._
    title = layer_title(facts, _("{layer}: states over a sequence"))
    about = which_sample(facts)
    heading(canvas, title, about)
    y = TOP + 34.0
    for variable in facts.states:
        values = facts.values(variable)[facts.sample]
        y = _lines(canvas, y, variable, values, facts) + 84
    return Drawn(canvas, title, about)


def _lines(canvas: Canvas, top: float, variable: str, values: np.ndarray, facts: TraceFacts) -> float:
    """One state: a line for each of up to six units."""
    words = facts.words
    xs, shown = points_of(values)
    finite = shown[np.isfinite(shown)]
    low, high = (float(min(finite.min(), 0)), float(max(finite.max(), 0))) if finite.size else (-1.0, 1.0)
    ticks = round_ticks(low, high)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    low, high = np.floor(low / step + 1e-9) * step, np.ceil(high / step - 1e-9) * step
    if high == low:
        high, low = high + 1.0, low - 1.0
    frame = Frame(56, top, _WIDTH, 200, (1, max(len(values), 2)), (float(low), float(high)))
    if facts.masked is not None:
        for first, last in stretches(facts.masked):
            x, right = frame.x(max(first + 0.5, 1)), frame.x(min(last + 1.5, facts.steps))
            canvas.patterned(x, top, max(right - x, 2), 200, MASK, key="masked")
    axes(canvas, frame, words._("step"), variable_name(variable, words), whole_ticks(1, len(values)))
    entries = []
    units = [k % values.shape[1] for k in few_of(values.shape[1]) if k is not None]
    for k, unit in enumerate(units):
        curve(canvas, frame, xs, shown[:, unit], LINES[k], f"line:{variable}:{unit}")
        end = shown[np.isfinite(shown[:, unit]), unit]
        entries.append((frame.y(float(end[-1])) if end.size else top, words._("unit {n}").format(n=unit + 1), LINES[k]))
    end_labels(canvas, frame.left + frame.width + 16, entries)
    if len(units) < values.shape[1]:
        text = words._("{n} of {all} units").format(n=len(units), all=values.shape[1])
        canvas.text(frame.left + frame.width, top - 12, text, SMALL, "end", fill=SOFT)
    return top + 200


def points_of(values: np.ndarray) -> tuple[list[float], np.ndarray]:
    """Steps from 1 and the values there; means over several steps where there are very many."""
    block = -(-len(values) // _MOST_POINTS)
    if block == 1:
        return [float(k + 1) for k in range(len(values))], values
    starts = np.arange(0, len(values), block)
    sizes = np.diff(np.append(starts, len(values)))
    means = np.add.reduceat(values.astype(np.float64), starts, 0) / sizes.reshape(-1, *[1] * (values.ndim - 1))
    return [float(a + 1 + (n - 1) / 2) for a, n in zip(starts, sizes, strict=True)], means

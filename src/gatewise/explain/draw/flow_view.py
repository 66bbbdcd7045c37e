"""How the gates are used, as histograms, and how the gradient flows through time."""

from __future__ import annotations

import numpy as np

from gatewise.explain.diagnosis_phrases import percent
from gatewise.explain.draw import measure
from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.charts import Frame, axes, curve, end_labels, tick_text, whole_ticks
from gatewise.explain.draw.palette import FAINT, LABEL, LINES, SMALL, SOFT, Ink, gate_ink
from gatewise.explain.draw.parts import TOP, Drawn, heading
from gatewise.explain.draw.trace_facts import TraceFacts
from gatewise.explain.draw.trace_view import layer_title, points_of, variable_name

_WIDTH, _HEIGHT = 200.0, 130.0
_BINS = 20
END = 0.05
"""A gate is shut below this and open above 1 minus this; a candidate is at its ends as near to -1 and 1."""


def draw_saturation(facts: TraceFacts) -> Drawn:
    """The share of a gate's values in each part of its range; at the flat ends hardly any gradient passes."""
    canvas, words = Canvas(), facts.words
    _ = words._
    title = layer_title(facts, _("{layer}: how the gates are used"))
    about = _("All {n} samples and {steps} steps. Hatched: at the flat ends, where hardly any gradient passes.")
    about = about.format(n=facts.samples, steps=facts.steps)
    heading(canvas, title, about)
    variables = facts.gates or facts.states
    room = max(_WIDTH, *(measure.width(_name(v, facts), LABEL, True) for v in variables)) + 62
    for k, variable in enumerate(variables):
        _histogram(canvas, 44 + (k % 2) * room, TOP + 40 + (k // 2) * (_HEIGHT + 106), variable, facts)
    return Drawn(canvas, title, about)


def _name(variable: str, facts: TraceFacts) -> str:
    return variable_name(variable, facts.words)


def range_of(variable: str, facts: TraceFacts) -> tuple[float, float]:
    """The range of a histogram: 0 to 1 of gates, -1 to 1 of what tanh makes, else that of the values."""
    if facts.is_share(variable):
        return 0.0, 1.0
    values = facts.counting(variable)
    values = values[np.isfinite(values)]
    top = float(np.abs(values).max()) if values.size else 1.0
    return (-1.0, 1.0) if top <= 1 else (-top, top)


def _histogram(canvas: Canvas, left: float, top: float, variable: str, facts: TraceFacts) -> None:
    _ = facts.words._
    low, high = range_of(variable, facts)
    values = facts.counting(variable)
    values = values[np.isfinite(values)]
    counts, _edges = np.histogram(values, _BINS, (low, high))
    shares = counts / max(values.size, 1)
    limit = END * (high - low) / (1 if facts.is_share(variable) else 2)
    at_low, at_high = float(np.mean(values < low + limit)), float(np.mean(values > high - limit))
    canvas.text(left, top - 20, _name(variable, facts), bold=True)
    top_share = max(float(shares.max()), 0.01)
    ink, width = gate_ink(variable), _WIDTH / _BINS
    bounded = high - low in (1.0, 2.0)
    for k, share in enumerate(shares):
        height = _HEIGHT * float(share) / top_share
        end = bounded and k in (0, _BINS - 1)
        if height > 0:
            fill = canvas.pattern(ink) if end else ink.tint
            canvas.rect(left + k * width, top + _HEIGHT - height, width, height, fill, ink.stroke,
                        key=f"bar:{variable}:{k}", title=percent(float(share)))  # fmt: skip
    canvas.line([(left, top + _HEIGHT), (left + _WIDTH, top + _HEIGHT)])
    canvas.line([(left - 3, top), (left + 3, top)], FAINT)
    canvas.text(left - 6, top + 4, percent(top_share), SMALL, "end", fill=SOFT)
    for value in (low, (low + high) / 2, high):
        x = left + _WIDTH * (value - low) / (high - low)
        canvas.text(x, top + _HEIGHT + 16, tick_text(value), SMALL, "middle", fill=SOFT)
    if bounded:
        names = (_("shut"), _("open")) if facts.is_share(variable) else (_("near -1"), _("near 1"))
        canvas.text(left, top + _HEIGHT + 36, f"{names[0]}: {percent(at_low)}", SMALL, key=f"low:{variable}")
        canvas.text(left + _WIDTH, top + _HEIGHT + 36, f"{names[1]}: {percent(at_high)}", SMALL, "end",
                    key=f"high:{variable}")  # fmt: skip


def draw_gradients(facts: TraceFacts) -> Drawn:
    """The norm of the loss's gradient at each step: of the states, and of each gate's sum before activation."""
    canvas, words = Canvas(), facts.words
    _ = words._
    title = layer_title(facts, _("{layer}: the gradient through time"))
    about = _("Root of the mean square over {n} samples of the gradient of the loss, by step.").format(n=facts.samples)
    if facts.trace.reads_backwards:
        about = words.joined(about, _("The layer reads from the last step to the first."))
    heading(canvas, title, about)
    states = [name for name in facts.trace if name.startswith("d_") and name[2:] in facts.states]
    gates = [name for name in facts.trace if name.startswith("dz_")]
    y = TOP + 34.0
    for names, label in ((states, _("gradient of the states")), (gates, _("gradient of the sums before activation"))):
        if names:
            y = _curves(canvas, y, names, label, facts) + 84
    return Drawn(canvas, title, about)


def norms(facts: TraceFacts, variable: str) -> np.ndarray:
    """(T,): the root of the mean over samples of the squared norm over units."""
    values = np.asarray(facts.trace[variable], np.float64)
    squares = np.square(values).reshape(*values.shape[:2], -1).sum(2)
    return np.sqrt(squares.mean(0))


def _curves(canvas: Canvas, top: float, names: list[str], label: str, facts: TraceFacts) -> float:
    words = facts.words
    found = {name: norms(facts, name) for name in names}
    positive = np.concatenate([v[(v > 0) & np.isfinite(v)] for v in found.values()])
    if not positive.size:
        canvas.text(0, top, words._("No gradient arrives at any step."))
        return top
    low, high = np.floor(np.log10(positive.min())), np.ceil(np.log10(positive.max()))
    powers = (10.0 ** float(low), 10.0 ** float(max(high, low + 1)))
    frame = Frame(64, top, 560, 190, (1, max(facts.steps, 2)), powers, log=True)
    axes(canvas, frame, words._("step"), label, whole_ticks(1, facts.steps))
    entries = []
    for k, (name, values) in enumerate(found.items()):
        ink = _ink_of(name, k)
        xs, shown = points_of(values)
        curve(canvas, frame, xs, shown, ink, f"line:{name}")
        last = shown[(shown > 0) & np.isfinite(shown)]
        place = frame.y(float(last[-1])) if last.size else top + 190
        entries.append((place, variable_name(name.split("_", 1)[1], words), ink))
    end_labels(canvas, frame.left + frame.width + 16, entries)
    return top + 190


def _ink_of(name: str, k: int) -> Ink:
    """The gate's own ink; a state's is that of its place."""
    if name.startswith("dz_") and len(name) == 4:
        return gate_ink(name[3:])
    return LINES[k % len(LINES)]

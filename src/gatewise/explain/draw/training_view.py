"""Training curves: each figure that `fit` logged, by epoch, with its validation beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.charts import Frame, axes, curve, end_labels, mark, round_ticks, whole_ticks
from gatewise.explain.draw.palette import FAINT, LINES, SMALL, SOFT
from gatewise.explain.draw.parts import TOP, Drawn, heading
from gatewise.explain.language import Words

_WIDTH, _HEIGHT = 560.0, 190.0
_MOST_CHARTS = 12


@dataclass(frozen=True)
class HistoryFacts:
    """What a training logged: {name: a number for each epoch}, and the epochs' numbers from 1."""

    logs: Mapping[str, Sequence[float]]
    epochs: Sequence[int]
    words: Words


def history_of(history: object, words: Words) -> HistoryFacts:
    """The facts of a History, or of the dictionary in it; figures that are no plain numbers are left out.

    Raises:
        ValueError: if no epoch was trained.
    """
    logs = history if isinstance(history, Mapping) else getattr(history, "history", {})
    epochs = [int(k) + 1 for k in getattr(history, "epoch", [])]
    found = {}
    for name, values in logs.items():
        if isinstance(values, list | tuple) and all(
            isinstance(v, int | float) or hasattr(v, "__float__") for v in values
        ):
            found[str(name)] = [float(v) for v in values]
    longest = max((len(values) for values in found.values()), default=0)
    if not longest:
        raise ValueError("This History holds no epoch yet, so there is nothing to draw: train with fit() first.")
    if len(epochs) != longest:
        epochs = list(range(1, longest + 1))
    return HistoryFacts(found, epochs, words)


def draw_training(facts: HistoryFacts) -> Drawn:
    """A chart for each figure; training solid, validation dashed."""
    canvas, words = Canvas(), facts.words
    _ = words._
    title = _("Training")
    n = len(facts.epochs)
    about = words.ngettext("{n} epoch.", "{n} epochs.", n).format(n=n)
    heading(canvas, title, about)
    names = [name for name in facts.logs if not (name.startswith("val_") and name[4:] in facts.logs)]
    y = TOP + 34.0
    for name in names[:_MOST_CHARTS]:
        y = _chart(canvas, y, name, facts) + 84
    if len(names) > _MOST_CHARTS:
        text = _("{n} more figures are not shown.").format(n=len(names) - _MOST_CHARTS)
        canvas.text(0, y - 30, text, SMALL, fill=SOFT)
    return Drawn(canvas, title, about)


def _chart(canvas: Canvas, top: float, name: str, facts: HistoryFacts) -> float:
    _ = facts.words._
    lines = {_("training"): facts.logs[name]}
    if f"val_{name}" in facts.logs:
        lines[_("validation")] = facts.logs[f"val_{name}"]
    finite = [v for values in lines.values() for v in values if math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    low = 0.0 if 0 <= low < 0.5 * high else low
    low, high = _round_range(low, high)
    first, last = facts.epochs[0], facts.epochs[-1]
    frame = Frame(64, top, _WIDTH, _HEIGHT, (first, max(last, first + 1)), (low, high))
    axes(canvas, frame, _("epoch"), name, whole_ticks(first, last))
    entries = []
    for k, (label, values) in enumerate(lines.items()):
        ink = LINES[k]
        epochs = facts.epochs[len(facts.epochs) - len(values) :]
        curve(canvas, frame, epochs, values, ink, f"line:{'val_' * k}{name}")
        ends = [v for v in values if math.isfinite(v)]
        if ends:
            entries.append((frame.y(ends[-1]), f"{label}: {ends[-1]:.4g}", ink))
    end_labels(canvas, frame.left + frame.width + 16, entries)
    if name == "loss":
        _best(canvas, frame, facts)
    return top + _HEIGHT


def _best(canvas: Canvas, frame: Frame, facts: HistoryFacts) -> None:
    """Where the (validation) loss was least."""
    values = facts.logs.get("val_loss", facts.logs["loss"])
    epochs = facts.epochs[len(facts.epochs) - len(values) :]
    finite = [(v, e) for v, e in zip(values, epochs, strict=True) if math.isfinite(v)]
    if len(finite) < 2:
        return
    value, epoch = min(finite)
    x, y = frame.x(epoch), frame.y(value)
    canvas.line([(x, frame.top), (x, frame.top + frame.height)], FAINT, "3 3")
    mark(canvas, x, y, LINES["val_loss" in facts.logs], 5)
    text = facts.words._("least: {value} in epoch {epoch}").format(value=f"{value:.4g}", epoch=epoch)
    canvas.text(frame.left + frame.width, frame.top - 12, text, SMALL, "end", fill=SOFT, key="best")


def _round_range(low: float, high: float) -> tuple[float, float]:
    """The range widened to round numbers."""
    if high <= low:
        pad = abs(high) * 0.1 or 1.0
        low, high = low - pad, high + pad
    ticks = round_ticks(low, high)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high - low
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step

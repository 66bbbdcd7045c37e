"""Windows in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gatewise.data.scaling import Scale
from gatewise.data.table import time_text

if TYPE_CHECKING:
    from gatewise.data.windowing import Windows

_MOST_NAMED = 8


def text_of(windows: Windows) -> str:
    """What the windows are, how many each part has, which rows are in none, the scales, and the notes."""
    return "\n".join([*_head(windows), "", *_parts(windows), "", *_scales(windows), *_notes(windows)])


def used_rows(windows: Windows, name: str) -> np.ndarray:
    """(rows,) True for rows that are in a window of a part, as inputs or targets."""
    n, span, part = len(windows.table), windows.span, windows.parts[name]
    edges = np.zeros(n + 1, int)
    for first, count in ((0, span.steps_in), (span.ahead, span.steps_out)):
        np.add.at(edges, part.starts + first, 1)
        np.add.at(edges, part.starts + first + count, -1)
    return np.cumsum(edges)[:-1] > 0


def _head(windows: Windows) -> list[str]:
    span, groups = windows.span, windows.table.group_names
    gap = f", {_count(span.gap, 'row')} that nobody sees," if span.gap else ""
    series = "" if groups == [None] else f" in {_count(len(groups), 'group')}"
    return [
        f"{_count(len(windows.table), 'row')}{series}. A window is {_count(span.steps_in, 'row')} of the inputs{gap} "
        f"and the next {_count(span.steps_out, 'row')} of the targets; one begins every {_every(span.stride)}.",
        f"Inputs: {_named(windows.inputs)}. Targets: {_named(windows.targets)}.",
    ]


def _parts(windows: Windows) -> list[str]:
    table, lines = windows.table, [f"{'part':<12}{'rows':>8}{'windows':>9}{'unused rows':>13}   targets from, to"]
    for k, (name, part) in enumerate(windows.parts.items()):
        inside = windows.row_parts == k
        unused = int((inside & ~used_rows(windows, name)).sum())
        times = part.times
        first, last = (str(t) if table.time is None else time_text(t) for t in (times.min(), times.max()))
        lines.append(f"{name:<12}{int(inside.sum()):>8}{part.count:>9}{unused:>13}   {first}, {last}")
    return lines


def _scales(windows: Windows) -> list[str]:
    rows, lines = int((windows.row_parts == 0).sum()), []
    if windows.facts.scale is None:
        return ["Nothing is scaled."]
    kind = windows.facts.scale if isinstance(windows.facts.scale, str) else "as given"
    lines.append(f"Scaled ({kind}) by the {_count(rows, 'training row')} alone:")
    for what, scale in (("inputs", windows.scaler.inputs), ("targets", windows.scaler.targets)):
        if what == "targets" and not windows.facts.scale_targets:
            lines.append("  targets: not scaled")
        elif isinstance(scale, Scale):
            each = [
                f"{name} ({centre:.4g}, {spread:.4g})"
                for name, centre, spread in zip(scale.names, scale.centre, scale.spread, strict=True)
            ]
            lines.append(f"  {what}, (centre, spread): {_named(each)}")
        else:
            lines.append(f"  {what}: {type(scale.scaler).__name__}")
    return lines


def _notes(windows: Windows) -> list[str]:
    notes = list(windows.notes)
    if windows.facts.history:
        notes.append("history=True: inputs of later parts reach back into the part before; targets never do.")
    elif windows.facts.split_by == "time" and len(windows.parts) > 1:
        notes.append("No window crosses from one part into the next: no row is in windows of two parts.")
    if windows.facts.split_by == "group":
        notes.append(
            "Whole groups are held out. They cover the same times: what moves all groups at once is not held out."
        )
    for name, count in windows.facts.incomplete.items():
        if count:
            notes.append(f"{name}: {_count(count, 'window')} left out for missing values.")
    return ["", *notes] if notes else []


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _every(stride: int) -> str:
    return "row" if stride == 1 else f"{stride} rows"


def _named(names: list[Any]) -> str:
    shown = ", ".join(map(str, names[:_MOST_NAMED]))
    return f"{shown} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else shown

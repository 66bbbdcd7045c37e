"""A diagnosis as a picture: the gradient by time step, and how the gates are used.  Readable without colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.explain.diagnosis_facts import GateUse, RecurrentFacts, StepGradients
from gatewise.explain.diagnosis_phrases import gate_name, number
from gatewise.explain.language import Words, words_in

_DOTS_PER_INCH = 150
# Colours that differ in brightness too, each with a line and a mark of its own.
_LINES = (
    {"color": "#0b4f8a", "linewidth": 2.2, "linestyle": "-", "marker": "o"},
    {"color": "#d9822b", "linewidth": 1.8, "linestyle": "--", "marker": "s"},
    {"color": "#6f6f6f", "linewidth": 1.5, "linestyle": ":", "marker": "^"},
    {"color": "#000000", "linewidth": 1.2, "linestyle": "-.", "marker": "D"},
)
_INSIDE, _AT_THE_ENDS = "#b8cfe5", "#0b4f8a"
_SHOWN_LAYERS = 8
_MARKS = 16  # on a line at most
_CHINESE = ("notosanscjk-regular", "notosanssc", "notosanscjksc-regular", "sourcehansans", "wqy-", "simhei", "msyh",
            "pingfang", "arial unicode")  # fmt: skip
"""How the names of files with Chinese characters begin."""


def drawn(diagnosis: Any, path: Any = None) -> Any:
    """A figure: on top the norm of the gradient of h[t] by step, below a row of gates' values for each layer.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: without a recurrent layer.
    """
    layers = diagnosis.recurrent[:_SHOWN_LAYERS]
    if not layers:
        raise ValueError(
            f"Model '{diagnosis.model}' has no recurrent layer, so there is nothing by time step to draw; print() the "
            "diagnosis."
        )
    Figure, Canvas = _matplotlib()
    lang, font = _font_for(diagnosis.lang)
    words = words_in(lang)
    columns = max(1, *(len(one.gates) for one in layers))
    figure = Figure(figsize=(10, 4 + 1.9 * len(layers)), layout="constrained")
    Canvas(figure)
    top, *rows = figure.subfigures(1 + len(layers), 1, height_ratios=[3.6, *[1.9] * len(layers)], squeeze=False)[:, 0]
    _draw_gradients(top.subplots(), layers, words)
    for row, one in zip(rows, layers, strict=True):
        row.suptitle(one.path, x=0.01, ha="left", fontsize=10)
        plots = np.atleast_1d(row.subplots(1, columns, sharey=True))
        for plot, use in zip(plots, one.gates, strict=False):
            _draw_gate(plot, use, words)
        for plot in plots[len(one.gates) :]:
            plot.set_axis_off()
    if font is not None:
        _set_font(figure, font)
    if path is not None:
        figure.savefig(path, dpi=_DOTS_PER_INCH)
    return figure


def _matplotlib() -> tuple[Any, Any]:
    """The classes for a figure that needs no window and changes no global state."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('Pictures need matplotlib: pip install "gatewise[plot]"') from error
    return Figure, FigureCanvasAgg


def _font_for(lang: str) -> tuple[str, str | None]:
    """The language to draw in and a font file for it: English where its characters are in no font.

    The files are looked for: matplotlib's own list may be older than a font.
    """
    if lang != "zh":
        return lang, None
    from matplotlib import font_manager

    files = sorted(font_manager.findSystemFonts())
    found = (path for name in _CHINESE for path in files if Path(path).name.lower().startswith(name))
    file = next(found, None)
    return ("en", None) if file is None else ("zh", file)


def _set_font(figure: Any, file: str) -> None:
    from matplotlib.font_manager import FontProperties
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_fontproperties(FontProperties(fname=file, size=text.get_fontsize()))


def _draw_gradients(plot: Any, layers: Sequence[RecurrentFacts], words: Words) -> None:
    _ = words._
    plot.set_title(_("Gradient of the loss by time step"), loc="left", fontsize=11)
    plot.set_xlabel(_("time step, in the order in which the layer reads"))
    plot.set_ylabel(_("norm of the gradient of h[t]"))
    for k, (one, gradients) in enumerate((one, one.gradients) for one in layers if one.gradients is not None):
        norms = np.asarray(gradients.norms)
        shown = np.where((norms > 0) & np.isfinite(norms), norms, np.nan)
        style = {**_LINES[k % len(_LINES)], "markersize": 4, "markevery": max(1, len(norms) // _MARKS)}
        plot.plot(np.arange(len(norms)), shown, label=f"{one.path}: {_summary(gradients, words)}", **style)
    plot.set_yscale("log")
    plot.grid(True, color="#dddddd", linewidth=0.6)
    _without_frame(plot)
    if plot.get_lines():
        plot.legend(frameon=False, fontsize=9, loc="best")


def _summary(gradients: StepGradients, words: Words) -> str:
    _ = words._
    verdict = {
        "ok": _("in order"), "vanishing": _("vanishing"), "exploding": _("exploding"), "none": _("no gradient"),
    }[gradients.verdict]  # fmt: skip
    return verdict if math.isnan(gradients.per_step) else f"{verdict} (x {number(gradients.per_step)})"


def _draw_gate(plot: Any, use: GateUse, words: Words) -> None:
    """The share of the values in each part of the range; parts beyond the limits are dark and hatched."""
    counts = np.asarray(use.histogram, np.float64)
    edges = np.linspace(*use.range, len(counts) + 1)
    middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    shares = 100 * counts / max(counts.sum(), 1)
    at_ends = (middles <= use.limits[0] + 1e-9) | (middles >= use.limits[1] - 1e-9)
    plot.bar(middles[~at_ends], shares[~at_ends], width, color=_INSIDE, edgecolor="white", linewidth=0.4)
    plot.bar(
        middles[at_ends], shares[at_ends], width, color=_AT_THE_ENDS, edgecolor="white", linewidth=0.4, hatch="////"
    )
    plot.set_title(gate_name(use.symbol, words), fontsize=9)
    plot.tick_params(labelsize=8)
    plot.set_xlim(*use.range)
    if plot.get_subplotspec().is_first_col():
        plot.set_ylabel(words._("percent of the values"), fontsize=8)
    _without_frame(plot)


def _without_frame(plot: Any) -> None:
    plot.set_axisbelow(True)
    for side in ("top", "right"):
        plot.spines[side].set_visible(False)

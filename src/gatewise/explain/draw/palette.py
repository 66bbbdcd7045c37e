"""Colours, patterns, sizes of type and strokes that all pictures share.

Each gate has a colour, a pattern and its letter, so the picture is read without colours too; the colours stay apart
for people who do not see red or green.
"""

from __future__ import annotations

from typing import NamedTuple

from gatewise.explain.draw.svg import Element

INK, SOFT, FAINT, PAPER, SHADE = "#16202a", "#54606c", "#b9c2cb", "#ffffff", "#f3f5f7"
"""Text and strokes; secondary text; guide lines; the background; the ground of boxes."""

TITLE, HEADING, LABEL, SMALL = 19, 14, 13, 11
"""The sizes of type, all of them."""

STROKE = 1.25
"""The weight of every stroke."""

_LATIN = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'Noto Sans'"
_CHINESE = "'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Source Han Sans SC', 'WenQuanYi Zen Hei'"


def fonts(lang: str) -> str:
    """The fonts to look for, in order; Chinese texts are set in one font whole, Latin letters too."""
    first, then = (_CHINESE, _LATIN) if lang == "zh" else (_LATIN, _CHINESE)
    return f"{first}, {then}, sans-serif"


class Ink(NamedTuple):
    """How one gate, or one line of a chart, is drawn: its colour, a light tint of it, a pattern, a dash, a mark."""

    stroke: str
    tint: str
    pattern: str
    dash: str | None = None
    mark: str = "circle"


_BLUE = Ink("#1b5e9b", "#d3e4f3", "rising", None, "circle")
_ORANGE = Ink("#b04a00", "#fbdfc6", "falling", "7 4", "square")
_GREEN = Ink("#0b7456", "#cfeade", "dots", "2 3", "triangle")
_PURPLE = Ink("#86357a", "#eed7e9", "level", "9 3 2 3", "diamond")
_BLACK = Ink("#16202a", "#dde1e5", "upright", "4 2", "cross")
_OCHRE = Ink("#7d6200", "#f2e6b8", "grid", "12 3", "ring")

GATES = {
    "i": _BLUE, "f": _ORANGE, "c": _GREEN, "g": _GREEN, "o": _PURPLE,
    "z": _ORANGE, "r": _BLUE, "h": _GREEN,
}  # fmt: skip
LINES = (_BLUE, _ORANGE, _GREEN, _PURPLE, _BLACK, _OCHRE)
PLAIN = Ink(INK, SHADE, "none")
MASK = Ink("#9aa4ae", "#ffffff", "rising")
PATTERNED = (*LINES, MASK)
"""Every ink that has a pattern."""

_PATTERNS = {
    "rising": "M -1 7 L 7 -1 M 5 7 L 7 5 M -1 1 L 1 -1",
    "falling": "M -1 -1 L 7 7 M 5 -1 L 7 1 M -1 5 L 1 7",
    "dots": "M 0.6 1.5 L 2.4 1.5 M 3.6 4.5 L 5.4 4.5",
    "level": "M 0 1.5 L 6 1.5 M 0 4.5 L 6 4.5",
    "upright": "M 1.5 0 L 1.5 6 M 4.5 0 L 4.5 6",
    "grid": "M 3 0 L 3 6 M 0 3 L 6 3",
}
PATTERN_SIZE = 6


def gate_ink(symbol: str | None) -> Ink:
    """How a gate is drawn; things that are no gate are drawn plainly."""
    return GATES.get(symbol or "", PLAIN)


def pattern_id(ink: Ink) -> str:
    """The name of an ink's pattern, the same in every picture of a page."""
    return f"gatewise-{ink.pattern}-{ink.stroke[1:]}"


def pattern_element(ink: Ink) -> Element:
    """The definition of an ink's pattern: strokes on its tint."""
    size = PATTERN_SIZE
    marks = {"d": _PATTERNS[ink.pattern], "stroke": ink.stroke, "stroke-width": 1.8 if ink.pattern == "dots" else 0.9}
    return Element(
        "pattern",
        {"id": pattern_id(ink), "width": size, "height": size, "patternUnits": "userSpaceOnUse"},
        children=[
            Element("rect", {"width": size, "height": size, "fill": ink.tint}),
            Element("path", {**marks, "fill": "none"}),
        ],
    )


def pattern_marks(name: str) -> str:
    """The strokes of a pattern within its square."""
    return _PATTERNS[name]


# --- colours of numbers ----------------------------------------------------------------------------------------

_SHARES = ((255, 255, 255), (206, 221, 236), (131, 170, 208), (50, 107, 166), (10, 40, 84))
_SIGNED = ((255, 244, 190), (226, 200, 112), (158, 160, 152), (70, 104, 150), (10, 36, 80))


_MORE = ((255, 255, 255), (198, 216, 234), (112, 156, 200), (27, 94, 155), (8, 42, 84))
_LESS = ((255, 255, 255), (252, 221, 190), (240, 164, 98), (186, 84, 8), (98, 38, 0))


def balance(place: float) -> str:
    """The colour of a place from -1 to 1: white at 0, over blue to dark above, over orange to dark below.

    In grey the two sides look alike: whoever draws with it marks one of them.
    """
    return _mixed(_MORE if place >= 0 else _LESS, abs(place))


def shade(place: float, signed: bool = False) -> str:
    """The colour of a place from 0 to 1 in a range: always the darker, the larger the number, so it reads in grey too.

    `signed`: for numbers on both sides of 0, which is in the middle: from yellow over grey to blue.
    """
    return _mixed(_SIGNED if signed else _SHARES, place)


def _mixed(ramp: tuple[tuple[int, int, int], ...], place: float) -> str:
    """The colour at a place from 0 to 1 along a ramp."""
    along = min(max(place, 0.0), 1.0) * (len(ramp) - 1)
    k = min(int(along), len(ramp) - 2)
    mixed = (round(a + (b - a) * (along - k)) for a, b in zip(ramp[k], ramp[k + 1], strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)

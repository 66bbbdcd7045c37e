"""How wide a text is, in units of its size, before anybody has drawn it: a table of widths of the usual sans serif.

The table is Helvetica's (Arial's and Liberation Sans's too).  A Chinese character is as wide as the text is high.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import NamedTuple

from gatewise.explain.text_width import paragraph_lines

_REGULAR = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 "
    "584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 "
    "667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 "
    "278 556 500 722 500 500 500 334 260 334 584"
)
_BOLD = (
    "278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 333 333 "
    "584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778 667 778 722 667 611 722 667 944 "
    "667 667 611 333 278 333 584 556 333 556 611 556 611 556 333 611 611 278 278 556 278 889 611 611 611 611 389 556 "
    "333 611 556 778 556 556 500 389 280 389 584"
)
_TABLES = {bold: [int(w) / 1000 for w in table.split()] for bold, table in ((False, _REGULAR), (True, _BOLD))}
_OTHERS = {"×": 0.584, "·": 0.278, "…": 1.0, "²": 0.333, "±": 0.584, "–": 0.556, "ß": 0.611, "%": 0.889}
_UNKNOWN = 0.7

ASCENT, DESCENT = 0.76, 0.22
"""The height of letters above and below the line they stand on."""


@cache
def _width_of(character: str, bold: bool) -> float:
    if " " <= character <= "~":
        return _TABLES[bold][ord(character) - 32]
    if character in _OTHERS:
        return _OTHERS[character]
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    plain = unicodedata.normalize("NFD", character)[0]
    return _width_of(plain, bold) if plain != character else _UNKNOWN


def width(text: str, size: float, bold: bool = False) -> float:
    """The width of a text of this size."""
    return size * sum(_width_of(character, bold) for character in text)


def fitted(text: str, room: float, size: float, bold: bool = False) -> str:
    """The text if there is room for it, else its beginning and end with an ellipsis between."""
    if width(text, size, bold) <= room:
        return text
    for kept in range(len(text) - 1, 0, -1):
        head, tail = kept - kept // 3, kept // 3
        shown = text[:head] + "…" + (text[-tail:] if tail else "")
        if width(shown, size, bold) <= room:
            return shown
    return "…"


def lines(text: str, room: float, size: float) -> list[str]:
    """Running text in lines that fit; a line breaks where the language allows it."""
    return paragraph_lines(text, max(4, int(room / size / 0.5)))


class Box(NamedTuple):
    """A rectangle by its corners."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box, tolerance: float = 0.5) -> bool:
        """Whether two rectangles share more than a sliver."""
        return (
            min(self.right, other.right) - max(self.left, other.left) > tolerance
            and min(self.bottom, other.bottom) - max(self.top, other.top) > tolerance
        )


def text_box(
    x: float, y: float, text: str, size: float, anchor: str = "start", bold: bool = False, upright: bool = False
) -> Box:
    """The rectangle of a text whose line begins (or is centred, or ends) at (x, y); `upright`: it reads upwards."""
    wide = width(text, size, bold)
    before = {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
    if upright:
        return Box(x - ASCENT * size, y - (wide - before), x + DESCENT * size, y + before)
    return Box(x - before, y - ASCENT * size, x - before + wide, y + DESCENT * size)

"""Text in columns of a terminal: how wide it is, where it breaks, how it is cut and padded.

A Chinese character takes two columns and may be followed by a line break; Latin words stay whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_WORD = re.compile(r"\s*\S+\s*")
NO_BREAK = "\u00a0"  # in running text: a space at which no line ends; printed as a plain space
_NEVER_FIRST = "，。；：、？！）】》”’…,.;:?!)]}%"  # no line begins with one of these
_NEVER_LAST = "（【《“‘([{"


def width_of(text: str) -> int:
    """How many columns a text takes."""
    if text.isascii():
        return len(text)
    return sum(_width_of_character(character) for character in text)


def _width_of_character(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """The text in at most `width` columns, an ellipsis in place of what does not fit."""
    if width_of(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += _width_of_character(character)
        if used > width - 1:
            break
        kept.append(character)
    head = "".join(kept)
    return head + " " * (width - 1 - width_of(head)) + "…"


def padded(text: str, width: int, align: str = "left") -> str:
    """The text filled up with spaces to `width` columns; align is left, right or center."""
    free = max(0, width - width_of(text))
    before = {"left": 0, "right": free, "center": free // 2}[align]
    return " " * before + text + " " * (free - before)


def cell_lines(text: str, width: int) -> list[str]:
    """A table cell's lines: broken between words, a word that is too long cut."""
    lines, start, used = [], 0, 0
    for match in _WORD.finditer(text):
        length = width_of(match.group().rstrip())
        if length <= width - used:
            used += width_of(match.group())
            continue
        if match.start() and (used or length > width):
            lines.append(text[start : match.start()])
            start = match.start()
        used = width_of(match.group())
    # Keras's tables drop the space at a break by the number of characters, not of columns; so does this.
    return [cut(line[: max(width, len(line.rstrip()))], width) for line in [*lines, text[start:]]]


def paragraph_lines(text: str, width: int, indent: str = "") -> list[str]:
    """Running text in lines of at most `width` columns; later lines begin with `indent`."""
    lines, line = [], ""
    for piece in _pieces(text):
        if line.strip() and width_of(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = indent + piece.lstrip()
        else:
            line += piece
    lines += [line.rstrip()] if line.strip() or not lines else []
    return [line.replace(NO_BREAK, " ") for line in lines]


def _pieces(text: str) -> Iterator[str]:
    """The parts between which a line may break: words with the spaces after them, single wide characters."""
    piece = ""
    for character in text:
        wide = _width_of_character(character) == 2
        before = piece[-1:]
        if piece and character not in _NEVER_FIRST and before not in _NEVER_LAST:
            if character != " " and (before == " " or wide or _width_of_character(before) == 2):
                yield piece
                piece = ""
        piece += character
    if piece:
        yield piece

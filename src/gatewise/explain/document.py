"""What an explanation is made of, headed sections of paragraphs, formulas and tables, as text, HTML and data."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gatewise.explain.text_width import NO_BREAK, padded, paragraph_lines, width_of

_MEASURE = 92  # columns of running text
_UNDERLINES = "=-."  # under headings of level 1, 2, 3
_HEADING_SIZES = (1.3, 1.15, 1)


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str

    def lines(self) -> Iterator[str]:
        yield from paragraph_lines(self.text, _MEASURE)

    def html(self) -> str:
        return f"<p>{_escaped(self.text)}</p>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "paragraph", "text": self.text.replace(NO_BREAK, " ")}


@dataclass(frozen=True)
class Points:
    """A list of short texts."""

    items: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        for item in self.items:
            first, *more = paragraph_lines(item, _MEASURE - 2)
            yield f"- {first}"
            yield from (f"  {line}" for line in more)

    def html(self) -> str:
        return f"<ul>{''.join(f'<li>{_escaped(item)}</li>' for item in self.items)}</ul>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "list", "items": [item.replace(NO_BREAK, " ") for item in self.items]}


@dataclass(frozen=True)
class Formulas:
    """Equations or code, a line each, never broken."""

    formulas: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        yield from (f"    {formula}" for formula in self.formulas)

    def html(self) -> str:
        return f"<pre>{html.escape(chr(10).join(self.formulas))}</pre>"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "formulas", "formulas": list(self.formulas)}


@dataclass(frozen=True)
class Table:
    """Rows under a header; the last row is a total if `total` is set, and the columns in `right` stand to the right."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    total: bool = False

    def lines(self) -> Iterator[str]:
        widths = [max(map(width_of, column)) for column in zip(self.header, *self.rows, strict=True)]

        def line(row: tuple[str, ...]) -> str:
            cells = [
                padded(cell, width, "right" if k in self.right else "left")
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            return f"  {'   '.join(cells)}".rstrip()

        rule = f"  {'   '.join('-' * width for width in widths)}"
        yield line(self.header)
        yield rule
        for index, row in enumerate(self.rows):
            if self.total and index == len(self.rows) - 1:
                yield rule
            yield line(row)

    def html(self) -> str:
        def line(row: tuple[str, ...], tag: str) -> str:
            sides = ["right" if k in self.right else "left" for k in range(len(row))]
            cells = zip(row, sides, strict=True)
            return "<tr>" + "".join(_cell(tag, text, side) for text, side in cells) + "</tr>"

        body = "".join(line(row, "td") for row in (self.rows[:-1] if self.total else self.rows))
        foot = f"<tfoot>{line(self.rows[-1], 'th')}</tfoot>" if self.total else ""
        return f"<table><thead>{line(self.header, 'th')}</thead><tbody>{body}</tbody>{foot}</table>"

    def to_dict(self) -> dict[str, Any]:
        rows = [list(row) for row in self.rows]
        return {"kind": "table", "header": list(self.header), "rows": rows, "total": self.total}


def _escaped(text: str) -> str:
    return html.escape(text.replace(NO_BREAK, " "))


def _cell(tag: str, text: str, side: str) -> str:
    """A table cell; the spaces at its beginning, which show nesting, stay."""
    label = text.lstrip(" ")
    indent = "&#160;" * (len(text) - len(label))
    return f'<{tag} style="text-align:{side};padding:0.1em 0.7em">{indent}{html.escape(label)}</{tag}>'


Block = Paragraph | Points | Formulas | Table


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]
    level: int = 2

    def lines(self) -> Iterator[str]:
        yield self.title
        yield _UNDERLINES[self.level - 1] * width_of(self.title)
        for index, block in enumerate(self.blocks):
            if index:
                yield ""
            yield from block.lines()

    def html(self) -> str:
        tag, size = f"h{self.level + 2}", _HEADING_SIZES[self.level - 1]
        blocks = "".join(block.html() for block in self.blocks)
        return f'<{tag} style="font-size:{size}em">{html.escape(self.title)}</{tag}>{blocks}'

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "level": self.level, "blocks": [block.to_dict() for block in self.blocks]}


def text_of(sections: tuple[Section, ...]) -> str:
    """Plain text, without a line break at the end."""
    return "\n\n".join("\n".join(line.rstrip() for line in section.lines()) for section in sections)


def html_of(sections: tuple[Section, ...], lang: str) -> str:
    """A fragment of HTML that needs no style sheet and no script."""
    body = "".join(section.html() for section in sections)
    return f'<div class="gatewise-explanation" lang="{html.escape(lang)}">{body}</div>'

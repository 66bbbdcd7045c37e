"""SVG as a tree of elements, and the tree as text: everything that a picture is made of, and nothing that runs.

Only these tags are used, all coordinates are absolute and all properties are attributes, so that `pdf` can draw the
same tree: svg, g, rect, line, circle, polygon, path (M, L, C, Z; h and v), text, title, desc, and patterns in defs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# What XML 1.0 cannot hold, not even escaped: control characters, half surrogates, two noncharacters.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_BREAKS = re.compile(r"\s+")


@dataclass
class Element:
    """A tag with its attributes, its text and what is inside it."""

    tag: str
    attributes: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """The element and all that is inside it."""
        yield self
        for child in self.children:
            yield from child.walk()


def number(value: float) -> str:
    """A coordinate: at most two decimals, none that are zero."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def one_line(text: str) -> str:
    """A name as it can stand in a picture: what is illegal in XML replaced, line breaks as spaces."""
    return _BREAKS.sub(" ", _ILLEGAL.sub("\ufffd", text))


def escaped(text: str) -> str:
    """Text as it may stand between tags and, in double quotes, in attributes."""
    text = _ILLEGAL.sub("\ufffd", text)
    for raw, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        text = text.replace(raw, safe)
    return text


def written(element: Element, indent: int = 0) -> str:
    """The element as text, a line for each element."""
    space = "  " * min(indent, 3)
    attributes = "".join(
        f' {name}="{_value(value)}"' for name, value in element.attributes.items() if value is not None
    )
    inner = escaped(element.text)
    if element.children:
        # A text with a title inside keeps its own words first and no line break, which would be seen.
        if element.text:
            inner = "".join(written(child).strip() for child in element.children) + inner
        else:
            inner = "\n" + "\n".join(written(child, indent + 1) for child in element.children) + f"\n{space}"
    if not inner:
        return f"{space}<{element.tag}{attributes}/>"
    return f"{space}<{element.tag}{attributes}>{inner}</{element.tag}>"


def _value(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else escaped(str(value))

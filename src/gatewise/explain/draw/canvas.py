"""A sheet to draw on: texts, boxes, arrows, in absolute coordinates; it grows with what is put on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gatewise.explain.draw import measure, palette
from gatewise.explain.draw.palette import INK, LABEL, PAPER, STROKE, Ink
from gatewise.explain.draw.svg import Element, number, one_line

_HEAD = 8.0  # length of an arrow's head
_BEND = 6.0  # radius where an arrow turns
Point = tuple[float, float]


class Canvas:
    """Elements in the order in which they are drawn, the patterns they use and the room they take."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.patterns: dict[str, Element] = {}
        self.left = self.top = math.inf
        self.right = self.bottom = -math.inf

    # --- room ------------------------------------------------------------------------------------------------

    def reach(self, x: float, y: float) -> None:
        """Make the sheet reach to this point."""
        self.left, self.right = min(self.left, x), max(self.right, x)
        self.top, self.bottom = min(self.top, y), max(self.bottom, y)

    def _add(self, element: Element, title: str | None = None) -> None:
        if title:
            element.children.append(Element("title", text=one_line(title)))
        self.elements.append(element)

    # --- text ------------------------------------------------------------------------------------------------

    def text(
        self, x: float, y: float, text: str, size: float = LABEL, anchor: str = "start", bold: bool = False,
        fill: str = INK, key: str | None = None, title: str | None = None, upright: bool = False,
    ) -> measure.Box:  # fmt: skip
        """Words on the line y.  `key` says in the file what a number is; `upright` text reads upwards.

        Returns the rectangle that the words take.
        """
        text = one_line(text)
        box = measure.text_box(x, y, text, size, anchor, bold, upright)
        self.reach(box.left, box.top)
        self.reach(box.right, box.bottom)
        attributes: dict[str, Any] = {"x": x, "y": y, "font-size": size, "fill": fill}
        if anchor != "start":
            attributes["text-anchor"] = anchor
        if bold:
            attributes["font-weight"] = "bold"
        if upright:
            attributes["transform"] = f"rotate(-90 {number(x)} {number(y)})"
        if key:
            attributes["data-key"] = one_line(key)
        self._add(Element("text", attributes, text), title)
        return box

    def fit(self, x: float, y: float, text: str, room: float, size: float = LABEL, **how: Any) -> measure.Box:
        """Words in at most `room`; where they are shortened the whole of them is the element's title."""
        text = one_line(text)
        shown = measure.fitted(text, room, size, how.get("bold", False))
        return self.text(x, y, shown, size, title=text if shown != text else None, **how)

    def paragraph(self, x: float, y: float, text: str, room: float, size: float = LABEL, **how: Any) -> float:
        """Running text from the line y down; returns the line after it."""
        for line in measure.lines(text, room, size):
            self.text(x, y, line, size, **how)
            y += size * 1.4
        return y

    # --- shapes ----------------------------------------------------------------------------------------------

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str = PAPER, stroke: str | None = INK,
        dash: str | None = None, radius: float = 0, title: str | None = None, key: str | None = None,
        stroke_width: float = STROKE,
    ) -> None:  # fmt: skip
        self.reach(x, y)
        self.reach(x + width, y + height)
        attributes = {
            "x": x, "y": y, "width": width, "height": height, "rx": radius or None, "fill": fill,
            "stroke": stroke, "stroke-width": stroke_width if stroke else None, "stroke-dasharray": dash,
            "data-key": key,
        }  # fmt: skip
        self._add(Element("rect", attributes), title)

    def patterned(self, x: float, y: float, width: float, height: float, ink: Ink, **how: Any) -> None:
        """A rectangle in the pattern of a gate."""
        self.rect(x, y, width, height, self.pattern(ink), ink.stroke, **how)

    def pattern(self, ink: Ink) -> str:
        """The fill that draws an ink's pattern."""
        if ink.pattern == "none":
            return ink.tint
        name = palette.pattern_id(ink)
        self.patterns.setdefault(name, palette.pattern_element(ink))
        return f"url(#{name})"

    def circle(self, x: float, y: float, radius: float, fill: str = PAPER, stroke: str | None = INK,
               dash: str | None = None, title: str | None = None) -> None:  # fmt: skip
        self.reach(x - radius, y - radius)
        self.reach(x + radius, y + radius)
        attributes = {"cx": x, "cy": y, "r": radius, "fill": fill, "stroke": stroke,
                      "stroke-width": STROKE if stroke else None, "stroke-dasharray": dash}  # fmt: skip
        self._add(Element("circle", attributes), title)

    def polygon(self, points: Sequence[Point], fill: str = INK, stroke: str | None = None) -> None:
        for point in points:
            self.reach(*point)
        corners = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self._add(Element("polygon", {"points": corners, "fill": fill, "stroke": stroke,
                                      "stroke-width": STROKE if stroke else None}))  # fmt: skip

    def path(self, d: str, stroke: str | None = INK, fill: str = "none", dash: str | None = None,
             width: float = STROKE, title: str | None = None, key: str | None = None) -> None:  # fmt: skip
        """A path of M, L, C, Z, h and v; it must lie within what the sheet reaches already."""
        attributes = {"d": d, "fill": fill, "stroke": stroke, "stroke-width": width if stroke else None,
                      "stroke-dasharray": dash, "stroke-linejoin": "round" if stroke else None,
                      "data-key": key}  # fmt: skip
        self._add(Element("path", attributes), title)

    def line(self, points: Sequence[Point], stroke: str = INK, dash: str | None = None, arrow: bool = False,
             width: float = STROKE) -> None:  # fmt: skip
        """A line through the points, its corners rounded; with `arrow` the last point is the tip of a head."""
        for point in points:
            self.reach(*point)
        tip = points[-1]
        if arrow:
            points = [*points[:-1], _before(points[-2], tip, _HEAD - 1)]
        self.path(_rounded(points), stroke, dash=dash, width=width)
        if arrow:
            self.head(_before(points[-2], tip, _HEAD), tip, stroke)

    def arrow(self, *points: Point, stroke: str = INK, dash: str | None = None) -> None:
        """A line with a head at its last point."""
        self.line(points, stroke, dash, arrow=True)

    def head(self, base: Point, tip: Point, fill: str = INK) -> None:
        """The head of an arrow."""
        dx, dy = tip[0] - base[0], tip[1] - base[1]
        length = math.hypot(dx, dy) or 1.0
        nx, ny = -dy / length * _HEAD * 0.42, dx / length * _HEAD * 0.42
        self.polygon([tip, (base[0] + nx, base[1] + ny), (base[0] - nx, base[1] - ny)], fill)

    def operation(self, x: float, y: float, symbol: str, radius: float = 11) -> None:
        """A circle with a times or plus sign in it, drawn, not written."""
        self.circle(x, y, radius)
        a = radius * (0.42 if symbol == "times" else 0.58)
        if symbol == "times":
            strokes = f"M {number(x - a)} {number(y - a)} L {number(x + a)} {number(y + a)} "
            strokes += f"M {number(x - a)} {number(y + a)} L {number(x + a)} {number(y - a)}"
        else:
            strokes = f"M {number(x - a)} {number(y)} L {number(x + a)} {number(y)} "
            strokes += f"M {number(x)} {number(y - a)} L {number(x)} {number(y + a)}"
        self.path(strokes)

    def dot(self, x: float, y: float, fill: str = INK) -> None:
        """A joint where a line branches."""
        self.circle(x, y, 3, fill, None)


def _before(start: Point, tip: Point, length: float) -> Point:
    """The point this far before the tip on the way from `start`."""
    dx, dy = tip[0] - start[0], tip[1] - start[1]
    whole = math.hypot(dx, dy)
    share = 0.0 if whole == 0 else min(length / whole, 1.0)
    return tip[0] - dx * share, tip[1] - dy * share


def _rounded(points: Sequence[Point]) -> str:
    """A path through the points that turns with a small radius."""
    parts = [f"M {number(points[0][0])} {number(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        room = min(math.dist(before, corner), math.dist(corner, after)) / 2
        a, b = _before(before, corner, min(_BEND, room)), _before(after, corner, min(_BEND, room))
        parts.append(f"L {_xy(a)} C {_xy(_mid(a, corner))} {_xy(_mid(b, corner))} {_xy(b)}")
    parts.append(f"L {_xy(points[-1])}")
    return " ".join(parts)


def _mid(a: Point, b: Point) -> Point:
    return a[0] * 0.45 + b[0] * 0.55, a[1] * 0.45 + b[1] * 0.55


def _xy(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"

"""A picture as a PDF of one page, by reportlab: the tree of `svg` drawn again, texts as text.

Latin letters are set in Helvetica, which every reader of PDF has; other characters in the reader's own Chinese font
(STSong-Light, which covers Greek and Cyrillic letters too).
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gatewise.explain.draw import palette
from gatewise.explain.draw.svg import Element

if TYPE_CHECKING:
    from gatewise.explain.draw.picture import Picture

_POINTS = 0.75  # points to a CSS pixel
_CHINESE = "STSong-Light"
_TOKEN = re.compile(r"[MLCZhv]|-?\d+(?:\.\d+)?")


def pdf_of(picture: Picture) -> bytes:
    """The bytes of a PDF file.

    Raises:
        ModuleNotFoundError: without reportlab.
    """
    try:
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.cidfonts import UnicodeCIDFont
        from reportlab.pdfgen.canvas import Canvas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('PDF files need reportlab: pip install "gatewise[draw]"') from error
    pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))
    buffer = io.BytesIO()
    size = (picture.width * _POINTS, picture.height * _POINTS)
    page = Canvas(buffer, pagesize=size, invariant=True, lang=picture.lang)
    page.setTitle(picture.title)
    page.setSubject(picture.description)
    page.setCreator("gatewise")
    page.scale(_POINTS, -_POINTS)
    page.translate(-picture.left, -picture.top - picture.height)
    inks = {palette.pattern_id(ink): ink for ink in palette.PATTERNED}
    for element in picture.root.children:
        _draw(page, element, inks)
    page.showPage()
    page.save()
    return buffer.getvalue()


def _draw(page: Any, element: Element, inks: dict[str, palette.Ink]) -> None:
    if element.tag == "text":
        _text(page, element)
    elif element.tag in ("rect", "circle", "polygon", "path"):
        _shape(page, element, inks)


def _shape(page: Any, element: Element, inks: dict[str, palette.Ink]) -> None:
    """Fill, with a pattern's strokes clipped to the shape, then outline."""
    a = element.attributes
    fill, stroke = a.get("fill"), a.get("stroke")
    page.saveState()
    if fill and fill.startswith("url("):
        ink = inks[fill[5:-1]]
        page.saveState()
        page.setFillColor(ink.tint)
        page.drawPath(_outline(page, element), stroke=0, fill=1)
        page.clipPath(_outline(page, element), stroke=0, fill=0)
        _hatch(page, ink, _bounds(element))
        page.restoreState()
        fill = None
    if fill in (None, "none"):
        fill = None
    else:
        page.setFillColor(fill)
    if stroke not in (None, "none"):
        page.setStrokeColor(stroke)
        page.setLineWidth(a.get("stroke-width") or palette.STROKE)
        page.setLineJoin(1)
        page.setDash([float(n) for n in a["stroke-dasharray"].split()] if a.get("stroke-dasharray") else [])
    else:
        stroke = None
    if fill or stroke:
        page.drawPath(_outline(page, element), stroke=int(bool(stroke)), fill=int(bool(fill)))
    page.restoreState()


def _outline(page: Any, element: Element) -> Any:
    a, path = element.attributes, page.beginPath()
    if element.tag == "rect":
        radius = a.get("rx") or 0
        if radius:
            path.roundRect(a["x"], a["y"], a["width"], a["height"], radius)
        else:
            path.rect(a["x"], a["y"], a["width"], a["height"])
    elif element.tag == "circle":
        path.circle(a["cx"], a["cy"], a["r"])
    elif element.tag == "polygon":
        points = [tuple(map(float, corner.split(","))) for corner in a["points"].split()]
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        path.close()
    else:
        for letter, numbers in _absolute(a["d"]):
            {"M": path.moveTo, "L": path.lineTo, "C": path.curveTo, "Z": path.close}[letter](*numbers)
    return path


def _commands(d: str) -> Iterator[tuple[str, list[float]]]:
    """("M", [x, y]), ... of a path's text."""
    letter, numbers = "", []
    for token in _TOKEN.findall(d):
        if token.isalpha():
            if letter:
                yield letter, numbers
            letter, numbers = token, []
        else:
            numbers.append(float(token))
    if letter:
        yield letter, numbers


def _absolute(d: str) -> Iterator[tuple[str, list[float]]]:
    """The commands with h and v, which go to the side and down from where the path is, as L."""
    x = y = 0.0
    for letter, numbers in _commands(d):
        if letter in "hv":
            x, y = (x + numbers[0], y) if letter == "h" else (x, y + numbers[0])
            yield "L", [x, y]
            continue
        if numbers:
            x, y = numbers[-2:]
        yield letter, numbers


def _bounds(element: Element) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a shape that has a pattern."""
    a = element.attributes
    if element.tag == "rect":
        return a["x"], a["y"], a["x"] + a["width"], a["y"] + a["height"]
    if element.tag == "circle":
        return a["cx"] - a["r"], a["cy"] - a["r"], a["cx"] + a["r"], a["cy"] + a["r"]
    pairs = [numbers[-2:] for _, numbers in _absolute(a["d"]) if numbers]
    xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
    return min(xs), min(ys), max(xs), max(ys)


def _hatch(page: Any, ink: palette.Ink, bounds: tuple[float, float, float, float]) -> None:
    """The pattern's strokes over a rectangle, on the same grid as in SVG."""
    size = palette.PATTERN_SIZE
    left, top, right, bottom = bounds
    page.setStrokeColor(ink.stroke)
    page.setLineWidth(1.8 if ink.pattern == "dots" else 0.9)
    path = page.beginPath()
    marks = list(_commands(palette.pattern_marks(ink.pattern)))
    for column in range(math.floor(left / size), math.ceil(right / size)):
        for row in range(math.floor(top / size), math.ceil(bottom / size)):
            for letter, (x, y) in marks:
                (path.moveTo if letter == "M" else path.lineTo)(x + column * size, y + row * size)
    page.drawPath(path, stroke=1, fill=0)


def _text(page: Any, element: Element) -> None:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    a = element.attributes
    latin = "Helvetica-Bold" if a.get("font-weight") == "bold" else "Helvetica"
    size = a["font-size"]
    runs = [(text, latin if plain else _CHINESE) for text, plain in _runs(element.text)]
    wide = sum(stringWidth(text, font, size) for text, font in runs)
    page.saveState()
    page.translate(a["x"], a["y"])
    if a.get("transform"):
        page.rotate(-90)
    page.scale(1, -1)
    page.setFillColor(a["fill"])
    x = {"middle": -wide / 2, "end": -wide}.get(a.get("text-anchor", "start"), 0.0)
    for text, font in runs:
        page.setFont(font, size)
        page.drawString(x, 0, text)
        x += stringWidth(text, font, size)
    page.restoreState()


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Parts of a text that one font has: Latin letters or others."""
    part, plain = "", True
    for character in text:
        here = _is_latin(character)
        if part and here != plain:
            yield part, plain
            part = ""
        plain = here
        part += character if ord(character) < 0x10000 else "?"
    if part:
        yield part, plain


def _is_latin(character: str) -> bool:
    try:
        character.encode("cp1252")
    except UnicodeEncodeError:
        return ord(character) >= 0x10000
    return True

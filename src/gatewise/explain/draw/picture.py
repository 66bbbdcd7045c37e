"""A picture: SVG with a title and a description for those who do not see it, saved as SVG, PNG or PDF."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatewise.explain.draw import palette
from gatewise.explain.draw.canvas import Canvas
from gatewise.explain.draw.svg import Element, number, one_line, written
from gatewise.files.atomic import atomic_write

_MARGIN = 24


class Picture:
    """A drawing that knows what it shows.

    Attributes:
        svg: the file's text.
        width, height: in CSS pixels (96 to an inch).
        title: its heading, read out by screen readers.
        description: the same numbers as a text.
        view: what kind of picture it is: "cell", "graph", ...
        lang: "en", "zh" or "de".
        dpi: dots per inch of a PNG.
    """

    def __init__(
        self, canvas: Canvas, title: str, description: str, view: str, lang: str, dpi: float = 192.0
    ) -> None:  # fmt: skip
        self.title, self.description = one_line(title), one_line(description)
        self.view, self.lang, self.dpi = view, lang, dpi
        self.left, self.top = math.floor(canvas.left) - _MARGIN, math.floor(canvas.top) - _MARGIN
        self.width = math.ceil(canvas.right) + _MARGIN - self.left
        self.height = math.ceil(canvas.bottom) + _MARGIN - self.top
        self.root = self._root(canvas)
        self.svg = written(self.root) + "\n"

    def _root(self, canvas: Canvas) -> Element:
        ground = {"x": self.left, "y": self.top, "width": self.width, "height": self.height, "fill": palette.PAPER}
        children = [Element("title", text=self.title), Element("desc", text=self.description)]
        if canvas.patterns:
            children.append(Element("defs", children=list(canvas.patterns.values())))
        children += [Element("rect", ground), *canvas.elements]
        box = " ".join(map(number, (self.left, self.top, self.width, self.height)))
        attributes = {
            "xmlns": "http://www.w3.org/2000/svg", "viewBox": box, "width": self.width, "height": self.height,
            "role": "img", "xml:lang": self.lang, "lang": self.lang, "font-family": palette.fonts(self.lang),
            "aria-label": self.title, "style": "max-width:100%;height:auto",
        }  # fmt: skip
        return Element("svg", attributes, children=children)

    def save(self, path: Any) -> Path:
        """Write the picture to a file, whole or not at all: .svg, .png or .pdf.

        Returns:
            the path.

        Raises:
            ValueError: for another ending.
            ModuleNotFoundError: for .png and .pdf, if the libraries of the extra `draw` are not installed.
        """
        target = Path(path)
        writers: dict[str, Callable[[], bytes]] = {".svg": self.svg.encode, ".png": self.to_png, ".pdf": self.to_pdf}
        if target.suffix.lower() not in writers:
            raise ValueError(f"Pictures are saved as .svg, .png or .pdf; got {str(path)!r}.")
        content = writers[target.suffix.lower()]()
        with atomic_write(target) as file:
            file.write(content)
        return target

    def to_png(self) -> bytes:
        """The picture as the bytes of a PNG file, `dpi` dots to the inch."""
        from gatewise.explain.draw.png import png_of

        return png_of(self)

    def to_pdf(self) -> bytes:
        """The picture as the bytes of a PDF file of one page, its texts as text."""
        from gatewise.explain.draw.pdf import pdf_of

        return pdf_of(self)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Picture '{self.title}' ({self.view}, {self.width} x {self.height}, {self.lang})>"

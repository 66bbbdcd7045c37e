"""A picture as a PNG, by resvg: fonts of the system, and those that come with reportlab where it has none."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewise.explain.draw.picture import Picture

_POINTS = 96.0  # CSS pixels to an inch
_LARGEST = 16_384  # dots along a side


def png_of(picture: Picture) -> bytes:
    """The bytes of a PNG file.

    Raises:
        ModuleNotFoundError: without resvg-py.
    """
    try:
        import resvg_py
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('PNG files need resvg-py: pip install "gatewise[draw]"') from error
    zoom = min(picture.dpi / _POINTS, _LARGEST / max(picture.width, picture.height))
    width = max(1, round(picture.width * zoom))
    found = resvg_py.svg_to_bytes(svg_string=picture.svg, width=width, background="#ffffff", font_dirs=_own_fonts())
    return bytes(found)


def _own_fonts() -> list[str]:
    """The folder of the fonts in reportlab, if that is installed."""
    spec = find_spec("reportlab")
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "fonts"
    return [str(folder)] if folder.is_dir() else []

"""What `gatewise draw` writes: the pictures of a saved model, or of the models that a script builds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatewise.explain.draw.drawing import draw


def draw_models(models: Sequence[Any], out: Path, view: str | None, lang: str | None, layer: str | None) -> list[Path]:
    """Draw each model into a file: the first into `out`, the others beside it with -2, -3, ... in their names.

    Returns:
        the files written.

    Raises:
        ValueError: if the view or the layer does not suit a model, or the file has another ending.
        ModuleNotFoundError: for .png and .pdf without the libraries of the extra `draw`.
        OSError: if a file cannot be written.
    """
    pictures = [draw(model, view, lang, layer=layer) for model in models]
    names = [out if k == 0 else out.with_name(f"{out.stem}-{k + 1}{out.suffix}") for k in range(len(pictures))]
    return [picture.save(name) for picture, name in zip(pictures, names, strict=True)]

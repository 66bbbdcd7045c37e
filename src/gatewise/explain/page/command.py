"""What `gatewise explore` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatewise.explain.page.explorer import Explorer
from gatewise.explain.page.report import model_data, page_data
from gatewise.explain.page.uploads import MAX_DATA_BYTES, UploadError, read_data


def explore_models(
    models: list[Any],
    data: Path | None = None,
    out: Path | None = None,
    port: int = 0,
    open_browser: bool = True,
    lang: str | None = None,
) -> Path | None:
    """Write the page about some models to a file, or serve it until it is interrupted.

    Args:
        models: those that a file or a script holds; none for a layer that sliders describe.
        data: an .npy, .npz or .csv file for the models to run on.
        out: the .html file to write; None serves.
        port: of the server; 0 for any free one.
        open_browser: whether to open the address.
        lang: of the page; default the environment's.

    Returns:
        the path of the file that was written.

    Raises:
        ValueError: if nothing can be shown, or the data do not fit.
        ImportError: if the web server is not installed.
        OSError: if a file cannot be read or written, or the port is taken.
    """
    x = None if data is None else _read(data)
    shown, kept = [], []
    refused: ValueError | None = None
    for model in models:
        try:
            shown.append(model_data(model, x, stamp=len(shown)))
            kept.append(model)
        except ValueError as error:
            refused = error
    if refused is not None and not shown:
        raise refused
    page = page_data(shown, lang)
    if out is not None:
        return Explorer(page).save(out)
    from gatewise.explain.page.serving import serve

    serve(page, port, open_browser, kept)
    return None


def _read(path: Path) -> Any:
    if path.stat().st_size > MAX_DATA_BYTES:
        raise ValueError(f"{path} is larger than {MAX_DATA_BYTES >> 20} MB; give the first sequences of it.")
    try:
        return read_data(path.read_bytes())
    except UploadError as error:
        raise ValueError(f"{path}: {error}") from None

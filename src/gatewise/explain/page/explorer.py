"""`gatewise.explore`: the interactive page as an object, to save as one file, to show in a notebook, or to serve."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any

from gatewise.explain.page import single_file
from gatewise.explain.page.report import model_data, page_data
from gatewise.files.atomic import atomic_write


class Explorer:
    """The page about models (or about none: a layer that sliders describe).

    In a notebook it shows itself.  `save` writes it as one file that works from disk, without network.

    Attributes:
        data: everything that the page reads.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def to_html(self) -> str:
        """The whole page, with its style, its script and its data, as one text."""
        return single_file.single_page(self.data)

    def save(self, filepath: Any) -> Path:
        """Write the page to a file, whole or not at all, and return its path.

        Raises:
            ValueError: unless the name ends in .html.
        """
        path = Path(os.fspath(filepath))
        if path.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"The page is written as HTML: give a name that ends in .html; got '{filepath}'.")
        with atomic_write(path, True) as file:
            file.write(self.to_html().encode("utf-8"))
        return path

    def serve(self, port: int = 0, open_browser: bool = True) -> None:
        """Show the page in the browser, from a server on this machine alone, until it is interrupted (Ctrl-C).

        Args:
            port: 0 for any free one.
            open_browser: whether to open the page; its address is printed in any case.

        Raises:
            ImportError: if starlette or uvicorn is not installed (`pip install "gatewise[web]"`).
        """
        from gatewise.explain.page.serving import serve

        serve(self.data, port, open_browser)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, which sees nothing of the notebook."""
        content = html.escape(self.to_html(), quote=True)
        style = "width: 100%; height: 860px; border: 1px solid #d5dbe1; border-radius: 8px"
        return (
            f'<iframe title="gatewise" sandbox="allow-scripts allow-popups" allow="clipboard-write" '
            f'style="{style}" srcdoc="{content}"></iframe>'
        )

    def __repr__(self) -> str:
        names = ", ".join(repr(model["name"]) for model in self.data["models"]) or "no model"
        return f"<Explorer of {names}; .save('report.html') writes it, .serve() opens it>"


def explore(model: Any = None, x: Any = None, compare: Any = None, lang: str | None = None) -> Explorer:
    """The interactive page: what recurrent layers compute, step by step, with numbers that can be followed.

    Args:
        model: a model or a layer; None for a layer that sliders describe.
        x: data, as for `predict`: the page shows the real traces of the first samples.
        compare: a second model (on the same data), shown beside the first.
        lang: "en", "zh" or "de"; default what the environment asks for.  The page can switch.

    Raises:
        TypeError: for something that is not a layer.
        ValueError: for a model without recurrent layers, data that do not fit, data without a model.
    """
    if model is None and (x is not None or compare is not None):
        raise ValueError("explore() got data or a second model without a first one: write explore(model, x).")
    given = [one for one in (model, compare) if one is not None]
    models = [model_data(one, x, stamp=k) for k, one in enumerate(given)]
    return Explorer(page_data(models, lang, compare=len(models) > 1))

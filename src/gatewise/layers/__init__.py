"""The layers, one family a file.  A new layer is one file and one line in the list, `__init__.pyi` beside this file.

The list is what type checkers read; here it says, at run time, which file to load when a name is first asked for
(decision 0008).
"""

from __future__ import annotations

import importlib
import pathlib
import re
from typing import Any

_IMPORT = re.compile(r"^from (gatewise\.[\w.]+) import (.+)$", re.MULTILINE)


def _listed() -> dict[str, tuple[str, str]]:
    """Public name -> (module, name there), as the list has them."""
    text = pathlib.Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    homes = {}
    for module, names in _IMPORT.findall(text):
        for item in names.split(","):
            original, _, public = item.strip().partition(" as ")
            homes[public] = (module, original)
    return homes


HOMES = _listed()
"""Where each public name of this package is defined."""

__all__ = list(HOMES)  # noqa: PLE0605  (pyright reads the stub)


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        from gatewise import suggest

        raise suggest.missing("gatewise.layers", "layer", name, [n for n in HOMES if n[0].isupper()])
    module, original = HOMES[name]
    value = getattr(importlib.import_module(module), original)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})

"""Packages whose public names load the file they are in when they are first asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from gatewise import suggest


def published(
    package: str, kind: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """A package's `__getattr__`, `__dir__` and `__all__`.

    Args:
        package: its name.
        kind: what its names are, for messages: "function".
        homes: public name -> the module it is defined in, or that is itself meant: "gatewise.utils.seeds"
            for `set_random_seed`; "gatewise.preprocessing.text" for `text`.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise suggest.missing(package, kind, name, homes)
        module = importlib.import_module(homes[name])
        value = module if homes[name] == f"{package}.{name}" else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted({*vars(sys.modules[package]), *homes}), sorted(homes)

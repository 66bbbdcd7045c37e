"""Letting every summary() of a script print in one style."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from gatewise.model import Model


@contextmanager
def summaries_in_style(style: str) -> Iterator[None]:
    """Within the block, `model.summary()` prints in this style unless it is given another."""
    original = Model.summary

    @wraps(original)
    def summary(self: Model, *args: Any, **kwargs: Any) -> None:
        return original(self, *args, **{"style": style, **kwargs})

    Model.summary = summary  # type: ignore[method-assign]
    try:
        yield
    finally:
        Model.summary = original  # type: ignore[method-assign]

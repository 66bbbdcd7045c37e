"""Closing: what threads make ahead ends with the training, also with one that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Closing:
    """Batches as the context of a training; on its way out an iterator that is still open is closed.

    An exception keeps what it came through alive, and with it a generator in the middle of an epoch.
    """

    _open: Any = None

    def __enter__(self) -> None:
        """Nothing is opened before the first batch."""

    def __exit__(self, *_: Any) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            opened.close()

    @contextmanager
    def _closed_at_the_end(self, items: Any) -> Iterator[Any]:
        """The items; closed, if that can be, when the block or the training ends."""
        self._open = items if hasattr(items, "close") else None
        try:
            yield items
        finally:
            self.__exit__()

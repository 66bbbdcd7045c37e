"""Which mask belongs to which array, while layers are called one by one.

A plain array carries no mask.  In a graph, masks have slots of their own; where users call layers on arrays
(`h = masking(x); y = lstm(h)`), the mask of `h` is found here, by the identity of the array.  An entry lives as
long as its array; an entry of a traced value lives until the differentiation that made it ends.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class _Table(threading.local):
    def __init__(self) -> None:
        self.entries: dict[int, tuple[Any, Any]] = {}


_table = _Table()


def attach(value: Any, mask: Any) -> None:
    """Remember that `mask` belongs to `value`."""
    entries, key = _table.entries, id(value)
    try:
        owner = weakref.ref(value, lambda _: entries.pop(key, None))
    except TypeError:  # a traced value cannot be referred to weakly
        owner = _Strong(value)
    entries[key] = (owner, mask)


def mask_of(value: Any) -> Any:
    """The mask attached to `value`, or None."""
    if not _table.entries:
        return None
    entry = _table.entries.get(id(value))
    return entry[1] if entry is not None and entry[0]() is value else None


@contextmanager
def attached_within(values: Sequence[Any], given: Sequence[Any]) -> Iterator[None]:
    """Within the block each value has the mask given (where that is not None), and afterwards what it had before."""
    before = [(value, mask_of(value)) for value, mask in zip(values, given, strict=False) if mask is not None]
    for value, mask in zip(values, given, strict=False):
        if mask is not None:
            attach(value, mask)
    try:
        yield
    finally:
        for value, mask in before:
            if mask is None:
                _table.entries.pop(id(value), None)
            else:
                attach(value, mask)


@contextmanager
def traced_scope() -> Iterator[None]:
    """Forget, at the end of the block, the masks of traced values that were attached within it."""
    before = set(_table.entries)
    try:
        yield
    finally:
        for key, (owner, _) in list(_table.entries.items()):
            if key not in before and isinstance(owner, _Strong):
                del _table.entries[key]


class _Strong:
    """Has the interface of a weak reference, for values that allow none."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self) -> Any:
        return self.value

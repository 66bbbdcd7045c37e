"""Nearest names: what an error message says when a name is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST_NAMES_SHOWN = 40


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, without regard to case; None when nothing is like it."""
    candidates = list(known)
    folded = [candidate.casefold() for candidate in candidates]
    found = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.5)
    if not found:
        return None
    # Of names that differ in case only, the one written most like `name`.
    alike = sorted(candidate for candidate in candidates if candidate.casefold() == found[0])
    return max(alike, key=lambda candidate: difflib.SequenceMatcher(None, str(name), candidate).ratio())


def missing(module: str, kind: str, name: str, known: Iterable[str]) -> AttributeError:
    """What a module's `__getattr__` raises: the name, the nearest that exists, and what there is."""
    return AttributeError(f"{module}: {unknown(kind, name, known)}", name=name)


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The message "unknown activation 'thanh'. Did you mean 'tanh'? Known: ..."."""
    names = sorted(set(known), key=lambda item: (item.casefold(), item))
    text = f"unknown {kind} {name!r}."
    like = nearest(str(name), names)
    if like is not None:
        text += f" Did you mean {like!r}?"
    if not names:
        return text
    shown = ", ".join(names[:_MOST_NAMES_SHOWN])
    more = f" and {len(names) - _MOST_NAMES_SHOWN} more" if len(names) > _MOST_NAMES_SHOWN else ""
    return f"{text} Known: {shown}{more}."

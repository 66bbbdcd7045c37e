"""A promise held against a measurement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """A promise, what was measured, and whether it holds."""

    promise: str
    measured: str
    holds: bool

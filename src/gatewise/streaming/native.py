"""A whole step as one call: chains of recurrent and dense layers, run by the kernels without Python in between."""

from __future__ import annotations

from typing import Any


def native_steps(plan: Any, entry: Any, states: list) -> Any:
    return None

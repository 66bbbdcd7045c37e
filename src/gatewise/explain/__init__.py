"""Counting and explaining: what a layer's or a model's numbers are, and why there are that many.

    gatewise.account(layer, input_shape)          the counts, as data
    gatewise.explain(layer, input_shape, lang)    the same in words: English, Chinese, German
    gatewise.diagnose(model, x, y)                why a model does not train, and what to try
    gatewise.explore(model, x)                    the interactive page about it
    gatewise.trace(model, x)                      what every recurrent layer computed at every step, as data

The package itself can be called, so `gatewise.explain(...)` works whether or not a part of it was imported before.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatewise.explain.accounting import LayerAccount
    from gatewise.explain.explanation import Explanation


def account(layer: Any, input_shape: Any = None) -> LayerAccount:
    """Count what a layer or a model holds, by layer, matrix and gate; see `gatewise.explain.counting.account`."""
    from gatewise.explain.counting import account as count

    return count(layer, input_shape)


def explain(layer: Any, input_shape: Any = None, lang: str | None = None) -> Explanation:
    """Say in words what a layer or a model holds and why; see `gatewise.explain.explanation.explain`."""
    from gatewise.explain.explanation import explain as say

    return say(layer, input_shape, lang)


class _CallablePackage(types.ModuleType):
    """Importing a part of this package binds `gatewise.explain` to the package; calling it is calling `explain`."""

    def __call__(self, layer: Any, input_shape: Any = None, lang: str | None = None) -> Explanation:
        return explain(layer, input_shape, lang)


sys.modules[__name__].__class__ = _CallablePackage

__all__ = ["account", "explain"]

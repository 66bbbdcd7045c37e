"""What notebooks show of models, layers, accounts, histories and traces by themselves: pictures where there are any."""

from __future__ import annotations

import html
from typing import Any

from gatewise.explain.accounting import LayerAccount
from gatewise.explain.counting import account_as_it_is
from gatewise.explain.draw.drawing import draw
from gatewise.explain.draw.subject import facts_of
from gatewise.explain.language import chosen_language, words_in
from gatewise.explain.trace_data import Trace
from gatewise.layer import Layer
from gatewise.training.callbacks.history import History

_MOST_LAYERS = 6


def svg_of(obj: Any) -> str | None:
    """The first picture that suits; None where there is nothing to draw yet, so that the notebook shows the text."""
    return draw(obj).svg if _can_be_drawn(obj) else None


def _can_be_drawn(obj: Any) -> bool:
    if isinstance(obj, History):
        return any(len(values) for values in obj.history.values() if isinstance(values, list))
    if isinstance(obj, Layer) and not obj.built:
        return False
    if isinstance(obj, Layer | LayerAccount):
        account = account_as_it_is(obj) if isinstance(obj, Layer) else obj
        if account.kind == "model":
            return bool(account.inside)
        return account.known and facts_of(account, words_in("en")) is not None
    return True


def html_of(trace: Trace) -> str:
    """The gates of each layer of a trace, one under another; of very many layers the first few."""
    words = words_in(chosen_language())
    pictures = [draw(layer, "gates").svg for layer in list(trace.values())[:_MOST_LAYERS]]
    left_out = len(trace) - len(pictures)
    more = ""
    if left_out:
        text = words.ngettext("{n} more layer is not shown.", "{n} more layers are not shown.", left_out)
        more = f"<p>{html.escape(text.format(n=left_out))}</p>"
    return f'<div lang="{words.lang}">{"".join(pictures)}{more}</div>'

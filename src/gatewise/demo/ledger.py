"""The ledger: a model's parameters by layer and by gate, in tables that add up."""

from __future__ import annotations

from gatewise.explain.accounting import LayerAccount
from gatewise.explain.document import text_of
from gatewise.explain.explanation import explanation_of
from gatewise.explain.language import chosen_language, words_in
from gatewise.explain.lstm_words import LstmWords


def ledger_text(model: LayerAccount, lang: str | None = None) -> str:
    """Of the whole explanation the two tables that count: the model's layers, and each LSTM's gates.

    Args:
        model: a model's account.
        lang: "en", "zh" or "de"; default the locale's.
    """
    lang = chosen_language(lang)
    layers = explanation_of(model, lang).sections[0]
    gates = [LstmWords(layer, words_in(lang), 2).by_gate() for layer in model.inside if layer.kind == "lstm"]
    return text_of((layers, *(section for section in gates if section is not None)))

"""What `gatewise explain` prints."""

from __future__ import annotations

import json
from typing import Any

from gatewise import validation
from gatewise.explain.explanation import Explanation, explain
from gatewise.layers.lstm import LSTM


def explain_numbers(
    units: int, features: int, steps: int | None = None, lang: str | None = None, as_json: bool = False
) -> str:
    """The explanation of LSTM(units) on `steps` time steps of `features` features.

    Args:
        steps: None for any number.
        lang: "en", "zh" or "de"; default from the environment.
        as_json: numbers and words as JSON instead of text.

    Raises:
        ValueError: unless the sizes are integers of at least 1, or for another language.
    """
    features = validation.positive_integer(features, "features", "LSTM")
    if steps is not None:
        steps = validation.positive_integer(steps, "steps", "LSTM")
    return _printed(explain(LSTM(units, name="lstm"), (steps, features), lang), as_json)


def explain_model(model: Any, lang: str | None = None, as_json: bool = False) -> str:
    """The explanation of a model or layer that exists; see `explain_numbers` for `lang` and `as_json`."""
    return _printed(explain(model, lang=lang), as_json)


def _printed(explanation: Explanation, as_json: bool) -> str:
    return json.dumps(explanation.to_dict(), ensure_ascii=False, indent=2) if as_json else str(explanation)

"""Models, under Keras's names: `gatewise.models`."""

from __future__ import annotations

from typing import Any

from gatewise.files import load_model, save_model
from gatewise.functional import Functional
from gatewise.model import Model
from gatewise.model_config import model_from_config, model_from_json
from gatewise.sequential import Sequential


def clone_model(model: Any) -> Any:
    """A new model of the same structure, with weights of its own."""
    return type(model).from_config(model.get_config())


__all__ = [
    "Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_config", "model_from_json",
    "save_model",
]  # fmt: skip

"""The arguments of `compile` as JSON, in Keras's form, and back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from gatewise import serialization
from gatewise.training import losses, metrics, optimizers

_READERS: dict[str, Callable[[Any], Any]] = {
    "optimizer": optimizers.deserialize,
    "loss": losses.deserialize,
    "metrics": metrics.deserialize,
    "weighted_metrics": metrics.deserialize,
}


def compile_config(model: Any) -> dict[str, Any]:
    """What the model was compiled with; empty if it was not, or (with a warning) if a part cannot be written."""
    given = model._compiled_with
    if given is None:
        return {}
    settings = {**given, "optimizer": model.optimizer, "jit_compile": given["jit_compile"] is True}
    try:
        return {name: serialization.serialize_object(value) for name, value in settings.items()}
    except (TypeError, ValueError) as error:
        warnings.warn(
            f"Model '{model.name}' is written without its compile() arguments: {error} Compile it again after loading.",
            stacklevel=2,
        )
        return {}


def compile_from_config(model: Any, config: dict[str, Any]) -> None:
    """Compile a model with what `compile_config` (or Keras) wrote; an empty configuration leaves it as it is.

    Raises:
        ValueError: for a loss, metric or optimizer that is not known.
    """
    if not config:
        return
    names = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics", "run_eagerly", "steps_per_execution")
    try:
        model.compile(**{name: _read(config[name], _READERS.get(name)) for name in names if name in config})
    except ValueError as error:
        raise ValueError(
            f"The compile() arguments of model '{model.name}' cannot be read: {error} "
            "Or load the model with compile=False."
        ) from error


def built_optimizer(model: Any) -> Any:
    """The optimizer of a compiled model, with the state for its trainable weights."""
    model._ready_store()
    return model.optimizer


def _read(value: Any, reader: Callable[[Any], Any] | None) -> Any:
    """Names stay names; configurations become objects, in lists and dictionaries too."""
    if isinstance(value, list | tuple):
        return [_read(item, reader) for item in value]
    if isinstance(value, dict):
        if value.get("class_name") == "function" and isinstance(value.get("config"), str):
            # A built-in function's name means the same to compile(), in losses and in metrics.
            return serialization.get_registered_object(value["config"]) or value["config"]
        if "class_name" in value and reader is not None:
            return reader(value)
        return {key: _read(item, reader) for key, item in value.items()}
    return value

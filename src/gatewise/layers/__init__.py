"""The layers, one family a file.  A new layer is one file and one line in the list below."""

from __future__ import annotations

from typing import Any

from gatewise import serialization
from gatewise.layer import Layer
from gatewise.layers.core import Activation, Dropout, Masking
from gatewise.layers.dense import Dense
from gatewise.layers.input_layer import Input, InputLayer
from gatewise.layers.lstm import LSTM, LSTMCell
from gatewise.layers.recurrent import Recurrent
from gatewise.layers.time_distributed import TimeDistributed

REGISTRY = serialization.Registry("keras.layers", "layer")

LAYERS: tuple[type[Layer], ...] = (
    Activation,
    Dense,
    Dropout,
    InputLayer,
    LSTM,
    LSTMCell,
    Masking,
    TimeDistributed,
)

for _layer in (Layer, *LAYERS):
    REGISTRY.add()(_layer)


def __getattr__(name: str) -> Any:
    from gatewise import suggest

    raise suggest.missing("gatewise.layers", "layer", name, [layer.__name__ for layer in LAYERS])


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The layer that a configuration stands for."""
    return REGISTRY.deserialize(config, custom_objects)


def serialize(layer: Layer) -> dict[str, Any]:
    """The configuration of a layer."""
    return serialization.serialize_object(layer)


__all__ = [
    "LAYERS", "LSTM", "REGISTRY", "Activation", "Dense", "Dropout", "Input", "InputLayer", "LSTMCell", "Layer",
    "Masking",
    "Recurrent", "TimeDistributed", "deserialize", "serialize",
]  # fmt: skip

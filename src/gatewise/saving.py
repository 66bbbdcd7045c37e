"""Saving and loading, under Keras's names: `gatewise.saving`."""

from __future__ import annotations

from gatewise.files import load_model, load_weights, save_model, save_weights
from gatewise.serialization import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from gatewise.serialization import deserialize_object as deserialize_keras_object
from gatewise.serialization import serialize_object as serialize_keras_object

__all__ = [
    "CustomObjectScope", "custom_object_scope", "deserialize_keras_object", "get_custom_objects", "get_registered_name",
    "get_registered_object", "load_model", "load_weights", "register_keras_serializable", "save_model", "save_weights",
    "serialize_keras_object",
]  # fmt: skip

"""A layer's configuration, written once: from the signature of its constructor.

Every argument is kept as an attribute of the same name (resolved: a function for "tanh", an object for "l2"), so
the configuration is read off the signature and no layer lists its arguments a second time.  Where the attribute of that
name means something else (`layer.output_shape`), the class's `kept_as` says under which name the argument is kept.
"""

from __future__ import annotations

import inspect
from typing import Any

from gatewise import serialization

_NOT_SAVED = frozenset({"args", "kwargs"})
_absent = object()


def config_of(layer: Any, base: type, described: type | None = None) -> dict[str, Any]:
    """The constructor arguments of a layer, as JSON.

    Args:
        layer: the layer.
        base: the base class, whose own arguments are name, trainable and dtype.
        described: the class whose constructor is meant; default the layer's.

    Raises:
        TypeError: for an argument that is neither an attribute nor JSON; the layer must then define get_config.
    """
    config: dict[str, Any] = {
        "name": layer.name,
        "trainable": layer.trainable,
        "dtype": dtype_config(layer.dtype),
    }
    cls = described or _class_to_describe(type(layer), base)
    for name in argument_names(cls):
        if name in config or name in getattr(cls, "not_in_config", ()):
            continue
        needed = getattr(cls, "in_config_with", {}).get(name)
        if needed is not None and not getattr(layer, needed):
            continue
        value = getattr(layer, getattr(cls, "kept_as", {}).get(name, name), _absent)
        if value is _absent:
            value = _given(layer, cls, name)
        if name in getattr(cls, "in_config_if_true", ()) and not value:
            continue
        config[name] = _as_json(value, name, layer)
    for name in getattr(cls, "taken_by_name", ()):  # arguments that are in no signature, and seldom given
        value = getattr(layer, name, None)
        if value is not None:
            config[name] = _as_json(value, name, layer)
    penalty = layer._constructed_with[1].get("activity_regularizer")
    if penalty is not None and "activity_regularizer" not in config:  # one of those that every layer takes
        config["activity_regularizer"] = _as_json(layer.activity_regularizer, "activity_regularizer", layer)
    return {**config, **getattr(cls, "constant_config", {})}


def dtype_config(dtype: str) -> dict[str, Any]:
    """A float type as Keras writes it."""
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": dtype}, "registered_name": None}


def argument_names(cls: type) -> list[str]:
    """The named arguments of a class's constructor."""
    _, *parameters = inspect.signature(cls.__init__).parameters.values()
    return [
        p.name
        for p in parameters
        if p.name not in _NOT_SAVED and p.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    ]


def _class_to_describe(cls: type, base: type) -> type:
    """The class whose signature is meant: where a user overrides get_config and calls super(), the parent's."""
    mro = [c for c in cls.__mro__ if issubclass(c, base)]
    for position, c in enumerate(mro):
        if c is base:
            return cls
        if "get_config" in vars(c):
            return mro[position + 1]
    return cls


def _given(layer: Any, cls: type, name: str) -> Any:
    """The value of an argument that the layer did not keep as an attribute: what the constructor was given."""
    args, kwargs = layer._constructed_with
    bound = inspect.signature(cls.__init__).bind_partial(layer, *args, **kwargs)
    bound.apply_defaults()
    return bound.arguments.get(name)


def _as_json(value: Any, name: str, layer: Any) -> Any:
    public = serialization.public_name(value) if callable(value) and hasattr(value, "__name__") else None
    if public is not None and public[0] == "keras.activations":
        return public[1]
    try:
        return serialization.serialize_object(value)
    except TypeError as error:
        raise TypeError(
            f"Layer '{layer.name}' ({type(layer).__name__}) cannot be written as a configuration: argument '{name}' is "
            f"{value!r}. Define get_config() to return what from_config() needs."
        ) from error

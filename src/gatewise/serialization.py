"""Objects to configurations and back: Keras 3's form, and the forms that Keras 1 and 2 wrote.

A configuration is data.  Reading one looks names up in tables (the built-in objects, and what the user
registered); it imports nothing that the data names and runs no code that the data holds.
"""

from __future__ import annotations

import contextvars
import importlib
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gatewise import suggest
from gatewise.config import snake_case

_HOMES = {
    "keras": "gatewise.sequential",
    "keras.layers": "gatewise.layers.registry",
    "keras.initializers": "gatewise.initializers",
    "keras.regularizers": "gatewise.regularizers",
    "keras.constraints": "gatewise.constraints",
    "keras.random": "gatewise.random",
    "keras.activations": "gatewise.activations",
    "keras.losses": "gatewise.training.losses",
    "keras.metrics": "gatewise.training.metrics",
    "keras.optimizers": "gatewise.training.optimizers",
    "keras.optimizers.schedules": "gatewise.training.schedules",
}
"""Where the objects of each of Keras's public modules are defined; importing that fills its table."""

_HOMES_OF_KIND = {"layer": ("keras.layers", "keras")}
"""Where to look for names that come without a module, as Keras 1 and 2 wrote them."""

_tables: dict[str, Mapping[str, Any]] = {}
_public_names: dict[Any, tuple[str, str]] = {}
_written_modules: dict[type, str] = {}
_registered: dict[str, Any] = {}
_registered_names: dict[Any, str] = {}
_scope: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar("custom_objects", default={})  # noqa: B039


# ---- the user's objects -------------------------------------------------------------------------------


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """Decorator: let a user's class or function be saved and loaded by name (`package>name`)."""

    def register(item: Any) -> Any:
        if isinstance(item, type) and not hasattr(item, "get_config"):
            raise ValueError(
                f"{item.__name__} cannot be registered: a class that is saved needs a get_config() method "
                "that returns the arguments of its constructor."
            )
        full_name = f"{package}>{name or item.__name__}"
        _registered[full_name] = item
        _registered_names[item] = full_name
        return item

    return register


def get_registered_name(item: Any) -> str:
    """The name an object was registered under, else its own name."""
    return _registered_names[item] if item in _registered_names else item.__name__


def get_registered_object(name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The user's object of that name, from the scope, the registry or `custom_objects`; else None."""
    for table in (_scope.get(), _registered, custom_objects or {}):
        if name in table:
            return table[name]
    return None


def get_custom_objects() -> dict[str, Any]:
    """The global table of user's objects; what is put into it is found in every later load."""
    return _registered


class CustomObjectScope:
    """`with custom_object_scope({"MyLayer": MyLayer}): ...` makes names known inside the block."""

    def __init__(self, *custom_objects: Mapping[str, Any]) -> None:
        self.custom_objects: dict[str, Any] = {}
        for table in custom_objects:
            self.custom_objects.update(table)
        self._tokens: list[contextvars.Token[Mapping[str, Any]]] = []

    def __enter__(self) -> CustomObjectScope:
        self._tokens.append(_scope.set({**_scope.get(), **self.custom_objects}))
        return self

    def __exit__(self, *exception: Any) -> None:
        _scope.reset(self._tokens.pop())


custom_object_scope = CustomObjectScope


# ---- the built-in objects -----------------------------------------------------------------------------


class Registry:
    """The built-in objects of one of Keras's public modules, by name and by alias.

    Args:
        module: Keras's public name of the module, e.g. "keras.initializers".
        kind: what one of them is called in messages, e.g. "initializer".
        objects: a table that finds its objects by itself; default one that `add` fills.
    """

    def __init__(self, module: str, kind: str, objects: Mapping[str, Any] | None = None) -> None:
        self.module = module
        self.kind = kind
        self.objects: Any = _tables.setdefault(module, {} if objects is None else objects)

    def add(self, *aliases: str) -> Callable[[Any], Any]:
        """Decorator: a class is known by its name and that name in snake case; a function by its name."""

        def record(item: Any) -> Any:
            _public_names[item] = (self.module, item.__name__)
            names = [item.__name__, *aliases]
            if isinstance(item, type):
                names.append(snake_case(item.__name__))
            for name in names:
                self.objects.setdefault(name, item)
            return item

        return record

    def alias(self, item: Any, *names: str) -> None:
        """More names for an object, over earlier meanings of them."""
        for name in names:
            self.objects[name] = item

    def get(self, identifier: Any) -> Any:
        """None, a name, a configuration, a class or a ready object -> the object (None stays None)."""
        if identifier is None:
            return None
        if isinstance(identifier, str | dict):
            identifier = self.deserialize(identifier)
        if isinstance(identifier, type):
            return identifier()
        if callable(identifier):
            return identifier
        raise ValueError(
            f"Cannot make a {self.kind} from {type(identifier).__name__} {identifier!r}: "
            f"write a name such as {next(iter(sorted(self.objects)), '')!r}, a configuration, or a callable."
        )

    def deserialize(self, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The object that a configuration or a name stands for."""
        return deserialize_object(config, self.objects, custom_objects, self.kind)

    def serialize(self, item: Any) -> Any:
        """Keras 3's configuration of an object."""
        return serialize_object(item)


def write_as_from(cls: type, module: str) -> None:
    """Let files say that a class is from this module: where Keras keeps a class that it does not publish."""
    _written_modules[cls] = module


def publish(cls: type, module: str) -> None:
    """Note that Keras publishes a built-in class, under its own name, in this module."""
    _public_names[cls] = (module, cls.__name__)


def public_name(item: Any) -> tuple[str, str] | None:
    """(module, name) under which Keras publishes a built-in class or function; None for a user's."""
    return _public_names.get(item)


# ---- writing ------------------------------------------------------------------------------------------


def serialize_object(item: Any) -> Any:
    """Keras 3's JSON form of an object: plain values as they are, others {"module", "class_name", ...}.

    Raises:
        ValueError: for a lambda, which only its code could represent.
        TypeError: for an object without `get_config`.
    """
    if item is None or isinstance(item, bool | int | float | str):
        return item
    if isinstance(item, dict):
        return {key: serialize_object(value) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return (
            type(item)(serialize_object(value) for value in item)
            if type(item) in (list, tuple)
            else [serialize_object(value) for value in item]
        )
    if isinstance(item, np.generic) or (isinstance(item, np.ndarray) and item.ndim == 0):
        return item.item()
    if isinstance(item, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": item.tolist(), "dtype": item.dtype.name}}
    if isinstance(item, np.dtype):
        return item.name
    if isinstance(item, bytes):
        return {"class_name": "__bytes__", "config": {"value": item.decode("utf-8")}}
    if isinstance(item, slice):
        parts = {name: serialize_object(getattr(item, name)) for name in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if item is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(item, types.FunctionType | types.BuiltinFunctionType):
        return _serialize_function(item)
    return _serialize_instance(item)


def _serialize_function(function: Any) -> dict[str, Any]:
    if function.__name__ == "<lambda>":
        raise ValueError(
            "A lambda cannot be saved: a file holds data, not code. Give the function a name with def, and "
            "register it with @gatewise.saving.register_keras_serializable(). The weights alone can be saved as they "
            "are: model.save_weights('name.weights.h5')."
        )
    public = _public_names.get(function)
    return {
        "module": "builtins",  # so writes Keras, whatever the function
        "class_name": "function",
        "config": public[1] if public else get_registered_name(function),
        "registered_name": "function",
    }


def _serialize_instance(item: Any) -> dict[str, Any]:
    cls = type(item)
    if not hasattr(item, "get_config"):
        raise TypeError(
            f"An object of class {cls.__name__} cannot be saved: it has no get_config() method. Write one "
            "that returns the arguments of its constructor."
        )
    public = _public_names.get(cls)
    module, class_name = public or (_written_modules.get(cls, cls.__module__), cls.__name__)
    config = {
        "module": None if module == "__main__" else module,
        "class_name": class_name,
        "config": serialize_object(item.get_config()),
        "registered_name": None if public else get_registered_name(cls),
    }
    for key in ("build_config", "compile_config"):
        part = getattr(item, f"get_{key}", lambda: None)()
        if part is not None:
            config[key] = serialize_object(part)
    return config


# ---- reading ------------------------------------------------------------------------------------------


def deserialize_object(
    config: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    kind: str = "object",
) -> Any:
    """The object that a configuration of Keras 1, 2 or 3 stands for.

    Args:
        config: Keras 3's {"module", "class_name", "config", "registered_name"}, the older {"class_name",
            "config"}, or a bare name (looked up when `module_objects` is given, else returned as it is).
        module_objects: name -> class or function, for names that come without their module.
        custom_objects: the user's classes and functions by name.
        kind: what is looked for, in messages.

    Raises:
        ValueError: if the name is unknown, or the configuration holds code.
    """
    if isinstance(config, str):
        if module_objects is None:
            return config
        found = _look_up(config, None, module_objects, custom_objects, kind)
        return found() if isinstance(found, type) else found
    if isinstance(config, list | tuple):
        return type(config)(deserialize_object(c, None, custom_objects, kind) for c in config)
    if not isinstance(config, dict):
        return config
    if "class_name" not in config:
        return {k: deserialize_object(v, None, custom_objects, kind) for k, v in config.items()}
    name = config["class_name"]
    if name in _PLAIN_READERS:
        return _PLAIN_READERS[name](config)
    if name == "__lambda__":
        return _named_for_lambda(custom_objects)
    if name == "function":
        return _function_of(config, module_objects, custom_objects, kind)
    return _instance_of(config, module_objects, custom_objects, kind)


def _function_of(config: dict[str, Any], module_objects: Any, custom_objects: Any, kind: str) -> Any:
    inner = config.get("config")
    name = inner.get("name") if isinstance(inner, dict) else inner
    if name == "<lambda>":
        return _named_for_lambda(custom_objects)
    found = get_registered_object(str(config.get("registered_name")), custom_objects)
    if found is not None:
        return found
    return _look_up(str(name), config.get("module"), module_objects, custom_objects, kind)


def _instance_of(config: dict[str, Any], module_objects: Any, custom_objects: Any, kind: str) -> Any:
    registered = config.get("registered_name")
    cls = get_registered_object(registered, custom_objects) if registered else None
    if cls is None:
        cls = _look_up(config["class_name"], config.get("module"), module_objects, custom_objects, kind)
    if not isinstance(cls, type):
        return cls
    inner = dict(config.get("config") or {})
    with CustomObjectScope(custom_objects or {}):
        from_config = getattr(cls, "from_config", None)
        item = from_config(inner) if from_config else cls(**inner)
        for key, method in (("build_config", "build_from_config"), ("compile_config", "compile_from_config")):
            if config.get(key) and hasattr(item, method):
                getattr(item, method)(config[key])
    return item


def _look_up(
    name: str,
    module: str | None,
    module_objects: Mapping[str, Any] | None,
    custom_objects: Mapping[str, Any] | None,
    kind: str,
) -> Any:
    """The class or function of a name: the user's first, then the built-in ones."""
    found = get_registered_object(name, custom_objects)
    if found is not None:
        return found
    tables: list[Mapping[str, Any]] = [] if module_objects is None else [module_objects]
    for home in [module, *_HOMES_OF_KIND.get(kind, ())]:
        tables.extend(_builtin_tables(home))
    for table in tables:
        if name in table:
            return table[name]
    known = {n for table in [*tables, _scope.get(), custom_objects or {}] for n in table}
    message = suggest.unknown(kind, name, known)
    if public_module(module) is None:
        origin = f" (the configuration says it is from {module!r})" if module not in (None, "builtins") else ""
        message += f" If it is your own{origin}, pass custom_objects={{{name!r}: ...}}."
    raise ValueError(message)


def public_module(module: str | None) -> str | None:
    """Keras's public name of one of its modules, whichever way a file names it; None for a module not Keras's.

    "keras.src.layers.rnn.lstm" -> "keras.layers"; "keras.src.models.functional" -> "keras".
    """
    first, *parts = (module or "").split(".")
    if first not in ("keras", "tf_keras", "tensorflow"):
        return None
    if "schedules" in parts or "learning_rate_schedule" in parts:
        return "keras.optimizers.schedules"
    return next((f"keras.{part}" for part in parts if f"keras.{part}" in _HOMES), "keras")


def _builtin_tables(module: str | None) -> list[Mapping[str, Any]]:
    public = public_module(module)
    if public is None:
        return []
    importlib.import_module(_HOMES[public])
    return [_tables[public]] if public in _tables else []


def _named_for_lambda(custom_objects: Mapping[str, Any] | None) -> Any:
    found = get_registered_object("<lambda>", custom_objects)
    if found is None:
        raise ValueError(
            "The configuration holds a lambda: code, which is never run from a file. If you know what it "
            'did, write it as a function and pass custom_objects={"<lambda>": that_function}.'
        )
    return found


def _read_array(config: dict[str, Any]) -> np.ndarray:
    return np.array(config["config"]["value"], dtype=config["config"]["dtype"])


def _read_slice(config: dict[str, Any]) -> slice:
    return slice(*(config["config"].get(name) for name in ("start", "stop", "step")))


_PLAIN_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "__numpy__": _read_array,
    "__tensor__": _read_array,
    "__bytes__": lambda config: config["config"]["value"].encode("utf-8"),
    "__slice__": _read_slice,
    "__ellipsis__": lambda config: Ellipsis,
    "__tuple__": lambda config: tuple(deserialize_object(item) for item in config["items"]),
    "TensorShape": lambda config: tuple(config["items"]),
}

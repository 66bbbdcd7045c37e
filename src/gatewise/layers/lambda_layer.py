"""Lambda: a function as a layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gatewise import serialization, tree
from gatewise.arguments import describe
from gatewise.layer import Layer


class Lambda(Layer):
    """Computes what a function returns: y = function(inputs, **arguments).

    Args:
        function: of an array (or a list of arrays), written with gatewise.ops or NumPy.  Where it has parameters `mask`
            and `training`, it is given those too.
        output_shape: of a sample, without the batch; or a function of the input's shape.  Default: found by running
            the function on zeros.
        mask: of the output: an array, or a function of (inputs, mask).  Default none.
        arguments: further arguments of the function, by name.
        **kwargs: of `Layer`.

    A file holds the names of functions, never their code: to save a model, give them names with def, and register them
    with `gatewise.saving.register_keras_serializable()`.

    Raises:
        TypeError: if `function` cannot be called.
    """

    not_in_config = ("autocast", "function", "output_shape", "mask", "arguments")

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(
                f"{type(self).__name__} wraps a function; got {describe(function)}. Write Lambda(lambda x: x * 2)."
            )
        self.function = function
        self.arguments = dict(arguments or {})
        self.mask = mask if mask is None or callable(mask) else np.asarray(mask)
        self.supports_masking = mask is not None
        self._output_shape = output_shape
        parameters = _parameters(function)
        self._takes_mask, self._takes_mode = "mask" in parameters, "training" in parameters

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        given = dict(self.arguments)
        if self._takes_mask:
            given["mask"] = mask
        if self._takes_mode:
            given["training"] = training
        return self.function(inputs, **given)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return tree.map_shapes(tuple, self._output_shape(input_shape))
        batch = next(tree.leaves_of_shapes(input_shape))[0]
        return tree.map_shapes(lambda shape: (batch, *shape), self._output_shape)

    def get_config(self) -> dict[str, Any]:
        """The names of the functions, and the other arguments.

        Raises:
            ValueError: for a lambda, which has no name.
        """
        own = {"function": self.function, "output_shape": self._output_shape, "mask": self.mask}
        given = {name: value for name, value in own.items() if value is not None}
        try:
            written = {name: serialization.serialize_object(value) for name, value in given.items()}
        except ValueError as error:
            raise ValueError(f"Layer '{self.name}' ({type(self).__name__}): {error}") from None
        return {**super().get_config(), **written, "arguments": serialization.serialize_object(self.arguments)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A new layer; the functions are the user's own, found by their names.

        Raises:
            ValueError: for a function of an unknown name, and for one that the configuration holds as code.
        """
        config = dict(config)
        kinds = {name: config.pop(f"{name}_type", None) for name in ("function", "output_shape", "mask")}
        for name in ("module", "output_shape_module", "mask_module"):
            config.pop(name, None)  # Keras 1 and 2 wrote where a function was defined
        for name, kind in kinds.items():
            if name in config:
                config[name] = _function(config[name], kind, custom_objects)
        config["arguments"] = serialization.deserialize_object(config.get("arguments"), None, custom_objects)
        return cls(**config)


def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    """The names of a function's parameters; none for one that does not tell."""
    try:
        return frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # NumPy's ufuncs, and others in C
        return frozenset()


def _function(value: Any, kind: str | None, custom_objects: Mapping[str, Any] | None) -> Any:
    """The function (or the shape, or the mask) that a configuration stands for.

    Args:
        value: Keras 3's configuration; with `kind`, that of Keras 1 and 2: a name, or code in a list.
        kind: "function", "lambda", or "raw" for what is no function; None in Keras 3.
    """
    if kind == "lambda":
        value = {"class_name": "__lambda__"}
    elif kind == "function":
        value = {"class_name": "function", "config": value}
    found = serialization.deserialize_object(value, None, custom_objects, "function")
    return tuple(found) if isinstance(found, list) and tree.is_shape(found) else found

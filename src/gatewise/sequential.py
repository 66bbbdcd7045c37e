"""Sequential: layers one after another, with or without a known input shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatewise import config, ragged, serialization, tree, validation
from gatewise.arguments import CallArguments, describe
from gatewise.context import name_scope
from gatewise.functional import Functional
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.layers.input_layer import InputLayer
from gatewise.model import Model


class Sequential(Functional):
    """Layers one after another.

    Args:
        layers: the layers, in order; an `Input` may come first.
        name: default "sequential", numbered.

    The input's shape comes from an `Input`, from the first layer's `input_shape`, from `build`, or from the first data.
    """

    _may_chain = True

    def __init__(
        self,
        layers: Sequence[Any] | None = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        Layer.__init__(self, name=name, **kwargs)
        self._stack: list[Layer] = []
        self._first: InputLayer | None = None
        self._tensors: list[Any] = []  # the input, then each layer's output
        self.supports_masking = True
        if layers is not None and not isinstance(layers, list | tuple):
            raise ValueError(
                f"Sequential takes a list of layers; got {describe(layers)}. Write Sequential([layer, ...])."
            )
        for layer in layers or ():
            self.add(layer, rebuild=False)
        if self.built:
            _number_as_keras_does()
        if not trainable:
            self.trainable = False

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer at the end.

        Raises:
            ValueError: if it is not a layer, its name is taken, or it has several outputs.
        """
        if isinstance(layer, SymbolicTensor):
            layer = layer.node.layer
        if not isinstance(layer, Layer):
            hint = f" Write {layer.__name__}(...)." if isinstance(layer, type) else ""
            raise ValueError(f"Only layers can be added to a Sequential model; got {describe(layer)}.{hint}")
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(
                f"Sequential model '{self.name}' already has a layer named '{layer.name}'; all layers need names "
                "of their own."
            )
        if isinstance(layer, InputLayer):
            if self._stack or self._first is not None:
                raise ValueError(f"Sequential model '{self.name}' already has an input; an Input can only come first.")
            self._begin_with(layer)
            return
        if not self._stack and self._first is None:
            if layer._batch_input_shape is not None:
                kind = layer.input_type or layer.dtype
                self._begin_with(InputLayer(batch_shape=layer._batch_input_shape, dtype=kind))
            elif isinstance(layer, Functional) and layer.built:
                self._begin_with(InputLayer(batch_shape=layer.inputs[0].shape, dtype=layer.inputs[0].dtype))
        self._stack.append(layer)
        if self._first is not None:
            self._extend(layer)
            if rebuild:
                _number_as_keras_does()

    def pop(self, rebuild: bool = True) -> Layer:
        """Take the last layer away and return it."""
        if not self._stack:
            raise ValueError(f"Sequential model '{self.name}' has no layer to take away.")
        layer = self._stack.pop()
        if self._first is not None:
            self._tensors.pop()
            self._join()
        return layer

    def _begin_with(self, first: InputLayer) -> None:
        self._first = first
        self._tensors = [first.output]
        for layer in self._stack:
            self._extend(layer)

    def _extend(self, layer: Layer) -> None:
        before = self._tensors[-1]
        if not isinstance(before, SymbolicTensor):
            self._stack.remove(layer)
            last = self._stack[-1]
            raise ValueError(
                f"Inside a Sequential model layers have one output; layer '{last.name}' ({type(last).__name__}) "
                "returns "
                f"{len(list(tree.leaves(before)))}, so '{layer.name}' cannot follow it. Leave out "
                "return_state=True, or use "
                "Model(inputs, outputs)."
            )
        with name_scope(self.name):
            self._tensors.append(layer(before))
        self._join()

    def _join(self) -> None:
        assert self._first is not None
        self._connect_between(self._first.output, self._tensors[-1])
        if self._stack:
            self.output_names = [self._stack[-1].name] * len(self.outputs)
        self.built = bool(self._stack)

    def build(self, input_shape: Any = None) -> None:
        """Create the weights for inputs of this shape (batch included)."""
        if self._first is None:
            if input_shape is None:
                raise ValueError(
                    f"Sequential model '{self.name}' does not know the shape of its input. Give build() a shape, "
                    "put an "
                    "Input((steps, features)) first, or give the first layer input_shape=(steps, features)."
                )
            if not tree.is_shape(input_shape):
                raise ValueError(f"build() takes a shape such as (None, 13, 5), the batch first; got {input_shape!r}.")
            shape = tuple(input_shape)
            if len(shape) < 2 and not (self._stack and self._stack[0].input_type == "string"):
                raise ValueError(
                    f"Sequential model '{self.name}' was built for inputs of shape {validation.drawn(shape)}; the "
                    "batch comes "
                    "first: (None, steps, features)."
                )
            kind = (self._stack[0].input_type or self._stack[0].dtype) if self._stack else self.dtype
            self._begin_with(InputLayer(batch_shape=shape, dtype=kind))
            _number_as_keras_does()

    @property
    def layers(self) -> list[Layer]:
        return list(self._stack)

    @property
    def operations(self) -> list[Layer]:
        return list(self._stack)

    def sublayers(self) -> list[Layer]:
        return list(self._stack)

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if self._first is None:
            if not self._stack:
                raise ValueError(f"Sequential model '{self.name}' has no layers; add some first.")
            shape = tuple(shapes[0])
            if len(shape) + 1 == self._stack[0].input_rank and None in shape:
                shape = (*shape, 1)  # sequences of single numbers, of different lengths
            self._stack[0].check_inputs([shape])
            self.build((None, *shape[1:]))

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        if self._first is None:
            return (self._arranged(args[0]) if args else Layer.arrange(self, args, kwargs)[0]), None
        return super().arrange(args, kwargs)

    def flat_inputs(self, given: Any) -> list:
        return super().flat_inputs(given) if self._first is not None else self._arranged(given)

    def _arranged(self, given: Any) -> list:
        """The arrays in what is given to a model that knows nothing of its input but its first layer."""
        rank = self._stack[0].input_rank if self._stack else None
        wanted = None if rank is None else (None,) * rank
        return CallArguments.arrange((ragged.from_samples(given, wanted),), {})[0]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._chain is not None and len(args) == 1 and not kwargs and (y := self._chain(args[0])) is not None:
            return y
        if self._first is None:
            leaves, _ = self.arrange(args, kwargs)
            self.ensure_built([leaf.shape for leaf in leaves])
        return super().__call__(*args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._first is not None:
            return super().compute_output_shape(input_shape)
        shape = input_shape
        for layer in self._stack:
            shape = layer.compute_output_shape(shape)
        return shape

    @property
    def input_shape(self) -> Any:
        return self._known("input").inputs[0].shape

    @property
    def output_shape(self) -> Any:
        return self._known("output").outputs[0].shape

    def _known(self, what: str) -> Sequential:
        if self._first is None:
            raise AttributeError(
                f"Sequential model '{self.name}' has no defined {what} shape yet: the shape of its input is not known."
            )
        return self

    def get_config(self) -> dict[str, Any]:
        from gatewise.model_config import sequential_config

        return sequential_config(self)

    def get_build_config(self) -> dict[str, Any] | None:
        return None if self._first is None else {"input_shape": self._first.batch_shape}

    @classmethod
    def from_config(cls, config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
        from gatewise.model_config import sequential_from_config

        return sequential_from_config(cls, config, custom_objects)


def _number_as_keras_does() -> None:
    """Keras makes a functional model inside whenever it joins the layers, so models named after it count on."""
    config.unique_name("functional")


MODELS = serialization.Registry("keras", "model")
for _class in (Model, Sequential):
    MODELS.add()(_class)
MODELS.alias(Functional, "Functional")
serialization.write_as_from(Functional, "keras.src.models.functional")

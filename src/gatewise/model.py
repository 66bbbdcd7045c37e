"""Model: layers joined to one function, with Keras's training interface.

`Model(inputs, outputs)` makes a `Functional`, whose layers are known as a graph.  A user's subclass defines `call`
instead.  Both are layers, so models nest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gatewise import autodiff, masks, ragged, tree
from gatewise.arguments import describe
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.probing import trial
from gatewise.training.trainer import Trainer

if TYPE_CHECKING:
    from gatewise.streaming import Stream


class Model(Trainer, Layer):
    """A network of layers.

    `Model(inputs, outputs)` joins the layers between symbolic tensors; a subclass with a `call` of its own computes
    what that returns.

    Args:
        inputs, outputs: symbolic tensors, or lists or dictionaries of them.
        name: default "functional", or the subclass's name, numbered.
    """

    takes_text = True  # whether an input does, its type says, or what a subclass makes of it

    is_model = True

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and _are_functional(args, kwargs):
            from gatewise.functional import Functional

            return Functional.__new__(Functional, *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if _are_functional(args, kwargs):
            # A user's subclass that hands inputs and outputs to super(): it is a Functional of its own class.
            from gatewise.functional import Functional

            cls = type(self)
            bases: Any = (cls, Functional)
            self.__class__ = type(cls.__name__, bases, {"__module__": cls.__module__})  # type: ignore[assignment]
            Functional.__init__(self, *args, **kwargs)  # type: ignore[arg-type]
            return
        if args:
            raise TypeError(
                f"{type(self).__name__} takes inputs and outputs, Model(inputs, outputs), or in a subclass with a "
                f"`call` no positional arguments; got {describe(args[0])}."
            )
        super().__init__(*args, **kwargs)

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside the model."""
        return self.sublayers()

    @property
    def operations(self) -> list[Layer]:
        """The layers, and among them the functions of gatewise.ops that join them."""
        return self.layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of that name, or at that place in `layers`.

        Raises:
            ValueError: if there is none; the message lists those there are.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer takes either a name or an index.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"Model '{self.name}' has {len(layers)} layers; there is no layer {index}.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}. Existing layers are: {[layer.name for layer in layers]}.")

    def build(self, input_shape: Any) -> None:
        """Create the weights of a subclassed model by running it once on zeros of this shape (batch included)."""
        if self._uses_call and not self.built:
            given = tree.map_shapes(lambda s: SymbolicTensor(s, self._dtype), input_shape)
            self._try_on(*Layer.arrange(self, (given,), {}))
            self.mark_built(input_shape)

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        if self._uses_call and args:
            args = (ragged.of_different_lengths(args[0]), *args[1:])
        return super().arrange(args, kwargs)

    def masks_after(self, inputs: Sequence[Any], outputs: Sequence[Any], mask: Any) -> list[Any]:
        if self._uses_call and not self.supports_masking:  # the layers inside saw it, and each speaks for itself
            return [masks.mask_of(y) for y in outputs]
        return super().masks_after(inputs, outputs, mask)

    def build_for(self, leaves: Sequence[Any], structure: Any = None) -> None:
        if self.built or not self._uses_call:
            super().build_for(leaves, structure)
            return
        if self._takes_any_targets and type(self).call is Layer.call:
            return  # models side by side, as in a GAN: what they compute together only train_step says
        shapes = [tuple(leaf.shape) for leaf in leaves]
        if type(self).build is not Model.build:
            self.ensure_built(shapes, structure)
        self._try_on(leaves, structure)
        self.mark_built(self._shape_to_build(shapes, structure))

    def _try_on(self, leaves: Sequence[Any], structure: Any) -> None:
        """Run the user's `call` once, for the weights it builds and the nesting of what it returns."""
        plain = [leaf.padded()[0] if isinstance(leaf, ragged.Ragged) else autodiff.plain(leaf) for leaf in leaves]
        self._output_tree = tree.map_leaves(lambda _: None, trial(self, plain, structure))
        if isinstance(self._output_tree, dict):
            self.output_names = list(self._output_tree)

    def split_inputs(self, given: Any) -> tuple[list, Any]:
        """The flat inputs in what `fit` or `predict` is given as x, and how they fold back into it."""
        return self.arrange((given,), {})

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
        style: str = "keras3",
    ) -> None:
        """Print the layers with their output shapes and numbers of parameters.

        Args:
            line_length: width in characters; default the terminal's, at most what Keras takes.
            positions: where the columns end, as fractions of the width or as characters.
            print_fn: called with the text instead of printing.
            expand_nested: show the layers of models inside the model.
            show_trainable: add a column that says which layers are trained.
            layer_range: names of the first and the last layer to show.
            style: "keras3" (a box) or "classic" (ruled lines, as Keras 2 printed).
        """
        from gatewise.explain.summary import print_summary

        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range, style)

    def reset_states(self) -> None:
        """Set the states of all stateful layers, at any depth, to zero."""
        for layer in self.with_sublayers():
            if not isinstance(layer, Model) and getattr(layer, "stateful", False):
                layer.reset_states()  # type: ignore[attr-defined]

    reset_state = reset_states

    @property
    def stateful(self) -> bool:
        return any(getattr(layer, "stateful", False) for layer in self.layers)

    def stream(self, batch_size: int = 1) -> Stream:
        """The model run one time step at a time, on `batch_size` sequences side by side; see `streaming.Stream`.

        Raises:
            ValueError: naming the layer that needs more than the steps so far.
        """
        from gatewise.streaming import Stream

        return Stream(self, batch_size)

    def quantize(self, mode: str = "int8", calibration: Any = None, **options: Any) -> Any:
        """A new model with weights of fewer bits, for prediction; this one stays as it is.  See `gatewise.quantize`.

        Args:
            mode: "int8" or "bfloat16".
            calibration: for "int8" data like those that will come.
            **options: clip, batch_size, evaluation.
        """
        from gatewise.quantization import quantize

        return quantize(self, calibration, mode, **options)

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Write structure, weights and training state to one file; see `gatewise.saving.save_model`."""
        from gatewise.files import save_model

        save_model(self, filepath, overwrite=overwrite, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the weights to a .weights.h5 file."""
        from gatewise.files import save_weights

        save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath: Any, **kwargs: Any) -> None:
        """Read the weights from a .weights.h5 file that a model of the same structure wrote."""
        from gatewise.files import load_weights

        load_weights(self, filepath, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile`, as JSON; empty if the model is not compiled."""
        from gatewise.training.compile_config import compile_config

        return compile_config(self)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile the model with what `get_compile_config` returned."""
        from gatewise.training.compile_config import compile_from_config

        compile_from_config(self, config)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A new model from what `get_config` returned; its weights are new.

        Args:
            config: of a model of symbolic inputs and outputs, or the arguments of a subclass's constructor.
            custom_objects: the user's classes and functions by name.
        """
        if {"layers", "input_layers", "output_layers"} <= set(config):
            from gatewise.model_config import functional_from_config

            return functional_from_config(cls, config, custom_objects)
        return super().from_config(config)

    def to_json(self, **kwargs: Any) -> str:
        """The structure as JSON text; `models.model_from_json` makes a new model of it."""
        from gatewise.model_config import model_to_json

        return model_to_json(self, **kwargs)


def _are_functional(args: tuple, kwargs: dict[str, Any]) -> bool:
    """True if a Model's arguments are symbolic inputs and outputs."""
    if "inputs" in kwargs or "outputs" in kwargs:
        return True
    return len(args) >= 2

"""Layer: the only base class.  What all layers share: building, being called, weights, masks, configuration.

A layer is written in one of two ways:

* built-in layers override `forward(*inputs, mask, training) -> (y, pullback)` with hand-derived gradients, and may
  override `infer`, which returns y alone and keeps nothing;
* users' layers override `call(inputs, ...)`; `forward` then differentiates it through `gatewise.autodiff`.

Graphs call `compute` (values only) and `differentiate` (values and pullback); both work for either kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import added_losses, autodiff, config, masks, ragged, regularizers, serialization, tree
from gatewise.arguments import (
    CallArguments,
    apart_from,
    call_parameters,
    describe,
    leftover_arguments,
    mask_and_mode_by_name,
    standard_dtype,
)
from gatewise.context import collected_losses, loss_slope, mode, name_scope, record_loss, running
from gatewise.described import Described
from gatewise.graph import Node, SymbolicTensor
from gatewise.input_spec import check_specs
from gatewise.layer_building import Buildable, noting_that_it_is_built
from gatewise.layer_inputs import TakesInputs, cast_back
from gatewise.layer_masks import PassesMasks
from gatewise.stepper import Steppable
from gatewise.variable import Variable, structure_clock, traced_values, tracing


class Layer(Steppable, Buildable, TakesInputs, PassesMasks, Described):
    """A function of arrays with weights, counted, named and saved as in Keras.

    Args:
        trainable: whether the weights may be trained.
        dtype: "float32" or "float64"; default `config.floatx()`.
        name: default is the class's name in snake case, numbered.
        activity_regularizer: a regularizer of the output, added to the loss.
        input_shape, batch_input_shape, input_dim, input_length, batch_size: the shape of the input, for the first
            layer of a Sequential model (Keras 1 and 2).
        weights: a list of arrays that become the weights when they are created (Keras 1 and 2).

    Raises:
        ValueError: for an argument that no layer of this class has.
    """

    _uses_call = True
    _hand_derived: Any = None
    """The nearest class with a `forward` of its own: what `super().call` runs in a subclass with a `call`."""
    _constructed_with: tuple[tuple, dict[str, Any]]
    activity_regularizer: Any = None
    input_spec: Any = None
    is_model = False
    is_operation = False  # True for a function of arrays used in a graph, which is no layer to the user
    _may_chain = False  # True in a class whose plain calls one native object may answer: see gatewise.chains
    _chain: Any = None
    _chain_tried: tuple[int, bool] = (0, False)
    _is_built_in = False
    mixes_samples = False  # True where a sample's result in training depends on the others of its batch
    not_in_config: tuple[str, ...] = ("autocast",)
    in_config_if_true: tuple[str, ...] = ("activity_regularizer",)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        layer = super().__new__(cls)
        object.__setattr__(layer, "_constructed_with", (args, kwargs))
        return layer

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        cls = type(self).__name__
        if name is not None and not isinstance(name, str):
            raise ValueError(f"The name of a {cls} must be a string; got {name!r}.")
        self._name = name or config.unique_name(config.snake_case(cls))
        self._dtype = standard_dtype(dtype, cls)
        self._array_type = np.dtype(self._dtype)
        self.autocast = autocast
        self.activity_regularizer = regularizers.get(activity_regularizer)
        if type(self).compute_mask is not Layer.compute_mask:
            self.supports_masking = True
        self.built = False
        self._trainable = bool(trainable)
        self._variables: list[Variable] = []
        self._inbound_nodes: list[Node] = []
        structure_clock.tick()
        self._batch_input_shape, self._initial_weights = leftover_arguments(kwargs, cls)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in REPLACEABLE or (self._is_built_in and name[0] != "_"):
            structure_clock.tick()  # the layer computes something else from now on

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if name in REPLACEABLE:
            structure_clock.tick()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._is_built_in = cls.__module__.startswith("gatewise.layers.")
        if cls.__module__.startswith("gatewise.layers."):
            serialization.publish(cls, "keras.layers")
        if "build" in vars(cls):
            cls.build = noting_that_it_is_built(vars(cls)["build"])
        for base in cls.__mro__:
            own = vars(base)
            hand_derived = own.get("forward", Layer.forward) is not Layer.forward
            if base is Layer or hand_derived or "call" in own:
                cls._uses_call = not hand_derived
                break
        for base in cls.__mro__:
            if vars(base).get("forward", Layer.forward) is not Layer.forward:
                cls._hand_derived = base
                break
        if "call" in vars(cls) and cls._uses_call:
            # A `call` over an inherited hand-derived `forward` is the newer word: it is what gets differentiated.
            cls.forward = Layer.forward
            cls.infer = Layer.infer

    # --- what a layer computes -------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Create the weights for inputs of `input_shape` (batch included, None where unknown)."""

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer computes.  Users override this; built-in layers override `forward`."""
        if self._hand_derived is None:
            raise TypeError(
                f"{type(self).__name__} computes nothing: give it a method `call(self, inputs)` that returns the "
                "output."
            )
        call = CallArguments.of(*self.arrange(args, kwargs), kwargs)
        return self._apply_native(call.leaves, call.mask, self._mode(call.training), call.structure)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        """Compute the output and how gradients go back.

        Args:
            inputs: the call's arrays, flat.
            mask: (N, T) bool or None; a list for layers that take lists.
            training: whether dropout and its like are active.
            structure: how the inputs fold back into the arguments of `call`.

        Returns:
            (y, pullback).  y is an array, or a flat list of arrays.  `pullback(dy, wants_dx=True)`, with dy nested
            like y (None where nothing flows back), returns (gradients of the inputs, {variable: gradient}).
        """
        variables = [v for v in self.trainable_variables if v.dtype.startswith("float")]
        returned: list[Any] = []
        n_losses = 0

        def run(*values: Any) -> tuple:
            nonlocal n_losses
            bound = dict(zip(variables, values, strict=False))
            with traced_values(bound), masks.traced_scope(), collected_losses() as losses:
                y = self._run_call(values[len(variables) :], mask, training, structure)
                flat = list(tree.leaves(y))
                returned.extend((y, [masks.mask_of(leaf) for leaf in flat]))
            n_losses = len(losses)
            return (*flat, *losses)

        flat, back = autodiff.vjp(run, *(v.array for v in variables), *inputs)
        values, losses = flat[: len(flat) - n_losses], flat[len(flat) - n_losses :]
        places = [record_loss(loss) for loss in losses]
        for value, found in zip(values, returned[1], strict=True):
            if found is not None:
                masks.attach(value, found)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            dys = [dy] if len(values) == 1 and not isinstance(dy, list | tuple) else list(dy)
            of_losses = (np.ones_like(loss) * loss_slope(k) for k, loss in zip(places, losses, strict=True))
            gradients = back((*dys, *of_losses))
            n = len(variables)
            return gradients[n:], dict(zip(variables, gradients[:n], strict=True))

        single = not isinstance(returned[0], list | tuple | dict)
        return (values[0] if single else list(values)), pullback

    def infer(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        """The output alone: what `forward` computes, with nothing kept for a way back."""
        if self._uses_call:
            return self._run_call(inputs, mask, training, structure)
        return self.forward(*inputs, mask=mask, training=training, structure=structure)[0]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output's shape (batch included) for inputs of `input_shape`; a list of shapes for several outputs."""
        from gatewise.probing import probed_outputs

        given = tree.map_shapes(lambda s: SymbolicTensor(s, self._dtype), input_shape)
        leaves, structure = CallArguments.arrange((given,), {})
        return tree.map_leaves(lambda y: y.shape, probed_outputs(self, leaves, structure))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the output (a list for several outputs), from the inputs and their mask."""
        return previous_mask

    # --- being called ----------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._chain is not None and len(args) == 1 and not kwargs and (y := self._chain(args[0])) is not None:
            return y
        if "_name" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}.__init__ did not call super().__init__(); call it first, before setting "
                "attributes."
            )
        if self._uses_call and len(args) > 1:
            args, kwargs = mask_and_mode_by_name(type(self), args, kwargs)
        leaves, structure = self.arrange(args, kwargs)
        call = CallArguments.of(leaves, structure, kwargs)
        if not call.leaves and not self._uses_call:
            given = next(iter((*args, *kwargs.values())), None)
            raise TypeError(
                f"Layer '{self.name}' ({type(self).__name__}) is called with an array of numbers; it was given "
                f"{'nothing' if given is None else describe(given)}."
            )
        return self._called(call)

    def _called(self, call: CallArguments) -> Any:
        """The output for arguments that are sorted out: a node on symbolic tensors, arrays on arrays."""
        if any(isinstance(leaf, SymbolicTensor) for leaf in call.leaves):
            return self._connect(call)
        self.check_ragged(call.leaves)
        leaves, mask = self._as_inputs(call.leaves, call.mask)
        self.build_for(leaves, call.structure)
        self.check_inputs([leaf.shape for leaf in leaves])
        if mask is None:
            found = [masks.mask_of(leaf) for leaf in leaves]
            mask = self.select_masks(found, call.structure) if any(m is not None for m in found) else None
        training = self._mode(call.training)
        if not self._uses_call and (tracing() or autodiff.is_traced(*leaves)):
            y = self._apply_native(leaves, mask, training, call.structure)
        else:
            y = self._computed_alone(leaves, mask, training, call.structure)
            own = apart_from(leaves, [y] if type(y) is np.ndarray else list(tree.leaves(y)))
            y = own[0] if type(y) is np.ndarray else tree.fill(y, own)
        self._attach_masks(leaves, y, mask)
        if self._may_chain:
            self._notice_call()
        return y

    def _notice_call(self) -> None:
        """Let `gatewise.chains` make the native object for calls like this one."""
        from gatewise.chains import notice_call

        notice_call(self)

    def _computed_alone(self, leaves: Sequence[Any], mask: Any, training: bool, structure: Any) -> Any:
        """`compute`; where no one else gathers the losses that layers add, they are kept for `losses`."""
        adds_losses = self._uses_call or self.is_model or self.activity_regularizer is not None
        if running.losses is not None or not adds_losses:
            return self.compute(leaves, mask, training, structure)
        with collected_losses() as found:
            y = self.compute(leaves, mask, training, structure)
        self._added_losses = found
        return y

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        """Take the arrays out of a call's arguments: (flat arrays, how they fold back; None for `layer(x)`)."""
        if kwargs and not (self._uses_call or self.takes_list):
            unknown = kwargs.keys() - {"inputs", "mask", "training", *call_parameters(type(self))}
            if unknown:
                raise TypeError(
                    f"Layer '{self.name}' ({type(self).__name__}) is called with inputs, mask and training; it has no "
                    f"argument {', '.join(map(repr, sorted(unknown)))}."
                )
        if len(args) == 1 and type(args[0]) is not SymbolicTensor and not (self._uses_call or self.takes_list):
            wanted = None if self.input_rank is None else (None,) * self.input_rank
            args = (ragged.from_samples(args[0], wanted),)
        return CallArguments.arrange(args, kwargs)

    def compute(self, inputs: Sequence[Any], mask: Any, training: bool, structure: Any) -> Any:
        """The output for flat inputs, the activity regularizer recorded; nested outputs flat, in a list."""
        if self._uses_call:
            y = self.infer(*inputs, mask=mask, training=training, structure=structure)
        else:
            y = self.infer(*self._in_own_type(inputs), mask=mask, training=training, structure=structure)
        if self.activity_regularizer is not None:
            for leaf in tree.leaves(y):
                record_loss(self.activity_regularizer(leaf) / max(len(leaf), 1))
        for function in self._loss_functions:
            record_loss(function())
        return y

    def differentiate(self, inputs: Sequence[Any], mask: Any, training: bool, structure: Any) -> Any:
        """`forward`, with the activity regularizer's loss recorded and its gradient added on the way back."""
        if self._uses_call:
            y, pullback = self.forward(*inputs, mask=mask, training=training, structure=structure)
        else:
            own = self._in_own_type(inputs)
            y, pullback = self.forward(*own, mask=mask, training=training, structure=structure)
            if own is not inputs:
                pullback = cast_back(pullback, inputs)
        if self._loss_functions:
            pullback = added_losses.with_functions(self._loss_functions, self.trainable_variables, pullback)
        if self.activity_regularizer is not None:
            pullback = added_losses.with_regularizer(self.activity_regularizer, y, pullback)
        return y, pullback

    def _apply_native(self, leaves: Sequence[Any], mask: Any, training: bool, structure: Any = None) -> Any:
        """Run a built-in layer so that its weights and inputs take part in an enclosing differentiation."""

        def run(*values: Any) -> Any:
            if not self._uses_call:
                return self.differentiate(values, autodiff.plain(mask), training, structure)
            own = self._in_own_type(values)  # called by a subclass as super().call(...)
            return self._hand_derived.forward(
                self, *own, mask=autodiff.plain(mask), training=training, structure=structure
            )

        y, losses = added_losses.applied(run, self.trainable_variables, leaves)
        if running.losses is None and (losses or self.is_model):
            self._added_losses = losses
        for loss in losses:
            record_loss(loss)
        return y

    def _run_call(self, leaves: Sequence[Any], mask: Any, training: bool, structure: Any) -> Any:
        """Call the user's `call` with the arguments folded back, its mask and mode where it takes them."""
        if not self.is_operation:
            # `x *= 2` changes an array in place; in Keras it is another tensor, and the caller's stays as it is.
            leaves = [x.copy() if type(x) is np.ndarray else x for x in leaves]
        args, kwargs = ((leaves[0],), {}) if structure is None else structure.fill(leaves)
        accepted = call_parameters(type(self))
        if mask is not None and "mask" in accepted:
            kwargs["mask"] = mask
        if "training" in accepted:
            kwargs["training"] = training
        given = [] if mask is None else mask if isinstance(mask, list) else [mask]
        with mode(training), name_scope(self.name), masks.attached_within(leaves, given):
            return self.call(*args, **kwargs)

    def _mode(self, training: bool | None) -> bool:
        return bool(running.training if training is None else training)

    # --- building and connecting -----------------------------------------------------------------------------

    def _refuse_text(self) -> None:
        raise ValueError(
            f"Layer '{self.name}' ({type(self).__name__}) computes with numbers; it was given text. Put a "
            "TextVectorization or StringLookup layer before it."
        )

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        """Raise ValueError if inputs of these shapes (batch included) do not suit the layer."""
        if self.input_spec is not None:
            check_specs(self, self.input_spec, shapes)

    def _connect(self, call: CallArguments) -> Any:
        """Make a node: the layer's use on symbolic tensors."""
        if not (self.takes_text or self._uses_call) and any(_is_text(x) for x in call.leaves):
            self._refuse_text()
        shapes = [tuple(leaf.shape) for leaf in call.leaves]
        self.check_inputs(shapes)
        self.build_for(call.leaves, call.structure)
        outputs = self._symbolic_outputs(call.leaves, call.structure)
        leaves = [x if isinstance(x, SymbolicTensor) else self._as_input(x) for x in call.leaves]
        node = Node(self, leaves, list(tree.leaves(outputs)), call.structure, call.mask, call.training)
        self._inbound_nodes.append(node)
        return outputs

    def _symbolic_outputs(self, leaves: Sequence[Any], structure: Any) -> Any:
        overridden = type(self).compute_output_shape is not Layer.compute_output_shape
        if not overridden:
            from gatewise.probing import probed_outputs

            return probed_outputs(self, leaves, structure)
        shape = self._shape_to_build([tuple(leaf.shape) for leaf in leaves], structure)
        return tree.map_shapes(lambda s: SymbolicTensor(s, self._dtype), self.compute_output_shape(shape))

    def _repr_svg_(self) -> str | None:
        """What notebooks show: the picture of a built model or recurrent layer."""
        from gatewise.explain.draw.notebook import svg_of

        return svg_of(self)


serialization.publish(Layer, "keras.layers")


REPLACEABLE = frozenset({
    "__call__", "call", "compute", "differentiate", "forward", "infer",
    "compute_loss", "compute_metrics", "predict_step", "test_step", "train_step",
})  # fmt: skip
"""Methods that a user may put into an object; those of a model's steps are refused there when it trains."""


def _is_text(x: Any) -> bool:
    return isinstance(x, SymbolicTensor) and x.dtype == "string"

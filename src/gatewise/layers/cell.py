"""Cells: what computes one step of a recurrence, and whole sequences of steps at once.

`RNN` asks a cell for whole sequences.  A built-in cell answers with one kernel call each way (`run_states`,
`trace_states`); one step, `cell(x, states)`, is a sequence of length one.  A user's cell has only a `call` for one
step; `stepping` runs that in a loop.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import activations, constraints, initializers, random, regularizers, tree, validation
from gatewise.arguments import standard_dtype
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.layers.chance import Chance
from gatewise.variable import Variable


class Taped(NamedTuple):
    """What `Cell.trace_states` returns, and what its steps computed on the way.

    tape: the family's tape, (N, T, ...) each; None for a cell that has none.
    chance: what dropout and zoneout drew.
    """

    h: Any
    last: list
    pullback: Any
    tape: Any = None
    chance: Chance = Chance()


class Cell(Layer):
    """Base of the built-in cells.

    Attributes:
        state_size: the length of each state: an integer, or a nesting of integers.
        output_size: the length of the output.
    """

    state_size: Any
    output_size: Any

    # --- a family supplies these -----------------------------------------------------------------------------

    def run_states(
        self, x: Any, states: Sequence[Any], mask: Any, training: bool, every_step: bool, chance: Chance | None = None
    ) -> Any:
        """(outputs of every step or None, last output, [last states]) for batch-major x (N, T, ...); nothing kept.

        A masked step copies the states and repeats the output before it.  `states`, flat, is empty for zeros.
        `chance`, what `drawn` returned for these steps, is drawn here if it is None.
        """
        raise TypeError(f"{type(self).__name__} must define run_states.")

    def trace_states(
        self, x: Any, states: Sequence[Any], mask: Any, training: bool, chance: Chance | None = None
    ) -> Any:
        """(outputs of every step (N, T, ...), [last states], pullback).  `chance` as of `run_states`.

        `pullback(dy, dy_last, d_last, wants_dx)` takes the gradients of every output, of the last output once more and
        of each last state (None where nothing flows back) and returns (dx, [d_states], {variable: gradient}).
        """
        raise TypeError(f"{type(self).__name__} must define trace_states.")

    def taped_states(self, x: Any, states: Sequence[Any], mask: Any, training: bool, keep_sums: bool = False) -> Taped:
        """`trace_states` with its tape, for whoever wants to look at it; outside of training `run_states`'s bits.

        keep_sums: whether a gated cell's tape holds the sums before activation even if the way back can do without.
        """
        return Taped(*self.trace_states(x, states, mask, training))

    def drawn(self, shape: Sequence[int], training: bool) -> Chance:
        """What chance decides in one run over x of this shape, (N, T, ...)."""
        return Chance()

    @property
    def features(self) -> int | None:
        """The number of features of a step's input; None as long as any may come."""
        return None

    def stream_kind(self) -> str | None:
        """The name under which the kernels take the cell into a chain of layers; None if they do not."""
        return None

    # --- states ----------------------------------------------------------------------------------------------

    @property
    def state_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each state without the batch, flat."""
        return [(size,) for size in tree.leaves(self.state_size)]

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Zeros, (batch_size, size) for each size in `state_size`, in a list."""
        return [np.zeros((batch_size or 1, *shape), self.dtype) for shape in self.state_shapes]

    # --- one step --------------------------------------------------------------------------------------------

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        return super().arrange(args, kwargs) if self._uses_call else (self._step_inputs(args, kwargs), None)

    def _step_inputs(self, args: tuple, kwargs: dict[str, Any]) -> list:
        """The arrays of one step's arguments, flat: the input, then the states."""
        given = dict(zip(("inputs", "states", "training"), args, strict=False)) | kwargs
        if not {"inputs", "states"} <= set(given):
            states = ", ".join(("h", "c")[: len(self.state_shapes)])
            raise TypeError(
                f"Layer '{self.name}' ({type(self).__name__}) is called with inputs and states: cell(x, [{states}])."
            )
        leaves, _ = super().arrange((given["inputs"],), {})
        return [*leaves, *tree.leaves(given["states"])]

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        super().ensure_built(shapes if self._uses_call else shapes[:1], structure)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        if len(shapes) > 1 and not self._uses_call:
            states = [SymbolicTensor(s) for s in shapes[1:]]
            validation.check_states(states, self.state_shapes, shapes[0][0], self.name)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape if tree.is_shape(input_shape) else input_shape[0]
        states = [(shape[0], *state) for state in self.state_shapes]
        return [(shape[0], *as_shape(self.output_size)), tree.fill(self._state_tree(), states)]

    def _state_tree(self) -> Any:
        """The nesting in which one step returns the states: a list even of one."""
        return self.state_size if isinstance(self.state_size, list | tuple | dict) else [self.state_size]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        y = super().__call__(*args, **kwargs)
        return y if self._uses_call else self._as_returned(y)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """One step for a subclass with a `call` of its own: `super().call(inputs, states)`."""
        leaves = self._step_inputs(args, kwargs)
        return self._as_returned(self._apply_native(leaves, None, self._mode(kwargs.get("training"))))

    def _as_returned(self, y: Any) -> tuple[Any, Any]:
        """(output, states), nested as Keras's cells return them."""
        output, *states = list(tree.leaves(y))
        return output, tree.fill(self._state_tree(), states)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x, *states = inputs
        y, last, back = self.trace_states(x[:, None], states, None, training)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            d_output, *d_last = dy
            dx, d_states, gradients = back(None, d_output, d_last, wants_dx)
            return (None if dx is None else dx[:, 0], *d_states), gradients

        return [y[:, 0], *last], pullback

    def infer(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        if self._uses_call:
            return super().infer(*inputs, mask=mask, training=training, structure=structure)
        x, *states = inputs
        _, y, last = self.run_states(x[:, None], states, None, training, False)
        return [y, *last]


class GatedCell(Cell):
    """Base of LSTMCell, GRUCell and SimpleRNNCell: `n_gates` gates side by side in kernel, recurrent kernel and bias.

    Args:
        units: H, the length of the output and of each state.
        activation, recurrent_activation: name or function; `recurrent_activation` where there are gates.
        use_bias: whether there is a bias.
        *_initializer, *_regularizer, *_constraint: name, object or function.
        dropout, recurrent_dropout: fraction of x and of h[t-1] that is set to zero in training, the same at every step.
        seed: of the dropout.
        quantization: "int8" or "bfloat16" for weights of fewer bits, which `gatewise.quantize` makes; see `narrow`.

    Weights: kernel (F, G H), recurrent_kernel (H, G H), bias: G gates, in the family's order.

    Raises:
        ValueError: naming the argument.
    """

    not_in_config = ("implementation",)
    taken_by_name = ("quantization",)
    n_gates = 1
    kernel_family: str | None = None
    """The name of the family in the kernels' functions."""

    def __init__(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        recurrent_activation: Any = None,
        implementation: int = 2,
        quantization: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_cell_arguments(locals(), type(self).__name__)
        if quantization is not None:
            from gatewise.layers import narrow

            narrow.check_storage(quantization, type(self).__name__)
        self.quantization = quantization
        self.units = int(units)
        self.activation = activations.get(activation)
        if recurrent_activation is not None or self.n_gates > 1:
            self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer: Any = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout, self.recurrent_dropout = float(dropout), float(recurrent_dropout)
        self.seed = seed
        self.implementation = implementation
        self.state_size: Any = self.units
        self.output_size = self.units
        self.bias: Variable | None = None
        self._seeds = random.SeedGenerator(seed) if self.dropout or self.recurrent_dropout else None
        self._packed: tuple[tuple, Any] = ((), None)
        self._known_activations: tuple[tuple, Any] = ((), None)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": ((), None)}  # the packed weights are the kernels' and cannot be copied

    def build(self, input_shape: Any) -> None:
        F, H, G = input_shape[-1], self.units, self.n_gates
        if self.quantization is not None:
            from gatewise.layers import narrow

            narrow.add_weights(self, F)
            return
        self.kernel = self.add_weight(
            (F, G * H), self.kernel_initializer, name="kernel",
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint,
        )  # fmt: skip
        self.recurrent_kernel = self.add_weight(
            (self.output_size, G * H), self.recurrent_initializer, name="recurrent_kernel",
            regularizer=self.recurrent_regularizer, constraint=self.recurrent_constraint,
        )  # fmt: skip
        if self.use_bias:
            self.bias = self.add_weight(
                self._bias_shape(), self._initial_bias(), name="bias",
                regularizer=self.bias_regularizer, constraint=self.bias_constraint,
            )  # fmt: skip

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.n_gates * self.units,)

    def _initial_bias(self) -> Any:
        """The initializer of the bias."""
        return self.bias_initializer

    @property
    def features(self) -> int | None:
        return self.kernel.shape[0] if self.built else None

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        features = self.features
        if not self._uses_call and (len(shapes[0]) != 2 or features not in (None, shapes[0][1])):
            name = type(self).__name__
            raise ValueError(
                f"Layer '{self.name}' ({name}) computes one step.\n"
                f"    expected: {validation.drawn((None, features), ('batch', 'features'))}\n"
                f"    given:    {validation.drawn(shapes[0])}\nUse {name.removesuffix('Cell')} for whole sequences."
            )
        super().check_inputs(shapes)

    def dropout_multipliers(self, shape: Sequence[int], training: bool) -> tuple[Any, Any]:
        """What x (N, F) and h (N, H) are multiplied by at every step in training; None for one."""
        if self._seeds is None or not training:
            return None, None
        N = shape[0]
        return (
            random.dropout_multiplier(self._seeds, (N, shape[-1]), self.dropout, self.dtype),
            random.dropout_multiplier(self._seeds, (N, self.output_size), self.recurrent_dropout, self.dtype),
        )

    def drawn(self, shape: Sequence[int], training: bool) -> Chance:
        return Chance(*self.dropout_multipliers(shape, training))

    # --- what the kernels are given --------------------------------------------------------------------------

    def _activations(self) -> tuple:
        """The activations in the order in which the kernels take them."""
        return (self.activation, self.recurrent_activation) if self.n_gates > 1 else (self.activation,)

    def _kernel_activations(self) -> tuple[str, ...] | None:
        """The names under which the kernels know all activations; None if they do not."""
        chosen = self._activations()
        if self._known_activations[0] != chosen:
            names = tuple(activations.kernel_name(f) for f in chosen)
            self._known_activations = (chosen, None if None in names else names)
        return self._known_activations[1]

    def _pair_activations(self) -> tuple[Callable, ...]:
        """The activations as pair functions, for the NumPy twins."""
        return tuple(activations.forward_of(f) for f in self._activations())

    def _weight_arrays(self) -> tuple[Any, Any, Any]:
        """W, U and b (None without a bias)."""
        return self.kernel.array, self.recurrent_kernel.array, None if self.bias is None else self.bias.array

    def _pack(self) -> Any:
        """The weights in the kernels' layout."""
        raise TypeError(f"{type(self).__name__} must define _pack.")

    def _packed_weights(self) -> Any:
        """The weights in the kernels' layout; packed again when one of them was written to."""
        key = tuple([v.stamp for v in self._variables])
        known, packed = self._packed
        if known != key:
            packed = self._pack()
            self._packed = (key, packed)
        return packed

    def _wanted(self, *variables: Variable | None) -> tuple[bool, ...]:
        """Whether the gradient of each variable is wanted."""
        return tuple([self._trainable and v is not None and v.trainable for v in variables])


def check_cell_arguments(given: dict[str, Any], owner: str) -> None:
    """Check the arguments that all gated cells share.

    Raises:
        ValueError: in the name of `owner`, the class that the user wrote.
    """
    size = "filters" if "filters" in given else "units"
    validation.positive_integer(given[size], size, owner)
    standard_dtype(given.get("kwargs", {}).get("dtype"), owner)
    validation.fraction(given["dropout"], "dropout", owner)
    validation.fraction(given["recurrent_dropout"], "recurrent_dropout", owner)
    implementation = given.get("implementation", 2)
    if implementation not in (0, 1, 2):
        raise ValueError(f"{owner}: implementation is 0, 1 or 2, which compute the same; got {implementation!r}.")


def given_arguments(found: dict[str, Any]) -> dict[str, Any]:
    """The named arguments of a constructor, from its `locals()`."""
    return {name: value for name, value in found.items() if name not in ("self", "kwargs", "__class__")}


def split_arguments(given: dict[str, Any], cell_class: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """A recurrent layer's arguments as those of its cell and the others."""
    names = set(inspect.signature(cell_class.__init__).parameters)
    return {k: v for k, v in given.items() if k in names}, {k: v for k, v in given.items() if k not in names}


def added(a: Any, b: Any) -> Any:
    """The sum of two gradients, either of which may be None."""
    return b if a is None else a if b is None else a + b


def one_by_one(trace: Callable[..., Any], x: np.ndarray, states: Sequence[Any], mask: Any, every_step: bool) -> Any:
    """`run_states` by `trace(x, states, mask) -> (tape, [last states], pullback)` on each step alone.

    NumPy's products may be summed in another order for many steps than for one; so a step is the same whatever follows.
    """
    outputs = []
    for t in range(x.shape[1]):
        tape, states, _ = trace(x[:, t : t + 1], states, None if mask is None else mask[:, t : t + 1])
        outputs.append(tape.h)
    return (np.concatenate(outputs, axis=1) if every_step else None), states[0], list(states)


def taped_one_by_one(trace: Callable[..., Any], x: np.ndarray, states: Sequence[Any], mask: Any) -> Any:
    """(tape, [last states]) of all steps by `trace` on each step alone, as `one_by_one` runs them."""
    tapes = []
    for t in range(x.shape[1]):
        tape, states, _ = trace(x[:, t : t + 1], states, None if mask is None else mask[:, t : t + 1])
        tapes.append(tape)
    fields = zip(*tapes, strict=True)
    joined = [None if of_steps[0] is None else np.concatenate(of_steps, axis=1) for of_steps in fields]
    return type(tapes[0])(*joined), list(states)


def as_shape(size: Any) -> tuple[int, ...]:
    """What a cell gives as a size, a number or several, as a shape without the batch."""
    return tuple(size) if isinstance(size, list | tuple) else (size,)

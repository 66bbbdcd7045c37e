"""LSTM and its cell.

    i, f, o = recurrent_activation(x[t] W + h[t-1] U + b)    g = activation(x[t] W_c + h[t-1] U_c + b_c)
    c[t] = f c[t-1] + i g                                    h[t] = o activation(c[t])

Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 (forget gate).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import activations, constraints, initializers, kernels, random, regularizers, validation
from gatewise.arguments import standard_dtype
from gatewise.graph import SymbolicTensor
from gatewise.kernels import reference
from gatewise.layer import Layer
from gatewise.layers.recurrent import Recurrent
from gatewise.variable import Variable


class LSTMCell(Layer):
    """One step of an LSTM: the weights, and `(x, [h, c]) -> (h, [h, c])`.

    Args:
        units: H, the length of h and of c.
        activation, recurrent_activation: name or function.
        use_bias, unit_forget_bias: whether there is a bias; whether the forget gate's begins at 1.
        *_initializer, *_regularizer, *_constraint: name, object or function.
        dropout, recurrent_dropout: fraction of x and of h[t-1] that is set to zero in training, the same at every step.
        seed: of the dropout.

    Weights: kernel (F, 4H), recurrent_kernel (H, 4H), bias (4H,), columns in the order i, f, c, o.
    """

    not_in_config = ("implementation",)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = validation.positive_integer(units, "units", type(self).__name__)
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer: Any = initializers.get(bias_initializer)
        self.unit_forget_bias = bool(unit_forget_bias)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = validation.fraction(dropout, "dropout", type(self).__name__)
        self.recurrent_dropout = validation.fraction(recurrent_dropout, "recurrent_dropout", type(self).__name__)
        self.seed = seed
        if implementation not in (0, 1, 2):
            raise ValueError(
                f"{type(self).__name__}: implementation is 0, 1 or 2, which compute the same; got {implementation!r}."
            )
        self.implementation = implementation
        self.state_size = [self.units, self.units]
        self.output_size = self.units
        self.bias: Variable | None = None
        self._seeds = random.SeedGenerator(seed) if self.dropout or self.recurrent_dropout else None
        self._packed: tuple[tuple, Any] = ((), None)
        self._known_activations: tuple[tuple, Any] = ((), None)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": ((), None)}  # the packed weights are the kernels' and cannot be copied

    def build(self, input_shape: Any) -> None:
        F, H = input_shape[-1], self.units
        self.kernel = self.add_weight(
            (F, 4 * H), self.kernel_initializer, name="kernel",
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint,
        )  # fmt: skip
        self.recurrent_kernel = self.add_weight(
            (H, 4 * H), self.recurrent_initializer, name="recurrent_kernel",
            regularizer=self.recurrent_regularizer, constraint=self.recurrent_constraint,
        )  # fmt: skip
        if self.use_bias:
            self.bias = self.add_weight(
                (4 * H,), self._initial_bias if self.unit_forget_bias else self.bias_initializer, name="bias",
                regularizer=self.bias_regularizer, constraint=self.bias_constraint,
            )  # fmt: skip

    def _initial_bias(self, shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        """Ones for the forget gate; the other three gates follow the bias initializer."""
        H = self.units
        parts = [
            self.bias_initializer((H,), dtype=dtype),
            np.ones(H, dtype),
            self.bias_initializer((2 * H,), dtype=dtype),
        ]
        return np.concatenate(parts)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape[0] if isinstance(input_shape[0], list | tuple) else input_shape
        state = (shape[0], self.units)
        return [state, [state, state]]

    def get_initial_state(self, batch_size: int) -> list[np.ndarray]:
        """Zeros: [h, c], each (batch_size, H)."""
        return [np.zeros((batch_size, self.units), self.dtype) for _ in range(2)]

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        given = dict(zip(("inputs", "states"), args, strict=False)) | kwargs
        if not {"inputs", "states"} <= set(given):
            raise TypeError(f"Layer '{self.name}' is called with inputs and states: cell(x, [h, c]).")
        leaves, _ = super().arrange((given["inputs"],), {})
        return [*leaves, *given["states"]], None

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        super().ensure_built(shapes[:1])

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        if len(shapes[0]) != 2 or (self.built and shapes[0][1] != self.kernel.shape[0]):
            features = self.kernel.shape[0] if self.built else None
            raise ValueError(
                f"Layer '{self.name}' (LSTMCell) computes one step.\n"
                f"    expected: {validation.drawn((None, features), ('batch', 'features'))}\n"
                f"    given:    {validation.drawn(shapes[0])}\nUse LSTM for whole sequences."
            )
        if len(shapes) > 1:
            validation.check_states([SymbolicTensor(s) for s in shapes[1:]], self.state_size, shapes[0][0], self.name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        h, *states = super().__call__(*args, **kwargs)
        return h, states[0] if isinstance(states[0], list) else states

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x, h0, c0 = inputs
        h, last, back = self.trace_states(x[:, None], (h0, c0), None, training)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            d_output, dh, dc = dy
            if d_output is not None:
                dh = d_output if dh is None else dh + d_output
            dx, d_states, gradients = back(None, [dh, dc], wants_dx)
            return (None if dx is None else dx[:, 0], *d_states), gradients

        return [h[:, 0], *last], pullback

    # --- whole sequences -------------------------------------------------------------------------------------

    def run_states(self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, every_step: bool) -> Any:
        """(h of every step or None, [last h, last c]); nothing kept."""
        known = self._kernel_activations()
        x_dropout, h_dropout = self.dropout_multipliers(x.shape, training)
        if known is None or x_dropout is not None or h_dropout is not None:
            h, last, _ = self.trace_states(x, states, mask, training)
            return h, last
        h0, c0 = states or (None, None)
        h, h_last, c_last = kernels.lstm_predict(x, h0, c0, self._packed_weights(), mask, *known, every_step)
        return h, [h_last, c_last]

    def trace_states(self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool) -> Any:
        """(h (N, T, H), [last h, last c], pullback)."""
        W, U = self.kernel.array, self.recurrent_kernel.array
        b = None if self.bias is None else self.bias.array
        h0, c0 = states or (None, None)
        x_dropout, h_dropout = self.dropout_multipliers(x.shape, training)
        known = self._kernel_activations()
        room: Any = kernels if known else reference
        chosen = known or tuple(activations.forward_of(f) for f in (self.activation, self.recurrent_activation))
        tape = room.lstm_forward(x, h0, c0, W, U, b, mask, *chosen, x_dropout, h_dropout)
        last = [tape.h[:, -1], tape.c[:, -1]]

        def pullback(dh: Any, d_last: Sequence[Any], wants_dx: bool) -> tuple[Any, list, dict]:
            dx, dh0, dc0, dW, dU, db = room.lstm_backward(
                tape, x, h0, c0, W, U, dh, *d_last, mask, *chosen, x_dropout, h_dropout,
                wants=(wants_dx, h0 is not None, *self._trained_weights()),
            )  # fmt: skip
            pairs = ((self.kernel, dW), (self.recurrent_kernel, dU), (self.bias, db))
            return dx, [dh0, dc0], {v: d for v, d in pairs if v is not None and d is not None}

        return tape.h, last, pullback

    def _trained_weights(self) -> tuple[bool, bool, bool]:
        """Whether the gradients of kernel, recurrent kernel and bias are wanted."""
        on, bias = self._trainable, self.bias
        return (
            on and self.kernel.trainable,
            on and self.recurrent_kernel.trainable,
            on and bias is not None and bias.trainable,
        )

    def dropout_multipliers(self, shape: Sequence[int], training: bool) -> tuple[Any, Any]:
        """What x (N, F) and h (N, H) are multiplied by at every step in training; None for one."""
        if self._seeds is None or not training:
            return None, None
        N = shape[0]
        return (
            random.dropout_multiplier(self._seeds, (N, shape[-1]), self.dropout, self.dtype),
            random.dropout_multiplier(self._seeds, (N, self.units), self.recurrent_dropout, self.dtype),
        )

    def _kernel_activations(self) -> tuple[str, str] | None:
        """The names under which the kernels know both activations; None if they do not."""
        chosen = (self.activation, self.recurrent_activation)
        if self._known_activations[0] != chosen:
            names = activations.kernel_name(chosen[0]), activations.kernel_name(chosen[1])
            self._known_activations = (chosen, None if None in names else names)
        return self._known_activations[1]

    def _packed_weights(self) -> Any:
        """The weights in the kernels' layout; packed again when one of them was written to."""
        key = (self.kernel.stamp, self.recurrent_kernel.stamp, 0 if self.bias is None else self.bias.stamp)
        known, packed = self._packed
        if known != key:
            b = None if self.bias is None else self.bias.array
            packed = kernels.pack_lstm(self.kernel.array, self.recurrent_kernel.array, b)
            self._packed = (key, packed)
        return packed


class LSTM(Recurrent):
    """Long short-term memory over whole sequences.

    Args:
        units: H, the length of the hidden state h and of the cell state c; any number of time steps uses the same
            weights.
        activation: of the candidate g and of the cell on its way out.  recurrent_activation: of the gates i, f, o.
        use_bias: whether there is a bias.  unit_forget_bias: whether the forget gate's begins at 1.
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of the three weights.
        activity_regularizer: of the output.
        dropout, recurrent_dropout: fraction of x and of h[t-1] set to zero in training, the same at every step.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask, time_major: see
            `Recurrent`.
        seed: of the dropout.  implementation: accepted; it changes no result.
        **kwargs: name, dtype, trainable, input_shape and the others of `Layer`.

    Called with `layer(sequences, initial_state=None, mask=None, training=False)`: sequences (N, T, F); initial_state
    [h, c], each (N, H); mask (N, T), True where the step counts.

    Returns:
        h of the last step (N, H), or of every step (N, T, H) with return_sequences; with return_state
        [output, h, c].

    Raises:
        ValueError: for arguments, inputs, states or masks of the wrong shape.

    Weights: kernel (F, 4H), recurrent_kernel (H, 4H), bias (4H,), columns in the order i, f, c, o:
    4 x ((F + H) x H + H) numbers in all.

    Source: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 (forget gate); Gal & Ghahramani 2016
    (dropout that is the same at every step).
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        implementation: int = 2,
        time_major: bool = False,
        **kwargs: Any,
    ) -> None:
        # Checked here too, so that a message names the layer that the user wrote and not its cell.
        validation.positive_integer(units, "units", type(self).__name__)
        standard_dtype(kwargs.get("dtype"), type(self).__name__)
        validation.fraction(dropout, "dropout", type(self).__name__)
        validation.fraction(recurrent_dropout, "recurrent_dropout", type(self).__name__)
        cell = LSTMCell(
            units=units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            implementation=implementation,
            name="lstm_cell",
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
        )
        super().__init__(
            cell=cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            time_major=time_major,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )

    def run_states(self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, every_step: bool) -> Any:
        return self.cell.run_states(x, states, mask, training, every_step)

    def trace_states(self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool) -> Any:
        return self.cell.trace_states(x, states, mask, training)

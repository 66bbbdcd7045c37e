"""GRU and its cell.

    z, r = recurrent_activation(x[t] W + h[t-1] U + b)        h[t] = z h[t-1] + (1 - z) g
    reset_after:  g = activation(x[t] W_h + b_h + r (h[t-1] U_h + b_recurrent_h))
    else:         g = activation(x[t] W_h + b_h + (r h[t-1]) U_h)

Cho et al. 2014 (reset before the product); cuDNN and Keras (after it).
"""

from __future__ import annotations

from typing import Any

from gatewise.layers.cell import given_arguments
from gatewise.layers.one_state import OneStateCell
from gatewise.layers.recurrent import CellLayer


class GRUCell(OneStateCell):
    """One step of a GRU: the weights, and `(x, [h]) -> (h, [h])`.

    Args:
        units: H, the length of h.
        activation, recurrent_activation: name or function.
        use_bias: whether there is a bias.
        *_initializer, *_regularizer, *_constraint: name, object or function.
        dropout, recurrent_dropout: fraction of x and of h[t-1] that is set to zero in training, the same at every step
            and for all gates.
        reset_after: whether the reset gate multiplies h[t-1] U_h + b_recurrent_h, or h[t-1] before the product.
        seed: of the dropout.

    Weights: kernel (F, 3H), recurrent_kernel (H, 3H), columns in the order z, r, h; bias (2, 3H), the row of the
    inputs and that of the recurrence, or (3H,) without reset_after.
    """

    n_gates = 3
    kernel_family = "gru"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        given = given_arguments(locals())
        del given["reset_after"]
        super().__init__(**given, **kwargs)
        self.reset_after = bool(reset_after)

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def _kernel_options(self) -> tuple:
        return (self.reset_after,)


class GRU(CellLayer):
    """Gated recurrent unit over whole sequences.

    Args:
        units: H, the length of the hidden state h; any number of time steps uses the same weights.
        activation: of the candidate.  recurrent_activation: of the gates z (update) and r (reset).
        use_bias: whether there is a bias.
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of the three weights.
        activity_regularizer: of the output.
        dropout, recurrent_dropout: fraction of x and of h[t-1] set to zero in training, the same at every step and for
            all gates.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask, time_major, remat_steps:
            see `RNN`.
        reset_after: whether the reset gate multiplies h[t-1] U_h + b_recurrent_h (Keras 3, cuDNN, PyTorch), or h[t-1]
            before the product (the paper; the default of Keras 2.2 and TensorFlow 1).
        seed: of the dropout.  implementation, use_cudnn: accepted; they change no result.
        **kwargs: name, dtype, trainable, input_shape and the others of `Layer`.

    Called with `layer(sequences, initial_state=None, mask=None, training=False)`: sequences (N, T, F); initial_state
    [h] or h, (N, H); mask (N, T), True where the step counts.

    Returns:
        h of the last step (N, H), or of every step (N, T, H) with return_sequences; with return_state
        [output, h].

    Raises:
        ValueError: for arguments, inputs, states or masks of the wrong shape.

    Weights: kernel (F, 3H), recurrent_kernel (H, 3H), columns in the order z, r, h; bias (2, 3H) with reset_after, the
    row of the inputs and that of the recurrence, else (3H,): 3 x ((F + H) x H + 2 H), or + H, numbers in all.

    Source: Cho et al. 2014; Gal & Ghahramani 2016 (dropout that is the same at every step).
    """

    cell_class = GRUCell
    _may_chain = True

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        zero_output_for_mask: bool = False,
        implementation: int = 2,
        time_major: bool = False,
        *,
        remat_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(given_arguments(locals()), **kwargs)

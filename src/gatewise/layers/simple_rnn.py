"""SimpleRNN and its cell.

    h[t] = activation(x[t] W + h[t-1] U + b)

Elman 1990.
"""

from __future__ import annotations

import warnings
from typing import Any

from gatewise.layers.cell import given_arguments
from gatewise.layers.one_state import OneStateCell
from gatewise.layers.recurrent import CellLayer


class SimpleRNNCell(OneStateCell):
    """One step of a SimpleRNN: the weights, and `(x, [h]) -> (h, [h])`.

    Args:
        units: H, the length of h.
        activation: name or function.
        use_bias: whether there is a bias.
        *_initializer, *_regularizer, *_constraint: name, object or function.
        dropout, recurrent_dropout: fraction of x and of h[t-1] that is set to zero in training, the same at every step.
        seed: of the dropout.

    Weights: kernel (F, H), recurrent_kernel (H, H), bias (H,).
    """

    kernel_family = "simple_rnn"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
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
        seed: int | None = None,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**given_arguments(locals()), **kwargs)


class SimpleRNN(CellLayer):
    """A layer whose output is fed back to its input, over whole sequences.

    Args:
        units: H, the length of the hidden state h; any number of time steps uses the same weights.
        activation: name or function.  use_bias: whether there is a bias.
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of the three weights.
        activity_regularizer: accepted, with a warning, and without effect, as in Keras 3; put an ActivityRegularization
            after the layer instead.
        dropout, recurrent_dropout: fraction of x and of h[t-1] set to zero in training, the same at every step.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask, time_major, remat_steps:
            see `RNN`.
        seed: of the dropout.  implementation: accepted; it changes no result.
        **kwargs: name, dtype, trainable, input_shape and the others of `Layer`.

    Called with `layer(sequences, initial_state=None, mask=None, training=False)`: sequences (N, T, F); initial_state
    [h] or h, (N, H); mask (N, T), True where the step counts.

    Returns:
        h of the last step (N, H), or of every step (N, T, H) with return_sequences; with return_state
        [output, h].

    Raises:
        ValueError: for arguments, inputs, states or masks of the wrong shape.

    Weights: kernel (F, H), recurrent_kernel (H, H), bias (H,): (F + H) x H + H numbers in all.

    Source: Elman 1990; Gal & Ghahramani 2016 (dropout that is the same at every step).
    """

    cell_class = SimpleRNNCell
    _may_chain = True
    in_config_with = {"seed": "_is_seeded"}  # Keras never writes it, and so forgets it

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
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
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        zero_output_for_mask: bool = False,
        implementation: int = 2,
        time_major: bool = False,
        *,
        remat_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        given = given_arguments(locals())
        if given.pop("activity_regularizer") is not None:
            warnings.warn(
                "SimpleRNN(activity_regularizer=...) has no effect, as in Keras 3. Put "
                "layers.ActivityRegularization(l1=..., l2=...) after the layer.",
                stacklevel=2,
            )
        super().__init__(given, **kwargs)

    @property
    def _is_seeded(self) -> bool:
        return self.cell.seed is not None

"""ConvLSTM1D, ConvLSTM2D and ConvLSTM3D: LSTMs whose states keep their place.

Shi et al. 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatewise import tree
from gatewise.layers.cell import given_arguments
from gatewise.layers.conv_lstm_cell import ConvLSTMCell
from gatewise.layers.recurrent import CellLayer


class _ConvLSTM(CellLayer):
    """Base of ConvLSTM1D, ConvLSTM2D and ConvLSTM3D."""

    cell_class = ConvLSTMCell
    rank = 1

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        time_major: bool = False,
        *,
        remat_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__({**given_arguments(locals()), "rank": self.rank}, **kwargs)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        shape = self._batch_major_shape(shapes[0])
        self.check_sequences(shape)
        if len(shapes) > 1:
            self.cell.check_states(shapes[1:], (shape[0], *shape[2:]), self.name)

    def check_sequences(self, shape: Sequence[Any]) -> None:
        self.cell.check_step(shape, self.name, type(self).__name__, ("batch", "time steps"))

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape if tree.is_shape(input_shape) else input_shape[0]
        n, t, *step = self._batch_major_shape(shape)
        state = (n, *self.cell.state_shape((n, *step)))
        y = state
        if self.return_sequences:
            y = (t, *state) if self.time_major else (n, t, *state[1:])
        return [y, state, state] if self.return_state else y


class ConvLSTM1D(_ConvLSTM):
    """A convolutional LSTM over sequences of rows of places.

    Args:
        filters: H, the channels of the hidden state h and of the cell state c.
        kernel_size: how many neighbouring places of x and of h each gate looks at.
        strides, dilation_rate: of the windows over x; one of them is 1.  Those over h have neither.
        padding: "valid" or "same", over x.  Over h it is always "same".
        data_format: "channels_last", (N, T, places, C), or "channels_first", (N, T, C, places).
        activation: of the candidate and of the cell on its way out.  recurrent_activation: of the gates.
        use_bias: whether there is a bias.  unit_forget_bias: whether the forget gate's begins at 1.
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of the three weights.
        activity_regularizer: of the output.
        dropout, recurrent_dropout: fraction of x and of h[t-1] set to zero in training, the same at every step,
            another choice for each gate.
        seed: of the dropout.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask, time_major, remat_steps:
            see `RNN`.
        **kwargs: of `Layer`.

    Called as `LSTM` is; initial_state [h, c], each (N, places, H).  The number of places must be known and stay.
    A masked step keeps the states.

    Returns:
        h of the last step (N, places, H), or of every step (N, T, places, H) with return_sequences; with return_state
        [output, h, c].

    Raises:
        ValueError: for arguments, inputs, states or masks of the wrong shape.

    Weights: kernel (kernel_size, C, 4H), recurrent_kernel (kernel_size, H, 4H), bias (4H,), in the order i, f, c, o.

    Source: Shi et al. 2015.
    """

    input_rank = 4


class ConvLSTM2D(_ConvLSTM):
    """A convolutional LSTM over sequences of images, (N, T, rows, columns, C); see `ConvLSTM1D`.

    kernel_size, strides, dilation_rate: an integer, or (rows, columns).
    """

    rank = 2
    input_rank = 5


class ConvLSTM3D(_ConvLSTM):
    """A convolutional LSTM over sequences of volumes, (N, T, planes, rows, columns, C); see `ConvLSTM1D`.

    kernel_size, strides, dilation_rate: an integer, or (planes, rows, columns).
    """

    rank = 3
    input_rank = 6

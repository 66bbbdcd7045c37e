"""LSTM and its cell.

    i, f, o = recurrent_activation(x[t] W + h[t-1] U + b)    g = activation(x[t] W_c + h[t-1] U_c + b_c)
    c[t] = f c[t-1] + i g                                    h[t] = o activation(c[t])

Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 (forget gate).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.kernels import twins
from gatewise.layers import narrow
from gatewise.layers.cell import Taped, added, given_arguments, one_by_one, taped_one_by_one
from gatewise.layers.lstm_variants import (
    IN_CONFIG_IF_TRUE,
    IN_CONFIG_WITH,
    VARIANT_ARGUMENTS,
    LSTMVariantCell,
    check_variant_arguments,
)
from gatewise.layers.recurrent import CellLayer


class LSTMCell(LSTMVariantCell):
    """One step of an LSTM: the weights, and `(x, [h, c]) -> (h, [h, c])`.

    Args:
        units: H, the length of h and of c.
        activation, recurrent_activation: name or function.
        use_bias, unit_forget_bias: whether there is a bias; whether the forget gate's begins at 1.
        *_initializer, *_regularizer, *_constraint: name, object or function.
        dropout, recurrent_dropout: fraction of x and of h[t-1] that is set to zero in training, the same at every step.
        seed: of the dropout and of zoneout.
        peephole and those after it: see `LSTM`.

    Weights: kernel (F, 4H), recurrent_kernel (H, 4H), bias (4H,), columns in the order i, f, c, o; for those of
    variants see `LSTM`.
    """

    in_config_if_true = IN_CONFIG_IF_TRUE
    in_config_with = IN_CONFIG_WITH
    kernel_family = "lstm"

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
        *,
        peephole: bool = False,
        peephole_initializer: Any = "glorot_uniform",
        cell_clip: float | None = None,
        projection_units: int | None = None,
        projection_initializer: Any = "glorot_uniform",
        coupled_gates: bool = False,
        layer_norm: bool = False,
        layer_norm_epsilon: float = 1e-3,
        zoneout_cell: float = 0.0,
        zoneout_output: float = 0.0,
        **kwargs: Any,
    ) -> None:
        given = given_arguments(locals())
        del given["unit_forget_bias"]
        variant = {name: given.pop(name) for name in VARIANT_ARGUMENTS}
        super().__init__(variant, **given, **kwargs)
        self.unit_forget_bias = bool(unit_forget_bias)

    def _initial_bias(self) -> Any:
        has_forget_gate = self.n_gates == 4
        return self._ones_for_the_forget_gate if self.unit_forget_bias and has_forget_gate else self.bias_initializer

    def _ones_for_the_forget_gate(self, shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        """Ones for the forget gate; the other three gates follow the bias initializer."""
        H = self.units
        parts = [
            self.bias_initializer((H,), dtype=dtype),
            np.ones(H, dtype),
            self.bias_initializer((2 * H,), dtype=dtype),
        ]
        return np.concatenate(parts)

    def stream_kind(self) -> str | None:
        return None if self.is_variant or self.quantization else "lstm"

    def _pack(self) -> Any:
        if self.quantization is not None:
            return narrow.pack(self)
        if self.is_variant:
            return kernels.pack_lstm_variant(self._variant_weights())
        return kernels.pack_lstm(*self._weight_arrays())

    def run_states(
        self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, every_step: bool, chance: Any = None
    ) -> Any:
        if self.quantization is not None:
            return narrow.run(self, x, states, mask, training, every_step)
        if self.is_variant:
            return self.run_variant(x, states, mask, training, every_step, chance)
        known = self._kernel_activations()
        chance = chance or self.drawn(x.shape, training)
        if known is None and not training:
            return one_by_one(lambda x, s, m: self._traced(x, s, m, None, None), x, states, mask, every_step)
        if known is None or not chance.is_none:
            tape, last, _ = self._traced(x, states, mask, *chance.drops)
            return tape.h, last[0], last
        h0, c0 = states or (None, None)
        a, s = known
        h, h_last, c_last = kernels.lstm_predict(x, h0, c0, self._packed_weights(), mask, a, s, every_step)
        return h, h_last, [h_last, c_last]

    def trace_states(self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, chance: Any = None) -> Any:
        if self.is_variant:
            return self.trace_variant(x, states, mask, training, chance)
        chance = chance or self.drawn(x.shape, training)
        tape, last, pullback = self._traced(x, states, mask, *chance.drops)
        return tape.h, last, pullback

    def taped_states(
        self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, keep_sums: bool = False
    ) -> Taped:
        if self.is_variant:
            return self.taped_variant(x, states, mask, training, keep_sums)
        chance = self.drawn(x.shape, training)
        tape, last, pullback = self._traced(x, states, mask, *chance.drops, keep_sums)
        if self._kernel_activations() is None and not training:
            tape, last = taped_one_by_one(lambda x, s, m: self._traced(x, s, m, None, None), x, states, mask)
        return Taped(tape.h, last, pullback, tape, chance)

    def _traced(
        self, x: np.ndarray, states: Sequence[Any], mask: Any, x_dropout: Any, h_dropout: Any, keep_sums: bool = False
    ) -> Any:
        """(tape, [last states], pullback) under the given dropout."""
        if self.quantization is not None:
            narrow.refuse(self, narrow.NO_TAPE)
        W, U, b = self._weight_arrays()
        h0, c0 = states or (None, None)
        known = self._kernel_activations()
        room: Any = kernels if known else twins
        chosen = known or self._pair_activations()
        sums = (keep_sums,) if known else ()  # the twins always keep them
        tape = room.lstm_forward(x, h0, c0, W, U, b, mask, *chosen, x_dropout, h_dropout, *sums)
        last = [tape.h[:, -1], tape.c[:, -1]]

        def pullback(dh: Any, dh_last: Any, d_last: Sequence[Any], wants_dx: bool) -> tuple[Any, list, dict]:
            variables = (self.kernel, self.recurrent_kernel, self.bias)
            dx, dh0, dc0, *found = room.lstm_backward(
                tape, x, h0, c0, W, U, dh, added(dh_last, d_last[0]), d_last[1], mask, *chosen, x_dropout, h_dropout,
                wants=(wants_dx, h0 is not None, *self._wanted(*variables)),
            )  # fmt: skip
            pairs = zip(variables, found, strict=True)
            return dx, [dh0, dc0], {v: d for v, d in pairs if v is not None and d is not None}

        return tape, last, pullback


class LSTM(CellLayer):
    """Long short-term memory over whole sequences.

    Args:
        units: H, the length of the hidden state h and of the cell state c; any number of time steps uses the same
            weights.
        activation: of the candidate g and of the cell on its way out.  recurrent_activation: of the gates i, f, o.
        use_bias: whether there is a bias.  unit_forget_bias: whether the forget gate's begins at 1.
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of the three weights.
        activity_regularizer: of the output.
        dropout, recurrent_dropout: fraction of x and of h[t-1] set to zero in training, the same at every step.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask, time_major, remat_steps:
            see `RNN`.
        seed: of the dropout and of zoneout.  implementation, use_cudnn: accepted; they change no result.
        peephole: the gates see the cell: z_i += p_i c[t-1], z_f += p_f c[t-1], z_o += p_o c[t].
            peephole_initializer: of p.  (Gers & Schmidhuber 2000; Gers, Schraudolph & Schmidhuber 2002)
        cell_clip: the cell is cut off at -cell_clip and cell_clip; its gradient is zero there.  (Sak, Senior &
            Beaufays 2014)
        projection_units: P; h[t] = (o activation(c[t])) projection_kernel has this length, PyTorch's `proj_size`.
            projection_initializer: of that matrix.  (Sak, Senior & Beaufays 2014)
        coupled_gates: f = 1 - i, so there is no forget gate, and unit_forget_bias says nothing.  (Greff, Srivastava,
            Koutnik, Steunebrink & Schmidhuber 2017, "CIFG")
        layer_norm: x W and h U are normalised before they are added, over all gates jointly, and the cell on its way
            out: N(x W) kernel_gain + N(h U) recurrent_gain + b, h = o activation(N(c) cell_gain + cell_offset), N(v) =
            (v - mean) / sqrt(variance + layer_norm_epsilon).  (Ba, Kiros & Hinton 2016, equations 20 to 22; b is the
            sum of the offsets there)
        zoneout_cell, zoneout_output: probability that a unit of c, or of h, keeps its value at a step in training; in
            prediction that share of it is kept.  h is made of the cell before zoneout.  (Krueger et al. 2017)
        **kwargs: name, dtype, trainable, input_shape and the others of `Layer`.

    Called with `layer(sequences, initial_state=None, mask=None, training=False)`: sequences (N, T, F); initial_state
    [h, c], each (N, H), h (N, P) with a projection; mask (N, T), True where the step counts.

    Returns:
        h of the last step (N, H), or of every step (N, T, H) with return_sequences; with return_state
        [output, h, c].  P stands for H in h where there is a projection.

    Raises:
        ValueError: for arguments, inputs, states or masks of the wrong shape.

    Weights: kernel (F, 4H), recurrent_kernel (H, 4H), bias (4H,), columns in the order i, f, c, o:
    4 x ((F + H) x H + H) numbers in all.  With coupled gates 3H columns, i, c, o; with a projection recurrent_kernel is
    (P, 4H).  Then, each if its variant is: peephole_kernel (3, H), of i, f, o (2, H, of i, o, with coupled gates);
    projection_kernel (H, P); kernel_gain and recurrent_gain, as long as the bias, cell_gain and cell_offset (H,).

    Source: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 (forget gate); Gal & Ghahramani 2016
    (dropout that is the same at every step).
    """

    cell_class = LSTMCell
    _may_chain = True
    in_config_if_true = (*CellLayer.in_config_if_true, *IN_CONFIG_IF_TRUE)
    in_config_with = IN_CONFIG_WITH

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
        use_cudnn: Any = "auto",
        zero_output_for_mask: bool = False,
        implementation: int = 2,
        time_major: bool = False,
        *,
        remat_steps: int | None = None,
        peephole: bool = False,
        peephole_initializer: Any = "glorot_uniform",
        cell_clip: float | None = None,
        projection_units: int | None = None,
        projection_initializer: Any = "glorot_uniform",
        coupled_gates: bool = False,
        layer_norm: bool = False,
        layer_norm_epsilon: float = 1e-3,
        zoneout_cell: float = 0.0,
        zoneout_output: float = 0.0,
        **kwargs: Any,
    ) -> None:
        given = given_arguments(locals())
        check_variant_arguments(given, type(self).__name__)
        super().__init__(given, **kwargs)

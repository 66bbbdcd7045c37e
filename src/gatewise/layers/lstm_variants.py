"""What an LSTM can have beyond Keras's: peepholes, clipping, projection, coupled gates, layer normalisation, zoneout.

The equations are `kernels.reference.lstm_variant_forward`'s; all of them go together, and with everything that the
plain LSTM has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import initializers, kernels, random, validation
from gatewise.kernels import LSTMVariantOptions, LSTMVariantWeights, twins
from gatewise.layers.cell import GatedCell, Taped, added, one_by_one, taped_one_by_one
from gatewise.layers.chance import Chance
from gatewise.variable import Variable

VARIANT_ARGUMENTS = (
    "peephole", "peephole_initializer", "cell_clip", "projection_units", "projection_initializer", "coupled_gates",
    "layer_norm", "layer_norm_epsilon", "zoneout_cell", "zoneout_output",
)  # fmt: skip
# Keras reads a file whose LSTM says nothing that Keras does not know.
IN_CONFIG_IF_TRUE = (
    "peephole", "cell_clip", "projection_units", "coupled_gates", "layer_norm", "zoneout_cell", "zoneout_output",
)  # fmt: skip
IN_CONFIG_WITH = {
    "peephole_initializer": "peephole",
    "projection_initializer": "projection_units",
    "layer_norm_epsilon": "layer_norm",
}


def check_variant_arguments(given: dict[str, Any], owner: str) -> None:
    """Check the arguments of the variants, which are among `given`.

    Raises:
        ValueError: in the name of `owner`, the class that the user wrote.
    """
    for name in ("peephole", "coupled_gates", "layer_norm"):
        if not isinstance(given[name], bool | np.bool_):
            raise ValueError(f"{owner}: {name} is True or False; got {given[name]!r}.")
    if given["projection_units"] is not None:
        validation.positive_integer(given["projection_units"], "projection_units", owner)
    for name in ("cell_clip", "layer_norm_epsilon"):
        value = given[name]
        if name == "cell_clip" and value is None:
            continue
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not is_number or not 0 < value < math.inf:
            hint = " Write cell_clip=None for no clipping." if name == "cell_clip" else ""
            raise ValueError(f"{owner}: {name} is a number above 0; got {value!r}.{hint}")
    validation.fraction(given["zoneout_cell"], "zoneout_cell", owner)
    validation.fraction(given["zoneout_output"], "zoneout_output", owner)


class LSTMVariantCell(GatedCell):
    """The part of `LSTMCell` that is there only if a variant is.

    Args:
        variant: the arguments named in `VARIANT_ARGUMENTS`.
        **kwargs: those of `GatedCell`.

    Attributes:
        is_variant: whether the cell is anything but the plain LSTM.

    Weights, after kernel, recurrent_kernel and bias: peephole_kernel (3, H), of i, f, o, or (2, H), of i, o, where they
    are coupled; projection_kernel (H, P); kernel_gain and recurrent_gain (G H,), cell_gain and cell_offset (H,).
    """

    n_gates = 4

    def __init__(self, variant: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_variant_arguments(variant, type(self).__name__)
        self.peephole = bool(variant["peephole"])
        self.peephole_initializer = initializers.get(variant["peephole_initializer"])
        self.cell_clip = None if variant["cell_clip"] is None else float(variant["cell_clip"])
        units = variant["projection_units"]
        self.projection_units = None if units is None else int(units)
        self.projection_initializer = initializers.get(variant["projection_initializer"])
        self.coupled_gates = bool(variant["coupled_gates"])
        self.layer_norm = bool(variant["layer_norm"])
        self.layer_norm_epsilon = float(variant["layer_norm_epsilon"])
        self.zoneout_cell, self.zoneout_output = float(variant["zoneout_cell"]), float(variant["zoneout_output"])
        self.is_variant = any(getattr(self, name) for name in IN_CONFIG_IF_TRUE)
        self.n_gates = 3 if self.coupled_gates else 4  # without a forget gate of its own
        self.output_size = self.projection_units or self.units
        self.state_size = [self.output_size, self.units]
        if self._seeds is None and (self.zoneout_cell or self.zoneout_output):
            self._seeds = random.SeedGenerator(self.seed)
        self.peephole_kernel: Variable | None = None
        self.projection_kernel: Variable | None = None
        self.kernel_gain: Variable | None = None
        self.recurrent_gain: Variable | None = None
        self.cell_gain: Variable | None = None
        self.cell_offset: Variable | None = None

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        H, G = self.units, self.n_gates
        if self.peephole:
            self.peephole_kernel = self.add_weight((G - 1, H), self.peephole_initializer, name="peephole_kernel")
        if self.projection_units is not None:
            shape = (H, self.projection_units)
            self.projection_kernel = self.add_weight(shape, self.projection_initializer, name="projection_kernel")
        if self.layer_norm:
            self.kernel_gain = self.add_weight((G * H,), "ones", name="kernel_gain")
            self.recurrent_gain = self.add_weight((G * H,), "ones", name="recurrent_gain")
            self.cell_gain = self.add_weight((H,), "ones", name="cell_gain")
            self.cell_offset = self.add_weight((H,), "zeros", name="cell_offset")

    # --- what the kernels are given --------------------------------------------------------------------------

    def _variant_variables(self) -> tuple[Variable | None, ...]:
        """The variables in the order of `LSTMVariantWeights`; None for those that are not there."""
        return (
            self.kernel, self.recurrent_kernel, self.bias, self.peephole_kernel, self.projection_kernel,
            self.kernel_gain, self.recurrent_gain, self.cell_gain, self.cell_offset,
        )  # fmt: skip

    def _variant_weights(self) -> LSTMVariantWeights:
        values: list[Any] = [None if v is None else v.array for v in self._variant_variables()]
        return LSTMVariantWeights(*values)

    def _variant_options(self) -> LSTMVariantOptions:
        most = math.inf if self.cell_clip is None else self.cell_clip
        return LSTMVariantOptions(most, self.layer_norm_epsilon, self.zoneout_cell, self.zoneout_output)

    def drawn(self, shape: Sequence[int], training: bool) -> Chance:
        drops = self.dropout_multipliers(shape, training)
        if not training or self._seeds is None:
            return Chance(*drops)
        N, T = shape[0], shape[1]
        return Chance(
            *drops,
            random.chosen(self._seeds, (N, T, self.units), self.zoneout_cell, self.dtype),
            random.chosen(self._seeds, (N, T, self.output_size), self.zoneout_output, self.dtype),
        )

    # --- running ---------------------------------------------------------------------------------------------

    def run_variant(
        self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, every_step: bool, chance: Any = None
    ) -> Any:
        """`run_states` of a variant."""
        known, chance = self._kernel_activations(), chance or self.drawn(x.shape, training)
        if known is None and not training:
            return one_by_one(lambda x, s, m: self._traced_variant(x, s, m, chance), x, states, mask, every_step)
        if known is None or not chance.is_none:
            tape, last, _ = self._traced_variant(x, states, mask, chance)
            return tape.h, last[0], last
        h0, c0 = states or (None, None)
        options, (a, s) = self._variant_options(), known
        h, h_last, c_last = kernels.lstm_variant_predict(
            x, h0, c0, self._packed_weights(), options, mask, a, s, every_step
        )  # fmt: skip
        return h, h_last, [h_last, c_last]

    def trace_variant(self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, chance: Any = None) -> Any:
        """`trace_states` of a variant."""
        chance = chance or self.drawn(x.shape, training)
        tape, last, pullback = self._traced_variant(x, states, mask, chance)
        return tape.h, last, pullback

    def taped_variant(self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, keep_sums: bool) -> Taped:
        """`taped_states` of a variant."""
        chance = self.drawn(x.shape, training)
        tape, last, pullback = self._traced_variant(x, states, mask, chance, keep_sums)
        if self._kernel_activations() is None and not training:
            tape, last = taped_one_by_one(lambda x, s, m: self._traced_variant(x, s, m, chance), x, states, mask)
        return Taped(tape.h, last, pullback, tape, chance)

    def _traced_variant(
        self, x: np.ndarray, states: Sequence[Any], mask: Any, chance: Chance, keep_sums: bool = False
    ) -> Any:
        """(tape, [last states], pullback)."""
        weights, options = self._variant_weights(), self._variant_options()
        h0, c0 = states or (None, None)
        known = self._kernel_activations()
        room: Any = kernels if known else twins
        chosen = known or self._pair_activations()
        drawn = chance.multipliers(x.dtype)
        sums = (keep_sums,) if known else ()  # the twins always keep them
        tape = room.lstm_variant_forward(x, h0, c0, weights, options, mask, *chosen, *drawn, *sums)
        last = [tape.h[:, -1], tape.c[:, -1]]

        def pullback(dh: Any, dh_last: Any, d_last: Sequence[Any], wants_dx: bool) -> tuple[Any, list, dict]:
            variables = self._variant_variables()
            dx, dh0, dc0, *found = room.lstm_variant_backward(
                tape, x, h0, c0, weights, options, dh, added(dh_last, d_last[0]), d_last[1], mask, *chosen, *drawn,
                wants=(wants_dx, h0 is not None, *self._wanted(*variables)),
            )  # fmt: skip
            pairs = zip(variables, found, strict=True)
            return dx, [dh0, dc0], {v: d for v, d in pairs if v is not None and d is not None}

        return tape, last, pullback

"""What the cells with one state and a kernel of their own share: GRU and SimpleRNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.kernels import twins
from gatewise.layers import narrow
from gatewise.layers.cell import GatedCell, Taped, added, one_by_one, taped_one_by_one


class OneStateCell(GatedCell):
    """Base of GRUCell and SimpleRNNCell: whole sequences by the kernels `<family>_forward`, `_predict`, `_backward`."""

    kernel_family: str  # type: ignore[assignment]

    def _kernel_options(self) -> tuple:
        """What the kernels take after the activations, and `pack` after the weights."""
        return ()

    def stream_kind(self) -> str | None:
        return None if self.quantization else self.kernel_family

    def _pack(self) -> Any:
        if self.quantization is not None:
            return narrow.pack(self)
        return getattr(kernels, f"pack_{self.kernel_family}")(*self._weight_arrays(), *self._kernel_options())

    def run_states(
        self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, every_step: bool, chance: Any = None
    ) -> Any:
        if self.quantization is not None:
            return narrow.run(self, x, states, mask, training, every_step)
        known = self._kernel_activations()
        chance = chance or self.drawn(x.shape, training)
        if known is None and not training:
            return one_by_one(lambda x, s, m: self._traced(x, s, m, None, None), x, states, mask, every_step)
        if known is None or not chance.is_none:
            tape, last, _ = self._traced(x, states, mask, *chance.drops)
            return tape.h, last[0], last
        h0 = states[0] if states else None
        predict = getattr(kernels, f"{self.kernel_family}_predict")
        h, h_last = predict(x, h0, self._packed_weights(), mask, *known, every_step)
        return h, h_last, [h_last]

    def trace_states(self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, chance: Any = None) -> Any:
        chance = chance or self.drawn(x.shape, training)
        tape, last, pullback = self._traced(x, states, mask, *chance.drops)
        return tape.h, last, pullback

    def taped_states(
        self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, keep_sums: bool = False
    ) -> Taped:
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
        h0 = states[0] if states else None
        known = self._kernel_activations()
        room: Any = kernels if known else twins
        chosen = (*(known or self._pair_activations()), *self._kernel_options(), x_dropout, h_dropout)
        sums = (keep_sums,) if known else ()  # the twins always keep them
        tape = getattr(room, f"{self.kernel_family}_forward")(x, h0, W, U, b, mask, *chosen, *sums)
        backward = getattr(room, f"{self.kernel_family}_backward")

        def pullback(dh: Any, dh_last: Any, d_last: Sequence[Any], wants_dx: bool) -> tuple[Any, list, dict]:
            variables = (self.kernel, self.recurrent_kernel, self.bias)
            wants = (wants_dx, h0 is not None, *self._wanted(*variables))
            dx, dh0, *found = backward(tape, x, h0, W, U, dh, added(dh_last, d_last[0]), mask, *chosen, wants)
            pairs = zip(variables, found, strict=True)
            return dx, [dh0], {v: d for v, d in pairs if v is not None and d is not None}

        return tape, [tape.h[:, -1]], pullback

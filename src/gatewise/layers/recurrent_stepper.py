"""A recurrent layer one time step at a time: its states are the cell's, and what masks need to be remembered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import tree, validation
from gatewise.layers import stepping
from gatewise.stepper import CannotStep, LayerUse, Stepper


class RecurrentStepper(Stepper):
    """Runs an `RNN` on sequences of one step.

    The states are the cell's, flat, in the layer's order; then, for a cell whose output is not its first state, the
    last output (a masked step repeats it); then, for a layer whose initial states are inputs of the model, whether a
    row has counted a step yet (N,): until then it begins with those inputs.
    """

    def __init__(self, layer: Any, use: LayerUse) -> None:
        super().__init__(layer, use)
        if layer.go_backwards:
            raise CannotStep("it reads the sequence from its end (go_backwards=True)")
        if layer.time_major:
            raise CannotStep("it takes the time steps before the batch (time_major=True)")
        if use.training:
            raise CannotStep("it is called with training=True, and what dropout draws holds for a whole sequence")
        if not use.timed[0]:
            raise CannotStep("its initial states follow the stream's steps and its sequences do not")
        self._n_states = len(layer.state_shapes)
        self._is_given_states = len(use.shapes) > 1
        self._repeats_output = not stepping.output_is_first_state(layer.cell)

    def timed_outputs(self, count: int) -> list[bool]:
        return [self.layer.return_sequences, *[False] * (count - 1)]

    def initial(self, batch: int) -> list[np.ndarray]:
        layer = self.layer
        states = [np.array(s, layer.dtype) for s in tree.leaves(layer.get_initial_state(batch))]
        if self._repeats_output:
            width = layer.compute_output_shape(self.use.shapes[0])
            width = width[0] if layer.return_state else width
            states.append(np.zeros((batch, *width[2 if layer.return_sequences else 1 :]), layer.dtype))
        if self._is_given_states:
            states.append(np.zeros(batch, bool))
        return states

    def step(self, inputs: Sequence[Any], mask: Any, states: Sequence[np.ndarray]) -> tuple[list, list]:
        x, *given = [v.astype(self.layer.dtype, copy=False) for v in inputs]
        mask = mask[0] if isinstance(mask, list) else mask
        before, kept = list(states[: self._n_states]), list(states[self._n_states :])
        if mask is not None:
            validation.check_sequence_mask(mask, x.shape[0], 1, self.layer.name)
        if given:
            before = [_rows(kept[-1], old, new) for old, new in zip(before, given, strict=True)]
        _, y, last = stepping.run(self.layer.cell, x, before, mask, False, False)
        counts = np.ones(len(x), bool) if mask is None else mask[:, 0]
        after = list(last)
        if self._repeats_output:
            y = _rows(counts, y, kept[0])
            after.append(y)
        if given:
            after.append(kept[-1] | counts)
        if mask is not None and self.layer.zero_output_for_mask:
            y = _rows(counts, y, np.zeros_like(y))
        elif given:
            y = _rows(after[-1], y, np.zeros_like(y))
        y = y[:, None] if self.layer.return_sequences else y
        return ([y, *last] if self.layer.return_state else [y]), after


def _rows(use: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a in the rows where `use` is true, b in the others."""
    return np.where(use.reshape(-1, *[1] * (a.ndim - 1)), a, b)

"""Convolutions and pooling one time step at a time: the steps that a window still sees, and running maxima."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.layers.windows import extent
from gatewise.stepper import CannotStep, LayerUse, Stepper


class ConvolutionStepper(Stepper):
    """Runs a convolution along the time steps on the steps that the newest window sees.

    The state is those before the newest step, (N, steps, C), zeros at first: the padding of padding="causal".
    """

    def __init__(self, layer: Any, use: LayerUse) -> None:
        super().__init__(layer, use)
        _check_layout(layer)
        if layer.rank != 1:
            raise CannotStep("its windows lie on two axes, and one of them is the time steps")
        if layer.strides != (1,):
            raise CannotStep(f"with strides={layer.strides[0]} it has fewer outputs than there are steps")
        self._before = extent(layer.kernel_size[0], layer.dilation_rate[0]) - 1
        if self._before and layer.padding != "causal":
            raise CannotStep(
                f"with padding='{layer.padding}' its windows reach later steps; padding='causal' has none that does"
            )
        # The same layer over these steps alone: it shares the weights.
        self._unpadded = copy.copy(layer)
        self._unpadded.padding = "valid"

    def initial(self, batch: int) -> list[np.ndarray]:
        if not self._before:
            return []
        return [np.zeros((batch, self._before, self.layer._input_channels), self.layer.dtype)]

    def step(self, inputs: Sequence[Any], mask: Any, states: Sequence[np.ndarray]) -> tuple[list, list]:
        x = inputs[0].astype(self.layer.dtype, copy=False)
        seen = np.concatenate([*states, x], axis=1)
        return [self._unpadded.compute([seen], None, False, None)], [seen[:, 1:]] if states else []


class GlobalMaxStepper(Stepper):
    """The largest value of each channel so far; it is the state, (N, C)."""

    def __init__(self, layer: Any, use: LayerUse) -> None:
        super().__init__(layer, use)
        _check_layout(layer)
        if layer.rank != 1 or use.shapes[0][-1] is None:
            raise CannotStep(layer.not_causal)

    def timed_outputs(self, count: int) -> list[bool]:
        return [False]

    def initial(self, batch: int) -> list[np.ndarray]:
        return [np.full((batch, self.use.shapes[0][-1] or 0), -np.inf, self.layer.dtype)]

    def step(self, inputs: Sequence[Any], mask: Any, states: Sequence[np.ndarray]) -> tuple[list, list]:
        x = inputs[0].astype(self.layer.dtype, copy=False)
        largest = np.maximum(states[0], x[:, 0])
        return [largest[:, None] if self.layer.keepdims else largest], [largest]


def _check_layout(layer: Any) -> None:
    if layer.data_format == "channels_first":
        raise CannotStep("its time steps come after its channels (data_format='channels_first')")

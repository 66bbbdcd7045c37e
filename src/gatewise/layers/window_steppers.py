"""Convolutions and pooling one time step at a time: the steps a window still sees, running maxima and sums."""

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


class GlobalAverageStepper(Stepper):
    """The mean of each channel over the steps that have counted; the states: their sum (N, C), their number (N,)."""

    def __init__(self, layer: Any, use: LayerUse) -> None:
        super().__init__(layer, use)
        _check_layout(layer)
        if use.shapes[0][-1] is None:
            raise CannotStep("the number of its channels is not known")

    def timed_outputs(self, count: int) -> list[bool]:
        return [False]

    def initial(self, batch: int) -> list[np.ndarray]:
        # Minus zero is what leaves every number as it is when added to it, minus zero too.
        return [np.full((batch, self.use.shapes[0][-1] or 0), -0.0, self.layer.dtype), np.zeros(batch, np.int64)]

    def step(self, inputs: Sequence[Any], mask: Any, states: Sequence[np.ndarray]) -> tuple[list, list]:
        x = inputs[0].astype(self.layer.dtype, copy=False)[:, 0]
        counts = np.ones(len(x), bool) if mask is None else mask[:, 0]
        total = states[0] + np.where(counts[:, None], x, x.dtype.type(0))
        number = states[1] + counts
        with np.errstate(invalid="ignore"):  # a row without steps has no mean: 0 / 0
            y = total / number[:, None].astype(x.dtype)
        return [y[:, None] if self.layer.keepdims else y], [total, number]


def _check_layout(layer: Any) -> None:
    if layer.data_format == "channels_first":
        raise CannotStep("its time steps come after its channels (data_format='channels_first')")

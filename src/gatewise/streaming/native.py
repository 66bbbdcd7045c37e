"""Chains of recurrent and dense layers as one native object each: a step of the chain is one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import activations
from gatewise.kernels import StreamSteps
from gatewise.layers import (
    Activation,
    ActivityRegularization,
    AlphaDropout,
    Dense,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    Identity,
    Masking,
    SpatialDropout1D,
    TimeDistributed,
)
from gatewise.layers.recurrent_stepper import RecurrentStepper
from gatewise.stepper import LayerUse, Stepper
from gatewise.streaming.inputs import StreamInput, step_mask
from gatewise.streaming.plan import Plan, PlanStep

_KERNEL_ACTIVATIONS = (activations.linear, activations.sigmoid, activations.tanh)

_CHANGE_NOTHING = (
    Dropout, SpatialDropout1D, GaussianNoise, GaussianDropout, AlphaDropout, Identity, ActivityRegularization
)  # fmt: skip
"""Layers that hand on what they are given, except in training."""


class _Link:
    """One layer of a chain: what the kernels are told of it, and where its weights are.

    `told` is None for a layer that changes nothing.  `activation` is what is left to apply after a dense layer.
    """

    def __init__(
        self,
        layer: Any,
        told: tuple | None,
        weights: Callable[[], Any] = lambda: None,
        activation: Any = None,
    ) -> None:
        self.dtype, self.variables = layer._array_type, layer.variables
        self.told, self.weights, self.activation = told, weights, activation


class ChainStepper(Stepper):
    """Runs a chain of layers by its native object, which reads and overwrites the stream's states.

    Args:
        layer, use: of the chain's first layer.
        links: the layers.
        entry: the input of a model that is this chain and nothing else; then `steps.step` is the whole step.
    """

    may_create_mask = False  # type: ignore[assignment]

    def __init__(self, layer: Any, use: LayerUse, batch: int, links: list[_Link], is_timed_after: bool,
                 entry: StreamInput | None) -> None:  # fmt: skip
        super().__init__(layer, use)
        self._is_timed_after = is_timed_after
        stages, dtype = [link for link in links if link.told is not None], links[0].dtype
        self.steps = StreamSteps(
            batch,
            use.shapes[0][-1] or 0,
            dtype.itemsize,
            [link.told for link in stages],
            [variable for link in stages for variable in link.variables],
            lambda: [link.weights() for link in stages],
            lambda x: np.ascontiguousarray(x if entry is None else entry.one_step(entry.alone(x)), dtype),
            lambda mask: step_mask(mask, batch),
        )

    def timed_outputs(self, count: int) -> list[bool]:
        return [self._is_timed_after] * count

    def step(self, inputs: Sequence[Any], mask: Any, states: Sequence[np.ndarray]) -> tuple[list, list]:
        y = self.steps.step(inputs[0], mask)
        return [y[:, None] if self._is_timed_after else y], []

    def select_masks(self, found: Sequence[Any]) -> Any:
        return found[0]

    def masks_after(self, inputs: Sequence[Any], outputs: Sequence[Any], mask: Any) -> Sequence[Any]:
        return [mask if self._is_timed_after else None]


class _Applied(Stepper):
    """An activation on each number by itself, or along the last axis."""

    may_create_mask = False  # type: ignore[assignment]

    def __init__(self, layer: Any, use: LayerUse, activation: Any) -> None:
        super().__init__(layer, use)
        self._pair = activations.forward_of(activation)

    def step(self, inputs: Sequence[Any], mask: Any, states: Sequence[np.ndarray]) -> tuple[list, list]:
        return [self._pair(inputs[0])[0]], []

    def select_masks(self, found: Sequence[Any]) -> Any:
        return found[0]

    def masks_after(self, inputs: Sequence[Any], outputs: Sequence[Any], mask: Any) -> Sequence[Any]:
        return [mask]


def join_chains(plan: Plan, entry: StreamInput, states: list[list[np.ndarray]]) -> StreamSteps | None:
    """Replace chains of layers among the plan's steps by one step each.

    Args:
        entry: the model's first input.
        states: the stream's; the native objects read and overwrite these arrays.

    Returns:
        the native object that is the whole plan, if there is one.
    """
    readers = _readers(plan)
    joined: list[PlanStep] = []
    k = 0
    while k < len(plan.steps):
        chain: list[tuple[PlanStep, _Link]] = []
        while k + len(chain) < len(plan.steps):
            step = plan.steps[k + len(chain)]
            follows = not chain or step.inputs == chain[-1][0].outputs and readers[step.inputs[0]] == 1
            link = _link_of(step, states) if follows else None
            if link is None or (chain and link.dtype != chain[0][1].dtype):
                break
            chain.append((step, link))
            if link.activation is not None:
                break
        chain = _until_masks_are_used_up(plan, chain)
        if not any(link.told for _, link in chain):
            joined.append(plan.steps[k])
            k += 1
            continue
        k += len(chain)
        joined.extend(_as_steps(plan, chain, entry, whole=len(chain) == len(plan.steps)))
    plan.steps = joined
    only = joined[0].stepper if len(joined) == 1 else None
    return only.steps if isinstance(only, ChainStepper) else None


def _as_steps(plan: Plan, chain: list[tuple[PlanStep, _Link]], entry: StreamInput, whole: bool) -> list[PlanStep]:
    """The steps that do what a chain does: its native object's, and that of an activation left over."""
    (first, _), (last, end) = chain[0], chain[-1]
    layer, use = first.stepper.layer, first.stepper.use
    timed = plan.timed[last.outputs[0]]
    links = [link for _, link in chain]
    is_model = whole and end.activation is None and len(plan.inputs) == len(plan.outputs) == 1
    stepper = ChainStepper(layer, use, entry.batch, links, timed, entry if is_model else None)
    if end.activation is None:
        return [PlanStep(first.name, stepper, first.inputs, last.outputs, first.mask)]
    between = [plan.new_slot(timed)]
    applied = _Applied(last.stepper.layer, last.stepper.use, end.activation)
    return [
        PlanStep(first.name, stepper, first.inputs, between, first.mask),
        PlanStep(last.name, applied, between, last.outputs, None),
    ]


def _readers(plan: Plan) -> dict[int, int]:
    """How often each slot is read."""
    found = dict.fromkeys(range(len(plan.timed)), 0)
    for slots in (*(step.inputs for step in plan.steps), plan.outputs):
        for slot in slots:
            found[slot] += 1
    for step in plan.steps:
        if step.mask is not None:
            found[step.mask] += 1
    return found


def _until_masks_are_used_up(plan: Plan, chain: list[tuple[PlanStep, _Link]]) -> list[tuple[PlanStep, _Link]]:
    """The chain, cut before a Masking whose mask layers after the chain would need."""
    for k, (_, link) in enumerate(chain):
        last = chain[-1][0].outputs[0]
        if link.told is not None and link.told[0] == "masking" and plan.timed[last] and last not in plan.outputs:
            return chain[:k]
    return chain


def _link_of(step: PlanStep, states: list[list[np.ndarray]]) -> _Link | None:
    """A plan's step as a part of a chain, or None if it cannot be one."""
    layer, use = step.stepper.layer, step.stepper.use
    if len(step.inputs) != 1 or len(step.outputs) != 1 or step.mask is not None or use.training:
        return None
    if type(layer) is TimeDistributed and isinstance(layer.layer, Dense):
        layer = layer.layer
    # A value without the stream's time may have any axes of its own.
    if len(use.shapes[0]) != (3 if use.is_timed else 2) or use.shapes[0][-1] is None:
        return None
    if type(layer) in _CHANGE_NOTHING or (type(layer) is Activation and layer.activation is activations.linear):
        return _Link(layer, None)
    if type(layer) is Masking and use.is_timed:
        return _Link(layer, ("masking", float(layer.mask_value)))
    if type(layer) is Dense:
        # Of these activations, and no others, the layer's numbers are the kernels'.
        known = next((f.__name__ for f in _KERNEL_ACTIVATIONS if layer.activation is f), None)
        left = None if known else layer.activation
        return _Link(layer, ("dense", layer.units, known or "linear"), lambda: _dense_arrays(layer), left)
    return _recurrent(layer, step, states) if type(step.stepper) is RecurrentStepper else None


def _recurrent(layer: Any, step: PlanStep, states: list[list[np.ndarray]]) -> _Link | None:
    """A recurrent layer over one of the kernels' cells, as it comes: its output is its first state."""
    cell = layer.cell
    # A user's cell, or subclass of a cell, may compute something else.
    kind = cell.stream_kind() if type(cell).__module__.startswith("gatewise.layers.") else None
    if kind is None or step.states is None or layer.return_state:
        return None
    known = cell._kernel_activations()
    if known is None or cell._array_type != layer._array_type:
        return None
    told = (kind, cell.units, known[0], known[-1], states[step.states], layer.zero_output_for_mask)
    return _Link(layer, told, cell._packed_weights)


def _dense_arrays(layer: Dense) -> tuple:
    return layer.kernel.array, None if layer.bias is None else layer.bias.array

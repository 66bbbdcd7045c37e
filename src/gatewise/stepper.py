"""Steppers: how a layer runs one time step at a time.  `Model.stream` asks every layer of a model for one.

A layer answers in one of three ways:

* `stepwise = True`: its output at a step depends on that step alone, so it runs as it is on sequences of one step;
* a method `stepper(use)` that returns a `Stepper`, which keeps states from step to step;
* neither: the model is refused, in the name of the layer, with the reason in `not_causal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import tree


class CannotStep(ValueError):
    """Says why a layer cannot run one step at a time; `Model.stream` puts the layer's name before it."""


class LayerUse(NamedTuple):
    """One use of a layer in a model.

    Attributes:
        shapes: the shape of each input, flat, batch first; None where unknown.
        timed: whether axis 1 of each input is the stream's time.
        structure: how the inputs fold back into the call's arguments; None for `layer(x)`.
        training: given at the call, or None.
    """

    shapes: list[tuple[int | None, ...]]
    timed: list[bool]
    structure: Any = None
    training: bool | None = None

    @property
    def is_timed(self) -> bool:
        return any(self.timed)


class Stepper:
    """What a layer computes at one step, from its inputs at that step and from the states the steps before left.

    Values along the stream's time have a time axis of length 1: (N, 1, ...).  A stepper holds no state of its own.
    """

    def __init__(self, layer: Any, use: LayerUse) -> None:
        self.layer = layer
        self.use = use

    def timed_outputs(self, count: int) -> list[bool]:
        """Whether axis 1 of each of the outputs is the stream's time."""
        return [self.use.is_timed] * count

    def initial(self, batch: int) -> list[np.ndarray]:
        """The states before the first step, batch first."""
        return []

    def step(self, inputs: Sequence[Any], mask: Any, states: Sequence[np.ndarray]) -> tuple[list, list]:
        """(outputs, states afterwards), both flat."""
        raise TypeError(f"{type(self).__name__} must define step.")

    def select_masks(self, found: Sequence[Any]) -> Any:
        """The `mask` argument of `step`, from the masks of the inputs."""
        return self.layer.select_masks(found, self.use.structure)

    def masks_after(self, inputs: Sequence[Any], outputs: Sequence[Any], mask: Any) -> Sequence[Any]:
        """The mask of each output."""
        return self.layer.masks_after(inputs, outputs, mask)

    @property
    def may_create_mask(self) -> bool:
        return bool(self.layer.may_create_mask)


class AsItIs(Stepper):
    """Runs the layer itself on each step: for layers whose output at a step depends on that step alone."""

    def step(self, inputs: Sequence[Any], mask: Any, states: Sequence[np.ndarray]) -> tuple[list, list]:
        y = self.layer.compute(inputs, mask, bool(self.use.training), self.use.structure)
        return list(tree.leaves(y)), []


class Steppable:
    """The part of a layer that says how it runs step by step."""

    stepwise = False  # the output at a time step depends on the inputs at that step alone
    not_causal = "its output at one step may depend on other steps"  # why a stream is refused, if it is

    def stepper(self, use: LayerUse) -> Stepper:
        """How the layer runs one step at a time where it is used so.

        Raises:
            CannotStep: with the reason, if it cannot.
        """
        if use.is_timed:
            if not self.stepwise:
                raise CannotStep(self.not_causal)
        return AsItIs(self, use)


def check_time_axes(use: LayerUse, spread_behind_batch: bool = False) -> None:
    """Check inputs that are spread to one shape before they are joined number by number.

    Args:
        spread_behind_batch: whether shapes with fewer axes get axes of length 1 behind the batch; otherwise in front.

    Raises:
        CannotStep: if time would meet another axis, or an input without time would be spread over the time steps.
    """
    ranks = {len(shape) for shape, timed in zip(use.shapes, use.timed, strict=True) if timed}
    rank = max(ranks)
    for k, (shape, timed) in enumerate(zip(use.shapes, use.timed, strict=True)):
        if timed and len(ranks) == 1:
            continue
        place = 1 if len(shape) == rank else None if spread_behind_batch else 1 - rank + len(shape)
        if timed or len(shape) > rank or (place is not None and place >= 0 and shape[place] != 1):
            raise CannotStep(
                f"its input {k}, of shape {shape}, does not have the time steps where the others have them; give it an "
                "axis of length 1 there"
            )

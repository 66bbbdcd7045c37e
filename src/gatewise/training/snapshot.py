"""A model's numbers as they are at a moment, kept in memory: to look at a step again, and to leave no trace of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatewise import random
from gatewise.layers.chance import seed_generators
from gatewise.training.resuming import kept_states, restore_states, stateful_layers
from gatewise.variable import Variable, structure_clock


class Snapshot:
    """Weights, kept states, and where all chance stands; with the optimizer also its state.

    Args:
        model: the model; weights that it gets later are not part of it.
        with_optimizer: whether to keep the optimizer's state too.
    """

    def __init__(self, model: Any, with_optimizer: bool = False) -> None:
        self._model, self._with_optimizer = model, with_optimizer
        self._taken_of: tuple[int, int] = (0, 0)
        self._kept: list[tuple[Variable, np.ndarray]] = []
        self._trainable: list[Variable] = []
        self._generators: list[Any] = []
        self._layers: list[Any] = []
        self.take()

    def take(self) -> None:
        """Keep the numbers as they are now, in the memory of those kept before where the model is the same."""
        of_optimizer = self._model.optimizer.variables if self._with_optimizer else []
        if self._taken_of != (structure_clock.stamp, len(of_optimizer)):
            self._look_again(of_optimizer)
        for variable, memory in self._kept:
            np.copyto(memory, variable.array)
        self._random = random.state()
        self._seeds = [(generator, generator.state()) for generator in self._generators]
        self._states = [
            (layer, None if (states := kept_states(layer)) is None else [v.numpy() for v in states])
            for layer in self._layers
        ]

    def _look_again(self, of_optimizer: list[Variable]) -> None:
        """Find what there is to keep, once for each structure of the model."""
        model = self._model
        self._kept = [(variable, np.empty_like(variable.array)) for variable in [*model.weights, *of_optimizer]]
        self._trainable = model.trainable_variables
        self._generators, self._layers = seed_generators(model), stateful_layers(model)
        self._taken_of = (structure_clock.stamp, len(of_optimizer))

    def put_back(self) -> None:
        """Give the model the numbers kept."""
        for variable, memory in self._kept:
            np.copyto(variable.array, memory)
            variable.touch()
        random.set_state(self._random)
        for generator, position in self._seeds:
            generator.set_state(position)
        for layer, values in self._states:
            restore_states(layer, values)

    def weights_are_finite(self) -> bool:
        """True if every trainable weight is now; a finite sum proves it without a temporary array."""
        with np.errstate(all="ignore"):
            for variable in self._trainable:
                array = variable.array
                if not (math.isfinite(array.sum()) or np.isfinite(array).all()):
                    return False
        return True

"""A model's numbers as they are at a moment, kept in memory: to look at a step again, and to leave no trace of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import random
from gatewise.layers.chance import seed_generators
from gatewise.training.resuming import kept_states, restore_states, stateful_layers
from gatewise.variable import Variable


class Snapshot:
    """Weights, kept states, and where all chance stands; with the optimizer also its state.

    Args:
        model: the model; weights that it gets later are not part of it.
        with_optimizer: whether to keep the optimizer's state too.
    """

    def __init__(self, model: Any, with_optimizer: bool = False) -> None:
        self._model, self._with_optimizer = model, with_optimizer
        self._kept: list[tuple[Variable, np.ndarray]] = []
        self.take()

    def take(self) -> None:
        """Keep the numbers as they are now, in the memory of those kept before where it fits."""
        model = self._model
        variables = [*model.weights, *(model.optimizer.variables if self._with_optimizer else ())]
        if [v for v, _ in self._kept] != variables:
            self._kept = [(variable, np.empty_like(variable.array)) for variable in variables]
        for variable, memory in self._kept:
            np.copyto(memory, variable.array)
        self._random = random.state()
        self._seeds = [(seeds, seeds.state()) for seeds in seed_generators(model)]
        self._states = [
            (layer, None if (states := kept_states(layer)) is None else [v.numpy() for v in states])
            for layer in stateful_layers(model)
        ]

    def put_back(self) -> None:
        """Give the model the numbers kept."""
        for variable, memory in self._kept:
            np.copyto(variable.array, memory)
            variable.touch()
        random.set_state(self._random)
        for seeds, position in self._seeds:
            seeds.set_state(position)
        for layer, values in self._states:
            restore_states(layer, values)

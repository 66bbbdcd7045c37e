"""What `model.add_loss` and `model.add_metric` want of a functional model's graph besides its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.context import loss_slope, record_loss, record_metric
from gatewise.graph import Graph, SymbolicTensor


class AddedEnds:
    """Symbolic tensors that are computed with a model's outputs, as losses or to be looked at.

    Args:
        model: the functional model.
        wanted: (None, tensor) for a loss, (name, tensor) for a metric.

    Raises:
        ValueError: if one depends on an input that the model does not have.
    """

    def __init__(self, model: Any, wanted: tuple[tuple[str | None, SymbolicTensor], ...]) -> None:
        self.wanted = wanted
        self.n_outputs = len(model.outputs)
        self.graph = Graph(model.inputs, [*model.outputs, *(tensor for _, tensor in wanted)])
        known = {id(layer) for layer in model.operations}
        self.layers = list({id(n.layer): n.layer for n in self.graph.nodes if id(n.layer) not in known}.values())

    def told(self, outputs: list, found: list, back: Any) -> tuple[list, list, Any]:
        """The model's own outputs, their masks and their pullback, with the losses and metrics recorded."""
        ends = outputs[self.n_outputs :]
        places: list[int | None] = []
        for (name, _), value in zip(self.wanted, ends, strict=True):
            if name is None:
                places.append(record_loss(value.sum()))
            else:
                record_metric(name, value)
                places.append(None)

        def pullback(d_outputs: Sequence[Any], wants_dx: bool = True) -> tuple[tuple, dict]:
            known = zip(places, ends, strict=True)
            slopes = [None if place is None else np.full_like(y, loss_slope(place)) for place, y in known]
            return back([*d_outputs, *slopes], wants_dx)

        return outputs[: self.n_outputs], found[: self.n_outputs], pullback

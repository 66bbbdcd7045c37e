"""Concatenate: arrays one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.layers.merging import Merge, listed


class Concatenate(Merge):
    """Its inputs one after the other along an axis; they have the same size along the others.

    Args:
        axis: 0 is the batch; default the last.
        **kwargs: of `Layer`.

    The masks of the inputs are put together like the inputs; along an axis without time, a step counts if it does in
    any input.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(axis, bool) or not hasattr(axis, "__index__"):
            raise ValueError(f"{type(self).__name__}: axis is an integer; got {axis!r}.")
        self.axis = int(axis)

    @property
    def stepwise(self) -> bool:
        """Whether the axis is the last."""
        return self.axis == -1

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        rank = len(shapes[0])
        same_rank = all(len(shape) == rank for shape in shapes)
        if same_rank and not -rank <= self.axis < rank:
            raise ValueError(
                f"Layer '{self.name}' (Concatenate) has axis={self.axis}; inputs of the shapes {listed(shapes)} have "
                f"the axes 0 to {rank - 1}."
            )
        sizes = zip(*shapes, strict=False)
        if not same_rank or any(len(set(s) - {None}) > 1 for k, s in enumerate(sizes) if k != self.axis % rank):
            raise ValueError(
                f"Layer '{self.name}': A `Concatenate` layer requires inputs with matching shapes except for the "
                f"concatenation axis ({self.axis}).\n    given:    {listed(shapes)}"
            )

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        if any(x.shape != inputs[0].shape for x in inputs):
            self.check_inputs([x.shape for x in inputs])  # within a graph sizes may become known only now
        ends = np.cumsum([x.shape[self.axis] for x in inputs])[:-1]

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            return tuple(np.split(dy, ends, self.axis)) if wants_dx else (None,) * len(inputs), {}

        return np.concatenate(inputs, self.axis), pullback

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = self.listed_shapes(input_shape)
        joined = self.axis % len(shapes[0])
        result = []
        for axis, sizes in enumerate(zip(*shapes, strict=True)):
            if axis == joined:
                result.append(None if None in sizes else sum(sizes))
            else:
                result.append(next((size for size in sizes if size is not None), None))
        return tuple(result)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        masks = self.listed_masks(inputs, previous_mask)
        if masks is None:
            return None
        xs = inputs if isinstance(inputs, list | tuple) else [inputs]
        rank = xs[0].ndim
        # A mask of every number says as much about steps as the mask of the steps that have a number.
        masks = [m.any(axis=-1) if m is not None and m.ndim == rank else m for m in masks]
        depth = max(m.ndim for m in masks if m is not None)
        full = [
            np.broadcast_to(True if m is None else m.reshape(m.shape + (1,) * (depth - m.ndim)), x.shape[:depth])
            for m, x in zip(masks, xs, strict=True)
        ]
        axis = self.axis % rank
        return np.concatenate(full, axis) if axis < depth else np.logical_or.reduce(full)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate(axis)` of the inputs."""
    return Concatenate(axis=axis, **kwargs)(inputs)

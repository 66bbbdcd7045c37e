"""Dot: products of two arrays, summed along an axis of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise.layers.attention_core import stacked_matmul
from gatewise.layers.merging import Merge, listed


class Dot(Merge):
    """The products of two inputs, summed along one axis of each, sample by sample.

    Args:
        axes: the axis of both, or a pair: the axis of the first and of the second; not 0, the batch.
        normalize: whether both are divided by their Euclidean norms along the axis first: cosines.
        **kwargs: of `Layer`.

    The output has the other axes of the first input, then those of the second; (N, 1) if neither has any.
    """

    fewest = most = 2

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        cls = type(self).__name__
        if not isinstance(axes, int | np.integer | list | tuple) or isinstance(axes, bool):
            raise TypeError(f"{cls}: Invalid type for argument `axes`: it is an integer or a pair; got {axes!r}.")
        if isinstance(axes, list | tuple) and (
            len(axes) != 2 or not all(hasattr(axis, "__index__") and not isinstance(axis, bool) for axis in axes)
        ):
            raise ValueError(f"{cls}: Invalid format for argument `axes`: it has two integers; got {axes!r}.")
        self.axes = tuple(axes) if isinstance(axes, list | tuple) else int(axes)
        self.normalize = bool(normalize)

    def _axes(self, shapes: Sequence[Any]) -> list[int]:
        """The axis of each input, counted from its first."""
        given = self.axes if isinstance(self.axes, tuple) else (self.axes, self.axes)
        return [int(a) + len(s) if a < 0 else int(a) for a, s in zip(given, shapes, strict=True)]

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        super().check_inputs(shapes)
        who, (first, second) = f"Layer '{self.name}' (Dot)", [tuple(shape) for shape in shapes]
        a, b = self._axes(shapes)
        if not (1 <= a < len(first) and 1 <= b < len(second)):
            raise ValueError(
                f"{who} cannot sum along axes={self.axes}: axis 0 is the batch, and the inputs have the shapes "
                f"{listed(shapes)}.\nGive an axis that both have, from 1, or a pair of axes."
            )
        if None not in (first[a], second[b]) and first[a] != second[b]:
            raise ValueError(
                f"{who}: Incompatible input shapes: axis values {first[a]} (at axis {a}) != {second[b]} (at axis {b}). "
                f"Full input shapes: {first}, {second}"
            )
        if None not in (first[0], second[0]) and first[0] != second[0]:
            raise ValueError(f"{who}: its inputs have different batch sizes: {listed(shapes)}.")

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        self.check_inputs([x.shape for x in inputs])  # within a graph sizes may become known only now
        axes = self._axes([x.shape for x in inputs])
        ways = [_normalized(x, a) for x, a in zip(inputs, axes, strict=True)] if self.normalize else None
        xs = inputs if ways is None else [y for y, _ in ways]
        # (N, M, K) and (N, L, K): all other axes of a sample in one, the one that is summed over last.
        moved = [np.moveaxis(x, a, -1) for x, a in zip(xs, axes, strict=True)]
        a, b = (m.reshape(len(m), math.prod(m.shape[1:-1]), m.shape[-1]) for m in moved)
        rest = [*moved[0].shape[1:-1], *moved[1].shape[1:-1]]
        y = _matmul_each(a, b.swapaxes(1, 2)).reshape(len(a), *(rest or [1]))

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            if not wants_dx:
                return (None, None), {}
            dz = dy.reshape(len(a), a.shape[1], b.shape[1])
            flat = (_matmul_each(dz, b), _matmul_each(dz.swapaxes(1, 2), a))
            found = [np.moveaxis(d.reshape(m.shape), -1, axis) for d, m, axis in zip(flat, moved, axes, strict=True)]
            return tuple(found if ways is None else [back(d) for (_, back), d in zip(ways, found, strict=True)]), {}

        return y, pullback

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = self.listed_shapes(input_shape)
        a, b = self._axes(shapes)
        first, second = shapes
        rest = (*first[1:a], *first[a + 1 :], *second[1:b], *second[b + 1 :])
        return (first[0] if first[0] is not None else second[0], *(rest or (1,)))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return None


def dot(inputs: Sequence[Any], axes: int | Sequence[int] = -1, **kwargs: Any) -> Any:
    """`Dot(axes)` of the two inputs."""
    return Dot(axes=axes, **kwargs)(inputs)


def _matmul_each(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M, K) times (N, K, L), sample by sample; the sums do not depend on threads."""
    if a.shape[1] == 1 and b.shape[2] == 1:
        return np.add.reduce(a * b.swapaxes(1, 2), axis=2, keepdims=True)
    return stacked_matmul(a, b)


def _normalized(x: np.ndarray, axis: int) -> tuple[np.ndarray, Callable[[Any], Any]]:
    """x divided by its Euclidean norm along an axis (at least 1e-7), and its pullback."""
    norm = np.sqrt(np.add.reduce(x * x, axis=axis, keepdims=True))
    inverse = 1 / np.maximum(norm, x.dtype.type(1e-7))
    y = x * inverse

    def pullback(dy: Any) -> Any:
        along = np.add.reduce(dy * y, axis=axis, keepdims=True) * (norm > 1e-7)
        return (dy - y * along) * inverse

    return y, pullback

"""Layers that put numbers in another order or shape: Flatten, Reshape, RepeatVector, Permute; and Identity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import tree, validation
from gatewise.layer import Layer
from gatewise.stepper import AsItIs, LayerUse, Stepper


class Flatten(Layer):
    """Puts all numbers of a sample into one row: (N, ...) to (N, their product).

    Args:
        data_format: "channels_last" (the default) or "channels_first": axis 1 goes last before the rest is flattened.
        **kwargs: of `Layer`.
    """

    not_causal = "it makes one list of all time steps"

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if data_format not in (None, "channels_last", "channels_first"):
            raise ValueError(
                f"{type(self).__name__}: The `data_format` argument must be one of 'channels_first', 'channels_last'. "
                f"Received: data_format={data_format!r}"
            )
        self.data_format = data_format or "channels_last"

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        if len(shapes[0]) < 1:
            raise ValueError(
                f"Layer '{self.name}' (Flatten) needs a batch of samples; it was given a single number. Write x[None]."
            )

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        moved = np.moveaxis(x, 1, -1) if self.data_format == "channels_first" and x.ndim > 1 else x

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            if not wants_dx:
                return (None,), {}
            dx = dy.reshape(moved.shape)
            return (dx if moved is x else np.moveaxis(dx, -1, 1),), {}

        return moved.reshape(len(x), math.prod(x.shape[1:])), pullback

    def compute_output_shape(self, input_shape: Any) -> Any:
        rest = tuple(input_shape)[1:]
        return (input_shape[0], None if None in rest else math.prod(rest))


class Reshape(Layer):
    """Gives each sample another shape, its numbers in the same order: (N, ...) to (N, *target_shape).

    Args:
        target_shape: without the batch; -1 or None for one size that follows from the others.
        **kwargs: of `Layer`.

    Raises:
        ValueError: for a shape with another number of numbers than the input has.
    """

    not_causal = "it puts the numbers of several time steps into others"

    def __init__(self, target_shape: Sequence[int | None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        cls = type(self).__name__
        if not tree.is_shape(target_shape):
            example = f" Write target_shape=({target_shape},)." if isinstance(target_shape, int) else ""
            raise TypeError(
                f"{cls}: target_shape is a tuple such as (3, 4), without the batch; got {target_shape!r}.{example}"
            )
        self.target_shape = tuple(None if size is None else int(size) for size in target_shape)
        if any(size is not None and size < -1 for size in self.target_shape):
            raise ValueError(
                f"{cls}: Each dimension in `target_shape` must be a non-negative integer, or `-1` for a single unknown "
                f"dimension. Received: target_shape={self.target_shape}."
            )
        if sum(size in (-1, None) for size in self.target_shape) > 1:
            raise ValueError(
                f"{cls}: There must be at most one unknown dimension (-1) in `target_shape`. Received: "
                f"target_shape={self.target_shape}."
            )
        self.built = True

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        given = tuple(shapes[0])[1:]
        if None in given:
            return
        known = math.prod(size for size in self.target_shape if size not in (-1, None))
        total = math.prod(given)
        open_size = -1 in self.target_shape or None in self.target_shape
        if (total % known if open_size and known else total != known) or (open_size and not known):
            raise ValueError(
                f"Layer '{self.name}' (Reshape): The total size of the tensor must be unchanged. Received: "
                f"input_shape={given}, target_shape={self.target_shape}\n"
                f"    expected: a shape of {total} numbers for each sample\n    given:    {self.target_shape}, "
                f"{'a multiple of ' if open_size else ''}{known} numbers\n"
                "One size may be -1: it follows from the others."
            )

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        self.check_inputs([x.shape])  # within a graph sizes may become known only now
        y = x.reshape(len(x), *self.compute_output_shape(x.shape)[1:])
        return y, lambda dy, wants_dx=True: ((dy.reshape(x.shape) if wants_dx else None,), {})

    def stepper(self, use: LayerUse) -> Stepper:
        before, after = use.shapes[0][2:], self.target_shape[1:]
        known = [[size for size in sizes if size is not None] for sizes in (before, after)]
        keeps_steps = len(known[0]) == len(before) and self.target_shape[:1] in ((-1,), (None,))
        if use.is_timed and keeps_steps and math.prod(known[0]) == math.prod(known[1]):
            return AsItIs(self, use)
        return super().stepper(use)

    def compute_output_shape(self, input_shape: Any) -> Any:
        rest = tuple(input_shape)[1:]
        sizes = [None if size == -1 else size for size in self.target_shape]
        if None in sizes and None not in rest:
            sizes[sizes.index(None)] = math.prod(rest) // math.prod(size for size in sizes if size is not None)
        return (input_shape[0], *sizes)


class RepeatVector(Layer):
    """Repeats each sample's row n times: (N, F) to (N, n, F).

    Args:
        n: how often.
        **kwargs: of `Layer`.
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        cls = type(self).__name__
        if isinstance(n, bool) or not hasattr(n, "__index__"):
            raise TypeError(f"{cls}: Expected an integer value for `n`, got {type(n)}: {n!r}.")
        if n <= 0:
            raise ValueError(f"{cls}: Argument `n` should be a positive integer. Received: n={n}")
        self.n = int(n)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        hint = "If a recurrent layer comes before, leave out its return_sequences=True." if len(shapes[0]) == 3 else ""
        validation.check_ndim(shapes[0], 2, self.name, type(self).__name__, hint)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        y = np.repeat(x[:, None, :], self.n, axis=1)
        return y, lambda dy, wants_dx=True: ((np.add.reduce(dy, axis=1) if wants_dx else None,), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.n, input_shape[1])


class Permute(Layer):
    """Puts the axes of each sample in another order.

    Args:
        dims: the axes in their new order, counted from 1 (the batch, 0, stays first): (2, 1) swaps steps and features.
        **kwargs: of `Layer`.
    """

    not_causal = "it gives the time steps another axis"

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        cls = type(self).__name__
        if not tree.is_shape(dims):
            raise TypeError(f"{cls}: dims is a tuple of axes such as (2, 1); got {dims!r}.")
        if None in dims or sorted(dims) != list(range(1, len(dims) + 1)):
            raise ValueError(
                f"{cls}: Invalid permutation argument `dims` for Permute Layer. The set of indices in `dims` must be "
                f"consecutive and start from 1. Received dims={dims}"
            )
        self.dims = tuple(int(axis) for axis in dims)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        hint = f"dims={self.dims} names {len(self.dims)} axes besides the batch."
        validation.check_ndim(shapes[0], len(self.dims) + 1, self.name, type(self).__name__, hint)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        order = (0, *self.dims)
        back = np.argsort(order)
        return inputs[0].transpose(order), lambda dy, wants_dx=True: ((dy.transpose(back) if wants_dx else None,), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))


class Identity(Layer):
    """Returns what it is given: an array, or a nesting of arrays."""

    stepwise = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.built = True

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        if len(inputs) == 1:
            return inputs[0], lambda dy, wants_dx=True: ((dy,), {})
        return list(inputs), lambda dy, wants_dx=True: (tuple(dy), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tree.map_shapes(lambda shape: shape, input_shape)

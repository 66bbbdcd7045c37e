"""Layers that make one array of several: what they share, and Add, Subtract, Multiply, Average, Maximum, Minimum.

Each is also a function: `add([a, b])` is `Add()([a, b])`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from gatewise import tree, validation
from gatewise.arguments import describe, is_array
from gatewise.autodiff import summed_to
from gatewise.layer import Layer
from gatewise.stepper import LayerUse, Stepper, check_time_axes

Shape = tuple[int | None, ...]


class Merge(Layer):
    """What all merging layers share: they are called with a list of arrays, and pass on what their masks make together.

    Args:
        **kwargs: of `Layer`.
    """

    takes_list = True
    fewest, most = 1, None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        rest = {key: value for key, value in kwargs.items() if key not in ("inputs", "mask", "training")}
        given = args[0] if args else kwargs.get("inputs")
        if len(args) > 1 or rest or not isinstance(given, list | tuple) or not given:
            self._refuse_call(args, rest, given)
        return [x if is_array(x) else Layer.arrange(self, (x,), {})[0][0] for x in given], None

    def _refuse_call(self, args: tuple, rest: dict[str, Any], given: Any) -> NoReturn:
        who = f"Layer '{self.name}' ({type(self).__name__})"
        if rest:
            raise TypeError(
                f"{who} has no argument {', '.join(map(repr, rest))}; it is called with a list: layer([a, b])."
            )
        came = f"{len(args)} arguments" if len(args) > 1 else describe(given)
        raise ValueError(
            f"{who}: A merge layer should be called on a list of inputs.\n"
            f"    expected: a list of arrays, layer([a, b])\n    given:    {came}"
        )

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        if len(shapes) < self.fewest or (self.most is not None and len(shapes) > self.most):
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}) should be called on exactly {self.fewest} inputs; it was "
                f"given {len(shapes)}, of the shapes {listed(shapes)}."
            )

    def listed_shapes(self, input_shape: Any) -> list[Shape]:
        """The argument of `compute_output_shape`, checked."""
        if tree.is_shape(input_shape):
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}): A merge layer should be called on a list of inputs; got "
                f"the single shape {tuple(input_shape)}."
            )
        shapes = [tuple(shape) for shape in input_shape]
        self.check_inputs(shapes)
        return shapes

    def listed_masks(self, inputs: Any, mask: Any) -> list[Any] | None:
        """The masks of the inputs, one for each (None where there is none); None where no input has one."""
        n = len(inputs) if isinstance(inputs, list | tuple) else 1
        if mask is None:
            return None
        if not isinstance(mask, list | tuple) or len(mask) != n:
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}): `mask` should be a list of {n}, a mask or None for each "
                f"input; got {describe(mask)}."
            )
        found = [None if m is None else np.asarray(m) != 0 for m in mask]
        return None if all(m is None for m in found) else found


class _Elementwise(Merge):
    """A merging layer that works number by number.

    Arrays of fewer axes get axes of length 1 behind the batch, then all are spread to one shape.  Subclasses define
    `_merged(xs, counts) -> (y, function of dy that gives the gradient of each x)`, with `counts[k]` the mask of xs[k]
    (None for all of it), spread over its axes.
    """

    stepwise = True

    def stepper(self, use: LayerUse) -> Stepper:
        if use.is_timed:
            check_time_axes(use, spread_behind_batch=True)
        return super().stepper(use)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        super().check_inputs(shapes)
        batches = {shape[0] for shape in shapes if len(shape)} - {None}
        if len(batches) > 1:
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}): Cannot merge tensors with different batch sizes. "
                f"Received tensors with shapes {listed(shapes)}"
            )
        self._check_sizes(shapes)

    def _check_sizes(self, shapes: Sequence[Any]) -> None:
        rank = max(len(shape) for shape in shapes)
        for sizes in zip(*(_widened(shape, rank) for shape in shapes), strict=True):
            if len(set(sizes) - {None, 1}) > 1:
                raise ValueError(
                    f"Layer '{self.name}' ({type(self).__name__}): Inputs have incompatible shapes.\n"
                    "    expected: along each axis the same size, or 1 (axes are matched from the last)\n"
                    f"    given:    {listed(shapes)}"
                )

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        if any(x.shape != inputs[0].shape for x in inputs):
            self._check_sizes([x.shape for x in inputs])  # within a graph sizes may become known only now
        rank = max(x.ndim for x in inputs)
        wide = [x if x.ndim == rank else x.reshape(_widened(x.shape, rank)) for x in inputs]
        masks = self.listed_masks(list(inputs), mask) or [None] * len(inputs)
        counts = [None if m is None else _beside(m, x, rank) for m, x in zip(masks, inputs, strict=True)]
        y, back = self._merged(wide, counts)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            if not wants_dx:
                return (None,) * len(inputs), {}
            pairs = zip(back(dy), inputs, wide, strict=True)
            return tuple(summed_to(gradient, w.shape).reshape(x.shape) for gradient, x, w in pairs), {}

        return y, pullback

    def _merged(self, xs: list, counts: list) -> tuple[Any, Callable[[Any], Sequence[Any]]]:
        raise TypeError(f"{type(self).__name__} merges nothing: it has no _merged.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = self.listed_shapes(input_shape)
        rank = max(len(shape) for shape in shapes)
        wide = [_widened(shape, rank) for shape in shapes]
        batches = {shape[0] for shape in shapes}
        known = batches - {None}
        batch = known.pop() if len(known) == 1 and (None not in batches or known != {1}) else None
        return (batch, *(None if None in sizes else max(sizes) for sizes in list(zip(*wide, strict=True))[1:]))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        masks = self.listed_masks(inputs, previous_mask)
        if masks is None or any(m is None for m in masks):
            return None
        rank = max(m.ndim for m in masks)
        return np.logical_or.reduce(np.broadcast_arrays(*(m.reshape(_widened(m.shape, rank)) for m in masks)))


class Add(_Elementwise):
    """The sum of its inputs."""

    def _merged(self, xs: list, counts: list) -> Any:
        return _total(xs), lambda dy: [dy] * len(xs)


class Subtract(_Elementwise):
    """The first of its two inputs less the second."""

    fewest = most = 2

    def _merged(self, xs: list, counts: list) -> Any:
        return xs[0] - xs[1], lambda dy: (dy, -dy)


class Average(_Elementwise):
    """The mean of its inputs."""

    def _merged(self, xs: list, counts: list) -> Any:
        n = xs[0].dtype.type(len(xs))
        return _total(xs) / n, lambda dy: [dy / n] * len(xs)


class Multiply(_Elementwise):
    """The product of its inputs.

    An input counts as 1 where it is masked; where all are masked the product is 0.
    """

    def _merged(self, xs: list, counts: list) -> Any:
        factors = [x if c is None else np.where(c, x, x.dtype.type(1)) for x, c in zip(xs, counts, strict=True)]
        y = factors[0]
        for factor in factors[1:]:
            y = y * factor
        somewhere = None
        if all(c is not None for c in counts):
            somewhere = np.logical_or.reduce(np.broadcast_arrays(*counts))
            y = np.where(somewhere, y, y.dtype.type(0))

        def back(dy: Any) -> list:
            dy = dy if somewhere is None else np.where(somewhere, dy, dy.dtype.type(0))
            gradients = []
            for k, c in enumerate(counts):
                d = dy
                for j, factor in enumerate(factors):
                    d = d if j == k else d * factor
                gradients.append(d if c is None else np.where(c, d, d.dtype.type(0)))
            return gradients

        return y, back


class _Extreme(_Elementwise):
    """The largest or smallest of the inputs that are not masked; the first of them where all are.

    Of equal ones the first gets the gradient.
    """

    _stays: Callable[..., Any]  # (best so far, next): where the best so far remains it
    _chosen: Callable[..., Any]

    def _merged(self, xs: list, counts: list) -> Any:
        best, best_counts = xs[0], counts[0]
        winner = np.zeros((1,) * best.ndim, np.intp)
        for k, (x, c) in enumerate(zip(xs[1:], counts[1:], strict=True), start=1):
            takes = ~type(self)._stays(best, x)
            chosen = type(self)._chosen(best, x)
            if c is not None:
                takes, chosen = takes & c, np.where(c, chosen, best)
            if best_counts is not None:
                # Nothing that counts was met so far: whatever counts here takes its place.
                first = ~best_counts if c is None else ~best_counts & c
                takes, chosen = takes | first, np.where(first, x, chosen)
            best, winner = chosen, np.where(takes, k, winner)
            best_counts = None if c is None or best_counts is None else best_counts | c
        return best, lambda dy: [np.where(winner == k, dy, dy.dtype.type(0)) for k in range(len(xs))]


class Maximum(_Extreme):
    """The largest of its inputs, number by number; masked ones do not take part."""

    _stays, _chosen = np.greater_equal, np.maximum


class Minimum(_Extreme):
    """The smallest of its inputs, number by number; masked ones do not take part."""

    _stays, _chosen = np.less_equal, np.minimum


# ---- helpers ------------------------------------------------------------------------------------------


def listed(shapes: Sequence[Any]) -> str:
    """The shapes of several inputs, for messages."""
    return ", ".join(validation.drawn(shape) for shape in shapes)


def _widened(shape: Sequence[Any], rank: int) -> tuple[Any, ...]:
    """A shape with axes of length 1 put behind the batch until there are `rank`."""
    return (*shape[:1], *(1,) * (rank - len(shape)), *shape[1:])


def _beside(mask: np.ndarray, x: np.ndarray, rank: int) -> np.ndarray:
    """The mask of x with an axis for each of the `rank` axes that x is widened to."""
    return mask.reshape(_widened(mask.shape + (1,) * (x.ndim - mask.ndim), rank))


def _total(xs: list) -> Any:
    y = xs[0]
    for x in xs[1:]:
        y = y + x
    return y


# ---- as functions -------------------------------------------------------------------------------------


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Add()` of the inputs."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Subtract()` of the two inputs."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Multiply()` of the inputs."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Average()` of the inputs."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Maximum()` of the inputs."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Minimum()` of the inputs."""
    return Minimum(**kwargs)(inputs)

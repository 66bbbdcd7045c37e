"""Layers that change how many steps there are: Cropping1D, ZeroPadding1D, UpSampling1D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import validation
from gatewise.layer import Layer
from gatewise.layers import spatial


class Cropping1D(Layer):
    """Leaves out steps at the beginning and at the end.

    Args:
        cropping: how many at either end, or (at the beginning, at the end).
        **kwargs: of `Layer`.

    Input (N, T, C), output (N, T - sum of cropping, C).

    Raises:
        ValueError: for numbers below 0, and inputs of which nothing would be left.
    """

    not_causal = "it leaves out time steps, and which are the last is known at the end only"

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cropping = spatial.integers(cropping, 2, "cropping", type(self).__name__, at_least=0)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        cls = type(self).__name__
        spatial.check_input(shapes[0], 1, "channels_last", None, self.name, cls)
        steps = shapes[0][1]
        if steps is not None and sum(self.cropping) >= steps:
            raise ValueError(
                f"Layer '{self.name}' ({cls}) leaves nothing of its input: cropping={self.cropping} takes "
                f"{sum(self.cropping)} of {steps} steps.\n"
                f"    given: {validation.drawn(shapes[0], spatial.axes(1, 'channels_last'))}\n"
                f"Write cropping=... with a sum below {steps}."
            )

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        self.check_inputs([x.shape])  # within a graph sizes may become known only now
        kept = slice(self.cropping[0], x.shape[1] - self.cropping[1])

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            if not wants_dx:
                return (None,), {}
            dx = np.zeros_like(x)
            dx[:, kept] = dy
            return (dx,), {}

        return x[:, kept], pullback

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, steps, channels = input_shape
        return (batch, None if steps is None else steps - sum(self.cropping), channels)


class ZeroPadding1D(Layer):
    """Adds steps of zeros at the beginning and at the end.

    Args:
        padding: how many at either end, or (at the beginning, at the end).
        data_format: "channels_last", (N, T, C), or "channels_first", (N, C, T).
        **kwargs: of `Layer`.

    Raises:
        ValueError: for numbers below 0, and inputs of the wrong shape.
    """

    not_causal = "it adds time steps"

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.padding = spatial.integers(padding, 2, "padding", owner, at_least=0)
        self.data_format = spatial.data_format(data_format, owner)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        spatial.check_input(shapes[0], 1, self.data_format, None, self.name, type(self).__name__)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        y = np.zeros(self.compute_output_shape(x.shape), x.dtype)
        steps = slice(self.padding[0], y.shape[1 if self.data_format == "channels_last" else 2] - self.padding[1])
        place = (slice(None), steps) if self.data_format == "channels_last" else (slice(None), slice(None), steps)
        y[place] = x
        return y, lambda dy, wants_dx=True: ((dy[place] if wants_dx else None,), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, (steps,), channels = spatial.parts(input_shape, self.data_format)
        longer = None if steps is None else steps + sum(self.padding)
        return spatial.joined(batch, (longer,), channels, self.data_format)


class UpSampling1D(Layer):
    """Repeats each step `size` times.

    Args:
        size: how often.
        **kwargs: of `Layer`.

    Input (N, T, C), output (N, T size, C).

    Raises:
        ValueError: if `size` is no positive integer, and for inputs of the wrong shape.
    """

    not_causal = "it makes several time steps of one"

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = validation.positive_integer(size, "size", type(self).__name__)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        spatial.check_input(shapes[0], 1, "channels_last", None, self.name, type(self).__name__)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        N, T, C = x.shape

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            return (dy.reshape(N, T, self.size, C).sum(axis=2) if wants_dx else None,), {}

        return np.repeat(x, self.size, axis=1), pullback

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, steps, channels = input_shape
        return (batch, None if steps is None else steps * self.size, channels)

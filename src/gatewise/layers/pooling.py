"""Pooling: the maximum or the mean over windows, or over all of an input."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import validation
from gatewise.layer import Layer
from gatewise.layers import spatial
from gatewise.layers.window_steppers import GlobalAverageStepper, GlobalMaxStepper
from gatewise.layers.windows import Windows, windows_over
from gatewise.stepper import LayerUse, Stepper


class _Pooling(Layer):
    """Base of the layers that pool over windows.

    A family computes in `pooled`.
    """

    not_causal = "its windows have several time steps, and fewer outputs than there are steps"

    rank = 1

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        owner = type(self).__name__
        self.pool_size = spatial.integers(pool_size, self.rank, "pool_size", owner)
        self.strides = self.pool_size if strides is None else spatial.integers(strides, self.rank, "strides", owner)
        self.padding = spatial.padding(padding, owner)
        self.data_format = spatial.data_format(data_format, owner)
        self.built = True

    def pooled(self, x: np.ndarray, windows: Windows) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """(y, pullback), channels last."""
        raise TypeError(f"{type(self).__name__} must define pooled.")

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        cls = type(self).__name__
        spatial.check_input(shapes[0], self.rank, self.data_format, None, self.name, cls)
        self._check_sizes(spatial.parts(shapes[0], self.data_format)[1])

    def _check_sizes(self, sizes: Sequence[Any]) -> None:
        """Raise ValueError if no window fits into inputs of these sizes."""
        cls = type(self).__name__
        spatial.check_windows_fit(sizes, self.pool_size, (1,) * self.rank, self.padding, self.name, cls)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x = spatial.with_channels_last(inputs[0], self.data_format)
        self._check_sizes(x.shape[1:-1])  # within a graph they may become known only now
        windows = windows_over(x.shape[1:-1], self.pool_size, self.strides, (1,) * self.rank, self.padding)
        y, back = self.pooled(x, windows)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            if not wants_dx:
                return (None,), {}
            dx = back(spatial.with_channels_last(dy, self.data_format))
            return (spatial.as_given(dx, self.data_format),), {}

        return spatial.as_given(y, self.data_format), pullback

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, sizes, channels = spatial.parts(input_shape, self.data_format)
        counts = spatial.counts(sizes, self.pool_size, self.strides, (1,) * self.rank, self.padding)
        return spatial.joined(batch, counts, channels, self.data_format)


class _MaxPooling(_Pooling):
    """Base of MaxPooling1D and MaxPooling2D."""

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)

    def pooled(self, x: np.ndarray, windows: Windows) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        whole = windows.padded(x, -math.inf)
        taps = [places for _, places in windows.taps()]
        y = functools.reduce(np.maximum, [whole[places] for places in taps])

        def pullback(dy: np.ndarray) -> np.ndarray:
            d_whole = np.zeros_like(whole)
            left = np.ones(y.shape, bool)  # of several that are largest, the first has made the output
            for places in taps:
                taken = left & ((whole[places] == y) | np.isnan(whole[places]))
                d_whole[places] += np.where(taken, dy, dy.dtype.type(0))
                left &= ~taken
            return windows.cut(d_whole)

        return np.array(y) if len(taps) == 1 else y, pullback


class _AveragePooling(_Pooling):
    """Base of AveragePooling1D and AveragePooling2D."""

    def pooled(self, x: np.ndarray, windows: Windows) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        whole = windows.padded(x)
        inside = windows.padded(np.ones((1, *windows.sizes, 1), x.dtype))
        taps = [places for _, places in windows.taps()]
        sums, counts = np.zeros_like(whole[taps[0]]), np.zeros_like(inside[taps[0]])
        for places in taps:
            sums += whole[places]
            counts += inside[places]

        def pullback(dy: np.ndarray) -> np.ndarray:
            d_whole, share = np.zeros_like(whole), dy / counts
            for places in taps:
                d_whole[places] += share
            return windows.cut(d_whole)

        return sums / counts, pullback


class MaxPooling1D(_MaxPooling):
    """The largest value of each channel in each window of steps.

    Args:
        pool_size: how many steps a window has.
        strides: how far it moves from one output to the next; default `pool_size`.
        padding: "valid": windows within the input only; "same": ceil(T / strides) outputs, windows cut off at the ends.
        data_format: "channels_last", (N, T, C), or "channels_first", (N, C, T).
        **kwargs: of `Layer`.

    Of several largest values the first has the gradient.

    Raises:
        ValueError: for sizes that are no positive integers, and inputs of the wrong shape.
    """


class MaxPooling2D(_MaxPooling):
    """The largest value of each channel in each rectangle; see `MaxPooling1D`.

    pool_size, strides: an integer, or (rows, columns).  Input (N, rows, columns, C), or (N, C, rows, columns).
    """

    rank = 2


class AveragePooling1D(_AveragePooling):
    """The mean of each channel over each window of steps, of the steps that are in the input.

    Args:
        pool_size: how many steps a window has.
        strides, padding, data_format: see `MaxPooling1D`.
        **kwargs: of `Layer`.

    Raises:
        ValueError: for sizes that are no positive integers, and inputs of the wrong shape.
    """


class AveragePooling2D(_AveragePooling):
    """The mean of each channel over each rectangle; see `AveragePooling1D`.

    pool_size, strides: an integer, or (rows, columns).  Input (N, rows, columns, C), or (N, C, rows, columns).
    """

    rank = 2


# ---- over all of an input -------------------------------------------------------------------------------


class _GlobalPooling(Layer):
    """Base of the layers that pool over all steps or places."""

    rank = 1

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = spatial.data_format(data_format, type(self).__name__)
        self.keepdims = bool(keepdims)
        self.built = True

    @property
    def _axes(self) -> tuple[int, ...]:
        """The axes that are pooled over."""
        first = 2 if self.data_format == "channels_first" else 1
        return tuple(range(first, first + self.rank))

    def _returned(self, y: np.ndarray) -> np.ndarray:
        """y, which has axes of length 1, as the layer returns it."""
        return y if self.keepdims else np.squeeze(y, self._axes)

    def _spread(self, dy: np.ndarray) -> np.ndarray:
        """dy with axes of length 1."""
        return dy if self.keepdims else np.expand_dims(dy, self._axes)

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        spatial.check_input(shapes[0], self.rank, self.data_format, None, self.name, type(self).__name__)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, sizes, channels = spatial.parts(input_shape, self.data_format)
        return spatial.joined(batch, (1,) * len(sizes) if self.keepdims else (), channels, self.data_format)


class _GlobalMax(_GlobalPooling):
    """Base of GlobalMaxPooling1D and GlobalMaxPooling2D."""

    def stepper(self, use: LayerUse) -> Stepper:
        return GlobalMaxStepper(self, use) if use.is_timed and not self._uses_call else super().stepper(use)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        y = x.max(axis=self._axes, keepdims=True)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            if not wants_dx:
                return (None,), {}
            largest = (x == y) | np.isnan(x)
            share = self._spread(dy) / np.count_nonzero(largest, axis=self._axes, keepdims=True).astype(x.dtype)
            return (np.where(largest, share, x.dtype.type(0)),), {}

        return self._returned(y), pullback


class GlobalMaxPooling1D(_GlobalMax):
    """The largest value of each channel over all steps.

    Args:
        data_format: "channels_last", (N, T, C), or "channels_first", (N, C, T).
        keepdims: whether the axis of the steps stays, with length 1.
        **kwargs: of `Layer`.

    Several largest values share the gradient.  Input (N, T, C), output (N, C).
    """


class GlobalMaxPooling2D(_GlobalMax):
    """The largest value of each channel over all rows and columns; see `GlobalMaxPooling1D`."""

    rank = 2


class _GlobalAverage(_GlobalPooling):
    """Base of GlobalAveragePooling1D and GlobalAveragePooling2D."""

    def _summed(self, x: np.ndarray) -> np.ndarray:
        """The sum over all steps or places; axes of length 1 stay."""
        return x.sum(axis=self._axes, keepdims=True)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        counts = x.dtype.type(math.prod(x.shape[axis] for axis in self._axes))
        y = self._summed(x) / counts

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            return (np.broadcast_to(self._spread(dy) / counts, x.shape).copy() if wants_dx else None,), {}

        return self._returned(y), pullback


class GlobalAveragePooling1D(_GlobalAverage):
    """The mean of each channel over all steps that count.

    Args:
        data_format: "channels_last", (N, T, C), or "channels_first", (N, C, T).
        keepdims: whether the axis of the steps stays, with length 1.
        **kwargs: of `Layer`.

    With a mask (N, T), the mean of the steps that count; NaN where none does.  Input (N, T, C), output (N, C).

    Raises:
        ValueError: for inputs or masks of the wrong shape.
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return None

    def stepper(self, use: LayerUse) -> Stepper:
        return GlobalAverageStepper(self, use) if use.is_timed and not self._uses_call else super().stepper(use)

    def _summed(self, x: np.ndarray) -> np.ndarray:
        """Step after step, so that a stream, which knows no later ones, has the same sums."""
        in_order = self.data_format != "channels_first" and x.shape[1]
        return np.add.accumulate(x, axis=1)[:, -1:] if in_order else super()._summed(x)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        if mask is None:
            return super().forward(x)
        (steps,) = self._axes
        validation.check_sequence_mask(mask, len(x), x.shape[steps], self.name)
        use, zero = mask[:, :, None] if steps == 1 else mask[:, None, :], x.dtype.type(0)
        counts = np.count_nonzero(use, axis=steps, keepdims=True).astype(x.dtype)
        with np.errstate(invalid="ignore"):  # a row without steps has no mean: 0 / 0
            y = self._summed(np.where(use, x, zero)) / counts

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            share = self._spread(dy) / np.maximum(counts, 1)
            return (np.where(use, share, zero) if wants_dx else None,), {}

        return self._returned(y), pullback


class GlobalAveragePooling2D(_GlobalAverage):
    """The mean of each channel over all rows and columns; see `GlobalAveragePooling1D`.  It takes no mask."""

    rank = 2


AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D

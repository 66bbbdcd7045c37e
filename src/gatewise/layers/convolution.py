"""Conv1D and Conv2D, and what all convolution layers share.

    z[n, p, l] = sum over taps k and channels c of x[n, p stride + k dilation - padding, c] kernel[k, c, l] + bias[l]

LeCun et al. 1989; van den Oord et al. 2016 (causal, dilated); Krizhevsky et al. 2012 (groups).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import activations, constraints, initializers, regularizers, validation
from gatewise.layer import Layer
from gatewise.layers import spatial
from gatewise.layers.cell import given_arguments
from gatewise.layers.window_steppers import ConvolutionStepper
from gatewise.layers.windows import Windows, convolve, convolve_backward, windows_over
from gatewise.stepper import LayerUse, Stepper
from gatewise.variable import Variable

_RESOLVED = {"initializer": initializers.get, "regularizer": regularizers.get, "constraint": constraints.get}


class ConvolutionLayer(Layer):
    """Base of all convolution layers: arguments, bias, activation, layout.

    A family makes its weights in `make_kernels`, and computes in `convolved`.
    """

    in_config_if_true = ()
    only_in_old_configs: tuple[str, ...] = ()  # what Keras 2 wrote for layers that make no use of it
    rank = 1
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    padding: str
    data_format: str
    activation: Callable[..., Any]
    use_bias: bool
    bias_initializer: Any
    bias_regularizer: Any
    bias_constraint: Any

    def __init__(self, arguments: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(activity_regularizer=arguments.pop("activity_regularizer"), **kwargs)
        owner = type(self).__name__
        for name, value in arguments.items():
            resolved = _RESOLVED.get(name.rpartition("_")[2])
            setattr(self, name, value if resolved is None else resolved(value))
        for name in ("kernel_size", "strides", "dilation_rate"):
            setattr(self, name, spatial.integers(getattr(self, name), self.rank, name, owner))
        for name in ("filters", "groups", "depth_multiplier"):
            if name in arguments:
                setattr(self, name, validation.positive_integer(arguments[name], name, owner))
        self.padding = spatial.padding(self.padding, owner, self.paddings())
        self.data_format = spatial.data_format(self.data_format, owner)
        self.activation = activations.get(self.activation)
        self.use_bias = bool(self.use_bias)
        self.bias: Variable | None = None
        self._input_channels: int | None = None

    def paddings(self) -> tuple[str, ...]:
        """The paddings that there are: causal ones along one axis only."""
        return ("valid", "same", "causal") if self.rank == 1 else ("valid", "same")

    # --- a family supplies these -----------------------------------------------------------------------------

    def output_channels(self, channels: int) -> int:
        """How many channels come out where `channels` come in."""
        raise TypeError(f"{type(self).__name__} must define output_channels.")

    def make_kernels(self, channels: int) -> None:
        """Create the weights but for the bias."""
        raise TypeError(f"{type(self).__name__} must define make_kernels.")

    def convolved(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray, bool], tuple[Any, dict]]]:
        """(z, pullback) without the bias, channels last; z is a new array, `pullback(dz, wants_dx)` is (dx, {...})."""
        raise TypeError(f"{type(self).__name__} must define convolved.")

    # --- the layer -------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        self.check_inputs([input_shape])
        _, _, channels = spatial.parts(input_shape, self.data_format)
        spatial.check_channels_known(channels, self.name, type(self).__name__)
        self._input_channels = channels
        self.make_kernels(channels)
        if self.use_bias:
            self.bias = self.add_weight(
                (self.output_channels(channels),), self.bias_initializer, name="bias",
                regularizer=self.bias_regularizer, constraint=self.bias_constraint,
            )  # fmt: skip

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        cls = type(self).__name__
        spatial.check_input(shapes[0], self.rank, self.data_format, self._input_channels, self.name, cls)
        self.check_sizes(spatial.parts(shapes[0], self.data_format)[1])

    def check_sizes(self, sizes: Sequence[Any]) -> None:
        """Raise ValueError if inputs of these sizes have no output."""
        spatial.check_windows_fit(
            sizes, self.kernel_size, self.dilation_rate, self.padding, self.name, type(self).__name__
        )

    def output_sizes(self, sizes: Sequence[Any]) -> tuple[int | None, ...]:
        """The sizes of the output; None where that of the input is unknown."""
        return spatial.counts(sizes, self.kernel_size, self.strides, self.dilation_rate, self.padding)

    def windows(self, sizes: tuple[int, ...]) -> Windows:
        """The windows over inputs of these sizes."""
        return windows_over(sizes, self.kernel_size, self.strides, self.dilation_rate, self.padding)

    def wanted(self, variable: Variable | None) -> bool:
        """Whether the gradient of a weight is wanted."""
        return self._trainable and variable is not None and variable.trainable

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x = spatial.with_channels_last(inputs[0], self.data_format)
        self.check_sizes(x.shape[1:-1])  # within a graph they may become known only now
        z, back = self.convolved(x)
        if self.bias is not None:
            z += self.bias.array
        y, activation_pullback = activations.forward_of(self.activation)(spatial.as_given(z, self.data_format))

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            dz = spatial.with_channels_last(activation_pullback(dy), self.data_format)
            dx, gradients = back(dz, wants_dx)
            if self.bias is not None and self.wanted(self.bias):
                gradients[self.bias] = np.add.reduce(dz, axis=tuple(range(dz.ndim - 1)))
            return (None if dx is None else spatial.as_given(dx, self.data_format),), gradients

        return y, pullback

    def stepper(self, use: LayerUse) -> Stepper:
        return ConvolutionStepper(self, use) if use.is_timed and not self._uses_call else super().stepper(use)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, sizes, channels = spatial.parts(input_shape, self.data_format)
        return spatial.joined(batch, self.output_sizes(sizes), self.output_channels(channels), self.data_format)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**{name: value for name, value in config.items() if name not in cls.only_in_old_configs})


class _Convolution(ConvolutionLayer):
    """Base of Conv1D and Conv2D."""

    filters: int
    groups: int
    kernel: Variable
    kernel_initializer: Any
    kernel_regularizer: Any
    kernel_constraint: Any

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(given_arguments(locals()), **kwargs)
        spatial.check_steps(self.strides, self.dilation_rate, type(self).__name__)
        if self.filters % self.groups:
            raise ValueError(
                f"{type(self).__name__}: each group makes as many filters, so `groups` must divide `filters`; got "
                f"filters={self.filters} and groups={self.groups}."
            )

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        super().check_inputs(shapes)
        channels = spatial.parts(shapes[0], self.data_format)[2]
        if channels is not None and channels % self.groups:
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}) shares the channels of its input among "
                f"groups={self.groups}, and {channels} channels cannot be shared evenly.\n"
                f"    given: {validation.drawn(shapes[0])}\n"
                "Take a number of groups that divides both the channels and the filters."
            )

    def output_channels(self, channels: int) -> int:
        return self.filters

    def make_kernels(self, channels: int) -> None:
        self.kernel = self.add_weight(
            (*self.kernel_size, channels // self.groups, self.filters), self.kernel_initializer, name="kernel",
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint,
        )  # fmt: skip

    def convolved(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray, bool], tuple[Any, dict]]]:
        windows, W = self.windows(x.shape[1:-1]), self.kernel.array

        def pullback(dz: np.ndarray, wants_dx: bool) -> tuple[Any, dict]:
            dx, dW = convolve_backward(dz, x, W, windows, self.groups, (wants_dx, self.wanted(self.kernel)))
            return dx, {} if dW is None else {self.kernel: dW}

        return convolve(x, W, windows, self.groups), pullback


class Conv1D(_Convolution):
    """Filters that look at `kernel_size` neighbouring steps, the same filters at every step.

    Args:
        filters: L, how many there are.
        kernel_size: how many steps each looks at.
        strides: how far the window moves from one output to the next.
        padding: "valid": windows within the input only; "same": ceil(T / strides) outputs, zeros on both sides;
            "causal": as many, all zeros in front, so that no output sees a later step.
        data_format: "channels_last", (N, T, C), or "channels_first", (N, C, T).
        dilation_rate: how far apart the steps of a window are; with strides above 1 it must be 1.
        groups: the channels are shared among that many groups, each with L / groups filters.
        activation: name or function; default none.
        use_bias: whether there is a bias.
        kernel_*, bias_*: initializers, regularizers and constraints of the weights.
        activity_regularizer: of the output.
        **kwargs: of `Layer`.

    Input (N, T, C), output (N, T', L).  Weights: kernel (kernel_size, C / groups, L), bias (L,).
    A mask does not go on: an output belongs to several steps.

    Raises:
        ValueError: for arguments that do not go together, and inputs of the wrong shape.
    """


class Conv2D(_Convolution):
    """Filters that look at a rectangle of `kernel_size`, the same filters at every place.

    Args:
        filters, padding, groups, activation, use_bias, kernel_*, bias_*, activity_regularizer: see `Conv1D`; there is
            no causal padding.
        kernel_size, strides, dilation_rate: an integer, or (rows, columns).
        data_format: "channels_last", (N, rows, columns, C), or "channels_first", (N, C, rows, columns).
        **kwargs: of `Layer`.

    Weights: kernel (*kernel_size, C / groups, filters), bias (filters,).

    Raises:
        ValueError: for arguments that do not go together, and inputs of the wrong shape.
    """

    rank = 2


Convolution1D = Conv1D
Convolution2D = Conv2D

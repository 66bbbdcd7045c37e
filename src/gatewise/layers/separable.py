"""DepthwiseConv1D and SeparableConv1D: convolutions that look along the steps channel by channel.

Sifre & Mallat 2014; Chollet 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.layers.cell import given_arguments
from gatewise.layers.convolution import ConvolutionLayer
from gatewise.layers.windows import convolve_depthwise, convolve_depthwise_backward, transposed_product
from gatewise.variable import Variable


class DepthwiseConv1D(ConvolutionLayer):
    """`depth_multiplier` filters for each channel, which see that channel alone.

    Args:
        kernel_size: how many steps each filter looks at.
        strides, padding, data_format, dilation_rate: see `Conv1D`.
        depth_multiplier: M, how many filters each channel has.
        activation, use_bias, bias_*, activity_regularizer: see `Conv1D`.
        depthwise_*: initializer, regularizer and constraint of the kernel.
        **kwargs: of `Layer`.

    Input (N, T, C), output (N, T', C M), a channel's outputs side by side.  Weights: kernel (kernel_size, C, M), bias
    (C M,).

    Raises:
        ValueError: for arguments that do not go together, and inputs of the wrong shape.
    """

    only_in_old_configs = ("groups",)
    depth_multiplier: int
    kernel: Variable
    depthwise_initializer: Any
    depthwise_regularizer: Any
    depthwise_constraint: Any

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(given_arguments(locals()), **kwargs)

    def output_channels(self, channels: int) -> int:
        return channels * self.depth_multiplier

    def make_kernels(self, channels: int) -> None:
        self.kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier), self.depthwise_initializer, name="kernel",
            regularizer=self.depthwise_regularizer, constraint=self.depthwise_constraint,
        )  # fmt: skip

    def convolved(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray, bool], tuple[Any, dict]]]:
        windows, W = self.windows(x.shape[1:-1]), self.kernel.array

        def pullback(dz: np.ndarray, wants_dx: bool) -> tuple[Any, dict]:
            dx, dW = convolve_depthwise_backward(dz, x, W, windows, (wants_dx, self.wanted(self.kernel)))
            return dx, {} if dW is None else {self.kernel: dW}

        return convolve_depthwise(x, W, windows), pullback


class SeparableConv1D(ConvolutionLayer):
    """A convolution in two: along the steps channel by channel, then across the channels at each step.

    Args:
        filters: L, the channels of the output.
        kernel_size: how many steps the first part looks at.
        strides, padding, data_format, dilation_rate: of the first part; see `Conv1D`.
        depth_multiplier: M, how many filters each channel has in the first part.
        activation, use_bias, bias_*, activity_regularizer: see `Conv1D`.
        depthwise_*, pointwise_*: initializers, regularizers and constraints of the two kernels.
        **kwargs: of `Layer`.

    Input (N, T, C), output (N, T', L).  Weights: depthwise kernel (kernel_size, C, M), pointwise kernel (1, C M, L),
    bias (L,).

    Raises:
        ValueError: for arguments that do not go together, and inputs of the wrong shape.
    """

    only_in_old_configs = ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint")
    filters: int
    depth_multiplier: int
    depthwise_kernel: Variable
    pointwise_kernel: Variable
    depthwise_initializer: Any
    depthwise_regularizer: Any
    depthwise_constraint: Any
    pointwise_initializer: Any
    pointwise_regularizer: Any
    pointwise_constraint: Any

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(given_arguments(locals()), **kwargs)

    def output_channels(self, channels: int) -> int:
        return self.filters

    def make_kernels(self, channels: int) -> None:
        self.depthwise_kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier), self.depthwise_initializer, name="depthwise_kernel",
            regularizer=self.depthwise_regularizer, constraint=self.depthwise_constraint,
        )  # fmt: skip
        self.pointwise_kernel = self.add_weight(
            (*[1] * self.rank, channels * self.depth_multiplier, self.filters), self.pointwise_initializer,
            name="pointwise_kernel", regularizer=self.pointwise_regularizer, constraint=self.pointwise_constraint,
        )  # fmt: skip

    def convolved(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray, bool], tuple[Any, dict]]]:
        windows, W, V = self.windows(x.shape[1:-1]), self.depthwise_kernel.array, self.pointwise_kernel.array
        V = V.reshape(V.shape[-2:])
        middle = convolve_depthwise(x, W, windows)
        rows = middle.reshape(-1, len(V))

        def pullback(dz: np.ndarray, wants_dx: bool) -> tuple[Any, dict]:
            dz = dz.reshape(-1, self.filters)
            gradients: dict[Variable, np.ndarray] = {}
            if self.wanted(self.pointwise_kernel):
                d_pointwise = transposed_product(rows, dz)
                gradients[self.pointwise_kernel] = d_pointwise.reshape(self.pointwise_kernel.shape)
            wants = (wants_dx, self.wanted(self.depthwise_kernel))
            if not any(wants):
                return None, gradients
            d_middle = kernels.matmul(dz, V.T).reshape(middle.shape)
            dx, dW = convolve_depthwise_backward(d_middle, x, W, windows, wants)
            return dx, gradients if dW is None else {**gradients, self.depthwise_kernel: dW}

        return kernels.matmul(rows, V).reshape(*middle.shape[:-1], self.filters), pullback


SeparableConvolution1D = SeparableConv1D

"""Conv1DTranspose: the convolution's other way, which makes sequences longer.

Zeiler et al. 2010.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.layer import Layer
from gatewise.layers import spatial
from gatewise.layers.cell import given_arguments
from gatewise.layers.convolution import ConvolutionLayer
from gatewise.layers.windows import Windows, extent, product, transposed_product
from gatewise.stepper import LayerUse, Stepper
from gatewise.variable import Variable


class Conv1DTranspose(ConvolutionLayer):
    """Each step of the input adds a multiple of the filters to `kernel_size` steps of the output.

    Args:
        filters: L, the channels of the output.
        kernel_size: how many steps of the output each step of the input reaches.
        strides: how far apart the places are to which neighbouring steps of the input go.
        padding: "valid": all of what is reached, (T - 1) strides + kernel_size steps (or T strides, if that is
            more); "same": T strides steps.
        output_padding: how many steps there are at the end beyond the least, below `strides`; default: as said above.
        data_format: "channels_last", (N, T, C), or "channels_first", (N, C, T).
        dilation_rate: how far apart the steps are that one step reaches; with strides above 1 it must be 1.
        activation, use_bias, kernel_*, bias_*, activity_regularizer: see `Conv1D`.
        **kwargs: of `Layer`.

    Weights: kernel (kernel_size, L, C), bias (L,).

    Raises:
        ValueError: for arguments that do not go together, and inputs of the wrong shape.
    """

    not_causal = "each time step of its input makes several of its output"

    only_in_old_configs = ("groups",)
    filters: int
    kernel: Variable
    kernel_initializer: Any
    kernel_regularizer: Any
    kernel_constraint: Any
    output_padding: tuple[int, ...] | None

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        owner = type(self).__name__
        spatial.check_steps(self.strides, self.dilation_rate, owner)
        if output_padding is not None:
            self.output_padding = spatial.integers(output_padding, self.rank, "output_padding", owner, at_least=0)
            if any(more >= stride for more, stride in zip(self.output_padding, self.strides, strict=True)):
                raise ValueError(
                    f"{owner}: `output_padding` must be below `strides`; got output_padding={self.output_padding} and "
                    f"strides={self.strides}."
                )

    def paddings(self) -> tuple[str, ...]:
        return ("valid", "same")

    def check_sizes(self, sizes: Sequence[Any]) -> None:
        """Every size has an output."""

    def stepper(self, use: LayerUse) -> Stepper:
        return Layer.stepper(self, use)  # each step makes several outputs, whatever the padding

    def output_channels(self, channels: int) -> int:
        return self.filters

    def output_sizes(self, sizes: Sequence[Any]) -> tuple[int | None, ...]:
        found = []
        for axis, size in enumerate(sizes):
            stride, length = self.strides[axis], extent(self.kernel_size[axis], self.dilation_rate[axis])
            more = None if self.output_padding is None else self.output_padding[axis]
            if size is None:
                found.append(None)
            elif self.padding == "valid":
                found.append((size - 1) * stride + (max(length, stride) if more is None else length + more))
            else:
                found.append(size * stride if more is None else (size - 1) * stride + length % 2 + more)
        return tuple(found)

    def windows(self, sizes: tuple[int, ...]) -> Windows:
        """The windows over the output, one for each step of an input of these sizes."""
        outputs: Any = self.output_sizes(sizes)
        before = [
            max((size - 1) * stride + extent(taps, step) - output, 0) // 2
            for size, stride, taps, step, output in zip(
                sizes, self.strides, self.kernel_size, self.dilation_rate, outputs, strict=True
            )
        ]
        return Windows(outputs, self.kernel_size, self.strides, self.dilation_rate, tuple(before), sizes)

    def make_kernels(self, channels: int) -> None:
        self.kernel = self.add_weight(
            (*self.kernel_size, self.filters, channels), self.kernel_initializer, name="kernel",
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint,
        )  # fmt: skip

    def convolved(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray, bool], tuple[Any, dict]]]:
        W = self.kernel.array.reshape(-1, x.shape[-1])
        windows = self.windows(x.shape[1:-1])
        rows = x.reshape(len(x) * product(windows.counts), x.shape[-1])

        def pullback(dz: np.ndarray, wants_dx: bool) -> tuple[Any, dict]:
            patches = windows.patches(dz)
            dx = kernels.matmul(patches, W).reshape(x.shape) if wants_dx else None
            if not self.wanted(self.kernel):
                return dx, {}
            return dx, {self.kernel: transposed_product(patches, rows).reshape(self.kernel.shape)}

        return windows.spread(kernels.matmul(rows, W.T), len(x)), pullback


Convolution1DTranspose = Conv1DTranspose

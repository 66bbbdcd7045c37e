"""Dense: y = activation(x W + b) on the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import activations, constraints, initializers, kernels, regularizers, validation
from gatewise.layer import Layer
from gatewise.variable import Variable


class Dense(Layer):
    """Each output is a weighted sum of all features, through an activation.

    Args:
        units: number of outputs.
        activation: name or function; default none.
        use_bias: whether there is a bias.
        kernel_*, bias_*: initializers, regularizers and constraints of the weights.
        activity_regularizer: of the output.
        **kwargs: of `Layer`.

    Input (..., F), output (..., units).  Weights: kernel (F, units), bias (units,): (F + 1) x units numbers.

    Raises:
        ValueError: for inputs without features, or with another number than the layer was built for.
    """

    stepwise = True
    _may_chain = True
    in_config_if_true = ("activity_regularizer",)
    constant_config = {"quantization_config": None}  # Keras 3 writes it

    def __init__(
        self,
        units: int,
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = validation.positive_integer(units, "units", type(self).__name__)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.bias: Variable | None = None
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(
            (input_shape[-1], self.units), self.kernel_initializer, name="kernel",
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint,
        )  # fmt: skip
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,), self.bias_initializer, name="bias",
                regularizer=self.bias_regularizer, constraint=self.bias_constraint,
            )  # fmt: skip

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        shape = tuple(shapes[0])
        features = self.kernel.shape[0] if self.built else None
        if len(shape) > 1 and None not in (features, shape[-1]) and shape[-1] != features:
            raise ValueError(
                f"Layer '{self.name}' (Dense) was built for {features} features and was given {shape[-1]}.\n"
                f"    expected: (batch, ..., features={features})\n    given:    {validation.drawn(shape)}\n"
                "Give the same features as before, or make a new layer."
            )
        if len(shape) < 2 or shape[-1] is None:
            hint = "Write x[:, None] if each sample is one number."
            if len(shape) > 1:
                hint = "A Flatten before it needs a known number of steps: Input((13, 5)), not Input((None, 5))."
            raise ValueError(
                f"Layer '{self.name}' (Dense) needs at least two axes, the last of a known length.\n"
                f"    expected: (batch, ..., features{'' if features is None else f'={features}'})\n"
                f"    given:    {validation.drawn(shape)}\n{hint}"
            )

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if not self.built:
            self.check_inputs(shapes)
        super().ensure_built(shapes, structure)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        W = self.kernel.array
        rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        z = kernels.matmul(rows, W, bias=None if self.bias is None else self.bias.array)
        z = z if x.ndim == 2 else z.reshape(*x.shape[:-1], self.units)
        y, activation_pullback = activations.forward_of(self.activation)(z)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            dz = activation_pullback(dy)
            dz = dz if dz.ndim == 2 else dz.reshape(-1, self.units)
            gradients = {}
            if self._trainable and self.kernel.trainable:
                gradients[self.kernel] = kernels.matmul(rows.T, dz)
            if self.bias is not None and self._trainable and self.bias.trainable:
                gradients[self.bias] = kernels.column_sums(np.ascontiguousarray(dz))
            return (kernels.matmul(dz, W.T).reshape(x.shape) if wants_dx else None,), gradients

        return y, pullback

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.units)

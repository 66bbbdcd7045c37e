"""EinsumDense: a dense layer whose sums are written as an equation of axes, "abc,cde->abde"."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import activations, autodiff, constraints, initializers, regularizers, validation
from gatewise.layer import Layer
from gatewise.layers.attention_core import stacked_matmul
from gatewise.stepper import AsItIs, CannotStep, LayerUse, Stepper
from gatewise.variable import Variable

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def contract(a: np.ndarray, a_axes: str, b: np.ndarray, b_axes: str, y_axes: str) -> np.ndarray:
    """np.einsum(f"{a_axes},{b_axes}->{y_axes}", a, b), as products of matrices that no number of threads changes.

    Each letter is an axis, at most once in each operand; those that y lacks are summed over.
    """
    alone = tuple(k for k, letter in enumerate(a_axes) if letter not in b_axes + y_axes)
    if alone:
        a, a_axes = a.sum(axis=alone), "".join(letter for letter in a_axes if letter in b_axes + y_axes)
    size = {**dict(zip(a_axes, a.shape, strict=True)), **dict(zip(b_axes, b.shape, strict=True))}
    stacked = [letter for letter in a_axes if letter in b_axes and letter in y_axes]
    summed = [letter for letter in a_axes if letter in b_axes and letter not in y_axes]
    rows = [letter for letter in a_axes if letter not in b_axes]
    columns = [letter for letter in b_axes if letter not in a_axes]

    def laid_out(x: np.ndarray, axes: str, *groups: list[str]) -> np.ndarray:
        order = [axes.index(letter) for group in groups for letter in group]
        return x.transpose(order).reshape([math.prod(size[letter] for letter in group) for group in groups])

    product = stacked_matmul(laid_out(a, a_axes, stacked, rows, summed), laid_out(b, b_axes, stacked, summed, columns))
    found = [*stacked, *rows, *columns]
    y = product.reshape([size[letter] for letter in found])
    return y.transpose([found.index(letter) for letter in y_axes])


class _Axes(NamedTuple):
    """An equation with its dots written out as letters."""

    x: str
    kernel: str
    y: str
    dots: str


class EinsumDense(Layer):
    """y = activation(einsum(equation, x, kernel) + bias).

    Args:
        equation: of the axes of x, the kernel and y: "abc,cd->abd", or with dots for any axes: "...x,xy->...y",
            "ab...,bc->ac...".  A letter that y lacks is summed over.
        output_shape: the sizes of y's axes, but for the batch and the dots; None where it is that of x.
        activation: name or function; default none.
        bias_axes: the letters of y along which the bias lies; default no bias.
        kernel_*, bias_*: initializers, regularizers and constraints of the weights.
        activity_regularizer: of the output.
        **kwargs: of `Layer`.

    Weights: kernel, of the axes the equation gives it; bias, from its first axis to y's last, 1 where it does not lie.

    Raises:
        ValueError: for an equation that says no such thing, and inputs that do not fit it.
    """

    kept_as = {"output_shape": "partial_output_shape"}
    in_config_if_true = ()
    constant_config = {"quantization_config": None}

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        activity_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        for name in ("lora_rank", "lora_alpha", "gptq_unpacked_column_size"):
            if kwargs.get(name, 0) is None:
                kwargs.pop(name)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.equation = equation
        self._letters = _parsed(equation, bias_axes, type(self).__name__)
        sizes: Any = output_shape if isinstance(output_shape, list | tuple) else [output_shape]
        self.partial_output_shape: tuple[int | None, ...] = tuple(
            None if size is None else validation.positive_integer(size, "output_shape", type(self).__name__)
            for size in sizes
        )
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.bias: Variable | None = None
        if len(sizes) != len(self._letters.y.replace(".", "")) - 1 + self._batch_in_dots:
            raise ValueError(
                f"{type(self).__name__}: output_shape has a size for each axis of '{self._letters.y}' but the batch "
                f"and the dots; got {self.partial_output_shape}. Write None where the size is the input's."
            )

    def stepper(self, use: LayerUse) -> Stepper:
        axes = self._axes(len(use.shapes[0]))
        batch, time = axes.x[:2]
        stay = axes.y[:2] == batch + time and not {batch, time} & set(axes.kernel)
        if use.is_timed and not (stay and time not in (self.bias_axes or "")):
            raise CannotStep(
                f"its equation '{self.equation}' sums over the time steps, moves them or weighs each apart"
            )
        if use.is_timed and axes.y[-1] == time and self.activation is not activations.linear:
            raise CannotStep("the time steps are the last axis of its output, along which its activation may work")
        return AsItIs(self, use)

    @property
    def _batch_in_dots(self) -> int:
        return int(self._letters.y.startswith("."))

    def _axes(self, rank: int) -> _Axes:
        """The equation for inputs of this rank, the dots as letters."""
        x, kernel, y = self._letters[:3]
        missing = rank - len(x.replace(".", ""))
        unused = [letter for letter in _LETTERS if letter not in x + kernel + y]
        dots = "".join(unused[: max(missing, 0)])
        return _Axes(x.replace("...", dots), kernel, y.replace("...", dots), dots)

    def _sizes(self, shape: tuple) -> dict[str, int | None]:
        """The size of each axis, for inputs of this shape."""
        axes = self._axes(len(shape))
        size: dict[str, int | None] = dict(zip(axes.x, shape, strict=True))
        rest = [letter for letter in axes.y if letter not in axes.dots]
        for letter, given in zip(rest if self._batch_in_dots else rest[1:], self.partial_output_shape, strict=True):
            if size.get(letter) is None:
                size[letter] = given
            elif given is not None and given != size[letter]:
                raise ValueError(
                    f"{self._who}: along axis '{letter}' the input has {size[letter]} places and output_shape says "
                    f"{given}.\n    given:    {validation.drawn(shape)}\nWrite None there to take the input's."
                )
        return size

    @property
    def _who(self) -> str:
        return f"Layer '{self.name}' ({type(self).__name__}, {self.equation})"

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        shape = tuple(shapes[0])
        letters = self._letters.x.replace(".", "")
        if len(shape) < len(letters) + self._batch_in_dots or (
            "." not in self._letters.x and len(shape) > len(letters)
        ):
            raise ValueError(
                f"{self._who} needs inputs of the axes '{self._letters.x}'.\n    given:    {validation.drawn(shape)}"
            )
        size = self._sizes(shape)
        wanted = [size.get(letter) for letter in self._letters.kernel]
        built = self.kernel.shape if self.built else wanted
        known = self.built or None not in wanted
        if not known or any(new not in (None, old) for new, old in zip(wanted, built, strict=True)):
            raise ValueError(
                f"{self._who} has a kernel of the axes '{self._letters.kernel}'.\n    expected: "
                f"{validation.drawn(built)}\n    given:    {validation.drawn(wanted)}, from an input of shape "
                f"{validation.drawn(shape)}\nAll of them must be known, and the same at each call."
            )

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if not self.built:
            self.check_inputs(shapes)
        super().ensure_built(shapes, structure)

    def build(self, input_shape: Any) -> None:
        shape = tuple(input_shape)
        axes, size = self._axes(len(shape)), self._sizes(tuple(shape))
        self.kernel = self.add_weight(
            tuple(size[letter] for letter in axes.kernel), self._kernel_initializer_with_fans(axes), name="kernel",
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint,
        )  # fmt: skip
        if self.bias_axes is not None:
            reached = axes.y[min(axes.y.index(letter) for letter in self.bias_axes) :]
            self.bias = self.add_weight(
                tuple(size[letter] if letter in self.bias_axes else 1 for letter in reached), self.bias_initializer,
                name="bias", regularizer=self.bias_regularizer, constraint=self.bias_constraint,
            )  # fmt: skip

    def _kernel_initializer_with_fans(self, axes: _Axes) -> Any:
        """The kernel's initializer, told which of its axes are summed over and which reach the output."""
        given: Any = self.kernel_initializer
        if not isinstance(given, initializers.VarianceScaling) or None not in (given.input_axes, given.output_axes):
            return given
        outward = [k for k, letter in enumerate(axes.kernel) if letter in axes.y]
        inward = [k for k, letter in enumerate(axes.kernel) if letter not in axes.y]
        told = {"seed": given.seed, "input_axes": inward, "output_axes": outward}
        return type(given).from_config({**given.get_config(), **told})

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        axes = self._axes(x.ndim)
        W = self.kernel.array
        z = contract(x, axes.x, W, axes.kernel, axes.y)
        z = z if self.bias is None else z + self.bias.array
        y, activation_pullback = activations.forward_of(self.activation)(z)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            dz = activation_pullback(dy)
            gradients = {}
            if self._trainable and self.kernel.trainable:
                gradients[self.kernel] = np.ascontiguousarray(contract(x, axes.x, dz, axes.y, axes.kernel))
            if self.bias is not None and self._trainable and self.bias.trainable:
                gradients[self.bias] = autodiff.summed_to(dz, self.bias.shape)
            return (self._input_gradient(dz, W, axes, x.shape) if wants_dx else None,), gradients

        return y, pullback

    @staticmethod
    def _input_gradient(dz: np.ndarray, W: np.ndarray, axes: _Axes, shape: tuple) -> np.ndarray:
        reached = "".join(letter for letter in axes.x if letter in axes.kernel + axes.y)
        dx = contract(dz, axes.y, W, axes.kernel, reached)
        alone = tuple(k for k, letter in enumerate(axes.x) if letter not in reached)
        return np.broadcast_to(np.expand_dims(dx, alone), shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tuple(input_shape)
        size = self._sizes(shape)
        return tuple(size[letter] for letter in self._axes(len(shape)).y)


def _parsed(equation: str, bias_axes: str | None, layer: str) -> _Axes:
    """The three parts of an equation.

    Raises:
        ValueError: if it is none, or one whose axes come from nowhere.
    """
    form = r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?"
    match = re.fullmatch(form, equation.replace(" ", "")) if isinstance(equation, str) else None
    if match is None or match[1] != match[5] or match[3] != match[7] or (match[1] and match[3]):
        raise ValueError(
            f"{layer}: Invalid einsum equation {equation!r}. Equations are of the form 'abc,cd->abd', '...x,xy->...y' "
            "or 'ab...,bc->ac...'."
        )
    x, kernel, y = match[2], match[4], match[6]
    wrong = [letter for letter in y if letter not in x + kernel] + [letter for letter in kernel if letter not in x + y]
    wrong += [letter for part in (x, kernel, y) for letter in part if part.count(letter) > 1]
    if wrong or any(letter not in y for letter in bias_axes or ""):
        raise ValueError(
            f"{layer}: in an equation each axis of the output comes from the input or the kernel, each of the kernel "
            "is also in the input or the output, none is twice in one part, and the bias lies along the output's; "
            f"got {equation!r} and bias_axes={bias_axes!r}."
        )
    left, right = match[1] or "", match[3] or ""
    return _Axes(left + x + right, kernel, left + y + right, left or right)

"""The cell of ConvLSTM1D, ConvLSTM2D and ConvLSTM3D: an LSTM's step whose products are convolutions.

    i, f, o = recurrent_activation(x[t] * W + h[t-1] * U + b)    g = activation(x[t] * W_c + h[t-1] * U_c + b_c)
    c[t] = f c[t-1] + i g                                        h[t] = o activation(c[t])

where * is a convolution: of x as the layer's arguments say, of h always over as many places.  All steps of x are
convolved as one batch; h step by step.

Shi et al. 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import activations, random, validation
from gatewise.graph import SymbolicTensor
from gatewise.layers import spatial
from gatewise.layers.cell import GatedCell, Taped, added, given_arguments
from gatewise.layers.chance import Chance
from gatewise.layers.lstm import LSTMCell
from gatewise.layers.windows import Windows, convolve, convolve_backward, windows_over

_GATES = 4


class _Step(NamedTuple):
    """What the way back reads of a step: values, and pullbacks of the activations."""

    i: np.ndarray
    f: np.ndarray
    g: np.ndarray
    o: np.ndarray
    a: np.ndarray
    """activation(c)."""
    c_before: np.ndarray
    pullbacks: tuple
    """Of i, f, g, o and a."""


class ConvLSTMCell(GatedCell):
    """One step of a ConvLSTM: the weights, and `(x, [h, c]) -> (h, [h, c])`.

    Args:
        rank: the number of axes along which there are places, 1 to 3.
        filters: H, the channels of h and of c.
        others: see `ConvLSTM1D`.

    Weights: kernel (*kernel_size, C, 4H), recurrent_kernel (*kernel_size, H, 4H), bias (4H,), in the order i, f, c, o.
    """

    n_gates = _GATES

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        given = given_arguments(locals())
        own = ("rank", "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate")
        others = {name: value for name, value in given.items() if name not in (*own, "unit_forget_bias")}
        super().__init__(units=filters, **others, **kwargs)
        owner = f"ConvLSTM{rank}D"
        self.rank, self.filters = rank, self.units
        self.kernel_size = spatial.integers(kernel_size, rank, "kernel_size", owner)
        self.strides = spatial.integers(strides, rank, "strides", owner)
        self.dilation_rate = spatial.integers(dilation_rate, rank, "dilation_rate", owner)
        spatial.check_steps(self.strides, self.dilation_rate, owner)
        self.padding = spatial.padding(padding, owner)
        self.data_format = spatial.data_format(data_format, owner)
        self.unit_forget_bias = bool(unit_forget_bias)
        self.state_size = [self.filters, self.filters]
        self._sizes: tuple[int, ...] | None = None

    _ones_for_the_forget_gate = LSTMCell._ones_for_the_forget_gate

    def _initial_bias(self) -> Any:
        return self._ones_for_the_forget_gate if self.unit_forget_bias else self.bias_initializer

    # --- shapes ----------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        _, sizes, channels = spatial.parts(input_shape, self.data_format)
        self._sizes = tuple(sizes)
        self.output_size = self.state_shape(input_shape)
        for name, inputs, initializer, regularizer, constraint in (
            ("kernel", channels, self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint),
            ("recurrent_kernel", self.filters, self.recurrent_initializer, self.recurrent_regularizer,
             self.recurrent_constraint),
        ):  # fmt: skip
            shape = (*self.kernel_size, inputs, _GATES * self.filters)
            weight = self.add_weight(shape, initializer, name=name, regularizer=regularizer, constraint=constraint)
            setattr(self, name, weight)
        if self.use_bias:
            self.bias = self.add_weight(
                self._bias_shape(), self._initial_bias(), name="bias",
                regularizer=self.bias_regularizer, constraint=self.bias_constraint,
            )  # fmt: skip

    @property
    def features(self) -> int | None:
        return self.kernel.shape[-2] if self.built else None

    def state_shape(self, step_shape: Sequence[Any]) -> tuple:
        """The shape of h and of c, without the batch, for steps of this shape, batch first."""
        _, sizes, _ = spatial.parts(step_shape, self.data_format)
        counts = spatial.counts(sizes, self.kernel_size, self.strides, self.dilation_rate, self.padding)
        return spatial.joined(None, counts, self.filters, self.data_format)[1:]

    @property
    def state_shapes(self) -> list[tuple[int, ...]]:
        unknown = spatial.joined(None, (None,) * self.rank, self.filters, self.data_format)[1:]
        return [self.output_size if self.built else unknown] * 2

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        self.check_step(shapes[0], self.name, type(self).__name__, ("batch",))
        if len(shapes) > 1:
            self.check_states(shapes[1:], shapes[0], self.name)

    def check_step(self, shape: Sequence[Any], layer: str, cls: str, lead: Sequence[str]) -> None:
        """Raise ValueError, in the name of `layer`, unless inputs of this shape suit; `lead` names the first axes."""
        spatial.check_input(shape, self.rank, self.data_format, self.features, layer, cls, lead)
        _, sizes, channels = spatial.parts(shape[len(lead) - 1 :], self.data_format)
        spatial.check_channels_known(channels, layer, cls)
        if None in sizes or (self._sizes is not None and self._sizes != tuple(sizes)):
            wanted = "known sizes" if self._sizes is None else f"the sizes {self._sizes} that it was built for"
            raise ValueError(
                f"Layer '{layer}' ({cls}) keeps a state for every place, so each step must have {wanted}.\n"
                f"    given: {validation.drawn(shape, spatial.axes(self.rank, self.data_format, lead))}\n"
                "Only the batch and the time steps may be None."
            )
        spatial.check_windows_fit(sizes, self.kernel_size, self.dilation_rate, self.padding, layer, cls)

    def check_states(self, shapes: Sequence[Any], step_shape: Sequence[Any], layer: str) -> None:
        """Raise ValueError, in the name of `layer`, unless states of these shapes suit steps of that shape."""
        states = [SymbolicTensor(shape) for shape in shapes]
        validation.check_states(states, [self.state_shape(step_shape)] * 2, step_shape[0], layer)

    # --- whole sequences -------------------------------------------------------------------------------------

    def dropout_multipliers(self, shape: Sequence[int], training: bool) -> tuple[Any, Any]:
        """What the four copies of x and of h, one a gate, are multiplied by at every step; None for one copy."""
        if self._seeds is None or not training:
            return None, None
        (_, *x_sizes, C), (*h_sizes, H) = shape, self._counts()
        return (
            random.dropout_multiplier(self._seeds, (shape[0], *x_sizes, _GATES * C), self.dropout, self.dtype),
            random.dropout_multiplier(
                self._seeds, (shape[0], *h_sizes, _GATES * H), self.recurrent_dropout, self.dtype
            ),
        )

    def drawn(self, shape: Sequence[int], training: bool) -> Chance:
        batch, sizes, channels = spatial.parts((shape[0], *shape[2:]), self.data_format)
        return Chance(*self.dropout_multipliers((batch, *sizes, channels), training))

    def _counts(self) -> tuple[int, ...]:
        """The shape of a state with its channels last."""
        return (*self._windows()[1].sizes, self.filters)

    def _windows(self) -> tuple[Windows, Windows]:
        """The windows over x and over h."""
        assert self._sizes is not None
        over_x = windows_over(self._sizes, self.kernel_size, self.strides, self.dilation_rate, self.padding)
        ones = (1,) * self.rank
        return over_x, windows_over(over_x.counts, self.kernel_size, ones, ones, "same")

    def run_states(
        self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, every_step: bool, chance: Any = None
    ) -> Any:
        h, last, *_ = self._traced(x, states, mask, training, chance, keep=False)
        return h if every_step else None, h[:, -1], last

    def trace_states(self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, chance: Any = None) -> Any:
        return self._traced(x, states, mask, training, chance, keep=True)[:3]

    def taped_states(
        self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, keep_sums: bool = False
    ) -> Taped:
        return self._traced(x, states, mask, training, None, keep=True)

    def _traced(
        self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, chance: Any, keep: bool
    ) -> Taped:
        """`taped_states`; without `keep`, what the way back reads is not kept."""
        chance = chance or self.drawn(x.shape, training)
        if mask is not None:
            x = np.where(mask.reshape(*mask.shape, *[1] * (x.ndim - 2)), x, x.dtype.type(0))
        x = spatial.with_channels_last(x, self.data_format, axis=2)
        x_dropout, h_dropout = chance.drops
        over_x, over_h = self._windows()
        products_of_x = _Products(self.kernel.array, over_x, x_dropout)
        products_of_h = _Products(self.recurrent_kernel.array, over_h, h_dropout)
        zx = products_of_x.all_steps(x)
        if self.bias is not None:
            zx += self.bias.array
        start = np.zeros((len(x), *self._counts()), x.dtype)
        h, c = [spatial.with_channels_last(s, self.data_format) for s in states] or [start, start]
        first, hs = h, np.empty_like(zx[..., : self.filters])
        tape: list[_Step] = []
        for t in range(x.shape[1]):
            h, c, step = self._step(zx[:, t] + products_of_h.one_step(h), h, c, None if mask is None else mask[:, t])
            hs[:, t] = h
            if keep:
                tape.append(step)
        last = [spatial.as_given(state, self.data_format) for state in (h, c)]

        def pullback(dy: Any, dy_last: Any, d_last: Sequence[Any], wants_dx: bool) -> tuple[Any, list, dict]:
            dz, d_states = self._back_through_steps(
                tape, products_of_h, mask, dy, [added(dy_last, d_last[0]), d_last[1]]
            )
            wants_W, wants_U, wants_b = self._wanted(self.kernel, self.recurrent_kernel, self.bias)
            dx, dW = products_of_x.all_steps_backward(dz, x, (wants_dx, wants_W))
            befores = np.concatenate([first[:, None], hs[:, :-1]], axis=1)
            _, dU = products_of_h.all_steps_backward(dz, befores, (False, wants_U))
            db = np.add.reduce(dz, axis=tuple(range(dz.ndim - 1))) if wants_b else None
            pairs = ((self.kernel, dW), (self.recurrent_kernel, dU), (self.bias, db))
            gradients = {v: d for v, d in pairs if v is not None and d is not None}
            dx = None if dx is None else spatial.as_given(dx, self.data_format, axis=2)
            return dx, [spatial.as_given(d, self.data_format) for d in d_states], gradients

        h_given = spatial.as_given(hs, self.data_format, axis=2)
        return Taped(h_given, last, pullback, tape, chance)

    def sums(self, x: np.ndarray, h_before: np.ndarray, mask: Any, chance: Chance) -> np.ndarray:
        """The gates of all steps before activation, (N, T, *counts, 4H), from x and the h before each step."""
        if mask is not None:
            x = np.where(mask.reshape(*mask.shape, *[1] * (x.ndim - 2)), x, x.dtype.type(0))
        pairs = zip((self.kernel, self.recurrent_kernel), self._windows(), chance.drops, (x, h_before), strict=True)
        of_x, of_h = (
            _Products(weight.array, windows, dropout).all_steps(spatial.with_channels_last(v, self.data_format, axis=2))
            for weight, windows, dropout, v in pairs
        )
        return of_x + of_h if self.bias is None else of_x + of_h + self.bias.array

    def back_one_step(self, step: _Step, chance: Chance, mask: Any, d_states: Sequence[Any]) -> list[np.ndarray]:
        """The gradients of h and c before a step, from those after it; mask (N, 1) or None."""
        products = _Products(self.recurrent_kernel.array, self._windows()[1], chance.h_dropout)
        return [
            spatial.as_given(d, self.data_format)
            for d in self._back_through_steps([step], products, mask, None, d_states)[1]
        ]

    def _step(self, z: np.ndarray, h: np.ndarray, c: np.ndarray, use: Any) -> tuple[np.ndarray, np.ndarray, _Step]:
        """(h, c) after a step with pre-activations z, and what the way back reads; `use` (N,) rows that count."""
        activation, gate = map(self._in_layout, (self.activation, self.recurrent_activation))
        z_i, z_f, z_g, z_o = np.split(z, _GATES, axis=-1)
        (i, back_i), (f, back_f), (g, back_g), (o, back_o) = gate(z_i), gate(z_f), activation(z_g), gate(z_o)
        new_c = f * c + i * g
        a, back_a = activation(new_c)
        new_h = o * a
        step = _Step(i, f, g, o, a, c, (back_i, back_f, back_g, back_o, back_a))
        if use is None:
            return new_h, new_c, step
        rows = use.reshape(-1, *[1] * (c.ndim - 1))
        return np.where(rows, new_h, h), np.where(rows, new_c, c), step

    def _in_layout(self, function: Callable[..., Any]) -> Callable[[np.ndarray], tuple[np.ndarray, Callable]]:
        """The pair form of an activation that sees the axes as the layer is given them: softmax is over the last."""
        forward = activations.forward_of(function)
        if self.data_format == "channels_last":
            return forward

        def moved(z: np.ndarray) -> tuple[np.ndarray, Callable]:
            y, back = forward(spatial.as_given(z, self.data_format))

            def pullback(dy: np.ndarray) -> np.ndarray:
                return spatial.with_channels_last(back(spatial.as_given(dy, self.data_format)), self.data_format)

            return spatial.with_channels_last(y, self.data_format), pullback

        return moved

    def _back_through_steps(
        self, tape: list[_Step], products_of_h: _Products, mask: Any, dy: Any, d_last: Sequence[Any]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """The gradients of all pre-activations, (N, T, *counts, 4H), and of the first states, channels last."""
        shape, dtype = tape[0].c_before.shape, tape[0].c_before.dtype
        zero = dtype.type(0)
        dh, dc = [
            np.zeros(shape, dtype) if d is None else spatial.with_channels_last(d, self.data_format) for d in d_last
        ]
        if dy is not None:
            dy = spatial.with_channels_last(dy, self.data_format, axis=2)
        dz = np.empty((shape[0], len(tape), *shape[1:-1], _GATES * shape[-1]), dtype)
        for t in reversed(range(len(tape))):
            dh = added(dh, None if dy is None else dy[:, t])
            kept_h = kept_c = None
            if mask is not None:  # a row whose step does not count hands on what it is given
                use = mask[:, t].reshape(-1, *[1] * (dh.ndim - 1))
                kept_h, kept_c = np.where(use, zero, dh), np.where(use, zero, dc)
                dh, dc = np.where(use, dh, zero), np.where(use, dc, zero)
            dz[:, t], dc = _step_backward(tape[t], dh, dc)
            dh = added(products_of_h.one_step_backward(dz[:, t]), kept_h)
            dc = added(dc, kept_c)
        return dz, [dh, dc]


def _step_backward(step: _Step, dh: np.ndarray, dc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of a step's pre-activations and of the c before it, from those of the h and c after it."""
    back_i, back_f, back_g, back_o, back_a = step.pullbacks
    dc = dc + back_a(dh * step.o)
    parts = [back_i(dc * step.g), back_f(dc * step.c_before), back_g(dc * step.i), back_o(dh * step.a)]
    return np.concatenate(parts, axis=-1), dc * step.f


class _Products:
    """The products of a weight with one step or with all of them.

    Under dropout each gate sees a copy of the input of its own: four groups of channels, one a gate.
    """

    def __init__(self, weight: np.ndarray, windows: Windows, dropout: Any) -> None:
        self.weight, self.windows, self.dropout = weight, windows, dropout
        self.groups = 1 if dropout is None else _GATES

    def _dropped(self, x: np.ndarray, dropout: Any) -> np.ndarray:
        return x if dropout is None else np.concatenate([x] * _GATES, axis=-1) * dropout

    def one_step(self, x: np.ndarray) -> np.ndarray:
        """(N, *counts, 4H) for x (N, *sizes, C)."""
        return convolve(self._dropped(x, self.dropout), self.weight, self.windows, self.groups)

    def all_steps(self, x: np.ndarray) -> np.ndarray:
        """(N, T, *counts, 4H) for x (N, T, *sizes, C)."""
        z = convolve(self._rows(x), self.weight, self.windows, self.groups)
        return z.reshape(*x.shape[:2], *z.shape[1:])

    def one_step_backward(self, dz: np.ndarray) -> np.ndarray:
        """The gradient of x of `one_step`."""
        shape = (len(dz), *self.windows.sizes, self.groups * self.weight.shape[-2])
        like = np.broadcast_to(dz.dtype.type(0), shape)  # without the weight's gradient, x itself is not read
        dx, _ = convolve_backward(dz, like, self.weight, self.windows, self.groups, (True, False))
        return self._summed(dx, self.dropout)

    def all_steps_backward(self, dz: np.ndarray, x: np.ndarray, wants: Sequence[bool]) -> tuple[Any, Any]:
        """The gradients of x and of the weight of `all_steps`, each None where it is not wanted."""
        rows = dz.reshape(-1, *dz.shape[2:])
        dx, dW = convolve_backward(rows, self._rows(x), self.weight, self.windows, self.groups, wants)
        if dx is None:
            return None, dW
        dx = dx.reshape(*x.shape[:2], *dx.shape[1:])
        return self._summed(dx, None if self.dropout is None else self.dropout[:, None]), dW

    def _rows(self, x: np.ndarray) -> np.ndarray:
        """All steps of x as one batch."""
        x = self._dropped(x, None if self.dropout is None else self.dropout[:, None])
        return x.reshape(-1, *x.shape[2:])

    def _summed(self, dx: np.ndarray, dropout: Any) -> np.ndarray:
        """The gradient of the input from that of its copies."""
        if dropout is None:
            return dx
        dx = dx * dropout
        return dx.reshape(*dx.shape[:-1], _GATES, dx.shape[-1] // _GATES).sum(axis=-2)

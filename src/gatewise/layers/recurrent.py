"""What all recurrent layers share: states in and out, masks, direction, which outputs are returned.

A family (LSTM, GRU, ...) supplies its cell and two methods that run whole sequences of states; everything that
Keras's arguments do around them is here, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import tree, validation
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.variable import Variable, on_trial


class Recurrent(Layer):
    """Base of the recurrent layers.

    Args:
        cell: the layer that computes one step; it holds the weights and the arguments that concern them.
        return_sequences: return the output of every step, (N, T, H), not only the last, (N, H).
        return_state: return the last states too, after the output.
        go_backwards: run from the last step to the first; the outputs come in that order.
        stateful: begin each batch with the states that the batch before ended with.
        unroll: accepted; it changes no result.
        zero_output_for_mask: masked steps put out zeros instead of the output before them.
        time_major: inputs and outputs are (T, N, ...) instead of (N, T, ...).
    """

    not_in_config = ("implementation",)
    in_config_if_true = ("time_major",)  # Keras 3 has no such argument

    def __init__(
        self,
        cell: Layer,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        time_major: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cell: Any = cell
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.stateful = bool(stateful)
        self.unroll = bool(unroll)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        self.time_major = bool(time_major)
        self.supports_masking = True
        self._states: list[Variable] | None = None

    # --- a family supplies these -----------------------------------------------------------------------------

    def run_states(self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, every_step: bool) -> Any:
        """(h of every step or None, [last states]) for batch-major x (N, T, F); nothing kept.

        A masked step copies the states.  `states` is empty for zeros.
        """
        raise TypeError(f"{type(self).__name__} must define run_states.")

    def trace_states(self, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool) -> Any:
        """(h of every step (N, T, H), [last states], pullback).

        `pullback(dh, d_last, wants_dx)` takes the gradient of every h (or None) and of each last state (or None) and
        returns (dx, [d_states], {variable: gradient}).
        """
        raise TypeError(f"{type(self).__name__} must define trace_states.")

    # --- the layer -------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        """Weights and arguments that the cell holds are the layer's too: `layer.kernel`, `layer.units`."""
        cell = self.__dict__.get("cell")
        if cell is not None and not name.startswith("_"):
            value = vars(cell).get(name, self)
            if value is not self:
                return value
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Zeros (batch_size, H), one array for each state."""
        return list(tree.leaves(self.cell.get_initial_state(batch_size)))

    @property
    def state_sizes(self) -> list[int]:
        """The length of each state."""
        return list(tree.leaves(self.cell.state_size))

    def __setattr__(self, name: str, value: Any) -> None:
        known = self.__dict__
        if name not in known and "cell" in known and not name.startswith("_") and name in vars(known["cell"]):
            raise AttributeError(
                f"Layer '{self.name}': '{name}' belongs to the layer's cell; setting it here would change nothing. "
                f"Write layer.cell.{name} = ..., or for a weight layer.{name}.assign(...)."
            )
        super().__setattr__(name, value)

    def build(self, input_shape: Any) -> None:
        self.check_inputs([input_shape])
        shape = self._batch_major_shape(input_shape)
        self.cell.ensure_built([(shape[0], shape[2])])
        if self.stateful and shape[0] is not None:
            self._make_states(shape[0])

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        shape = self._batch_major_shape(shapes[0])
        validation.check_sequence(shape, self._features, self.name, type(self).__name__)
        if len(shapes) > 1:
            states = [SymbolicTensor(s) for s in shapes[1:]]
            validation.check_states(states, self.state_sizes, shape[0], self.name)

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if not self.built:
            self.check_inputs(shapes)
        super().ensure_built(shapes[:1])

    @property
    def _features(self) -> int | None:
        return self.cell.kernel.shape[0] if self.cell.built and hasattr(self.cell, "kernel") else None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._uses_call:  # a subclass with a `call` of its own, and so with its own arguments
            return super().__call__(*args, **kwargs)
        if "inputs" in kwargs:  # Keras 1 and 2
            kwargs["sequences"] = kwargs.pop("inputs")
        names = ("sequences", "initial_state", "mask", "training")
        unknown = set(kwargs) - set(names) | set(names[: len(args)]) & set(kwargs)
        if unknown or len(args) > len(names):
            raise TypeError(
                f"Layer '{self.name}' ({type(self).__name__}) is called with {', '.join(names)}, each once; "
                f"got {sorted(unknown) or f'{len(args)} positional arguments'}."
            )
        return super().__call__(**dict(zip(names, args, strict=False)), **kwargs)

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        if self._uses_call:
            return super().arrange(args, kwargs)
        return self.arranged_call(*args, **kwargs)

    def arranged_call(
        self, sequences: Any = None, initial_state: Any = None, mask: Any = None, training: Any = None
    ) -> tuple[list, None]:
        """The call's arrays, flat: the sequences, then the states."""
        x, states = sequences, initial_state
        if isinstance(x, list | tuple) and states is None and len(x) == 1 + len(self.state_sizes) and _all_arrays(x):
            x, states = x[0], list(x[1:])  # Keras 1 and 2: layer([x, h, c])
        leaves, _ = super().arrange((x,), {})
        if states is not None:
            leaves.extend(tree.leaves(states))
        return leaves, None

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x, mask, states = self._begin(inputs, mask)
        h, last, back = self.trace_states(x, states, mask, training)
        keep = self._kept_steps(mask, states)
        y = self._outputs(h, last, keep)
        self._remember(last)
        n_given = len(inputs) - 1

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            dy, *d_last = dy if self.return_state else [dy]
            d_last = d_last or [None] * len(last)
            dh = None
            if self.return_sequences:
                dh = dy if dy is None or not self.time_major else dy.swapaxes(0, 1)
                dh = dh if keep is None or dh is None else np.where(keep[:, :, None], dh, dh.dtype.type(0))
            elif dy is not None:
                dy = dy if keep is None else np.where(keep[:, -1:], dy, dy.dtype.type(0))
                d_last[0] = dy if d_last[0] is None else d_last[0] + dy
            dx, d_states, gradients = back(dh, d_last, wants_dx)
            return (self._as_given(dx), *d_states[:n_given]), gradients

        return y, pullback

    def infer(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x, mask, states = self._begin(inputs, mask)
        h, last = self.run_states(x, states, mask, training, self.return_sequences)
        y = self._outputs(h, last, self._kept_steps(mask, states))
        self._remember(last)
        return y

    def _begin(self, inputs: Sequence[Any], mask: Any) -> tuple[np.ndarray, Any, Sequence[Any]]:
        """Batch-major x and mask in the direction of the run, and the states to begin with."""
        x, *states = inputs
        if self.time_major:
            x = x.swapaxes(0, 1)
        if isinstance(mask, list):
            mask = mask[0]
        if mask is not None:
            mask = mask.swapaxes(0, 1) if self.time_major else mask
            validation.check_sequence_mask(mask, x.shape[0], x.shape[1], self.name)
        if self.go_backwards:
            x = x[:, ::-1]
            mask = mask if mask is None else mask[:, ::-1]
        if self.stateful and not on_trial():  # a trial batch has a size of its own
            own = self._own_states(x.shape[0])
            states = states or own
        return x, mask, states

    def _kept_steps(self, mask: Any, states: Sequence[Any]) -> Any:
        """Where the output is the state h (True) and where it is zero, (N, T); None for everywhere.

        Before its first step that counts a row has put out nothing yet, so its output is zero even if it
        began with a state.
        """
        if mask is None:
            return None
        if self.zero_output_for_mask:
            return mask
        return np.logical_or.accumulate(mask, axis=1) if states else None

    def _outputs(self, h: Any, last: list, keep: Any) -> Any:
        if self.return_sequences:
            y = h if keep is None else np.where(keep[:, :, None], h, h.dtype.type(0))
            y = y.swapaxes(0, 1) if self.time_major else y
        else:
            y = last[0] if keep is None else np.where(keep[:, -1:], last[0], last[0].dtype.type(0))
        return [y, *last] if self.return_state else y

    def _as_given(self, dx: Any) -> Any:
        """The gradient of x in the order and layout in which x came."""
        if dx is None:
            return None
        dx = dx[:, ::-1] if self.go_backwards else dx
        return dx.swapaxes(0, 1) if self.time_major else dx

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        mask = previous_mask[0] if isinstance(previous_mask, list) else previous_mask
        mask = mask if self.return_sequences else None
        return [mask, *[None] * len(self.state_sizes)] if self.return_state else mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape if tree.is_shape(input_shape) else input_shape[0]
        n, t, _ = self._batch_major_shape(shape)
        width = tree_first(self.cell.output_size)
        y = ((t, n, width) if self.time_major else (n, t, width)) if self.return_sequences else (n, width)
        return [y, *((n, size) for size in self.state_sizes)] if self.return_state else y

    def _batch_major_shape(self, shape: Any) -> tuple:
        shape = tuple(shape)
        return (shape[1], shape[0], *shape[2:]) if self.time_major and len(shape) > 1 else shape

    # --- state kept between batches --------------------------------------------------------------------------

    @property
    def states(self) -> list[Variable] | None:
        """The states that the next batch begins with, for a stateful layer that has run or has a fixed batch."""
        return self._states

    def _make_states(self, batch: int) -> None:
        self._states = [
            Variable(np.zeros((batch, size), self.dtype), trainable=False, name="state", path=f"{self.name}/state")
            for size in self.state_sizes
        ]

    def _own_states(self, batch: int) -> list[np.ndarray]:
        if self._states is None:
            self._make_states(batch)
        assert self._states is not None
        held = self._states[0].shape[0]
        if held != batch:
            raise ValueError(
                f"Layer '{self.name}' is stateful: it keeps one state for each of {held} sequences, and this batch "
                f"has {batch}.\n"
                f"    expected: {validation.drawn((held, None, self._features), validation.SEQUENCE_AXES)}\n"
                f"    given:    {validation.drawn((batch, None, self._features), validation.SEQUENCE_AXES)}\n"
                f"Give a number of sequences that {held} divides (batch_size={held}), or call reset_states() to begin "
                "with another batch size."
            )
        # Copies: the way back needs the states as they were, and this batch will overwrite them.
        return [state.numpy() for state in self._states]

    def _remember(self, last: Sequence[np.ndarray]) -> None:
        if self.stateful and not on_trial():
            assert self._states is not None
            for variable, value in zip(self._states, last, strict=True):
                variable.assign(value)

    def reset_states(self, states: Any = None) -> None:
        """Set the kept states to zero, or to given values.

        Args:
            states: None, or arrays (N, H), one for each state.  After None a layer whose batch size was not fixed
                by its input takes a batch of any size.

        Raises:
            ValueError: if the layer is not stateful, or the values do not fit.
        """
        if not self.stateful:
            raise ValueError(f"Layer '{self.name}' is not stateful; write {type(self).__name__}(..., stateful=True).")
        if states is not None:
            values = [np.asarray(value, self.dtype) for value in tree.leaves(states)]
            batch = values[0].shape[0] if values and values[0].ndim else 0
            validation.check_states(values, self.state_sizes, batch, self.name)
            if self._states is None or self._states[0].shape[0] != batch:
                self._make_states(batch)
            for variable, value in zip(self._states or [], values, strict=True):
                variable.assign(value)
        elif self._states is not None:
            # Data fix no batch size, an Input may.
            if any(self._batch_major_shape(node.inputs[0].shape)[0] is not None for node in self._inbound_nodes):
                for variable in self._states:
                    variable.assign(np.zeros(variable.shape))
            else:
                self._states = None

    reset_state = reset_states


def tree_first(value: Any) -> Any:
    """The first leaf of a nesting; a number itself."""
    return next(iter(tree.leaves(value)))


def _all_arrays(items: Sequence[Any]) -> bool:
    return all(hasattr(item, "shape") for item in items)

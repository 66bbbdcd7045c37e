"""What all recurrent layers share: states in and out, masks, direction, which outputs are returned.

`RNN` runs any cell; LSTM, GRU and the others are `CellLayer`s, which make their own.  Everything that Keras's arguments
do around a cell is here, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import config, serialization, tree, validation
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.layers import observing, rematerialising, stepping
from gatewise.layers.cell import Cell, check_cell_arguments, split_arguments
from gatewise.layers.recurrent_stepper import RecurrentStepper
from gatewise.layers.sequence_layer import SequenceLayer
from gatewise.layers.stacked_cells import StackedRNNCells
from gatewise.stepper import LayerUse, Stepper
from gatewise.variable import Variable, on_trial, structure_clock


class RNN(SequenceLayer):
    """Runs a cell over whole sequences; the base of all recurrent layers.

    Args:
        cell: the layer that computes one step, `cell(x, states) -> (output, states)`, with `state_size` (an integer,
            or a nesting of them) and, if it differs from the first state, `output_size`; or a list of such cells, each
            fed by the one before.
        return_sequences: return the output of every step, (N, T, H), not only the last, (N, H).
        return_state: return the last states too, after the output.
        go_backwards: run from the last step to the first; the outputs come in that order.
        stateful: begin each batch with the states that the batch before ended with.
        unroll: accepted; it changes no result.
        zero_output_for_mask: masked steps put out zeros instead of the output before them.
        time_major: inputs and outputs are (T, N, ...) instead of (N, T, ...).
        remat_steps: k, for training in little memory: keep the states of every k-th step only, and compute the steps
            between them again on the way back.  Outputs are the same, gradients up to rounding; it takes about a third
            more time, and least memory near k = sqrt(T / 5).  May be set later too, `layer.remat_steps = 300`.

    Called with `layer(sequences, initial_state=None, mask=None, training=False)`.  A masked step keeps the states.  The
    mask that comes with the sequences counts whether states are given or not (Keras 3 loses it where they are).

    Raises:
        ValueError: for a cell that is not one, and for inputs, states or masks of the wrong shape.
    """

    in_config_if_true = ("time_major", "remat_steps")  # Keras 3 has no such arguments

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        time_major: bool = False,
        remat_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.remat_steps = remat_steps
        if isinstance(cell, list | tuple):
            cell = StackedRNNCells(cell, dtype=self.dtype)
        stepping.check_cell(cell, self.name, type(self).__name__)
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
        self._known_state_shapes: list[tuple[int, ...]] | None = None
        self._nesting: list | None = None  # of the outputs with states, where these nest

    # --- the cell --------------------------------------------------------------------------------------------

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """The states a run begins with if none are given, nested as the cell has them, each (batch_size, size)."""
        return stepping.initial_states(self.cell, batch_size or 1, self.dtype)

    @property
    def state_size(self) -> list[Any]:
        """The cell's `state_size`, in a list."""
        size = self.cell.state_size
        return list(size) if isinstance(size, list | tuple) else [size]

    @property
    def state_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each state without the batch, flat."""
        cell = self.cell
        if isinstance(cell, Cell):
            return cell.state_shapes
        if self._known_state_shapes is None:
            self._known_state_shapes = [state.shape[1:] for state in tree.leaves(self.get_initial_state(1))]
        return self._known_state_shapes

    # --- the layer -------------------------------------------------------------------------------------------

    @property
    def remat_steps(self) -> int | None:
        """How many steps the way back computes again at a time; None: it keeps what it needs of every step."""
        return self._remat_steps

    @remat_steps.setter
    def remat_steps(self, value: int | None) -> None:
        if value is not None:
            value = validation.positive_integer(value, "remat_steps", f"Layer '{self.name}' ({type(self).__name__})")
        self._remat_steps = value
        structure_clock.tick()  # what was made for the layer as it was is made anew

    def __getattr__(self, name: str) -> Any:
        """Weights and arguments that the cell holds are the layer's too: `layer.kernel`, `layer.units`."""
        cell = self.__dict__.get("cell")
        if cell is not None and not name.startswith("_"):
            value = vars(cell).get(name, self)
            if value is not self:
                return value
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")

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
        step = (shape[0], *shape[2:])
        self.cell.ensure_built([step])
        stepping.make_late_weights(self.cell, step)
        if self.stateful and shape[0] is not None:
            self._make_states(shape[0])

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        shape = self._batch_major_shape(shapes[0])
        self.check_sequences(shape)
        if len(shapes) > 1:
            states = [SymbolicTensor(s) for s in shapes[1:]]
            validation.check_states(states, self.state_shapes, shape[0], self.name)

    def check_sequences(self, shape: Sequence[Any]) -> None:
        """Raise ValueError unless batch-major sequences of this shape suit the cell."""
        if not isinstance(self.cell, Cell) and len(shape) > 3:
            return  # a user's cell may take steps of any rank
        validation.check_sequence(shape, self._features, self.name, type(self).__name__)

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if not self.built:
            self.check_inputs(shapes)
        super().ensure_built(shapes[:1])

    @property
    def _features(self) -> int | None:
        return self.cell.features if isinstance(self.cell, Cell) else None

    def nested_outputs(self, y: list) -> Any:
        if self._nesting is None:
            states = self.get_initial_state(1)
            self._nesting = [None, *states] if any(isinstance(s, list | tuple | dict) for s in states) else []
        return tree.fill(self._nesting, tree.leaves(y)) if self._nesting else y

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x, mask, states = self._begin(inputs, mask)
        watch = observing.current() if observing.watches else None
        every = self._remat_steps
        if watch is not None:
            h, last, back = watch.trace(self, x, states, mask, training)
            h_last = h[:, -1]
        elif every is None or x.shape[1] <= every:
            h, last, back = stepping.trace(self.cell, x, states, mask, training)
            h_last = h[:, -1]
        else:
            h, h_last, last, back = rematerialising.trace(
                self.cell, x, states, mask, training, every, self.return_sequences
            )
        keep = self._kept_steps(mask, states)
        y = self._outputs(h, h_last, last, keep)
        self._remember(last)
        n_given = len(inputs) - 1

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            dy, *d_last = dy if self.return_state else [dy]
            d_last = d_last or [None] * len(last)
            dh = None
            if self.return_sequences:
                dh = dy if dy is None or not self.time_major else dy.swapaxes(0, 1)
                dh, dy = dh if dh is None else _kept(dh, keep), None
            elif dy is not None:
                dy = _kept(dy, None if keep is None else keep[:, -1])
            dx, d_states, gradients = back(dh, dy, d_last, wants_dx)
            return (self._as_given(dx), *d_states[:n_given]), gradients

        return y, pullback

    def infer(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x, mask, states = self._begin(inputs, mask)
        watch = observing.current() if observing.watches else None
        if watch is None:
            h, h_last, last = stepping.run(self.cell, x, states, mask, training, self.return_sequences)
        else:
            h, h_last, last = watch.run(self, x, states, mask, training)
        y = self._outputs(h, h_last, last, self._kept_steps(mask, states))
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

    def _outputs(self, h: Any, h_last: Any, last: list, keep: Any) -> Any:
        if self.return_sequences:
            y = _kept(h, keep)
            y = y.swapaxes(0, 1) if self.time_major else y
        else:
            y = _kept(h_last, None if keep is None else keep[:, -1])
        return [y, *last] if self.return_state else y

    def _as_given(self, dx: Any) -> Any:
        """The gradient of x in the order and layout in which x came."""
        if dx is None:
            return None
        dx = dx[:, ::-1] if self.go_backwards else dx
        return dx.swapaxes(0, 1) if self.time_major else dx

    def stepper(self, use: LayerUse) -> Stepper:
        return RecurrentStepper(self, use) if use.is_timed and not self._uses_call else super().stepper(use)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        mask = previous_mask[0] if isinstance(previous_mask, list) else previous_mask
        mask = mask if self.return_sequences else None
        return [mask, *[None] * len(self.state_shapes)] if self.return_state else mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape if tree.is_shape(input_shape) else input_shape[0]
        n, t, *_ = self._batch_major_shape(shape)
        width = stepping.output_shape(self.cell, self.dtype)
        y = ((t, n, *width) if self.time_major else (n, t, *width)) if self.return_sequences else (n, *width)
        if not self.return_state:
            return y
        states = [(n, *state) for state in self.state_shapes]
        return [y, *tree.fill(self.get_initial_state(1), states)]

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
            Variable(np.asarray(state, self.dtype), trainable=False, name="state", path=f"{self.name}/state")
            for state in tree.leaves(self.get_initial_state(batch))
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
        """Set the kept states to zero (or what the cell begins with), or to given values.

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
            batch = values[0].shape[0] if values and values[0].ndim else None
            validation.check_states(values, self.state_shapes, batch, self.name)
            if batch is not None and (self._states is None or self._states[0].shape[0] != batch):
                self._make_states(batch)
            for variable, value in zip(self._states or [], values, strict=True):
                variable.assign(value)
        elif self._states is not None:
            # Data fix no batch size, an Input may.
            if any(self._batch_major_shape(node.inputs[0].shape)[0] is not None for node in self._inbound_nodes):
                self._make_states(self._states[0].shape[0])
            else:
                self._states = None

    reset_state = reset_states

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        config = dict(config)
        if "cell" in config and not isinstance(config["cell"], Layer):
            config["cell"] = serialization.deserialize_object(config["cell"], kind="layer")
        return cls(**config)


class CellLayer(RNN):
    """Base of the layers that make their own cell, of `cell_class`, from their arguments."""

    cell_class: type[Cell]
    not_in_config = ("implementation", "use_cudnn")
    taken_by_name = ("quantization",)

    def __init__(self, arguments: dict[str, Any], **kwargs: Any) -> None:
        of_fewer_bits = {"quantization": kwargs.pop("quantization")} if "quantization" in kwargs else {}
        # Checked here too, so that a message names the layer that the user wrote and not its cell.
        check_cell_arguments({**arguments, "kwargs": kwargs}, type(self).__name__)
        of_cell, own = split_arguments(arguments, self.cell_class)
        own.pop("use_cudnn", None)  # of LSTM and GRU: there is one way to compute here
        cell = self.cell_class(
            **of_cell,
            **of_fewer_bits,
            name=config.snake_case(self.cell_class.__name__),
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
        )
        super().__init__(cell=cell, **own, **kwargs)


def _kept(values: np.ndarray, keep: Any) -> np.ndarray:
    """The values where `keep` (None: everywhere) is true, zeros elsewhere."""
    if keep is None:
        return values
    return np.where(keep.reshape(*keep.shape, *[1] * (values.ndim - keep.ndim)), values, values.dtype.type(0))

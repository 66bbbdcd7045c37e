"""Stream: a model that is given one time step after the other and keeps what it must remember."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewise import tree, validation
from gatewise.streaming.inputs import StreamInput, chunk_mask, step_mask
from gatewise.streaming.native import join_chains
from gatewise.streaming.plan import Plan
from gatewise.streaming.state import StreamState, checked


class Stream:
    """Runs a model one time step at a time; `model.stream(batch_size)` makes one.

    After t steps the last output is, to the last bit, `model.predict` of the first t steps: of an output that has a
    time axis its last step, of any other the whole.  So a model is streamed only if no layer looks at later steps.

    Args:
        model: a built model whose layers are known as a graph.
        batch_size: N, the number of sequences that run side by side, each with its own row of the state.

    Weights are the model's own: after training or `set_weights` the next step uses the new ones.  Streams of one model
    know nothing of each other.  One stream is for one thread at a time.

    Raises:
        ValueError: naming the layer that cannot run one step at a time, and why.
    """

    def __init__(self, model: Any, batch_size: int = 1) -> None:
        self.model = model
        self.batch_size = validation.positive_integer(batch_size, "batch_size", "stream")
        self._plan = Plan(model)
        self._inputs = [
            StreamInput(model.name, name, x.shape, x.array_type, timed, self.batch_size)
            for name, x, timed in zip(model.input_names, model.inputs, self._plan.timed_inputs, strict=True)
        ]
        steppers = [step.stepper for step in self._plan.steps if step.states is not None]
        self._initial = [stepper.initial(self.batch_size) for stepper in steppers]
        self._states = [[array.copy() for array in arrays] for arrays in self._initial]
        self._lock = threading.Lock()
        self._native = join_chains(self._plan, self._inputs[0], self._states)
        if self._native is not None:  # the whole step is one call; what it is given is looked at there
            self.__dict__["step"] = self._native.step

    def step(self, x: Any, mask: Any = None) -> Any:
        """The model's output after one more time step.

        Args:
            x: the step, (N, features ...); without the batch for one row, and a single number for one row of one
                feature.  For several inputs a list in their order or a dictionary by name; inputs without a time axis
                are given whole each time.
            mask: (N,), False in the rows for which this step does not count: they keep their state.

        Returns:
            (N, ...), nested as `predict` returns it, without the time axis.

        Raises:
            ValueError: for a step of the wrong shape.
        """
        given = self.model.flat_inputs(x) if len(self._inputs) > 1 else [self._inputs[0].alone(x)]
        values = [i.one_step(v) for i, v in zip(self._inputs, given, strict=True)]
        masks = [step_mask(m, self.batch_size) for m in self._listed(mask)]
        return self._nested(self._advance(values, masks))

    def run(self, x: Any, mask: Any = None) -> Any:
        """The outputs of several time steps, each as `step` returns it, along a new axis 1.

        Args:
            x: (N, T, features ...); without the batch for one row.
            mask: (N, T), or (T,) for one row.

        Returns:
            (N, T, ...), nested as `predict` returns it.
        """
        given = self.model.flat_inputs(x) if len(self._inputs) > 1 else [self._inputs[0].alone(x)]
        values = [i.chunk(v) for i, v in zip(self._inputs, given, strict=True)]
        counts = {v.shape[1] for v, i in zip(values, self._inputs, strict=True) if i.timed}
        if len(counts) > 1 or 0 in counts:
            raise ValueError(
                f"run takes at least one time step, and as many of each input; the inputs have {sorted(counts)}."
            )
        (steps,) = counts
        masks = [chunk_mask(m, self.batch_size, steps) for m in self._listed(mask)]
        if self._native is not None:
            return self._native.run(values[0], masks[0])
        outputs = [
            self._advance(
                [v[:, t : t + 1] if i.timed else v for v, i in zip(values, self._inputs, strict=True)],
                [None if m is None else m[:, t : t + 1] for m in masks],
            )
            for t in range(steps)
        ]
        return self._nested([np.stack(parts, axis=1) for parts in zip(*outputs, strict=True)])

    # --- state -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> StreamState:
        """What the stream remembers, as a copy: {layer name: [arrays]}, the batch first.

        Setting it puts the stream where the state was taken.
        """
        pairs = zip(self._plan.state_names, self._states, strict=True)
        return StreamState({name: [a.copy() for a in arrays] for name, arrays in pairs})

    @state.setter
    def state(self, given: Mapping[str, Any]) -> None:
        found = checked(given, self._plan.state_names, self._states, self.model.name)
        for kept, new in zip(self._states, found, strict=True):
            for old, value in zip(kept, new, strict=True):
                old[...] = value

    def reset(self, rows: Any = None) -> None:
        """Begin anew: all rows, or those given by number, list of numbers, slice or boolean mask.

        Raises:
            IndexError: if there is no such row.
        """
        chosen = slice(None) if rows is None else self._row_index(rows)
        for kept, begin in zip(self._states, self._initial, strict=True):
            for old, value in zip(kept, begin, strict=True):
                old[chosen] = value[chosen]

    def fork(self, rows: Any = None) -> Stream:
        """Another stream of the same model that goes on from here by itself.

        Args:
            rows: which rows it takes, in which order and how often ([0, 0, 1]); default all.
        """
        state = self.state if rows is None else self.state.rows(self._row_index(rows))
        batch = self.batch_size if rows is None else len(np.arange(self.batch_size)[self._row_index(rows)])
        return _restored(self.model, batch, state)

    def save(self, path: Any) -> None:
        """Write the state to one .npz file, whole or not at all."""
        self.state.save(path)

    def restore(self, path: Any) -> None:
        """Take the state from a file that `save` wrote.

        Raises:
            ValueError: if the file holds something else, or the state of another model or batch size.
        """
        self.state = StreamState.load(path)

    def __copy__(self) -> Stream:
        return self.fork()

    def __reduce__(self) -> tuple:
        return _restored, (self.model, self.batch_size, self.state)

    def __repr__(self) -> str:
        return f"<Stream of model '{self.model.name}', batch_size={self.batch_size}>"

    # --- inside ----------------------------------------------------------------------------------------------

    def _advance(self, values: list, masks: list) -> list:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("This stream is in use on another thread; give each thread a stream.fork() of its own.")
        try:
            return self._plan.run(values, masks, self._states)
        finally:
            self._lock.release()

    def _listed(self, mask: Any) -> list:
        """A mask for each input: one given alone is the first's."""
        count = len(self._inputs)
        if count > 1 and isinstance(mask, list | tuple) and len(mask) == count:
            return list(mask)
        return [mask, *[None] * (count - 1)]

    def _nested(self, outputs: list) -> Any:
        return tree.fill(self.model._output_tree, outputs)

    def _row_index(self, rows: Any) -> Any:
        """Rows as an index that keeps the axis.

        Raises:
            IndexError: if there is no such row.
        """
        if isinstance(rows, slice):
            return rows
        index = np.atleast_1d(np.asarray(rows))
        if index.size == 0 and index.dtype != bool:
            return index.astype(np.intp)
        good = (
            index.shape == (self.batch_size,) if index.dtype == bool else index.dtype.kind in "iu" and index.ndim == 1
        )
        if not good or (index.dtype != bool and not (-self.batch_size <= index.min() <= index.max() < self.batch_size)):
            raise IndexError(
                f"The stream has the rows 0 to {self.batch_size - 1}; they are chosen by numbers, by a slice or by "
                f"{self.batch_size} truth values; got {rows!r}."
            )
        return index


def _restored(model: Any, batch_size: int, state: StreamState) -> Stream:
    """A stream with this state."""
    stream = Stream(model, batch_size)
    stream.state = state
    return stream

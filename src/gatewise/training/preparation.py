"""Preparation: what fit, evaluate and predict are given, as flat lists of arrays that suit the model, in batches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import ragged, tree
from gatewise.arguments import describe, is_array
from gatewise.graph import SymbolicTensor
from gatewise.ragged import Ragged
from gatewise.stored import Stored
from gatewise.training import data, finite, padding
from gatewise.training.compiling import Compiled
from gatewise.training.data import Batch
from gatewise.training.sources import frames, given
from gatewise.training.sources.array_batches import ArrayBatches, ByClass
from gatewise.training.sources.iterable_batches import IterableBatches, is_iterable_of_batches
from gatewise.variable import structure_clock

SOME_ROWS = 32
"""How many samples are looked at where all of them would be too many."""


class Preparing(Compiled):
    """The part of a model that takes data apart.  It needs `split_inputs`, `build_for` and `built` of a model."""

    built: bool
    dtype: str
    inputs: list[SymbolicTensor]
    outputs: list[SymbolicTensor]
    _known_types: tuple[int, tuple[str, str]] = (0, ("", ""))

    def _flat_x(self, x: Any) -> tuple[list, Any]:
        """The inputs as flat arrays, the model built for them; and how they fold back into a subclass's argument."""
        dtype = self._data_types()[0]
        types = [tensor.dtype for tensor in getattr(self, "inputs", ())]
        if type(x) is not np.ndarray:
            x = self._without_foreign(x, dtype, "string" in (types or [self._unknown_kind()]))
        leaves, structure = self.split_inputs(x)  # type: ignore[attr-defined]
        if not leaves:
            raise TypeError(f"x must be numbers in arrays; model '{self.name}' was given {describe(x)}.")
        kinds = types or [self._unknown_kind()] * len(leaves)
        arrays = [
            data.as_array(item, "The inputs", dtype, kind == "string")
            for item, kind in zip(leaves, kinds, strict=False)
        ]
        if not self.built:
            data.check_same_length({"x": arrays})
            # A few rows will do; a model that runs on all of a dataset at once would take long.
            self.build_for([a[:SOME_ROWS] for a in arrays], structure)  # type: ignore[attr-defined]
        if any(isinstance(array, Ragged) for array in arrays):
            self.check_ragged(arrays)  # type: ignore[attr-defined]
        return arrays, structure

    def _without_foreign(self, x: Any, dtype: str, takes_text: bool) -> Any:
        """x with frames and tensors as arrays; a frame for several inputs by their names as a dictionary of columns."""
        if len(getattr(self, "inputs", ())) < 2 or not frames.is_frame(x):
            return given.plain(x, "x", dtype, takes_text)
        nesting: Any = getattr(self, "_input_tree", None)
        names = list(nesting) if isinstance(nesting, dict) else self.input_names  # type: ignore[attr-defined]
        columns = frames.column_names(x)
        missing = [name for name in names if name not in columns]
        if missing:
            raise ValueError(
                f"Model '{self.name}' has the inputs {names}; the frame given has the columns {columns} (missing: "
                f"{missing}). Give a list with an array or a frame for each input, or a frame with their names."
            )
        return frames.columns(x, names, "x", dtype, takes_text)

    def _unknown_kind(self) -> str:
        """The type of the inputs of a model without symbolic ones: a subclass may take text."""
        layers = self.layers  # type: ignore[attr-defined]
        takes_text = self._uses_call or (layers and layers[0].input_type == "string")  # type: ignore[attr-defined]
        return "string" if takes_text else self.dtype

    def _data_types(self) -> tuple[str, str]:
        """The float types that x and y are turned into: those of the first float input and output, else the model's."""
        stamp, types = self._known_types
        if stamp != structure_clock.stamp:
            tensors = (getattr(self, "inputs", None), getattr(self, "outputs", None))
            x, y = (
                next((t.dtype for t in found or () if t.dtype.startswith("float")), self.dtype) for found in tensors
            )
            types = (x, y)
            self._known_types = (structure_clock.stamp, types)
        return types

    def _flat_batch(self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None) -> Batch:
        """Everything given for one batch (or a whole dataset) as flat lists of arrays of one length."""
        if sample_weight is None and class_weight is None and self._needs_no_preparation(x, y):
            return Batch([x], [y], None, None)
        xs, structure = self._flat_x(x)
        ys = self._flat_y(y, len(xs[0]))
        weights = self._flat_weights(sample_weight, len(ys or [None]), len(xs[0]))
        data.check_same_length({"x": xs, "y": ys, "sample_weight": weights})
        is_ragged = any(isinstance(a, Ragged) for a in [*xs, *(ys or ()), *(weights or ())])
        if is_ragged:
            ys, weights = padding.suited_to(xs, ys, weights, getattr(self, "outputs", None))
        if class_weight is not None and ys is not None:
            if len(ys) > 1:
                raise ValueError("class_weight works with a single output; give sample_weight instead.")
            weights = [self._times_class_weights(ys[0], class_weight, None if weights is None else weights[0])]
        return Batch(xs, ys, weights, structure, is_ragged)

    def _times_class_weights(self, y: Any, by_class: Any, weights: Any) -> Any:
        """The weight of each sample by its class, times further weights where there are some."""
        dtype = self._data_types()[1]
        if isinstance(y, Stored):
            class_weights(y[:1], by_class, dtype)  # what is wrong with the dictionary is said now
            return ByClass(y, lambda rows: class_weights(rows, by_class, dtype), weights)
        found = class_weights(y, by_class, dtype)
        if isinstance(weights, Stored):
            weights = weights[:]
        return found if weights is None else padding.times(found, weights)

    def _needs_no_preparation(self, x: Any, y: Any) -> bool:
        """True for two arrays, as long as each other, in the types of the only input and the only output."""
        if type(x) is not np.ndarray or type(y) is not np.ndarray or not x.ndim or not y.ndim or not self.built:
            return False
        inputs: Any = getattr(self, "inputs", ())
        outputs: Any = getattr(self, "outputs", ())
        return (
            len(inputs) == len(outputs) == 1
            and x.dtype is inputs[0].array_type
            and y.dtype is outputs[0].array_type
            and len(x) == len(y) > 0
        )

    def _padded_batch(self, batch: Batch) -> Batch:
        """A batch with its ragged values padded, and the masks that say so."""
        shapes = [tensor.shape for tensor in getattr(self, "inputs", ())]
        return padding.padded(batch, shapes, self.select_masks)  # type: ignore[attr-defined]

    def _flat_y(self, y: Any, n: int) -> list | None:
        """The targets of n samples, one array for each output; None for an output without a loss that was given none.

        Raises:
            ValueError: if their number or names differ from the outputs'.
        """
        if y is None:
            return None
        names, dtype = self._known_output_names(), self._data_types()[1]
        found = by_output(of_columns(y, names, "y", dtype), names, "y", self._names_with_targets, n)
        if names is not None and len(found) != len(names):
            wanted = self._names_with_targets()
            if len(found) != len(wanted):
                raise ValueError(
                    f"The model has {len(names)} output{'s' * (len(names) > 1)} ({', '.join(names)}); y has "
                    f"{len(found)} arrays. Give a list with an array for each, or a dictionary by name."
                )
            supply = iter(found)
            found = [next(supply) if name in wanted else None for name in names]
        return [None if item is None else data.as_array(item, "The targets", dtype) for item in found]

    def _names_with_targets(self) -> list[str]:
        """The outputs that need targets, as far as they are known: those with a loss or metrics."""
        names = self._known_output_names()
        if names is None or not self.compiled:
            return names or []
        return self._ready_objective(len(names)).names_with_targets()

    def _flat_weights(self, sample_weight: Any, n_outputs: int, n: int) -> list | None:
        """The weights of n samples, one array (or None) for each output; one alone serves all."""
        if sample_weight is None:
            return None
        names, dtype = self._known_output_names(), self._data_types()[1]
        found = by_output(of_columns(sample_weight, names, "sample_weight", dtype), names, "sample_weight", list, n)
        weights = [None if w is None else data.as_array(w, "The sample weights", dtype) for w in found]
        if len(weights) == 1:
            return weights * n_outputs
        if len(weights) != n_outputs:
            raise ValueError(f"sample_weight has {len(weights)} arrays for {n_outputs} outputs; give one for each.")
        return weights

    def _batches(
        self, x: Any, y: Any, sample_weight: Any, batch_size: int | None, steps: int | None,
        shuffle: bool | str = False, class_weight: Any = None, names: tuple[str, str] = ("x", "y"),
        inputs_only: bool = False,
    ) -> ArrayBatches | IterableBatches:  # fmt: skip
        """What is given as x, y and sample_weight, in batches.

        Args:
            names: what x and y are called in messages.
            inputs_only: whether the targets in an iterable's batches are left out: for `predict`.
        """
        data.check_count(batch_size, "batch_size")
        data.check_count(steps, "steps")
        if not (isinstance(shuffle, bool | np.bool_ | int) or shuffle in (None, "batch")):
            raise ValueError(f"shuffle is True, False or 'batch' (whole batches in another order); got {shuffle!r}.")
        if is_iterable_of_batches(x):
            if y is not None or sample_weight is not None:
                raise ValueError(
                    f"x, of type {type(x).__name__}, supplies batches of its own; then they hold the targets and "
                    "weights: (x, y, sample_weight). Of samples make an array first: numpy.array(list(x))."
                )

            def flattened(a: Any, b: Any, c: Any) -> Batch:
                return self._flat_batch(a) if inputs_only else self._checked_batch(a, b, c, class_weight)

            return IterableBatches(
                x,
                flattened,
                lambda batch: finite.warn_about(self, batch, ("x of a batch", "y of a batch")),
                steps,
                shuffle,
            )
        if inspect.isfunction(x) or inspect.ismethod(x):
            raise TypeError(f"{names[0]} is the function {x.__name__}; call it: {x.__name__}() gives the batches.")
        if isinstance(x, str | bytes) or x is None:
            raise TypeError(f"{names[0]} must be numbers in arrays; model '{self.name}' was given {describe(x)}.")
        whole = self._whole(x, y, sample_weight, class_weight, names)
        finite.warn_about(self, whole, names)
        size = batch_size or self._fixed_batch_size()
        return ArrayBatches(whole, size, shuffle, steps, self._check_of_rows(names) if whole.is_stored else None)

    def _whole(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Any = None, names: tuple[str, str] = ("x", "y")
    ) -> Batch:
        """A whole dataset; what lies in files is not read."""
        x, y = given.by_rows(x, names[0]), given.by_rows(y, names[1])
        return self._checked_batch(x, y, given.by_rows(sample_weight, "sample_weight"), class_weight)

    def _check_of_rows(self, names: tuple[str, str]) -> Callable[[Batch], None]:
        """What looks at each batch that is read from a file, as `_batches` looks at all samples in memory."""
        warned = False

        def check(batch: Batch) -> None:
            nonlocal warned
            self._check_targets(batch)
            warned = warned or finite.warn_about(self, batch, (f"{names[0]} of a batch", f"{names[1]} of a batch"))

        return check

    def _fixed_batch_size(self) -> int | None:
        """The batch size that an Input fixes, if one does."""
        inputs: list[SymbolicTensor] = getattr(self, "inputs", None) or []
        return next((x.shape[0] for x in inputs if x.shape and x.shape[0] is not None), None)

    def _checked_batch(self, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> Batch:
        """`_flat_batch`, and ValueError if targets do not suit their losses and outputs, where those are known."""
        batch = self._flat_batch(x, y, sample_weight, class_weight)
        self._check_targets(batch)
        return batch

    def _check_targets(self, batch: Batch) -> None:
        """Raise ValueError if targets do not suit their losses and outputs; of a file the first rows are looked at."""
        outputs: list[SymbolicTensor] | None = getattr(self, "outputs", None)
        if batch.y is None or not outputs or not self.compiled:
            return
        shapes = [y.shape for y in outputs]
        if batch.is_ragged:
            names = self._known_output_names() or []
            self._ready_objective(len(outputs)).check_targets(*padding.to_check(batch.y, shapes, names))
        else:
            ys = [y[:SOME_ROWS] if isinstance(y, Stored) else y for y in batch.y]
            self._ready_objective(len(outputs)).check_targets(ys, shapes)

    def _held_out(self, held: Any, batch_size: int | None, steps: int | None) -> ArrayBatches | IterableBatches:
        """The batches that `validation_data` means."""
        if is_iterable_of_batches(held):
            return self._batches(held, None, None, batch_size, steps)
        if not isinstance(held, list | tuple) or not 1 <= len(held) <= 3:
            raise ValueError(
                f"validation_data is (x, y), (x, y, sample_weight), or supplies such batches; got {describe(held)}."
            )
        x, y, weights = [*held, None, None][:3]
        return self._batches(x, y, weights, batch_size, steps, names=("validation x", "validation y"))

    def _nested(self, outputs: list) -> Any:
        """Flat outputs nested as the model returns them."""
        nesting = getattr(self, "_output_tree", None)
        if nesting is None:
            return outputs[0] if len(outputs) == 1 else outputs
        return tree.fill(nesting, outputs)


def of_columns(value: Any, names: Sequence[str] | None, what: str, dtype: str) -> Any:
    """What is given for the outputs with frames and tensors as arrays.

    A frame with columns named as several outputs becomes a dictionary of them.
    """
    if type(value) is np.ndarray:
        return value
    if names is not None and len(names) > 1 and frames.is_frame(value):
        known = frames.column_names(value)
        named = [name for name in names if name in known]
        if named:
            return frames.columns(value, named, what, dtype, False)
    return given.plain(value, what, dtype)


def by_output(value: Any, names: Sequence[str] | None, what: str, needed: Callable[[], list[str]], n: int) -> list:
    """What is given for the outputs, as a list with an item for each.

    Args:
        value: an array, a nested list of numbers, a list with an item for each output, or a dictionary by name.
        names: the outputs' names, or None if nobody knows how many there are.
        what: the argument's name.  needed: returns the names that a dictionary must have.
        n: the number of samples.

    Raises:
        ValueError: if a dictionary lacks a name, or has one that is not an output's.
    """
    if isinstance(value, dict):
        known = list(value) if names is None else list(names)
        missing = [name for name in needed() if name not in value]
        unknown = [key for key in value if key not in known]
        if missing or unknown:
            wrong = f"missing: {missing}" if missing else f"unknown: {unknown}"
            raise ValueError(f"{what} is a dictionary with the keys {list(value)}; the outputs are {known} ({wrong}).")
        return [padding.one_value(value.get(name), n) for name in known]
    if names is not None and len(names) == 1:
        value = padding.one_value(value, n)
    elif names is None:
        value = ragged.of_different_lengths(value)
    if not isinstance(value, list | tuple):
        return [value]
    if names is not None and len(names) == len(value) > 1:
        return [padding.one_value(item, n) for item in value]
    # A list with arrays in it is a list of arrays; one of numbers, however deep, is one array.
    return list(tree.leaves(value)) if any(is_array(leaf) and np.ndim(leaf) for leaf in tree.leaves(value)) else [value]


def class_weights(y: Any, weights: dict[Any, float], dtype: str) -> Any:
    """The weight of each sample by its class; y holds integers, or one-hot rows.  A class without a weight weighs 1."""
    if not isinstance(weights, dict):
        raise ValueError(f"class_weight is a dictionary {{class: weight}}, as {{0: 1.0, 1: 5.0}}; got {weights!r}.")
    if isinstance(y, Ragged):
        return ragged.split(class_weights(y.joined(), weights, dtype), y)
    if y.ndim > 1 and y.shape[-1] > 1:
        classes = y.argmax(axis=-1)
    else:
        classes = y.reshape(y.shape[:1] if y.ndim < 3 else y.shape[:-1])
    result, rounded = np.ones(classes.shape, dtype), np.round(classes)
    for key, value in weights.items():
        try:
            result[rounded == int(key)] = float(value)
        except (TypeError, ValueError):
            raise ValueError(
                "class_weight is a dictionary {class: weight}, of an integer and a number each, as {0: 1.0, 1: 5.0}; "
                f"got {{{key!r}: {value!r}}}."
            ) from None
    return result

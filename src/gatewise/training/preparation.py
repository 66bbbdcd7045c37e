"""Preparation: what fit, evaluate and predict are given, as flat lists of arrays that suit the model, in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import ragged, tree
from gatewise.arguments import describe, is_array
from gatewise.graph import SymbolicTensor
from gatewise.ragged import Ragged
from gatewise.training import data, finite, padding
from gatewise.training.compiling import Compiled
from gatewise.training.data import ArrayBatches, Batch, IterableBatches
from gatewise.variable import structure_clock


class Preparing(Compiled):
    """The part of a model that takes data apart.  It needs `split_inputs`, `build_for` and `built` of a model."""

    built: bool
    dtype: str
    inputs: list[SymbolicTensor]
    outputs: list[SymbolicTensor]
    _known_types: tuple[int, tuple[str, str]] = (0, ("", ""))

    def _flat_x(self, x: Any) -> tuple[list, Any]:
        """The inputs as flat arrays, the model built for them; and how they fold back into a subclass's argument."""
        given, structure = self.split_inputs(x)  # type: ignore[attr-defined]
        if not given:
            raise TypeError(f"x must be numbers in arrays; model '{self.name}' was given {describe(x)}.")
        dtype = self._data_types()[0]
        kinds = [tensor.dtype for tensor in getattr(self, "inputs", ())] or [self._unknown_kind()] * len(given)
        arrays = [
            data.as_array(item, "The inputs", dtype, kind == "string") for item, kind in zip(given, kinds, strict=False)
        ]
        if not self.built:
            data.check_same_length({"x": arrays})
            # A few rows will do; a model that runs on all of a dataset at once would take long.
            self.build_for([a[:32] for a in arrays], structure)  # type: ignore[attr-defined]
        if any(isinstance(array, Ragged) for array in arrays):
            self.check_ragged(arrays)  # type: ignore[attr-defined]
        return arrays, structure

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
            by_class = class_weights(ys[0], class_weight, self._data_types()[1])
            weights = [by_class if weights is None or weights[0] is None else padding.times(by_class, weights[0])]
        return Batch(xs, ys, weights, structure, is_ragged)

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
        names = self._known_output_names()
        given = by_output(y, names, "y", self._names_with_targets, n)
        if names is not None and len(given) != len(names):
            wanted = self._names_with_targets()
            if len(given) != len(wanted):
                raise ValueError(
                    f"The model has {len(names)} output{'s' * (len(names) > 1)} ({', '.join(names)}); y has "
                    f"{len(given)} arrays. Give a list with an array for each, or a dictionary by name."
                )
            supply = iter(given)
            given = [next(supply) if name in wanted else None for name in names]
        dtype = self._data_types()[1]
        return [None if item is None else data.as_array(item, "The targets", dtype) for item in given]

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
        given = by_output(sample_weight, self._known_output_names(), "sample_weight", list, n)
        dtype = self._data_types()[1]
        weights = [None if w is None else data.as_array(w, "The sample weights", dtype) for w in given]
        if len(weights) == 1:
            return weights * n_outputs
        if len(weights) != n_outputs:
            raise ValueError(f"sample_weight has {len(weights)} arrays for {n_outputs} outputs; give one for each.")
        return weights

    def _batches(
        self, x: Any, y: Any, sample_weight: Any, batch_size: int | None, steps: int | None,
        shuffle: bool | str = False, class_weight: Any = None, names: tuple[str, str] = ("x", "y"),
    ) -> ArrayBatches | IterableBatches:  # fmt: skip
        """What is given as x, y and sample_weight, in batches; `names`: what x and y are called in messages."""
        data.check_count(batch_size, "batch_size")
        data.check_count(steps, "The number of steps")
        if data.is_iterable_of_batches(x):
            if y is not None or sample_weight is not None:
                raise ValueError(
                    "x supplies batches of its own; then they hold the targets and weights: (x, y, sample_weight)."
                )
            return IterableBatches(
                x,
                lambda a, b, c: self._checked_batch(a, b, c, class_weight),
                lambda batch: finite.warn_about(self, batch, ("x of a batch", "y of a batch")),
                steps,
                shuffle,
            )
        if isinstance(x, str | bytes) or x is None:
            raise TypeError(f"{names[0]} must be numbers in arrays; model '{self.name}' was given {describe(x)}.")
        whole = self._checked_batch(x, y, sample_weight, class_weight)
        finite.warn_about(self, whole, names)
        return ArrayBatches(whole, batch_size or self._fixed_batch_size(), shuffle, steps)

    def _fixed_batch_size(self) -> int | None:
        """The batch size that an Input fixes, if one does."""
        inputs: list[SymbolicTensor] = getattr(self, "inputs", None) or []
        return next((x.shape[0] for x in inputs if x.shape and x.shape[0] is not None), None)

    def _checked_batch(self, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> Batch:
        """`_flat_batch`, and ValueError if targets do not suit their losses and outputs, where those are known."""
        batch = self._flat_batch(x, y, sample_weight, class_weight)
        outputs: list[SymbolicTensor] | None = getattr(self, "outputs", None)
        if batch.y is not None and outputs and self.compiled:
            shapes = [y.shape for y in outputs]
            if batch.is_ragged:
                names = self._known_output_names() or []
                self._ready_objective(len(outputs)).check_targets(*padding.to_check(batch.y, shapes, names))
            else:
                self._ready_objective(len(outputs)).check_targets(batch.y, shapes)
        return batch

    def _held_out(self, given: Any, batch_size: int | None, steps: int | None) -> ArrayBatches | IterableBatches:
        """The batches that `validation_data` means."""
        if data.is_iterable_of_batches(given):
            return self._batches(given, None, None, batch_size, steps)
        if not isinstance(given, list | tuple) or not 1 <= len(given) <= 3:
            raise ValueError(
                f"validation_data is (x, y), (x, y, sample_weight), or supplies such batches; got {describe(given)}."
            )
        x, y, weights = [*given, None, None][:3]
        return self._batches(x, y, weights, batch_size, steps, names=("validation x", "validation y"))

    def _nested(self, outputs: list) -> Any:
        """Flat outputs nested as the model returns them."""
        nesting = getattr(self, "_output_tree", None)
        if nesting is None:
            return outputs[0] if len(outputs) == 1 else outputs
        return tree.fill(nesting, outputs)


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

"""Ragged data on its way into a step: what suits what, and how a batch is padded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import ragged
from gatewise.ragged import Ragged
from gatewise.training.data import Batch


def one_value(value: Any, n: int) -> Any:
    """What is given for the n samples of one output as one value: a list of arrays, one a sample, becomes one."""
    if isinstance(value, list | tuple) and len(value) != n:
        return value
    if n == 1 and isinstance(value, list | tuple) and isinstance(value[0], np.ndarray):
        return value[0][None] if value[0].ndim and len(value[0]) != 1 else value
    return ragged.from_samples(value)


def suited_to(
    xs: Sequence[Any], ys: Sequence[Any] | None, weights: Sequence[Any] | None, outputs: Sequence[Any] | None
) -> tuple[list | None, list | None]:
    """Targets and weights as ragged as the inputs they go with.

    Arrays that were padded to the longest input already are cut to the inputs' lengths, if the output has a row for
    each step.

    Args:
        xs, ys, weights: flat; None among them where there is none.
        outputs: the model's symbolic outputs, if they are known.

    Raises:
        ValueError: for targets or weights of other lengths than the inputs'.
    """
    first = next((x for x in xs if isinstance(x, Ragged)), None)

    def suited(given: Any, k: int, what: str) -> Any:
        if isinstance(given, Ragged):
            if first is None:
                _check_fits_in(given, xs, what)
            ragged.require_same_lengths(given, xs, what)
        elif given is not None and first is not None and outputs is not None and given.ndim > 1:
            if len(outputs[k].shape) > 2 and given.shape[1] == max(first.lengths):
                return ragged.cut(given, first.lengths)
        return given

    def of_steps(y: Any, k: int) -> Any:
        # One number a step for one unit: with an axis of its own, or the loss would take the steps for units.
        shape = () if outputs is None else outputs[k].shape
        is_flat = isinstance(y, Ragged) and y.ndim == 2 and len(shape) == 3 and shape[-1] == 1
        return y.mapped(lambda steps: steps[:, None]) if is_flat else y

    found_y = None if ys is None else [of_steps(suited(y, k, "y"), k) for k, y in enumerate(ys)]
    found_weights = None if weights is None else [suited(w, k, "sample_weight") for k, w in enumerate(weights)]
    return found_y, found_weights


def _check_fits_in(given: Ragged, xs: Sequence[Any], what: str) -> None:
    """Raise ValueError if the sequences are longer than arrays that hold the inputs."""
    steps = next((x.shape[1] for x in xs if x.ndim > 1), None)
    if steps is not None and max(given.lengths) > steps:
        k = given.lengths.index(max(given.lengths))
        raise ValueError(f"{what}[{k}] has {given.lengths[k]} steps; x has only {steps}.")


def times(by_step: Any, weights: Any) -> Any:
    """The product of class weights and sample weights, where either may be ragged."""
    if not isinstance(by_step, Ragged):
        return by_step * weights
    others = weights.sequences if isinstance(weights, Ragged) else weights
    return Ragged([a * np.reshape(b, (-1,)) for a, b in zip(by_step.sequences, others, strict=True)])


def to_check(ys: Sequence[Any], shapes: Sequence[Any], names: Sequence[str]) -> tuple[list, list]:
    """Targets and output shapes as `Objective.check_targets` takes them: ragged ones as one long sequence.

    Raises:
        ValueError: for a target a step where the output has one row a sequence.
    """
    found, wanted = [], []
    for y, shape, name in zip(ys, shapes, names, strict=True):
        if isinstance(y, Ragged):
            if len(shape) < 3 and shape[-1] is not None:
                raise ValueError(
                    f"'{name}': y has sequences of different lengths, a target for each step, but the output has "
                    f"the shape {shape}, one row a sequence. Give the last recurrent layer return_sequences=True."
                )
            steps = y.joined()
            y, shape = steps[None], (shape[0], len(steps), *shape[2:])  # noqa: PLW2901
        found.append(y)
        wanted.append(shape)
    return found, wanted


def padded(batch: Batch, shapes: Sequence[Any], select_masks: Callable[[Sequence[Any], Any], Any]) -> Batch:
    """A batch with its ragged values padded at the end.

    Args:
        batch: with `Ragged` values in it.
        shapes: of the model's inputs, where they are known: a fixed number of steps is kept to.
        select_masks: the model's; makes its `mask` argument of the masks of its inputs.
    """
    xs, found = [], []
    for k, x in enumerate(batch.x):
        array, mask = x, None
        if isinstance(x, Ragged):
            wanted = shapes[k][1] if k < len(shapes) and len(shapes[k]) > 1 else None
            array, mask = x.padded(wanted)
        xs.append(array)
        found.append(mask)
    masked = any(mask is not None for mask in found)
    ys, target_masks = _padded_to_inputs(batch.y, batch.x, xs)
    weights = _padded_to_inputs(batch.weights, batch.x, xs)[0]
    if weights is not None and target_masks is not None:
        # One weight a sequence, beside a mask, is one for each of its steps.
        weights = [
            w[:, None] if m is not None and w is not None and w.ndim == 1 else w
            for w, m in zip(weights, target_masks, strict=True)
        ]
    return Batch(
        xs, ys, weights, batch.structure, False, select_masks(found, batch.structure) if masked else None, target_masks
    )


def _padded_to_inputs(
    given: Sequence[Any] | None, inputs: Sequence[Any], arrays: Sequence[np.ndarray]
) -> tuple[list | None, list | None]:
    """Values for each step, padded as the input of the same lengths was (else as the first is long); and their masks.

    Args:
        given: arrays, `Ragged` or None.
        inputs: before they were padded.  arrays: after it.
    """
    if given is None or not any(isinstance(item, Ragged) for item in given):
        return (None if given is None else list(given)), None
    found, found_masks = [], []
    for item in given:
        if not isinstance(item, Ragged):
            found.append(item)
            found_masks.append(None)
            continue
        same = [a for x, a in zip(inputs, arrays, strict=True) if isinstance(x, Ragged) and x.lengths == item.lengths]
        steps = next((a.shape[1] for a in [*same, *arrays] if a.ndim > 1), None)
        array, mask = item.padded(steps)
        found.append(array)
        found_masks.append(mask)
    return found, found_masks

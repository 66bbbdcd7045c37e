"""Checks at the public edge, and the messages that say what came, what was expected and what to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.arguments import describe


def positive_integer(value: Any, argument: str, layer: str) -> int:
    """`value` as an int.

    Raises:
        ValueError: unless it is an integer of at least 1.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or np.ndim(value) or int(value) < 1:
        hint = ""
        if isinstance(value, str) and value.strip().isdigit():
            hint = f" Write {argument}={value.strip()} without quotation marks."
        elif isinstance(value, float) and value > 0:
            hint = f" Write {argument}={max(1, round(value))}, a whole number."
        raise ValueError(
            f"{layer}: Received an invalid value for argument `{argument}`, expected a positive integer, got "
            f"{value!r}.{hint}"
        )
    return int(value)


def fraction(value: Any, argument: str, layer: str) -> float:
    """`value` as a float from 0 to 1.

    Raises:
        ValueError: if it lies outside.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
        raise ValueError(
            f"{layer}: Invalid value received for argument `{argument}`. Expected a float value between 0 and 1. "
            f"Received: {argument}={value!r}"
        )
    return float(value)


def single_axis(axis: Any, layer: str, argument: str = "axis") -> int:
    """The argument as an integer.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(axis, bool) or not hasattr(axis, "__index__") or np.ndim(axis):
        raise TypeError(
            f"{layer}: Expected an int for the argument '{argument}', but received: {axis!r}. Axes are numbered from "
            f"0, the batch; write {argument}=-1 for the last."
        )
    return int(axis)


def one_or_more_axes(axis: Any, layer: str, argument: str = "axis") -> int | list[int]:
    """The argument as an integer or a list of integers.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(axis, list | tuple):
        return [single_axis(one, layer, argument) for one in axis]
    return single_axis(axis, layer, argument)


def spreads_over(shape: Sequence[Any], wider: Sequence[Any]) -> bool:
    """Whether an array of `shape` fits one of the shape `wider` number by number: its axes, counted from the last, are
    of that one's size or 1, and not more.  None, for an unknown size, fits all.
    """
    pairs = zip(reversed(tuple(shape)), reversed(tuple(wider)), strict=False)
    return len(shape) <= len(wider) and all(size in (1, given) or None in (size, given) for size, given in pairs)


def drawn(shape: Sequence[Any], axes: Sequence[str] | None = None) -> str:
    """A shape with its axes named: (batch=32, time steps=13, features=5)."""
    if axes is None or len(axes) != len(shape):
        return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    return (
        "("
        + ", ".join(f"{axis}={'any' if size is None else size}" for axis, size in zip(axes, shape, strict=True))
        + ")"
    )


def check_ndim(shape: Sequence[Any], ndim: int, layer: str, cls: str, hint: str = "") -> None:
    """Check how many axes an input has, the batch included.

    Raises:
        ValueError: unless there are `ndim`; the message ends with the hint.
    """
    if len(shape) != ndim:
        raise ValueError(
            f"Input 0 of layer '{layer}' ({cls}) is incompatible with the layer: expected ndim={ndim}, found "
            f"ndim={len(shape)}. Full shape received: {drawn(shape)}\n{hint}".rstrip()
        )


SEQUENCE_AXES = ("batch", "time steps", "features")


def check_sequence(shape: Sequence[Any], features: int | None, layer: str, cls: str) -> None:
    """Check the shape of what goes into a recurrent layer.

    Raises:
        ValueError: unless it is (batch, time steps >= 1, `features`).
    """
    shape = tuple(shape)
    if len(shape) == 3 and shape[1] != 0 and shape[2] and features in (None, shape[2]):
        return
    expected = drawn((None, None, features), SEQUENCE_AXES)
    if len(shape) != 3:
        hint = {
            2: "Write x[:, None, :] if each row is one time step, x[:, :, None] if each row is a sequence of single "
            "numbers, or x[None] if x is one sequence. If another recurrent layer comes before, give it "
            "return_sequences=True.",
            1: "Write x[None, :, None] if x is one sequence of single numbers.",
            4: "Write x.reshape(batch, time steps, -1) to make one list of features at each step, or wrap the layer in "
            "TimeDistributed.",
        }.get(len(shape), "")
        raise ValueError(
            f"Input 0 of layer '{layer}' ({cls}) is incompatible with the layer: expected ndim=3, found "
            f"ndim={len(shape)}. "
            f"Full shape received: {drawn(shape)}\n    expected: {expected}\n    given:    {drawn(shape)}\n{hint}"
        )
    if shape[1] == 0:
        raise ValueError(
            f"Layer '{layer}' ({cls}) was given sequences of zero time steps.\n    expected: {expected}\n"
            f"    given:    {drawn(shape, SEQUENCE_AXES)}\nA sequence needs at least one step."
        )
    if shape[2] is None or shape[2] == 0:
        raise ValueError(
            f"Layer '{layer}' ({cls}) must know the number of features at each step.\n    expected: {expected}\n"
            f"    given:    {drawn(shape, SEQUENCE_AXES)}\nWrite Input((None, 5)) for any number of steps of 5 "
            "features."
        )
    if features is not None and shape[2] != features:
        swapped = " The last two axes may be swapped: write x.transpose(0, 2, 1)." if shape[1] == features else ""
        raise ValueError(
            f"Layer '{layer}' ({cls}) was built for {features} features at each step and was given {shape[2]}.\n"
            f"    expected: {expected}\n    given:    {drawn(shape, SEQUENCE_AXES)}\n"
            f"Give the same features as before, or make a new layer.{swapped}"
        )


def check_sequence_mask(mask: Any, batch: int, steps: int, layer: str) -> None:
    """Check the mask of a batch of sequences.

    Raises:
        ValueError: unless its shape is (batch, steps).
    """
    if mask.shape != (batch, steps):
        hint = "A mask has one number for each step of each sequence."
        if mask.shape == (batch, steps, 1):
            hint += " Write mask[:, :, 0]."
        elif mask.shape == (steps, batch):
            hint += " Write mask.T."
        raise ValueError(
            f"Layer '{layer}' was given a mask that does not fit its input.\n"
            f"    expected: {drawn((batch, steps), SEQUENCE_AXES[:2])}, True where the step counts\n"
            f"    given:    {drawn(mask.shape, SEQUENCE_AXES[:2])}\n{hint}"
        )


def check_states(states: Sequence[Any], wanted: Sequence[tuple[int, ...]], batch: int | None, layer: str) -> None:
    """Check the initial states of a recurrent layer.

    Raises:
        ValueError: unless there is one for each shape wanted, with the batch in front.
    """
    expected = ", ".join(drawn((batch, *shape), ("batch", "units")) for shape in wanted)
    given = ", ".join(drawn(state.shape) if hasattr(state, "shape") else describe(state) for state in states)
    fits = len(states) == len(wanted) and all(
        hasattr(s, "shape")
        and tuple(s.shape[1:]) == tuple(shape)
        and (s.shape[:1] == (batch,) or None in (*s.shape[:1], batch))
        for s, shape in zip(states, wanted, strict=True)
    )
    if not fits:
        raise ValueError(
            f"Layer '{layer}' was given initial states that do not fit.\n    expected: [{expected}]\n"
            f"    given:    [{given}]\nGive one array for each state, in a list: initial_state=["
            f"{', '.join(('h', 'c')[: len(wanted)]) if len(wanted) < 3 else '...'}]."
        )

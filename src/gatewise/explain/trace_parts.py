"""Tracing long sequences part by part, into a file: the states go on from part to part, memory holds one part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.explain.trace_data import Trace
from gatewise.explain.trace_files import FolderWriter, NetCDFWriter
from gatewise.files.atomic import atomic_write
from gatewise.functional import Functional
from gatewise.layers.recurrent import RNN
from gatewise.layers.recurrent_stepper import RecurrentStepper
from gatewise.stepper import AsItIs, CannotStep, LayerUse
from gatewise.streaming.plan import Plan


class Parts:
    """The steps of what a model is given, some at a time.

    Args:
        model: a recurrent layer, or a model whose layers are known as a graph.
        x: array-likes with a shape that can be cut along axis 1: arrays, memory maps, HDF5 datasets.
        mask: (N, T) or None.
        size: the number of steps in a part.

    Attributes:
        carrying: the ids of the layers whose states go on from part to part.

    Raises:
        ValueError: for a model with a layer that needs other steps than those before it.
    """

    def __init__(self, model: Any, x: Any, mask: Any, size: int) -> None:
        self.carrying, timed = _carrying_layers(model)
        given = [x[name] for name in model.input_names] if isinstance(x, dict) else x
        self._xs: list[Any] = list(given) if isinstance(given, list | tuple) and len(timed) > 1 else [given]
        if len(self._xs) != len(timed):
            raise ValueError(f"Model '{model.name}' has {len(timed)} inputs; got {len(self._xs)} arrays.")
        self._xs = [value if hasattr(value, "shape") else np.asarray(value) for value in self._xs]
        self._timed, self._mask, self._size = timed, None if mask is None else np.asarray(mask), size
        counts = {int(v.shape[1]) for v, is_timed in zip(self._xs, timed, strict=True) if is_timed}
        if len(counts) != 1 or counts == {0}:
            raise ValueError(
                f"The inputs must have one and the same number of steps, at least 1; got {sorted(counts)}."
            )
        (self.steps,) = counts

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """(x, mask) of each part."""
        for begin in range(0, self.steps, self._size):
            cut = slice(begin, min(begin + self._size, self.steps))
            pairs = zip(self._xs, self._timed, strict=True)
            xs = [np.asarray(value[:, cut]) if timed else np.asarray(value) for value, timed in pairs]
            yield (xs if len(xs) > 1 else xs[0]), None if self._mask is None else self._mask[:, cut]


def _carrying_layers(model: Any) -> tuple[set[int], list[bool]]:
    """The ids of the layers that keep states along the steps, and which inputs have steps.

    Raises:
        ValueError: naming a layer that keeps anything else from step to step, or looks ahead.
    """
    if isinstance(model, RNN):
        try:
            model.stepper(LayerUse([(None, None, None)], [True]))
        except CannotStep as reason:
            raise ValueError(
                f"Layer '{model.name}' ({type(model).__name__}) cannot be traced in parts: {reason}."
            ) from None
        return {id(model)}, [True]
    if not isinstance(model, Functional) or model._uses_call:
        raise ValueError(
            f"'{model.name}' ({type(model).__name__}) cannot be traced in parts: what it does with the time steps is "
            "not known. Give a recurrent layer, or a model built of layers."
        )
    plan = Plan(model)
    carrying = set()
    for step in plan.steps:
        layer = step.stepper.layer
        if isinstance(step.stepper, RecurrentStepper):
            carrying.add(id(layer))
        elif step.states is not None or (isinstance(step.stepper, AsItIs) and isinstance(layer, RNN)):
            raise ValueError(
                f"Model '{model.name}' cannot be traced in parts: layer '{step.name}' ({type(layer).__name__}) "
                f"{'looks at several steps at once' if step.states is not None else 'begins after the last step'}. "
                "Trace shorter sequences, or the layers before it as a model of their own."
            )
    return carrying, plan.timed_inputs


def write_parts(traces: Callable[[], Iterator[Trace]], to: Any) -> Path:
    """Write the traces of consecutive parts to a .nc file, whole or not at all, or as .npz files to a folder."""
    target = Path(to)
    if target.suffix.lower() == ".nc":
        with atomic_write(target) as file, NetCDFWriter(file) as writer:
            for trace in traces():
                writer.append(trace)
        return target
    if target.suffix:
        raise ValueError(
            f"trace(to=...) is a file that ends in .nc (netCDF), or a folder for .npz files; got {str(to)!r}."
        )
    folder = FolderWriter(target)
    for trace in traces():
        folder.append(trace)
    return target


def check_parts(to: Any, chunk: Any, unusable: Sequence[str]) -> int:
    """The number of steps in a part.

    Raises:
        ValueError: for anything but a positive number of steps, and for arguments that do not go with parts.
    """
    if unusable:
        raise ValueError(f"trace(to=...) runs forward, part by part; it does not go with {', '.join(unusable)}.")
    if isinstance(chunk, bool) or not hasattr(chunk, "__index__") or chunk < 1:
        raise ValueError(f"trace(to={str(to)!r}): chunk is a number of steps, 1 or more; got {chunk!r}.")
    return int(chunk)

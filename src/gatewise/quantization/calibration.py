"""Calibration: what a model's recurrent cells are given and put out on sample data, as ranges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.layers import observing
from gatewise.layers.observing import CellRun


class Ranges:
    """The largest sizes of a cell's inputs, by feature, and of its state h.

    Args:
        clip: 1 for the largest; less for the size that this fraction of a batch's numbers does not exceed, of which the
            largest over all batches counts.
    """

    def __init__(self, clip: float) -> None:
        self.clip = clip
        self.x: Any = None
        self.h = 0.0

    def add(self, run: CellRun, called: str) -> None:
        """Widen the ranges by what a run was given and put out.

        Raises:
            ValueError: if it was given numbers that are not finite.
        """
        steps = np.ones(run.x.shape[:2], bool) if run.mask is None else run.mask
        x, h = abs(run.x[steps]), abs(run.outputs[steps])
        if not np.isfinite(x).all():
            raise ValueError(
                f"{called}: the calibration data give it numbers that are not finite. Clean the data, or mask these "
                "steps."
            )
        if not len(x):
            return
        of_x = self._most(x, axis=0)
        self.x = of_x if self.x is None else np.maximum(self.x, of_x)
        self.h = max(self.h, float(self._most(h, axis=None)), *(float(abs(s).max()) for s in run.states[:1] if s.size))

    def widened(self, factor: float) -> Ranges:
        """Ranges that reach as many times as far."""
        wider = Ranges(self.clip)
        wider.x, wider.h = self.x * self.x.dtype.type(factor), self.h * factor
        return wider

    def _most(self, sizes: np.ndarray, axis: int | None) -> Any:
        return sizes.max(axis=axis) if self.clip == 1 else np.quantile(sizes, self.clip, axis=axis, method="higher")


def batches_of(model: Any, data: Any, batch_size: int) -> list[Any]:
    """The calibration data in batches: as `predict` would make them, or for a layer the arrays it is called with.

    Raises:
        ValueError: if there are none.
    """
    if model.is_model:
        found = model._batches(data, None, None, batch_size, None, inputs_only=True)
        with found:
            batches = list(found.from_start())
    else:
        batches = [data[k : k + batch_size] for k in range(0, len(data), batch_size)]
    if not batches:
        raise ValueError("The calibration data are empty.")
    return batches


def outputs_of(model: Any, batch: Any) -> list[np.ndarray]:
    """The outputs for a batch, flat."""
    return model._outputs_of(batch) if model.is_model else list(tree.leaves(model(batch)))


def calibrated(
    model: Any, batches: Sequence[Any], cells: dict[int, str], layers: set[int], clip: float
) -> tuple[dict[int, Ranges], list[list[np.ndarray]]]:
    """Run a model and look at cells.

    Args:
        cells: {id of each cell to look at: its path}.
        layers: ids of the layers that run them.
        clip: see `Ranges`.

    Returns:
        ({id of a cell that ran: its ranges}, the outputs of every batch).
    """
    found: dict[int, Ranges] = {}
    outputs = []
    wanted: Callable[[Any], bool] = lambda layer: id(layer) in layers  # noqa: E731
    with observing.watching(wanted) as watch:
        for batch in batches:
            outputs.append(outputs_of(model, batch))
            for run in (run for layer in watch.next_part() for run in layer.cells):
                if id(run.cell) in cells:
                    called = f"Layer '{cells[id(run.cell)]}' ({type(run.cell).__name__})"
                    found.setdefault(id(run.cell), Ranges(clip)).add(run, called)
    return {key: ranges for key, ranges in found.items() if ranges.x is not None}, outputs

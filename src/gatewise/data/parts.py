"""One part of the windows: what `fit` runs through, and what its numbers are outside the scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gatewise.data.dataset import Orders, SizedDataset, gathered, passes_over
from gatewise.data.scaling import OwnScale, Scale
from gatewise.data.starts import Span
from gatewise.data.table import ME, Table
from gatewise.validation import positive_integer


@dataclass(frozen=True)
class Tables:
    """The rows that all parts gather their windows from.

    Attributes:
        rows: what was given.
        x: (rows, inputs), y: (rows, targets), scaled.
        truth: (rows, targets), in their own units; NaN where a value is missing.
        known: the same, where the last value known in the stretch stands for a missing one.
        scale: of the targets.
    """

    rows: Table
    x: np.ndarray
    y: np.ndarray
    truth: np.ndarray
    known: np.ndarray
    scale: Scale | OwnScale

    def in_type(self, kind: np.dtype) -> Tables:
        """The same, with what a model gets in another type."""
        return replace(self, x=self.x.astype(kind), y=self.y.astype(kind))


class Part(SizedDataset):
    """The windows of one part, in batches (x, y); each pass gathers them anew.

    x is (N, steps_in, inputs).  y is (N, steps_out, targets); an axis of length 1 is left out of the last two, so that
    it is what `Dense(steps_out)` or `Dense(targets)` puts out.

    Attributes:
        name: "train", "validation" or "test".
        count: how many windows there are; `len` counts batches.
        starts: (count,) the row of the table at which each begins.
    """

    def __init__(
        self, name: str, tables: Tables, span: Span, starts: np.ndarray, batch_size: int, shuffle: bool,
        seed: int | None,
    ) -> None:  # fmt: skip
        self.name, self.span, self.starts, self.count = name, span, starts, len(starts)
        self._tables = tables
        orders = Orders(seed) if shuffle else None
        super().__init__(*passes_over(self.count, self._gathered, batch_size, orders))

    def batches(self, batch_size: int, shuffle: bool = False, seed: int | None = None) -> SizedDataset:
        """The same windows in batches of another size."""
        size = positive_integer(batch_size, "batch_size", f"{ME}: {self.name}.batches")
        return gathered(self.count, self._gathered, size, Orders(seed) if shuffle else None)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """All windows at once, in the order of time: (count, steps_in, inputs) and the targets."""
        return self._gathered(np.arange(self.count))

    def _gathered(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = self.starts[numbers, None] + np.arange(self.span.steps_in)
        return self._tables.x[rows], self._shaped(self._tables.y[self._target_rows(numbers)])

    def _target_rows(self, numbers: Any = slice(None)) -> np.ndarray:
        return self.starts[numbers, None] + self.span.ahead + np.arange(self.span.steps_out)

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        """(n, steps_out, targets) without the axes of length 1; (n, 1) where both are."""
        n, steps, targets = values.shape
        return values if steps > 1 and targets > 1 else values.reshape(n, steps * targets)

    @property
    def target_rows(self) -> np.ndarray:
        """(count, steps_out) where the rows of the targets stood in what was given."""
        return self._tables.rows.frame_rows[self._target_rows()]

    @property
    def times(self) -> np.ndarray:
        """(count, steps_out) when the targets are; row numbers where there is no time column."""
        time = self._tables.rows.time
        return self.target_rows if time is None else time[self._target_rows()]

    @property
    def groups(self) -> list[Any]:
        """The group of each window."""
        names = self._tables.rows.group_names
        return [names[k] for k in self._tables.rows.groups[self.starts]]

    def truth(self) -> np.ndarray:
        """What came: the targets in their own units, in the shape of y."""
        return self._shaped(self._tables.truth[self._target_rows()])

    def persistence(self, period: int = 1) -> np.ndarray:
        """The forecast that the last known value stays, in the units and the shape of `truth()`.

        What has learnt nothing forecasts so: a model that is no better is not worth its weights.

        Args:
            period: the forecast is the last known value a whole number of periods before, as 12 for the same month of
                the year before.  At most `steps_in`.
        """
        positive_integer(period, "period", "persistence")
        if period > self.span.steps_in:
            raise ValueError(
                f"persistence: a period of {period} rows reaches beyond the {self.span.steps_in} that a window knows."
            )
        later = self.span.gap + np.arange(self.span.steps_out)
        rows = self.starts[:, None] + self.span.steps_in - period + later % period
        return self._shaped(self._tables.known[rows])

    def unscaled(self, predictions: Any) -> np.ndarray:
        """Predictions in the units of the targets; see `Windows.unscale`."""
        values = np.asarray(predictions, "float64")
        steps, targets = self.span.steps_out, self._tables.truth.shape[1]
        if values.shape[1:] not in ((steps, targets), (steps * targets,)):
            raise ValueError(
                f"unscale: predictions must have the shape (n, {steps}, {targets}) of {steps} steps and {targets} "
                f"targets, or (n, {steps * targets}); got {values.shape}."
            )
        full = values.reshape(-1, steps, targets)
        return self._tables.scale.inverse_transform(full).reshape(values.shape)

    def __repr__(self) -> str:
        return f"<{self.name} part: {self.count} windows in {len(self)} batches>"

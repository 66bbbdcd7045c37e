"""From a series to windows: the last values, and the one that follows them, in three parts that do not overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewise.data import Part, windows
from gatewise.data.scaling import Scale
from gatewise.demo import DemoError
from gatewise.demo.series import Series, place_text

TEST_PART = 0.20
VALIDATION_PART = 0.15
_LEAST_TRAINING, _LEAST_HELD = 20, 5


@dataclass(frozen=True)
class Windows:
    """Windows whose targets lie in one stretch of the series.

    Attributes:
        x: (n, length) scaled values that are known.
        y: (n,) the scaled value that follows each.
        rows: (n,) where these stand in the series.
    """

    x: np.ndarray
    y: np.ndarray
    rows: np.ndarray

    @property
    def sequences(self) -> np.ndarray:
        """(n, length, 1): what a recurrent layer takes."""
        return self.x[:, :, None]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Task:
    """A series cut into windows for training, validation and a test at its end.

    The parts are consecutive and their targets disjoint.  `mean` and `deviation`, by which values are scaled, are the
    training part's alone, so nothing of what is held out is known before it is forecast.
    """

    series: Series
    length: int
    mean: float
    deviation: float
    training: Windows
    validation: Windows
    test: Windows

    @property
    def latest(self) -> np.ndarray:
        """(length,) the last values, scaled: the window whose next value nobody knows yet."""
        return (self.series.values[-self.length :] - self.mean) / self.deviation

    def unscaled(self, values: np.ndarray) -> np.ndarray:
        """Scaled values in the series' own unit."""
        return values.astype("float64") * self.deviation + self.mean

    def span(self, windows: Windows) -> str:
        """The first and the last position of the targets: "1947 to 2008"."""
        first, last = (place_text(self.series.positions[windows.rows[k]]) for k in (0, -1))
        return f"{first} to {last}"


def make_task(series: Series, length: int) -> Task:
    """Cut a series into windows of `length` values and the one that follows.

    The last fifth of the values is the test, the 15 % before it validation.

    Raises:
        DemoError: if the series is too short or does not change.
    """
    n = len(series.values)
    n_test, n_validation = round(n * TEST_PART), round(n * VALIDATION_PART)
    needed = rows_needed(length)
    if n < needed:
        raise DemoError(
            f"{series.source} has {n} usable rows in column {series.name!r}; with windows of {length} values at least "
            f"{needed} are needed."
        )
    ends = n - n_test - n_validation, n - n_test
    if np.ptp(series.values[: ends[0]]) == 0:
        raise DemoError(
            f"column {series.name!r} of {series.source} does not change in its first {ends[0]} rows: nothing to learn."
        )
    cut = windows(
        {"row": np.arange(n), "value": series.values}, inputs="value", targets="value", steps_in=length, time="row",
        split={"validation": ends[0], "test": ends[1]}, history=True, dtype="float64",
    )  # fmt: skip
    scale = cut.scaler.inputs
    assert isinstance(scale, Scale)  # it is not an object of somebody's own
    parts = [_windows_of(part) for part in cut.parts.values()]
    return Task(series, length, float(scale.centre[0]), float(scale.spread[0]), *parts)


def _windows_of(part: Part) -> Windows:
    x, y = part.arrays()
    return Windows(x[:, :, 0], y[:, 0], part.target_rows[:, 0])


def rows_needed(length: int) -> int:
    """The fewest values that leave enough windows in each part."""
    n = length + _LEAST_TRAINING
    while (
        n - round(n * TEST_PART) - round(n * VALIDATION_PART) - length < _LEAST_TRAINING
        or min(round(n * TEST_PART), round(n * VALIDATION_PART)) < _LEAST_HELD
    ):
        n += 1
    return n

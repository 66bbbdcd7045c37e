"""At which rows windows may begin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MISSING = ("refuse", "drop", "forward", "keep")


class Span(NamedTuple):
    """The rows of a window: steps_in of inputs, a gap, steps_out of targets; and the rows from one to the next."""

    steps_in: int
    steps_out: int
    gap: int
    stride: int

    @property
    def length(self) -> int:
        """Rows from the first input to the last target."""
        return self.steps_in + self.gap + self.steps_out

    @property
    def ahead(self) -> int:
        """Rows from the first input to the first target."""
        return self.steps_in + self.gap


class Stretches:
    """Rows that follow each other without a border.

    Args:
        groups, parts: (rows,) numbers of each row's group and part.
        holes: (rows,) True where a row does not follow the one before it.
        history: a border between parts does not end a stretch; targets stay within their part all the same.

    Attributes:
        number: (rows,) which stretch a row is in.
    """

    def __init__(self, groups: np.ndarray, parts: np.ndarray, holes: np.ndarray, history: bool) -> None:
        self.parts = parts
        begins = holes.copy()
        begins[0] = True
        begins[1:] |= groups[1:] != groups[:-1]
        self._cut = begins.copy()
        self._cut[1:] |= parts[1:] != parts[:-1]
        self.number = np.cumsum(begins if history else self._cut) - 1
        self._target_number = np.cumsum(self._cut) - 1

    def starts(self, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """(rows at which windows begin, the part of each)."""
        n = len(self.number)
        rows = np.arange(max(n - span.length + 1, 0))
        last = rows + span.length - 1
        first_target = rows + span.ahead
        inside = self.number[rows] == self.number[last]
        inside &= self._target_number[first_target] == self._target_number[last]
        rows, first_target = rows[inside], first_target[inside]
        # The windows whose targets lie in one piece are consecutive: every stride-th, from the first on.
        pieces = self._target_number[first_target]
        begins = np.flatnonzero(np.diff(pieces, prepend=-1))
        first = rows[begins][np.cumsum(np.diff(pieces, prepend=-1) != 0) - 1] if len(rows) else rows
        kept = (rows - first) % span.stride == 0
        parts = self.parts[first_target[kept]]
        return rows[kept][parts >= 0], parts[parts >= 0]


def filled_forward(values: np.ndarray, stretch: np.ndarray) -> np.ndarray:
    """(rows, columns) with each missing value replaced by the last one known in the same stretch, if there is one."""
    rows = np.arange(len(values))[:, None]
    last_known = np.maximum.accumulate(np.where(np.isnan(values), -1, rows), axis=0)
    begins = np.flatnonzero(np.diff(stretch, prepend=-1))[stretch][:, None]
    taken = np.take_along_axis(values, np.maximum(last_known, 0), axis=0)
    return np.where(last_known >= begins, taken, np.nan)


def complete(starts: np.ndarray, span: Span, x: np.ndarray, y: np.ndarray, inputs_may_miss: bool) -> np.ndarray:
    """(windows,) True for windows without missing values."""

    def gone_before(values: np.ndarray) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(np.isnan(values).any(axis=1))])

    targets = gone_before(y)
    whole = targets[starts + span.length] == targets[starts + span.ahead]
    if not inputs_may_miss:
        inputs = gone_before(x)
        whole &= inputs[starts + span.steps_in] == inputs[starts]
    return whole

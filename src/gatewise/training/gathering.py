"""Gathering: the outputs of one batch after another in one array each, without holding the pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Gathered:
    """Arrays that batches of outputs are written into.

    Args:
        rows: how many rows all batches have together, None where nobody knows; room for more is made when needed.
        expected: how many batches there will be, or None; looked at where `rows` is None.
    """

    def __init__(self, rows: int | None, expected: int | None = None) -> None:
        self._rows, self._expected = rows, expected
        self._columns: list[_Column] | None = None
        self._first: list[np.ndarray] = []
        self.batches = 0

    def add(self, outputs: Sequence[np.ndarray]) -> None:
        """Take the outputs of a batch."""
        self.batches += 1
        if self.batches == 1:
            self._first = list(outputs)
            return
        if self._columns is None:
            self._columns = [_Column(first, self._rows, self._expected) for first in self._first]
            self._first = []
        for column, output in zip(self._columns, outputs, strict=True):
            column.add(output)

    def result(self) -> list[np.ndarray]:
        """The rows of all batches; of a single one what was given."""
        return self._first if self._columns is None else [column.result() for column in self._columns]


class _Column:
    """One output of all batches; where batches differ in their number of steps, with zeros at the end.

    Args:
        first: of the first batch.
        rows: how many there will be, or None.  expected: in how many batches, or None.
    """

    def __init__(self, first: np.ndarray, rows: int | None, expected: int | None) -> None:
        if not first.ndim:
            raise ValueError(
                "predict gathers the rows of all batches, and the model gave a single number for a batch; return an "
                "array with a row for each sample, or use predict_on_batch."
            )
        self._array = np.empty((max(rows or (expected or 1) * len(first), len(first)), *first.shape[1:]), first.dtype)
        self._array[: len(first)] = first
        self._used = len(first)

    def add(self, output: np.ndarray) -> None:
        array = self._array
        if output.shape[1:] != array.shape[1:] or output.dtype != array.dtype:
            output = self._made_alike(output)
            array = self._array
        end = self._used + len(output)
        if end > len(array):
            # In place: for large arrays the operating system moves pages, not numbers.  Nobody else has this array.
            array.resize((max(end, len(array) + len(array) // 2), *array.shape[1:]), refcheck=False)
        array[self._used : end] = output
        self._used = end

    def _made_alike(self, output: np.ndarray) -> np.ndarray:
        """Room for an output with more steps or wider values; returns the output with as many steps as there are."""
        array: np.ndarray = self._array
        both_in_steps = array.ndim > 1 and output.ndim > 1 and output.shape[2:] == array.shape[2:]
        if output.shape[1:] != array.shape[1:] and not both_in_steps:
            raise ValueError(
                f"predict gathers the outputs of all batches in one array; a batch gave the shape {output.shape}, and "
                f"those before it had rows of shape {array.shape[1:]}. Run such batches with predict_on_batch."
            )
        dtype = np.result_type(array, output)
        shape = tuple(map(max, array.shape[1:], output.shape[1:]))
        wider = np.zeros((len(array), *shape), dtype)
        wider[(slice(self._used), *(slice(n) for n in array.shape[1:]))] = array[: self._used]
        self._array = wider
        padded = np.zeros((len(output), *wider.shape[1:]), dtype)
        padded[(slice(None), *(slice(n) for n in output.shape[1:]))] = output
        return padded

    def result(self) -> np.ndarray:
        if self._used < len(self._array):
            self._array.resize((self._used, *self._array.shape[1:]), refcheck=False)
        return self._array

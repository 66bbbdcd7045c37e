"""Windows of a series, as keras.utils makes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.arguments import describe
from gatewise.data.dataset import Orders, SizedDataset, as_tensor, gathered
from gatewise.validation import positive_integer

_ME = "timeseries_dataset_from_array"


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> SizedDataset:
    """Windows that slide over a series, in batches.

    Window k holds the rows start_index + k * sequence_stride + (0, 1, ... sequence_length - 1) * sampling_rate, and its
    target is the row of `targets` at which it begins.  Windows are gathered batch by batch; they never all exist.

    Args:
        data: (rows, ...), rows at equal distances.
        targets: (rows, ...), or None for windows alone.
        sequence_length: steps T in a window.
        sequence_stride: rows from the beginning of one window to that of the next.
        sampling_rate: rows from one step to the next.
        batch_size: windows in a batch, the last may be short; None: single windows.
        shuffle: windows in another order in every pass.
        seed: where these orders begin; default the global seed.
        start_index, end_index: only rows from start_index to before end_index are used.
        format: accepted for Keras's sake ("tf" or "grain").

    Returns:
        a dataset of (N, T, ...) windows, or of pairs of these and (N, ...) targets.  Iterating over it again begins a
        new pass; `fit` takes it as it is.

    Raises:
        ValueError: for indices outside the data, and targets that end before the windows do.
    """
    data = _as_rows(data, "data")
    targets = None if targets is None else _as_rows(targets, "targets")
    begin, end = _range(start_index, end_index, len(data))
    length = _whole(sequence_length, "sequence_length")
    rate, stride = _below(sampling_rate, "sampling_rate", data), _below(sequence_stride, "sequence_stride", data)
    size = None if batch_size is None else _whole(batch_size, "batch_size")
    if format not in ("tf", "grain"):
        raise ValueError(f"{_ME}: format is 'tf' or 'grain'; got {format!r}. The dataset is the same for both.")
    count = end - begin - (length - 1) * rate
    if targets is not None:
        count = min(count, len(targets))
    starts = np.arange(0, count, stride)
    steps = np.arange(length) * rate
    data = data[begin:end]
    orders = Orders(seed) if shuffle else None
    if targets is None:
        return gathered(len(starts), lambda k: data[starts[k, None] + steps], size, orders)
    within = targets[begin:end]
    if len(starts) and starts[-1] >= len(within):
        raise ValueError(
            f"{_ME}: the last window begins at row {begin + starts[-1]} of the data, and targets has {len(targets)} "
            "rows: there is no target for it. Give as many targets as windows begin, or a smaller end_index."
        )
    return gathered(len(starts), lambda k: (data[starts[k, None] + steps], within[starts[k]]), size, orders)


def _as_rows(value: Any, argument: str) -> np.ndarray:
    try:
        rows = as_tensor(value)
    except ValueError:  # a list of lists of different lengths
        rows = np.empty(())
    if rows.ndim == 0 or rows.dtype.kind == "O":
        raise ValueError(f"{_ME}: {argument} must be an array with a row for each time step; got {describe(value)}.")
    return rows


def _range(start_index: Any, end_index: Any, rows: int) -> tuple[int, int]:
    begin = 0 if start_index is None else _index(start_index, "start_index")
    if begin < 0 or (begin and begin >= rows):
        raise ValueError(f"{_ME}: start_index must be from 0 to {rows - 1}, a row of the data; got {start_index}.")
    end = rows if end_index is None else _index(end_index, "end_index")
    if end_index is not None and not begin < end < rows:
        raise ValueError(
            f"{_ME}: end_index must be greater than start_index ({begin}) and less than the number of rows ({rows}); "
            f"got {end_index}. For all rows up to the last leave it out."
        )
    return begin, end


def _index(value: Any, argument: str) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ValueError(f"{_ME}: {argument} must be an integer; got {value!r}.")
    return int(value)


def _whole(value: Any, argument: str) -> int:
    """A positive integer; 6.0 is one, as in Keras: it is what a division of two integers gives."""
    if isinstance(value, float | np.floating) and value == int(value):
        value = int(value)
    return positive_integer(value, argument, _ME)


def _below(value: Any, argument: str, data: np.ndarray) -> int:
    number = _whole(value, argument)
    if number >= len(data):
        raise ValueError(f"{_ME}: {argument} must be less than the {len(data)} rows of the data; got {number}.")
    return number

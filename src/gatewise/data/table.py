"""Tables of rows in time: what `windows` is given, as numbers in the order of groups and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gatewise import suggest
from gatewise.arguments import describe
from gatewise.training.sources.frames import is_frame

ME = "gatewise.data.windows"
_LARGEST_STEP = 1.5  # times the usual one; months, and years, differ by less


@dataclass
class Table:
    """Rows of numbers: group after group, in each by time.

    Attributes:
        columns: name -> (rows,) float64, NaN where a value is missing.
        time: (rows,) numbers or dates, or None.
        groups: (rows,) number of each row's group.
        group_names: the groups, in the order of their first rows.
        frame_rows: (rows,) where each row stood in what was given.
        notes: what had to be done to the rows.
    """

    columns: dict[Any, np.ndarray]
    time: np.ndarray | None
    groups: np.ndarray
    group_names: list[Any]
    frame_rows: np.ndarray
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.groups)

    def matrix(self, names: Sequence[Any]) -> np.ndarray:
        """(rows, columns) of the named columns."""
        return np.stack([self.columns[name] for name in names], axis=1)

    def place(self, row: int) -> str:
        """Where a row stands, for messages: its time, or its number in what was given."""
        return f"row {self.frame_rows[row]}" if self.time is None else f"time {time_text(self.time[row])}"


def read_table(frame: Any, inputs: Any, targets: Any, time: Any, group: Any) -> tuple[Table, list[Any], list[Any]]:
    """What was given as a table, sorted by group and time; and the names of the input and the target columns.

    Raises:
        ValueError, TypeError: naming the argument or the column that will not do.
    """
    given = _columns_of(frame, time)
    keys = [] if group is None else _names(group, given, "group")
    if time is not None:
        _names([time], given, "time")
    others = [name for name in given if name != time and name not in keys]
    outputs = _names(targets, given, "targets")
    wanted = others if inputs is None else _names(inputs, given, "inputs")
    if not wanted:
        raise ValueError(f"{ME}: there is no input column; the columns are {_listed(given)}.")
    columns = {name: _numbers(given[name], name) for name in dict.fromkeys([*wanted, *outputs])}
    if not len(columns[wanted[0]]):
        raise ValueError(f"{ME}: the frame has no rows.")
    codes, names = _groups([np.asarray(given[key]) for key in keys], len(columns[wanted[0]]))
    table = Table(columns, None if time is None else _times(given[time], time), codes, names, np.arange(len(codes)))
    return _sorted(table, keys), wanted, outputs


def _columns_of(frame: Any, time: Any) -> dict[Any, Any]:
    """Column name (or number) -> its values."""
    if isinstance(frame, dict):
        columns = {name: values if is_frame(values) else np.asarray(values) for name, values in frame.items()}
    elif is_frame(frame):
        columns = _frame_columns(frame, time)
    elif isinstance(frame, np.ndarray) and frame.dtype.names:
        columns = {name: frame[name] for name in frame.dtype.names}
    elif isinstance(frame, np.ndarray | list | tuple) and np.ndim(frame) in (1, 2):
        array = np.asarray(frame)
        array = array[:, None] if array.ndim == 1 else array
        columns = {k: array[:, k] for k in range(array.shape[1])}
    else:
        raise TypeError(
            f"{ME}: frame must be an array (rows, columns), a dictionary of columns, or a pandas or polars frame; got "
            f"{describe(frame)}."
        )
    lengths = {name: np.shape(values) for name, values in columns.items()}
    if not lengths or any(len(shape) != 1 for shape in lengths.values()) or len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r}: {shape}" for name, shape in lengths.items())
        raise ValueError(f"{ME}: every column needs the same number of rows, on one axis; got {told or 'no columns'}.")
    return columns


def _frame_columns(frame: Any, time: Any) -> dict[Any, np.ndarray]:
    """The columns of a data frame of any library; a pandas frame's index is the column "index", if it is asked for.

    Raises:
        ImportError: without narwhals.
    """
    try:
        import narwhals
    except ImportError:
        raise ImportError('Data frames are read with narwhals: pip install "gatewise[frames]"') from None
    shown = narwhals.from_native(frame, pass_through=True)
    if not isinstance(shown, narwhals.DataFrame):
        raise TypeError(f"{ME}: frame is {type(frame).__name__}; give a data frame that holds its rows: .collect().")
    columns = {name: _as_numpy(shown[name], narwhals) for name in shown.columns}
    if time == "index" and "index" not in columns and hasattr(frame, "index"):
        columns["index"] = _as_numpy(narwhals.from_native(frame.index.to_series(), series_only=True), narwhals)
    return columns


def _as_numpy(series: Any, narwhals: Any) -> np.ndarray:
    kind = series.dtype
    if kind.is_numeric() or kind == narwhals.Boolean:
        return series.cast(narwhals.Float64).to_numpy()  # what is missing becomes NaN
    if kind == narwhals.Datetime and kind.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if kind == narwhals.Datetime or kind == narwhals.Date:
        return series.to_numpy().astype("datetime64[ns]")
    return np.array([*series.to_list(), None], dtype=object)[:-1]


def _names(given: Any, columns: dict[Any, Any], argument: str) -> list[Any]:
    """The columns that an argument names."""
    names = list(given) if isinstance(given, list | tuple | np.ndarray) else [given]
    for name in names:
        if given is None or name not in columns:
            text = suggest.unknown("column", name, map(str, columns)) if given is not None else "none was given."
            raise ValueError(f"{ME}: {argument}: {text}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{ME}: {argument} must name different columns, at least one; got {given!r}.")
    return names


def _listed(columns: dict[Any, Any]) -> str:
    return ", ".join(repr(name) for name in columns)


def _numbers(values: np.ndarray, name: Any) -> np.ndarray:
    """A column as floats."""
    if values.dtype.kind in "fiub":
        numbers = values.astype("float64")
    elif values.dtype.kind == "O" and not any(isinstance(value, str | bytes) for value in values):
        try:
            numbers = values.astype("float64")
        except (TypeError, ValueError):
            numbers = None
    else:
        numbers = None
    if numbers is None:
        what = (
            "dates" if values.dtype.kind in "Mm" else f"values such as {values[0]!r}" if len(values) else "no numbers"
        )
        raise TypeError(
            f"{ME}: column {name!r} holds {what}; inputs and targets must be numbers. Name others with inputs=[...], "
            "or turn it into numbers first."
        )
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise ValueError(f"{ME}: column {name!r} is infinite in row {infinite[0]}; write NaN where a value is missing.")
    return numbers


def _times(values: np.ndarray, name: Any) -> np.ndarray:
    """A column of times: numbers, or dates (also as ISO texts)."""
    times = values
    if values.dtype.kind in "OUS":
        try:
            times = np.array(values.tolist(), dtype="datetime64[ns]")
        except (TypeError, ValueError):
            raise TypeError(
                f"{ME}: time column {name!r} must hold numbers, dates, or texts such as 2026-11-21T06:00; got "
                f"{values[0]!r}."
            ) from None
    if times.dtype.kind not in "fiuM":
        raise TypeError(f"{ME}: time column {name!r} must hold numbers or dates; got {describe(times)}.")
    unknown = np.isnat(times) if times.dtype.kind == "M" else ~np.isfinite(times)
    if unknown.any():
        raise ValueError(
            f"{ME}: time column {name!r} has no time in row {int(np.argmax(unknown))}; leave such rows out."
        )
    return times


def _groups(keys: list[np.ndarray], rows: int) -> tuple[np.ndarray, list[Any]]:
    """(each row's group by number, the groups in the order of their first rows)."""
    if not keys:
        return np.zeros(rows, int), [None]
    numbers: dict[Any, int] = {}
    codes = np.empty(rows, int)
    for row, parts in enumerate(zip(*(key.tolist() for key in keys), strict=True)):
        if any(part is None or part != part for part in parts):
            raise ValueError(f"{ME}: row {row} has no group; leave it out, or give it one.")
        codes[row] = numbers.setdefault(parts[0] if len(parts) == 1 else parts, len(numbers))
    return codes, list(numbers)


def _sorted(table: Table, keys: list[Any]) -> Table:
    """The rows group after group, in each by time."""
    times = np.arange(len(table)) if table.time is None else table.time
    order = np.lexsort((times, table.groups))  # stable
    notes = []
    within = np.argsort(table.groups, kind="stable")
    if not np.array_equal(order, within):
        notes.append("The rows were not in the order of time; they are now.")
    time = None if table.time is None else table.time[order]
    groups = table.groups[order]
    columns = {name: values[order] for name, values in table.columns.items()}
    result = Table(columns, time, groups, table.group_names, table.frame_rows[order], notes)
    if time is not None:
        same = np.flatnonzero((time[1:] == time[:-1]) & (groups[1:] == groups[:-1]))
        if len(same):
            hint = "these columns tell series apart" if keys else "if the frame holds several series, name their column"
            raise ValueError(
                f"{ME}: rows {result.frame_rows[same[0]]} and {result.frame_rows[same[0] + 1]} have the same time "
                f"{time_text(time[same[0]])}; {hint}: group={keys[0] if len(keys) == 1 else keys or '...'!r}."
            )
    return result


def irregular_steps(table: Table) -> np.ndarray:
    """(rows,) True where the step from the row before is clearly longer or shorter than is usual in the group."""
    uneven = np.zeros(len(table), bool)
    if table.time is None or len(table) < 3:
        return uneven
    steps = np.diff(table.time).astype("float64")
    begins = np.flatnonzero(np.diff(table.groups, prepend=-1))
    for begin, end in zip(begins, [*begins[1:], len(table)], strict=True):
        inside = steps[begin : end - 1]
        if len(inside):
            usual = np.median(inside)
            uneven[begin + 1 : end] = (inside > _LARGEST_STEP * usual) | (inside < usual / _LARGEST_STEP)
    return uneven


def time_text(time: Any) -> str:
    """A time as people write it: 1947, 1749.5, 2008-12-31, 2008-12-31T06:00."""
    if not isinstance(time, np.datetime64):
        return f"{time:.10g}"
    text = str(time.astype("datetime64[s]"))
    text = text.removesuffix(":00") if text.endswith(":00") else text
    return text.removesuffix("T00:00")

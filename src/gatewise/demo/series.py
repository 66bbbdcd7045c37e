"""Reading one column of numbers from a table that somebody else made."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from gatewise import suggest
from gatewise.demo import DemoError

_MISSING = {"", "na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", "."}
_DELIMITERS = (",", ";", "\t", "|")
_MOST_MISSING = 0.5
_LARGEST_STEP = 1.5  # times the usual step; months differ by less


@dataclass(frozen=True)
class Series:
    """A column of numbers at equal distances.

    Attributes:
        name: the column's.
        values: (rows,) float64, all finite.
        positions: (rows,) where each row stands on the horizontal axis: years, dates, or row numbers from 1.
        position_name: what the positions are: "year", "date", "row".
        unit: what the values count, for axes and results.
        source: where the numbers come from, for people.
        notes: what had to be done to them.
    """

    name: str
    values: np.ndarray
    positions: np.ndarray
    position_name: str
    unit: str
    source: str
    notes: list[str] = field(default_factory=list)


def sunspots() -> Series:
    """The yearly mean sunspot numbers 1700-2008 that come with gatewise; their source is in data/SOURCE.md."""
    text = resources.files("gatewise.demo").joinpath("data/sunspots.csv").read_text("utf-8")
    table = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1)
    return Series(
        name="yearly sunspot number",
        values=table[:, 1],
        positions=table[:, 0].astype(int),
        position_name="year",
        unit="sunspot number",
        source="SIDC, Royal Observatory of Belgium, through NOAA (public domain)",
    )


def read_series(path: Path, column: str | None = None) -> Series:
    """One column of a table in a text file.

    Commas, semicolons, tabs or bars separate; the first row may be names or numbers already; empty cells, NA, NaN and
    their like are missing values, which are filled in on a straight line between their neighbours.

    Args:
        path: the file.
        column: name of the column, or its number from 1; may be left out if only one holds numbers besides a first
            column of years or dates.

    Raises:
        DemoError: if it cannot be read, has no such column, or the column is not numbers.
    """
    rows, delimiter, notes = _rows_of(path)
    header, rows, first_line = _split_header(rows)
    k = _chosen_column(header, rows, column, delimiter, path)
    decimal_comma = delimiter != ","
    cells = [_cell(row, k) for row in rows]
    values = np.array([_number(c, decimal_comma, header[k], first_line + n, path) for n, c in enumerate(cells)])
    positions, position_name = _positions(header, rows, k, decimal_comma, notes)
    values, positions = _filled(values, positions, header[k], notes)
    return Series(header[k], values, positions, position_name, header[k], str(path), notes)


def _rows_of(path: Path) -> tuple[list[list[str]], str, list[str]]:
    """The rows of cells, what separates them, and notes on the way there."""
    notes: list[str] = []
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DemoError(f"there is no file {str(path)!r}.") from None
    except OSError as error:
        raise DemoError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    if b"\0" in raw and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DemoError(f"{str(path)!r} is not a text file; save the table as CSV.")
    try:
        text = raw.decode("utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
        notes.append("The file is not UTF-8; it was read as Latin-1.")
    lines = [line for line in text.strip("\r\n").splitlines() if not line.lstrip().startswith("#")]
    if not any(map(str.strip, lines)):
        raise DemoError(f"{str(path)!r} is empty.")
    delimiter = _delimiter_of([line for line in lines if line.strip()][:50])
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    # In a table of one column an empty line is a missing value; in others it is only an empty line.
    rows = [row or [""] for row in rows] if len(rows[0]) == 1 else [row for row in rows if any(row)]
    for number, row in enumerate(rows, 1):
        if any(row[len(rows[0]) :]):
            raise DemoError(
                f"row {number} of {str(path)!r} has {len(row)} cells and the first row {len(rows[0])}, "
                f"with {delimiter!r} between them. Write cells that contain this sign in quotation marks, "
                "or numbers with a decimal point."
            )
    return rows, delimiter, notes


def _delimiter_of(lines: list[str]) -> str:
    """What separates the cells: the sign that cuts the most lines into the same number of cells, more than one."""

    def agreement(sign: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=sign)]
        common = max(set(widths), key=widths.count)
        return (widths.count(common) if common > 1 else 0, common)

    # With both ; and , in every line, as in "1700;5,0", the comma is the decimal sign.
    if agreement(";")[0] == len(lines):
        return ";"
    return max(_DELIMITERS, key=agreement)


def _split_header(rows: list[list[str]]) -> tuple[list[str], list[list[str]], int]:
    """(column names, rows of data, number of the first of these in the file's rows)."""
    first = rows[0]
    has_header = any(
        cell.casefold() not in _MISSING and _as_number(cell, True) is None and not _is_date(cell) for cell in first
    )
    if has_header:
        return [name or f"column {k + 1}" for k, name in enumerate(first)], rows[1:], 2
    return [f"column {k + 1}" for k in range(len(first))], rows, 1


def _chosen_column(header: list[str], rows: list[list[str]], wanted: str | None, delimiter: str, path: Path) -> int:
    """The place of the column that was asked for, or of the only one of numbers."""
    if wanted is not None:
        for same in (str.__eq__, lambda a, b: a.casefold() == b.casefold()):
            found = [k for k, name in enumerate(header) if same(name, wanted)]
            if found:
                return found[0]
        if wanted.isdigit() and 1 <= int(wanted) <= len(header):
            return int(wanted) - 1
        like = suggest.nearest(wanted, header)
        hint = f" Did you mean {like!r}?" if like else ""
        raise DemoError(f"{path} has no column {wanted!r}.{hint} Its columns: {', '.join(header)}.")
    numeric = [k for k in range(len(header)) if _mostly_numbers(rows, k, delimiter != ",")]
    if len(numeric) == 2 and numeric[0] == 0 and _is_index([_as_number(_cell(r, 0), delimiter != ",") for r in rows]):
        return numeric[1]
    if len(numeric) != 1:
        what = "no column of numbers" if not numeric else f"{len(numeric)} columns of numbers"
        raise DemoError(f"{path} has {what}; say which to take with --column NAME. Its columns: {', '.join(header)}.")
    return numeric[0]


def _cell(row: list[str], k: int) -> str:
    return row[k] if k < len(row) else ""


def _mostly_numbers(rows: list[list[str]], k: int, decimal_comma: bool) -> bool:
    given = [cell for row in rows if (cell := _cell(row, k)).casefold() not in _MISSING]
    numbers = sum(_as_number(cell, decimal_comma) is not None for cell in given)
    return numbers > 0.9 * len(given)


def _as_number(cell: str, decimal_comma: bool) -> float | None:
    """The number that a cell says, or None."""
    text = cell.replace(",", ".") if decimal_comma and cell.count(",") == 1 and "." not in cell else cell
    try:
        return float(text)
    except ValueError:
        return None


def _is_date(cell: str) -> bool:
    """True for 1749-01, 2008-12-31, 31.12.2008 and their like: signs between digits."""
    parts = cell.replace("/", "-").replace(".", "-").replace(":", "-").replace("T", "-").replace(" ", "-").split("-")
    return len(parts) > 1 and all(part.isdigit() for part in parts)


def _number(cell: str, decimal_comma: bool, column: str, line: int, path: Path) -> float:
    """The number that a cell says; NaN where it says that it is missing."""
    if cell.casefold() in _MISSING:
        return math.nan
    number = _as_number(cell, decimal_comma)
    if number is None or math.isinf(number):
        raise DemoError(
            f"column {column!r} of {path} holds {cell!r} in row {line}, which is no finite number. Choose a column of "
            "numbers, or leave the cell empty if the value is missing."
        )
    return number


def _is_index(numbers: list[float | None]) -> bool:
    """True for numbers that grow from row to row, as years do."""
    known = [n for n in numbers if n is not None]
    return len(known) == len(numbers) > 1 and all(b > a for a, b in zip(known, known[1:], strict=False))


def _positions(
    header: list[str], rows: list[list[str]], k: int, decimal_comma: bool, notes: list[str]
) -> tuple[np.ndarray, str]:
    """Where the rows stand: the first column's growing numbers (years) or dates, or else the rows' own numbers."""
    cells = [_cell(row, 0) for row in rows]
    numbers = [_as_number(cell, decimal_comma) for cell in cells]
    if k != 0 and _is_index(numbers):
        places = np.array(numbers, float)
    elif k != 0 and (dates := _dates(cells)) is not None:
        places = dates
    else:
        return np.arange(1.0, len(rows) + 1), "row"
    steps = np.diff(places).astype(float)
    if steps.max() > _LARGEST_STEP * np.median(steps):
        notes.append(f"The rows are not equally far apart in {header[0]!r}; they are taken as if they were.")
    return places, header[0]


def _dates(cells: list[str]) -> np.ndarray | None:
    """The cells as dates, if they are ISO dates that grow: 1749-01, 2008-12-31, 2008-12-31T06:00."""
    try:
        dates = np.array(cells, "datetime64")
    except ValueError:
        return None
    return dates if len(dates) > 1 and not np.isnat(dates).any() and (dates[1:] > dates[:-1]).all() else None


def place_text(place: Any) -> str:
    """A position as people write it: 1947, 1749.5, 2008-12-31."""
    return str(place) if isinstance(place, np.datetime64) else f"{place:.10g}"


_LARGEST = 1e15  # its square is still far from the end of float32


def _filled(values: np.ndarray, positions: np.ndarray, column: str, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The values without gaps: missing ends cut off, missing values between others put on a straight line."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < (1 - _MOST_MISSING) * len(values) or not len(known):
        raise DemoError(f"column {column!r} has only {len(known)} numbers in {len(values)} rows; too many are missing.")
    inner = slice(known[0], known[-1] + 1)
    cut = len(values) - (inner.stop - inner.start)
    if cut:
        notes.append(f"{cut} missing values at the ends of {column!r} were left out.")
    values, positions = values[inner], positions[inner]
    if np.nanmax(np.abs(values)) > _LARGEST:
        raise DemoError(f"column {column!r} holds numbers too large to compute with in float32; scale it first.")
    missing = ~np.isfinite(values)
    if missing.any():
        rows = np.arange(len(values))
        values = values.copy()
        values[missing] = np.interp(rows[missing], rows[~missing], values[~missing])
        notes.append(f"{missing.sum()} missing values of {column!r} were filled in between their neighbours.")
    return values, positions

"""Frames and series (pandas, polars, pyarrow and others) as arrays, through narwhals."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

_PANDAS = {
    "text": "one column a value, pandas.get_dummies(frame, columns=[{0!r}])",
    "categorical": "its codes, frame[{0!r}].cat.codes, or pandas.get_dummies(frame, columns=[{0!r}])",
    "date": "numbers, as frame[{0!r}].dt.hour or (frame[{0!r}] - frame[{0!r}].min()).dt.total_seconds()",
    "duration": "frame[{0!r}].dt.total_seconds()",
    "null": "frame.fillna({{{0!r}: 0}}), or leave such rows out of x and y alike (dropna)",
    "list": "numpy.stack(frame[{0!r}])",
    "other": "frame.astype({{{0!r}: 'float32'}}), or leave the column out",
}
_OTHERS = {
    "text": "one column a value, frame.to_dummies({0!r})",
    "categorical": "its codes, frame[{0!r}].to_physical(), or frame.to_dummies({0!r})",
    "date": "numbers, as frame[{0!r}].dt.hour() or (frame[{0!r}] - frame[{0!r}].min()).dt.total_seconds()",
    "duration": "frame[{0!r}].dt.total_seconds()",
    "null": "frame.with_columns(pl.col({0!r}).fill_null(0)), or leave such rows out of x and y alike (drop_nulls)",
    "list": "numpy.stack(frame[{0!r}].to_list())",
    "other": "frame.cast({{{0!r}: pl.Float32}}), or leave the column out",
}
_SAID = {
    "text": "holds text",
    "categorical": "is categorical",
    "date": "holds dates",
    "duration": "holds durations",
    "list": "holds a list in each row",
}


def is_frame(value: Any) -> bool:
    """True for a data frame of any library."""
    cls = type(value)
    return hasattr(cls, "columns") and any(hasattr(cls, name) for name in ("dtypes", "schema", "iter_rows"))


def is_series(value: Any) -> bool:
    """True for one column of a data frame, of any library."""
    cls = type(value)
    return hasattr(cls, "to_numpy") and any(hasattr(cls, name) for name in ("to_frame", "to_pandas", "combine_chunks"))


def column_names(frame: Any) -> list[Any]:
    """The names of a frame's columns."""
    names = frame.column_names if hasattr(type(frame), "column_names") else frame.columns
    return list(names)


def columns(frame: Any, names: list[str], what: str, dtype: str, takes_text: bool) -> dict[str, Any]:
    """The named columns of a frame, as arrays (N,)."""
    native = _read(frame, what)
    if native is None:
        return {name: _plain(frame[name], f"{what}, column {name!r}") for name in names}
    return {name: _column(native.get_column(name), name, what, dtype, takes_text, _hints(native)) for name in names}


def as_array(value: Any, what: str, dtype: str, takes_text: bool = False) -> Any:
    """A frame (N, columns) or a series (N,) as an array; a series of lists as a list.

    Args:
        value: of a library that narwhals knows.
        what: what it is called in messages.
        dtype: the type of an array with floats in it.
        takes_text: text is expected, and stays as it is.

    Raises:
        TypeError, ValueError: naming the column that does not hold numbers, or has gaps, and what to write.
        ImportError: without narwhals, for columns of different kinds.
    """
    native = _read(value, what)
    if native is None:
        return _plain(value, what)
    hints = _hints(native)
    if not hasattr(native, "columns"):
        if len(native) and isinstance(native[0], list | tuple | np.ndarray) or _kind_of(native.dtype) == "list":
            return native.to_list()
        name = getattr(native, "name", None)
        return _column(native, "values" if name in (None, "") else name, what, dtype, takes_text, hints)
    names = native.columns
    if not names:
        raise ValueError(f"{what} is a frame without columns.")
    return _matrix([_column(native.get_column(name), name, what, dtype, takes_text, hints) for name in names], dtype)


def _matrix(columns: list[np.ndarray], dtype: str) -> np.ndarray:
    """Columns (N,) side by side, (N, columns): whole numbers where all are, else in `dtype`; text as objects."""
    if any(array.dtype.kind == "O" for array in columns):
        return np.stack([array.astype(object) for array in columns], axis=1)
    kind = dtype if any(array.dtype.kind == "f" for array in columns) else np.result_type(*columns)
    return np.stack(columns, axis=1, dtype=kind, casting="unsafe")


def _narwhals() -> Any:
    """The library, or None where it is not installed."""
    try:
        import narwhals
    except ImportError:
        return None
    return narwhals


def _read(value: Any, what: str) -> Any:
    """A frame or a series as narwhals shows it; None where narwhals is missing or does not know it.

    Raises:
        TypeError: for a query that was not run yet.  ValueError: for columns of the same name.
    """
    narwhals = _narwhals()
    if narwhals is None:
        return None
    try:
        native = narwhals.from_native(value, allow_series=True, pass_through=True)
    except narwhals.exceptions.DuplicateError as error:
        raise ValueError(f"{what} is a frame with two columns of one name; give each its own: {error}") from None
    if isinstance(native, narwhals.LazyFrame):
        raise TypeError(f"{what} is a query that was not run yet; write frame.collect() (of dask: frame.compute()).")
    return None if native is value and not isinstance(value, narwhals.DataFrame | narwhals.Series) else native


def _plain(value: Any, what: str) -> np.ndarray:
    """What converts to an array by itself, where narwhals does not help."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" and _narwhals() is None:
        raise ImportError(
            f"{what} is a {type(value).__name__} with columns that are not plain numbers; to read such a frame "
            'gatewise needs narwhals: pip install "gatewise[frames]"'
        )
    return array


def _hints(native: Any) -> dict[str, str]:
    return _PANDAS if native.implementation.is_pandas_like() else _OTHERS


def _column(series: Any, name: Any, what: str, dtype: str, takes_text: bool, hints: dict[str, str]) -> np.ndarray:
    """One column as an array of numbers, or of text where it is expected."""
    kind = _kind_of(series.dtype)
    if kind == "text" and takes_text:
        _refuse_nulls(series, name, what, hints)
        return np.asarray(series.to_list(), dtype=object)
    if kind not in ("number", "decimal"):
        _refuse(kind, name, what, hints, series.dtype)
    # NumPy's floats in a pandas frame have NaN alone: it is warned about with all other data.
    own_nan = isinstance(getattr(series.to_native(), "dtype", None), np.dtype)
    if not own_nan:
        _refuse_nulls(series, name, what, hints)
    if kind == "decimal":
        series = series.cast(_narwhals().Float64)
    array = np.asarray(series.to_numpy())
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is warned about as such
        return array if array.dtype.kind in "iub" else array.astype(dtype, copy=False)


def _refuse(kind: str, name: Any, what: str, hints: dict[str, str], dtype: Any) -> NoReturn:
    said = _SAID.get(kind, f"holds values of type {dtype}, not numbers")
    hint = hints[kind].format(name)
    also = " Or give the model an Input of dtype='string' and a StringLookup." if kind == "text" else ""
    raise TypeError(f"{what}: column {name!r} {said}. Write {hint}.{also}")


def _refuse_nulls(series: Any, name: Any, what: str, hints: dict[str, str]) -> None:
    missing = series.null_count()
    if missing:
        first = int(np.argmax(np.asarray(series.is_null().to_numpy())))
        values = "a missing value" if missing == 1 else f"{missing} missing values"
        raise ValueError(
            f"{what}: column {name!r} has {values}, the first in row {first}. Write {hints['null'].format(name)}."
        )


def _kind_of(dtype: Any) -> str:
    """What a column holds, in a word."""
    kind = type(dtype).__name__ if not isinstance(dtype, type) else dtype.__name__
    if dtype.is_decimal():
        return "decimal"
    if dtype.is_numeric() or kind == "Boolean":
        return "number"
    words = {"String": "text", "Categorical": "categorical", "Enum": "categorical", "Datetime": "date", "Date": "date"}
    words |= {"Time": "date", "Duration": "duration", "List": "list", "Array": "list"}
    return words.get(kind, "other")

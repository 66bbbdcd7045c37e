"""Stored: an array that lies outside memory, of which the rows asked for are read and no others."""

from __future__ import annotations

from typing import Any

import numpy as np


class Stored:
    """Rows of an array in a file (`numpy.memmap`, a dataset of h5py or zarr, anything read by slices).

    Args:
        source: with `shape`, `dtype` and `__getitem__` of slices and of increasing integers along the first axis.
        dtype: what the rows are turned into when they are read; default the source's.
        start, stop: the rows that are meant, default all.
    """

    __slots__ = ("_length", "_source", "_start", "dtype")

    def __init__(self, source: Any, dtype: Any = None, start: int = 0, stop: int | None = None) -> None:
        self._source = source
        self.dtype = np.dtype(source.dtype if dtype is None else dtype)
        self._start = start
        self._length = (source.shape[0] if stop is None else stop) - start

    @property
    def shape(self) -> tuple[int, ...]:
        return (self._length, *self._source.shape[1:])

    @property
    def ndim(self) -> int:
        return len(self._source.shape)

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"<{type(self._source).__name__} of shape {self.shape} and type {self._source.dtype}, read by rows>"

    def __getitem__(self, chosen: Any) -> np.ndarray:
        """The rows that a slice or an array of indices from 0 chooses, read now."""
        if isinstance(chosen, slice):
            start, stop, step = chosen.indices(self._length)
            if step == 1:
                return self._read(slice(self._start + start, self._start + max(start, stop)))
            chosen = np.arange(start, stop, step)
        if isinstance(self._source, np.memmap):
            return self._read(chosen + self._start)
        # HDF5 reads rows in increasing order only, each once.
        increasing, places = np.unique(chosen, return_inverse=True)
        return self._read(increasing + self._start)[places]

    def _read(self, chosen: Any) -> np.ndarray:
        source = self._source
        if not isinstance(chosen, slice) and hasattr(source, "oindex"):  # zarr's name for rows by index
            source = source.oindex
        rows = source[chosen]
        array = np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)  # rows of a sparse matrix
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is warned about as such
            return array.astype(self.dtype, copy=False)

    def astype(self, dtype: Any) -> Stored:
        """The same rows, to be read in another type."""
        return Stored(self._source, dtype, self._start, self._start + self._length)

    def part(self, start: int, stop: int) -> Stored:
        """The rows from `start` to before `stop`, not read yet."""
        return Stored(self._source, self.dtype, self._start + start, self._start + min(stop, self._length))


def is_stored(value: Any) -> bool:
    """True for what is better read by rows than whole: memory maps, and arrays of a file that are divided into chunks.

    Arrays of other libraries that lie in memory convert to NumPy's (`__array__`) and have no chunks.
    """
    if isinstance(value, np.ndarray):
        # What is computed from a memory map is of its class too, but has no file.
        return isinstance(value, np.memmap) and value._mmap is not None and value.ndim > 0  # type: ignore[attr-defined]
    if isinstance(value, Stored) or not (hasattr(value, "shape") and hasattr(value, "dtype")):
        return False
    by_rows = hasattr(value, "__getitem__") and isinstance(value.shape, tuple) and len(value.shape) > 0
    return by_rows and (hasattr(value, "chunks") or hasattr(value, "chunking") or not hasattr(value, "__array__"))

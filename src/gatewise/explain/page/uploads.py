"""Files that a page's reader opens: models and arrays, read as data, with nothing in them run or trusted."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

MAX_VALUES = 64 << 20
"""The most numbers of an array that is opened."""

MAX_DATA_BYTES = 512 << 20
"""The longest file of data that the command reads; a server takes less."""


class UploadError(Exception):
    """What is wrong with an upload; `status` is the answer's."""

    def __init__(self, text: str, status: int = 422) -> None:
        super().__init__(text)
        self.status = status


def read_model(content: bytes, folder: Path) -> Any:
    """The model of a .keras file's content; `folder` is an empty one for the time of reading.

    Raises:
        ValueError: for a file that is no such archive, is damaged, holds code or names unknown classes.
    """
    from gatewise.files import load_model

    path = folder / "model.keras"
    path.write_bytes(content)
    return load_model(path, compile=False)


def read_data(content: bytes) -> np.ndarray:
    """The numbers of an .npy, .npz (its first array) or .csv file, told apart by their content.

    Raises:
        UploadError: for anything else, objects, and arrays that are too large.
    """
    if content.startswith(b"\x93NUMPY"):
        return _checked(_read_npy(io.BytesIO(content), len(content)))
    if content.startswith(b"PK"):
        return _checked(_read_npz(content))
    return _checked(_read_csv(content))


def _read_npy(stream: Any, available: int) -> np.ndarray:
    """An array, after a look at what its header promises."""
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or dtype.kind not in "fiub" or size > available:
            raise UploadError(f"The array holds {dtype} of shape {shape}; give one of plain numbers, whole.")
        stream.seek(0)
        return np.load(stream, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UploadError(f"This is no array that NumPy can read: {error}") from None


def _read_npz(content: bytes) -> np.ndarray:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            if not infos:
                raise UploadError("The .npz file holds no array.")
            first = next((info for info in infos if info.filename == "x.npy"), infos[0])
            if first.file_size > 8 * MAX_VALUES:
                raise UploadError(f"The array {first.filename} is too large.")
            return _read_npy(io.BytesIO(archive.read(first)), first.file_size)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise UploadError(f"This is no .npz file: {error}") from None


def _read_csv(content: bytes) -> np.ndarray:
    """A table of numbers, steps by features; a first line of names is skipped."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UploadError("This is neither an .npy, an .npz nor a .csv file.") from None
    rows = [line for line in lines if line.strip()]
    sign = ";" if rows and rows[0].count(";") > rows[0].count(",") else ","
    if rows and not all(_is_number(part) for part in rows[0].split(sign)):
        rows = rows[1:]
    if not rows:
        raise UploadError("The table has no rows of numbers.")
    try:
        return np.array([[float(part) for part in row.split(sign)] for row in rows], np.float32)
    except ValueError as error:
        raise UploadError(f"The table must hold numbers alone, as many in each row: {error}") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _checked(values: np.ndarray) -> np.ndarray:
    """As sequences (N, T, F): one sequence gets its batch axis, one of single numbers its feature axis too."""
    if values.size == 0 or values.size > MAX_VALUES:
        raise UploadError(f"An array of shape {values.shape} cannot be shown.")
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim == 2 and values.dtype.kind == "f":
        values = values[None]
    return values

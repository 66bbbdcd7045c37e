"""What users give as x, y and sample_weight, turned into what the rest knows: arrays, `Stored`, lists of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gatewise import autodiff
from gatewise.graph import SymbolicTensor
from gatewise.ragged import Ragged
from gatewise.stored import Stored, is_stored
from gatewise.training.sources import frames
from gatewise.variable import Variable

_KNOWN = (Ragged, Stored, Variable, SymbolicTensor, np.generic, str, bytes, int, float)


def by_rows(value: Any, what: str) -> Any:
    """A nesting with every array that lies in a file as `Stored`.

    Raises:
        TypeError, ValueError: as `plain` does.
    """
    return _mapped(value, what, _stored)


def plain(value: Any, what: str, dtype: str, takes_text: bool = False) -> Any:
    """A nesting with frames, other libraries' tensors and arrays in files as arrays; `Stored` stays.

    Args:
        value: an array, a list, a dictionary, nested.
        what: what it is called in messages.
        dtype: the type of frames with floats in them.
        takes_text: text is expected.

    Raises:
        TypeError, ValueError: for what cannot be read: a closed file, a group of datasets, a column of text.
    """
    if type(value) is np.ndarray or value is None:
        return value

    def converted(item: Any, name: str) -> Any:
        if frames.is_frame(item) or frames.is_series(item):
            return frames.as_array(item, name, dtype, takes_text)
        found = _stored(item, name)
        return found[:] if isinstance(found, Stored) else _tensor(found)

    return _mapped(value, what, converted)


def is_one_value(value: Any) -> bool:
    """True for frames, series and tensors that hold data and are not to be iterated over."""
    return frames.is_frame(value) or frames.is_series(value) or hasattr(value, "tocsr") or _is_readable(value)


def _is_readable(value: Any) -> bool:
    try:
        return is_stored(value)
    except (RuntimeError, ValueError):  # a dataset of a closed file has not even a shape; `_stored` says so
        return True


def _mapped(value: Any, what: str, convert: Callable[[Any, str], Any]) -> Any:
    """`convert` of every item of a nesting; lists of numbers, and what is converted already, stay as they are."""
    if value is None or type(value) is np.ndarray or isinstance(value, _KNOWN) or autodiff.is_traced(value):
        return value
    if isinstance(value, dict):
        return {key: _mapped(item, f"{what}[{key!r}]", convert) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if not value or isinstance(value[0], int | float | str | bytes | np.generic):
            return value
        items = [_mapped(item, f"{what}[{k}]", convert) for k, item in enumerate(value)]
        if all(a is b for a, b in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return convert(value, what)


def _stored(value: Any, what: str) -> Any:
    """What is better read by rows, files and sparse matrices, as `Stored`; anything else as it is.

    Raises:
        ValueError: if its file is closed.  TypeError: if it is a collection of arrays.
    """
    if type(value).__module__.split(".")[0] == "h5py" and not value:
        raise ValueError(f"{what} is in an HDF5 file that is closed. Keep it open until fit, evaluate or predict ends.")
    if isinstance(value, Mapping) or (hasattr(value, "keys") and not hasattr(value, "shape")):
        keys = [str(key) for key in value]
        first = keys[0] if keys else "name"
        raise TypeError(
            f"{what} is a {type(value).__name__} with {keys}, not an array. Give one of them, as data[{first!r}]; for "
            f"several inputs a dictionary by their names, as {{'input': data[{first!r}]}}."
        )
    if hasattr(value, "tocsr"):  # a sparse matrix; in this layout its rows are quickly found
        return Stored(value.tocsr())
    if hasattr(value, "nested_row_splits") or hasattr(value, "detach") or not is_stored(value):
        return value
    return Stored(value)


def _tensor(value: Any) -> Any:
    """A tensor of another library as an array in memory, or a list of sequences; anything else as it is."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # torch: apart from its gradient, from whatever device
        value = value.detach().cpu()
        return value.float().numpy() if str(value.dtype) == "torch.bfloat16" else value.numpy()
    if hasattr(value, "nested_row_splits"):  # tensorflow's sequences of different lengths
        return value.to_list()
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    return value

"""Text in arrays: strings, bytes and objects as one kind of array, of Python strings."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.arguments import describe


def strings(value: Any, encoding: str, owner: str) -> np.ndarray:
    """`value` as an array of objects that are all `str`.

    Args:
        value: a string, an array of strings, bytes or objects, or a nested list of them.
        encoding: of bytes.
        owner: what asks, in messages.

    Raises:
        TypeError: for anything that is not text.
        ValueError: for lists of different lengths.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{owner} takes arrays of strings, with the same number in each row; got {describe(value)}. Fill short "
            "rows up with ''."
        ) from None
    if array.dtype.kind not in "OUST":
        raise TypeError(
            f"{owner} takes strings; got {describe(value)}. Write x.astype(str), or use IntegerLookup for integers."
        )
    found = [_string(item, encoding, owner) for item in array.reshape(-1).tolist()]
    result = np.empty(len(found), object)
    result[:] = found
    return result.reshape(array.shape)


def _string(item: Any, encoding: str, owner: str) -> str:
    if isinstance(item, str):
        return str(item)
    if isinstance(item, bytes):
        return item.decode(encoding)
    raise TypeError(f"{owner} takes strings; there is {describe(item)} among them.")

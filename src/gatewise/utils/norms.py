"""Vectors scaled to length 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import config
from gatewise.arguments import describe


def normalize(x: Any, axis: int = -1, order: Any = 2) -> np.ndarray:
    """Vectors divided by their norm; those of norm 0 stay.

    Args:
        x: numbers.
        axis: the axis along which the vectors lie.
        order: of the norm: 1, 2, np.inf, any that `numpy.linalg.norm` knows for vectors.

    Returns:
        the shape of x; but for an array of one axis (1, n), as in Keras.

    Raises:
        ValueError: for something else than numbers, and an axis that x has not.
    """
    given = x if isinstance(x, np.ndarray) else np.asarray(x)
    if given.dtype.kind not in "fiub":
        raise ValueError(f"normalize takes numbers; got {describe(x)}.")
    if isinstance(axis, bool) or not hasattr(axis, "__index__") or not -given.ndim <= axis < given.ndim:
        raise ValueError(f"normalize: axis must be one of x's {given.ndim}, numbered from 0; got {axis!r}.")
    if given is not x:  # lists take Keras's other path: floats of the default type, the shape kept
        given = given.astype(config.floatx())
    norm = np.linalg.norm(given, order, axis, keepdims=True)
    scaled = given / np.where(norm == 0, np.ones_like(norm), norm)
    return scaled[None] if given is x and given.ndim == 1 else scaled

"""Classes as one-hot vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.arguments import describe


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Classes as vectors with a one at their place.

    Args:
        x: integers from 0, of any shape; a last axis of length 1 is taken away.
        num_classes: how many there are; default the greatest in x, and one.

    Returns:
        float64, shape of x and (num_classes,).

    Raises:
        ValueError: for anything but integers, or a class outside 0 ... num_classes - 1.
    """
    given = np.asarray(x)
    if given.dtype.kind not in "iub" and not (given.dtype.kind == "f" and np.all(given == np.floor(given))):
        raise ValueError(f"to_categorical takes integer classes; got {describe(x)}.")
    classes = given.astype("int64")
    shape = classes.shape[:-1] if classes.ndim > 1 and classes.shape[-1] == 1 else classes.shape
    classes = classes.reshape(-1)
    if num_classes is None:
        num_classes = int(classes.max()) + 1 if classes.size else 0
    wrong = classes[(classes < 0) | (classes >= num_classes)]
    if wrong.size:
        raise ValueError(f"Class {wrong[0]} is outside 0 ... {num_classes - 1}; num_classes is {num_classes}.")
    hot = np.zeros((classes.size, num_classes))
    hot[np.arange(classes.size), classes] = 1.0
    return hot.reshape(*shape, num_classes)

"""What is done to gradients before an update: clipping, over a flat buffer, in place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gatewise import kernels
from gatewise.variable import Slot


def clip_each_norm(gradients: np.ndarray, slots: Sequence[Slot], limit: float) -> None:
    """Shorten the gradient of each variable whose norm exceeds `limit` to it."""
    for slot in slots:
        part = gradients[slot.start : slot.stop]
        norm = math.sqrt(kernels.sum_of_squares(part))
        if not norm <= limit:  # larger, or not a number
            part *= part.dtype.type(limit / norm)


def clip_global_norm(gradients: np.ndarray, limit: float) -> None:
    """Shorten the gradient of all variables together; an infinite or undefined norm makes it NaN, as in Keras."""
    norm = math.sqrt(kernels.sum_of_squares(gradients))
    if not math.isfinite(norm):
        gradients[:] = math.nan
    elif norm > limit:
        gradients *= gradients.dtype.type(limit / norm)


def clip_value(gradients: np.ndarray, limit: float) -> None:
    """Keep every element within [-limit, limit]."""
    np.clip(gradients, -limit, limit, out=gradients)

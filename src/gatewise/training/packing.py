"""What a `train_step` is given, packed and taken apart."""

from __future__ import annotations

from typing import Any

from gatewise.arguments import describe


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """x, y and sample weights of what a `train_step` is given; None for what is not there.

    Raises:
        ValueError: for a tuple of more than three.
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(f"A batch is x, (x,), (x, y) or (x, y, sample_weight); got {describe(data)}.")
    x, y, weights = (*data, None, None)[:3]
    return x, y, weights


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """What a `train_step` is given: x alone (in a tuple where it is a list), (x, y), or (x, y, sample_weight)."""
    if y is None:
        return (x,) if isinstance(x, list | tuple) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)

"""The few names of TensorFlow that scripts use around a model and that have no counterpart elsewhere in gatewise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise.random import next_generator


def constant(value: Any, dtype: Any = None, shape: Sequence[int] | None = None, name: str | None = None) -> np.ndarray:
    """`value` as an array; float32 where Python's numbers would make it float64, as in TensorFlow."""
    array = np.asarray(value, dtype=dtype)
    if dtype is None and not hasattr(value, "dtype"):
        array = array.astype({"f": "float32", "i": "int32"}.get(array.dtype.kind, array.dtype))
    return array if shape is None else np.broadcast_to(array, shape).copy() if array.size == 1 else array.reshape(shape)


def function(func: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`tf.function`: gatewise runs functions as they are, so this is the function itself."""
    return func if func is not None else lambda f: f


def executing_eagerly() -> bool:
    """True: values are computed as soon as they are asked for."""
    return True


def run_functions_eagerly(run_eagerly: bool) -> None:
    """Accepted: functions always run eagerly."""


def list_physical_devices(device_type: str | None = None) -> list[str]:
    """The devices there are: the processor, and nothing else."""
    return ["/physical_device:CPU:0"] if device_type in (None, "CPU") else []


def get_logger() -> logging.Logger:
    """The logger that TensorFlow would write to."""
    return logging.getLogger("tensorflow")


def normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: Any = "float32", seed: int | None = None
) -> np.ndarray:
    """Numbers drawn from a normal distribution."""
    return next_generator(seed).normal(mean, stddev, tuple(shape)).astype(dtype)


def uniform(
    shape: Sequence[int], minval: float = 0, maxval: float = 1, dtype: Any = "float32", seed: int | None = None
) -> np.ndarray:
    """Numbers drawn evenly between minval and maxval; integers where the type is one."""
    draw = next_generator(seed)
    if np.dtype(dtype).kind in "iu":
        return draw.integers(int(minval), int(maxval), tuple(shape), dtype=dtype)
    return draw.uniform(minval, maxval, tuple(shape)).astype(dtype)


def backend() -> str:
    """The name of what computes."""
    return "gatewise"


def image_data_format() -> str:
    """Channels come last."""
    return "channels_last"

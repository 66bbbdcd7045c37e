"""Settings of the whole library: float type, epsilon, threads, names counted from one place.

Nothing here is changed by an import; every setting has a function that reads it and one that sets it.
"""

from __future__ import annotations

import re
from collections import Counter

_FLOAT_TYPES = ("float32", "float64")

_floatx = "float32"
_epsilon = 1e-7
_names: Counter[str] = Counter()


def floatx() -> str:
    """The float type of layers that are given no `dtype`: "float32" or "float64"."""
    return _floatx


def set_floatx(value: str) -> None:
    """Set the default float type.

    Raises:
        ValueError: if `value` is not "float32" or "float64".
    """
    global _floatx
    if value not in _FLOAT_TYPES:
        raise ValueError(f"floatx must be one of {', '.join(_FLOAT_TYPES)}; got {value!r}.")
    _floatx = value


def epsilon() -> float:
    """The small number that keeps logarithms and divisions finite (1e-7, as in Keras)."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Set the value that `epsilon()` returns."""
    global _epsilon
    _epsilon = float(value)


def threads() -> int:
    """How many threads the kernels may use.  Results never depend on it."""
    from gatewise import kernels

    return kernels.get_threads()


def set_threads(n: int) -> None:
    """Let the kernels use up to `n` threads (n >= 1)."""
    from gatewise import kernels

    kernels.set_threads(n)


def snake_case(class_name: str) -> str:
    """`TimeDistributed` -> `time_distributed`, `LSTM` -> `lstm`, `LSTMCell` -> `lstm_cell`."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(base: str) -> str:
    """`lstm`, then `lstm_1`, `lstm_2`, ...: the names that Keras gives to unnamed layers."""
    count = _names[base]
    _names[base] += 1
    return base if count == 0 else f"{base}_{count}"


def reset_names() -> None:
    """Count unnamed layers from the beginning again (`keras.backend.clear_session`)."""
    _names.clear()

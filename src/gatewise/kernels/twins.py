"""The NumPy twins as layers run them, for activations that the compiled kernels do not know.

The same functions under the same names; their matrix products are the kernels', so that no result depends on the
number of threads.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.kernels import reference
from gatewise.kernels.reference.products import products_by


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a (..., K) times b (K, L) by the kernels."""
    if a.ndim == 2:
        return kernels.matmul(a, b)
    return kernels.matmul(a.reshape(math.prod(a.shape[:-1]), a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])


@functools.cache
def _with_steady_products(name: str) -> Callable[..., Any]:
    function = getattr(reference, name)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with products_by(_product):
            return function(*args, **kwargs)

    return run


def __getattr__(name: str) -> Any:
    if name not in reference.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _with_steady_products(name)

"""Matrix products."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gatewise.kernels.reference.activations import Array

_in_use = threading.local()


def product(a: Array, b: Array) -> Array:
    """a (..., K) times b (K, L): NumPy's product, or the one that `products_by` names on this thread."""
    function = getattr(_in_use, "function", None)
    return a @ b if function is None else function(a, b)


@contextmanager
def products_by(function: Callable[[Array, Array], Array]) -> Iterator[None]:
    """Within the block, on this thread, the twins multiply matrices by `function(a, b)`.

    NumPy's own product may give other last bits with another number of threads; the kernels' does not.
    """
    before = getattr(_in_use, "function", None)
    _in_use.function = function
    try:
        yield
    finally:
        _in_use.function = before


def matmul(a: Array, b: Array, out: Array | None = None, accumulate: bool = False, bias: Array | None = None) -> Array:
    """a (M, K) times b (K, L), plus bias (L,); into out, or added to it."""
    result = a @ b
    if bias is not None:
        result += bias
    if out is None:
        return result
    out[...] = out + result if accumulate else result
    return out

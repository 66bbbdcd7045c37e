"""Matrix products."""

from gatewise.kernels.reference.activations import Array


def matmul(a: Array, b: Array, out: Array | None = None, accumulate: bool = False, bias: Array | None = None) -> Array:
    """a (M, K) times b (K, L), plus bias (L,); into out, or added to it."""
    product = a @ b
    if bias is not None:
        product += bias
    if out is None:
        return product
    out[...] = out + product if accumulate else product
    return out

"""Calls of operations: what the tests of values, gradients, types and symbolic use all run over.

Each is (name, arguments, options).  Arrays are made here; the results of Keras for them lie in tests/golden/ops.json,
under the same position, and its README says how they were made.
"""

import numpy as np


def a(*shape, low=-2.0, high=2.0, seed=0):
    """Floats, none of them near a corner of the functions tested, no two alike."""
    values = np.random.default_rng(seed).permutation(np.linspace(low, high, int(np.prod(shape)) + 2)[1:-1])
    return values.reshape(shape).astype("float32")


def i(*values):
    return np.array(values, "int32")


X, Y, V, W = a(3, 4), a(3, 4, seed=1), a(5), a(5, seed=1)
POSITIVE = a(3, 4, low=0.2, high=3.0, seed=2)
UNIT = a(3, 4, low=-0.9, high=0.9, seed=3)
CUBE = a(2, 3, 4)
SQUARE = a(2, 3, 3) + 2 * np.eye(3, dtype="float32")
SYMMETRIC = (SQUARE + np.swapaxes(SQUARE, 1, 2)).astype("float32")
DEFINITE = (SQUARE @ np.swapaxes(SQUARE, 1, 2) + np.eye(3)).astype("float32")
TALL = a(4, 3, seed=5)
INTEGERS = i([3, 1, 4, 1], [5, 9, 2, 6])
OTHERS = i([2, 7, 1, 8], [2, 8, 1, 8])
BOOLS = X > 0
PARTS = np.abs(Y) / np.sum(np.abs(Y), axis=-1, keepdims=True)
HOLES = np.where(X > 1.2, np.float32(np.nan), X)
SEQUENCE = a(2, 3, 2, 4)

CASES = []


def add(name, *args, **options):
    CASES.append((name, args, options))


for name in (
    "abs absolute arctan arcsinh ceil conj cos cosh deg2rad exp exp2 expm1 fabs floor isfinite isinf isnan isneginf "
    "isposinf isreal logical_not negative rad2deg real reciprocal round sign signbit sin sinc sinh square tan tanh "
    "trunc cbrt erf erfc i0 celu elu gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu "
    "log_sigmoid log_softmax relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
    "sparse_sigmoid squareplus swish tanh_shrink angle conjugate imag nan_to_num copy ravel size flip fliplr "
    "flipud sort argsort zeros_like ones_like normalize stop_gradient logsumexp nonzero"
).split():
    add(name, X)
for name in "log log10 log1p log2 rsqrt sqrt".split():
    add(name, POSITIVE)
for name in "arcsin arccos arctanh erfinv".split():
    add(name, UNIT)
add("arccosh", POSITIVE + 1)
for name in "exp sqrt log sin mean var std ceil floor reciprocal square negative sum prod max cumsum sign".split():
    add(name, INTEGERS)  # what becomes of integers
for name in "sum prod max any all exp mean".split():
    add(name, BOOLS)
for name in (
    "add subtract multiply divide true_divide maximum minimum fmax fmin arctan2 hypot logaddexp logaddexp2 equal "
    "not_equal greater greater_equal less less_equal heaviside divide_no_nan"
).split():
    add(name, X, Y)
for name in "mod floor_divide fmod power".split():
    add(name, POSITIVE, np.abs(Y) + 0.3)
for name in "add multiply divide true_divide floor_divide mod power equal maximum gcd lcm".split():
    add(name, INTEGERS, OTHERS)
for name in "bitwise_and bitwise_or bitwise_xor left_shift right_shift bitwise_left_shift bitwise_right_shift".split():
    add(name, INTEGERS, OTHERS)
for name in "logical_and logical_or logical_xor".split():
    add(name, BOOLS, Y > 0)
add("bitwise_not", INTEGERS)
add("bitwise_invert", INTEGERS)
for name in "add multiply divide power".split():
    add(name, POSITIVE, 2)
    add(name, POSITIVE, 1.5)
add("multiply", INTEGERS, POSITIVE[:2])
add("add", X, X[0])
add("divide_no_nan", X, np.where(Y > 0, Y, 0))
add("ldexp", X, i([1, 0, 2, 3]))
add("isclose", X, X + 1e-6)
add("nextafter", X, Y)
add("clip", X, -0.5, 0.7)
add("leaky_relu", X, 0.4)
add("leaky_relu", X, negative_slope=0.1)
add("softmax", CUBE, axis=1)
add("log_softmax", CUBE, axis=0)
add("elu", X, alpha=0.7)
add("celu", X, alpha=0.7)
add("gelu", X, approximate=False)
add("glu", X, axis=-1)
add("threshold", X, 0.3, -1.0)
add("hard_shrink", X, threshold=0.2)
add("soft_shrink", X, threshold=0.2)
add("squareplus", X, b=2)
add("round", X, decimals=1)
add("nan_to_num", HOLES, nan=0.5)
for name in "sum mean prod max min std var amax amin ptp median logsumexp nansum nanmean nanmax nanmin nanprod".split():
    add(name, CUBE)
    add(name, CUBE, axis=1)
    add(name, CUBE, axis=(0, -1), keepdims=True)
for name in "argmax argmin".split():
    add(name, CUBE)
    add(name, CUBE, axis=1)
    add(name, CUBE, axis=-1, keepdims=True)
for name in "any all".split():
    add(name, CUBE > 0, axis=1)
    add(name, CUBE > 0, keepdims=True)
for name in "nansum nanmean nanmax nanmin nanprod nanstd nanvar nanmedian nanargmax nanargmin".split():
    add(name, HOLES)
    add(name, HOLES, axis=0)
    add(name, HOLES, axis=1, keepdims=True)
add("nancumsum", HOLES, axis=1)
add("nancumprod", HOLES, axis=0)
add("nanquantile", HOLES, 0.3, axis=1)
add("nanpercentile", HOLES, 30.0, axis=0)
add("count_nonzero", BOOLS, axis=1)
for method in "linear lower higher midpoint nearest".split():
    add("quantile", CUBE, 0.3, axis=1, method=method)
add("quantile", CUBE, [0.25, 0.9], axis=-1, keepdims=True)
add("percentile", CUBE, 35.0, axis=1)
add("average", X, axis=1, weights=POSITIVE[0])
add("average", X, weights=POSITIVE)
add("average", X, axis=0)
for name in "cumsum cumprod".split():
    add(name, X)
    add(name, X, axis=1)
add("cumprod", i([1, 0, 2], [3, 4, 0]).astype("float32"), axis=1)
add("prod", i([1, 0, 2], [0, 4, 0]).astype("float32"), axis=1)
add("diff", X)
add("diff", X, n=2, axis=0)
add("trapezoid", X, dx=0.5)
add("trapezoid", X, Y, axis=1)
add("bincount", i(1, 2, 2, 0))
add("bincount", i(1, 2, 2, 0), weights=V[:4], minlength=5)
add("segment_sum", X, i(0, 1, 0))
add("segment_sum", X, i(0, 2, 0), num_segments=4)
add("segment_max", X, i(0, 1, 0))
add("segment_min", X, i(0, 1, 0))
add("segment_prod", X, i(0, 1, 0))
add("corrcoef", X)
for mode in "valid same full".split():
    add("correlate", V, W[:3], mode=mode)
    add("correlate", V, W[:2], mode=mode)
add("vander", V)
add("vander", V, 3, increasing=True)
add("cdist", X, Y)
add("psnr", X, Y, 2.0)
add("histogram", V, bins=4)
# shapes and places
add("reshape", X, (2, 6))
add("reshape", X, (-1, 3))
add("transpose", CUBE)
add("transpose", CUBE, (1, 0, 2))
add("expand_dims", X, 1)
add("squeeze", CUBE[:1])
add("squeeze", CUBE[:1], axis=0)
add("moveaxis", CUBE, 0, -1)
add("swapaxes", CUBE, 0, 2)
add("tile", X, (2, 1))
add("tile", X, 2)
add("repeat", X, 2)
add("repeat", X, 2, axis=1)
add("repeat", X, i(1, 0, 2), axis=0)
add("roll", X, 1)
add("roll", X, 2, axis=1)
add("rot90", X)
add("flip", X, axis=1)
add("pad", X, ((1, 0), (2, 1)))
add("pad", X, ((1, 0), (2, 1)), constant_values=3.0)
add("pad", X, ((1, 0), (2, 1)), mode="reflect")
add("pad", X, ((1, 1), (1, 1)), mode="symmetric")
add("broadcast_to", X, (2, 3, 4))
add("concatenate", [X, Y], axis=1)
add("stack", [X, Y])
add("stack", [X, Y], axis=-1)
for name in "hstack vstack dstack".split():
    add(name, [X, Y])
add("append", X, Y)
add("append", X, Y, axis=0)
add("split", X, 2, axis=1)
add("split", X, [1, 3], axis=1)
add("array_split", X, 3, axis=1)
add("hsplit", X, 2)
add("vsplit", X, 3)
add("dsplit", CUBE, 2)
add("unstack", X, axis=1)
add("meshgrid", V[:3], W[:2])
add("meshgrid", V[:3], W[:2], indexing="ij")
add("rearrange", CUBE, "a b (c d) -> b a d c", c=2)
add("take", X, i(2, 0, -1), axis=0)
add("take", X, i([0, 1], [2, 2]), axis=1)
add("take", X, i(5, 7))
add("take_along_axis", X, i([0], [2], [3]), axis=1)
add("slice", X, i(1, 0), (2, 3))
add("slice_update", X, i(1, 0), Y[:2, :2])
add("scatter", i([0, 1], [2, 0], [0, 1]), V[:3], (3, 2))
add("scatter", i([0], [2]), Y[:2], (4, 4))
add("scatter_update", X, i([0, 1], [2, 0]), V[:2])
add("scatter_update", X, i([0], [2]), Y[:2])
add("scatter_update", X, i([0, 1], [0, 1]), V[:2], reduction="add")
add("scatter_update", X, i([0, 1], [2, 0]), V[:2], reduction="max")
add("where", BOOLS, X, Y)
add("where", BOOLS, X, 0.5)
add("select", [X > 1, X < -1], [X * 2, Y], default=0.5)
add("sort", X, axis=0)
add("argsort", X, axis=0)
add("top_k", X, 2)
add("in_top_k", i(0, 3, 1), X, 2)
add("searchsorted", np.sort(V), W)
add("digitize", X, np.array([-1.0, 0.0, 1.0], "float32"))
add("unique", i(3, 1, 3, 2))
add("unravel_index", i(3, 7), (3, 4))
add("isin", INTEGERS, i(1, 9))
add("tril", X)
add("triu", X, k=1)
add("extract_sequences", X, 2, 1)
add("get_item", X, 1)
# made from nothing
add("arange", 5)
add("arange", 1, 2, 0.25)
add("array", [1.0, 2.0])
add("array", [1, 2])
add("zeros", (2, 3))
add("ones", (2,))
add("full", (2, 2), 3.0)
add("full_like", X, 2.0)
add("eye", 3)
add("eye", 2, 3, 1)
add("identity", 2)
add("tri", 3)
add("linspace", 0.0, 1.0, num=5)
add("logspace", 0.0, 1.0, num=3)
add("geomspace", 1.0, 8.0, num=4)
for name in "bartlett blackman hamming hanning".split():
    add(name, 5)
add("kaiser", 5, 2.0)
add("one_hot", i([0, 2], [1, 5]), 3)
add("one_hot", i([0, 2], [1, 1]), 3, axis=1)
add("one_hot", i(0, 2), 3, dtype="int32")
add("multi_hot", i([0, 2], [1, 1]), 3)
add("multi_hot", i(0, 2), 3)
# products and linear algebra
add("matmul", X, Y.T.copy())
add("matmul", CUBE, a(4, 2))
add("dot", X, Y.T.copy())
add("dot", V, W)
add("inner", V, W)
add("outer", V, W)
add("kron", X[:2, :2], Y[:2, :2])
add("vdot", V, W)
add("cross", X[:, :3], Y[:, :3])
add("tensordot", CUBE, a(3, 4, 2), axes=2)
add("tensordot", CUBE, a(3, 4, 2), axes=[[1], [0]])
add("einsum", "bij,kj->bik", CUBE, Y)
add("trace", CUBE, axis1=1, axis2=2)
add("diagonal", CUBE, offset=1, axis1=1, axis2=2)
add("diag", V)
add("diag", X, k=1)
add("diagflat", X[:2, :2])
for name in "inv det slogdet logdet".split():
    add(name, DEFINITE)
add("solve", SQUARE, a(2, 3, 2))
add("solve", SQUARE[0], a(3))
add("solve_triangular", SQUARE, a(2, 3, 2), lower=True)
add("cholesky", DEFINITE)
add("cholesky", DEFINITE, upper=True)
add("cholesky_inverse", np.linalg.cholesky(DEFINITE))
add("eigh", SYMMETRIC)
add("qr", TALL)
add("svd", TALL, full_matrices=False)
add("svd", TALL, compute_uv=False)
add("pinv", TALL)
add("lstsq", TALL, a(4, 2))
add("matrix_rank", TALL)
add("lu_factor", SQUARE)
for order in (None, 2, 1, np.inf, -np.inf, 3, 0):
    add("norm", CUBE, ord=order, axis=1)
for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
    add("norm", CUBE, ord=order, axis=(1, 2), keepdims=True)
add("norm", CUBE)
add("norm", V, ord=1)
add("normalize", X, axis=0, order=3)
# normalizations, cross-entropies, attention
add("moments", CUBE, (0, 1))
add("moments", CUBE, -1, keepdims=True)
add("batch_normalization", CUBE, V[:4], POSITIVE[0], -1, offset=W[:4], scale=Y[0])
add("batch_normalization", CUBE, V[:3], POSITIVE[0, :3], 1)
add("layer_normalization", CUBE)
add("layer_normalization", CUBE, V[:4], W[:4])
add("layer_normalization", CUBE, epsilon=0.1, axis=(1, 2))
add("rms_normalization", CUBE, V[:4], epsilon=0.1)
add("rms_normalization", CUBE)
add("binary_crossentropy", (Y > 0).astype("float32"), (UNIT + 1) / 2)
add("binary_crossentropy", (Y > 0).astype("float32"), X, from_logits=True)
add("categorical_crossentropy", PARTS, (UNIT + 1) / 2)
add("categorical_crossentropy", PARTS, X, from_logits=True)
add("sparse_categorical_crossentropy", i(0, 3, 1), (UNIT + 1) / 2)
add("sparse_categorical_crossentropy", i(0, 3, 1), X, from_logits=True)
add("dot_product_attention", SEQUENCE, a(2, 5, 2, 4, seed=1), a(2, 5, 2, 4, seed=2))
add("dot_product_attention", SEQUENCE, a(2, 3, 1, 4, seed=1), a(2, 3, 1, 4, seed=2), is_causal=True, scale=0.3)
add("dot_product_attention", SEQUENCE, SEQUENCE, SEQUENCE, mask=np.array([[[[1, 1, 0]]], [[[1, 0, 0]]]], bool))
add("fft", (X, Y))
add("fft2", (X, Y))
add("ifft2", (X, Y))
add("rfft", X)
add("rfft", X, 6)
add("rfft", X, 3)
add("irfft", (X, Y))
add("irfft", (X, Y), 5)
add("view_as_real", X + 1j * Y)
add("view_as_complex", CUBE[..., :2])
add("saturate_cast", X * 200, "int8")

"""gatewise.ops: values and types against Keras's, gradients against central differences, use in graphs and in files."""

import json
import pathlib

import numpy as np
import pytest

import gatewise as gw
from gatewise import autodiff, ops, tree
from gatewise.graph import SymbolicTensor
from gatewise.models import model_from_json
from gradients import central_differences
from ops_cases import CASES, HOLES, X, a

GOLDEN = json.loads((pathlib.Path(__file__).parent / "golden" / "ops.json").read_text())
NAMES = [f"{name}-{position}" for position, (name, _, _) in enumerate(CASES)]
SIGNS_ARE_FREE = {"eigh", "svd"}
"""Vectors that are as right with the other sign."""


def parts_of(result):
    """The arrays of a result; complex numbers as pairs of floats."""
    arrays = [np.asarray(leaf) for leaf in tree.leaves(result)]
    return [np.stack([x.real, x.imag], -1) if x.dtype.kind == "c" else x for x in arrays]


def in_float64(nested):
    def wider(leaf):
        is_float32 = isinstance(leaf, np.ndarray) and leaf.dtype == np.float32
        return leaf.astype(np.float64) if is_float32 else leaf

    return tree.map_leaves(wider, nested)


@pytest.mark.parametrize(("case", "golden"), list(zip(CASES, GOLDEN, strict=True)), ids=NAMES)
def test_values_shapes_and_types_are_keras_s(case, golden):
    (name, arguments, options), (golden_name, expected) = case, golden
    assert name == golden_name
    result = getattr(ops, name)(*arguments, **options)
    found = [np.asarray(leaf) for leaf in tree.leaves(result)]
    assert [[x.dtype.name, list(x.shape)] for x in found] == [part[:2] for part in expected]
    for x, (_, _, numbers) in zip(parts_of(result), expected, strict=True):
        x, numbers = x.ravel().astype(float), np.array(numbers, float)
        if name in SIGNS_ARE_FREE:
            x, numbers = np.abs(x), np.abs(numbers)
        np.testing.assert_allclose(x, numbers, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_float64_stays_float64(case):
    name, arguments, options = case
    if not any(getattr(x, "dtype", None) == np.float32 for x in tree.leaves(list(arguments))):
        return
    narrow = parts_of(getattr(ops, name)(*arguments, **options))
    wide = parts_of(getattr(ops, name)(*in_float64(arguments), **in_float64(options)))
    for x, y in zip(narrow, wide, strict=True):
        if x.dtype == np.float32 and options.get("dtype") is None and name not in ("one_hot", "multi_hot"):
            assert y.dtype == np.float64
        np.testing.assert_allclose(np.abs(x.astype(float)), np.abs(y.astype(float)), rtol=2e-4, atol=1e-4)


FLAT = set(
    "stop_gradient zeros_like ones_like full_like ceil floor round sign trunc heaviside histogram saturate_cast "
    "ctc_decode".split()
)
"""Operations of floats that no gradient goes through."""
WITHOUT_DERIVATIVE = {"i0", "nextafter", "lu_factor"}
"""Operations that refuse to be differentiated."""


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_gradients_are_central_differences(case):
    name, arguments, options = case
    arguments = in_float64(arguments)
    leaves = [x for x in tree.leaves(list(arguments)) if isinstance(x, np.ndarray) and x.dtype == np.float64]
    if not leaves or (name == "scatter_update" and "reduction" in options and options["reduction"] == "max"):
        return
    if name == "norm" and options.get("ord") == 0:
        return  # it counts

    def run(*values):
        supply = iter(values)
        given = tree.map_leaves(
            lambda x: next(supply) if isinstance(x, np.ndarray) and x.dtype == np.float64 else x, list(arguments)
        )
        given = [tuple(g) if isinstance(original, tuple) else g for g, original in zip(given, arguments, strict=True)]
        result = list(tree.leaves(getattr(ops, name)(*given, **options)))
        floats = [y for y in result if np.asarray(autodiff.plain(y)).dtype.kind in "fc"]
        return [
            pair
            for y in floats
            for pair in ([ops.real(y), ops.imag(y)] if autodiff.plain(y).dtype.kind == "c" else [y])
        ]

    leaves = [np.array(x) for x in leaves]
    plain = run(*leaves)
    if not plain:
        return
    if name in WITHOUT_DERIVATIVE:
        with pytest.raises(TypeError, match="No derivative is known of"):
            autodiff.vjp(run, *leaves)
        return
    inner = run
    if name in ("cholesky", "eigh"):
        # They read one triangle; what is differentiated is a function of symmetric matrices.

        def run(x):
            return inner((x + np.swapaxes(x, 1, 2)) / 2)

    symmetrized = run
    if name in SIGNS_ARE_FREE or name == "qr":
        # A sign that turns over between two evaluations is no derivative: what is differentiated does not know it.

        def run(*values):
            return [y * y for y in symmetrized(*values)]

        plain = run(*leaves)
    rng = np.random.default_rng(3)
    weights = [rng.normal(size=np.shape(y)) for y in plain]
    y, pullback = autodiff.vjp(run, *leaves)
    for traced, one in zip(y, plain, strict=True):
        np.testing.assert_allclose(traced, one, rtol=1e-12, atol=1e-12)
    gradients = pullback(list(weights))

    def value():
        return sum(float(np.nansum(w * one)) for w, one in zip(weights, run(*leaves), strict=True))

    for leaf, gradient in zip(leaves, gradients, strict=True):
        expected = np.zeros_like(leaf) if name in FLAT else central_differences(value, leaf)
        expected = np.where(np.isnan(leaf), 0, expected)
        if name == "divide_no_nan":
            expected = np.where(leaf == 0, 0, expected)  # it jumps there
        np.testing.assert_allclose(np.nan_to_num(gradient), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_float32_gradients_are_float32(case):
    name, arguments, options = case
    first = arguments[0]
    if not isinstance(first, np.ndarray) or first.dtype != np.float32 or name in WITHOUT_DERIVATIVE:
        return
    if options.get("reduction") == "max":
        return
    y, pullback = autodiff.vjp(lambda x: list(tree.leaves(getattr(ops, name)(x, *arguments[1:], **options))), first)
    assert [np.asarray(one).dtype for one in y if np.asarray(one).dtype.kind == "f"] == [
        np.asarray(one).dtype
        for one in tree.leaves(getattr(ops, name)(*arguments, **options))
        if np.asarray(one).dtype.kind == "f"
    ]
    (gradient,) = pullback([np.ones_like(one) if np.asarray(one).dtype.kind == "f" else None for one in y])
    assert gradient.dtype == np.float32 and gradient.shape == first.shape


# What depends on the values of its input, so that its shape is not known beforehand.
SHAPE_OF_VALUES = {"unique", "nonzero", "bincount"}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_node_of_a_graph_computes_the_same_and_survives_a_file(case):
    name, arguments, options = case
    first = arguments[0] if arguments else None
    if not isinstance(first, np.ndarray) or first.ndim < 2 or name in SHAPE_OF_VALUES:
        return
    x = gw.Input(batch_shape=first.shape, dtype=first.dtype.name)
    result = getattr(ops, name)(x, *arguments[1:], **options)
    if any(leaf.dtype.startswith("complex") for leaf in tree.leaves(result)):
        return
    model = gw.Model(x, list(tree.leaves(result)))
    expected = [np.asarray(leaf) for leaf in tree.leaves(getattr(ops, name)(*arguments, **options))]
    assert [leaf.shape for leaf in tree.leaves(result)] == [y.shape for y in expected]
    assert [leaf.dtype for leaf in tree.leaves(result)] == [y.dtype.name for y in expected]
    again = model_from_json(model.to_json())
    for each in (model, again):
        for y, one in zip(tree.leaves(each(first)), expected, strict=True):
            np.testing.assert_array_equal(y, one)
    assert type(model.operations[-1]).__module__ == "gatewise.ops"


def test_unknown_sizes_stay_unknown():
    x = gw.Input((None, 6))
    for result, shape in (
        (ops.reshape(x, (-1, 3)), (None, 3)),
        (ops.reshape(x, (-1, 2, 3)), (None, 2, 3)),
        (ops.mean(x, axis=1), (None, 6)),
        (ops.transpose(x, (0, 2, 1)), (None, 6, None)),
        (ops.concatenate([x, x], axis=1), (None, None, 6)),
        (ops.expand_dims(x, -1), (None, None, 6, 1)),
        (ops.top_k(x, 2)[0], (None, None, 2)),
        (x[:, -1], (None, 6)),
        (ops.einsum("btf,bsf->bts", x, x), (None, None, None)),
    ):
        assert isinstance(result, SymbolicTensor) and result.shape == shape
    assert ops.reshape(gw.Input((2, 6)), (-1, 12)).shape == (None, 12)
    assert ops.reshape(gw.Input((4,), batch_size=3), (2, -1)).shape == (2, 6)


def test_keras_names_of_arguments():
    np.testing.assert_array_equal(ops.clip(x=X, x_min=0, x_max=1), np.clip(X, 0, 1))
    np.testing.assert_array_equal(ops.reshape(x=X, newshape=(6, 2)), X.reshape(6, 2))
    np.testing.assert_array_equal(ops.concatenate(xs=[X, X], axis=1), np.concatenate([X, X], 1))
    np.testing.assert_array_equal(ops.matmul(x1=X, x2=X.T), X @ X.T)
    np.testing.assert_array_equal(ops.repeat(x=X, repeats=2, axis=0), np.repeat(X, 2, 0))
    np.testing.assert_array_equal(ops.tile(x=X, repeats=(1, 2)), np.tile(X, (1, 2)))
    np.testing.assert_array_equal(ops.sum(X, 0, True), X.sum(0, keepdims=True))
    np.testing.assert_array_equal(ops.moveaxis(x=X, source=0, destination=1), X.T)


def test_python_numbers_and_lists_get_keras_s_types():
    for value, dtype in ((2.0, "float32"), ([1.0, 2.0], "float32"), (3, "int32"), ([1, 2], "int32"), (True, "bool")):
        assert ops.convert_to_tensor(value).dtype == dtype and ops.dtype(value) == dtype
    assert ops.multiply(X, 2.5).dtype == np.float32 and ops.sqrt(4).dtype == np.float32
    assert ops.mean(np.arange(4)).dtype == np.float32 and ops.mean(np.ones(3)).dtype == np.float64
    assert ops.sum(np.arange(4, dtype="int64")).dtype == np.int64
    assert ops.add(np.arange(4, dtype="int64"), np.ones(4, "float32")).dtype == np.float32


def test_numpy_s_other_functions_are_there_too():
    np.testing.assert_array_equal(ops.column_stack([X, X]), np.column_stack([X, X]))
    y, pullback = autodiff.vjp(lambda x: ops.column_stack([x, x * x]), a(3).astype(float))
    assert y.shape == (3, 2) and pullback(np.ones((3, 2)))[0].shape == (3,)
    missing = [name for name in dir(np) if callable(getattr(np, name)) and not name.startswith("_")]
    missing = [name for name in missing if not isinstance(getattr(np, name), type) and not hasattr(ops, name)]
    assert missing == []


def test_keras_s_rooms():
    assert ops.nn.softmax is ops.softmax and ops.linalg.norm is ops.norm and ops.numpy.mean is ops.mean
    with pytest.raises(AttributeError, match="unknown operation 'conv'"):
        _ = ops.conv


def test_normalize_of_zeros_and_norm_at_zero_have_a_gradient():
    zeros = np.zeros((2, 3))
    for function in (ops.normalize, ops.norm, lambda x: ops.norm(x, axis=1), lambda x: ops.cdist(x, x)):
        y, pullback = autodiff.vjp(function, zeros)
        assert np.isfinite(y).all() and np.isfinite(pullback(np.ones_like(y))[0]).all()


def test_inf_and_nan_in_reductions():
    assert ops.logsumexp(np.array([-np.inf, -np.inf])) == -np.inf
    assert np.isnan(ops.nanmax(np.full(3, np.nan))) and ops.nanargmax(np.full(3, np.nan)) == -1
    y, pullback = autodiff.vjp(lambda x: ops.nansum(x, axis=1), HOLES.astype(float))
    np.testing.assert_array_equal(pullback(np.ones_like(y))[0], ~np.isnan(HOLES))


def test_nan_stays_where_it_is():
    vector, nan = np.array([np.nan, 1.0, 2.0]), np.isnan
    np.testing.assert_array_equal(nan(ops.diag(vector, 1)), np.diag([True, False, False], 1))
    np.testing.assert_array_equal(ops.segment_sum(vector, np.array([0, 1, 1])), [np.nan, 3.0])
    np.testing.assert_array_equal(ops.bincount(np.array([0, 1, 1]), weights=vector), [np.nan, 3.0])
    np.testing.assert_array_equal(ops.vander(vector)[:, 2], 1.0)


HALF = np.array([[True, False, True], [False, True, True]])


@pytest.mark.parametrize(
    "function",
    [
        lambda v: ops.where(HALF, v, 0.0),
        lambda v: ops.where(HALF, np.ones((2, 1)), v),
        lambda v: ops.where(HALF, v[:2, None], v),
        lambda v: np.where(HALF, v, 0.0) * np.where(True, v, 1.0),
        lambda v: ops.clip(v, 0.5, np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 1.0]])),
        lambda v: ops.select([HALF], [v], v[0]),
        lambda v: ops.segment_sum(ops.stack([v, v * v]), np.array([1, 1])),
        lambda v: ops.diag(v, -1) @ ops.diagflat(v, -1),
        lambda v: ops.bincount(np.array([0, 2, 2]), weights=v * v),
        lambda v: ops.vander(v, 4),
        lambda v: ops.outer(v.reshape(1, 3), HALF * v),
    ],
)
def test_gradients_of_what_is_broadcast_or_placed_equal_central_differences(function):
    x = np.array([0.7, 1.3, 2.1])
    y, pullback = autodiff.vjp(function, x)
    dy = np.cos(np.arange(y.size)).reshape(y.shape)
    expected = central_differences(lambda: float((function(x) * dy).sum()), x)
    np.testing.assert_allclose(pullback(dy)[0], expected, rtol=1e-7, atol=1e-9)


def test_decompositions_put_together_again():
    tall, symmetric = a(5, 3).astype(float), a(4, 4).astype(float)
    symmetric = symmetric + symmetric.T
    u, s, vt = ops.svd(tall)
    np.testing.assert_allclose((u[:, :3] * s) @ vt, tall, atol=1e-12)
    values, vectors = ops.eigh(symmetric)
    np.testing.assert_allclose((vectors * values) @ vectors.T, symmetric, atol=1e-12)
    values, vectors = ops.eig(symmetric + np.triu(symmetric))
    np.testing.assert_allclose((vectors * values) @ np.linalg.inv(vectors), symmetric + np.triu(symmetric), atol=1e-10)
    q, r = ops.qr(tall, mode="complete")
    np.testing.assert_allclose(q @ r, tall, atol=1e-12)
    lu, pivots = ops.lu_factor(symmetric)
    rows = np.arange(4)
    for k, other in enumerate(pivots):
        rows[[k, other]] = rows[[other, k]]
    np.testing.assert_allclose((np.tril(lu, -1) + np.eye(4)) @ np.triu(lu), symmetric[rows], atol=1e-12)


def test_what_is_refused_says_why():
    for call, message in (
        (lambda: ops.norm(np.ones((2, 3, 4)), ord=1), "needs `axis`"),
        (lambda: ops.norm(np.ones((2, 3)), ord="nucular", axis=(0, 1)), "a matrix has the norms 'fro', 'nuc'"),
        (lambda: ops.norm(np.ones(3), ord="fro", axis=0), "no norm of vectors"),
        (lambda: ops.quantile(X, 0.5, method="cubic"), "method is one of linear"),
        (lambda: ops.split(X, 3, axis=1), "cannot be divided into 3 equal parts"),
        (lambda: ops.rearrange(X, "a b -> a c"), "must name the same axes"),
        (lambda: ops.rearrange(X, "a (b c) -> a b c", b=3), "does not split into"),
        (lambda: ops.rearrange(X, "a b c -> a c b"), "is for 3 axes"),
        (lambda: ops.scatter_update(X, [[0, 0]], [1.0], reduction="mean"), "'add', 'max', 'min' or 'mul'"),
        (lambda: ops.normalize(X, order=0), "a whole number, 1 or greater"),
        (lambda: ops.multi_hot(np.array([1]), None), "needs num_classes"),
        (lambda: ops.qr(X, mode="raw"), "'reduced' or 'complete'"),
        (lambda: ops.fft(X), "takes a pair"),
        (lambda: ops.categorical_crossentropy(X, X[:2]), "do not belong together"),
        (lambda: ops.sparse_categorical_crossentropy(np.array([1]), X), "do not belong together"),
        (lambda: ops.binary_crossentropy(X, X[:2]), "do not belong together"),
        (lambda: ops.dot_product_attention(X, X, X), r"\(batch, steps, heads, size\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_place_written_twice_has_no_gradient():
    with pytest.raises(ValueError, match="written twice"):
        autodiff.vjp(lambda v: ops.scatter_update(np.zeros(3), [[1], [1]], v), np.ones(2))
    with pytest.raises(TypeError, match="reduction='max'"):
        autodiff.vjp(lambda v: ops.scatter_update(np.zeros(3), [[1]], v, reduction="max"), np.ones(1))


def test_erfinv_is_the_inverse_of_erf_to_the_last_places():
    x = np.array([-0.999999999, -0.9, -1e-12, 0.0, 0.3, 0.99999])
    np.testing.assert_allclose(ops.erf(ops.erfinv(x)), x, rtol=1e-15, atol=0)
    np.testing.assert_array_equal(ops.erfinv(np.array([-1.0, 1.0, 2.0])), [-np.inf, np.inf, np.nan])


def test_what_is_a_tensor():
    assert ops.is_tensor(X) and not ops.is_tensor([1.0, 2.0])
    np.testing.assert_array_equal(ops.convert_to_numpy([1.0, 2.0]), np.array([1.0, 2.0]))
    assert ops.shape(X) == (3, 4) and ops.ndim(X) == 2 and ops.size(X) == 12


def tensor(name):
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, 4, 3], "keras_history": [name, 0, 0]}}


def keras_file(class_name, arguments, **settings):
    """The JSON that Keras writes for a model of one operation: arguments of the function beside its name."""
    described = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None, "name": "x"}
    described |= {"config": {"batch_shape": [None, 4, 3], "dtype": "float32", "name": "x"}, "inbound_nodes": []}
    node = {"module": "keras.src.ops.numpy", "class_name": class_name, "registered_name": "x", "name": "op"}
    node |= {"config": {"name": "op", **settings}, "inbound_nodes": [{"args": arguments, "kwargs": {}}]}
    config = {"name": "m", "trainable": True, "layers": [described, node]}
    config |= {"input_layers": ["x", 0, 0], "output_layers": ["op", 0, 0]}
    return json.dumps(
        {"module": "keras", "class_name": "Functional", "config": config, "registered_name": "Functional"}
    )


ALL = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (keras_file("Mean", [tensor("x")], axis=1, keepdims=True), lambda x: x.mean(1, keepdims=True)),
        (keras_file("GetItem", [tensor("x"), [ALL, -1]]), lambda x: x[:, -1]),
        (keras_file("GetItem", [tensor("x"), [0, 1]]), lambda x: x[0, 1]),
        (
            keras_file("Einsum", [tensor("x"), tensor("x")], subscripts="btf,bsf->bts"),
            lambda x: np.einsum("btf,bsf->bts", x, x),
        ),
        (keras_file("Reshape", [tensor("x")], newshape=[-1, 12]), lambda x: x.reshape(-1, 12)),
        (keras_file("Transpose", [tensor("x")], axes=[0, 2, 1]), lambda x: x.swapaxes(1, 2)),
    ],
)
def test_operations_in_files_that_keras_wrote(text, expected):
    model, x = model_from_json(text), a(2, 4, 3)
    np.testing.assert_allclose(model(x), expected(x), rtol=1e-6)
    again = model_from_json(model.to_json())
    np.testing.assert_array_equal(again(x), model(x))


def test_a_file_of_keras_s_cannot_name_other_functions_either():
    for name in ("Fromfile", "Savetxt", "Load", "WhileLoop", "Map", "Vectorize", "CustomGradient"):
        with pytest.raises(ValueError, match="unknown operation"):
            model_from_json(keras_file(name, [tensor("x")]))

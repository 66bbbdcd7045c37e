"""Matrix products against NumPy's in float64."""

import itertools

import numpy as np
import pytest
from problems import assert_results_close

from gatewise import kernels
from gatewise.kernels import reference

SIZES = [*itertools.product([1, 5, 13], [1, 6, 40], [1, 7, 66]), (200, 100, 150), (7, 700, 3), (100, 300, 1)]


def matrices(rows, depth, columns, dtype):
    rng = np.random.default_rng([rows, depth, columns])
    scale = 1 / np.sqrt(depth)
    return (rng.normal(size=(rows, depth)) * scale).astype(dtype), rng.normal(size=(depth, columns)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sizes(instruction_set, dtype):
    limit = {"float32": 3e-6, "float64": 1e-14}[dtype]
    for sizes in SIZES:
        a, b = matrices(*sizes, dtype)
        bias = np.arange(sizes[2], dtype=dtype)
        wide = a.astype(np.float64), b.astype(np.float64)
        assert_results_close([kernels.matmul(a, b)], [reference.matmul(*wide)], limit)
        expected = reference.matmul(*wide, bias=bias)
        assert_results_close([kernels.matmul(a, b, bias=bias)], [expected], limit)
        out = np.ones_like(expected, dtype=dtype)
        assert kernels.matmul(a, b, out=out, accumulate=True, bias=bias) is out
        assert_results_close([out], [expected + 1], limit)


def layouts(a):
    """The same matrix in other memory layouts."""
    wide = np.zeros((a.shape[0] * 2, a.shape[1] * 3), a.dtype)
    wide[::2, ::3] = a
    upside_down, mirrored = np.ascontiguousarray(a[::-1])[::-1], np.ascontiguousarray(a[:, ::-1])[:, ::-1]
    return [a, np.asfortranarray(a), wide[::2, ::3], upside_down, mirrored]


def test_layouts_are_all_the_same_product():
    for rows, depth, columns in [(20, 30, 40), (30, 20, 3), (2, 300, 90)]:
        a, b = matrices(rows, depth, columns, "float32")
        expected = kernels.matmul(a, b)
        for left, right in itertools.product(layouts(a), layouts(b)):
            assert np.array_equal(kernels.matmul(left, right), expected)
        for out in layouts(np.zeros((rows, columns), np.float32)):
            kernels.matmul(a, b, out=out)
            assert np.array_equal(out, expected)


@pytest.mark.parametrize("sizes", [(300, 200, 500), (2000, 40, 9), (9, 1000, 900), (1000, 1000, 1)])
def test_the_number_of_threads_changes_nothing(sizes, threads):
    a, b = matrices(*sizes, "float32")
    results = []
    for count in (1, 2, 3, 4):
        threads(count)
        results.append(kernels.matmul(a, b))
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_nothing_to_multiply():
    assert kernels.matmul(np.zeros((0, 3)), np.zeros((3, 4))).shape == (0, 4)
    assert not kernels.matmul(np.zeros((2, 0)), np.zeros((0, 4))).any()


def test_nan_and_infinity_pass_through():
    a, b = matrices(5, 6, 7, "float32")
    a[2, 3] = np.nan
    product = kernels.matmul(a, b)
    assert np.isnan(product[2]).all() and np.isfinite(np.delete(product, 2, axis=0)).all()


BAD = [
    ((np.zeros(3), np.zeros((3, 2))), {}, TypeError, "a must have 2 axes, got 1"),
    ((np.zeros((2, 3)), np.zeros((4, 2))), {}, ValueError, r"a is \(2, 3\) but b is \(4, 2\)"),
    ((np.zeros((2, 3), "f4"), np.zeros((3, 2))), {}, TypeError, "one dtype"),
    ((np.zeros((2, 3)), np.zeros((3, 2))), {"out": np.zeros((2, 3))}, ValueError, r"expected \(2, 2\)"),
    ((np.zeros((2, 3)), np.zeros((3, 2))), {"accumulate": True}, ValueError, "needs out"),
    ((np.zeros((2, 3)), np.zeros((3, 2))), {"bias": np.zeros(3)}, ValueError, "expected 2"),
    ((np.zeros((2, 3), int), np.zeros((3, 2))), {}, TypeError, "int64"),
]


@pytest.mark.parametrize("arguments, options, error, message", BAD)
def test_bad_arguments(arguments, options, error, message):
    with pytest.raises(error, match=message):
        kernels.matmul(*arguments, **options)


def test_a_read_only_result_is_refused():
    out = np.zeros((2, 2))
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        kernels.matmul(np.zeros((2, 3)), np.zeros((3, 2)), out=out)


def test_a_result_that_cannot_be_written_in_place_is_refused():
    unaligned = np.zeros(4 * 8 + 1, "u1")[1:].view("float64").reshape(2, 2)
    with pytest.raises(ValueError, match="unaligned"):
        kernels.matmul(np.zeros((2, 3)), np.zeros((3, 2)), out=unaligned)

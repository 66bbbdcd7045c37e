"""Losses, accuracies, softmax and sums of columns against their NumPy twins."""

import numpy as np
import pytest

from gatewise import kernels
from gatewise.kernels.reference import losses as twins

TOLERANCE = {"float32": {"rtol": 2e-5, "atol": 2e-6}, "float64": {"rtol": 1e-12, "atol": 1e-13}}
SIZES = [(1, 1), (1, 7), (5, 1), (3, 4), (33, 17), (2, 130)]


def problem(name, rows, columns, dtype, seed=0):
    """Targets and predictions that suit a loss; classes for the sparse ones."""
    rng = np.random.default_rng(seed)
    p = rng.standard_normal((rows, columns))
    if "logits" not in name and "crossentropy" in name:
        p = rng.uniform(0.02, 0.98, (rows, columns))
    if "sparse" in name:
        return rng.integers(0, columns, rows), p.astype(dtype)
    t = rng.standard_normal((rows, columns))
    if "binary" in name:
        t = np.round(rng.random((rows, columns)))
    if "categorical" in name:
        t = np.eye(columns)[rng.integers(0, columns, rows)]
    return t.astype(dtype), p.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows, columns", SIZES)
@pytest.mark.parametrize("name", twins.FORMULAS)
@pytest.mark.parametrize("option", [0.0, 0.3])
def test_losses(name, rows, columns, dtype, option):
    option = max(option, 0.1) if name == "huber" else option
    t, p = problem(name, rows, columns, dtype)
    total, count, slope = kernels.score(name, t, p, option)
    wide = t if t.dtype.kind == "i" else t.astype("float64")
    expected, n, gradient = twins.score(name, wide, p.astype("float64"), option)
    if "sparse" in name:
        expected, n, gradient = twins.score(name, wide, p.astype("float64"))
    assert count == n
    assert slope.dtype == dtype
    np.testing.assert_allclose(total, expected, **{**TOLERANCE[dtype], "atol": n * TOLERANCE[dtype]["atol"]})
    np.testing.assert_allclose(slope, gradient, **TOLERANCE[dtype])


@pytest.mark.parametrize("name", twins.FORMULAS)
def test_slopes_are_the_derivatives(name):
    t, p = problem(name, 3, 4, "float64", 1)
    option = 0.3 if name == "huber" else 0.1
    _, count, slope = kernels.score(name, t, p, option)
    for at in np.ndindex(p.shape):
        step = np.zeros_like(p)
        step[at] = 1e-6
        difference = kernels.score(name, t, p + step, option)[0] - kernels.score(name, t, p - step, option)[0]
        assert slope[at] == pytest.approx(difference / 2e-6 / count, abs=1e-7)


def test_accuracies():
    p = np.float32([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [np.nan, 0.9, 0.1], [0.3, 0.3, 0.4]])
    classes = np.array([1, 1, 0, 2])
    assert kernels.score("sparse_accuracy", classes, p)[:2] == ((classes == p.argmax(-1)).sum(), 4)
    assert kernels.score("sparse_accuracy", np.float32([1, 0, 0, 2.5])[:, None], p)[:2] == (3, 4)
    one_hot = np.eye(3, dtype="float32")[classes]
    assert kernels.score("categorical_accuracy", one_hot, p)[:2] == (3, 4)
    assert kernels.score("binary_accuracy", one_hot, p, 0.45)[0] == (one_hot == (p > 0.45)).sum()


def test_what_does_not_suit_is_left_to_others():
    p = np.zeros((3, 4), "float32")
    for t in (np.zeros((3, 4)), np.zeros((3, 1), "float32"), np.zeros((3, 4, 1), "float32"), np.zeros(3, "float32")):
        assert kernels.score("squared_error", t, p) is None
    for classes in ([0, 1, 4], [0, -1, 2], [0, 1]):
        assert kernels.score("sparse_crossentropy", np.array(classes), p) is None
    assert kernels.score("squared_error", p[:0], p[:0]) is None
    assert kernels.score("squared_error", p.T, p.T) is None
    with pytest.raises(ValueError, match="no score 'squares'"):
        kernels.score("squares", p, p)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows, columns", SIZES)
def test_softmax_and_sums(rows, columns, dtype):
    rng = np.random.default_rng(2)
    x, dy = (rng.standard_normal((rows, columns)).astype(dtype) * 20 for _ in range(2))
    y = kernels.softmax_forward(x)
    np.testing.assert_allclose(y, twins.softmax_forward(x.astype("float64")), **TOLERANCE[dtype])
    expected = twins.softmax_backward(dy.astype("float64"), y.astype("float64"))
    np.testing.assert_allclose(kernels.softmax_backward(dy, y), expected, rtol=2e-5, atol=5e-5)
    sums = kernels.column_sums(x)
    np.testing.assert_allclose(sums, twins.column_sums(x.astype("float64")), rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="contiguous"):
        kernels.softmax_forward(np.zeros((4, 6), dtype)[:, ::2])
    with pytest.raises(ValueError, match="2 axes"):
        kernels.column_sums(x[0])

"""Loops and choices of gatewise.ops: values against plain Python, gradients against central differences."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import autodiff, layers, ops
from gradients import central_differences

X = np.random.default_rng(0).uniform(0.5, 2.0, (4, 3))


def assert_gradient(function, x=X):
    x = np.array(x)
    y, pullback = autodiff.vjp(function, x)
    weights = np.random.default_rng(1).normal(size=np.shape(y))
    expected = central_differences(lambda: float(np.sum(weights * function(x))), x)
    np.testing.assert_allclose(pullback(weights)[0], expected, rtol=1e-6, atol=1e-8)


def test_while_loop_and_its_gradient():
    def doubled_until_ten(x):
        return ops.while_loop(lambda value: ops.sum(value) < 10, lambda value: value * 2.0, (x,))[0]

    y, pullback = autodiff.vjp(doubled_until_ten, np.array([1.0, 0.5]))
    np.testing.assert_array_equal(y, [8.0, 4.0])
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [8.0, 8.0])
    assert ops.while_loop(lambda n: n < 10, lambda n: n + 1, 0) == 10
    assert ops.while_loop(lambda k, s: True, lambda k, s: (k + 1, s + k), (0, 0), maximum_iterations=4) == (4, 6)


def test_fori_loop():
    assert ops.fori_loop(1, 5, lambda k, total: total + k, 0) == 10
    assert_gradient(lambda x: ops.fori_loop(0, 3, lambda k, h: ops.tanh(h) * (k + 1), x))


def test_cond_and_switch():
    assert_gradient(lambda x: ops.cond(ops.sum(x) > 0, lambda: x * x, lambda: x))
    branches = [lambda x: x, lambda x: x * x, lambda x: x * x * x]
    for index, power in ((0, 1), (1, 2), (2, 3), (7, 3), (-3, 1)):
        np.testing.assert_allclose(ops.switch(index, branches, X), X**power)


def test_map_and_vectorized_map():
    np.testing.assert_array_equal(ops.map(lambda row: ops.sum(row), X), X.sum(axis=1))
    pairs = ops.map(lambda row: {"a": row["u"] + row["v"], "b": row["u"][0]}, {"u": X, "v": 2 * X})
    np.testing.assert_array_equal(pairs["a"], 3 * X)
    np.testing.assert_array_equal(pairs["b"], X[:, 0])
    assert_gradient(lambda x: ops.map(lambda row: row / ops.sum(row), x))
    assert_gradient(lambda x: ops.vectorized_map(lambda row: row * row[0], x))


def test_scan_runs_both_ways():
    def step(total, x):
        return total + x, total * x

    carry, ys = ops.scan(step, np.zeros(3), X)
    np.testing.assert_allclose(carry, X.sum(axis=0))
    before = np.concatenate([np.zeros((1, 3)), np.cumsum(X, axis=0)[:-1]])
    np.testing.assert_allclose(ys, before * X)
    after = np.concatenate([np.cumsum(X[::-1], axis=0)[::-1][1:], np.zeros((1, 3))])
    np.testing.assert_allclose(ops.scan(step, np.zeros(3), X, reverse=True)[1], after * X)
    assert ops.scan(lambda n, _: (n + 1, None), 0, length=5) == (5, None)
    assert_gradient(lambda x: ops.scan(step, np.zeros(3), x)[1])


@pytest.mark.parametrize("axis", [0, 1])
def test_associative_scan(axis):
    np.testing.assert_allclose(ops.associative_scan(lambda a, b: a + b, X, axis=axis), np.cumsum(X, axis))
    backwards = np.flip(np.cumsum(np.flip(X, axis), axis), axis)
    np.testing.assert_allclose(ops.associative_scan(lambda a, b: a + b, X, reverse=True, axis=axis), backwards)
    sums, products = ops.associative_scan(lambda a, b: (a[0] + b[0], a[1] * b[1]), (X, X), axis=axis)
    np.testing.assert_allclose(products, np.cumprod(X, axis))
    assert_gradient(lambda x: ops.associative_scan(lambda a, b: a * b, x, axis=axis))


def test_a_loop_in_a_graph_model():
    x = gw.Input((4, 3))
    rows = ops.scan(lambda h, x_t: (ops.tanh(h + x_t),) * 2, np.zeros(3), ops.transpose(x, (1, 0, 2)))[1]
    model = gw.Model(x, rows)
    assert rows.shape == (4, None, 3)
    data = np.random.default_rng(2).normal(size=(2, 4, 3)).astype("float32")
    h = np.zeros(3)
    for t in range(4):
        h = np.tanh(h + data[:, t])
        np.testing.assert_allclose(model(data)[t], h, rtol=1e-6)
    with pytest.raises((TypeError, ValueError)):
        gw.models.model_from_json(model.to_json())


def test_custom_gradient():
    @ops.custom_gradient
    def reversed_gradient(x):
        def grad(*args, upstream=None):
            (upstream,) = args if upstream is None else (upstream,)
            return -3.0 * upstream

        return x * 1.0, grad

    y, pullback = autodiff.vjp(lambda x: reversed_gradient(x * 2.0), X)
    np.testing.assert_array_equal(y, 2 * X)
    np.testing.assert_allclose(pullback(np.ones_like(X))[0], np.full_like(X, -6.0))
    x = gw.Input((3,))
    model = gw.Model(x, reversed_gradient(layers.Dense(2)(x)))
    model.compile("sgd", "mse")
    _, gradients = model.value_and_grad(X.astype("float32"), np.zeros((4, 2), "float32"))
    plain = gw.Model(x, model.layers[-1].output)
    plain.compile("sgd", "mse")
    _, expected = plain.value_and_grad(X.astype("float32"), np.zeros((4, 2), "float32"))
    kernel = model.layers[-1].kernel
    np.testing.assert_allclose(gradients[kernel], -3 * expected[kernel], rtol=1e-5)

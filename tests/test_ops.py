"""The functions of gatewise.ops that NumPy does not have, against NumPy's arithmetic, and their gradients."""

import numpy as np

from gatewise import autodiff, ops

X = np.random.default_rng(0).uniform(0.5, 2.0, (3, 4))


def test_rsqrt_and_its_gradient():
    y, pullback = autodiff.vjp(ops.rsqrt, X)
    np.testing.assert_allclose(y, 1 / np.sqrt(X), rtol=1e-15)
    np.testing.assert_allclose(pullback(np.ones_like(X))[0], -0.5 * X**-1.5, rtol=1e-14)


def test_unstack_and_its_gradient():
    rows, pullback = autodiff.vjp(lambda x: ops.unstack(x, axis=1), X)
    np.testing.assert_array_equal(np.stack(rows, axis=1), X)
    weights = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(pullback(list(weights.T))[0], weights)


def test_scatter_adds_what_falls_on_one_place():
    found = ops.scatter(np.array([[0, 1], [2, 0], [0, 1]]), np.array([1.0, 2.0, 4.0]), (3, 2))
    np.testing.assert_array_equal(found, [[0, 5], [0, 0], [2, 0]])


def test_while_loop_and_its_gradient():
    def doubled_until_ten(x):
        return ops.while_loop(lambda value: ops.sum(value) < 10, lambda value: value * 2.0, (x,))[0]

    y, pullback = autodiff.vjp(doubled_until_ten, np.array([1.0, 0.5]))
    np.testing.assert_array_equal(y, [8.0, 4.0])
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [8.0, 8.0])


def test_what_is_a_tensor():
    assert ops.is_tensor(X) and not ops.is_tensor([1.0, 2.0])
    np.testing.assert_array_equal(ops.convert_to_numpy([1.0, 2.0]), np.array([1.0, 2.0]))

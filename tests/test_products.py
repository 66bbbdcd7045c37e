"""Products whose sums no number of threads changes: their values, their gradients, and who uses them."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from gatewise import autodiff, initializers, ops, products
from gatewise.variable import Variable

CASES = [
    ("matmul", (3,), (3,)), ("matmul", (3,), (3, 4)), ("matmul", (2, 3), (3,)), ("matmul", (2, 3), (3, 4)),
    ("matmul", (5, 2, 3), (3, 4)), ("matmul", (5, 2, 3), (5, 3, 4)), ("matmul", (5, 2, 3), (1, 3, 4)),
    ("matmul", (2, 3), (5, 3, 4)), ("matmul", (6, 5, 2, 3), (5, 3, 4)), ("matmul", (3,), (5, 3, 4)),
    ("matmul", (5, 2, 3), (3,)), ("matmul", (0, 3), (3, 2)), ("matmul", (2, 0), (0, 3)), ("matmul", (4, 2, 0), (0, 3)),
    ("matmul", (0, 2, 3), (3, 4)), ("matmul", (0, 4, 3), (0, 3, 2)),
    ("dot", (2, 3), (5, 3, 4)), ("dot", (3,), (3,)), ("dot", (2, 5, 3), (3,)),
    ("inner", (2, 3), (4, 5, 3)), ("inner", (3,), (3,)),
    ("tensordot", (2, 3, 4), (3, 4, 5)), ("tensordot", (2, 3, 4), (5, 3, 2), ([0, 1], [2, 1])),
    ("tensordot", (2, 3), (4,), 0), ("tensordot", (2, 3, 4), (4, 2), ([2], [0])),
    ("tensordot", (2, 3, 4), (4, 2), (-1, 0)),
]  # fmt: skip


@pytest.mark.parametrize("name, a, b, axes", [(*case, *[None] * (4 - len(case))) for case in CASES])
def test_values_and_gradients(name, a, b, axes):
    draw = np.random.default_rng(0)
    a, b = draw.standard_normal(a), draw.standard_normal(b)
    axes, numpys = ([] if axes is None else [axes]), getattr(np, name)
    y, back = products.FORWARDS[name](a, b, *axes)
    expected = numpys(a, b, *axes)
    assert np.shape(y) == np.shape(expected)
    np.testing.assert_allclose(y, expected, rtol=1e-13, atol=1e-13)
    dy = draw.standard_normal(np.shape(y))
    da, db = back(dy)
    assert da.shape == a.shape and db.shape == b.shape
    ea, eb = 1e-6 * draw.standard_normal(a.shape), 1e-6 * draw.standard_normal(b.shape)
    change = ((numpys(a + ea, b + eb, *axes) - numpys(a - ea, b - eb, *axes)) * dy).sum() / 2
    assert (da * ea).sum() + (db * eb).sum() == pytest.approx(change, rel=1e-6, abs=1e-15)


def test_what_the_kernels_do_not_know_is_numpys():
    for a, b in [(np.ones((2, 3), int), np.ones((3, 2), int)), (np.ones((2, 3), "float32"), np.ones((3, 2)))]:
        np.testing.assert_array_equal(products.matmul(a, b), a @ b)
    with pytest.raises(ValueError, match="mismatch"):
        products.matmul(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="different sizes"):
        ops.tensordot(np.ones((2, 3)), np.ones((2, 3)), 1)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (33, 33), (100, 70), (160, 160)])
def test_an_orthonormal_basis_is_that_of_the_qr_decomposition(shape):
    a = np.random.default_rng(1).standard_normal(shape)
    q, (expected, r) = products.orthonormal(a), np.linalg.qr(a)
    np.testing.assert_allclose(q, expected * np.where(np.diagonal(r) < 0, -1, 1), atol=1e-12)
    np.testing.assert_allclose(q.T @ q, np.eye(shape[1]), atol=4e-15)


USES = {
    "ops.matmul": lambda x, w: ops.matmul(x, w),
    "ops.dot": lambda x, w: ops.dot(x, w),
    "ops.inner": lambda x, w: ops.inner(x, ops.transpose(w)),
    "ops.tensordot": lambda x, w: ops.tensordot(x, w, 1),
    "@": lambda x, w: x @ w,
    "np.matmul": lambda x, w: np.matmul(x, w),
    "np.dot": lambda x, w: np.dot(x, w),
    "np.tensordot": lambda x, w: np.tensordot(x, w, 1),
}


@pytest.mark.parametrize("use", USES)
def test_users_products_are_the_kernels_while_a_model_is_trained(use, monkeypatch):
    used = []
    own = products.kernels.matmul
    monkeypatch.setattr(products.kernels, "matmul", lambda *a: used.append(1) or own(*a))
    x, w = np.random.default_rng(0).standard_normal((2, 4, 4)).astype("float32")
    y, back = autodiff.vjp(USES[use], x, w)
    assert len(used) == 1
    dx, dw = back(np.ones_like(y))
    assert len(used) == 3
    np.testing.assert_allclose(y, x @ w, rtol=1e-5)
    np.testing.assert_allclose(dx, np.ones_like(y) @ w.T, rtol=1e-5)
    np.testing.assert_allclose(dw, x.T @ np.ones_like(y), rtol=1e-5)


def test_products_with_a_variable_outside_of_training(monkeypatch):
    used = []
    own = products.kernels.matmul
    monkeypatch.setattr(products.kernels, "matmul", lambda *a: used.append(1) or own(*a))
    x, w = np.ones((2, 3), "float32"), Variable(np.ones((3, 2), "float32"))
    for y in (x @ w, w @ x, np.matmul(x, w), ops.matmul(x, w)):
        assert (y == y.flat[0]).all() and y.flat[0] in (2, 3)
    assert len(used) == 4


def test_autograd_elsewhere_in_the_program_multiplies_as_before(monkeypatch):
    import autograd

    autodiff.vjp(lambda x: x @ x, np.ones((2, 2)))
    monkeypatch.setattr(products.kernels, "matmul", None)
    gradient = autograd.grad(lambda x: (x @ x).sum())(np.ones((2, 2)))
    np.testing.assert_array_equal(gradient, np.full((2, 2), 4.0))


def test_the_default_recurrent_weights_do_not_depend_on_the_threads_of_numpy():
    script = """
        import hashlib, gatewise
        gatewise.utils.set_random_seed(0)
        values = gatewise.initializers.Orthogonal()((200, 300), "float64")
        print(hashlib.sha256(values.tobytes()).hexdigest())
    """
    found = {
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": n, "OMP_NUM_THREADS": n, "MKL_NUM_THREADS": n},
        ).stdout
        for n in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1
    assert initializers.Orthogonal(seed=1)((3, 5)).dtype == "float32"

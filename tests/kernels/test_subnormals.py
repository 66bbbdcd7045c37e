"""Numbers below the normal ones count as zero in every kernel, on every thread, and nowhere else."""

import numpy as np
import pytest
from problems import problem

from gatewise import kernels

BELOW = {"float32": np.float32(1e-39), "float64": np.float64(1e-310)}


@pytest.mark.parametrize("dtype", BELOW)
def test_subnormal_numbers_count_as_zero_and_are_never_results(instruction_set, dtype, threads):
    tiny = BELOW[dtype]
    least = np.finfo(dtype).tiny
    rows, depth, columns = 200, 60, 300  # work for two threads
    a = np.full((rows, depth), tiny)
    b = np.ones((depth, columns), dtype)
    small = np.full((rows, depth), least, dtype)
    for count in (1, 2):
        threads(count)
        assert not kernels.matmul(a, b).any()
        assert not kernels.matmul(small, np.full((depth, columns), 0.001, dtype)).any()
        assert np.all(kernels.matmul(small, b) >= least)
        assert not kernels.activation_backward("tanh", a, y=np.zeros_like(a)).any()


def test_the_caller_s_arithmetic_is_as_it_was(threads):
    threads(2)
    p = problem(40, 12, 30, 64, "float32")  # long enough to let other Python threads run
    for _ in range(3):
        p.backward(kernels, p.forward(kernels))
        kernels.matmul(p.W, p.U.T)
        product = np.float32(1e-30) * np.full(100, 1e-10, "float32")
        assert np.all(product > 0) and np.all(product < np.finfo("float32").tiny)
    with pytest.raises(ValueError):
        kernels.matmul(p.W, p.U[:3])
    assert np.float32(1e-30) * np.float32(1e-10) > 0


@pytest.mark.parametrize("dtype", BELOW)
def test_gradients_that_vanish_end_in_zero_and_do_not_depend_on_threads(dtype, threads):
    p = problem(14, 700, 3, 24, dtype)
    p.dh[:] = p.dh_T[:] = p.dc_T[:] = 0
    p.dh[:, -1] = 1
    found = []
    for count in (1, 2, 3):
        threads(count)
        found.append(p.backward(kernels, p.forward(kernels)))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    dx = np.abs(found[0][0])
    assert not np.any((dx > 0) & (dx < np.finfo(dtype).tiny))
    assert dx[:, -1].all()

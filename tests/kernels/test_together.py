"""Recurrences that run at the same time: the bits of one after the other, and whatever the calls may do besides."""

import functools
import threading

import numpy as np
import one_state_problems as one_state
import pytest
from problems import problem
from variant_problems import variant_problem

from gatewise import kernels

# Of (N, T, F, H): too little for a second thread, one row, some rows, an odd size, weights beyond a core's cache.
SIZES = [(1, 1, 1, 1), (1, 90, 20, 48), (5, 70, 3, 33), (33, 31, 7, 30), (2, 4, 30, 420)]


def made(family, *sizes, **options):
    if family == "LSTM":
        return problem(*sizes, **options)
    if family == "variant":
        return variant_problem(*sizes, layer_norm=True, peephole=True, **options)
    return one_state.problem(family, *sizes, **options)


def there_and_back(p):
    """Everything that both ways of a problem compute."""
    tape = p.forward(kernels)
    return [a for a in (*tape, *p.backward(kernels, tape)) if a is not None]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("family", ["LSTM", "variant", *one_state.FAMILIES])
def test_results_are_those_of_one_after_the_other(instruction_set, family, dtype, threads):
    for sizes in SIZES:
        ahead, behind = made(family, *sizes, dtype=dtype), made(family, *sizes, dtype=dtype)
        behind.x = ahead.x[:, ::-1]
        threads(1)
        tapes = ahead.forward(kernels), behind.forward(kernels)
        expected = there_and_back(ahead), there_and_back(behind)
        for count in (1, 2, 3):
            threads(count)
            for _ in range(3):
                found = kernels.together((lambda: there_and_back(ahead), lambda: there_and_back(behind)))  # noqa: B023
                assert_same(found[0], expected[0]), assert_same(found[1], expected[1])
            ways = [functools.partial(p.backward, kernels, t) for p, t in zip((ahead, behind), tapes, strict=True)]
            for gradients, both in zip(kernels.together(tuple(ways)), expected, strict=True):
                gradients = [g for g in gradients if g is not None]
                assert_same(gradients, both[-len(gradients) :])


def test_any_number_of_calls_of_any_size(threads):
    threads(3)
    problems = [problem(n, 40, 10, 20 + 9 * n, "float32") for n in range(1, 6)]
    expected = [there_and_back(p) for p in problems]
    for count in range(6):
        calls = tuple(functools.partial(there_and_back, p) for p in problems[:count])
        for found, wanted in zip(kernels.together(calls), expected, strict=False):
            assert_same(found, wanted)


def test_calls_may_run_no_kernel_or_others_of_their_own(threads):
    threads(2)
    p = problem(2, 80, 20, 48, "float32")
    expected = there_and_back(p)
    weights = kernels.pack_lstm(p.W, p.U, p.b)

    def predicted():
        return kernels.lstm_predict(p.x, p.h0, p.c0, kernels.pack_lstm(p.W, p.U, p.b), sequences=True)[0]

    inner = lambda: kernels.together((lambda: there_and_back(p), predicted))  # noqa: E731
    found = kernels.together((lambda: 1, inner, lambda: kernels.matmul(p.W, p.U.T), predicted, lambda: weights))
    assert found[0] == 1 and found[4] is weights
    assert_same(found[1][0], expected)
    np.testing.assert_array_equal(found[1][1], expected[0])
    np.testing.assert_array_equal(found[2], kernels.matmul(p.W, p.U.T))
    np.testing.assert_array_equal(found[3], expected[0])
    assert kernels.together(()) == []


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("after", [False, True])
def test_an_error_is_that_of_the_call_and_leaves_nothing_behind(count, place, after, threads):
    threads(count)
    p = problem(2, 80, 20, 48, "float32")
    expected = there_and_back(p)

    def failing():
        if after:
            p.forward(kernels)
        raise KeyError("mine")

    calls = [lambda: there_and_back(p)] * 3
    calls[place] = failing
    with pytest.raises(KeyError, match="mine"):
        kernels.together(tuple(calls))
    assert_same(there_and_back(p), expected)
    with pytest.raises(ValueError, match="lstm_forward"):
        kernels.together((lambda: kernels.lstm_forward(p.x[:, :, :1], None, None, p.W, p.U, p.b), calls[place - 1]))
    assert_same(kernels.together((lambda: there_and_back(p),) * 2)[1], expected)


def test_python_threads_do_not_meet(threads):
    threads(2)
    problems = [problem(3, 60, 20, 40 + 8 * i, "float32") for i in range(3)]
    expected = [there_and_back(p) for p in problems]
    wrong = []

    def work(i):
        for _ in range(20):
            for found in kernels.together((functools.partial(there_and_back, problems[i]),) * 2):
                if not all(np.array_equal(a, b) for a, b in zip(found, expected[i], strict=True)):
                    wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong

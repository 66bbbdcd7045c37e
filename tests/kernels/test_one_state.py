"""The compiled GRU (both kinds) and SimpleRNN against their NumPy twins, on every instruction set."""

import itertools

import numpy as np
import pytest
from one_state_problems import FAMILIES, problem
from problems import GRADIENTS, OUTPUTS, assert_results_close, dropout, random_mask

from gatewise import kernels
from gatewise.kernels import reference

SIZES = list(itertools.product([1, 3, 7, 14], [1, 4], [1, 5, 20], [1, 6, 33]))
LARGER = [(40, 3, 10, 70), (13, 9, 70, 130), (2, 11, 30, 100), (1, 30, 3, 65), (64, 5, 33, 17), (5, 3, 8, 300)]

pytestmark = pytest.mark.parametrize("family", FAMILIES)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def compare(p, dtype):
    """Outputs and gradients of a problem, against the twin computing in float64."""
    wide = p.in_float64()
    tape, expected = p.forward(kernels), wide.forward(reference)
    assert all(a.dtype == dtype for a in tape if a is not None)
    assert_results_close(tape[:-1], expected[:-1], OUTPUTS[dtype])
    assert_results_close(p.backward(kernels, tape), wide.backward(reference, expected), GRADIENTS[dtype])
    return tape


def same(results, others):
    """Whether all arrays are equal to the last bit."""
    return all(np.array_equal(a, b) for a, b in zip(results, others, strict=True) if a is not None)


@both_dtypes
def test_sizes(instruction_set, family, dtype):
    for sizes in SIZES + LARGER:
        compare(problem(family, *sizes, dtype), dtype)


@pytest.mark.parametrize("kind", ["scattered", "left", "right", "rows"])
@both_dtypes
def test_masks_hide_whatever_is_there(instruction_set, family, dtype, kind):
    for N, T, F, H in [(1, 5, 2, 3), (5, 7, 4, 18), (13, 6, 3, 5), (30, 4, 20, 40)]:
        mask = random_mask(kind, N, T)
        p = problem(family, N, T, F, H, dtype, mask=mask)
        p.x[~mask] = np.nan
        tape = compare(p, dtype)
        before = np.concatenate([p.h0[:, None], tape.h[:, :-1]], axis=1)
        assert np.array_equal(tape.h[~mask], before[~mask])
        assert all(np.isfinite(a).all() for a in tape if a is not None)


@both_dtypes
def test_dropout(instruction_set, family, dtype):
    for (N, T, F, H), masked in itertools.product([(1, 5, 2, 3), (5, 7, 4, 18), (14, 6, 20, 40)], [False, True]):
        drops = {
            "x_dropout": dropout(0.4, N, F, dtype=dtype),
            "h_dropout": dropout(0.3, N, H, dtype=dtype, seed=1),
        }
        mask = random_mask("scattered", N, T) if masked else None
        for names in [("x_dropout",), ("h_dropout",), ("x_dropout", "h_dropout")]:
            p = problem(family, N, T, F, H, dtype, mask=mask, **{name: drops[name] for name in names})
            if masked:
                p.x[~mask] = np.nan
            compare(p, dtype)


@pytest.mark.parametrize("name", kernels.ACTIVATIONS)
def test_activations(instruction_set, family, name):
    arguments = ["activation", "recurrent_activation"] if family.startswith("GRU") else ["activation"]
    for argument in arguments:
        p = problem(family, 5, 3, 3, 9, "float64", mask=random_mask("scattered", 5, 3), **{argument: name})
        for a in (p.x, p.W, p.U, p.b, p.h0):  # an exponential recurrence would run away
            a *= 0.3
        tape, expected = p.forward(kernels), p.forward(reference)
        needs_input = name in kernels.ACTIVATIONS_NEEDING_INPUT
        assert (tape[-1] is not None) == needs_input
        if needs_input:
            used = p.options["mask"]
            assert_results_close([tape[-1][used]], [expected[-1][used]], 1e-12)
        assert_results_close(tape[:-1], expected[:-1], 1e-12)
        assert_results_close(p.backward(kernels, tape), p.backward(reference, expected), 1e-11)


@both_dtypes
def test_absent_arguments(instruction_set, family, dtype):
    p = problem(family, 5, 4, 3, 18, dtype, state=False, bias=False)
    compare(p, dtype)
    for absent in ("dh", "dh_T"):
        fewer = problem(family, 5, 4, 3, 18, dtype)
        setattr(fewer, absent, None)
        compare(fewer, dtype)


def test_only_what_is_wanted_is_returned(family):
    p = problem(family, 5, 4, 3, 18)
    tape = p.forward(kernels)
    everything = p.backward(kernels, tape)
    for wants in itertools.product([False, True], repeat=5):
        for wanted, result, full in zip(wants, p.backward(kernels, tape, wants=wants), everything, strict=True):
            assert (result is not None) == wanted
            assert result is None or np.array_equal(result, full)


@both_dtypes
def test_prediction_is_the_forward_pass(instruction_set, family, dtype):
    for N, T, F, H in [(1, 1, 1, 1), (1, 9, 3, 40), (4, 5, 3, 17), (15, 4, 9, 70)]:
        p = problem(family, N, T, F, H, dtype, mask=random_mask("scattered", N, T))
        p.x[~p.options["mask"]] = np.nan
        packed = p.pack(kernels)
        assert (packed.features, packed.units) == (F, H)
        tape = p.forward(kernels)
        h, h_T = p.predict(kernels, packed, sequences=True)
        assert np.array_equal(h, tape.h) and np.array_equal(h_T, tape.h[:, -1])
        only_last = p.predict(kernels, packed)
        assert only_last[0] is None and np.array_equal(only_last[1], h_T)


@both_dtypes
def test_steps_one_by_one_are_the_whole_sequence(instruction_set, family, dtype):
    """To the last bit, with the state carried from call to call: streams depend on it."""
    for N, T, F, H in [(1, 6, 3, 40), (5, 4, 20, 70), (14, 5, 9, 17)]:
        p = problem(family, N, T, F, H, dtype, mask=random_mask("scattered", N, T))
        packed = p.pack(kernels)
        whole, x, mask = p.predict(kernels, packed, sequences=True)[0], p.x, p.options["mask"]
        for t in range(T):
            p.x, p.options["mask"] = x[:, t : t + 1], mask[:, t : t + 1]
            p.h0 = p.predict(kernels, packed)[1]
            assert np.array_equal(p.h0, whole[:, t])


def softmax(x):
    """A pair function that no name stands for, and that is not elementwise."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    y = e / e.sum(axis=-1, keepdims=True)
    return y, lambda dy: y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def weighted_sum(p):
    """The scalar whose gradients the backward pass gives."""
    h = p.forward(reference).h
    return np.sum(h * p.dh) + np.sum(h[:, -1] * p.dh_T)


def central_differences(p, name):
    """d weighted_sum / d p.name, one element after the other."""
    a = getattr(p, name)
    gradient, step = np.zeros_like(a), 1e-6
    for index in np.ndindex(a.shape):
        kept = a[index]
        a[index] = kept + step
        above = weighted_sum(p)
        a[index] = kept - step
        gradient[index] = (above - weighted_sum(p)) / (2 * step)
        a[index] = kept
    return gradient


VARIANTS = {
    "plain": {},
    "masked": {"mask": random_mask("scattered", 3, 4)},
    "all masked": {"mask": random_mask("rows", 3, 4)},
    "dropout": {"x_dropout": dropout(0.3, 3, 2), "h_dropout": dropout(0.3, 3, 5, seed=1)},
    "both": {"mask": random_mask("left", 3, 4), "h_dropout": dropout(0.3, 3, 5, seed=1)},
    "softmax": {"activation": softmax, "mask": random_mask("right", 3, 4)},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_of_the_twin_are_central_differences(family, variant):
    p = problem(family, 3, 4, 2, 5, **VARIANTS[variant])
    gradients = p.backward(reference, p.forward(reference))
    wanted = [central_differences(p, name) for name in ("x", "h0", "W", "U", "b")]
    assert_results_close(gradients, wanted, 1e-8)


def test_any_strides(family):
    p = problem(family, 6, 5, 4, 18)
    padded = np.random.default_rng(0).normal(size=(6, 5, 8))
    views = [
        p.x[:, ::-1],
        p.x[::-1],
        np.ascontiguousarray(p.x.swapaxes(0, 1)).swapaxes(0, 1),
        padded[:, :, 2:6],
        padded[:, :, ::2],
        np.broadcast_to(p.x[:1], p.x.shape),
        np.asfortranarray(p.x),
    ]
    backwards = np.random.default_rng(1).normal(size=(5, 6, 18)).swapaxes(0, 1)[:, ::-1]
    for view in views:
        view.flags.writeable = False
        p.x, p.dh = view, backwards
        tape = p.forward(kernels)
        results = p.backward(kernels, tape)
        p.x, p.dh = np.ascontiguousarray(view), np.ascontiguousarray(backwards)
        assert same(tape, p.forward(kernels))
        assert same(results, p.backward(kernels, tape))


def test_weights_in_a_larger_buffer(family):
    p = problem(family, 6, 5, 4, 18)
    tape = p.forward(kernels)
    for name in ("W", "U", "b"):
        a = getattr(p, name)
        wide = np.zeros((*a.shape[:-1], a.shape[-1] + 3))
        wide[..., 3:] = a
        setattr(p, name, wide[..., 3:])
    assert np.array_equal(p.forward(kernels).h, tape.h)
    assert np.array_equal(p.predict(kernels, p.pack(kernels), sequences=True)[0], tape.h)


@pytest.mark.parametrize("sizes", [(1, 40, 100, 300), (3, 20, 60, 200), (16, 10, 70, 130), (37, 12, 64, 96)])
@both_dtypes
def test_the_number_of_threads_changes_nothing(sizes, family, dtype, threads):
    N, T, F, H = sizes
    drops = {
        "x_dropout": dropout(0.2, N, F, dtype=dtype),
        "h_dropout": dropout(0.2, N, H, dtype=dtype),
        "mask": random_mask("right", N, T),
    }
    for options in [{}, drops]:
        p = problem(family, *sizes, dtype, **options)
        results = []
        for count in (1, 2, 3, 4):
            threads(count)
            tape = p.forward(kernels)
            results.append([*tape, *p.backward(kernels, tape)])
        assert all(same(results[0], other) for other in results[1:])


def test_a_sequence_is_the_same_alone_and_in_a_batch(instruction_set, family):
    """Each element is summed in one order, wherever tiles and threads begin."""
    p = problem(family, 17, 6, 9, 40, "float32")
    x, h0, tape = p.x, p.h0, p.forward(kernels)
    for n in (0, 5, 16):
        p.x, p.h0 = x[n : n + 1], h0[n : n + 1]
        assert np.array_equal(p.forward(kernels).h[0], tape.h[n])


def test_no_sequences(family):
    p = problem(family, 0, 4, 3, 5)
    tape = p.forward(kernels)
    assert tape.h.shape == (0, 4, 5)
    dx, dh0, dW, dU, db = p.backward(kernels, tape)
    assert dx.shape == (0, 4, 3) and dh0.shape == (0, 5)
    assert not dW.any() and not dU.any() and not db.any()
    assert p.predict(kernels, p.pack(kernels))[1].shape == (0, 5)


BAD_VALUES = [
    ("x", None, TypeError, "x must be a NumPy array of float32 or float64, got None"),
    ("x", np.zeros((4, 2), "f4"), ValueError, r"x has shape \(4, 2\), expected \(N, T, F\)"),
    ("x", np.zeros((3, 0, 2), "f4"), ValueError, "x has no time steps"),
    ("x", np.zeros((3, 4, 1), "f4"), ValueError, "W has shape"),
    ("h0", np.zeros((2, 5), "f4"), ValueError, r"h0 has shape \(2, 5\), expected \(N, H\) = \(3, 5\)"),
    ("h0", np.zeros((3, 5)), TypeError, "h0 is float64 but x is float32"),
    ("U", np.zeros((4, 7), "f4"), ValueError, r"U has shape \(4, 7\), expected \(H, 3?H\)"),
    ("b", np.zeros((3,), "f4"), ValueError, r"b has shape \(3,\), expected"),
    ("b", np.zeros((1, 15), "f4"), ValueError, r"b has shape \(1, 15\), expected"),
]


@pytest.mark.parametrize("name, value, error, message", BAD_VALUES)
def test_bad_arguments(family, name, value, error, message):
    p = problem(family, 3, 4, 2, 5, "float32")
    setattr(p, name, value)
    with pytest.raises(error, match=f"{p.prefix}_forward: {message}"):
        p.forward(kernels)


def test_bad_options(family):
    for options, error, message in [
        ({"mask": np.ones((3, 4))}, TypeError, "mask must be a bool array, got float64"),
        ({"mask": np.ones((3, 5), bool)}, ValueError, "mask has shape"),
        ({"x_dropout": np.ones((3, 3), "f4")}, ValueError, r"expected \(N, F\)"),
        ({"h_dropout": np.ones((3, 3), "f4")}, ValueError, r"expected \(N, H\)"),
        ({"activation": "thanh"}, ValueError, "'thanh'"),
    ]:
        with pytest.raises(error, match=message):
            problem(family, 3, 4, 2, 5, "float32", **options).forward(kernels)


def test_bad_tapes(family):
    p = problem(family, 3, 4, 2, 5, "float32")
    tape = p.forward(kernels)
    with pytest.raises(TypeError, match="tape must be what .*_forward returned"):
        p.backward(kernels, None)
    with pytest.raises(ValueError, match="tape.h has shape"):
        p.backward(kernels, problem(family, 3, 4, 2, 6, "float32").forward(kernels))
    with pytest.raises(ValueError, match="not contiguous"):
        p.backward(kernels, tape._replace(h=p.dh[:, ::-1]))
    with pytest.raises(ValueError, match="five booleans"):
        p.backward(kernels, tape, wants=(True,))
    p.options["activation"] = "gelu"
    with pytest.raises(ValueError, match=r"needs? tape\."):
        p.backward(kernels, tape)


def test_nothing_but_packed_weights(family):
    p = problem(family, 3, 4, 2, 5, "float32")
    for weights in (None, (p.W, p.U, p.b), kernels.pack_lstm(np.zeros((2, 8), "f4"), np.zeros((2, 8), "f4"))):
        with pytest.raises(TypeError):
            p.predict(kernels, weights)
    with pytest.raises(ValueError, match="length 0"):
        p.W = p.W[:0]
        p.pack(kernels)

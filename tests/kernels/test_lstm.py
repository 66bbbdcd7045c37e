"""The compiled LSTM against its NumPy twin, on every instruction set."""

import itertools

import numpy as np
import pytest
from problems import GRADIENTS, OUTPUTS, assert_results_close, dropout, problem, random_mask

from gatewise import kernels
from gatewise.kernels import reference

SIZES = list(itertools.product([1, 3, 7, 14], [1, 4], [1, 5, 20], [1, 6, 33]))
LARGER = [(40, 3, 10, 70), (13, 9, 70, 130), (2, 11, 30, 100), (1, 30, 3, 65), (64, 5, 33, 17)]


def compare(p, dtype):
    """Outputs and gradients of a problem, against the twin computing in float64."""
    wide = p.in_float64()
    tape, expected = p.forward(kernels), wide.forward(reference)
    assert all(a.dtype == dtype for a in tape if a is not None)
    assert_results_close(tape[:3], expected[:3], OUTPUTS[dtype])
    assert_results_close(p.backward(kernels, tape), wide.backward(reference, expected), GRADIENTS[dtype])
    return tape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sizes(instruction_set, dtype):
    for sizes in SIZES + LARGER:
        compare(problem(*sizes, dtype), dtype)


@pytest.mark.parametrize("kind", ["scattered", "left", "right", "rows"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masks_hide_whatever_is_there(instruction_set, dtype, kind):
    for N, T, F, H in [(1, 5, 2, 3), (5, 7, 4, 18), (13, 6, 3, 5), (30, 4, 20, 40)]:
        mask = random_mask(kind, N, T)
        p = problem(N, T, F, H, dtype, mask=mask)
        p.x[~mask] = np.nan
        tape = compare(p, dtype)
        before = np.concatenate([p.h0[:, None], tape.h[:, :-1]], axis=1)
        assert np.array_equal(tape.h[~mask], before[~mask])
        assert np.isfinite(tape.gates).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout(instruction_set, dtype):
    for (N, T, F, H), masked in itertools.product([(1, 5, 2, 3), (5, 7, 4, 18), (14, 6, 20, 40)], [False, True]):
        drops = {
            "x_dropout": dropout(0.4, N, F, dtype=dtype),
            "h_dropout": dropout(0.3, N, H, dtype=dtype, seed=1),
        }
        mask = random_mask("scattered", N, T) if masked else None
        for names in [("x_dropout",), ("h_dropout",), ("x_dropout", "h_dropout")]:
            p = problem(N, T, F, H, dtype, mask=mask, **{name: drops[name] for name in names})
            if masked:
                p.x[~mask] = np.nan
            compare(p, dtype)


@pytest.mark.parametrize("name", kernels.ACTIVATIONS)
def test_activations(instruction_set, name):
    for options in [{"activation": name}, {"recurrent_activation": name}]:
        p = problem(5, 3, 3, 9, "float64", **options)
        for a in (p.x, p.W, p.U, p.b, p.h0, p.c0):  # an exponential recurrence would run away
            a *= 0.3
        wide = p.in_float64()
        tape, expected = p.forward(kernels), wide.forward(reference)
        needs_input = name in kernels.ACTIVATIONS_NEEDING_INPUT
        assert (tape.z is not None) == needs_input
        if needs_input:
            assert_results_close([tape.z], [expected.z], 1e-12)
        assert_results_close(tape[:3], expected[:3], 1e-12)
        assert_results_close(p.backward(kernels, tape), wide.backward(reference, expected), 1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_absent_arguments(instruction_set, dtype):
    p = problem(5, 4, 3, 18, dtype, states=False, bias=False)
    compare(p, dtype)
    tape, wide = p.forward(kernels), p.in_float64()
    expected = wide.forward(reference)
    for absent in itertools.combinations(["dh", "dh_T", "dc_T"], 2):
        fewer, fewer_wide = problem(5, 4, 3, 18, dtype, states=False, bias=False), p.in_float64()
        for name in absent:
            setattr(fewer, name, None)
            setattr(fewer_wide, name, None)
        results = fewer.backward(kernels, tape), fewer_wide.backward(reference, expected)
        assert_results_close(*results, GRADIENTS[dtype])


def test_gradients_of_cell_states(instruction_set):
    p = problem(5, 4, 3, 18)
    p.dc = np.random.default_rng(5).normal(size=p.dh.shape)
    compare(p, "float64")


def test_only_what_is_wanted_is_returned():
    p = problem(5, 4, 3, 18)
    tape = p.forward(kernels)
    everything = p.backward(kernels, tape)
    for wants in itertools.product([False, True], repeat=5):
        given = [wants[0], wants[1], wants[1], *wants[2:]]
        results = p.backward(kernels, tape, wants=wants)
        for wanted, result, full in zip(given, results, everything, strict=True):
            assert (result is not None) == wanted
            assert result is None or np.array_equal(result, full)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_prediction_is_the_forward_pass(instruction_set, dtype):
    for N, T, F, H in [(1, 1, 1, 1), (1, 9, 3, 40), (4, 5, 3, 17), (15, 4, 9, 70)]:
        p = problem(N, T, F, H, dtype, mask=random_mask("scattered", N, T))
        p.x[~p.options["mask"]] = np.nan
        packed = kernels.pack_lstm(p.W, p.U, p.b)
        assert (packed.features, packed.units) == (F, H)
        tape = p.forward(kernels)
        h, h_T, c_T = kernels.lstm_predict(p.x, p.h0, p.c0, packed, p.options["mask"], sequences=True)
        assert np.array_equal(h, tape.h)
        assert np.array_equal(h_T, tape.h[:, -1]) and np.array_equal(c_T, tape.c[:, -1])
        only_last = kernels.lstm_predict(p.x, p.h0, p.c0, packed, p.options["mask"])
        assert only_last[0] is None and np.array_equal(only_last[1], h_T)


def test_any_strides():
    p = problem(6, 5, 4, 18)
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
        packed_x, packed_dh = np.ascontiguousarray(view), np.ascontiguousarray(backwards)
        tape = kernels.lstm_forward(view, p.h0, p.c0, p.W, p.U, p.b)
        expected = kernels.lstm_forward(packed_x, p.h0, p.c0, p.W, p.U, p.b)
        assert all(np.array_equal(a, b) for a, b in zip(tape[:3], expected[:3], strict=True))
        results = kernels.lstm_backward(tape, view, p.h0, p.c0, p.W, p.U, backwards)
        wanted = kernels.lstm_backward(tape, packed_x, p.h0, p.c0, p.W, p.U, packed_dh)
        assert all(np.array_equal(a, b) for a, b in zip(results, wanted, strict=True))


def test_weights_in_a_larger_buffer():
    p = problem(6, 5, 4, 18)
    wide = [np.zeros((a.shape[0], a.shape[1] + 3)) for a in (p.W, p.U)]
    for buffer, a in zip(wide, (p.W, p.U), strict=True):
        buffer[:, 3:] = a
    tape = kernels.lstm_forward(p.x, p.h0, p.c0, wide[0][:, 3:], wide[1][:, 3:], p.b)
    assert np.array_equal(tape.h, p.forward(kernels).h)


@pytest.mark.parametrize("sizes", [(1, 40, 100, 300), (3, 20, 60, 200), (16, 10, 70, 130), (37, 12, 64, 96)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_number_of_threads_changes_nothing(sizes, dtype, threads):
    N, T, F, H = sizes
    drops = {
        "x_dropout": dropout(0.2, N, F, dtype=dtype),
        "h_dropout": dropout(0.2, N, H, dtype=dtype),
        "mask": random_mask("right", N, T),
    }
    for options in [{}, drops]:
        p = problem(*sizes, dtype, **options)
        results = []
        for count in (1, 2, 3, 4):
            threads(count)
            tape = p.forward(kernels)
            results.append([*tape[:3], *p.backward(kernels, tape)])
        for other in results[1:]:
            assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_a_sequence_is_the_same_alone_and_in_a_batch(instruction_set):
    """Each element is summed in one order, wherever tiles and threads begin."""
    p = problem(17, 6, 9, 40, "float32")
    tape = p.forward(kernels)
    for n in (0, 5, 16):
        alone = kernels.lstm_forward(p.x[n : n + 1], p.h0[n : n + 1], p.c0[n : n + 1], p.W, p.U, p.b)
        assert np.array_equal(alone.h[0], tape.h[n])


def test_no_sequences():
    p = problem(0, 4, 3, 5)
    tape = p.forward(kernels)
    assert tape.h.shape == (0, 4, 5) and tape.gates.shape == (0, 4, 4, 5)
    dx, dh0, dc0, dW, dU, db = p.backward(kernels, tape)
    assert dx.shape == (0, 4, 3) and dh0.shape == dc0.shape == (0, 5)
    assert not dW.any() and not dU.any() and not db.any()
    assert kernels.lstm_predict(p.x, None, None, kernels.pack_lstm(p.W, p.U))[1].shape == (0, 5)

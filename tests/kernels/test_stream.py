"""StreamSteps: a chain of layers step by step computes what the kernels compute for whole sequences, bit for bit."""

import numpy as np
import pytest

from gatewise import kernels
from gatewise.kernels import StreamSteps

GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}


class Clock:
    stamp = 0


class Weight:
    """What a stream watches: stamps that change when a weight is written to."""

    def __init__(self):
        self._clock = Clock()


def numbers(rng, *shape, dtype="float32"):
    return rng.normal(size=shape).astype(dtype)


def packed(rng, kind, F, H, dtype, reset_after):
    G = GATES[kind]
    W, U, b = (
        numbers(rng, F, G * H, dtype=dtype),
        numbers(rng, H, G * H, dtype=dtype) / H,
        numbers(rng, G * H, dtype=dtype),
    )
    if kind == "gru":
        return kernels.pack_gru(W, U, np.stack([b, b / 2]) if reset_after else b, reset_after)
    return (kernels.pack_lstm if kind == "lstm" else kernels.pack_simple_rnn)(W, U, b)


def predicted(kind, x, weights, mask):
    if kind == "lstm":
        return kernels.lstm_predict(x, None, None, weights, mask, "tanh", "sigmoid", True)
    if kind == "gru":
        return kernels.gru_predict(x, None, weights, mask, "tanh", "sigmoid", True)
    return kernels.simple_rnn_predict(x, None, weights, mask, "tanh", True)


def made(batch, F, stages, weights, dtype="float32", prepare=np.ascontiguousarray, prepare_mask=lambda m: m[:, None]):
    """A chain whose weights never change."""
    return StreamSteps(batch, F, np.dtype(dtype).itemsize, stages, [], lambda: weights, prepare, prepare_mask)


def one_layer(kind, N=2, F=3, H=4, dtype="float32", rng=None, reset_after=True):
    rng = rng or np.random.default_rng(0)
    weights = packed(rng, kind, F, H, dtype, reset_after)
    states = [np.zeros((N, H), dtype) for _ in range(2 if kind == "lstm" else 1)]
    return weights, states, (kind, H, "tanh", "sigmoid", states, False)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_before", "simple_rnn"])
def test_steps_are_the_whole_sequence(instruction_set, kind, dtype, masked):
    rng, reset_after = np.random.default_rng(1), kind == "gru"
    kind = "gru" if kind == "gru_before" else kind
    for N, F, H in [(1, 1, 1), (1, 16, 32), (2, 3, 17), (7, 5, 9), (13, 2, 33)]:
        weights, states, stage = one_layer(kind, N, F, H, dtype, rng, reset_after)
        x, mask = numbers(rng, N, 6, F, dtype=dtype), rng.random((N, 6)) < 0.6 if masked else None
        h, *last = predicted(kind, x, weights, mask)
        W, b = numbers(rng, H, 3, dtype=dtype), numbers(rng, 3, dtype=dtype)
        y = kernels.matmul(h.reshape(-1, H), W, bias=b).reshape(N, 6, 3)
        alone = made(N, F, [stage], [weights], dtype)
        chain = made(N, F, [stage, ("dense", 3, "linear")], [weights, (W, b)], dtype)
        for t in range(6):
            np.testing.assert_array_equal(alone.step(x[:, t], None if mask is None else mask[:, t]), h[:, t])
        for state, expected in zip(states, last, strict=True):
            np.testing.assert_array_equal(state, expected)
            state[...] = 0
        np.testing.assert_array_equal(chain.run(x, mask), y)
        for state, expected in zip(states, last, strict=True):
            np.testing.assert_array_equal(state, expected)


def test_no_result_depends_on_the_number_of_threads(threads):
    results = []
    for count in (1, 2, 5):
        threads(count)
        weights, states, stage = one_layer("lstm", 40, 64, 200, rng=np.random.default_rng(0))
        x = numbers(np.random.default_rng(1), 40, 3, 64)
        chain = made(40, 64, [stage], [weights])
        results.append(np.stack([chain.step(x[:, t]) for t in range(3)], axis=1))
        for state in states:
            state[...] = 0
        results.append(chain.run(x))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("value", [0.0, -1.5, np.nan])
def test_masking(value):
    rng = np.random.default_rng(0)
    weights, states, stage = one_layer("gru", 3, 2, 4)
    x = numbers(rng, 3, 5, 2)
    x[0, 1], x[1, 0], x[2, 3:] = value, value, value
    x[0, 3, 0] = value
    differs = ~np.isnan(x) if np.isnan(value) else x != value
    mask = differs.any(axis=-1)
    cleared = np.where(mask[..., None], x, np.float32(0))
    expected = predicted("gru", cleared, weights, mask)[0]
    chain = made(3, 2, [("masking", value), stage], [None, weights])
    np.testing.assert_array_equal(np.stack([chain.step(x[:, t]) for t in range(5)], axis=1), expected)
    states[0][...] = 0
    np.testing.assert_array_equal(chain.run(x), expected)


def test_activations_of_dense_layers():
    rng = np.random.default_rng(0)
    W, x = numbers(rng, 3, 4), numbers(rng, 2, 3)
    for name in ("tanh", "sigmoid", "relu"):
        y = made(2, 3, [("dense", 4, name)], [(W, None)]).step(x)
        np.testing.assert_array_equal(y, kernels.activation_forward(name, kernels.matmul(x, W)))


def test_weights_are_asked_for_again_when_a_stamp_changes():
    rng, asked, variable = np.random.default_rng(0), [], Weight()
    current = [numbers(rng, 3, 4), numbers(rng, 4)]
    chain = StreamSteps(2, 3, 4, [("dense", 4, "linear")], [variable],
                        lambda: asked.append(1) or [tuple(current)], np.ascontiguousarray, lambda m: m)  # fmt: skip
    x = numbers(rng, 2, 3)
    for n in range(3):
        chain.step(x), chain.step(x)
        assert len(asked) == n + 1
        current[0] = numbers(rng, 3, 4)
        variable._clock.stamp += 1
    np.testing.assert_array_equal(chain.step(x), kernels.matmul(x, current[0], bias=current[1]))


def test_what_does_not_fit_is_prepared_or_refused():
    rng = np.random.default_rng(0)
    W, x = numbers(rng, 3, 4), numbers(rng, 2, 3)
    came = []

    def prepare(value):
        came.append(value)
        return np.ascontiguousarray(value, "float32")

    chain = made(2, 3, [("dense", 4, "linear")], [(W, None)], prepare=prepare)
    expected = kernels.matmul(x, W)
    for form in (x, x[:, None], np.repeat(x, 2, axis=0)[::2]):
        np.testing.assert_array_equal(chain.step(form), expected)
    assert came == []
    for form in (x.tolist(), np.asfortranarray(x), x.astype("float64").astype("float32")[:, ::-1][:, ::-1].tolist()):
        np.testing.assert_array_equal(chain.step(form), expected)
    assert len(came) == 3
    with pytest.raises(ValueError, match="x does not have the stream's shape and type"):
        chain.step(np.zeros((3, 3), "float32"))
    with pytest.raises(ValueError, match=r"x has shape \(2, 3\)"):
        chain.run(x)
    with pytest.raises(ValueError, match="not contiguous"):
        chain.run(np.zeros((2, 4, 3), "float32")[:, ::2])
    with pytest.raises(ValueError, match="mask has shape"):
        chain.run(np.zeros((2, 4, 3), "float32"), np.ones((2, 3), bool))
    for mask in (np.ones((3, 1), bool), np.ones((2, 2), bool), np.ones((2, 1))):
        with pytest.raises((ValueError, TypeError), match="mask"):
            made(2, 3, [("dense", 4, "linear")], [(W, None)], prepare_mask=lambda m: m).step(x, mask)


def test_stages_and_weights_that_do_not_fit_are_refused():
    weights, states, stage = one_layer("lstm")
    cases = [
        ([("gate", 3)], "there is no stage 'gate'"),
        ([("dense", 3, "swoosh")], "not an activation the kernels know"),
        ([(*stage[:4], states[:1], False)], "another number of states"),
        ([(*stage[:4], [np.zeros((3, 4), "float32")] * 2, False)], "a state does not have the stream's shape"),
        ([(*stage[:4], [np.zeros((2, 4))] * 2, False)], "a state does not have the stream's shape"),
        ([], "one feature and one layer"),
        ([("dense", 0, "linear")], "at least one"),
    ]
    for stages, message in cases:
        with pytest.raises(ValueError, match=message):
            made(2, 3, stages, [weights])
    x = np.zeros((2, 3), "float32")
    for wrong in [[], [weights, weights], [one_layer("lstm", F=4)[0]], [one_layer("lstm", dtype="float64")[0]]]:
        with pytest.raises(ValueError, match="weights"):
            made(2, 3, [stage], wrong).step(x)
    with pytest.raises((TypeError, RuntimeError)):
        made(2, 3, [stage], [one_layer("gru")[0]]).step(x)
    for wrong in [(np.zeros((4, 4), "float32"), None), (np.zeros((3, 4)), None),
                  (np.zeros((3, 4), "float32"), np.zeros(3, "float32"))]:  # fmt: skip
        with pytest.raises(ValueError, match="weights do not have"):
            made(2, 3, [("dense", 4, "linear")], [wrong]).step(x)
    for batch, features in [(0, 3), (2, 0), (-1, 3)]:
        with pytest.raises(ValueError, match="at least one"):
            made(batch, features, [("dense", 4, "linear")], [])

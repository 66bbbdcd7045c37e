"""Predictions with weights of fewer bits against their NumPy twin, on every instruction set, with VNNI and without.

A number that becomes one of 8 bits can fall on the other side of a half where an activation's last bit differs, so
whole runs are held to single steps of the same kernel, to the last bit, and each step to the twin from the same states.
"""

import itertools

import numpy as np
import pytest
from problems import random_mask

from gatewise import kernels
from gatewise.kernels import _native, reference

GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}
SIZES = list(itertools.product([1, 3, 14], [1, 4], [1, 3, 6, 21], [1, 5, 16, 33]))
LARGER = [(40, 3, 10, 70), (13, 9, 70, 130), (2, 11, 30, 100), (1, 30, 3, 65), (64, 5, 33, 17), (5, 3, 8, 300)]
OUTPUTS = 3e-6

of_every_layer = pytest.mark.parametrize("layer", GATES)
of_both_storages = pytest.mark.parametrize("storage", ["int8", "bfloat16"])


@pytest.fixture(params=[True, False], ids=["vnni", "no vnni"])
def vnni(request):
    _native.use_vnni(request.param)
    yield request.param
    _native.use_vnni(True)


class Problem:
    """Weights of a layer, narrow, and what it is given."""

    def __init__(self, layer, storage, N, T, F, H, seed=0, state=True, bias=True, **options):
        rng = np.random.default_rng([seed, N, T, F, H])

        def normal(*shape, scale=1.0):
            return (rng.normal(size=shape) * scale).astype("f4")

        G = GATES[layer]
        self.layer, self.storage, self.options = layer, storage, options
        self.x = normal(N, T, F)
        self.h0 = normal(N, H, scale=0.5) if state else None
        self.c0 = normal(N, H) if state and layer == "lstm" else None
        self.W, self.U = normal(F, G * H, scale=0.7 / np.sqrt(F)), normal(H, G * H, scale=0.7 / np.sqrt(H))
        self.b = normal(*((2, 3 * H) if layer == "gru" else (G * H,)), scale=0.5) if bias else None
        # Smaller than the largest numbers, so that some are cut off.
        self.ranges = (abs(self.x).max(axis=(0, 1)) * rng.uniform(0.5, 1.2, F)).astype("f4"), 0.9

    @property
    def weights(self):
        if self.storage == "int8":
            return reference.int8_weights(self.layer, self.W, self.U, self.b, *self.ranges)
        return reference.bfloat16_weights(self.W, self.U, self.b)

    def predict(self, room, **more):
        packed = room.pack_narrow(self.layer, self.weights)
        return room.narrow_predict(self.x, self.h0, self.c0, packed, **{**self.options, **more})


def compare(p):
    """A run against the same steps one by one, to the last bit, and each of these against the twin."""
    packed, twin = kernels.pack_narrow(p.layer, p.weights), reference.pack_narrow(p.layer, p.weights)
    options = dict(p.options)
    mask = options.pop("mask", None)
    h, h_last, c_last = kernels.narrow_predict(p.x, p.h0, p.c0, packed, mask, sequences=True, **options)
    assert all(a.dtype == np.float32 for a in (h, h_last))
    state, cell = p.h0, p.c0
    for t in range(p.x.shape[1]):
        given = p.x[:, t : t + 1], state, cell
        m = None if mask is None else mask[:, t : t + 1]
        _, expected, expected_c = reference.narrow_predict(*given, twin, m, **options)
        _, state, cell = kernels.narrow_predict(*given, packed, m, **options)
        np.testing.assert_allclose(state, expected, rtol=OUTPUTS, atol=OUTPUTS)
        if p.layer == "lstm":
            np.testing.assert_allclose(cell, expected_c, rtol=OUTPUTS, atol=OUTPUTS)
        assert np.array_equal(state, h[:, t])
    assert np.array_equal(h_last, state)
    assert (c_last is None) == (p.layer != "lstm") and (c_last is None or np.array_equal(c_last, cell))
    return h


@of_every_layer
@of_both_storages
def test_sizes(instruction_set, vnni, layer, storage):
    for sizes in SIZES + LARGER:
        compare(Problem(layer, storage, *sizes))


@of_every_layer
@of_both_storages
def test_without_states_and_bias(instruction_set, vnni, layer, storage):
    for state, bias in itertools.product([True, False], repeat=2):
        compare(Problem(layer, storage, 7, 4, 5, 18, state=state, bias=bias))


@pytest.mark.parametrize("kind", ["scattered", "left", "right", "rows"])
@of_every_layer
@of_both_storages
def test_masks_hide_whatever_is_there(instruction_set, vnni, layer, storage, kind):
    for N, T, F, H in [(1, 5, 2, 3), (5, 7, 4, 18), (13, 6, 3, 5), (30, 4, 20, 40)]:
        mask = random_mask(kind, N, T)
        p = Problem(layer, storage, N, T, F, H, mask=mask)
        p.x[~mask] = np.nan
        h = compare(p)
        before = np.concatenate([p.h0[:, None], h[:, :-1]], axis=1)
        assert np.array_equal(h[~mask], before[~mask])
        assert np.isfinite(h).all()


@pytest.mark.parametrize("name", kernels.ACTIVATIONS)
@of_every_layer
def test_activations(instruction_set, layer, name):
    for argument in ("activation", "recurrent_activation"):
        p = Problem(layer, "int8", 5, 3, 3, 9, **{argument: name})
        for a in (p.x, p.W, p.U, p.b, p.h0):  # an exponential recurrence would run away
            a *= 0.3
        compare(p)


def test_sums_are_exact(instruction_set, vnni):
    """A linear SimpleRNN's output is a sum times its scale."""
    for (N, F, H), largest in itertools.product([(1, 1, 1), (3, 5, 7), (13, 70, 33), (2, 700, 900)], [False, True]):
        p = Problem("simple_rnn", "int8", N, 1, F, H, bias=False, activation="linear")
        if largest:  # every byte as large as it can be
            p.W[...], p.U[...], p.x[...], p.h0[...] = 1, -1, 9, -9
        w = p.weights
        sums = reference.as_int8(p.x[:, 0], w.x_range) @ w.W + reference.as_int8(p.h0, w.h_range) @ w.U
        assert sums.dtype == np.int64
        assert np.array_equal(p.predict(kernels)[1], sums.astype("f4") * w.scales)


@of_every_layer
@of_both_storages
def test_nothing_depends_on_threads_or_instruction_sets(threads, layer, storage):
    for sizes, masked in itertools.product([(33, 7, 20, 70), (3, 6, 40, 300), (1, 9, 64, 512)], [False, True]):
        p = Problem(layer, storage, *sizes, mask=random_mask("right", *sizes[:2]) if masked else None)
        found = []
        for count in (1, 2, 3, 5):
            threads(count)
            found.append(p.predict(kernels, sequences=True))
        assert all(
            np.array_equal(a, b) for one in found[1:] for a, b in zip(found[0], one, strict=True) if a is not None
        )


@of_both_storages
def test_the_weights_are_the_nearest(storage):
    p = Problem("lstm", storage, 1, 1, 9, 12)
    W, U = reference.floats_of(p.weights)
    if storage == "bfloat16":
        assert abs(W / p.W - 1).max() <= 2**-8 and abs(U / p.U - 1).max() <= 2**-8
        return
    # Half a step: a column's scale, told in x and in h.
    w = p.weights
    assert (abs(W - p.W) <= 0.5001 * w.scales / (w.x_range / 127)[:, None]).all()
    assert (abs(U - p.U) <= 0.5001 * w.scales / (w.h_range / 127)).all()
    assert (np.maximum(abs(w.W).max(axis=0), abs(w.U).max(axis=0)) == 127).all()


def test_halves_round_to_even_as_a_float_of_16_bits_does():
    values = np.array([1, -1, 0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, 3e38, 1e-40], "f4")
    meant = [1, -1, 0, 1, 1 + 2**-6, 1 + 2**-7]
    bits = reference.bfloat16_weights(values[None], values[None], None)
    assert np.array_equal(reference.floats_of(bits)[0][0, :6], np.array(meant, "f4"))


@of_every_layer
def test_features_that_were_always_zero_are_not_seen(instruction_set, layer):
    p = Problem(layer, "int8", 4, 3, 5, 6)
    p.ranges[0][2] = 0
    p.ranges[0][4] = 1e-39
    before = compare(p)
    p.x[:, :, [2, 4]] = 1e30
    assert np.array_equal(compare(p), before)


def test_columns_of_zeros_stay_zeros(instruction_set):
    p = Problem("simple_rnn", "int8", 4, 3, 5, 6, bias=False, activation="linear")
    p.W[:, 2] = p.U[:, 2] = 0
    assert not compare(p)[:, :, 2].any()


def test_any_strides(instruction_set):
    p = Problem("lstm", "int8", 4, 6, 5, 9)
    expected = p.predict(kernels)[1]
    p.x = np.asfortranarray(p.x)
    assert np.array_equal(p.predict(kernels)[1], expected)
    p.x = np.ascontiguousarray(p.x[:, ::-1])[:, ::-1]
    assert np.array_equal(p.predict(kernels)[1], expected)


def test_no_sequences():
    p = Problem("gru", "int8", 2, 3, 4, 5)
    p.x, p.h0 = p.x[:0], None
    assert p.predict(kernels, sequences=True)[0].shape == (0, 3, 5)


@of_every_layer
def test_bytes(layer):
    """A quarter and a half of the floats, but for the rows of the sums."""
    F, H, G = 300, 256, GATES[layer]
    floats = 4 * G * H * (F + H)
    made = {s: kernels.pack_narrow(layer, Problem(layer, s, 1, 1, F, H).weights) for s in ("int8", "bfloat16")}
    assert floats / 4 < made["int8"].bytes < floats / 4 + 4 * (3 * 4 * H + F + 1) + 1
    assert floats / 2 < made["bfloat16"].bytes < floats / 2 + 4 * 4 * H + 1
    assert (made["int8"].layer, made["int8"].storage, made["int8"].features, made["int8"].units) == (
        layer,
        "int8",
        F,
        H,
    )


BAD_WEIGHTS = [
    ({"layer": "LSTM"}, ValueError, "layer must be one of lstm, gru, simple_rnn; got 'LSTM'"),
    ({"W": np.zeros((3, 16), "f4")}, TypeError, "W of int8 weights is int8; got float32"),
    ({"W": np.zeros((3, 15), "i1")}, ValueError, r"W has shape \(3, 15\), expected \(F, 4H\)"),
    ({"U": np.zeros((4, 12), "i1")}, ValueError, r"U has shape \(4, 12\)"),
    ({"W": np.zeros((0, 16), "i1"), "x_range": np.zeros(0, "f4")}, ValueError, "no axis of length 0"),
    ({"W": np.zeros((65533, 16), "i1")}, ValueError, "at most 65536 rows in all"),
    ({"b": np.zeros(4, "f4")}, ValueError, r"b has shape \(4,\)"),
    ({"scales": None}, TypeError, "scales must be a NumPy array"),
    ({"scales": np.ones(4, "f4")}, ValueError, r"scales has shape \(4,\)"),
    ({"x_range": np.ones(4, "f4")}, ValueError, r"x_range has shape \(4,\), expected \(F,\) = \(3,\)"),
    ({"x_range": np.array([1, np.nan, 1], "f4")}, ValueError, "x_range and h_range must be finite numbers from 0 on"),
    ({"h_range": -1.0}, ValueError, "finite numbers from 0 on"),
]


@pytest.mark.parametrize(("changes", "error", "message"), BAD_WEIGHTS)
def test_bad_weights(changes, error, message):
    weights = Problem("lstm", "int8", 1, 1, 3, 4).weights
    layer = changes.get("layer", "lstm")
    weights = weights._replace(**{name: value for name, value in changes.items() if name != "layer"})
    with pytest.raises(error, match=message):
        kernels.pack_narrow(layer, weights)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_8_bits_cannot_say(instruction_set, bad):
    p = Problem("lstm", "int8", 3, 4, 5, 6)
    p.x[1, 2, 3] = bad
    with pytest.raises(ValueError, match="x holds numbers that are not finite, which 8 bits cannot say"):
        p.predict(kernels)
    p.storage = "bfloat16"
    assert np.isfinite(p.predict(kernels)[1][[0, 2]]).all()


def test_bad_input():
    p = Problem("lstm", "int8", 3, 4, 5, 6)
    packed = kernels.pack_narrow("lstm", p.weights)
    for x, message in [
        (p.x[0], r"x has shape \(4, 5\)"),
        (p.x[:, :, :4], "x has shape"),
        (p.x[:, :0], "no time steps"),
    ]:
        with pytest.raises(ValueError, match=message):
            kernels.narrow_predict(x, None, None, packed)
    with pytest.raises(TypeError, match="x is float64 but weights"):
        kernels.narrow_predict(p.x.astype("f8"), None, None, packed)
    with pytest.raises(ValueError, match="h0 has shape"):
        kernels.narrow_predict(p.x, p.h0[:2], None, packed)

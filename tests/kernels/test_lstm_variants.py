"""The LSTM's variants: the twins against central differences, the compiled kernels against their twins."""

import itertools

import numpy as np
import pytest
from problems import GRADIENTS, OUTPUTS, assert_results_close, problem
from variant_problems import CLIPPED, variant_problem

from gatewise import kernels
from gatewise.kernels import LSTMVariantOptions, LSTMVariantWeights, reference

CHOICES = {
    "peephole": [False, True],
    "clip": [False, True],
    "outputs": [None, 4],
    "coupled": [False, True],
    "layer_norm": [False, True],
    "zoneout": [None, "rates", "drawn"],
    "mask": [None, "scattered"],
    "drop": [False, True],
}
ALL = {"peephole": True, "clip": True, "outputs": 5, "coupled": True, "layer_norm": True, "zoneout": "drawn"}
FOUR_GATES = ALL | {"coupled": False, "zoneout": "rates"}
ALONE = [{}, *({name: value} for name, values in CHOICES.items() for value in values[1:])]


def pairs_of_choices():
    """Every two choices together."""
    pairs = []
    for (a, of_a), (b, of_b) in itertools.combinations(CHOICES.items(), 2):
        for value_a, value_b in itertools.product(of_a[1:], of_b[1:]):
            pairs.append({a: value_a, b: value_b})
    return pairs


def shown(options):
    return " ".join(f"{name}={value}" for name, value in options.items()) or "plain"


def softmax(x):
    """A pair function that no name stands for, and that is not elementwise."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    y = e / e.sum(axis=-1, keepdims=True)
    return y, lambda dy: y * (dy - (dy * y).sum(axis=-1, keepdims=True))


# --- the twins -----------------------------------------------------------------------------------------------


def weighted_sum(p):
    """The scalar whose gradients lstm_variant_backward gives."""
    tape = p.forward(reference)
    states = np.sum(tape.h[:, -1] * p.dh_T) + np.sum(tape.c[:, -1] * p.dc_T)
    return np.sum(tape.h * p.dh) + np.sum(tape.c * p.dc) + states


def central_differences(p, a):
    """d weighted_sum / d a, one element after the other; a is one of p's arrays."""
    gradient, step = np.zeros_like(a), 1e-6
    for index in np.ndindex(a.shape):
        kept = a[index]
        a[index] = kept + step
        above = weighted_sum(p)
        a[index] = kept - step
        gradient[index] = (above - weighted_sum(p)) / (2 * step)
        a[index] = kept
    return gradient


def check_gradients(p):
    found = p.backward(reference, p.forward(reference))
    arrays = [p.x, p.h0, p.c0, *p.weights]
    wanted = [None if a is None else central_differences(p, a) for a in arrays]
    if p.more.get("mask") is not None:
        wanted[0] = np.where(p.more["mask"][:, :, None], wanted[0], 0)
    assert_results_close(found, wanted, 1e-8)


@pytest.mark.parametrize("options", [*ALONE, *pairs_of_choices(), ALL, FOUR_GATES], ids=shown)
def test_gradients_are_central_differences(options):
    check_gradients(variant_problem(2, 3, 2, 3, **options))


@pytest.mark.parametrize("name", ["activation", "recurrent_activation"])
def test_gradients_of_a_users_activation(name):
    check_gradients(variant_problem(2, 3, 2, 3, **FOUR_GATES, **{name: softmax}))


def test_the_gradient_is_zero_where_the_cell_is_clipped():
    p = variant_problem(4, 1, 2, 9, clip=True)
    p.dc = p.dc_T = None
    tape = p.forward(reference)
    clipped = np.abs(tape.c[:, 0]) == CLIPPED
    assert clipped.any() and not clipped.all()
    dc0 = p.backward(reference, tape)[2]
    assert not dc0[clipped].any() and dc0[~clipped].all()


def test_without_any_variant_it_is_the_lstm(instruction_set):
    plain = problem(5, 7, 4, 18, "float32")
    weights = LSTMVariantWeights(plain.W, plain.U, plain.b)
    p = variant_problem(5, 7, 4, 18, "float32")
    p.x, p.h0, p.c0, p.weights, p.dh, p.dc = plain.x, plain.h0, plain.c0, weights, plain.dh, None
    p.dh_T, p.dc_T = plain.dh_T, plain.dc_T
    tape, expected = p.forward(kernels), plain.forward(kernels)
    assert all(np.array_equal(a, b) for a, b in zip(tape[:3], expected[:3], strict=True))
    results = p.backward(kernels, tape)
    assert_results_close(results[:6], plain.backward(kernels, expected), 1e-6)
    assert results[6:] == (None,) * 6


# --- the compiled kernels ------------------------------------------------------------------------------------


def compare(p, dtype):
    """Outputs and gradients of a problem, against the twin computing in float64."""
    wide = p.in_float64()
    tape, expected = p.forward(kernels), wide.forward(reference)
    assert all(a.dtype == dtype for a in tape if a is not None)
    tapes = [(a, b) for name, a, b in zip(tape._fields, tape, expected, strict=True) if name != "z"]
    # A row whose deviation is small is magnified as much as it is small.
    slack = 20 if p.weights.kernel_gain is not None else 1
    assert_results_close([a for a, _ in tapes], [b for _, b in tapes], slack * OUTPUTS[dtype])
    limit = slack * GRADIENTS[dtype]
    assert_results_close(p.backward(kernels, tape), wide.backward(reference, expected), limit)
    return tape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [ALL, FOUR_GATES, *ALONE[1:]], ids=shown)
def test_sizes(instruction_set, options, dtype):
    sizes = itertools.product([1, 7], [1, 4], [1, 20], [1, 33])
    for N, T, F, H in [*sizes, (14, 3, 5, 6), (13, 4, 30, 70), (2, 11, 30, 100)]:
        for outputs in [1, 5, 37] if options.get("outputs") else [None]:
            compare(variant_problem(N, T, F, H, dtype, **{**options, "outputs": outputs}), dtype)


@pytest.mark.parametrize("options", pairs_of_choices(), ids=shown)
def test_pairs_of_choices(instruction_set, options):
    compare(variant_problem(5, 4, 3, 18, **options), "float64")
    compare(variant_problem(1, 6, 3, 7, "float32", **options), "float32")


@pytest.mark.parametrize("kind", ["scattered", "left", "right", "rows"])
@pytest.mark.parametrize("options", [ALL, FOUR_GATES, {"layer_norm": True}, {"outputs": 3}], ids=shown)
def test_masks_hide_whatever_is_there(instruction_set, options, kind):
    for N, T, F, H in [(1, 5, 2, 3), (5, 7, 4, 18), (13, 6, 3, 5)]:
        p = variant_problem(N, T, F, H, mask=kind, drop=True, **options)
        tape, mask = compare(p, "float64"), p.more["mask"]
        for states, first in [(tape.h, p.h0), (tape.c, p.c0)]:
            before = np.concatenate([first[:, None], states[:, :-1]], axis=1)
            assert np.array_equal(states[~mask], before[~mask])
        assert all(np.isfinite(a).all() for a in tape if a is not None)


@pytest.mark.parametrize("name", kernels.ACTIVATIONS)
def test_activations(instruction_set, name):
    for options, kind in itertools.product([ALL, FOUR_GATES, {"outputs": 5}], ["activation", "recurrent_activation"]):
        p = variant_problem(5, 3, 3, 9, **options, **{kind: name})
        for a in (p.x, p.weights.W, p.weights.U, p.weights.b, p.h0, p.c0):  # an exponential recurrence would run away
            a *= 0.3
        wide = p.in_float64()
        tape, expected = p.forward(kernels), wide.forward(reference)
        needs_input = name in kernels.ACTIVATIONS_NEEDING_INPUT
        assert (tape.z is not None) == needs_input
        if needs_input:
            assert_results_close([tape.z], [expected.z], 1e-12)
        assert_results_close(tape[:3], expected[:3], 1e-12)
        assert_results_close(p.backward(kernels, tape), wide.backward(reference, expected), 1e-11)


@pytest.mark.parametrize("options", [ALL, FOUR_GATES, {}], ids=shown)
def test_absent_arguments(instruction_set, options):
    p = variant_problem(5, 4, 3, 18, states=False, bias=False, **options)
    compare(p, "float64")
    for absent in itertools.combinations(["dh", "dh_T", "dc_T", "dc"], 3):
        fewer = variant_problem(5, 4, 3, 18, states=False, bias=False, **options)
        for name in absent:
            setattr(fewer, name, None)
        compare(fewer, "float64")


@pytest.mark.parametrize("options", [ALL, FOUR_GATES], ids=shown)
def test_only_what_is_wanted_is_returned(options):
    p = variant_problem(5, 4, 3, 18, **options)
    tape = p.forward(kernels)
    everything = p.backward(kernels, tape)
    for wanted in range(11):
        for wants in [[i == wanted for i in range(11)], [i != wanted for i in range(11)]]:
            results = p.backward(kernels, tape, wants=tuple(wants))
            given = [wants[0], wants[1], wants[1], *wants[2:]]
            for is_wanted, result, full in zip(given, results, everything, strict=True):
                assert (result is not None) == (is_wanted and full is not None)
                assert result is None or np.array_equal(result, full)


PREDICTED = [{}, {"peephole": True}, {"clip": True}, {"outputs": 5}, {"coupled": True}, {"layer_norm": True}]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [*PREDICTED, ALL | {"zoneout": "rates"}, FOUR_GATES], ids=shown)
def test_prediction_is_the_forward_pass_and_goes_step_by_step(instruction_set, options, dtype):
    for N, T, F, H in [(1, 1, 1, 1), (1, 9, 3, 40), (4, 5, 3, 17), (15, 4, 9, 70)]:
        p = variant_problem(N, T, F, H, dtype, mask="scattered", **options)
        mask, packed = p.more["mask"], kernels.pack_lstm_variant(p.weights)
        assert (packed.features, packed.units, packed.outputs) == (F, H, p.weights.U.shape[0])
        tape = p.forward(kernels)
        h, h_T, c_T = kernels.lstm_variant_predict(p.x, p.h0, p.c0, packed, p.options, mask, sequences=True)
        assert np.array_equal(h, tape.h)
        assert np.array_equal(h_T, tape.h[:, -1]) and np.array_equal(c_T, tape.c[:, -1])
        only_last = kernels.lstm_variant_predict(p.x, p.h0, p.c0, packed, p.options, mask)
        assert only_last[0] is None and np.array_equal(only_last[1], h_T)
        h_t, c_t = p.h0, p.c0
        for t in range(T):
            one = slice(t, t + 1)
            _, h_t, c_t = kernels.lstm_variant_predict(p.x[:, one], h_t, c_t, packed, p.options, mask[:, one])
            assert np.array_equal(h_t, tape.h[:, t]) and np.array_equal(c_t, tape.c[:, t])


def test_any_strides():
    for options in (ALL, FOUR_GATES):
        p = variant_problem(6, 5, 4, 18, drop=True, mask="right", **options)
        p.x = np.nan_to_num(p.x)
        expected = p.forward(kernels)
        wanted = p.backward(kernels, expected)
        views = {"x": p.x, "dh": p.dh, "dc": p.dc}
        for name, value in views.items():
            setattr(p, name, np.ascontiguousarray(value[:, ::-1].swapaxes(0, 1)).swapaxes(0, 1)[:, ::-1])
        for name in ("keep_c", "keep_h"):
            if name in p.more:
                p.more[name] = np.asfortranarray(p.more[name])
        wide = [None if a is None else np.zeros((*a.shape[:-1], a.shape[-1] + 3)) for a in p.weights]
        for buffer, a in zip(wide, p.weights, strict=True):
            if a is not None:
                buffer[..., 3:] = a
        p.weights = LSTMVariantWeights(*(None if buffer is None else buffer[..., 3:] for buffer in wide))
        tape = p.forward(kernels)
        assert all(a is b or np.array_equal(a, b) for a, b in zip(tape, expected, strict=True))
        results = p.backward(kernels, tape)
        assert all(a is b or np.array_equal(a, b) for a, b in zip(results, wanted, strict=True))


@pytest.mark.parametrize("sizes", [(1, 40, 100, 300), (3, 20, 60, 200), (16, 10, 70, 130), (37, 12, 64, 96)])
@pytest.mark.parametrize(
    "options", [ALL, FOUR_GATES, {"layer_norm": True}, {"peephole": True, "outputs": 90}], ids=shown
)
def test_the_number_of_threads_changes_nothing(sizes, options, threads):
    for more in [{}, {"mask": "right", "drop": True}]:
        p = variant_problem(*sizes, "float32", **options, **more)
        packed = kernels.pack_lstm_variant(p.weights)
        results = []
        for count in (1, 2, 3, 4):
            threads(count)
            tape = p.forward(kernels)
            predicted = kernels.lstm_variant_predict(p.x, p.h0, p.c0, packed, p.options, p.more.get("mask"))
            results.append([*tape, *p.backward(kernels, tape), *predicted])
        for other in results[1:]:
            assert all(a is b or np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("options", [ALL, FOUR_GATES], ids=shown)
def test_a_sequence_is_the_same_alone_and_in_a_batch(instruction_set, options):
    p = variant_problem(17, 6, 9, 40, "float32", **options)
    tape = p.forward(kernels)
    for n in (0, 5, 16):
        one = slice(n, n + 1)
        more = {name: value[one] for name, value in p.more.items()}
        alone = kernels.lstm_variant_forward(p.x[one], p.h0[one], p.c0[one], p.weights, p.options, **more)
        assert np.array_equal(alone.h[0], tape.h[n])


def test_no_sequences():
    p = variant_problem(0, 4, 3, 5, **ALL)
    tape = p.forward(kernels)
    assert tape.h.shape == (0, 4, 5) and tape.normal_x.shape == (0, 4, 3, 5)
    results = p.backward(kernels, tape)
    for result, like in zip(results, [p.x, p.h0, p.c0, *p.weights], strict=True):
        assert result.shape == like.shape and not result.any()


# --- bad arguments -------------------------------------------------------------------------------------------

P = variant_problem(3, 4, 2, 5, "float32", **FOUR_GATES | {"outputs": 6})
FORWARD = {"x": P.x, "h0": P.h0, "c0": P.c0, "weights": P.weights, "options": P.options}
BAD_VALUES = [
    ("weights", None, TypeError, "weights must be an LSTMVariantWeights"),
    ("weights", P.weights[:3], TypeError, "weights must be an LSTMVariantWeights"),
    ("weights", P.weights._replace(U=None), TypeError, "U must be"),
    ("weights", P.weights._replace(U=P.weights.U[:, :19]), ValueError, r"W has shape \(2, 20\)"),
    ("weights", P.weights._replace(projection=None), ValueError, r"U has 20 columns, expected 4H = 24, or 3H = 18"),
    ("weights", P.weights._replace(projection=P.weights.projection.T), ValueError, r"expected \(H, P\) = \(6, 6\)"),
    ("weights", P.weights._replace(b=P.weights.b[:3]), ValueError, "b has shape"),
    ("weights", P.weights._replace(peephole=P.weights.peephole[:2]), ValueError, r"expected \(K, H\) = \(3, 5\)"),
    ("weights", P.weights._replace(cell_gain=None), ValueError, "come together"),
    ("weights", P.weights._replace(cell_gain=P.weights.b), ValueError, "cell_gain has shape"),
    ("weights", P.weights._replace(kernel_gain=P.weights.b.astype("f8")), TypeError, "kernel_gain is float64"),
    ("options", None, TypeError, "options must be an LSTMVariantOptions"),
    ("options", ("a", 0, 0, 0), TypeError, "must be real number"),
    ("options", LSTMVariantOptions(cell_clip=0), ValueError, "cell_clip must be above 0"),
    ("options", LSTMVariantOptions(epsilon=-1), ValueError, "epsilon"),
    ("options", LSTMVariantOptions(zoneout_cell=1.1), ValueError, "zoneout must be from 0 to 1"),
    ("x", None, TypeError, "x must be"),
    ("x", P.x[:, :0], ValueError, "no time steps"),
    ("x", P.x[:, :, :1], ValueError, r"expected \(N, T, F\)"),
    ("h0", P.c0, ValueError, r"h0 has shape \(3, 5\), expected \(N, P\) = \(3, 6\)"),
    ("c0", P.h0, ValueError, r"c0 has shape \(3, 6\), expected \(N, H\) = \(3, 5\)"),
    ("mask", np.ones((3, 5), bool), ValueError, "mask has shape"),
    ("keep_c", P.dh, ValueError, r"expected \(N, T, H\)"),
    ("keep_h", P.dc, ValueError, r"expected \(N, T, P\)"),
    ("h_dropout", P.c0, ValueError, r"expected \(N, P\)"),
    ("activation", "thanh", ValueError, "'thanh'"),
]  # fmt: skip


@pytest.mark.parametrize("name, value, error, message", BAD_VALUES)
def test_bad_arguments(name, value, error, message):
    with pytest.raises(error, match=message):
        kernels.lstm_variant_forward(**FORWARD | {name: value})
    if name == "weights":
        with pytest.raises(error, match=message):
            kernels.pack_lstm_variant(value)


def test_bad_arguments_of_the_way_back():
    tape = P.forward(kernels)
    given = {**FORWARD, "tape": tape, "dh": P.dh}
    for name, value, error, message in [
        ("tape", None, TypeError, "what lstm_variant_forward returned"),
        ("tape", tape[:4], TypeError, "what lstm_variant_forward returned"),
        ("tape", tape._replace(statistics=None), ValueError, "tape.statistics is missing"),
        ("tape", tape._replace(gates=tape.normal_x[:, :, :3]), ValueError, "tape.gates has shape"),
        ("tape", tape._replace(h=tape.h[:, ::-1]), ValueError, "tape.h is not contiguous"),
        ("dh", P.dc, ValueError, "dh has shape"),
        ("wants", (True,) * 5, ValueError, "eleven booleans"),
        ("activation", "gelu", ValueError, "tape.z is missing"),
    ]:
        with pytest.raises(error, match=message):
            kernels.lstm_variant_backward(**given | {name: value})


def test_only_packed_weights_are_predicted_with():
    with pytest.raises(TypeError):
        kernels.lstm_variant_predict(P.x, None, None, P.weights, P.options)
    packed = kernels.pack_lstm_variant(P.weights)
    with pytest.raises(ValueError, match=r"x has shape \(3, 4, 1\), expected \(N, T, F\) = \(3, 4, 2\)"):
        kernels.lstm_variant_predict(P.x[:, :, :1], None, None, packed, P.options)
    with pytest.raises(TypeError):
        kernels.PackedLSTMVariant()

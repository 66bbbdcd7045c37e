"""CTC: against torch, Keras, all paths counted one by one, and central differences; masks, training, messages."""

import itertools
import json
import pathlib

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, ops
from gatewise.training import losses
from gradients import central_differences

GOLDEN = json.loads((pathlib.Path(__file__).parent / "golden" / "ctc.json").read_text(encoding="utf-8"))["cases"]
RNG = np.random.default_rng(3)
LABELS = np.array([[1, 2, 2, 0], [3, 0, 0, 0], [0, 0, 0, 0]])
LOGITS = RNG.normal(size=(3, 6, 4)) * 2


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: str(np.shape(case["y_pred"])))
def test_equals_torch_and_keras(case):
    y_true, y_pred = np.array(case["y_true"]), np.array(case["y_pred"])
    values, pullback = losses.ctc.forward(y_true, y_pred)
    np.testing.assert_allclose(values, case["torch_loss"], rtol=1e-13)
    np.testing.assert_allclose(pullback(np.ones(len(values))), case["torch_gradient"], atol=1e-12)
    single, back = losses.CTC(reduction=None).forward(y_true, y_pred.astype("float32"))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, case["keras_loss_float32"], rtol=2e-6)
    gradient = back(np.ones(len(values)))
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, case["torch_gradient"], atol=2e-6)


@pytest.mark.parametrize("labels", [[], [1], [2, 1], [1, 1], [2, 2, 1]])
def test_equals_the_sum_over_all_paths(labels):
    steps, classes = 5, 3
    logits = RNG.normal(size=(1, steps, classes))
    p = np.exp(logits[0]) / np.exp(logits[0]).sum(-1, keepdims=True)

    def read(path):
        return [k for k, _ in itertools.groupby(path) if k]

    paths = (path for path in itertools.product(range(classes), repeat=steps) if read(path) == labels)
    total = sum(np.prod(p[np.arange(steps), list(path)]) for path in paths)
    y_true = np.array([[*labels, 0, 0]])
    assert losses.ctc(y_true, logits)[0] == pytest.approx(-np.log(total), rel=1e-12)


@pytest.mark.parametrize("mask", [None, "ends", "gaps"])
def test_gradient_equals_central_differences(mask):
    logits = LOGITS.copy()
    mask = mask and np.array([[1] * 6, [1, 1, 1, 1, 0, 0] if mask == "ends" else [1, 0, 1, 1, 0, 1], [1] * 6], bool)
    loss, weight = losses.CTC("sum"), np.array([0.5, 2.0, 1.0])
    _, pullback = loss.forward(LABELS, logits, weight, mask)
    expected = central_differences(lambda: loss.forward(LABELS, logits, weight, mask)[0], logits)
    np.testing.assert_allclose(pullback(), expected, atol=1e-8)


def test_masked_steps_do_not_count():
    mask = np.arange(6) < np.array([[6], [4], [6]])
    padded = LOGITS.copy()
    padded[1, 4:] = np.nan
    value, pullback = losses.CTC(None).forward(LABELS, padded, None, mask)
    assert value[1] == pytest.approx(losses.ctc(LABELS[1:2], LOGITS[1:2, :4])[0], rel=1e-13)
    gradient = pullback(np.ones(3))
    assert np.isfinite(gradient).all()
    assert (gradient[1, 4:] == 0).all()


@pytest.mark.parametrize("loss", ["ctc", losses.CTC()])
def test_padding_reaches_no_result_of_a_model(loss):
    gw.utils.set_random_seed(0)
    x = RNG.normal(size=(3, 6, 2)).astype("float32")
    x[:, 4:] = -1
    inner = [layers.Masking(-1.0), layers.LSTM(3, return_sequences=True), layers.Dense(4)]
    model = gw.Sequential([layers.Input((6, 2)), *inner])
    model.compile("sgd", loss)
    short = gw.Sequential([layers.Input((4, 2)), *inner])
    short.compile("sgd", loss)
    assert model.evaluate(x, LABELS, verbose=0) == pytest.approx(short.evaluate(x[:, :4], LABELS, verbose=0), rel=1e-6)


def test_what_no_path_can_read_is_infinite_and_teaches_nothing():
    y_true = np.array([[1, 1, 1], [1, 2, 0]])
    values, pullback = losses.ctc.forward(y_true, LOGITS[:2, :4])
    assert np.isinf(values).tolist() == [True, False]
    gradient = pullback(np.ones(2))
    assert (gradient[0] == 0).all()
    assert (gradient[1] != 0).any()


def test_long_sequences_stay_finite():
    y_true = RNG.integers(1, 5, size=(1, 200))
    values, pullback = losses.ctc.forward(y_true, (RNG.normal(size=(1, 1000, 5)) * 20).astype("float32"))
    assert np.isfinite(values).all()
    gradient = pullback(1.0)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient.sum(-1), 0, atol=1e-4)


def test_names_and_configuration():
    assert losses.get("ctc") is losses.ctc
    assert isinstance(losses.get("CTC"), losses.CTC)
    found = losses.serialize(losses.CTC())
    assert found == {
        "module": "keras.losses",
        "class_name": "CTC",
        "config": {"name": "ctc", "reduction": "sum_over_batch_size"},
        "registered_name": None,
    }
    assert losses.serialize(losses.deserialize(found)) == found


@pytest.mark.parametrize("loss", ["ctc", losses.CTC()])
def test_a_model_learns_to_read(loss):
    gw.utils.set_random_seed(1)
    x = np.zeros((16, 8, 3), "float32")
    y = np.random.default_rng(0).integers(1, 4, size=(16, 2))
    for row, (a, b) in enumerate(y):
        x[row, 1:3, a - 1] = x[row, 5:7, b - 1] = 1
    model = gw.Sequential([layers.Input((8, 3)), layers.LSTM(12, return_sequences=True), layers.Dense(4)])
    model.compile("adam", loss)
    model.optimizer.learning_rate = 0.05
    history = model.fit(x, y, epochs=40, batch_size=16, verbose=0)
    assert history.history["loss"][-1] < 0.2 * history.history["loss"][0]


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        (LABELS, LOGITS[0], "return_sequences=True"),
        (LABELS[0], LOGITS, r"shape \(batch, labels\)"),
        (LABELS[:2], LOGITS, r"y_true has shape \(2, 4\)"),
        (LABELS - 1, LOGITS, "Label -1 in y_true"),
        (LABELS + 1, LOGITS, "Label 4 in y_true, but the output has 4 classes"),
        (LABELS + 0.5, LOGITS, "fractions"),
        (LABELS[:, ::-1], LOGITS, "A 0 before a label"),
    ],
)
def test_bad_input(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        losses.ctc(y_true, y_pred)


@pytest.mark.parametrize(
    ("y_true", "sequences", "message"),
    [
        (LABELS, False, "'dense.*': ctc wants an output of shape"),
        (LABELS[..., None], True, r"'dense.*': ctc wants labels of shape \(batch, labels\)"),
        (LABELS + 9, True, "Label 12 in y_true"),
    ],
)
def test_fit_refuses_targets(y_true, sequences, message):
    model = gw.Sequential([layers.Input((6, 2)), layers.LSTM(3, return_sequences=sequences), layers.Dense(4)])
    model.compile("sgd", "ctc")
    with pytest.raises(ValueError, match=message):
        model.fit(np.zeros((3, 6, 2)), y_true, verbose=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: ops.ctc_loss(LABELS, LOGITS[0], [1], [1]), r"outputs of shape \(batch, steps, classes\)"),
        (lambda: ops.ctc_loss(LABELS, LOGITS, [1], [6, 6, 6]), "one of target_length a sequence, 3"),
        (lambda: ops.ctc_loss(LABELS[0], LOGITS, [1, 1, 1], [6, 6, 6]), r"target of shape \(batch, labels\)"),
        (lambda: ops.ctc_loss(LABELS, LOGITS, [5, 1, 1], [6, 6, 6]), "target_length is from 0 to 4"),
        (lambda: ops.ctc_loss(LABELS, LOGITS, [1, 1, 1], [7, 6, 6]), "output_length from 0 to 6"),
        (lambda: ops.ctc_loss(LABELS + 3, LOGITS, [1, 1, 1], [6, 6, 6]), "labels from 0 to 3"),
        (lambda: ops.ctc_decode(LOGITS, [6, 6]), "one of sequence_lengths a sequence, 3"),
        (lambda: ops.ctc_decode(LOGITS, [6, 6, 6], strategy="best"), "strategy is 'greedy' or 'beam_search'"),
    ],
)
def test_operations_refuse(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_the_operation_is_the_loss():
    lengths = np.count_nonzero(LABELS, axis=-1)
    found = ops.ctc_loss(LABELS, LOGITS, lengths, np.full(3, 6))
    np.testing.assert_array_equal(found, losses.ctc(LABELS, LOGITS))


def test_a_wide_search_finds_the_likeliest_labels():
    logits = RNG.normal(size=(1, 4, 3))
    (found,), scores = ops.ctc_decode(logits, [4], strategy="beam_search", beam_width=100)
    every = [labels for size in range(5) for labels in itertools.product([1, 2], repeat=size)]
    chances = {one: -losses.ctc(np.array([[*one, 0]]), logits)[0] for one in every}
    best = max(chances, key=lambda one: chances[one])
    assert found[0].tolist() == [*best, *[-1] * (4 - len(best))]
    assert scores[0, 0] == pytest.approx(chances[best], rel=1e-12)

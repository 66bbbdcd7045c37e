"""Lists of sequences of different lengths: each gives exactly what it gives alone, on every path."""

import warnings

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, masks, optimizers
from gatewise.ragged import Ragged, from_lists

LENGTHS = [3, 5, 1, 4, 7, 5, 2]
RNG = np.random.default_rng(0)
SEQUENCES = [RNG.normal(size=(t, 2)).astype("float32") for t in LENGTHS]
TOKENS = [RNG.integers(1, 9, size=t) for t in LENGTHS]
TARGETS = RNG.normal(size=(7, 1)).astype("float32")
STEPWISE = [RNG.normal(size=(t, 1)).astype("float32") for t in LENGTHS]


def padded(sequences):
    """By hand: (N, T, ...) and the mask."""
    array = np.zeros((len(sequences), max(map(len, sequences)), *sequences[0].shape[1:]), sequences[0].dtype)
    for row, sequence in zip(array, sequences, strict=True):
        row[: len(sequence)] = sequence
    return array, np.array([[t < len(s) for t in range(array.shape[1])] for s in sequences])


def forecaster(sequences=False, rate=0.1, first=None):
    gw.utils.set_random_seed(1)
    model = gw.Sequential([*(first or []), layers.LSTM(4, return_sequences=sequences), layers.Dense(1)])
    model.compile(optimizers.SGD(rate), "mse")
    return model


def alone(model, sequences):
    return [model.predict(sequence[None])[0] for sequence in sequences]


def assert_each(found, expected):
    for y, one in zip(found, expected, strict=True):
        np.testing.assert_allclose(y[: len(one)] if one.ndim > 1 else y, one, rtol=1e-6, atol=1e-7)


# --- forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        SEQUENCES,
        tuple(SEQUENCES),
        [s.tolist() for s in SEQUENCES],
        [s.tolist() if k % 2 else s for k, s in enumerate(SEQUENCES)],
        [s.astype("float64") if k % 2 else s for k, s in enumerate(SEQUENCES)],
        np.array([*SEQUENCES, None], object)[:-1],
    ],
    ids=["list", "tuple", "nested", "mixed", "types", "objects"],
)
@pytest.mark.parametrize("sequences", [False, True])
def test_forms(given, sequences):
    layer = layers.LSTM(3, return_sequences=sequences)
    expected = [layer(s[None])[0] for s in SEQUENCES]
    y = layer(given)
    assert_each(y, expected)
    if sequences:
        np.testing.assert_array_equal(masks.mask_of(y), padded(SEQUENCES)[1])
    model = gw.Sequential([gw.Input((None, 2)), layer])
    assert_each(model(given), expected)
    assert_each(model.predict(given, batch_size=3), expected)


def test_sequences_of_one_length_are_an_array():
    same = [s[:1] for s in SEQUENCES]
    layer = layers.LSTM(3, return_sequences=True)
    y = layer(same)
    assert masks.mask_of(y) is None
    np.testing.assert_array_equal(y, layer(np.stack(same)))
    model = gw.Sequential([layer])
    np.testing.assert_array_equal(model.predict(same), y)
    model.compile("sgd", "mse")
    assert model.fit(same, [np.zeros((1, 3))] * 7, verbose=0).history["loss"]


def test_a_list_of_one_sequence():
    layer = layers.LSTM(3)
    expected = layer(SEQUENCES[1][None])
    np.testing.assert_array_equal(layer([SEQUENCES[1]]), expected)
    for model in (gw.Sequential([layer]), gw.Sequential([gw.Input((None, 2)), layer])):
        np.testing.assert_array_equal(model([SEQUENCES[1]]), expected)
        np.testing.assert_array_equal(model.predict([SEQUENCES[1]]), expected)
        np.testing.assert_array_equal(model.predict([SEQUENCES[1][None]]), expected)


def test_single_numbers_need_no_axis_of_features():
    numbers = [s[:, 0] for s in SEQUENCES]
    layer = layers.LSTM(3)
    expected = [layer(s[None, :, None])[0] for s in numbers]
    assert_each(layer(numbers), expected)
    assert_each(layer([s.tolist() for s in numbers]), expected)
    assert_each(gw.Sequential([layer]).predict(numbers), expected)
    assert_each(gw.Sequential([gw.Input((None, 1)), layer]).predict(numbers), expected)


def test_states_beside_a_list_of_sequences():
    layer = layers.LSTM(3)
    h, c = RNG.normal(size=(2, 7, 3)).astype("float32")
    expected = [layer(s[None], initial_state=[h[k : k + 1], c[k : k + 1]])[0] for k, s in enumerate(SEQUENCES)]
    assert_each(layer(SEQUENCES, initial_state=[h, c]), expected)
    x = padded(SEQUENCES)[0]
    np.testing.assert_array_equal(layer([x, h, c]), layer(x, initial_state=[h, c]))  # Keras 1 and 2
    three = SEQUENCES[:3]  # as many as a sequence and two states
    assert_each(layer(three), [layer(s[None])[0] for s in three])


def test_a_mask_beside_the_lists():
    layer = layers.LSTM(3)
    mask = [[k % 2 == 0 for k in range(t)] for t in LENGTHS]
    expected = [layer(s[None], mask=np.array([m]))[0] for s, m in zip(SEQUENCES, mask, strict=True)]
    assert_each(layer(SEQUENCES, mask=mask), expected)
    full = np.array([m + [True] * (7 - len(m)) for m in mask])
    assert_each(layer(SEQUENCES, mask=full), expected)


def test_tokens():
    model = gw.Sequential([gw.Input((None,), dtype="int32"), layers.Embedding(9, 3), layers.LSTM(4), layers.Dense(1)])
    expected = alone(model, TOKENS)
    for given in (TOKENS, [t.tolist() for t in TOKENS]):
        assert_each(model.predict(given, batch_size=2), expected)
        assert_each(model(given), expected)
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(TOKENS, TARGETS[:, 0].tolist(), verbose=0).history["loss"]).all()
    late = gw.Sequential([layers.Embedding(9, 3), layers.LSTM(4)])
    assert_each(late.predict([t.tolist() for t in TOKENS]), alone(late, TOKENS))


# --- training ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("built", [True, False])
def test_training_equals_that_on_padded_arrays_with_masks(built):
    x, _ = padded(SEQUENCES)
    model = forecaster(first=[gw.Input((None, 2))] if built else None)
    other = forecaster(first=[gw.Input((None, 2)), layers.Masking()])
    a = model.fit(SEQUENCES, TARGETS, batch_size=7, epochs=3, shuffle=False, verbose=0)
    b = other.fit(x, TARGETS, batch_size=7, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(a.history["loss"], b.history["loss"], rtol=1e-6)
    for v, w in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(v, w, rtol=1e-5, atol=1e-7)


def test_a_target_for_each_step():
    model = forecaster(sequences=True, rate=0.0)
    expected = [model.predict(s[None])[0] for s in SEQUENCES]
    errors = np.concatenate([(p - y) ** 2 for p, y in zip(expected, STEPWISE, strict=True)])
    weights = [RNG.random(t).astype("float32") for t in LENGTHS]
    for y in (STEPWISE, [s[:, 0] for s in STEPWISE], [s.tolist() for s in STEPWISE], padded(STEPWISE)[0]):
        assert model.evaluate(SEQUENCES, y, verbose=0) == pytest.approx(errors.mean(), rel=1e-5)
        assert model.train_on_batch(SEQUENCES, y) == pytest.approx(errors.mean(), rel=1e-5)
        assert model.test_on_batch(SEQUENCES, y) == pytest.approx(errors.mean(), rel=1e-5)
    weighted = (np.concatenate(weights)[:, None] * errors).mean()
    assert model.evaluate(SEQUENCES, STEPWISE, sample_weight=weights, verbose=0) == pytest.approx(weighted, rel=1e-5)
    by_sequence = np.arange(7.0)
    weighted = (np.repeat(by_sequence, LENGTHS)[:, None] * errors).mean()
    found = model.evaluate(SEQUENCES, STEPWISE, sample_weight=by_sequence, verbose=0)
    assert found == pytest.approx(weighted, rel=1e-5)
    assert_each(model.predict(SEQUENCES, batch_size=2), expected)


def test_metrics_count_only_real_steps():
    model = gw.Sequential([layers.LSTM(4, return_sequences=True), layers.Dense(3, activation="softmax")])
    model.compile(
        "sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["sparse_categorical_accuracy"]
    )
    classes = [RNG.integers(0, 3, size=t) for t in LENGTHS]
    loss, accuracy, _ = model.evaluate(SEQUENCES, classes, verbose=0, batch_size=7)
    p = np.concatenate([model.predict(s[None])[0] for s in SEQUENCES])
    y = np.concatenate(classes)
    assert accuracy == pytest.approx((p.argmax(-1) == y).mean())
    assert loss == pytest.approx(-np.log(p[np.arange(len(y)), y]).mean(), rel=1e-5)
    weights = {0: 2.0, 1: 1.0, 2: 0.5}
    model.fit(SEQUENCES, classes, class_weight=weights, verbose=0)
    model.fit(SEQUENCES, classes, class_weight=weights, sample_weight=np.ones(7), verbose=0)


def test_targets_of_different_lengths_beside_padded_arrays():
    x, mask = padded(SEQUENCES)
    model = forecaster(sequences=True, rate=0.0, first=[gw.Input((None, 2))])
    p = model.predict(x)
    assert model.evaluate(x, STEPWISE, verbose=0) == pytest.approx(
        ((p - padded(STEPWISE)[0]) ** 2)[mask].mean(), rel=1e-5
    )
    with pytest.raises(ValueError, match="y.4. has 7 steps; x has only 6"):
        model.evaluate(x[:, :6], STEPWISE, verbose=0)


def test_batches_are_padded_to_their_own_longest():
    seen = []

    @gw.saving.register_keras_serializable("tests")
    class Watching(layers.Layer):
        supports_masking = True

        def call(self, x, mask=None):
            seen.append((x.shape, None if mask is None else mask.sum()))
            return x * 1.0

    model = gw.Sequential([gw.Input((None, 2)), Watching(), layers.LSTM(2)])
    seen.clear()
    model.predict(SEQUENCES, batch_size=3)
    assert seen == [((3, 5, 2), 9), ((3, 7, 2), 16), ((1, 2, 2), 2)]


def test_tokens_for_an_input_of_fixed_length():
    model = gw.Sequential([gw.Input((9,)), layers.Embedding(9, 3), layers.LSTM(4)])
    assert_each(model.predict(TOKENS), [model(t[None])[0] for t in TOKENS])


def test_frames_of_a_convolutional_layer():
    frames = [RNG.normal(size=(t, 4, 2)).astype("float32") for t in LENGTHS]
    layer = layers.ConvLSTM1D(2, 3, padding="same")
    assert_each(layer(frames), [layer(f[None])[0] for f in frames])
    assert_each(gw.Sequential([layer]).predict(frames, batch_size=3), [layer(f[None])[0] for f in frames])


def test_a_fixed_number_of_steps_is_kept_to():
    model = gw.Sequential(
        [gw.Input((7, 2)), layers.LSTM(3, return_sequences=True), layers.TimeDistributed(layers.Dense(1))]
    )
    assert model.predict(SEQUENCES[:3]).shape == (3, 7, 1)


def test_splitting_shuffling_and_validation():
    model = forecaster()
    history = model.fit(SEQUENCES, TARGETS, validation_split=0.3, epochs=2, batch_size=2, verbose=0).history
    expected = np.mean((np.array(alone(model, SEQUENCES[4:])) - TARGETS[4:]) ** 2)
    assert history["val_loss"][-1] == pytest.approx(expected, rel=1e-5)
    history = model.fit(
        SEQUENCES, TARGETS, validation_data=(SEQUENCES[:3], TARGETS[:3]), sample_weight=np.ones(7), verbose=0
    ).history
    expected = np.mean((np.array(alone(model, SEQUENCES[:3])) - TARGETS[:3]) ** 2)
    assert history["val_loss"][-1] == pytest.approx(expected, rel=1e-5)


def test_a_generator_of_lists():
    model = forecaster(rate=0.0)
    expected = model.evaluate(SEQUENCES, TARGETS, verbose=0)
    batches = [(SEQUENCES[k : k + 3], TARGETS[k : k + 3]) for k in range(0, 7, 3)]
    assert model.evaluate(iter(batches), verbose=0) == pytest.approx(expected, rel=1e-5)
    assert model.fit(iter(batches), verbose=0).history["loss"] == pytest.approx([expected], rel=1e-5)


def test_training_lowers_the_loss_and_the_same_seed_gives_the_same_course():
    courses = []
    for _ in range(2):
        gw.utils.set_random_seed(3)
        model = forecaster()
        courses.append(model.fit(SEQUENCES, TARGETS, epochs=20, batch_size=3, verbose=0).history["loss"])
    assert courses[0] == courses[1] and courses[0][-1] < courses[0][0]


# --- other models --------------------------------------------------------------------------------------------


def two_inputs():
    a, b = gw.Input((None, 2), name="a"), gw.Input((None,), dtype="int32", name="b")
    joined = gw.ops.concatenate([layers.LSTM(3)(a), layers.LSTM(2)(layers.Embedding(9, 2)(b))], axis=-1)
    return gw.Model([a, b], layers.Dense(1)(joined))


def test_several_inputs_of_different_lengths():
    model = two_inputs()
    expected = [model.predict([s[None], t[None]])[0] for s, t in zip(SEQUENCES, TOKENS[::-1], strict=True)]
    forms = [[SEQUENCES, TOKENS[::-1]], (SEQUENCES, TOKENS[::-1]), {"a": SEQUENCES, "b": TOKENS[::-1]}]
    for x in [*forms, [[s.tolist() for s in SEQUENCES], [t.tolist() for t in TOKENS[::-1]]]]:
        assert_each(model.predict(x, batch_size=3), expected)
        assert_each(model(x), expected)
    model.compile("sgd", "mse")
    model.fit(forms[0], TARGETS, verbose=0)
    one_fixed = [padded(SEQUENCES)[0][:, :1], TOKENS]
    assert model.predict(one_fixed).shape == (7, 1)
    with pytest.raises(ValueError, match="same number of samples"):
        model.predict([SEQUENCES[:3], TOKENS])


def test_several_outputs():
    x = gw.Input((None, 2))
    h = layers.LSTM(3, return_sequences=True)(x)
    model = gw.Model(x, {"steps": layers.Dense(1)(h), "last": layers.Dense(1)(layers.LSTM(2)(h))})
    model.compile("sgd", {"steps": "mse", "last": "mse"})
    model.fit(SEQUENCES, {"steps": STEPWISE, "last": TARGETS}, verbose=0)
    found = model.predict(SEQUENCES, batch_size=2)
    alone_ = [model.predict(s[None]) for s in SEQUENCES]
    assert_each(found["steps"], [p["steps"][0] for p in alone_])
    assert_each(found["last"], [p["last"][0] for p in alone_])
    listed = gw.Model(x, [layers.Dense(1)(h), layers.LSTM(2)(h)])
    listed.compile("sgd", "mse")
    listed.fit(SEQUENCES, [STEPWISE, np.zeros((7, 2))], verbose=0)


def test_a_subclassed_model():
    class Own(gw.Model):
        def __init__(self):
            super().__init__()
            self.lstm, self.dense = layers.LSTM(3), layers.Dense(1)

        def call(self, x):
            return self.dense(self.lstm(x))

    model = Own()
    model.compile("sgd", "mse")
    model.fit(SEQUENCES, TARGETS, epochs=2, verbose=0)
    expected = alone(model, SEQUENCES)
    assert_each(model.predict(SEQUENCES, batch_size=3), expected)
    assert_each(model(SEQUENCES), expected)
    assert_each(model.predict_on_batch(SEQUENCES), expected)


def test_nested_models_bidirectional_and_time_distributed():
    inner = gw.Sequential([layers.LSTM(3, return_sequences=True), layers.TimeDistributed(layers.Dense(2))])
    model = gw.Sequential([gw.Input((None, 2)), inner, layers.Bidirectional(layers.LSTM(2))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.predict(SEQUENCES, batch_size=3)
    assert_each(found, alone(model, SEQUENCES))


# --- what cannot be ------------------------------------------------------------------------------------------


def test_a_layer_that_cannot_use_a_mask_says_so():
    model = gw.Sequential([gw.Input((None, 2)), layers.Conv1D(3, 2, padding="same"), layers.GlobalAveragePooling1D()])
    with pytest.warns(UserWarning, match="does not support masking"):
        model.predict(SEQUENCES)


REFUSED = {
    "samples of different lengths": (
        lambda: layers.Dense(1, name="it")([[1.0, 2.0], [3.0]]),
        ["'it' (Dense)", "1 to 2 numbers", "features"],
    ),
    "samples of different lengths for a model": (
        lambda: gw.Sequential([gw.Input((5,)), layers.Dense(1)]).predict([np.ones(3), np.ones(5)]),
        ["input 0", "3 to 5 numbers"],
    ),
    "samples of different lengths for a new model": (
        lambda: gw.Sequential([layers.Dense(1, name="it")]).predict([[1.0, 2.0], [3.0]]),
        ["'it'", "last of a known length"],
    ),
    "features": (lambda: layers.LSTM(3)([np.ones((2, 2)), np.ones((3, 3))]), ["(2, 2)", "(3, 3)", "number of steps"]),
    "inner lengths": (lambda: layers.LSTM(3)([[[1.0], [1.0, 2.0]], [[1.0]]]), ["steps differ", "(steps, features)"]),
    "an empty sequence": (lambda: layers.LSTM(3)([np.ones((2, 2)), np.ones((0, 2))]), ["Sequence 1", "no step"]),
    "a number among them": (lambda: layers.LSTM(3)([[[1.0]], 2.0]), ["item 1", "single value"]),
    "text": (lambda: layers.LSTM(3)([["a"], ["a", "b"]]), ["TextVectorization"]),
    "y of other lengths": (
        lambda: forecaster(True).fit(SEQUENCES, STEPWISE[::-1], verbose=0),
        ["sample 0", "2 steps", "x has 3"],
    ),
    "y for each step, one row a sequence": (
        lambda: forecaster().fit(SEQUENCES, STEPWISE, verbose=0),
        ["return_sequences=True"],
    ),
    "a target too few": (lambda: forecaster().fit(SEQUENCES, TARGETS[:-1], verbose=0), ["7", "6"]),
    "weights of other lengths": (
        lambda: forecaster(True).fit(SEQUENCES, STEPWISE, sample_weight=[np.ones(2)] * 6 + [np.ones(3)], verbose=0),
        ["sample_weight", "sample 0"],
    ),
    "arrays of other shapes for one input": (
        lambda: gw.Sequential([gw.Input((None, 2)), layers.LSTM(1)]).predict([np.ones(3), np.ones((2, 2, 2))]),
        ["one input", "(None, 2)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, words = REFUSED[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value


def test_nan_inside_a_sequence_is_warned_about():
    bad = [s.copy() for s in SEQUENCES]
    bad[2][0, 1] = np.nan
    with pytest.warns(UserWarning, match=r"\[2, 0, 1\]"):
        forecaster().predict(bad)


def test_the_value_itself():
    value = from_lists([[[1, 2]], [[3, 4], [5, 6]]])
    assert isinstance(value, Ragged) and value.shape == (2, None, 2) and value.lengths == [1, 2] and len(value) == 2
    assert value[np.array([1, 0])].lengths == [2, 1] and value[:1].lengths == [1]
    assert "2 sequences of 1 to 2 steps" in repr(value)
    array, mask = value.padded(4)
    assert array.shape == (2, 4, 2) and mask.sum(axis=1).tolist() == [1, 2]

"""A mask means one thing on every path: the masked steps are as if they were not there, whatever stands in them."""

import warnings

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, masks, optimizers

N, T, F = 4, 6, 2

PATTERNS = {
    "right": [6, 4, 1, 3],
    "left": [-6, -4, -1, -3],
    "scattered": [[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 0]],
    "a row of nothing": [6, 0, -2, 3],
}


def mask_of(pattern):
    """A number n: the first n steps count (or the last -n); a list: itself."""
    rows = []
    for row in PATTERNS[pattern]:
        if isinstance(row, list):
            rows.append(row)
        else:
            rows.append([(t < row) if row >= 0 else (t >= T + row) for t in range(T)])
    return np.array(rows, bool)


def known(*names):
    """The classes of these names that there are."""
    return {name: getattr(layers, name) for name in names if name in layers.HOMES}


def cell(units, options):
    return layers.LSTMCell(units, dtype=options.get("dtype"))


CELLS = known("LSTM", "GRU", "SimpleRNN")
CONSUMERS = {name: (lambda cls=cls, **c: cls(3, **c)) for name, cls in CELLS.items()}
CONSUMERS |= {
    "RNN of a cell": lambda **c: layers.RNN(cell(3, c), **c),
    "stacked cells": lambda **c: layers.RNN([cell(3, c), cell(2, c)], **c),
    "Bidirectional": lambda **c: layers.Bidirectional(layers.LSTM(3, **c)),
    "Bidirectional, summed": lambda **c: layers.Bidirectional(layers.LSTM(3, **c), merge_mode="sum"),
    "backwards": lambda **c: layers.LSTM(3, go_backwards=True, **c),
}
if "GRU" in CELLS:
    CONSUMERS["GRU, reset before"] = lambda **c: layers.GRU(3, reset_after=False, **c)
    CONSUMERS["Bidirectional GRU"] = lambda **c: layers.Bidirectional(layers.GRU(3, **c))

every_consumer = pytest.mark.parametrize("consumer", CONSUMERS)
every_pattern = pytest.mark.parametrize("pattern", PATTERNS)


def data(mask, padding=0.0):
    x = np.random.default_rng(0).normal(size=(N, T, F)) + 0.1
    return np.where(mask[:, :, None], x, padding)


def made(consumer, **options):
    gw.utils.set_random_seed(2)
    layer = CONSUMERS[consumer](dtype="float64", **options) if "Bi" not in consumer else CONSUMERS[consumer](**options)
    return layer


def without_masked_steps(layer, x, mask):
    """Each row run alone on the steps that count; zeros for a row of none."""
    some = layer(x[:1])
    return [
        layer(row[keep][None])[0] if keep.any() else np.zeros_like(some[0]) for row, keep in zip(x, mask, strict=True)
    ]


def assert_rows(found, expected, rtol=1e-5):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-7)


# --- layers called one by one --------------------------------------------------------------------------------


@every_consumer
@every_pattern
@pytest.mark.parametrize("padding", [0.0, 7.0, np.nan])
def test_mask_given_at_a_call(consumer, pattern, padding):
    mask = mask_of(pattern)
    layer = made(consumer)
    assert_rows(layer(data(mask, padding), mask=mask), without_masked_steps(layer, data(mask), mask))


@every_consumer
@every_pattern
@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_masking_before_it(consumer, pattern, value):
    mask = mask_of(pattern)
    layer = made(consumer)
    expected = without_masked_steps(layer, data(mask), mask)
    x = data(mask, value)
    assert_rows(layer(layers.Masking(value, dtype="float64")(x)), expected)
    assert_rows(gw.Sequential([gw.Input((T, F), dtype="float64"), layers.Masking(value), layer]).predict(x), expected)


@every_consumer
@pytest.mark.parametrize("pattern", ["left", "right", "scattered"])
@pytest.mark.parametrize("padding", [7.0, np.nan])
def test_every_step_that_counts(consumer, pattern, padding):
    if consumer == "backwards":
        return  # its outputs come in the other order
    mask = mask_of(pattern)
    layer = made(consumer, return_sequences=True)
    y = layer(data(mask, padding), mask=mask)
    np.testing.assert_array_equal(masks.mask_of(y), mask)
    for out, row, keep in zip(y, data(mask), mask, strict=True):
        np.testing.assert_allclose(out[keep], layer(row[keep][None])[0], rtol=1e-5, atol=1e-7)


@every_consumer
def test_lists_of_sequences(consumer):
    mask = mask_of("right")
    sequences = [row[keep] for row, keep in zip(data(mask), mask, strict=True)]
    layer = made(consumer)
    expected = without_masked_steps(layer, data(mask), mask)
    model = gw.Sequential([gw.Input((None, F), dtype="float64"), layer])
    nested = gw.Sequential([gw.Input((None, F), dtype="float64"), gw.Sequential([layer])])
    for found in (
        layer(sequences),
        model(sequences),
        model.predict(sequences, batch_size=3),
        nested.predict(sequences),
    ):
        assert_rows(found, expected)


@every_consumer
@every_pattern
def test_zeros_of_an_embedding(consumer, pattern):
    if "Embedding" not in layers.HOMES:
        return
    mask = mask_of(pattern)
    tokens = np.where(mask, np.random.default_rng(1).integers(1, 6, size=mask.shape), 0)
    gw.utils.set_random_seed(3)
    embedding, layer = layers.Embedding(6, F, mask_zero=True), made(consumer)
    expected = without_masked_steps(layer, embedding(tokens), mask)
    assert_rows(layer(embedding(tokens)), expected)
    model = gw.Sequential([gw.Input((T,), dtype="int32"), embedding, layer])
    assert_rows(model.predict(tokens, batch_size=2), expected)
    if pattern == "right":
        found = model.predict([row[keep] for row, keep in zip(tokens, mask, strict=True)], batch_size=3)
        assert_rows(found, expected)


# --- models --------------------------------------------------------------------------------------------------


def paths(layer, mask):
    """The same computation on several paths: name -> a function of x that returns the outputs."""
    x, given = gw.Input((T, F), dtype="float64"), gw.Input((T,), dtype="bool")
    bare = gw.Sequential([gw.Input((T, F), dtype="float64"), layer])
    functional = gw.Model([x, given], layer(x, mask=given))
    outer = gw.Model([x, given], functional([x, given]))
    nested = gw.Model([x, given], bare(x, mask=given))

    class Own(gw.Model):
        def __init__(self):
            super().__init__(dtype="float64")
            self.inner = layer

        def call(self, inputs, mask=None):
            return self.inner(inputs, mask=mask)

    own = Own()
    return {
        "layer": lambda v: layer(v, mask=mask),
        "Sequential": lambda v: bare(v, mask=mask),
        "functional": lambda v: functional.predict([v, mask], batch_size=3),
        "nested functional": lambda v: outer.predict([v, mask]),
        "nested Sequential": lambda v: nested.predict([v, mask]),
        "subclassed": lambda v: own(v, mask=mask),
    }


@every_consumer
@every_pattern
def test_paths_of_models(consumer, pattern):
    mask = mask_of(pattern)
    layer = made(consumer)
    expected = without_masked_steps(layer, data(mask), mask)
    for path, run in paths(layer, mask).items():
        for padding in (0.0, np.nan):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the data do hold NaN
                found = run(data(mask, padding))
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7, err_msg=path)


def trained(consumer, mask, padding, sequences):
    """A model after three steps, its losses, and what it is evaluated at."""
    x, given = gw.Input((T, F)), gw.Input((T,), dtype="bool")
    layer = CONSUMERS[consumer](return_sequences=sequences)
    model = gw.Model([x, given], layers.Dense(1)(layers.Activation("tanh")(layer(x, mask=given))))
    gw.utils.set_random_seed(4)
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(size=w.shape) * 0.5 for w in model.get_weights()])
    model.compile(optimizers.SGD(0.1, momentum=0.5), "mse", metrics=["mae"])
    y = rng.normal(size=(N, T, 1) if sequences else (N, 1))
    if sequences:
        y = np.where(mask[:, :, None], y, padding)
    inputs = [data(mask, padding).astype("float32"), mask]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = model.fit(inputs, y, epochs=3, batch_size=2, shuffle=False, verbose=0).history
        return model.get_weights(), history, model.evaluate(inputs, y, verbose=0)


@every_consumer
@every_pattern
@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
def test_what_stands_in_masked_steps_changes_no_weight(consumer, pattern, sequences):
    mask = mask_of(pattern)
    first, history, found = trained(consumer, mask, 0.0, sequences)
    assert np.isfinite(history["loss"]).all()
    for padding in (7.0, np.nan):
        again, other, value = trained(consumer, mask, padding, sequences)
        assert other == history and value == found
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)


@every_consumer
@pytest.mark.parametrize("pattern", ["left", "right", "scattered"])
def test_gradients_are_those_of_the_sequences_alone(consumer, pattern):
    mask = mask_of(pattern)
    x = data(mask)
    targets = np.random.default_rng(6).normal(size=(N, 1))
    model = gw.Sequential([gw.Input((None, F), dtype="float64"), layers.Masking(), made(consumer), layers.Dense(1)])
    model.compile("sgd", "mse")
    loss, gradients = model.value_and_grad(x, targets)
    alone = [
        model.value_and_grad(row[keep][None], target[None])
        for row, keep, target in zip(x, mask, targets, strict=True)
    ]  # fmt: skip
    assert loss == pytest.approx(np.mean([value for value, _ in alone]), rel=1e-5)
    for variable, gradient in gradients.items():
        expected = np.mean([found[variable] for _, found in alone], axis=0)
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6, err_msg=variable.path)


def test_layers_on_the_way_hand_the_mask_on():
    mask = mask_of("scattered")
    steps = [layers.Masking(), layers.Dense(3), layers.Activation("relu"), layers.TimeDistributed(layers.Dense(2))]
    steps += [cls(0.2) for cls in known("Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout").values()]
    steps += [cls() for cls in known("Identity", "LayerNormalization", "BatchNormalization", "ReLU").values()]
    h = data(mask)
    for step in steps:
        h = step(h)
        np.testing.assert_array_equal(masks.mask_of(h), mask, err_msg=step.name)


@pytest.mark.parametrize("padding", [0.0, 7.0, np.nan])
def test_a_mean_over_time_counts_only_steps_that_count(padding):
    mask = mask_of("scattered")
    layer = layers.GlobalAveragePooling1D(dtype="float64")
    expected = [row[keep].mean(axis=0) for row, keep in zip(data(mask), mask, strict=True)]
    assert_rows(layer(data(mask, padding), mask=mask), expected)

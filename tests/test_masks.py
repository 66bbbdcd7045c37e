"""Masks on their way: from Masking through other layers, in graphs and from call to call, to the loss."""

import threading

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, masks


def padded():
    """Sequences of 4, 2 and 0 steps, padded with zeros, and what of them counts."""
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    x[1, 2:] = 0
    x[2] = 0
    return x, (x != 0).any(axis=-1)


def test_call_by_call_and_in_a_graph_it_is_the_same():
    x, mask = padded()
    inputs = gw.Input((4, 2))
    steps = [
        layers.Masking(), layers.Dense(3), layers.Activation("tanh"), layers.Dropout(0.3),
        layers.LSTM(3, return_sequences=True), layers.TimeDistributed(layers.Dense(2)), layers.LSTM(2),
    ]  # fmt: skip
    symbolic, eager = inputs, x
    for step in steps:
        symbolic, eager = step(symbolic), step(eager)
    np.testing.assert_array_equal(gw.Model(inputs, symbolic).predict(x, verbose=0), eager)
    by_hand = steps[2](steps[1](x * mask[:, :, None]))
    by_hand = steps[6](steps[5](steps[4](by_hand, mask=mask)), mask=mask)
    np.testing.assert_array_equal(by_hand, eager)


def test_where_a_mask_ends():
    x, mask = padded()
    h = layers.Masking()(x)
    np.testing.assert_array_equal(masks.mask_of(h), mask)
    assert masks.mask_of(layers.LSTM(3)(h)) is None
    y, last_h, last_c = layers.LSTM(3, return_sequences=True, return_state=True)(h)
    np.testing.assert_array_equal(masks.mask_of(y), mask)
    assert masks.mask_of(last_h) is None and masks.mask_of(last_c) is None
    assert masks.mask_of(h * 1.0) is None  # another array


def test_a_users_layer_passes_masks_on_only_if_it_says_so():
    class Silent(layers.Layer):
        def call(self, x):
            return x * 1.0

    class Passing(Silent):
        supports_masking = True

    class Replacing(Silent):
        def compute_mask(self, inputs, previous_mask=None):
            return ~previous_mask

    x, mask = padded()
    h = layers.Masking()(x)
    with pytest.warns(UserWarning, match="does not support masking"):
        assert masks.mask_of(Silent()(h)) is None
    np.testing.assert_array_equal(masks.mask_of(Passing()(h)), mask)
    np.testing.assert_array_equal(masks.mask_of(Replacing()(h)), ~mask)


def test_a_mask_given_at_a_call_does_not_stay_on_the_callers_array():
    class Users(layers.Layer):
        supports_masking = True

        def call(self, x, mask=None):
            return x * mask[:, :, None]

    x, mask = padded()
    Users()(x, mask)
    layers.LSTM(2)(x, mask=mask)
    assert masks.mask_of(x) is None


def test_a_layer_that_returns_its_input_leaves_no_mask_on_it():
    x, mask = padded()
    h = layers.Dropout(0.5)(x, mask=mask)
    np.testing.assert_array_equal(masks.mask_of(h), mask)
    assert masks.mask_of(x) is None


def test_a_symbolic_mask():
    x, mask = padded()
    inputs, given = gw.Input((4, 2)), gw.Input((4,), dtype="bool")
    lstm = layers.LSTM(3, return_sequences=True)
    model = gw.Model([inputs, given], lstm(inputs, mask=given))
    np.testing.assert_array_equal(model.predict([x, mask], verbose=0), lstm(x, mask=mask))


def test_a_shared_layer_with_and_without():
    x, mask = padded()
    inputs = gw.Input((4, 2))
    lstm = layers.LSTM(3)
    model = gw.Model(inputs, lstm(layers.Masking()(inputs)) - lstm(inputs))
    np.testing.assert_allclose(model.predict(x, verbose=0), lstm(x, mask=mask) - lstm(x), rtol=1e-5, atol=1e-7)


def test_models_take_and_give_masks():
    x, mask = padded()
    inner = gw.Sequential([layers.Masking(), layers.Dense(2)])
    lstm = layers.LSTM(2)
    inputs = gw.Input((4, 2))
    outer = gw.Model(inputs, lstm(inner(inputs)))
    expected = lstm(inner.layers[1](x), mask=mask)
    np.testing.assert_allclose(outer.predict(x, verbose=0), expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(lstm(inner(x)), expected, rtol=1e-6, atol=1e-7)
    model = gw.Sequential([gw.Input((4, 2)), lstm])
    np.testing.assert_array_equal(model(x, mask=mask), lstm(x, mask=mask))


def test_the_loss_counts_what_counts():
    x, mask = padded()
    y = np.random.default_rng(1).normal(size=(3, 4, 1)).astype("float32")
    model = gw.Sequential([gw.Input((4, 2)), layers.Masking(), layers.LSTM(3, return_sequences=True), layers.Dense(1)])
    model.compile("sgd", "mse")
    errors = ((model.predict(x, verbose=0) - y)[:, :, 0] ** 2)[mask]
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), errors.mean(), rtol=1e-6)


def test_a_list_of_numbers_is_a_mask():
    x, mask = padded()
    lstm = layers.LSTM(3)
    np.testing.assert_array_equal(lstm(x, mask=mask.astype(int).tolist()), lstm(x, mask=mask))


def test_masks_of_one_thread_are_not_those_of_another():
    x, _ = padded()
    h = layers.Masking()(x)
    found = []
    thread = threading.Thread(target=lambda: found.append(masks.mask_of(h)))
    thread.start()
    thread.join()
    assert found == [None] and masks.mask_of(h) is not None

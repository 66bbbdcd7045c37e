"""Flatten, Reshape, RepeatVector, Permute and Identity: what the contract and golden tests leave out."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers

X = np.arange(24.0).reshape(2, 3, 4)

REFUSALS = {
    "Flatten format": (lambda: layers.Flatten("first"), ValueError, ["Flatten", "'channels_first'", "'first'"]),
    "Flatten number": (lambda: layers.Flatten(name="it")(np.float64(1)), ValueError, ["'it' (Flatten)", "x[None]"]),
    "Reshape number": (lambda: layers.Reshape(6), TypeError, ["Reshape", "(3, 4)", "6", "target_shape=(6,)"]),
    "Reshape text": (lambda: layers.Reshape("ab"), TypeError, ["'ab'"]),
    "Reshape negative": (lambda: layers.Reshape((2, -2)), ValueError, ["non-negative integer", "(2, -2)"]),
    "Reshape two open": (lambda: layers.Reshape((-1, -1)), ValueError, ["at most one unknown dimension", "(-1, -1)"]),
    "Reshape size": (
        lambda: layers.Reshape((5,), name="it")(X),
        ValueError,
        ["'it' (Reshape)", "total size of the tensor must be unchanged", "12 numbers", "(5,), 5 numbers", "may be -1"],
    ),
    "Reshape size, open": (lambda: layers.Reshape((-1, 5), name="it")(X), ValueError, ["'it'", "a multiple of 5"]),
    "Reshape symbolic": (lambda: layers.Reshape((5,), name="it")(gw.Input((12,))), ValueError, ["'it'", "12", "(5,)"]),
    "Reshape no rows": (lambda: layers.Reshape((-1, 0))(X), ValueError, ["(-1, 0)"]),
    "RepeatVector text": (lambda: layers.RepeatVector("2"), TypeError, ["Expected an integer value for `n`", "'2'"]),
    "RepeatVector float": (lambda: layers.RepeatVector(2.0), TypeError, ["float", "2.0"]),
    "RepeatVector bool": (lambda: layers.RepeatVector(True), TypeError, ["bool"]),
    "RepeatVector zero": (lambda: layers.RepeatVector(0), ValueError, ["positive integer", "n=0"]),
    "RepeatVector axes": (
        lambda: layers.RepeatVector(2, name="it")(X),
        ValueError,
        ["'it' (RepeatVector)", "expected ndim=2, found ndim=3", "return_sequences=True"],
    ),
    "RepeatVector symbolic": (lambda: layers.RepeatVector(2)(gw.Input((3, 4))), ValueError, ["found ndim=3"]),
    "Permute": (lambda: layers.Permute((1, 3)), ValueError, ["consecutive and start from 1", "(1, 3)"]),
    "Permute batch": (lambda: layers.Permute((0, 1)), ValueError, ["(0, 1)"]),
    "Permute number": (lambda: layers.Permute(1), TypeError, ["(2, 1)", "got 1"]),
    "Permute axes": (
        lambda: layers.Permute((2, 1), name="it")(X[0]),
        ValueError,
        ["'it' (Permute)", "expected ndim=3, found ndim=2", "dims=(2, 1)"],
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name):
    call, error, words = REFUSALS[name]
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_shapes_with_unknown_sizes():
    steps = gw.Input((None, 4))
    assert layers.Flatten()(steps).shape == (None, None)
    assert layers.Reshape((-1, 2))(steps).shape == (None, None, 2)
    assert layers.Reshape((3, -1))(steps).shape == (None, 3, None)
    assert layers.Permute((2, 1))(steps).shape == (None, 4, None)
    assert layers.Identity()(steps).shape == (None, None, 4)
    assert layers.RepeatVector(5)(gw.Input((4,))).shape == (None, 5, 4)
    assert layers.Reshape((-1, 2, 2))(gw.Input((12,))).shape == (None, 3, 2, 2)


def test_an_unknown_size_is_found_when_data_comes():
    inputs = gw.Input((None, 4))
    model = gw.Model(inputs, layers.Reshape((-1, 2))(inputs))
    np.testing.assert_array_equal(model.predict(X, verbose=0), X.reshape(2, 6, 2))
    with pytest.raises(ValueError, match="a multiple of 8"):
        gw.Model(inputs, layers.Reshape((-1, 8))(inputs)).predict(X, verbose=0)


def test_none_in_a_target_shape_is_an_open_size():
    np.testing.assert_array_equal(layers.Reshape((None, 2))(X), X.reshape(2, 6, 2))


def test_flatten_with_channels_first_lists_each_place_of_all_channels():
    x = np.arange(12).reshape(1, 2, 3, 2)
    assert layers.Flatten("channels_first")(x).tolist() == [[0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]]


def test_flatten_makes_columns_of_single_numbers():
    assert layers.Flatten()(np.ones(3)).shape == (3, 1)
    assert layers.Flatten().compute_output_shape((None,)) == (None, 1)


def test_an_empty_batch_keeps_its_shape():
    empty = np.zeros((0, 3, 4))
    assert layers.Flatten()(empty).shape == (0, 12)
    assert layers.Reshape((-1, 2))(empty).shape == (0, 6, 2)


def test_masks_end_where_steps_do():
    masked = layers.Masking()(X)
    for layer in (layers.Flatten(), layers.Reshape((-1,)), layers.Permute((2, 1))):
        with pytest.warns(UserWarning, match="does not support masking"):
            layer(masked)
    np.testing.assert_array_equal(layers.Identity().compute_mask(X, "mask"), "mask")


def test_identity_takes_a_nesting():
    a, b = layers.Identity()([X, X + 1])
    np.testing.assert_array_equal(b - a, np.ones_like(X))
    inputs = [gw.Input((3,)), gw.Input((4,))]
    assert [y.shape for y in layers.Identity()(inputs)] == [(None, 3), (None, 4)]
    y, back = layers.Identity().differentiate([X, X], None, False, None)
    assert len(y) == 2 and back([X, None])[0][1] is None

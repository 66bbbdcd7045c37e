"""Pooling: ties, edges, masks, and what it refuses."""

import warnings

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers

X = np.zeros((2, 7, 4), "float32")


def gradient(layer, x, mask=None):
    """(output, gradient of its sum) in float64."""
    y, pullback = layer.differentiate([np.asarray(x, "float64")], mask, False, None)
    return y, pullback(np.ones_like(y))[0][0]


def test_the_first_of_several_maxima_has_the_gradient():
    x = np.array([1.0, 3, 3, 3, 0, 0]).reshape(1, 6, 1)
    _, dx = gradient(layers.MaxPooling1D(3, dtype="float64"), x)
    assert dx.ravel().tolist() == [0, 1, 0, 1, 0, 0]


def test_several_maxima_of_all_steps_share_the_gradient():
    x = np.array([1.0, 3, 3, 0]).reshape(1, 4, 1)
    _, dx = gradient(layers.GlobalMaxPooling1D(dtype="float64"), x)
    assert dx.ravel().tolist() == [0, 0.5, 0.5, 0]


def test_padding_is_no_part_of_a_mean_and_no_maximum():
    x = -np.arange(1.0, 6).reshape(1, 5, 1)
    mean, _ = gradient(layers.AveragePooling1D(3, 2, padding="same", dtype="float64"), x)
    assert mean.ravel().tolist() == [-1.5, -3, -4.5]
    largest, _ = gradient(layers.MaxPooling1D(3, 2, padding="same", dtype="float64"), x)
    assert largest.ravel().tolist() == [-1, -2, -4]


def test_a_missing_value_stays_in_its_windows():
    x = np.array([1.0, np.nan, 2, 3]).reshape(1, 4, 1)
    for layer in (layers.MaxPooling1D(2, dtype="float64"), layers.AveragePooling1D(2, dtype="float64")):
        y, _ = gradient(layer, x)
        assert np.isnan(y.ravel()).tolist() == [True, False]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_the_mean_of_the_steps_that_count(data_format, keepdims):
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(3, 5, 2)), np.ones((3, 5), bool)
    mask[0, 1:3], mask[1, 2:] = False, False
    expected = np.stack([row[use].mean(axis=0) for row, use in zip(x, mask, strict=True)])
    layer = layers.GlobalAveragePooling1D(data_format, keepdims, dtype="float64")
    found = []
    for padding in (0.0, np.nan, np.inf):
        given = np.where(mask[..., None], x, padding)
        y, dx = gradient(layer, given if data_format == "channels_last" else given.transpose(0, 2, 1), mask)
        np.testing.assert_allclose(y.reshape(3, 2), expected, rtol=1e-12)
        dx = dx if data_format == "channels_last" else dx.transpose(0, 2, 1)
        np.testing.assert_allclose(dx, mask[..., None] / mask.sum(axis=1)[:, None, None] * np.ones(2), rtol=1e-12)
        found.append((y, dx))
    assert layer.compute_mask(x, mask) is None
    for y, dx in found[1:]:
        np.testing.assert_array_equal(y, found[0][0])
        np.testing.assert_array_equal(dx, found[0][1])


def test_a_row_without_steps_has_no_mean_and_no_warning():
    mask = np.array([[True] * 7, [False] * 7])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, dx = gradient(layers.GlobalAveragePooling1D(dtype="float64"), X + 1, mask)
    assert np.isnan(y[1]).all() and (y[0] == 1).all()
    assert not dx[1].any()


def test_the_mask_of_a_masking_layer_reaches_the_mean():
    x = np.ones((2, 4, 3), "float32")
    x[1, 2:] = 0
    model = gw.Sequential([gw.Input((4, 3)), layers.Masking(), layers.GlobalAveragePooling1D()])
    np.testing.assert_array_equal(model.predict(x, verbose=0), np.ones((2, 3), "float32"))


def test_names_of_old():
    for old, name in (("MaxPool", "MaxPooling"), ("AvgPool", "AveragePooling")):
        for scope in ("", "Global"):
            for rank in ("1D", "2D"):
                assert getattr(layers, scope + old + rank) is getattr(layers, scope + name + rank)


REFUSED = {
    "pool_size": (lambda: layers.MaxPooling1D(0), ["MaxPooling1D", "`pool_size`", "pool_size=0"]),
    "sizes": (lambda: layers.AveragePooling2D((2, 2, 2)), ["AveragePooling2D", "tuple of 2 integers"]),
    "strides": (lambda: layers.MaxPooling1D(2, strides=0), ["`strides`", "strides=0"]),
    "padding": (lambda: layers.MaxPooling1D(2, padding="causal"), ["'valid', 'same'", "padding='causal'"]),
    "data_format": (lambda: layers.GlobalMaxPooling1D("last"), ["GlobalMaxPooling1D", "'last'"]),
    "too short": (lambda: layers.MaxPooling1D(8, name="it")(X), ["'it' (MaxPooling1D)", "8 steps", "into 7"]),
    "too short in a model": (lambda: layers.MaxPooling1D(8, name="it")(gw.Input((7, 4))), ["'it'", "into 7"]),
    "two axes": (lambda: layers.MaxPooling1D(name="it")(X[0]), ["'it' (MaxPooling1D)", "found ndim=2"]),
    "three axes": (lambda: layers.GlobalMaxPooling2D(name="it")(X), ["'it' (GlobalMaxPooling2D)", "rows=any"]),
    "no steps": (lambda: layers.GlobalAveragePooling1D(name="it")(X[:, :0]), ["'it'", "length 0", "steps=0"]),
    "a mask": (
        lambda: layers.GlobalAveragePooling1D(name="it")(X, mask=np.ones((2, 5))),
        ["'it'", "(batch=2, time steps=7)", "(batch=2, time steps=5)"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, words = REFUSED[name]
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)

"""Convolutions: their arithmetic against sums written out, what they refuse, and layers that resize sequences."""

import itertools
import warnings

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers
from gatewise.layers.windows import convolve, convolve_depthwise, windows_over

X = np.zeros((2, 7, 4), "float32")
GEOMETRIES = [
    ((7,), (3,), (1,), (1,)),
    ((7,), (2,), (3,), (1,)),
    ((9,), (3,), (1,), (2,)),
    ((1,), (1,), (1,), (1,)),
    ((5, 6), (2, 3), (2, 1), (1, 1)),
    ((5, 6), (3, 2), (1, 1), (1, 2)),
    ((3, 4, 5), (2, 1, 3), (1, 2, 2), (1, 1, 1)),
    ((3, 4, 3), (2, 2, 2), (1, 1, 1), (1, 2, 1)),
]


def written_out(x, W, strides, dilation, before, counts):
    """The convolution as a sum of products, one output at a time."""
    z = np.zeros((len(x), *counts, W.shape[-1]))
    for place in np.ndindex(*counts):
        for tap in np.ndindex(*W.shape[:-2]):
            at = [p * s + k * d - b for p, s, k, d, b in zip(place, strides, tap, dilation, before, strict=True)]
            if all(0 <= a < n for a, n in zip(at, x.shape[1:-1], strict=True)):
                z[(slice(None), *place)] += x[(slice(None), *at)] @ W[tap]
    return z


def padding_in_front(size, taps, stride, step, padding):
    if padding == "valid":
        return 0
    reach = (taps - 1) * step + 1
    return reach - 1 if padding == "causal" else max((-(-size // stride) - 1) * stride + reach - size, 0) // 2


@pytest.mark.parametrize(
    ("geometry", "padding"), list(itertools.product(GEOMETRIES, ("valid", "same", "causal"))), ids=str
)
def test_convolutions_equal_the_sums_written_out(geometry, padding):
    sizes, kernel, strides, dilation = geometry
    rng = np.random.default_rng(0)
    x, W = rng.normal(size=(2, *sizes, 4)), rng.normal(size=(*kernel, 4, 3))
    windows = windows_over(*geometry, padding)
    before = [padding_in_front(*axis, padding) for axis in zip(*geometry, strict=True)]
    if padding == "valid":
        counts = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(*geometry, strict=True)]
    else:
        counts = [-(-n // s) for n, s in zip(sizes, strides, strict=True)]
    expected = written_out(x, W, strides, dilation, before, counts)
    np.testing.assert_allclose(convolve(x, W, windows), expected, rtol=1e-12, atol=1e-12)
    apart = rng.normal(size=(*kernel, 4, 2))
    in_groups = np.concatenate([np.zeros((*kernel, 1, 0)), *np.split(apart, 4, axis=-2)], axis=-1)
    np.testing.assert_allclose(
        convolve_depthwise(x, apart, windows), convolve(x, in_groups, windows, groups=4), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(("geometry", "padding"), list(itertools.product(GEOMETRIES, ("valid", "same"))), ids=str)
def test_spread_is_the_other_way_of_patches(geometry, padding):
    windows = windows_over(*geometry, padding)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *geometry[0], 3))
    rows = windows.patches(x)
    other = rng.normal(size=rows.shape)
    np.testing.assert_allclose((rows * other).sum(), (x * windows.spread(other, 2)).sum(), rtol=1e-12)


def test_a_transposed_convolution_is_the_gradient_of_a_convolution():
    forward = layers.Conv1D(3, 4, strides=2, padding="same", use_bias=False, dtype="float64")
    back = layers.Conv1DTranspose(5, 4, strides=2, padding="same", use_bias=False, dtype="float64")
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, 8, 5)), rng.normal(size=(2, 4, 3))
    forward(x)
    back(dy)
    back.set_weights(forward.get_weights())
    _, pullback = forward.differentiate([x], None, False, None)
    np.testing.assert_allclose(back(dy), pullback(dy)[0][0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("cls", ["Conv1D", "SeparableConv1D", "DepthwiseConv1D"])
def test_causal_outputs_see_no_later_step(cls):
    first = () if cls == "DepthwiseConv1D" else (3,)
    layer = getattr(layers, cls)(*first, 3, padding="causal", dilation_rate=2)
    x = np.random.default_rng(0).normal(size=(2, 9, 4)).astype("float32")
    y = layer(x)
    x[:, 5:] = np.nan
    np.testing.assert_array_equal(layer(x)[:, :5], y[:, :5])


def test_a_mask_does_not_go_on():
    x = layers.Masking()(X + 1)
    for layer in (layers.Conv1D(2, 3), layers.MaxPooling1D(), layers.Cropping1D(), layers.GlobalMaxPooling1D()):
        with pytest.warns(UserWarning, match="does not support masking"):
            layer(x)


def test_lengths_that_are_not_known_yet():
    x = gw.Input((None, 4))
    for layer in (
        layers.Conv1D(2, 3, strides=2),
        layers.Conv1DTranspose(2, 3),
        layers.MaxPooling1D(),
        layers.Cropping1D(),
        layers.ZeroPadding1D(),
        layers.UpSampling1D(),
    ):
        assert layer(x).shape[:2] == (None, None)


def test_names_of_old():
    assert layers.Convolution1D is layers.Conv1D and layers.Convolution2D is layers.Conv2D
    assert layers.SeparableConvolution1D is layers.SeparableConv1D
    assert layers.Convolution1DTranspose is layers.Conv1DTranspose


def test_configurations_that_keras_2_wrote():
    unused = {"groups": 1, "kernel_initializer": "zeros", "kernel_regularizer": None, "kernel_constraint": None}
    for layer in (layers.SeparableConv1D(2, 3), layers.DepthwiseConv1D(3), layers.Conv1DTranspose(2, 3)):
        old = {**{name: unused[name] for name in layer.only_in_old_configs}, **layer.get_config()}
        assert type(layer).from_config(old).get_config() == layer.get_config()
    with pytest.raises(ValueError, match="groups"):
        layers.DepthwiseConv1D(3, groups=1)


def test_gradients_keep_the_type_and_no_batch_is_too_small():
    layer = _built(layers.Conv1D(3, 3, activation="tanh"))
    y, pullback = layer.differentiate([X], None, False, None)
    (dx,), gradients = pullback(np.ones_like(y))
    assert {dx.dtype, *(g.dtype for g in gradients.values())} == {np.dtype("float32")}
    assert layer(X[:0]).shape == (0, 5, 3)


REFUSED = {
    "two axes": (lambda: layers.Conv1D(3, 3, name="it")(X[0]), ["'it' (Conv1D)", "ndim=3", "(7, 4)", "x[..., None]"]),
    "four axes": (lambda: layers.Conv1D(3, 3, name="it")(X[None]), ["'it' (Conv1D)", "found ndim=4"]),
    "too short": (
        lambda: layers.Conv1D(3, 5, dilation_rate=2, name="it")(X),
        ["'it' (Conv1D)", "window over 9 steps", "into 7", "padding='same'"],
    ),
    "too short in a model": (lambda: layers.Conv1D(3, 9, name="it")(gw.Input((5, 2))), ["'it'", "9 steps", "into 5"]),
    "too small": (lambda: layers.Conv2D(3, 4)(np.zeros((1, 5, 3, 2))), ["(Conv2D)", "4 columns", "into 3"]),
    "channels": (
        lambda: _built(layers.Conv1D(3, 3, name="it"))(np.zeros((2, 7, 5))),
        ["'it' (Conv1D) was built for 4 channels and was given 5", "channels=4"],
    ),
    "channels first": (
        lambda: _built(layers.Conv1D(3, 3, data_format="channels_first"))(np.zeros((2, 5, 4))),
        ["built for 7 channels", "(batch=any, channels=7, steps=any)"],
    ),
    "unknown channels": (lambda: layers.Conv1D(3, 3, name="it")(gw.Input((5, None))), ["'it'", "Input((None, 5))"]),
    "no steps": (lambda: layers.Conv1D(3, 3, padding="same", name="it")(X[:, :0]), ["'it'", "length 0"]),
    "groups of channels": (
        lambda: layers.Conv1D(6, 3, groups=3, name="it")(X),
        ["'it' (Conv1D)", "groups=3", "4 channels cannot be shared evenly"],
    ),
    "groups of filters": (lambda: layers.Conv1D(4, 3, groups=3), ["Conv1D", "filters=4", "groups=3"]),
    "strides and dilation": (
        lambda: layers.Conv1D(3, 3, strides=2, dilation_rate=2),
        ["Conv1D", "`strides > 1` not supported in conjunction with `dilation_rate > 1`", "strides=(2,)"],
    ),
    "kernel_size": (lambda: layers.Conv1D(3, 0), ["Conv1D", "kernel_size=0", "at least 1", "Write kernel_size=2."]),
    "two sizes": (lambda: layers.Conv1D(3, (3, 2)), ["`kernel_size`", "(3, 2)"]),
    "three sizes": (lambda: layers.Conv2D(3, (3, 2, 1)), ["Conv2D", "tuple of 2 integers", "kernel_size=(2, 2)"]),
    "a float": (lambda: layers.Conv1D(3, 2.5), ["`kernel_size`", "2.5"]),
    "strides": (lambda: layers.Conv1D(3, 3, strides=-1), ["`strides`", "-1"]),
    "filters": (lambda: layers.Conv1D(0, 3), ["Conv1D", "`filters`", "got 0"]),
    "padding": (lambda: layers.Conv1D(3, 3, padding="full"), ["Conv1D", "'valid', 'same', 'causal'", "padding='full'"]),
    "causal rows": (lambda: layers.Conv2D(3, 3, padding="causal"), ["Conv2D", "padding='causal'"]),
    "data_format": (lambda: layers.Conv1D(3, 3, data_format="NCW"), ["Conv1D", "'channels_last'", "'NCW'"]),
    "output_padding": (
        lambda: layers.Conv1DTranspose(3, 3, strides=2, output_padding=2),
        ["Conv1DTranspose", "output_padding=(2,)", "strides=(2,)"],
    ),
    "depth_multiplier": (lambda: layers.DepthwiseConv1D(3, depth_multiplier=0), ["`depth_multiplier`", "got 0"]),
    "cropping": (lambda: layers.Cropping1D(-1), ["Cropping1D", "`cropping`", "at least 0"]),
    "nothing left": (lambda: layers.Cropping1D((3, 4), name="it")(X), ["'it' (Cropping1D)", "7 of 7 steps"]),
    "nothing left in a model": (lambda: layers.Cropping1D(2, name="it")(gw.Input((4, 2))), ["'it'", "4 of 4 steps"]),
    "zero padding": (lambda: layers.ZeroPadding1D((1, 2, 3)), ["ZeroPadding1D", "(1, 2, 3)"]),
    "up sampling": (lambda: layers.UpSampling1D(2.0), ["UpSampling1D", "`size`", "Write size=2"]),
    "resizing two axes": (lambda: layers.UpSampling1D(name="it")(X[0]), ["'it' (UpSampling1D)", "found ndim=2"]),
}


def _built(layer):
    layer(X)
    return layer


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, words = REFUSED[name]
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_numbers_of_other_kinds():
    layer = layers.Conv1D(np.int64(3), np.array([2]), strides=[2], padding="SAME", data_format="Channels_Last")
    assert (layer.filters, layer.kernel_size, layer.strides) == (3, (2,), (2,))
    assert (layer.padding, layer.data_format) == ("same", "channels_last")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert layer(np.ones((2, 7, 4), int)).shape == (2, 4, 3)

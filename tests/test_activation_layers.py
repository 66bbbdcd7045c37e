"""ReLU, LeakyReLU, PReLU, ELU, Softmax, Activation and Masking: corners, masks, old names, refusals."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, masks

CORNERS = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 6.0, 7.0], "float32")


def slopes(layer, x):
    y, back = layer.differentiate([x], None, False, None)
    return y, back(np.ones_like(y))[0][0]


@pytest.mark.parametrize(
    "options, y, dx",
    [  # what TensorFlow gives
        ({}, [0, 0, 0.5, 1, 2, 6, 7], [0, 0, 1, 1, 1, 1, 1]),
        ({"negative_slope": 0.3}, [-0.3, 0, 0.5, 1, 2, 6, 7], [0.3, 0.3, 1, 1, 1, 1, 1]),
        ({"threshold": 0.5}, [0, 0, 0, 1, 2, 6, 7], [0, 0, 0, 1, 1, 1, 1]),
        ({"threshold": 0.5, "negative_slope": 0.3}, [-0.45, -0.15, 0, 1, 2, 6, 7], [0.3, 0.3, 0, 1, 1, 1, 1]),
        ({"max_value": 1.0, "negative_slope": 0.3}, [-0.3, 0, 0.5, 1, 1, 1, 1], [0.3, 0, 1, 1, 0, 0, 0]),
        ({"max_value": 1.0, "threshold": 0.5}, [0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 0, 0, 0]),
        ({"max_value": 6.0}, [0, 0, 0.5, 1, 2, 6, 6], [0, 0, 1, 1, 1, 0, 0]),
        ({"max_value": 0.0}, [0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_corners_of_relu(options, y, dx):
    found = slopes(layers.ReLU(**options), CORNERS)
    np.testing.assert_allclose(found[0], y, rtol=1e-6)
    np.testing.assert_allclose(found[1], dx, rtol=1e-6)


def test_corners_of_the_others():
    x = CORNERS[:3]
    np.testing.assert_allclose(slopes(layers.LeakyReLU(), x)[1], [0.3, 0.3, 1], rtol=1e-6)
    np.testing.assert_allclose(slopes(layers.ELU(0.7), x)[1], [0.7 * np.exp(-1), 0.7, 1], rtol=1e-6)
    prelu = layers.PReLU("ones")
    prelu(x[None])
    np.testing.assert_allclose(slopes(prelu, x[None])[1], [[1, 0, 1]])


def test_names_of_keras_1_and_2():
    assert layers.LeakyReLU(alpha=0.2).negative_slope == 0.2
    assert layers.LeakyReLU(alpha=np.array(0.2)).get_config()["negative_slope"] == 0.2
    assert layers.LeakyReLU(0.1).negative_slope == 0.1


@pytest.mark.parametrize("axes, shape", [(None, (3, 4)), ([1], (1, 4)), (1, (1, 4)), ([2], (3, 1)), ([1, 2], (1, 1))])
def test_shared_axes_of_prelu(axes, shape):
    layer = layers.PReLU("ones", shared_axes=axes)
    layer(np.zeros((2, 3, 4)))
    assert layer.alpha.shape == shape
    assert layer.get_config()["shared_axes"] == (None if axes is None else [1] if axes == 1 else axes)


def test_prelu_over_any_number_of_steps():
    inputs = gw.Input((None, 4))
    layer = layers.PReLU(shared_axes=[1])
    assert layer(inputs).shape == (None, None, 4)
    assert layer(np.zeros((2, 7, 4))).shape == (2, 7, 4)


SCORES = np.random.default_rng(0).normal(size=(2, 3, 4))
STEPS = np.array([[True, True, False], [False, False, False]])


def test_softmax_leaves_out_what_is_masked():
    mask = np.random.default_rng(1).random(SCORES.shape) > 0.4
    mask[0, 0] = False
    layer = layers.Softmax(dtype="float64")
    y = layer(np.where(mask, SCORES, np.nan), mask=mask)
    e = np.exp(SCORES) * mask
    np.testing.assert_allclose(y, e / np.maximum(e.sum(-1, keepdims=True), 1e-300))
    assert not y[0, 0].any()
    np.testing.assert_array_equal(layer(SCORES, mask=mask.astype("float32")), layer(SCORES, mask=mask))
    y, back = layer.differentiate([np.where(mask, SCORES, np.nan)], mask, False, None)
    dx = back(SCORES)[0][0]
    assert not dx[~mask].any() and np.isfinite(dx).all()


def test_softmax_over_time_under_the_mask_of_its_input():
    x = SCORES.copy()
    masks.attach(x, STEPS)
    for axis in (1, -1):
        layer = layers.Softmax(axis=axis, dtype="float64")
        y = layer(x)
        e = np.exp(SCORES) * STEPS[..., None]
        np.testing.assert_allclose(y, e / np.maximum(e.sum(axis, keepdims=True), 1e-300))
        np.testing.assert_array_equal(masks.mask_of(y), STEPS)


def test_softmax_in_a_model_sees_the_mask_of_masking():
    inputs = gw.Input((None, 4))
    model = gw.Model(inputs, layers.LSTM(2)(layers.Softmax(axis=1)(layers.Masking()(inputs))))
    x = np.where(STEPS[..., None], SCORES, 0)[:1].astype("float32")
    np.testing.assert_allclose(model.predict(x, verbose=0), model.predict(x[:, :2], verbose=0), rtol=1e-6)


def test_softmax_over_several_axes():
    y = layers.Softmax(axis=[1, 2], dtype="float64")(SCORES)
    np.testing.assert_allclose(y.sum((1, 2)), 1)
    assert layers.Softmax(axis=[1, 2]).get_config()["axis"] == [1, 2]


@pytest.mark.parametrize("value", [0.0, 0.5, -1, np.nan])
def test_masking_marks_the_steps_that_are_all_its_value(value):
    x = np.ones((2, 3, 4))
    x[0, 1:] = value
    x[1, 0, 0] = value
    y = layers.Masking(value, dtype="float64")(x)
    expected = [[True, False, False], [True, True, True]]
    np.testing.assert_array_equal(masks.mask_of(y), expected)
    np.testing.assert_array_equal(y, np.where(np.array(expected)[..., None], x, 0))


def test_masking_of_integers_and_of_other_numbers_of_axes():
    assert masks.mask_of(layers.Masking()(np.zeros((2, 3, 4, 5)))).shape == (2, 3, 4)
    assert masks.mask_of(layers.Masking()(np.zeros((2, 3)))).shape == (2,)
    np.testing.assert_array_equal(masks.mask_of(layers.Masking(1)(np.array([[[1], [2]]]))), [[False, True]])
    np.testing.assert_array_equal(masks.mask_of(layers.Masking(0.5)(np.array([[[0], [1]]]))), [[True, True]])
    inputs = gw.Input((None, 1), dtype="int32")
    model = gw.Model(inputs, layers.LSTM(2)(layers.Masking(-1)(inputs)))
    x = np.array([[[3], [4], [-1]]])
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x[:, :2], verbose=0))


def test_masking_by_a_value_for_each_feature():
    layer = layers.Masking(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(masks.mask_of(layer(np.array([[[1.0, 2.0], [2.0, 1.0]]]))), [[False, True]])
    assert layers.Masking.from_config(layer.get_config()).mask_value.tolist() == [1.0, 2.0]


REFUSALS = {
    "max_value": (lambda: layers.ReLU(max_value=-1), ["ReLU", "max_value", "negative", "-1"]),
    "slope": (lambda: layers.ReLU(negative_slope=None), ["ReLU", "negative_slope=None"]),
    "threshold": (lambda: layers.ReLU(threshold=-0.5), ["threshold=-0.5"]),
    "leaky": (lambda: layers.LeakyReLU(-1), ["LeakyReLU", "negative_slope=-1"]),
    "alpha": (lambda: layers.ELU(alpha="a"), ["ELU", "alpha='a'"]),
    "endless": (lambda: layers.ELU(alpha=float("inf")), ["alpha=inf"]),
    "unknown steps": (
        lambda: layers.PReLU(name="it")(gw.Input((None, 3))),
        ["'it' (PReLU)", "(None, None, 3)", "shared_axes=[1]"],
    ),
    "shared axis": (lambda: layers.PReLU(shared_axes=5, name="it")(SCORES), ["'it'", "shared_axes=[5]", "(2, 3, 4)"]),
    "shared batch": (lambda: layers.PReLU(shared_axes=[0], name="it")(SCORES), ["'it'", "counted from 1"]),
    "shared text": (lambda: layers.PReLU(shared_axes="1"), ["PReLU", "shared_axes", "'1'"]),
    "another shape": (
        lambda: [layer(x) for layer in [layers.PReLU(name="it")] for x in (SCORES, SCORES[:, :2])],
        ["'it'", "(None, 3, 4)", "(2, 2, 4)"],
    ),
    "softmax axis": (lambda: layers.Softmax(axis=5, name="it")(SCORES), ["'it' (Softmax)", "axis=5", "0 to 2"]),
    "softmax text": (lambda: layers.Softmax(axis="1"), ["Softmax", "'1'"]),
    "softmax mask": (
        lambda: layers.Softmax(name="it")(SCORES, mask=np.ones((2, 3))),
        ["'it'", "must be broadcastable", "(2, 3, 4)", "(2, 3)", "mask[..., None]"],
    ),
    "masking text": (lambda: layers.Masking("pad"), ["Masking", "'pad'"]),
    "masking axes": (
        lambda: layers.Masking(name="it")(np.zeros(3)),
        ["'it' (Masking)", "time steps, features", "(3,)"],
    ),
    "activation": (lambda: layers.Activation("tahn"), ["'tahn'", "'tanh'"]),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name):
    call, words = REFUSALS[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.parametrize("options", [{}, {"max_value": 6.0}, {"negative_slope": 0.1}, {"threshold": 0.5}], ids=str)
def test_a_rectifier_hides_no_nan(options):
    y = layers.ReLU(**options)(np.array([np.nan, -1.0, 1.0], "float32"))
    assert np.isnan(y).tolist() == [True, False, False]

"""TimeDistributed: what reaches the layer inside; against the same arithmetic written out step by step."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers


def data(*shape, seed=3):
    return np.random.default_rng(seed).normal(size=shape)


MASK = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1]], bool)


def test_masked_rows_stay_out_of_the_statistics():
    x = data(4, 3, 2)
    x[~MASK] = np.nan
    inner = layers.BatchNormalization(momentum=0.5, epsilon=0.0, dtype="float64")
    layer = layers.TimeDistributed(inner, dtype="float64")
    y = layer(x, mask=MASK, training=True)
    mean, variance = np.zeros(2), np.ones(2)
    for t in range(3):
        rows = x[MASK[:, t], t]
        expected = (rows - rows.mean(axis=0)) / rows.std(axis=0)
        np.testing.assert_allclose(y[MASK[:, t], t], expected, rtol=1e-6)
        mean = 0.5 * mean + 0.5 * rows.mean(axis=0)
        variance = 0.5 * variance + 0.5 * rows.var(axis=0)
    np.testing.assert_allclose(inner.moving_mean.numpy(), mean, rtol=1e-6)
    np.testing.assert_allclose(inner.moving_variance.numpy(), variance, rtol=1e-6)


def test_a_mask_of_steps_does_not_reach_a_layer_of_whole_steps():
    x = data(4, 3, 5, 2)
    lstm = layers.LSTM(2)
    y = layers.TimeDistributed(lstm)(x, mask=MASK)
    for t in range(3):
        np.testing.assert_allclose(y[:, t], lstm(x[:, t]), atol=1e-7)


@pytest.mark.parametrize("shape", [(4, 2), (3, 4), (4,), (2, 3, 2)])
def test_a_mask_of_other_steps_is_refused(shape):
    layer = layers.TimeDistributed(layers.Dense(2), name="each")
    with pytest.raises(ValueError, match=r"(?s)'each' was given a mask.*batch=4, time steps=3.*given"):
        layer(data(4, 3, 2), mask=np.ones(shape, bool))


def test_a_softmax_inside_takes_its_part_of_the_mask():
    x = data(4, 3, 2)
    model = gw.Sequential([gw.Input((3, 2)), layers.Masking(), layers.TimeDistributed(layers.Softmax())])
    y = model(np.where(MASK[..., None], x, 0))
    expected = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(y[MASK], expected[MASK], rtol=1e-5)


def test_penalties_of_an_activity_are_added_up_over_the_steps():
    x = data(4, 3, 2).astype("float32")
    inner = gw.Sequential([layers.Dense(2, activity_regularizer=gw.regularizers.L2(0.5))])
    model = gw.Sequential([gw.Input((3, 2)), layers.TimeDistributed(inner)])
    model.compile(gw.optimizers.SGD(0.1), "mse")
    y = model.predict(x, verbose=0)
    before = inner.layers[0].kernel.numpy()
    loss = model.train_on_batch(x, np.zeros_like(y))
    assert loss == pytest.approx(float((y**2).mean() + 0.5 * (y**2).sum() / 4), rel=1e-5)
    dy = 2 * y / y.size + y / 4
    slope = np.einsum("nti,ntj->ij", x, dy)
    np.testing.assert_allclose(inner.layers[0].kernel.numpy(), before - 0.1 * slope, rtol=1e-4, atol=1e-6)


def test_arguments_that_no_layer_has_are_refused():
    layer = layers.TimeDistributed(layers.Dense(2), name="each")
    with pytest.raises(TypeError, match=r"'each' \(TimeDistributed\) is called with inputs, mask and .*'states'"):
        layer(data(4, 3, 2), states=1)

"""TimeDistributed: the layers that cannot take all steps as one batch run step by step."""

import numpy as np

from gatewise import layers


def data(*shape):
    return np.random.default_rng(0).normal(size=shape)


def test_batch_normalization_sees_one_step_at_a_time():
    inner = layers.BatchNormalization(dtype="float64")
    wrapped = layers.TimeDistributed(inner, dtype="float64")
    alone = layers.BatchNormalization(dtype="float64")
    x = data(6, 3, 2)
    y = wrapped(x, training=True)
    steps = [alone(x[:, t], training=True) for t in range(3)]
    np.testing.assert_array_equal(y, np.stack(steps, axis=1))
    for a, b in zip(inner.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(wrapped(x)[:, 1], alone(x[:, 1]))


def test_the_gradient_through_separate_steps_is_each_steps_own():
    wrapped = layers.TimeDistributed(layers.BatchNormalization(dtype="float64"), dtype="float64")
    x, dy = data(6, 3, 2), data(6, 3, 2) ** 2
    wrapped(x)
    _, back = wrapped.differentiate([x], None, True, None)
    (dx,), gradients = back(dy)
    alone = layers.BatchNormalization(dtype="float64")
    alone(x[:, 0])
    total = 0
    for t in range(3):
        _, step_back = alone.differentiate([x[:, t]], None, True, None)
        (dx_t,), found = step_back(dy[:, t])
        np.testing.assert_allclose(dx[:, t], dx_t, rtol=1e-12)
        total = total + found[alone.gamma]
    np.testing.assert_allclose(gradients[wrapped.layer.gamma], total, rtol=1e-12)


def test_a_stateful_layer_goes_on_from_step_to_step():
    wrapped = layers.TimeDistributed(layers.LSTM(3, stateful=True))
    x = data(2, 4, 5, 2).astype("float32")
    y = wrapped(x)
    wrapped.layer.reset_states()
    np.testing.assert_array_equal(y, np.stack([wrapped.layer(x[:, t]) for t in range(4)], axis=1))

"""ConvLSTM: held against LSTMs, states, masks, dropout, and what it refuses."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, tree
from gradients import central_differences

X = np.zeros((3, 4, 5, 2), "float32")


def made(seed=0, **options):
    """A ConvLSTM1D in float64 with random weights, and an input."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 4, 5, 2))
    layer = layers.ConvLSTM1D(3, options.pop("kernel_size", 3), padding="same", dtype="float64", **options)
    layer(x)
    layer.set_weights([rng.normal(size=w.shape) * 0.5 for w in layer.get_weights()])
    return layer, x


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_with_windows_of_one_place_each_place_is_an_lstm(masked, backwards):
    options = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    layer, x = made(kernel_size=1, **options)
    plain = layers.LSTM(3, dtype="float64", **options)
    rows = x.transpose(0, 2, 1, 3).reshape(15, 4, 2)
    plain(rows)
    plain.set_weights([w.reshape(w.shape[-2:]) if w.ndim == 3 else w for w in layer.get_weights()])
    mask = np.random.default_rng(1).random((3, 4)) < 0.6 if masked else None
    y, h, c = layer(x, mask=mask)
    expected, eh, ec = plain(rows, mask=None if mask is None else np.repeat(mask, 5, axis=0))
    np.testing.assert_allclose(y, expected.reshape(3, 5, 4, 3).transpose(0, 2, 1, 3), rtol=1e-12, atol=1e-14)
    for found, state in ((h, eh), (c, ec)):
        np.testing.assert_allclose(found, state.reshape(3, 5, 3), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_sequence_in_two_parts(data_format):
    layer, x = made(data_format=data_format, return_state=True)
    x = np.random.default_rng(3).normal(size=(3, 6, *x.shape[2:]))
    whole = layer(x)
    first = layer(x[:, :2])
    second = layer(x[:, 2:], initial_state=first[1:])
    for a, b in zip(second, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_stateful_layers_go_on_and_are_reset():
    layer, x = made(stateful=True)
    free, _ = made()
    layer.reset_states()
    layer(x[:, :2])
    np.testing.assert_allclose(layer(x[:, 2:]), free(x), rtol=1e-12, atol=1e-14)
    layer.reset_states()
    np.testing.assert_array_equal(layer(x), free(x))
    with pytest.raises(ValueError, match="one state for each of 3 sequences, and this batch has 2"):
        layer(x[:2])


def test_masked_steps_leave_nothing_behind():
    layer, x = made(return_sequences=True, return_state=True)
    mask = np.array([[True, False, True, True], [False, False, True, False], [False] * 4])
    found = []
    for padding in (0.0, np.nan, np.inf):
        given = np.where(mask[:, :, None, None], x, padding)
        y, pullback = layer.differentiate([given], mask, False, None)
        (dx,), gradients = pullback([np.ones_like(leaf) for leaf in y])
        assert not dx[~mask].any()
        found.append([*y, dx, *gradients.values()])
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(a, b)
    y, h, c = layer(x, mask=mask)
    assert not y[2].any() and not h[2].any() and not c[2].any()
    np.testing.assert_array_equal(y[0, 1], y[0, 0])
    np.testing.assert_array_equal(y[1, 3], y[1, 2])


def test_a_mask_comes_from_the_layers_before():
    x = np.random.default_rng(0).normal(size=(3, 4, 5, 2)).astype("float32")
    layer = layers.ConvLSTM1D(3, 3, padding="same", return_sequences=True)
    mask = np.array([[True] * 4, [True, True, False, False], [True] * 4])
    inputs, given = gw.Input((4, 5, 2)), gw.Input((4,), dtype="bool")
    model = gw.Model([inputs, given], layers.ConvLSTM1D(2, 3)(layer(inputs, mask=given)))
    second = model.layers[-1]
    expected = second(layer(x, mask=mask), mask=mask)
    np.testing.assert_allclose(model([x, mask]), expected, rtol=1e-6)


@pytest.mark.parametrize("merge_mode", ["concat", "sum", None])
def test_both_directions(merge_mode):
    ahead, x = made(return_sequences=True)
    behind, _ = made(seed=1, return_sequences=True, go_backwards=True)
    both = layers.Bidirectional(
        layers.ConvLSTM1D(3, 3, padding="same", return_sequences=True, dtype="float64"), merge_mode, dtype="float64"
    )
    both(x)
    both.set_weights([*ahead.get_weights(), *behind.get_weights()])
    found = both(x)
    y, z = ahead(x), behind(x)[:, ::-1]
    expected = {"concat": np.concatenate([y, z], axis=-1), "sum": y + z, None: [y, z]}[merge_mode]
    for a, b in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_time_before_batch():
    layer, x = made(return_sequences=True)
    turned, _ = made(return_sequences=True, time_major=True)
    turned.set_weights(layer.get_weights())
    np.testing.assert_array_equal(turned(x.swapaxes(0, 1)), layer(x).swapaxes(0, 1))


@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}], ids=str)
def test_gradients_of_the_weights_under_dropout(options):
    """Every call draws anew, so each evaluation is by a layer made anew: the same first draw."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 3, 1))
    weights = [rng.normal(size=shape) * 0.5 for shape in ((2, 1, 8), (2, 2, 8), (8,))]

    def fresh():
        layer = layers.ConvLSTM1D(2, 2, padding="same", dtype="float64", seed=7, **options)
        layer.build(x.shape)
        layer.set_weights(weights)
        return layer

    y, pullback = fresh().differentiate([x], None, True, None)
    cotangent = np.random.default_rng(2).normal(size=y.shape)
    (dx,), gradients = pullback(cotangent)

    def value():
        return float((cotangent * fresh().differentiate([x], None, True, None)[0]).sum())

    np.testing.assert_allclose(dx, central_differences(value, x), rtol=1e-6, atol=1e-7)
    for array, gradient in zip(weights, gradients.values(), strict=True):
        np.testing.assert_allclose(gradient, central_differences(value, array), rtol=1e-6, atol=1e-7)


def test_dropout_is_another_choice_for_each_gate_and_the_same_at_every_step():
    cell = made(dropout=0.5, recurrent_dropout=0.5, seed=3)[0].cell
    for multiplier, channels in zip(cell.dropout_multipliers((200, 5, 2), True), (2, 3), strict=True):
        assert multiplier.shape == (200, 5, 4 * channels)
        assert set(np.unique(multiplier)) == {0.0, 2.0}
        copies = multiplier.reshape(-1, 4, channels)
        assert all((copies[:, 0] != copies[:, k]).mean() > 0.4 for k in (1, 2, 3))
    assert cell.dropout_multipliers((200, 5, 2), False) == (None, None)


def test_the_bias_of_a_fresh_layer():
    layer = layers.ConvLSTM2D(2, 3, bias_initializer="zeros")
    layer.build((None, 4, 5, 5, 1))
    assert layer.bias.numpy().tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    layer = layers.ConvLSTM2D(2, 3, unit_forget_bias=False)
    layer.build((None, 4, 5, 5, 1))
    assert not layer.bias.numpy().any()
    assert [w.shape for w in layer.weights] == [(3, 3, 1, 8), (3, 3, 2, 8), (8,)]


def test_shapes_are_known_before_the_weights():
    layer = layers.ConvLSTM2D(2, 3, strides=2, return_sequences=True, return_state=True)
    assert layer.compute_output_shape((None, None, 7, 9, 1)) == [
        (None, None, 3, 4, 2),
        (None, 3, 4, 2),
        (None, 3, 4, 2),
    ]
    assert not layer.built


def test_one_step_of_the_cell():
    layer, x = made(return_state=True)
    h, c = np.random.default_rng(4).normal(size=(2, 3, 5, 3))
    y, (new_h, new_c) = layer.cell(x[:, 0], [h, c])
    for a, b in zip((y, new_h, new_c), layer(x[:, :1], initial_state=[h, c]), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="initial states that do not fit"):
        layer.cell(x[:, 0], [h, c[:, :4]])


REFUSED = {
    "three axes": (
        lambda: layers.ConvLSTM1D(2, 3, name="it")(X[0]),
        ["'it' (ConvLSTM1D)", "expected ndim=4, found ndim=3", "time steps=any, places=any"],
    ),
    "images for rows": (lambda: layers.ConvLSTM1D(2, 3, name="it")(X[..., None]), ["'it'", "found ndim=5"]),
    "unknown sizes": (
        lambda: layers.ConvLSTM1D(2, 3, name="it")(gw.Input((4, None, 2))),
        ["'it' (ConvLSTM1D)", "known sizes", "Only the batch and the time steps may be None"],
    ),
    "unknown channels": (lambda: layers.ConvLSTM1D(2, 3, name="it")(gw.Input((4, 5, None))), ["'it'", "channels"]),
    "other sizes": (lambda: _built("it")(X[:, :, :4]), ["'it'", "the sizes (5,) that it was built for", "places=4"]),
    "other channels": (lambda: _built("it")(np.zeros((3, 4, 5, 3))), ["'it'", "built for 2 channels and was given 3"]),
    "too small": (lambda: layers.ConvLSTM1D(2, 6, name="it")(X), ["'it' (ConvLSTM1D)", "window over 6", "into 5"]),
    "no steps": (lambda: layers.ConvLSTM1D(2, 3, name="it")(X[:, :0]), ["'it'", "time steps=0"]),
    "states": (
        lambda: layers.ConvLSTM1D(2, 3, name="it")(X, initial_state=[np.zeros((3, 5, 2))] * 2),
        ["'it'", "initial states that do not fit", "(3, 3, 2)", "(3, 5, 2)"],
    ),
    "filters": (lambda: layers.ConvLSTM1D(0, 3), ["ConvLSTM1D", "`filters`", "got 0"]),
    "kernel_size": (lambda: layers.ConvLSTM2D(2, (3, 3, 3)), ["ConvLSTM2D", "`kernel_size`", "(3, 3, 3)"]),
    "strides": (lambda: layers.ConvLSTM3D(2, 3, strides=0), ["ConvLSTM3D", "`strides`"]),
    "strides and dilation": (lambda: layers.ConvLSTM1D(2, 3, strides=2, dilation_rate=2), ["ConvLSTM1D", "dilation"]),
    "padding": (lambda: layers.ConvLSTM1D(2, 3, padding="causal"), ["ConvLSTM1D", "'valid', 'same'", "'causal'"]),
    "dropout": (lambda: layers.ConvLSTM1D(2, 3, dropout=2), ["ConvLSTM1D", "dropout=2"]),
    "dtype": (lambda: layers.ConvLSTM1D(2, 3, dtype="int8"), ["ConvLSTM1D", "int8"]),
}


def _built(name):
    layer = layers.ConvLSTM1D(2, 3, name=name)
    layer(X)
    return layer


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, words = REFUSED[name]
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)

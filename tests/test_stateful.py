"""Stateful layers: states go from batch to batch, are reset and replaced, and hold a batch size."""

import json
import pathlib

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def twins(**options):
    """A stateful layer, and one that is not, with the same weights."""
    stateful, plain = layers.LSTM(3, stateful=True, **options), layers.LSTM(3, return_state=True, **options)
    stateful.build((None, None, 2)), plain.build((None, None, 2))
    plain.set_weights(stateful.get_weights())
    return stateful, plain


def test_halves_of_a_sequence_are_the_whole():
    stateful, plain = twins(return_sequences=True)
    x = data(3, 8, 2)
    halves = np.concatenate([stateful(x[:, :4]), stateful(x[:, 4:])], axis=1)
    np.testing.assert_allclose(halves, plain(x)[0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("reset", ["reset_states", "reset_state"])
def test_reset_begins_anew_or_with_values(reset):
    stateful, plain = twins()
    x, h, c = data(3, 4, 2), data(3, 3, seed=1), data(3, 3, seed=2)
    first = stateful(x)
    assert not np.array_equal(stateful(x), first)
    getattr(stateful, reset)()
    np.testing.assert_array_equal(stateful(x), first)
    getattr(stateful, reset)([h, c])
    np.testing.assert_array_equal(stateful(x), plain(x, initial_state=[h, c])[0])
    np.testing.assert_array_equal(stateful.states[1].value, plain(x, initial_state=[h, c])[2])


def test_initial_states_at_the_call_come_first():
    stateful, plain = twins()
    x, states = data(3, 4, 2), [data(3, 3, seed=1), data(3, 3, seed=2)]
    stateful(x)
    np.testing.assert_array_equal(stateful(x, initial_state=states), plain(x, initial_state=states)[0])


def test_masked_steps_leave_the_states():
    stateful, _ = twins()
    x = data(3, 4, 2)
    stateful(x)
    kept = [state.numpy() for state in stateful.states]
    stateful(x, mask=np.zeros((3, 4), bool))
    for a, b in zip(kept, stateful.states, strict=True):
        np.testing.assert_array_equal(a, b.value)


def test_the_gradient_takes_the_states_as_given():
    stateful, plain = twins()
    x = data(3, 4, 2)
    stateful(x)
    states = [state.numpy() for state in stateful.states]
    y, back = stateful.differentiate([x], None, True, None)
    stateful(x)  # another batch before the way back
    (y2, *_), back2 = plain.differentiate([x, *states], None, True, None)
    dy = data(3, 3, seed=4)
    np.testing.assert_array_equal(y, y2)
    np.testing.assert_array_equal(back(dy)[0][0], back2([dy, None, None])[0][0])


def test_a_batch_of_another_size_is_refused_until_reset():
    stateful, _ = twins()
    stateful(data(3, 4, 2))
    with pytest.raises(ValueError, match="keeps one state for each of 3 sequences, and this batch has 2") as caught:
        stateful(data(2, 4, 2))
    assert "batch_size=3" in str(caught.value) and "(batch=2, time steps=any, features=2)" in str(caught.value)
    stateful.reset_states()
    assert stateful(data(2, 4, 2)).shape == (2, 3)


def test_a_model_resets_all_its_layers():
    model = gw.Sequential(
        [
            gw.Input(batch_shape=(2, 4, 2)),
            layers.LSTM(3, stateful=True, return_sequences=True),
            gw.Sequential([layers.LSTM(2, stateful=True)]),
        ]
    )
    x = data(2, 4, 2)
    first = model.predict(x, verbose=0)
    assert model.stateful and not np.array_equal(model.predict(x, verbose=0), first)
    model.reset_states()
    np.testing.assert_array_equal(model.predict(x, verbose=0), first)
    # An Input with a fixed batch gives predict its batch size: three batches of two.
    model.reset_states()
    pieces = model.predict(data(6, 4, 2), verbose=0)
    assert pieces.shape == (6, 2)


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match=r"is not stateful; write LSTM\(..., stateful=True\)"):
        layers.LSTM(3).reset_states()
    stateful, _ = twins()
    with pytest.raises(ValueError, match="initial states that do not fit"):
        stateful.reset_states([data(3, 3)])
    with pytest.raises(ValueError, match="initial states that do not fit"):
        stateful.reset_states([data(3, 2), data(3, 2)])


@pytest.mark.parametrize("cls", [layers.LSTM, layers.Bidirectional])
def test_the_mask_of_the_sequences_counts_where_states_are_given(cls):
    layer = cls(3) if cls is layers.LSTM else cls(layers.GRU(3))
    x, states = data(2, 5, 4), [data(2, 3), data(2, 3)]
    x[0, 3:] = x[1, :2] = 0
    inputs = [gw.Input((5, 4)), gw.Input((3,)), gw.Input((3,))]
    model = gw.Model(inputs, layer(layers.Masking()(inputs[0]), initial_state=inputs[1:]))
    y = model([x, *states])
    for k, steps in enumerate([slice(0, 3), slice(2, 5)]):
        alone = layer(x[k : k + 1, steps], initial_state=[state[k : k + 1] for state in states])
        np.testing.assert_allclose(y[k : k + 1], alone, atol=1e-6)


TRUNCATED = json.loads((pathlib.Path(__file__).parent / "golden" / "truncated.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("remat_steps", [None, 3])
@pytest.mark.parametrize("name", TRUNCATED["models"])
def test_truncated_backpropagation_is_keras(name, remat_steps):
    """Windows of a long sequence, a step of training each: the states go on, the gradients do not."""
    told = TRUNCATED["models"][name]
    x, y = np.array(told["x"]), np.array(told["y"])
    parts = [gw.Input(batch_shape=(len(x), TRUNCATED["steps"], x.shape[2]), dtype="float64")]
    for cls, options in told["parts"]:
        more = {} if cls == "Dense" else {"stateful": True, "remat_steps": remat_steps}
        parts.append(getattr(layers, cls)(dtype="float64", **options, **more))
    model = gw.Sequential(parts)
    model.set_weights([np.array(w) for w in told["before"]])
    model.compile(gw.optimizers.SGD(0.2), "mse")
    windows, losses = np.split(x, len(y), axis=1), []
    recurrent = [layer for layer in model.layers if getattr(layer, "stateful", False)]
    for _ in range(2):
        losses += [model.train_on_batch(window, target) for window, target in zip(windows, y, strict=True)]
        states = [state.numpy() for layer in recurrent for state in layer.states]
        model.reset_states()
    np.testing.assert_allclose(losses, told["losses"], rtol=1e-9)
    for found, expected in zip(model.get_weights(), told["after"], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    for found, expected in zip(states, told["states"], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_a_gradient_does_not_reach_the_window_before():
    """The way back ends where the window begins, whatever went before it."""
    stateful, plain = twins()
    first, second = data(2, 4, 2), data(2, 4, 2, seed=1)
    stateful(first)
    states = [state.numpy() for state in stateful.states]
    _, back = stateful.differentiate([second], None, True, None)
    _, other = plain.differentiate([second, *states], None, True, None)
    d_x, gradients = back(np.ones((2, 3), "float32"))
    d_other, others = other([np.ones((2, 3), "float32"), None, None])
    np.testing.assert_array_equal(d_x[0], d_other[0])
    for a, b in zip(gradients.values(), others.values(), strict=True):
        np.testing.assert_array_equal(a, b)

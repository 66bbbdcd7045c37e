"""Bidirectional against two layers put together by hand, and what it refuses."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import kernels, layers


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


MERGES = {
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
}


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("mode", MERGES)
def test_it_is_two_layers(mode, sequences):
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=sequences), merge_mode=mode)
    x = data(2, 5, 4)
    y = both(x)
    ahead = layers.LSTM(3, return_sequences=sequences)
    behind = layers.LSTM(3, return_sequences=sequences, go_backwards=True)
    ahead(x), behind(x)
    ahead.set_weights(both.get_weights()[:3])
    behind.set_weights(both.get_weights()[3:])
    other = behind(x)[:, ::-1] if sequences else behind(x)
    np.testing.assert_allclose(y, MERGES[mode](ahead(x), other), rtol=1e-6)


def test_names_and_weights_are_keras_s():
    both = layers.Bidirectional(layers.LSTM(3, name="memory"), name="both")
    both(data(2, 5, 4))
    assert both.forward_layer.name == "forward_memory" and both.backward_layer.name == "backward_memory"
    assert [w.path for w in both.weights][::3] == [
        "both/forward_memory/lstm_cell/kernel",
        "both/backward_memory/lstm_cell/kernel",
    ]


def test_the_pattern_is_not_used_itself():
    pattern = layers.LSTM(3, dropout=0.2, kernel_regularizer="l2", trainable=False)
    both = layers.Bidirectional(pattern)
    both(data(2, 5, 4))
    assert not pattern.built and both.forward_layer is not pattern
    assert both.backward_layer.kernel_regularizer is not None and both.trainable_weights == []


def test_patterns_of_users_are_made_anew_without_being_registered():
    def bump(z):
        return z / (1 + z * z)

    class Doubled(layers.LSTM):
        def __init__(self, units):
            super().__init__(units, activation=bump, return_sequences=True)

    both = layers.Bidirectional(Doubled(3))
    assert both(data(2, 5, 4)).shape == (2, 5, 6)
    assert both.backward_layer.activation is bump


def test_states_go_in_and_come_out_forward_first():
    both = layers.Bidirectional(layers.LSTM(3, return_state=True, return_sequences=True))
    x = data(2, 5, 4)
    y, fh, fc, bh, bc = both(x)
    np.testing.assert_array_equal(y[:, -1, :3], fh)
    np.testing.assert_array_equal(y[:, 0, 3:], bh)
    again, *_ = both(x, initial_state=[fh, fc, bh, bc])
    assert not np.array_equal(again, y)
    np.testing.assert_array_equal(both([x, fh, fc, bh, bc])[0], again)  # as in Keras 1 and 2


def test_encoder_and_decoder_share_states():
    source, target = gw.Input((None, 4)), gw.Input((None, 2))
    _, *states = layers.Bidirectional(layers.LSTM(3, return_state=True))(source)
    h = layers.Concatenate()([states[0], states[2]]) if hasattr(layers, "Concatenate") else states[0]
    decoded = layers.LSTM(h.shape[-1])(target, initial_state=[h, h])
    model = gw.Model([source, target], layers.Dense(1)(decoded))
    model.compile("adam", "mse")
    model.fit([data(8, 5, 4), data(8, 3, 2)], data(8, 1), verbose=0)


def test_masks_are_passed_on_and_masked_steps_are_zero():
    inputs = gw.Input((5, 2))
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(layers.Masking()(inputs))
    model = gw.Model(inputs, [y, layers.LSTM(2)(y)])
    x = data(3, 5, 2)
    x[1, 3:] = 0
    sequences, last = model.predict(x)
    assert not sequences[1, 3:].any() and sequences[0].all()
    short, short_last = model.predict(x[1:2, :3])
    np.testing.assert_allclose(sequences[1:2, :3], short, rtol=1e-6)
    np.testing.assert_allclose(last[1:2], short_last, rtol=1e-6)


def test_stateful_layers_go_on_and_are_reset():
    both = layers.Bidirectional(layers.LSTM(3, stateful=True, return_sequences=True))
    model = gw.Sequential([gw.Input((4, 2)), both, layers.Dense(1)])
    x = data(2, 4, 2)
    first = model.predict(x)
    second = model.predict(x)
    assert not np.array_equal(first, second)
    model.reset_states()
    np.testing.assert_array_equal(model.predict(x), first)
    assert [s.shape for s in both.states] == [(2, 3)] * 4
    kept = [s.numpy() for s in both.states]
    model.predict(x)
    both.reset_states(kept)
    np.testing.assert_array_equal(model.predict(x), second)


def test_a_model_of_bidirectional_layers_is_saved_and_loaded(tmp_path):
    model = gw.Sequential(
        [
            gw.Input((6, 2)),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
            layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(2, go_backwards=True)),
            layers.Dense(1),
        ]
    )
    x = data(3, 6, 2)
    model.save(tmp_path / "model.keras")
    again = gw.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.count_params() == model.count_params()


def test_the_inner_layers_input_shape_serves():
    model = gw.Sequential([layers.Bidirectional(layers.LSTM(4, input_shape=(6, 2))), layers.Dense(1)])
    assert model.output_shape == (None, 1)


REFUSED = {
    "a class": (lambda: layers.Bidirectional(layers.LSTM), r"not a class; write Bidirectional\(LSTM\(...\)\)"),
    "Dense": (lambda: layers.Bidirectional(layers.Dense(3)), "wraps a recurrent layer.*Dense.*has no return_sequences"),
    "a number": (lambda: layers.Bidirectional(3), "wraps a recurrent layer.*int 3"),
    "merge mode": (lambda: layers.Bidirectional(layers.LSTM(3), "max"), "Invalid merge mode. Received: max"),
    "backwards": (
        lambda: layers.Bidirectional(layers.LSTM(3, go_backwards=True)),
        "different `go_backwards`.*runs forwards",
    ),
    "two forwards": (
        lambda: layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3)),
        "different `go_backwards`",
    ),
    "other outputs": (
        lambda: layers.Bidirectional(
            layers.LSTM(3), backward_layer=layers.LSTM(3, go_backwards=True, return_state=True)
        ),
        'same value for attribute "return_state"',
    ),
    "sizes that do not add": (
        lambda: layers.Bidirectional(layers.LSTM(3), merge_mode="sum", backward_layer=layers.GRU(2, go_backwards=True))(
            gw.Input((5, 4))
        ),
        "merge_mode='sum' needs two outputs of one size.*3 features.*2. Give both",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_together_is_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_too_few_states_are_refused():
    both = layers.Bidirectional(layers.LSTM(3))
    x, h = data(2, 5, 4), data(2, 3)
    with pytest.raises(ValueError, match=r"2 for the forward layer, then 2 for the backward layer\s+given:\s+2"):
        both(x, initial_state=[h, h])


def test_too_few_states_for_a_reset_are_refused():
    both = layers.Bidirectional(layers.LSTM(3, stateful=True))
    both(data(2, 5, 4))
    with pytest.raises(ValueError, match=r"2 for the forward layer, then 2 for the backward layer\s+given:\s+2"):
        both.reset_states([data(2, 3), data(2, 3)])


def test_a_stack_made_of_a_list_of_cells_keeps_its_name():
    pattern = layers.RNN([layers.GRUCell(2), layers.LSTMCell(3)])
    both = layers.Bidirectional(pattern)
    assert both.forward_layer.cell.name == both.backward_layer.cell.name == pattern.cell.name


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU, layers.SimpleRNN])
@pytest.mark.parametrize("mode", [*MERGES, None])
def test_halves_at_the_same_time_compute_what_they_compute_one_after_the_other(kind, mode):
    x, y = data(3, 60, 8), data(3, 60, 96)
    mask = np.random.default_rng(1).random((3, 60)) < 0.8
    before = kernels.get_threads()
    found = []
    try:
        for count in (1, 2, 3):
            kernels.set_threads(count)
            gw.utils.set_random_seed(4)
            layer = layers.Bidirectional(
                kind(48, return_sequences=True, dropout=0.2, recurrent_dropout=0.1, return_state=True, seed=3), mode
            )
            layer.ensure_built([x.shape])
            inferred = layer.compute([x], mask, False, None)
            out, pullback = layer.differentiate([x], mask, True, None)
            parts = 2 if mode is None else 1
            d = [y[..., : out[0].shape[-1]]] * parts + [np.ones_like(s) for s in out[parts:]]
            (dx, *_), gradients = pullback(d)
            found.append([*inferred, *out, dx, *(gradients[v] for v in layer.trainable_variables)])
    finally:
        kernels.set_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)

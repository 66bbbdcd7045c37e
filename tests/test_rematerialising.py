"""remat_steps: what is computed again is what was computed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw
from contract_cases.wrappers import LeakyCell
from gatewise import config, layers, tree

TOLERANCE = 1e-12
"""Of gradients in float64, relative to the largest of an array: sums in another order."""

RECURRENT = {
    "LSTM": lambda **o: layers.LSTM(3, **o),
    "GRU": lambda **o: layers.GRU(3, **o),
    "GRU, reset before": lambda **o: layers.GRU(3, reset_after=False, **o),
    "SimpleRNN": lambda **o: layers.SimpleRNN(3, **o),
    "LSTM variant": lambda **o: layers.LSTM(3, projection_units=2, peephole=True, layer_norm=True, **o),
    "LSTM, dropout": lambda **o: layers.LSTM(3, dropout=0.3, recurrent_dropout=0.2, seed=4, **o),
    "LSTM, zoneout": lambda **o: layers.LSTM(3, zoneout_cell=0.3, zoneout_output=0.2, seed=4, **o),
    "LSTM, gelu": lambda **o: layers.LSTM(3, activation="gelu", **o),
    "user's cell": lambda **o: layers.RNN(LeakyCell(3, dtype="float64"), **o),
    "stack": lambda **o: layers.RNN(
        [layers.GRUCell(3, dropout=0.3, seed=1, dtype="float64"), LeakyCell(2, dtype="float64")], **o
    ),
    "LSTM and its reverse": lambda remat_steps=None, **o: layers.Bidirectional(
        layers.LSTM(3, dtype="float64", remat_steps=remat_steps, return_sequences=True)
    ),
}


def found(make, k, x, mask, training=True, states=(), **options):
    """The outputs and all gradients of a layer made with remat_steps=k."""
    gw.random.set_global_seed(7)
    layer = make(dtype="float64", remat_steps=k, **options)
    layer(np.zeros_like(x))
    rng = np.random.default_rng(1)
    for variable in layer.weights:
        variable.assign(rng.normal(size=variable.shape) * 0.5)
    y, pullback = layer.differentiate([x, *states], mask, training, None)
    dys = [rng.normal(size=leaf.shape) for leaf in tree.leaves(y)]
    d_inputs, gradients = pullback(dys if isinstance(y, list) else dys[0])
    return list(tree.leaves(y)), [*d_inputs, *(gradients[v] for v in layer.trainable_weights)], layer


def assert_same(without, with_remat):
    for a, b in zip(without[0], with_remat[0], strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(without[1], with_remat[1], strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=TOLERANCE * max(np.abs(a).max(initial=0), 1e-3))


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(sorted(RECURRENT)), T=st.integers(1, 13), k=st.integers(1, 15), N=st.integers(1, 8),
    masked=st.booleans(), sequences=st.booleans(), state=st.booleans(), backwards=st.booleans(), seed=st.integers(0, 9),
)  # fmt: skip
def test_outputs_are_the_same_bits_and_gradients_the_same_sums(
    name, T, k, N, masked, sequences, state, backwards, seed
):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, T, 2))
    mask = rng.random((N, T)) < 0.6 if masked else None
    options = {"return_sequences": sequences, "return_state": state, "go_backwards": backwards}
    assert_same(*(found(RECURRENT[name], each, x, mask, **options)[:2] for each in (None, k)))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "LSTM variant"])
def test_initial_states_get_their_gradients(name):
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(3, 7, 2)), rng.random((3, 7)) < 0.5
    sizes = [state[0] for state in RECURRENT[name]().state_shapes]
    states = [rng.normal(size=(3, size)) for size in sizes]
    for padded in (None, mask):
        pair = [found(RECURRENT[name], k, x, padded, states=states, return_sequences=True)[:2] for k in (None, 3)]
        assert_same(*pair)


class NoisyCell(gw.Layer):
    """A user's cell that draws from a generator of its own and from the global seed, and adds to the loss."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.state_size = 2
        self.seeds = gw.random.SeedGenerator(3)
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def build(self, input_shape):
        self.w = self.add_weight(shape=(2, 2), name="w")

    def call(self, inputs, states):
        (h,) = states
        self.calls.assign(self.calls.array + 1)
        noise = gw.random.normal((2,), seed=self.seeds) + gw.random.normal((2,))
        h = np.tanh(inputs + h @ self.w + noise.astype(h.dtype))
        self.add_loss(0.1 * (h**2).sum())
        return h, [h]


def test_a_users_cell_draws_the_same_adds_its_loss_once_and_counts_once():
    x = np.random.default_rng(0).normal(size=(2, 7, 2)).astype("float32")
    results = []
    for k in (None, 3):
        config.reset_names()
        gw.random.set_global_seed(1)
        cell = NoisyCell()
        model = gw.Sequential([gw.Input((7, 2)), layers.RNN(cell, remat_steps=k), layers.Dense(1)])
        model.compile("sgd", "mse")
        start = float(cell.calls.array)
        loss, gradients = model.value_and_grad(x, np.ones((2, 1)))
        assert float(cell.calls.array) - start == 7
        results.append((loss, [gradients[v] for v in model.trainable_variables], gw.random.normal((3,))))
    (loss, gradients, after), (again, others, later) = results
    assert loss == again
    np.testing.assert_array_equal(after, later)  # the global seed's streams stand where they stood
    for a, b in zip(gradients, others, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_way_back_may_be_gone_twice():
    layer = layers.LSTM(3, remat_steps=2, dropout=0.5, seed=1)
    x = np.random.default_rng(0).normal(size=(2, 5, 2)).astype("float32")
    layer(x)
    y, pullback = layer.differentiate([x], None, True, None)
    for a, b in zip(pullback(np.ones_like(y))[0], pullback(np.ones_like(y))[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_time_major_and_stateful_and_ragged():
    x = np.random.default_rng(0).normal(size=(3, 7, 2))
    pair = [found(RECURRENT["LSTM"], k, x.swapaxes(0, 1), None, time_major=True)[:2] for k in (None, 2)]
    assert_same(*pair)
    pair = [found(RECURRENT["GRU"], k, x, None, stateful=True)[:2] for k in (None, 3)]
    assert_same(*pair)
    sequences = [x[0], x[1, :4], x[2, :1]]
    losses = []
    for k in (None, 2):
        gw.random.set_global_seed(3)
        model = gw.Sequential([gw.Input((None, 2)), layers.LSTM(3, remat_steps=k), layers.Dense(1)])
        model.compile("sgd", "mse")
        losses.append(model.fit(sequences, np.ones((3, 1)), epochs=3, verbose=0, shuffle=False).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_trained_weights_are_those_without(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 9, 2)).astype("float32")
    y = np.random.default_rng(1).normal(size=(6, 9, 1)).astype("float32")
    trained = []
    for k in (None, 4):
        config.reset_names()
        gw.random.set_global_seed(3)
        lstm = layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.2, seed=5))
        model = gw.Sequential([gw.Input((9, 2)), lstm, layers.GRU(2, return_sequences=True), layers.Dense(1)])
        for layer in model.layers[:2]:
            layer.remat_steps = k
        model.compile("adam", "mse")
        model.fit(x, y, batch_size=3, epochs=2, verbose=0)
        trained.append(model.get_weights())
    for a, b in zip(*trained, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-4, atol=2e-5)
    model.save(tmp_path / "m.keras")
    again = gw.load_model(tmp_path / "m.keras")
    assert [layer.remat_steps for layer in again.layers[:2]] == [4, 4]
    assert again.layers[0].backward_layer.remat_steps == 4


def test_it_may_be_set_later_and_stands_in_the_configuration_only_if_set():
    layer = layers.LSTM(3)
    assert "remat_steps" not in layer.get_config()
    layer.remat_steps = 20
    assert layer.get_config()["remat_steps"] == 20
    assert layers.LSTM.from_config(layer.get_config()).remat_steps == 20
    both = layers.Bidirectional(layer)
    assert both.forward_layer.remat_steps == both.backward_layer.remat_steps == 20
    both.remat_steps = None
    assert both.backward_layer.remat_steps is None


@pytest.mark.parametrize("wrong", [0, -3, 2.5, True, "10"])
def test_what_is_no_number_of_steps_is_refused(wrong):
    message = "argument `remat_steps`, expected a positive integer"
    for make in (layers.LSTM, layers.GRU, layers.SimpleRNN):
        with pytest.raises(ValueError, match=message):
            make(3, remat_steps=wrong)
    layer = layers.LSTM(3, name="reader")
    with pytest.raises(ValueError, match=message) as caught:
        layer.remat_steps = wrong
    assert "Layer 'reader' (LSTM)" in str(caught.value)
    assert layer.remat_steps is None

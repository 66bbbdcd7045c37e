"""GRU and SimpleRNN where golden data and the contract do not look: dropout, refusals, configurations, single steps."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers

N, T, F, H = 3, 4, 2, 5


def _x(seed=0, steps=T):
    return np.random.default_rng(seed).normal(size=(N, steps, F)).astype("float32")


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _weights(layer):
    """The weights of a layer that was built with biases that are not zero."""
    return [w.numpy().astype("float64") for w in layer.weights]


@pytest.mark.parametrize("reset_after", [True, False])
def test_dropout_of_a_gru_is_of_what_meets_the_weights(reset_after):
    """h[t-1] is dropped on its way into products only: what z keeps of it is whole, as in Keras's cell."""
    options = dict(reset_after=reset_after, dropout=0.4, recurrent_dropout=0.5, seed=7, bias_initializer="normal")
    layer, twin = layers.GRU(H, **options), layers.GRUCell(H, **options)
    x = _x()
    h_layer = np.asarray(layer(x, training=True))
    W, U, b = _weights(layer)
    x_drop, h_drop = twin.dropout_multipliers(x.shape, True)
    assert (h_drop == 0).any() and (h_drop == 2).any()
    b_x, b_h = b if reset_after else (b, np.zeros(3 * H))
    h = np.zeros((N, H))
    for t in range(T):
        of_x, met = (x[:, t] * x_drop) @ W + b_x, h * h_drop
        z, r = (_sigmoid(of_x[:, k : k + H] + met @ U[:, k : k + H] + b_h[k : k + H]) for k in (0, H))
        if reset_after:
            g = np.tanh(of_x[:, 2 * H :] + r * (met @ U[:, 2 * H :] + b_h[2 * H :]))
        else:
            g = np.tanh(of_x[:, 2 * H :] + (r * met) @ U[:, 2 * H :])
        h = z * h + (1 - z) * g
    np.testing.assert_allclose(h_layer, h, atol=1e-6)


def test_dropout_of_a_simple_rnn():
    options = dict(dropout=0.4, recurrent_dropout=0.5, seed=7, bias_initializer="normal")
    layer, twin = layers.SimpleRNN(H, **options), layers.SimpleRNNCell(H, **options)
    x = _x()
    h_layer = np.asarray(layer(x, training=True))
    W, U, b = _weights(layer)
    x_drop, h_drop = twin.dropout_multipliers(x.shape, True)
    h = np.zeros((N, H))
    for t in range(T):
        h = np.tanh((x[:, t] * x_drop) @ W + (h * h_drop) @ U + b)
    np.testing.assert_allclose(h_layer, h, atol=1e-6)


def test_the_two_bias_forms_of_a_gru():
    assert layers.GRU(H).cell.reset_after
    shapes = []
    for reset_after in (True, False):
        layer = layers.GRU(H, reset_after=reset_after)
        layer.build((None, T, F))
        shapes.append([w.shape for w in layer.weights])
        assert layer.count_params() == 3 * ((F + H) * H + (2 if reset_after else 1) * H)
    assert shapes == [[(F, 3 * H), (H, 3 * H), (2, 3 * H)], [(F, 3 * H), (H, 3 * H), (3 * H,)]]


@pytest.mark.parametrize("cell_class", [layers.GRUCell, layers.SimpleRNNCell])
def test_a_cell_step_by_step_is_the_layer_to_the_last_bit(cell_class):
    layer_class = getattr(layers, cell_class.__name__.removesuffix("Cell"))
    layer = layer_class(H, return_sequences=True, bias_initializer="normal")
    x = _x()
    whole = np.asarray(layer(x))
    cell = cell_class(H)
    h = np.zeros((N, H), "float32")
    cell(x[:, 0], [h])
    cell.set_weights(layer.get_weights())
    for t in range(T):
        y, [h] = cell(x[:, t], [h])
        assert np.array_equal(y, whole[:, t]) and np.array_equal(y, h)


@pytest.mark.parametrize("make", [layers.GRU, layers.SimpleRNN])
def test_stateful_halves_are_the_whole(make):
    whole, halves = make(H), make(H, stateful=True)
    x = _x()
    expected = np.asarray(whole(x))
    halves(x[:, :2])
    halves.set_weights(whole.get_weights())
    halves.reset_states()
    halves(x[:, :2])
    assert np.array_equal(halves(x[:, 2:]), expected)


@pytest.mark.parametrize("make", [layers.GRU, layers.GRUCell, layers.SimpleRNN, layers.SimpleRNNCell])
@pytest.mark.parametrize(
    "options, message",
    [
        ({"units": 0}, "units"),
        ({"units": 2.5}, "units"),
        ({"units": 3, "dropout": 1.5}, "dropout"),
        ({"units": 3, "recurrent_dropout": -0.1}, "recurrent_dropout"),
        ({"units": 3, "implementation": 3}, "implementation is 0, 1 or 2"),
        ({"units": 3, "activation": "thanh"}, "tanh"),
    ],
)
def test_bad_arguments_name_the_class(make, options, message):
    with pytest.raises(ValueError, match=message) as error:
        make(**options)
    assert "activation" in options or make.__name__ in str(error.value)


@pytest.mark.parametrize("make", [layers.GRU, layers.SimpleRNN])
def test_bad_inputs_name_the_layer(make):
    layer = make(H, name="memory")
    with pytest.raises(ValueError, match=rf"layer 'memory' \({make.__name__}\)"):
        layer(np.zeros((N, F), "float32"))
    layer(_x())
    with pytest.raises(ValueError, match="memory"):
        layer(np.zeros((N, T, F + 1), "float32"))
    with pytest.raises(ValueError, match="memory"):
        layer(_x(), initial_state=[np.zeros((N, H + 1), "float32")])
    with pytest.raises(ValueError, match="memory"):
        layer(_x(), initial_state=[np.zeros((N, H), "float32")] * 2)
    with pytest.raises(ValueError, match="memory"):
        layer(_x(), mask=np.ones((N, T + 1), bool))


@pytest.mark.parametrize("make", [layers.GRUCell, layers.SimpleRNNCell])
def test_a_cell_refuses_whole_sequences(make):
    with pytest.raises(ValueError, match="computes one step.*\n.*\n.*\nUse (GRU|SimpleRNN) for whole sequences"):
        make(H)(_x(), [np.zeros((N, H), "float32")])


def test_what_configurations_say():
    config = layers.GRU(H, use_cudnn=False, implementation=1, seed=0).get_config()
    assert config["reset_after"] is True and config["seed"] == 0
    assert not {"use_cudnn", "implementation", "time_major"} & set(config)
    assert "recurrent_activation" not in layers.SimpleRNN(H).get_config()
    assert "seed" not in layers.SimpleRNN(H).get_config()  # as in Keras, which forgets it
    again = layers.SimpleRNN.from_config(layers.SimpleRNN(H, dropout=0.5, seed=0).get_config())
    assert again.cell.seed == 0


@pytest.mark.parametrize("make", [layers.GRU, layers.SimpleRNN])
def test_models_learn_with_them(make):
    gw.utils.set_random_seed(1)
    x = _x(steps=6)[np.arange(60) % N] + np.random.default_rng(1).normal(size=(60, 6, F)).astype("float32")
    y = x.sum(axis=(1, 2), keepdims=True)[:, 0]
    model = gw.Sequential([gw.Input((6, F)), make(8, return_sequences=True), make(8), layers.Dense(1)])
    model.compile(gw.optimizers.Adam(0.01), "mse")
    history = model.fit(x, y, epochs=30, verbose=0).history["loss"]
    assert history[-1] < 0.3 * history[0]

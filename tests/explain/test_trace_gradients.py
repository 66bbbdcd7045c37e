"""The gradient of the loss by gate and step, against central differences of the NumPy twins, in float64.

The twins are run with activations that add a little to one value at one step: to a gate after its activation, or to
its sum before.  Nothing of the way back takes part.
"""

import numpy as np
import pytest

import gatewise as gw
from explain import traced_models
from explain.traced_models import F, data, seq, sequential, softsign
from gatewise import activations, config, kernels, layers
from gatewise.kernels import reference
from gatewise.kernels.reference.activations import pair_function

N, T, H = 2, 4, 3
EPSILON = 1e-6


@pytest.fixture(autouse=True)
def _float64():
    before = config.floatx()
    config.set_floatx("float64")
    config.reset_names()
    yield
    config.set_floatx(before)


class Nudged:
    """An activation that adds `amount` to its argument, or to its value, at one call of the twin."""

    def __init__(self, name):
        self.function = pair_function(name)
        self.at = None
        self.begin()

    def begin(self):
        self.calls = 0

    def __call__(self, z):
        number, self.calls = self.calls, self.calls + 1
        if self.at is None or self.at[0] != number:
            return self.function(z)
        _, before, where, amount = self.at
        change = np.zeros_like(z)
        change[where] = amount
        y, back = self.function(z + change if before else z)
        return (y if before else y + change), back


def differences(run, nudged, number, before, shape):
    """The slope of `run()` for what the activation is given, or gives, at its call `number`: an array of `shape`."""
    found = np.zeros(shape)
    for where in np.ndindex(*shape):
        values = []
        for amount in (EPSILON, -EPSILON):
            nudged.at = (number, before, where, amount)
            values.append(run())
        found[where] = (values[0] - values[1]) / (2 * EPSILON)
    nudged.at = None
    return found


def problem(layer, mask=None):
    """A layer with random weights, x, y, states, and its trace with the gradients of the mean squared error."""
    x, y = data(N, T, F, dtype="float64"), data(N, T, layer.cell.output_size, seed=5, dtype="float64")
    layer.build((None, T, F))
    for k, weight in enumerate(layer.trainable_weights):
        weight.assign(data(*weight.shape, seed=10 + k, dtype="float64") * 0.6)
    states = [data(N, *shape, seed=3 + k, dtype="float64") for k, shape in enumerate(layer.state_shapes)]
    trace = gw.trace(layer, x, initial_state=states, mask=mask, gradients=True, y=y, loss="mse")
    return x, y, states, trace[layer.name]


def loss_of(h, y, mask):
    """The mean over the outputs: what the loss sees of a layer with an initial state is h, zero until a step counts."""
    if mask is None:
        return ((h - y) ** 2).mean()
    seen = np.logical_or.accumulate(mask, axis=1)[..., None]
    return ((np.where(seen, h, 0) - y) ** 2).mean()


def compare(traced, name, t, found, mask=None):
    use = np.ones(N, bool) if mask is None else mask[:, t]
    np.testing.assert_allclose(traced[name][use, t], found[use], atol=2e-8, err_msg=f"{name} at {t}")
    assert not traced[name][~use, t].any()


MASK = np.array([[True, False, True, True], [False, True, True, False]])

LSTMS = {
    "plain": {},
    "activations": {"activation": "softsign", "recurrent_activation": "hard_sigmoid"},
    "gelu": {"activation": "gelu"},
    "peephole": {"peephole": True},
    "clip": {"cell_clip": 0.4},
    "projection": {"projection_units": 2},
    "coupled": {"coupled_gates": True},
    "coupled_peephole": {"coupled_gates": True, "peephole": True},
    "layer_norm": {"layer_norm": True},
    "zoneout": {"zoneout_cell": 0.3, "zoneout_output": 0.2},
    "all": {
        "peephole": True, "cell_clip": 0.8, "projection_units": 2, "layer_norm": True, "zoneout_cell": 0.2,
        "zoneout_output": 0.1,
    },
}  # fmt: skip


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("kind", LSTMS)
def test_lstm(kind, mask):
    layer = seq(layers.LSTM, H, **LSTMS[kind])
    x, y, states, traced = problem(layer, mask)
    a, s = (Nudged(activations.kernel_name(f)) for f in (layer.cell.activation, layer.cell.recurrent_activation))
    weights, options = layer.cell._variant_weights(), layer.cell._variant_options()

    def run():
        a.begin(), s.begin()
        return loss_of(reference.lstm_variant_forward(x, *states, weights, options, mask, a, s).h, y, mask)

    gates = "io" if layer.cell.coupled_gates else "ifo"  # the order in which the twin asks for them
    for t in range(T):
        for k, gate in enumerate(gates):
            for before, name in ((True, f"dz_{gate}"), (False, f"d_{gate}")):
                found = differences(run, s, t * len(gates) + k, before, (N, H))
                compare(traced, name, t, found, mask)
        for before, name in ((True, "dz_g"), (False, "d_g")):
            compare(traced, name, t, differences(run, a, 2 * t, before, (N, H)), mask)
        if not layer.cell.projection_units and not layer.cell.zoneout_output:
            through = differences(run, a, 2 * t + 1, False, (N, H))  # of y in h = o y
            compare({"d_h": traced["d_h"] * traced["o"]}, "d_h", t, through, mask)


def test_the_gradient_of_the_cell_is_all_that_reaches_it():
    layer = seq(layers.LSTM, H)
    x, y, (h0, c0), traced = problem(layer)
    weights = layer.get_weights()
    for t in range(T):
        tape = reference.lstm_forward(x, h0, c0, *weights)

        def loss(c, h=tape.h, t=t, o=tape.gates[:, t, 3]):  # the rest of the sequence, begun anew from this cell
            here = o * np.tanh(c)
            parts = [h[:, :t], here[:, None]]
            if t + 1 < T:
                parts.append(reference.lstm_forward(x[:, t + 1 :], here, c, *weights).h)
            return ((np.concatenate(parts, axis=1) - y) ** 2).mean()

        for where in np.ndindex(N, H):
            change = np.zeros((N, H))
            change[where] = EPSILON
            slope = (loss(tape.c[:, t] + change) - loss(tape.c[:, t] - change)) / (2 * EPSILON)
            assert traced["d_c"][(where[0], t, where[1])] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("reset_after", [True, False])
def test_gru(reset_after, mask):
    layer = seq(layers.GRU, H, reset_after=reset_after)
    x, y, states, traced = problem(layer, mask)
    a, s = Nudged("tanh"), Nudged("sigmoid")

    def run():
        a.begin(), s.begin()
        tape = reference.gru_forward(x, *states, *layer.get_weights(), mask, a, s, reset_after)
        return loss_of(tape.h, y, mask)

    for t in range(T):
        for before, mark in ((True, "dz"), (False, "d")):
            compare(traced, f"{mark}_z", t, differences(run, s, 2 * t, before, (N, H)), mask)
            compare(traced, f"{mark}_r", t, differences(run, s, 2 * t + 1, before, (N, H)), mask)
            compare(traced, f"{mark}_g", t, differences(run, a, t, before, (N, H)), mask)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("activation", ["tanh", "gelu", softsign])
def test_simple_rnn(activation, mask):
    layer = seq(layers.SimpleRNN, H, activation=activation)
    x, y, states, traced = problem(layer, mask)
    a = Nudged("softsign" if activation is softsign else activation)

    def run():
        a.begin()
        return loss_of(reference.simple_rnn_forward(x, *states, *layer.get_weights(), mask, a).h, y, mask)

    for t in range(T):
        compare(traced, "dz_h", t, differences(run, a, t, True, (N, H)), mask)
        compare(traced, "d_h", t, differences(run, a, t, False, (N, H)), mask) if mask is None else None


def test_the_sums_of_the_gates_gradients_are_the_weights():
    """With every family at once: dz summed over samples and steps is the bias's gradient, and d_input the input's."""
    for name in ("stacked", "bidirectional", "stacked_cells", "masking", "own_activation", "all_variants"):
        config.reset_names()
        model = traced_models.MODELS[name]()
        model.compile(loss="mse")
        x = data(3, 6, F, dtype="float64")
        x[0, 4:] = 0
        y = data(*model.predict(x).shape, seed=1, dtype="float64")
        loss, gradients = model.value_and_grad(x, y, training=False)
        trace = gw.trace(model, x, y=y, gradients=True)
        assert trace.loss == loss
        np.testing.assert_array_equal(trace.output, model.predict(x))
        for path, layer in trace.items():
            held = next(v for v in gradients if v.name == "bias" and _is_of(v.path, path))
            order = {"LSTM": "ifgo", "GRU": "zrg"}.get(layer.kind, "h")
            summed = np.concatenate([layer[f"dz_{gate}"].sum(axis=(0, 1)) for gate in order])
            found = gradients[held]
            np.testing.assert_allclose(summed, found[0] if found.ndim == 2 else found, atol=1e-12)


def _is_of(weight, path):
    parts = path.split("/")
    if parts[-1].startswith("cell_"):
        return ["lstm_cell", "gru_cell"][int(parts[-1][-1])] in weight
    return f"{parts[-1]}/" in weight


def test_the_gradient_of_the_input_is_numerical():
    model = sequential(layers.Bidirectional(seq(layers.LSTM, 3)), layers.GRU(2), layers.Dense(1))
    model.compile(loss="mse")
    x, y = data(2, 4, F, dtype="float64"), data(2, 1, seed=1, dtype="float64")
    trace = gw.trace(model, x, y=y, gradients=True)
    found = trace["forward_lstm"]["d_input"] + trace["backward_lstm"]["d_input"]
    for where in np.ndindex(*x.shape):
        change = np.zeros_like(x)
        change[where] = EPSILON
        values = [np.mean((model.predict(x + sign * change) - y) ** 2) for sign in (1, -1)]
        assert found[where] == pytest.approx((values[0] - values[1]) / (2 * EPSILON), abs=1e-8)


def test_a_convolutional_lstm():
    layer = layers.ConvLSTM1D(2, 2, padding="same", data_format="channels_first", return_sequences=True)
    x, mask = data(2, 3, 2, 4, dtype="float64"), np.array([[True, True, True], [True, False, True]])
    y = data(*layer(x).shape, seed=1, dtype="float64")
    traced = gw.trace(layer, x, mask=mask, y=y, gradients=True, preactivations=True, loss="mse")[layer.name]
    bias = layer.bias.numpy()
    for k, gate in enumerate("ifgo"):
        for unit in range(2):
            values = []
            for sign in (1, -1):
                changed = bias.copy()
                changed[2 * k + unit] += sign * EPSILON
                layer.bias.assign(changed)
                values.append(np.mean((layer(x, mask=mask) - y) ** 2))
            layer.bias.assign(bias)
            slope = (values[0] - values[1]) / (2 * EPSILON)
            assert traced[f"dz_{gate}"][:, :, unit].sum() == pytest.approx(slope, abs=1e-8)
    c_before = np.concatenate([traced.initial["c"][:, None], traced["c"][:, :-1]], axis=1)
    use = mask.reshape(2, 3, 1, 1)
    np.testing.assert_allclose(traced["d_f"], np.where(use, traced["d_c"] * c_before, 0), atol=1e-14)
    np.testing.assert_allclose(traced["d_o"], np.where(use, traced["d_h"] * np.tanh(traced["c"]), 0), atol=1e-14)
    assert traced["d_input"].shape == x.shape


@pytest.mark.parametrize("mask", [None, np.array([[True, True, False], [True, False, True]])], ids=["whole", "masked"])
def test_users_cells(mask):
    layer = layers.RNN(traced_models.Leaky(), return_sequences=True)
    x = data(2, 3, F, dtype="float64")
    y = data(*layer(x).shape, seed=1, dtype="float64")
    traced = gw.trace(layer, x, mask=mask, y=y, gradients=True, loss="mse")[layer.name]
    for where in np.ndindex(*x.shape):
        change = np.zeros_like(x)
        change[where] = EPSILON
        values = [np.mean((layer(x + sign * change, mask=mask) - y) ** 2) for sign in (1, -1)]
        assert traced["d_input"][where] == pytest.approx((values[0] - values[1]) / (2 * EPSILON), abs=1e-8)
    error = 2 * (traced["output"] - y) / y.size
    if mask is None:
        np.testing.assert_allclose(traced["d_output"], error, atol=1e-14)
    assert traced["d_state_0"].shape == (2, 3, 2) and traced["d_state_0"][:, 0].any()
    assert not traced["d_state_1"].any()  # b goes nowhere


def test_gradients_of_a_subclassed_model_and_of_a_layer_that_is_not_reached():
    model, x, y = traced_models.Subclassed(), data(2, 5, F, dtype="float64"), data(2, 1, dtype="float64")
    model.compile(loss="mse")
    trace = gw.trace(model, x, y=y, gradients=True)
    _, gradients = model.value_and_grad(x, y, training=False)
    np.testing.assert_array_equal(trace.output, model.predict(x))
    for layer in (model.first, model.second):
        found = gradients[layer.cell.bias]
        order = "ifgo" if layer is model.first else "zrg"
        summed = np.concatenate([trace[layer][f"dz_{gate}"].sum(axis=(0, 1)) for gate in order])
        np.testing.assert_allclose(summed, found[0] if found.ndim == 2 else found, atol=1e-12)
    inputs = gw.Input((None, F))
    apart = gw.Model(inputs, [layers.LSTM(2, name="used")(inputs), layers.LSTM(2, name="unused")(inputs)])
    apart.compile(loss=["mse", None])
    trace = gw.trace(apart, x, y=data(2, 2, dtype="float64"), gradients=True)
    assert trace["used"]["d_f"].any() and not trace["unused"]["d_f"].any() and not trace["unused"]["d_input"].any()


def test_sample_weights_count():
    layer = seq(layers.LSTM, 2)
    x, y = data(2, 4, F, dtype="float64"), data(2, 4, 2, seed=1, dtype="float64")
    options = {"y": y, "gradients": True, "loss": "mse"}
    traced = gw.trace(layer, x, sample_weight=[[1.0], [0.0]], **options)[layer.name]
    whole = gw.trace(layer, x, **options)[layer.name]
    np.testing.assert_allclose(traced["d_f"][0], whole["d_f"][0], atol=1e-14)
    assert not traced["d_f"][1].any()


def test_float32_gradients_stay_float32_and_do_not_depend_on_threads():
    config.set_floatx("float32")
    model = sequential(seq(layers.LSTM, 8), layers.GRU(4), layers.Dense(1))
    model.compile(loss="mse")
    x, y = data(9, 6, F), data(9, 1)
    before, found = kernels.get_threads(), []
    for threads in (1, 3):
        kernels.set_threads(threads)
        found.append(gw.trace(model, x, y=y, gradients=True, preactivations=True))
    kernels.set_threads(before)
    for path, layer in found[0].items():
        for name in layer:
            assert layer[name].dtype == np.float32
            np.testing.assert_array_equal(layer[name], found[1][path][name])

"""What an LSTM can have beyond Keras's: against PyTorch and onnxruntime, and what the contract tests do not cover."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers
from golden import load

PROJECTED = [c for c in load.cases("torch_onnx", "torch") if c["kwargs"].get("proj_size")]
ONNX = list(load.cases("torch_onnx", "onnx_lstm_variants"))
ALL = {"peephole": True, "cell_clip": 0.6, "projection_units": 2, "coupled_gates": True, "layer_norm": True}


def sequences(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# --- PyTorch's proj_size -------------------------------------------------------------------------------------


class TorchStack:
    """A torch.nn.LSTM as layers of ours: one for each of its layers and directions."""

    def __init__(self, case, dtype):
        self.case, self.dtype, kwargs = case, dtype, case["kwargs"]
        self.directions = 2 if kwargs.get("bidirectional") else 1
        self.layers = []
        for k in range(kwargs.get("num_layers", 1)):
            for reverse in range(self.directions):
                suffix = f"_l{k}" + ("_reverse" if reverse else "")
                layer = layers.LSTM(
                    kwargs["hidden_size"], projection_units=kwargs["proj_size"], use_bias=kwargs.get("bias", True),
                    return_sequences=True, return_state=True, go_backwards=bool(reverse), zero_output_for_mask=True,
                    dtype=dtype,
                )  # fmt: skip
                W, U, projection = (self._given(f"weight_{name}{suffix}").T for name in ("ih", "hh", "hr"))
                layer.build((None, None, W.shape[0]))
                biases = [self._given(f"bias_ih{suffix}") + self._given(f"bias_hh{suffix}")] if layer.use_bias else []
                layer.set_weights([W, U, *biases, projection])
                self.layers.append((suffix, layer))

    def _given(self, name):
        return self.case["arrays"][f"sd.{name}"].astype(self.dtype)

    def batch_major(self, a):
        """x, y or a gradient of them as (N, T, ...)."""
        if self.case["form"] == "unbatched":
            return a[None]
        return a if self.case["kwargs"].get("batch_first") else a.swapaxes(0, 1)

    def as_given(self, a):
        if self.case["form"] == "unbatched":
            return a[0]
        return a if self.case["kwargs"].get("batch_first") else a.swapaxes(0, 1)

    def stacked(self, a):
        """h_n or c_n as (layers and directions, N, size)."""
        return a[:, None] if self.case["form"] == "unbatched" else a

    def run(self):
        """{name of an array in the case: what we find}."""
        last, pullbacks, found = self._forward()
        for k, values in enumerate(last):
            found[f"y{k + 1}"] = self._unstacked(values)
        found.update(self._back(pullbacks))
        return found

    def _unstacked(self, values):
        return np.stack(values)[:, 0] if self.case["form"] == "unbatched" else np.stack(values)

    def _forward(self):
        """([h_n, c_n] as lists, the pullbacks, {"y0": the output})."""
        arrays = self.case["arrays"]
        x = self.batch_major(arrays["x"].astype(self.dtype))
        lengths = self.case.get("lengths")
        mask = None if lengths is None else np.arange(x.shape[1]) < np.array(lengths)[:, None]
        states = [self.stacked(arrays[f"s{k}"].astype(self.dtype)) for k in range(2)] if "s0" in arrays else []
        pullbacks, last = [], ([], [])
        for i in range(0, len(self.layers), self.directions):
            outputs = []
            for j in range(i, i + self.directions):
                layer = self.layers[j][1]
                (y, *ends), back = layer.forward(x, *(s[j] for s in states), mask=mask)
                pullbacks.append(back)
                outputs.append(y[:, ::-1] if layer.go_backwards else y)
                for held, value in zip(last, ends, strict=True):
                    held.append(value)
            x = np.concatenate(outputs, axis=2)
        return last, pullbacks, {"y0": self.as_given(x)}

    def _back(self, pullbacks):
        """The gradients."""
        ct, *ct_states = [self.case["arrays"][f"ct{k}"].astype(self.dtype) for k in range(3)]
        dy, P, found = self.batch_major(ct), self.case["kwargs"]["proj_size"], {}
        d_states = ([], [])
        for i in reversed(range(0, len(self.layers), self.directions)):
            below = 0
            for d in reversed(range(self.directions)):
                suffix, layer = self.layers[i + d]
                part = dy[:, :, d * P : (d + 1) * P]
                part = part[:, ::-1] if layer.go_backwards else part
                (dx, *d_first), gradients = pullbacks[i + d]([part, *(self.stacked(c)[i + d] for c in ct_states)])
                below = below + dx
                for held, value in zip(d_states, d_first, strict=False):
                    held.insert(0, value)
                W, U, *bias, projection = (gradients[variable] for variable in layer.weights)
                for name, value in [("ih", W), ("hh", U), ("hr", projection)]:
                    found[f"g.sd.weight_{name}{suffix}"] = value.T
                for value in bias:
                    found[f"g.sd.bias_ih{suffix}"] = found[f"g.sd.bias_hh{suffix}"] = value
            dy = below
        states = {f"g.s{k}": self._unstacked(held) for k, held in enumerate(d_states) if held}
        return {**found, **states, "g.x": self.as_given(dy)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", PROJECTED, ids=lambda case: case["id"])
def test_projection_equals_pytorchs(case, dtype):
    found = TorchStack(case, dtype).run()
    expected = {name.removesuffix(".f64") for name in case["arrays"] if name.endswith(".f64")}
    assert expected == set(found)
    for name, value in found.items():
        load.assert_close(value, case, name, float64=1e-11)


# --- onnxruntime's peepholes and input_forget ----------------------------------------------------------------


def gates_of(a, order, H):
    """The gates (4H or 3H along the first axis, as ONNX has them: i, o, f, c) in our order, along the last."""
    blocks = {gate: a[k * H : (k + 1) * H] for k, gate in enumerate("iofc"[: len(a) // H])}
    return np.concatenate([blocks[gate] for gate in order]).T


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ONNX, ids=lambda case: f"{case['id']} {case['about']}")
def test_peepholes_and_coupled_gates_equal_onnxruntimes(case, dtype):
    arrays = {name: a.astype(dtype) for name, a in case["arrays"].items() if name.startswith("in.")}
    H, coupled = case["settings"]["hidden"], bool(case["settings"].get("input_forget"))
    order = "ico" if coupled else "ifco"
    for d in range(len(arrays["in.W"])):
        layer = layers.LSTM(
            H, return_sequences=True, return_state=True, go_backwards=d == 1, peephole="in.P" in arrays,
            coupled_gates=coupled, dtype=dtype,
        )  # fmt: skip
        weights = [gates_of(arrays[name][d], order, H) for name in ("in.W", "in.R")]
        weights.append(gates_of(arrays["in.B"][d].reshape(2, -1).sum(axis=0), order, H))
        if "in.P" in arrays:
            weights.append(gates_of(arrays["in.P"][d], "ifo", H).reshape(3, H))
        x = arrays["in.X"].swapaxes(0, 1)
        layer.build(x.shape)
        layer.set_weights(weights)
        states = [arrays[f"in.initial_{name}"][d] for name in "hc"] if "in.initial_h" in arrays else None
        y, h, c = layer(x, initial_state=states)
        y = y[:, ::-1] if d == 1 else y
        suffix, tolerance = (".f64", 1e-12) if dtype == "float64" else ("", 2e-6)
        expected = {name: case["arrays"][f"out.{name}{suffix}"] for name in ("Y", "Y_h", "Y_c")}
        assert load.error(y.swapaxes(0, 1), expected["Y"][:, d]) < tolerance
        assert load.error(h, expected["Y_h"][d]) < tolerance
        assert load.error(c, expected["Y_c"][d]) < tolerance


# --- arguments -----------------------------------------------------------------------------------------------

BAD = [
    ({"peephole": "yes"}, "peephole is True or False; got 'yes'"),
    ({"coupled_gates": 1}, "coupled_gates is True or False; got 1"),
    ({"layer_norm": None}, "layer_norm is True or False; got None"),
    ({"cell_clip": 0}, r"cell_clip is a number above 0; got 0. Write cell_clip=None for no clipping"),
    ({"cell_clip": -1.0}, "cell_clip is a number above 0; got -1.0"),
    ({"cell_clip": float("nan")}, "cell_clip is a number above 0; got nan"),
    ({"cell_clip": True}, "cell_clip is a number above 0; got True"),
    ({"projection_units": 0}, "projection_units"),
    ({"projection_units": 2.5}, "projection_units"),
    ({"layer_norm_epsilon": 0}, "layer_norm_epsilon is a number above 0; got 0"),
    ({"zoneout_cell": 1.2}, "`zoneout_cell`. Expected a float value between 0 and 1"),
    ({"zoneout_output": "a"}, "`zoneout_output`. Expected a float value between 0 and 1"),
]


@pytest.mark.parametrize("arguments, message", BAD)
@pytest.mark.parametrize("cls", [layers.LSTM, layers.LSTMCell])
def test_bad_arguments_name_the_class_and_the_argument(cls, arguments, message):
    with pytest.raises(ValueError, match=f"^{cls.__name__}: .*{message}"):
        cls(4, **arguments)


def test_states_of_another_length_are_refused():
    layer = layers.LSTM(4, projection_units=2)
    x = sequences(3, 5, 2)
    with pytest.raises(ValueError, match=r"Layer '.*'"):
        layer(x, initial_state=[np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)])
    layer(x, initial_state=[np.zeros((3, 2), np.float32), np.zeros((3, 4), np.float32)])


def test_sizes():
    layer = layers.LSTM(4, projection_units=2, return_state=True)
    assert layer.state_size == [2, 4]
    assert [s.shape for s in layer.get_initial_state(3)] == [(3, 2), (3, 4)]
    assert layer.compute_output_shape((3, 5, 7)) == [(3, 2), (3, 2), (3, 4)]
    assert [y.shape for y in layer(sequences(3, 5, 7))] == [(3, 2), (3, 2), (3, 4)]
    cell = layers.LSTMCell(4, projection_units=2)
    assert (cell.output_size, cell.state_size) == (2, [2, 4])


def test_weights_and_their_order():
    layer = layers.LSTM(4, **ALL)
    layer.build((None, None, 5))
    shapes = {v.name: v.shape for v in layer.weights}
    assert list(shapes.items()) == [
        ("kernel", (5, 12)), ("recurrent_kernel", (2, 12)), ("bias", (12,)), ("peephole_kernel", (2, 4)),
        ("projection_kernel", (4, 2)), ("kernel_gain", (12,)), ("recurrent_gain", (12,)), ("cell_gain", (4,)),
        ("cell_offset", (4,)),
    ]  # fmt: skip
    layer = layers.LSTM(4, peephole=True)
    layer.build((None, None, 5))
    assert layer.peephole_kernel.shape == (3, 4)


def test_only_a_forget_gate_of_its_own_has_a_bias_of_one():
    for coupled, ones in [(True, 0), (False, 4)]:
        layer = layers.LSTM(4, coupled_gates=coupled)
        layer.build((None, None, 5))
        assert layer.bias.numpy().sum() == ones


def test_a_plain_lstm_says_nothing_of_variants():
    """So that Keras reads what it can compute."""
    known = {"peephole", "cell_clip", "projection_units", "coupled_gates", "layer_norm", "zoneout"}
    for layer in (layers.LSTM(4), layers.LSTMCell(4)):
        assert not [name for name in layer.get_config() if any(name.startswith(k) for k in known)]
    config = layers.LSTM(4, peephole=True).get_config()
    assert config["peephole"] is True and config["peephole_initializer"]["class_name"] == "GlorotUniform"
    assert not {"cell_clip", "projection_units", "projection_initializer", "layer_norm_epsilon"} & set(config)


@pytest.mark.parametrize("cls", [layers.LSTM, layers.LSTMCell])
def test_the_configuration_has_every_argument(cls):
    given = ALL | {
        "layer_norm_epsilon": 0.5, "zoneout_cell": 0.1, "zoneout_output": 0.2, "peephole_initializer": "ones",
        "projection_initializer": "he_normal",
    }  # fmt: skip
    layer = cls(4, **given)
    config = layer.get_config()
    assert all(config[name] == value for name, value in given.items() if not name.endswith("initializer"))
    assert config["peephole_initializer"]["class_name"] == "Ones"
    assert cls.from_config(config).get_config() == config


# --- what they compute ---------------------------------------------------------------------------------------


def test_peepholes_of_zero_are_none():
    x = sequences(3, 6, 4)
    plain, peephole = layers.LSTM(5), layers.LSTM(5, peephole=True, peephole_initializer="zeros")
    y = plain(x)
    peephole.build(x.shape)
    peephole.set_weights([*plain.get_weights(), np.zeros((3, 5))])
    assert np.array_equal(peephole(x), y)


def test_the_cell_stays_within_its_limit():
    x = 5 * sequences(3, 20, 4)
    layer = layers.LSTM(5, cell_clip=0.25, return_state=True, activation="linear")
    _, _, c = layer(x)
    assert np.abs(c).max() == 0.25


def test_layer_norm_makes_the_size_of_the_weights_meaningless():
    """Ba, Kiros & Hinton 2016, section 5.1."""
    x = sequences(3, 6, 4)
    layer = layers.LSTM(5, layer_norm=True, layer_norm_epsilon=1e-20, dtype="float64", return_sequences=True)
    y = layer(x)
    W, U, *others = layer.get_weights()
    layer.set_weights([7 * W, 0.3 * U, *others])
    np.testing.assert_allclose(layer(x), y, rtol=1e-7)
    layer.set_weights([W + 1, U, *others])  # the same for every gate of every unit
    np.testing.assert_allclose(layer(x), y, rtol=1e-7)


def test_zoneout_keeps_whole_units_in_training():
    x = sequences(4, 30, 3)
    layer = layers.LSTM(50, zoneout_output=0.3, return_sequences=True, seed=1)
    y = layer(x, training=True)
    kept = y[:, 1:] == y[:, :-1]
    assert 0.27 < kept.mean() < 0.33
    assert not (layer(x)[:, 1:] == layer(x)[:, :-1]).any()


def test_zoneout_of_everything_leaves_the_states_as_they_were():
    x = sequences(4, 3, 2)
    states = [sequences(4, 5, seed=1), sequences(4, 5, seed=2)]
    layer = layers.LSTM(5, zoneout_cell=1.0, zoneout_output=1.0, return_state=True)
    for training in (False, True):
        _, h, c = layer(x, initial_state=states, training=training)
        assert np.array_equal(h, states[0]) and np.array_equal(c, states[1])


def test_zoneout_predicts_with_the_expected_mix():
    """One step: h = (1 - rate) h~ + rate h0, and h~ is made of the cell before zoneout."""
    x, states = sequences(4, 1, 2), [sequences(4, 5, seed=1), sequences(4, 5, seed=2)]
    plain, zoned = layers.LSTM(5, return_state=True), layers.LSTM(
        5, return_state=True, zoneout_cell=0.25, zoneout_output=0.1
    )  # fmt: skip
    _, h, c = plain(x, initial_state=states)
    zoned.build(x.shape)
    zoned.set_weights(plain.get_weights())
    _, h_zoned, c_zoned = zoned(x, initial_state=states)
    np.testing.assert_allclose(h_zoned, 0.9 * h + 0.1 * states[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(c_zoned, 0.75 * c + 0.25 * states[1], rtol=1e-5, atol=1e-6)


def test_zoneout_repeats_with_its_seed():
    x = sequences(3, 6, 4)
    made = [layers.LSTM(5, zoneout_cell=0.5, zoneout_output=0.5, seed=3, kernel_initializer="ones") for _ in range(2)]
    a, b = (layer(x, training=True) for layer in made)
    made[1].set_weights(made[0].get_weights())
    again = [layer(x, training=True) for layer in made]
    assert a.shape == b.shape and np.array_equal(*again)
    assert not np.array_equal(made[0](x, training=True), again[0])


def test_a_cell_step_by_step_is_the_layer_and_the_stream_to_the_last_bit():
    options = ALL | {"zoneout_cell": 0.2, "zoneout_output": 0.3}
    x = sequences(3, 7, 4)
    layer = layers.LSTM(5, return_sequences=True, **options)
    model = gw.Sequential([layer])
    y = model.predict(x, verbose=0)
    cell = layers.LSTMCell(5, **options)
    cell.build((None, 4))
    cell.set_weights(layer.get_weights())
    states = cell.get_initial_state(3)
    stream = model.stream(batch_size=3)
    for t in range(7):
        out, states = cell(x[:, t], states)
        assert np.array_equal(out, y[:, t])
        assert np.array_equal(np.reshape(stream.step(x[:, t]), out.shape), out)


def test_stateful_bidirectional_and_stacked():
    x = sequences(3, 6, 4)
    layer = layers.LSTM(5, return_sequences=True, stateful=True, **ALL)
    whole = layers.LSTM(5, return_sequences=True, **ALL)
    parts = np.concatenate([layer(x[:, :4]), layer(x[:, 4:])], axis=1)
    whole.build(x.shape)
    whole.set_weights(layer.get_weights())
    assert np.array_equal(parts, whole(x))
    both = layers.Bidirectional(layers.LSTM(5, return_sequences=True, **ALL))
    assert both(x).shape == (3, 6, 4)
    model = gw.Sequential([both, layers.LSTM(4, layer_norm=True), layers.Dense(1)])
    model.compile("adam", "mse")
    history = model.fit(x, np.zeros((3, 1), np.float32), epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]
    rebuilt = gw.Sequential.from_config(model.get_config())
    rebuilt.build(x.shape)
    rebuilt.set_weights(model.get_weights())
    assert np.array_equal(rebuilt.predict(x, verbose=0), model.predict(x, verbose=0))


def test_written_weights_are_packed_again():
    x = sequences(3, 6, 4)
    layer = layers.LSTM(5, **ALL)
    before = layer(x)
    for name in ("peephole_kernel", "projection_kernel", "kernel_gain", "recurrent_gain", "cell_gain", "cell_offset"):
        variable = getattr(layer, name)
        variable.assign(variable.numpy() + 0.5)
        after = layer(x)
        assert not np.array_equal(after, before), name
        before = after

"""Streams: one step at a time gives what predict gives for the steps so far, to the last bit."""

import warnings

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers
from streaming_models import MODELS, F, data, lstm, sequential, streamed_like_predict, two_inputs, with_given_states


@pytest.fixture(params=["float32", "float64"])
def floatx(request):
    gw.config.set_floatx(request.param)
    yield request.param
    gw.config.set_floatx("float32")


@pytest.mark.parametrize("batch", [1, 3, 8])
@pytest.mark.parametrize("name", MODELS)
def test_steps_are_what_predict_gives(name, batch, floatx):
    x = data(batch, 8, F, dtype=floatx)
    x[0, 2], x[-1, 0], x[-1, 6:] = 0, 0, 0  # what Masking leaves out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a layer that lets no mask through
        streamed_like_predict(MODELS[name](), x)


@pytest.mark.filterwarnings("ignore:.*destroy the mask")
@pytest.mark.parametrize(
    "name", ["lstm_dense", "every_step", "zero_output", "own_cell", "stacked_cells", "conv_lstm", "average"]
)
def test_masks_given_with_the_steps(name):
    x = data(3, 8, F)
    mask = np.random.default_rng(1).random((3, 8)) < 0.6
    mask[0], mask[1, :3] = False, False
    x[~mask] = np.nan if name in ("lstm_dense", "every_step") else 7.0
    model = sequential(*[layer for layer in MODELS[name]().layers if not isinstance(layer, layers.Masking)])
    streamed_like_predict(model, x, mask=mask)


def test_several_inputs_and_outputs_by_name():
    model, a, b = two_inputs(), data(2, 6, F), data(2, 6, 2, seed=1)
    streamed_like_predict(model, a, given=lambda t: {"a": a[:, t], "b": b[:, t]})
    streamed_like_predict(model, a, given=lambda t: [a[:, t], b[:, t]])
    masked = gw.Model(model.inputs, layers.LSTM(2)(layers.Add()([layers.LSTM(3, return_sequences=True)(model.inputs[0]),
                                                                layers.Dense(3)(model.inputs[1])])))  # fmt: skip
    mask = np.array([[True, False, True, True, False, True], [False, False, True, False, True, True]])
    stream = masked.stream(2)
    for t in range(6):
        y = stream.step([a[:, t], b[:, t]], mask=[mask[:, t], mask[:, t]])
        whole = masked([a[:, : t + 1], b[:, : t + 1]], mask=[mask[:, : t + 1], mask[:, : t + 1]])
        np.testing.assert_array_equal(y, whole)


def test_states_that_are_inputs_are_where_a_row_begins():
    model, x, states = with_given_states(), data(3, 6, F), [data(3, 3, seed=1), data(3, 3, seed=2)]
    streamed_like_predict(model, x, given=lambda t: [x[:, t], *states])
    mask = np.ones((3, 6), bool)
    mask[0, :3], mask[1, 4] = False, False
    stream = model.stream(3)
    for t in range(6):
        y = stream.step([x[:, t], *states], mask=[mask[:, t], None, None])
        whole = model([x[:, : t + 1], *states], mask=[mask[:, : t + 1], None, None])
        np.testing.assert_array_equal(y[0], whole[0][:, -1])
        np.testing.assert_array_equal(y[2], whole[2])
    stream.reset([1])
    y = stream.step([x[:, 0], *states])
    np.testing.assert_array_equal(y[0][1], model.predict([x[:, :1], *states], verbose=0)[0][1, -1])


@pytest.mark.parametrize("steps", [None, 7])
def test_steps_of_integers(steps):
    model = gw.Sequential([gw.Input((steps,), dtype="int32"), layers.Embedding(9, 4, mask_zero=True), lstm(3),
                           layers.LSTM(2), layers.Dense(2)])  # fmt: skip
    x = np.random.default_rng(0).integers(0, 9, (3, 7)).astype("int32")
    x[0, :2], x[1] = 0, 0
    streamed_like_predict(model, x)
    np.testing.assert_array_equal(model.stream().step(3), model.predict(np.array([[3]]), verbose=0))


def test_inputs_without_time_are_given_whole():
    x, c = gw.Input((None, F)), gw.Input((2,))
    model = gw.Model([x, c], layers.Dense(2)(layers.Concatenate()([layers.LSTM(3)(x), layers.Dense(3, "tanh")(c)])))
    values, constant = data(3, 5, F), data(3, 2, seed=1)
    streamed_like_predict(model, values, given=lambda t: [values[:, t], constant])


def test_random_chains_on_every_instruction_set():
    from gatewise.kernels import _native

    before, rng = _native.instruction_set(), np.random.default_rng(0)
    for name in _native.supported_instruction_sets():
        _native.use_instruction_set(name)
        for _ in range(6):
            units, batch = rng.integers(1, 40, 4), int(rng.integers(1, 14))
            model = sequential(lstm(int(units[0])), layers.Dense(int(units[1])), lstm(int(units[2])),
                               layers.Dense(int(units[3])), features=3)  # fmt: skip
            streamed_like_predict(model, data(batch, 5, 3))
    _native.use_instruction_set(before)

"""What layers refuse: each message names the layer, what came, what was expected, and what to write."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers

X = np.zeros((3, 4, 2), "float32")


def built(layer):
    layer(X)
    return layer


def predicted(layer, steps):
    """What a model makes of sequences whose length was unknown when the layer was put in."""
    return gw.Sequential([gw.Input((None, 2)), layer]).predict(X[:, :steps], verbose=0)


CALLS = {
    "too short in a model, Conv1D": (
        lambda: predicted(layers.Conv1D(2, 5, name="it"), 3),
        ["'it' (Conv1D)", "5 steps", "into 3", "padding='same'"],
    ),
    "too short in a model, MaxPooling1D": (
        lambda: predicted(layers.MaxPooling1D(5, name="it"), 3),
        ["'it' (MaxPooling1D)", "5 steps", "into 3"],
    ),
    "too short in a model, Cropping1D": (
        lambda: predicted(layers.Cropping1D(2, name="it"), 3),
        ["'it' (Cropping1D)", "4 of 3 steps", "below 3"],
    ),
    "another length in a model, Dropout": (
        lambda: gw.Sequential([gw.Input((None, 2)), layers.Dropout(0.5, noise_shape=(None, 2, 1), name="it")])(
            X[:, :1], training=True
        ),
        ["'it' (Dropout)", "noise_shape", "(None, 2, 1)", "(3, 1, 2)"],
    ),
    "Masking, features": (
        lambda: layers.Masking(np.ones(3), name="it")(X),
        ["'it' (Masking)", "(3,)", "(3, 4, 2)", "one for each feature"],
    ),
    "Rescaling, features": (
        lambda: layers.Rescaling(np.ones(3), name="it")(X),
        ["'it' (Rescaling)", "(3,)", "(3, 4, 2)"],
    ),
    "two axes": (lambda: layers.LSTM(3, name="it")(X[0]), ["'it' (LSTM)", "ndim=2", "time steps=any", "x[:, None, :]"]),
    "one axis": (lambda: layers.LSTM(3, name="it")(X[0, 0]), ["'it'", "(2,)", "x[None, :, None]"]),
    "four axes": (lambda: layers.LSTM(3, name="it")(X[None]), ["'it'", "(1, 3, 4, 2)", "TimeDistributed"]),
    "features": (
        lambda: built(layers.LSTM(3, name="it"))(np.zeros((3, 4, 5))),
        ["'it' (LSTM) was built for 2 features", "given 5", "(batch=3, time steps=4, features=5)", "features=2"],
    ),
    "swapped axes": (lambda: built(layers.LSTM(3))(np.zeros((3, 2, 4))), ["x.transpose(0, 2, 1)"]),
    "no steps": (lambda: layers.LSTM(3, name="it")(X[:, :0]), ["'it'", "zero time steps", "time steps=0"]),
    "no steps in a model": (
        lambda: gw.Sequential([gw.Input((None, 2)), layers.LSTM(3, name="it")]).predict(X[:, :0], verbose=0),
        ["'it'", "zero time steps"],
    ),
    "unknown features": (lambda: layers.LSTM(3, name="it")(gw.Input((4, None))), ["'it'", "Input((None, 5))"]),
    "build": (lambda: layers.LSTM(3, name="it").build((None, 2)), ["'it'", "(None, 2)"]),
    "mask": (
        lambda: layers.LSTM(3, name="it")(X, mask=np.ones((3, 5))),
        ["'it'", "(batch=3, time steps=4)", "(batch=3, time steps=5)"],
    ),
    "mask with three axes": (lambda: layers.LSTM(3)(X, mask=np.ones((3, 4, 1))), ["mask[:, :, 0]"]),
    "mask turned": (lambda: layers.LSTM(3)(X, mask=np.ones((4, 3))), ["mask.T"]),
    "one state": (
        lambda: layers.LSTM(3, name="it")(X, initial_state=np.zeros((3, 3))),
        ["'it'", "[(batch=3, units=3), (batch=3, units=3)]", "[(3, 3)]", "initial_state=[h, c]"],
    ),
    "states of another batch": (lambda: layers.LSTM(3)(X, initial_state=[np.zeros((2, 3))] * 2), ["batch=3", "(2, 3)"]),
    "text": (lambda: layers.LSTM(3, name="it")(np.array([[["a"]]])), ["'it'", "type <U1", "TextVectorization"]),
    "a word": (lambda: layers.LSTM(3, name="it")("text"), ["'it' (LSTM)", "str 'text'"]),
    "nothing": (lambda: layers.LSTM(3, name="it")(), ["'it' (LSTM)", "nothing"]),
    "None": (lambda: layers.LSTM(3, name="it")(None), ["'it'", "nothing"]),
    "complex numbers": (lambda: layers.LSTM(3, name="it")(X + 1j), ["'it'", "complex"]),
    "ragged": (
        lambda: layers.LSTM(3)([[[1.0, 2.0]], [[1.0], [3.0, 4.0]]]),
        ["steps differ in length", "(steps, features)"],
    ),
    "too many arguments": (lambda: layers.LSTM(3, name="it")(X, None, None, False, 1), ["'it'", "5 positional"]),
    "an unknown argument": (lambda: layers.LSTM(3, name="it")(X, states=[]), ["'it'", "initial_state", "states"]),
    "an argument twice": (lambda: layers.LSTM(3)(X, sequences=X), ["each once", "sequences"]),
    "Dense, one axis": (lambda: layers.Dense(1, name="it")(np.zeros(3)), ["'it' (Dense)", "(3,)", "x[:, None]"]),
    "Dense, features": (lambda: built(layers.Dense(1, name="it"))(np.zeros((3, 5))), ["'it'", "2 features", "given 5"]),
    "Dense, a word": (lambda: layers.Dense(1, name="it")("a"), ["'it' (Dense)", "str 'a'"]),
    "TimeDistributed": (
        lambda: layers.TimeDistributed(layers.Dense(1), name="it")(X[0]),
        ["'it'", "at least 3 dimensions", "return_sequences=True"],
    ),
    "a cell without states": (lambda: layers.LSTMCell(3, name="it")(X[:, 0]), ["'it'", "cell(x, [h, c])"]),
    "a cell with wrong states": (lambda: layers.LSTMCell(3, name="it")(X[:, 0], [X[:, 0]] * 2), ["'it'", "units=3"]),
    "a cell and a sequence": (
        lambda: layers.LSTMCell(3, name="it")(X, [np.zeros((3, 3))] * 2),
        ["'it' (LSTMCell) computes one step", "Use LSTM"],
    ),
    "weights": (lambda: built(layers.LSTM(3, name="it")).set_weights([X]), ["'it' has 3 weight arrays", "(3, 12)"]),
    "a weight": (
        lambda: built(layers.Dense(3, name="it")).set_weights([np.zeros((3, 3)), np.zeros(3)]),
        ["'it'", "'it/kernel' has shape (2, 3)", "(3, 3)"],
    ),
    "no weights": (lambda: layers.Dense(1).set_weights(None), ["takes a list of arrays"]),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    call, words = CALLS[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.parametrize("units", [0, -3, 2.5, "10", None, True, np.array([3])], ids=str)
@pytest.mark.parametrize("cls", [layers.LSTM, layers.LSTMCell, layers.Dense])
def test_units(cls, units):
    with pytest.raises(ValueError, match="`units`, expected a positive integer, got") as caught:
        cls(units)
    assert str(caught.value).startswith(cls.__name__) and repr(units) in str(caught.value)


def test_units_as_other_integers():
    assert layers.LSTM(np.int32(3)).units == 3
    with pytest.raises(ValueError, match="Write units=10 without quotation marks"):
        layers.LSTM("10")
    with pytest.raises(ValueError, match="Write units=2, a whole number"):
        layers.LSTM(2.5)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"activation": "tahn"}, ["activation", "'tahn'", "Did you mean 'tanh'?"]),
        ({"recurrent_activation": "sigmiod"}, ["'sigmoid'"]),
        ({"activation": 3}, ["3"]),
        ({"kernel_initializer": "glorot_uniforn"}, ["initializer", "'glorot_uniform'"]),
        ({"kernel_regularizer": "l3"}, ["regularizer", "'l3'"]),
        ({"bias_constraint": "maxnorn"}, ["constraint", "'maxnorm'"]),
        ({"dropout": 1.5}, ["LSTM", "dropout=1.5", "between 0 and 1"]),
        ({"recurrent_dropout": "0.5"}, ["LSTM", "recurrent_dropout='0.5'"]),
        ({"dtype": "int32"}, ["LSTM", "int32", "float32 or float64"]),
        ({"name": 3}, ["name", "3"]),
        ({"input_shape": 4}, ["input_shape", "(13, 5)"]),
        ({"unit": 4}, ["LSTM", "unit"]),
        ({"activity_regularizer": "zz"}, ["zz"]),
    ],
)
def test_options(options, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        layers.LSTM(3, **options)
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"shape": 4}, r"Write shape=\(4,\)"),
        ({"shape": "4"}, "as a tuple"),
        ({}, "as a tuple"),
        ({"shape": (-1, 2)}, "at least 1"),
        ({"shape": (4.0, 2)}, "as a tuple"),
        ({"shape": (4, 2), "batch_size": 0}, "at least 1"),
        ({"shape": (4, 2), "dtype": "floaty"}, "floaty"),
        ({"shape": (4, 2), "sparse": True}, "pad_sequences"),
    ],
)
def test_inputs(arguments, words):
    with pytest.raises(ValueError, match=words):
        gw.Input(**arguments)


def test_names_that_do_not_exist():
    with pytest.raises(AttributeError, match="LSMT"):
        _ = layers.LSMT
    with pytest.raises(AttributeError, match="Modle"):
        _ = gw.Modle
    with pytest.raises(AttributeError, match="Did you mean 'concatenate'"):
        _ = gw.ops.concatenat

"""Small models and data that the tests of training share."""

from __future__ import annotations

import numpy as np

import gatewise
from gatewise.layers import LSTM, Dense


def random(*shape, seed=0):
    """float32 numbers, always the same."""
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def with_weights(model, seed=1):
    """The model with weights that are always the same."""
    draw = np.random.default_rng(seed)
    model.set_weights([(0.5 * draw.standard_normal(w.shape)).astype(w.dtype) for w in model.get_weights()])
    return model


def forecaster(units=1, activation=None, return_sequences=False, dtype=None):
    """LSTM(4) and Dense(units) over sequences of 5 steps with 3 features."""
    layers = [
        gatewise.Input((5, 3), dtype=dtype),
        LSTM(4, return_sequences=return_sequences, dtype=dtype),
        Dense(units, activation=activation, dtype=dtype),
    ]
    return with_weights(gatewise.Sequential(layers))


def two_headed():
    """One input; the outputs "a", one number, and "b", three classes."""
    x = gatewise.Input((5, 3))
    h = LSTM(4)(x)
    outputs = [Dense(1, name="a")(h), Dense(3, activation="softmax", name="b")(h)]
    return with_weights(gatewise.Model(x, outputs))


def data(n=7):
    """x (n, 5, 3) and y (n, 1)."""
    return random(n, 5, 3), random(n, 1, seed=2)

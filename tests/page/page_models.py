"""Small models with recurrent layers, and data for them, as the page's tests show them."""

import numpy as np

import gatewise as gw
from gatewise import layers

HOSTILE = "</script><img src=x onerror=alert(1)>"


def model(name="forecast"):
    """Masking, an LSTM over the sequence, a bidirectional GRU, a Dense."""
    return gw.Sequential(
        [
            gw.Input((7, 3)), layers.Masking(), layers.LSTM(4, return_sequences=True, name="lstm"),
            layers.Bidirectional(layers.GRU(3, name="gru"), name="both"), layers.Dense(1),
        ],
        name=name,
    )  # fmt: skip


def data(n=5):
    """(n, 7, 3); the last two steps of the first sample are masked."""
    x = np.random.default_rng(3).normal(size=(n, 7, 3)).astype("float32")
    x[0, 5:] = 0
    return x

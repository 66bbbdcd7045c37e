"""Models that the tests of traces share."""

import numpy as np

import gatewise as gw
from gatewise import layers, ops

F = 3


def data(*shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def softsign(x):
    """An activation that the kernels do not know."""
    return x / (1 + abs(x))


class Leaky(layers.Layer):
    """A user's cell with two states, whose output is none of them."""

    state_size, output_size = [2, 4], 3

    def build(self, shape):
        self.kernel = self.add_weight((shape[-1], 2), "glorot_uniform")
        self.out = self.add_weight((2, 3), "glorot_uniform")

    def call(self, inputs, states):
        a, b = states
        a = ops.tanh(ops.matmul(inputs, self.kernel) + 0.5 * a)
        b = 0.9 * b + ops.concatenate([a, a], axis=-1)
        return ops.matmul(a, self.out), [a, b]


class Subclassed(gw.Model):
    """A model whose `call` is Python."""

    def __init__(self, **options):
        super().__init__(**options)
        self.first = layers.LSTM(4, return_sequences=True)
        self.second = layers.GRU(2)
        self.head = layers.Dense(1)

    def call(self, inputs):
        return self.head(self.second(self.first(inputs) * 2.0))


def sequential(*stack, features=F, **options):
    return gw.Sequential([gw.Input((None, features), **options), *stack])


def seq(cls, units, **options):
    return cls(units, return_sequences=True, **options)


def shared():
    """One LSTM used twice."""
    x = gw.Input((None, F))
    lstm = layers.LSTM(F, return_sequences=True, name="lstm")
    return gw.Model(x, layers.Dense(1)(lstm(lstm(x))))


def nested():
    encoder = gw.Sequential([gw.Input((None, F)), seq(layers.LSTM, 4, name="lstm")], name="encoder")
    x = gw.Input((None, F))
    return gw.Model(x, layers.GRU(2, name="gru")(encoder(x)))


LSTM, GRU, RNN = layers.LSTM, layers.GRU, layers.RNN
MODELS = {
    "lstm": lambda: sequential(seq(LSTM, 5)),
    "gru": lambda: sequential(seq(GRU, 5)),
    "gru_reset_before": lambda: sequential(seq(GRU, 5, reset_after=False)),
    "simple_rnn": lambda: sequential(seq(layers.SimpleRNN, 5)),
    "gelu": lambda: sequential(seq(LSTM, 5, activation="gelu"), seq(GRU, 4, activation="silu")),
    "own_activation": lambda: sequential(seq(LSTM, 5, activation=softsign), seq(GRU, 4, activation=softsign)),
    "own_activation_rnn": lambda: sequential(seq(layers.SimpleRNN, 5, activation=softsign)),
    "peephole": lambda: sequential(seq(LSTM, 5, peephole=True, cell_clip=0.5)),
    "coupled": lambda: sequential(seq(LSTM, 5, coupled_gates=True)),
    "coupled_peephole": lambda: sequential(seq(LSTM, 5, coupled_gates=True, peephole=True)),
    "projection": lambda: sequential(seq(LSTM, 5, projection_units=2)),
    "layer_norm": lambda: sequential(seq(LSTM, 5, layer_norm=True)),
    "zoneout": lambda: sequential(seq(LSTM, 5, zoneout_cell=0.3, zoneout_output=0.2)),
    "all_variants": lambda: sequential(
        seq(LSTM, 5, peephole=True, cell_clip=2.0, projection_units=2, layer_norm=True, zoneout_cell=0.1)
    ),
    "variant_own_activation": lambda: sequential(seq(LSTM, 5, peephole=True, activation=softsign)),
    "backwards": lambda: sequential(seq(LSTM, 5, go_backwards=True)),
    "bidirectional": lambda: sequential(layers.Bidirectional(seq(LSTM, 4))),
    "bidirectional_sum": lambda: sequential(layers.Bidirectional(seq(GRU, 4), merge_mode="sum")),
    "stacked": lambda: sequential(seq(LSTM, 5), seq(GRU, 4), seq(layers.SimpleRNN, 3)),
    "stacked_cells": lambda: sequential(RNN([layers.LSTMCell(4), layers.GRUCell(3)], return_sequences=True)),
    "users_cell": lambda: sequential(RNN(Leaky(), return_sequences=True)),
    "users_cell_in_a_stack": lambda: sequential(RNN([Leaky(), layers.GRUCell(3)], return_sequences=True)),
    "last_output": lambda: sequential(seq(LSTM, 5), layers.GRU(3), layers.Dense(2)),
    "masking": lambda: sequential(layers.Masking(), seq(LSTM, 5), layers.Bidirectional(seq(GRU, 2)), layers.LSTM(2)),
    "zero_output": lambda: sequential(layers.Masking(), seq(LSTM, 5, zero_output_for_mask=True)),
    "masked_users_cell": lambda: sequential(layers.Masking(), RNN(Leaky(), return_sequences=True)),
    "nested": nested,
    "shared": shared,
    "subclassed": Subclassed,
}
"""Models of sequences (N, T, F) by name."""

"""Models that the tests of streams share, and the comparison of a stream with predict."""

import numpy as np

import gatewise as gw
from gatewise import layers, ops

F = 5


def data(*shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def sequential(*stack, steps=None, features=F):
    return gw.Sequential([gw.Input((steps, features)), *stack])


def softsign(x):
    """An activation that the kernels do not know."""
    return x / (1 + abs(x))


def functional(function, **options):
    x = gw.Input((None, F), **options)
    return gw.Model(x, function(x))


def lstm(units=3, **options):
    return layers.LSTM(units, return_sequences=True, **options)


class TwoStates(layers.Layer):
    """A user's cell whose output is none of its states, and whose states do not begin at zero."""

    state_size, output_size = [2, 2], 4

    def build(self, shape):
        self.kernel = self.add_weight((shape[-1], 2), "glorot_uniform")

    def get_initial_state(self, batch_size=None):
        return [np.full((batch_size, 2), 0.5, self.dtype), np.zeros((batch_size, 2), self.dtype)]

    def call(self, x, states):
        a, b = states
        new = ops.tanh(ops.matmul(x, self.kernel) + a)
        return ops.concatenate([new, b], axis=-1), [new, a]


class Doubled(layers.Layer):
    """A user's layer that says it looks at one step at a time."""

    stepwise = True

    def call(self, x):
        return 2 * x


def last_of(function):
    return functional(lambda x: layers.Dense(2)(function(lstm(4)(x))))


def with_given_states():
    x, h, c = gw.Input((None, F)), gw.Input((3,)), gw.Input((3,))
    return gw.Model([x, h, c], layers.LSTM(3, return_sequences=True, return_state=True)(x, initial_state=[h, c]))


def two_inputs():
    a, b = gw.Input((None, F), name="a"), gw.Input((None, 2), name="b")
    joined = layers.Concatenate()([lstm(3)(a), layers.Dense(3)(b)])
    return gw.Model({"a": a, "b": b}, {"each": layers.Dense(2)(joined), "last": layers.LSTM(2)(joined)})


def shared():
    layer = lstm(F)
    return functional(lambda x: layers.Add()([layer(layer(x)), layer(x)]))


def nested():
    inner = sequential(lstm(F), layers.Dense(F, "tanh"))
    return functional(lambda x: layers.LSTM(3)(inner(inner(x)) + x))


MODELS = {
    "lstm_dense": lambda: sequential(layers.LSTM(8), layers.Dense(1)),
    "stack": lambda: sequential(
        lstm(7), layers.Dropout(0.5), lstm(17), layers.LSTM(4), layers.Dense(3, "tanh"), layers.Dense(2, "sigmoid")
    ),
    "every_step": lambda: sequential(lstm(6), layers.TimeDistributed(layers.Dense(3)), layers.Dense(1)),
    "activations": lambda: sequential(layers.Dense(4, "gelu"), lstm(3, activation="relu"), layers.Dense(3, "softmax")),
    "own_activation": lambda: sequential(lstm(9, activation=softsign), layers.Dense(1, "sigmoid")),
    "own_gru": lambda: sequential(layers.Masking(), layers.GRU(9, activation=softsign), layers.Dense(2)),
    "own_simple_rnn": lambda: sequential(layers.Masking(), layers.SimpleRNN(9, activation=softsign)),
    "own_peephole": lambda: sequential(layers.Masking(), layers.LSTM(9, activation=softsign, peephole=True)),
    "no_bias": lambda: sequential(layers.LSTM(3, use_bias=False), layers.Dense(2, use_bias=False)),
    "masking": lambda: sequential(layers.Masking(), lstm(4), layers.LSTM(3), layers.Dense(2)),
    "masking_all": lambda: sequential(layers.Masking(), lstm(4), layers.Dense(2)),
    "masking_then_python": lambda: sequential(layers.Masking(), lstm(4), layers.RNN(TwoStates()), layers.Dense(2)),
    "zero_output": lambda: sequential(layers.Masking(), lstm(4, zero_output_for_mask=True), layers.Dense(2)),
    "gru": lambda: sequential(layers.GRU(4, return_sequences=True), layers.GRU(3, reset_after=False), layers.Dense(1)),
    "simple_rnn": lambda: sequential(layers.SimpleRNN(4, return_sequences=True), layers.SimpleRNN(3), layers.Dense(1)),
    "peephole": lambda: sequential(lstm(4, peephole=True, projection_units=3), layers.LSTM(3, layer_norm=True)),
    "own_cell": lambda: sequential(layers.Masking(), layers.RNN(TwoStates(), return_sequences=True)),
    "stacked_cells": lambda: sequential(layers.Masking(), layers.RNN([layers.LSTMCell(3), TwoStates()])),
    "stacked_cells_2": lambda: sequential(layers.Masking(), layers.RNN([TwoStates(), layers.LSTMCell(3)])),
    "stateful": lambda: sequential(layers.LSTM(4, stateful=True), layers.Dense(1)),
    "last_step": lambda: last_of(lambda h: h[:, -1]),
    "last_step_kept": lambda: last_of(lambda h: h[:, -1:, 1:]),
    "slices": lambda: functional(lambda x: ops.tanh(lstm(4)(x)[:, :, :2]) * 2.0 + x[..., :2]),
    "operations": lambda: functional(lambda x: ops.concatenate([ops.softmax(x), lstm(2)(x)], axis=-1)),
    "sums": lambda: functional(lambda x: ops.mean(lstm(4)(x), axis=-1, keepdims=True) - ops.max(x, axis=2)[..., None]),
    "merges": lambda: functional(lambda x: layers.Multiply()([lstm(F)(x), layers.Average()([x, Doubled()(x)])])),
    "norms": lambda: sequential(layers.LayerNormalization(), lstm(3), layers.BatchNormalization(), layers.LSTM(2)),
    "conv": lambda: sequential(layers.Conv1D(4, 3, padding="causal", activation="relu"), layers.LSTM(3)),
    "dilated": lambda: sequential(layers.Conv1D(4, 2, padding="causal", dilation_rate=2), layers.Conv1D(2, 1)),
    "separable": lambda: sequential(layers.SeparableConv1D(4, 3, padding="causal"), layers.GlobalMaxPooling1D()),
    "average": lambda: sequential(layers.Masking(), lstm(4), layers.GlobalAveragePooling1D(), layers.Dense(2)),
    "decoder": lambda: sequential(layers.LSTM(3), layers.RepeatVector(2), lstm(2), layers.Dense(1)),
    "reshape": lambda: sequential(layers.Reshape((-1, F, 1)), layers.TimeDistributed(layers.Flatten()), layers.LSTM(2)),
    "conv_lstm": lambda: sequential(layers.Reshape((-1, F, 1)), layers.ConvLSTM1D(2, 3, return_sequences=True)),
    "shared": shared,
    "nested": nested,
}


def streamed_like_predict(model, x, given=None, mask=None):
    """Every step of a stream, and a chunk, against predict (or the model under a mask) of the steps so far."""
    given = given or (lambda steps: x[:, steps])
    stream, chunked = model.stream(len(x)), model.stream(len(x))
    chunk = chunked.run(given(slice(None)), mask=mask)
    for t in range(x.shape[1]):
        y = stream.step(given(t), mask=None if mask is None else mask[:, t])
        part = given(slice(0, t + 1))
        expected = model.predict(part, verbose=0) if mask is None else model(part, mask=mask[:, : t + 1])
        model.reset_states()
        compare(model, y, expected, chunk, t)
    for name, arrays in stream.state.items():
        for a, b in zip(arrays, chunked.state[name], strict=True):
            np.testing.assert_array_equal(a, b)


def compare(model, y, expected, chunk, t):
    plan = model.stream()._plan
    flat, wanted, chunks = (list(gw.tree.leaves(v)) for v in (y, expected, chunk))
    for k, slot in enumerate(plan.outputs):
        last = wanted[k][:, -1] if plan.timed[slot] else wanted[k]
        assert flat[k].dtype == last.dtype and flat[k].shape == last.shape
        np.testing.assert_array_equal(flat[k], last)
        np.testing.assert_array_equal(chunks[k][:, t], last)


def chain():
    return sequential(lstm(4, name="first"), layers.LSTM(3, name="second"), layers.Dense(2))


def python_chain():
    return sequential(lstm(4, name="first"), layers.RNN(TwoStates(), name="second"), layers.Dense(2))

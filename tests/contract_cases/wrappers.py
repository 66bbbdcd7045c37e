"""RNN over cells of every kind, and Bidirectional."""

from __future__ import annotations

from typing import Any

import gatewise as gw
from contract_cases.case import Case
from gatewise import layers, ops, saving


@saving.register_keras_serializable("tests")
class LeakyCell(gw.Layer):
    """A user's cell with two states, one of them passed on, and an output of another size."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]
        self.output_size = 2

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1] + self.units, self.units), name="kernel")
        self.out = self.add_weight(shape=(self.units, 2), name="out")

    def call(self, inputs: Any, states: Any) -> Any:
        slow, fast = states
        fast = ops.tanh(ops.matmul(ops.concatenate([inputs, fast], axis=-1), self.kernel))
        slow = 0.9 * slow + 0.1 * fast
        return ops.matmul(slow * fast, self.out), [slow, fast]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def _rnn(name: str, cell: Any, sizes: tuple, is_random: bool = False, **options: Any) -> Case:
    def make(dtype: Any = None, **common: Any) -> Any:
        return layers.RNN(cell(dtype), dtype=dtype, **options, **common)

    return Case(f"RNN {name}", make, takes_mask=True, state_sizes=sizes, is_random=is_random)


def _bidirectional(name: str, layer: Any, sizes: tuple, **options: Any) -> Case:
    def make(dtype: Any = None, **common: Any) -> Any:
        return layers.Bidirectional(layer(dtype), dtype=dtype, **options, **common)

    return Case(f"Bidirectional {name}", make, takes_mask=True, state_sizes=sizes)


def _lstm(**options: Any) -> Any:
    return lambda dtype: layers.LSTM(3, dtype=dtype, **options)


def _different(**options: Any) -> Any:
    def make(dtype: Any = None, **common: Any) -> Any:
        behind = layers.LSTM(2, go_backwards=True, activation="softsign", dtype=dtype, **options)
        return layers.Bidirectional(
            layers.LSTM(3, dtype=dtype, **options), backward_layer=behind, dtype=dtype, **common
        )

    return make


CASES = [
    _rnn("LSTMCell", lambda d: layers.LSTMCell(3, dtype=d), (3, 3), return_sequences=True, return_state=True),
    _rnn("registered cell", lambda d: LeakyCell(3, dtype=d), (3, 3)),
    _rnn("registered cell, sequences", lambda d: LeakyCell(3, dtype=d), (3, 3), return_sequences=True),
    _rnn("registered cell, backwards", lambda d: LeakyCell(3, dtype=d), (3, 3), go_backwards=True, return_state=True),
    _rnn(
        "registered cell, zeros for masked", lambda d: LeakyCell(3, dtype=d), (3, 3), return_sequences=True,
        zero_output_for_mask=True,
    ),
    _rnn(
        "stack", lambda d: [layers.LSTMCell(3, dtype=d), LeakyCell(2, dtype=d), layers.LSTMCell(2, dtype=d)],
        (3, 3, 2, 2, 2, 2), return_sequences=True, return_state=True,
    ),
    _rnn("stack, last step", lambda d: [layers.LSTMCell(3, dtype=d), layers.LSTMCell(2, dtype=d)], (3, 3, 2, 2)),
    _rnn(
        "stack with dropout",
        lambda d: [layers.LSTMCell(3, dropout=0.3, seed=1, dtype=d), layers.LSTMCell(2, dropout=0.3, seed=2, dtype=d)],
        (3, 3, 2, 2), is_random=True,
    ),
    _bidirectional("concat", _lstm(), (3, 3, 3, 3)),
    _bidirectional("sum", _lstm(return_sequences=True), (3, 3, 3, 3), merge_mode="sum"),
    _bidirectional("mul", _lstm(return_sequences=True, return_state=True), (3, 3, 3, 3), merge_mode="mul"),
    _bidirectional("ave", _lstm(), (3, 3, 3, 3), merge_mode="ave"),
    _bidirectional("none", _lstm(return_sequences=True, return_state=True), (3, 3, 3, 3), merge_mode=None),
    _bidirectional("none, last step", _lstm(), (3, 3, 3, 3), merge_mode=None),
    _bidirectional(
        "of a stack",
        lambda d: layers.RNN([layers.LSTMCell(3, dtype=d), layers.LSTMCell(2, dtype=d)], dtype=d), (3, 3, 2, 2) * 2,
    ),
    Case("Bidirectional of two layers", _different(return_sequences=True), takes_mask=True, state_sizes=(3, 3, 2, 2)),
    Case("Bidirectional of two layers, states", _different(return_state=True), takes_mask=True,
         state_sizes=(3, 3, 2, 2)),
]  # fmt: skip

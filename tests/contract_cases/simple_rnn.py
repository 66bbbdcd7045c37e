"""SimpleRNN with every option, and its cell."""

from __future__ import annotations

from typing import Any

from contract_cases.case import Case
from gatewise import layers


def _simple_rnn(name: str, **options: Any) -> Case:
    about = {key: options.pop(key) for key in ("is_smooth", "is_random") if key in options}

    def make(**common: Any) -> Any:
        return layers.SimpleRNN(3, **options, **common)

    return Case(f"SimpleRNN {name}", make, takes_mask=True, state_sizes=(3,), **about)


CASES = [
    _simple_rnn("plain"),
    _simple_rnn("sequences", return_sequences=True),
    _simple_rnn("state", return_state=True),
    _simple_rnn("sequences and state", return_sequences=True, return_state=True),
    _simple_rnn("backwards", go_backwards=True, return_sequences=True, return_state=True),
    _simple_rnn("zeros for masked", return_sequences=True, zero_output_for_mask=True),
    _simple_rnn("no bias", use_bias=False),
    _simple_rnn("unroll", unroll=True, return_sequences=True),
    _simple_rnn("implementation 1", implementation=1),
    _simple_rnn("relu", is_smooth=False, activation="relu"),
    _simple_rnn("linear", activation=None, return_sequences=True),
    _simple_rnn("gelu", activation="gelu", return_sequences=True),
    _simple_rnn("softmax", activation="softmax", return_sequences=True),
    _simple_rnn("user's activation", activation=lambda x: x / (1 + x * x)),
    _simple_rnn("regularized", kernel_regularizer="l2", bias_regularizer="l1"),
    _simple_rnn("constrained", kernel_constraint="max_norm", recurrent_constraint="unit_norm"),
    _simple_rnn("dropout", dropout=0.4, recurrent_dropout=0.3, seed=3, is_random=True),
    _simple_rnn("initializers", kernel_initializer="he_normal", recurrent_initializer="zeros", bias_initializer="ones"),
    Case("TimeDistributed(SimpleRNN)", lambda **c: layers.TimeDistributed(layers.SimpleRNN(2, **c), **c), (2, 3, 4, 2)),
    Case(
        "RNN(SimpleRNNCell)",
        lambda **c: layers.RNN(layers.SimpleRNNCell(3, **c), return_sequences=True, **c),
        takes_mask=True,
        state_sizes=(3,),
    ),
]

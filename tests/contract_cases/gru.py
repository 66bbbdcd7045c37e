"""GRU with every option, and its cell."""

from __future__ import annotations

from typing import Any

from contract_cases.case import Case
from gatewise import layers


def _gru(name: str, **options: Any) -> Case:
    about = {key: options.pop(key) for key in ("is_smooth", "is_random") if key in options}

    def make(**common: Any) -> Any:
        return layers.GRU(3, **options, **common)

    return Case(f"GRU {name}", make, takes_mask=True, state_sizes=(3,), **about)


CASES = [
    _gru("plain"),
    _gru("reset before", reset_after=False),
    _gru("sequences", return_sequences=True),
    _gru("reset before, sequences and state", reset_after=False, return_sequences=True, return_state=True),
    _gru("state", return_state=True),
    _gru("backwards", go_backwards=True, return_sequences=True, return_state=True),
    _gru("zeros for masked", return_sequences=True, zero_output_for_mask=True),
    _gru("no bias", use_bias=False),
    _gru("reset before, no bias", reset_after=False, use_bias=False),
    _gru("unroll", unroll=True, return_sequences=True),
    _gru("implementation 1, no cuDNN", implementation=1, use_cudnn=False),
    _gru("relu and hard sigmoid", is_smooth=False, activation="relu", recurrent_activation="hard_sigmoid"),
    _gru("softsign and linear", activation="softsign", recurrent_activation="linear"),
    _gru("gelu and softsign", activation="gelu", recurrent_activation="softsign", return_sequences=True),
    _gru("reset before, silu and sigmoid", reset_after=False, activation="silu"),
    _gru("softmax", activation="softmax", return_sequences=True),
    _gru("reset before, softmax", reset_after=False, recurrent_activation="softmax", return_sequences=True),
    _gru("user's activation", activation=lambda x: x / (1 + x * x)),
    _gru("regularized", kernel_regularizer="l2", activity_regularizer="l2", bias_regularizer="l1"),
    _gru("constrained", kernel_constraint="max_norm", recurrent_constraint="unit_norm", bias_constraint="non_neg"),
    _gru("dropout", dropout=0.4, recurrent_dropout=0.3, seed=3, is_random=True),
    _gru("reset before, dropout", reset_after=False, dropout=0.4, recurrent_dropout=0.3, seed=3, is_random=True),
    _gru("initializers", kernel_initializer="he_normal", recurrent_initializer="zeros", bias_initializer="ones"),
    Case("TimeDistributed(GRU)", lambda **c: layers.TimeDistributed(layers.GRU(2, **c), **c), (2, 3, 4, 2)),
    Case(
        "RNN(GRUCell)",
        lambda **c: layers.RNN(layers.GRUCell(3, **c), return_sequences=True, **c),
        takes_mask=True,
        state_sizes=(3,),
    ),
]

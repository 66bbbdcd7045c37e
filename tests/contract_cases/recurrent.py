"""Recurrent layers."""

from __future__ import annotations

from typing import Any

import gatewise as gw
from contract_cases.case import Case
from gatewise import layers


def _lstm(name: str, is_smooth: bool = True, is_random: bool = False, **options: Any) -> Case:
    def make(**common: Any) -> Any:
        return layers.LSTM(3, **options, **common)

    return Case(f"LSTM {name}", make, takes_mask=True, state_sizes=(3, 3), is_smooth=is_smooth, is_random=is_random)


CASES = [
    _lstm("plain"),
    _lstm("sequences", return_sequences=True),
    _lstm("state", return_state=True),
    _lstm("sequences and state", return_sequences=True, return_state=True),
    _lstm("backwards", go_backwards=True, return_sequences=True, return_state=True),
    _lstm("zeros for masked", return_sequences=True, zero_output_for_mask=True),
    _lstm("no bias", use_bias=False),
    _lstm("no forget bias", unit_forget_bias=False),
    _lstm("unroll", unroll=True, return_sequences=True),
    _lstm("implementation 1", implementation=1),
    _lstm("relu and hard sigmoid", is_smooth=False, activation="relu", recurrent_activation="hard_sigmoid"),
    _lstm("softsign and linear", activation="softsign", recurrent_activation="linear"),
    _lstm("gelu and softplus", activation="gelu", recurrent_activation="softplus"),
    _lstm("softmax", activation="softmax", return_sequences=True),
    _lstm("user's activation", activation=lambda x: x / (1 + x * x)),
    _lstm("regularized", kernel_regularizer="l2", activity_regularizer="l2", bias_regularizer="l1"),
    _lstm("constrained", kernel_constraint="max_norm", recurrent_constraint="unit_norm"),
    _lstm("dropout", dropout=0.4, recurrent_dropout=0.3, seed=3, is_random=True),
    _lstm("initializers", kernel_initializer="he_normal", recurrent_initializer="zeros", bias_initializer="ones"),
    Case("TimeDistributed(Dense)", lambda **c: layers.TimeDistributed(layers.Dense(2, **c), **c)),
    Case("TimeDistributed(LSTM)", lambda **c: layers.TimeDistributed(layers.LSTM(2, **c), **c), (2, 3, 4, 2)),
    Case(
        "Sequential",
        lambda **c: gw.Sequential(
            [layers.LSTM(3, return_sequences=True, **c), layers.LSTM(2, **c), layers.Dense(1, **c)]
        ),
    ),
]

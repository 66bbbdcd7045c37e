"""LSTMs over places."""

from __future__ import annotations

from typing import Any

from contract_cases.case import Case
from gatewise import layers

ROWS, IMAGES, VOLUMES = (3, 4, 5, 2), (3, 4, 3, 4, 2), (2, 2, 2, 3, 2, 1)
_ROWS_FIRST = (3, 4, 2, 5)


def _case(
    name: str, shape: Any, state: tuple[int, ...], rank: int = 1, is_random: bool = False, takes_mask: bool = True,
    is_smooth: bool = True, **options: Any,
) -> Case:  # fmt: skip
    options = {"filters": 3, "kernel_size": 3, "padding": "same", **options}
    return Case(
        f"ConvLSTM{rank}D {name}",
        lambda **c: getattr(layers, f"ConvLSTM{rank}D")(**options, **c),
        shape,
        takes_mask=takes_mask,
        state_sizes=(state, state),
        is_random=is_random,
        is_smooth=is_smooth,
    )


CASES = [
    _case("plain", ROWS, (5, 3)),
    _case("sequences and state", ROWS, (5, 3), return_sequences=True, return_state=True),
    _case("backwards", ROWS, (5, 3), go_backwards=True, return_sequences=True),
    _case("valid, strides", ROWS, (2, 3), padding="valid", strides=2, kernel_size=2, return_state=True),
    _case("dilated", ROWS, (5, 3), dilation_rate=2, use_bias=False),
    _case("zeros for masked", ROWS, (5, 3), return_sequences=True, zero_output_for_mask=True),
    _case("channels first", _ROWS_FIRST, (3, 5), data_format="channels_first", return_sequences=True,
          return_state=True),
    _case("hard sigmoid", ROWS, (5, 3), recurrent_activation="hard_sigmoid", activation="softsign", is_smooth=False),
    _case("softmax gates", ROWS, (5, 3), recurrent_activation="softmax", unit_forget_bias=False),
    _case("regularized", ROWS, (5, 3), kernel_regularizer="l2", recurrent_regularizer="l1", activity_regularizer="l2"),
    _case("dropout", ROWS, (5, 3), dropout=0.4, recurrent_dropout=0.3, seed=3, is_random=True),
    _case("dropout of x", _ROWS_FIRST, (3, 5), dropout=0.4, seed=3, is_random=True, data_format="channels_first",
          return_sequences=True),
    _case("images", IMAGES, (2, 3, 3), rank=2, kernel_size=2, padding="valid", return_sequences=True),
    _case("images, two strides", IMAGES, (2, 4, 2), rank=2, filters=2, kernel_size=(2, 3), strides=(2, 1)),
    _case("volumes", VOLUMES, (2, 3, 2, 2), rank=3, filters=2, kernel_size=2, takes_mask=False, return_state=True),
]  # fmt: skip

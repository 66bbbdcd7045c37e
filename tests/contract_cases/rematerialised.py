"""Recurrent layers that compute a part of their steps again on the way back."""

from __future__ import annotations

from typing import Any

from contract_cases.case import Case
from contract_cases.lstm_variants import _ALL
from contract_cases.wrappers import LeakyCell
from gatewise import layers

_DRAWN: dict[str, Any] = {"dropout": 0.4, "recurrent_dropout": 0.3, "seed": 3}


def _case(name: str, make: Any, sizes: tuple, is_random: bool = False, shape: Any = (3, 4, 2)) -> Case:
    return Case(f"remat {name}", make, shape, takes_mask=True, state_sizes=sizes, is_random=is_random)


def _rnn(cell: Any, **options: Any) -> Any:
    def make(dtype: Any = None, **common: Any) -> Any:
        return layers.RNN(cell(dtype), dtype=dtype, **options, **common)

    return make


def _stack(dtype: Any) -> list[Any]:
    return [layers.LSTMCell(3, dropout=0.3, seed=1, dtype=dtype), LeakyCell(2, dtype=dtype)]


CASES = [
    _case("LSTM, a step at a time", lambda **c: layers.LSTM(3, remat_steps=1, **c), (3, 3)),
    _case("LSTM, more than there are", lambda **c: layers.LSTM(3, remat_steps=9, **c), (3, 3)),
    _case(
        "LSTM sequences and state",
        lambda **c: layers.LSTM(3, remat_steps=3, return_sequences=True, return_state=True, **c), (3, 3),
    ),
    _case(
        "LSTM backwards, zeros for masked",
        lambda **c: layers.LSTM(
            3, remat_steps=2, go_backwards=True, return_sequences=True, zero_output_for_mask=True, **c
        ), (3, 3),
    ),
    _case("LSTM softmax", lambda **c: layers.LSTM(3, remat_steps=3, activation="softmax", **c), (3, 3)),
    _case("LSTM dropout", lambda **c: layers.LSTM(3, remat_steps=2, **_DRAWN, **c), (3, 3), True),
    _case(
        "LSTM all variants at random",
        lambda **c: layers.LSTM(
            3, remat_steps=3, return_sequences=True, zoneout_cell=0.3, zoneout_output=0.2, **_ALL, **_DRAWN, **c
        ), (2, 3), True,
    ),
    _case("GRU sequences", lambda **c: layers.GRU(3, remat_steps=3, return_sequences=True, **c), (3,)),
    _case("GRU dropout", lambda **c: layers.GRU(3, remat_steps=2, reset_after=False, **_DRAWN, **c), (3,), True),
    _case("SimpleRNN", lambda **c: layers.SimpleRNN(3, remat_steps=2, return_state=True, **c), (3,)),
    _case(
        "ConvLSTM1D dropout",
        lambda **c: layers.ConvLSTM1D(
            2, 3, padding="same", data_format="channels_first", remat_steps=3, return_sequences=True, **_DRAWN, **c
        ), ((2, 5), (2, 5)), True, (3, 4, 2, 5),
    ),
    _case("registered cell", _rnn(lambda d: LeakyCell(3, dtype=d), remat_steps=2), (3, 3)),
    _case(
        "registered cell, sequences",
        _rnn(lambda d: LeakyCell(3, dtype=d), remat_steps=1, return_sequences=True), (3, 3),
    ),
    _case("stack", _rnn(_stack, remat_steps=3, return_sequences=True), (3, 3, 2, 2), True),
    _case(
        "Bidirectional",
        lambda dtype=None, **c: layers.Bidirectional(
            layers.LSTM(3, remat_steps=3, return_sequences=True, dtype=dtype), dtype=dtype, **c
        ), (3, 3, 3, 3),
    ),
]  # fmt: skip

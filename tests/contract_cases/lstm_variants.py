"""What an LSTM can have beyond Keras's, alone and together."""

from __future__ import annotations

from typing import Any

from contract_cases.case import SEQUENCE, Case
from gatewise import layers


def _variant(name: str, outputs: int = 3, is_random: bool = False, **options: Any) -> Case:
    def make(**common: Any) -> Any:
        return layers.LSTM(3, **options, **common)

    return Case(f"LSTM {name}", make, takes_mask=True, state_sizes=(outputs, 3), is_random=is_random)


_ALL: dict[str, Any] = {
    "peephole": True, "cell_clip": 0.6, "projection_units": 2, "coupled_gates": True, "layer_norm": True,
}  # fmt: skip

CASES = [
    _variant("peephole", peephole=True, return_sequences=True),
    _variant("cell clip", cell_clip=0.2, return_sequences=True),
    _variant("projection", 2, projection_units=2),
    _variant("projection as wide as it is long", projection_units=3, return_sequences=True, return_state=True),
    _variant("coupled gates", coupled_gates=True, return_state=True),
    _variant("layer norm", layer_norm=True, return_sequences=True),
    _variant("layer norm epsilon", layer_norm=True, layer_norm_epsilon=0.5, use_bias=False),
    _variant("zoneout", zoneout_cell=0.4, zoneout_output=0.3, seed=2, is_random=True, return_sequences=True),
    _variant("zoneout of the cell", zoneout_cell=0.5, seed=2, is_random=True),
    _variant("peephole and coupled gates", peephole=True, coupled_gates=True, peephole_initializer="ones"),
    _variant("all variants", 2, **_ALL, return_sequences=True, return_state=True),
    _variant(
        "all variants at random", 2, True, **_ALL, zoneout_cell=0.3, zoneout_output=0.2, dropout=0.2,
        recurrent_dropout=0.3, seed=5, return_sequences=True,
    ),
    _variant("all variants softmax", 2, **_ALL, activation="softmax", projection_initializer="ones"),
    _variant("all variants backwards", 2, **_ALL, go_backwards=True, return_sequences=True),
    Case(
        "LSTMCell all variants", lambda **c: layers.RNN(layers.LSTMCell(3, **_ALL, **c), return_sequences=True, **c),
        SEQUENCE, takes_mask=True, state_sizes=(2, 3),
    ),
]  # fmt: skip

"""Pooling over windows and over all of an input."""

from __future__ import annotations

from typing import Any

from contract_cases.case import Case
from gatewise import layers

STEPS = (3, 7, 4)
IMAGES = (3, 5, 6, 2)


def _case(cls: str, name: str, **options: Any) -> Case:
    # Central differences apply to maxima too: the largest of some random numbers stays the largest.
    shape = IMAGES if cls.endswith("2D") else STEPS
    return Case(f"{cls} {name}", lambda **c: getattr(layers, cls)(**options, **c), shape)


CASES = [
    *[
        case
        for kind in ("MaxPooling", "AveragePooling")
        for case in (
            _case(f"{kind}1D", "of two", pool_size=2),
            _case(f"{kind}1D", "overlapping", pool_size=3, strides=1),
            _case(f"{kind}1D", "same", pool_size=3, strides=2, padding="same"),
            _case(f"{kind}1D", "with gaps", pool_size=2, strides=3),
            _case(f"{kind}1D", "of one", pool_size=1),
            _case(f"{kind}1D", "channels first", pool_size=2, data_format="channels_first"),
            _case(f"{kind}2D", "of two", pool_size=2),
            _case(f"{kind}2D", "same", pool_size=(3, 2), strides=(1, 2), padding="same"),
            _case(f"{kind}2D", "channels first", pool_size=2, strides=1, data_format="channels_first"),
        )
    ],
    *[
        case
        for kind in ("GlobalMaxPooling", "GlobalAveragePooling")
        for rank in (1, 2)
        for case in (
            _case(f"{kind}{rank}D", "plain"),
            _case(f"{kind}{rank}D", "kept axes", keepdims=True),
            _case(f"{kind}{rank}D", "channels first", data_format="channels_first"),
            _case(f"{kind}{rank}D", "channels first, kept axes", data_format="channels_first", keepdims=True),
        )
    ],
]

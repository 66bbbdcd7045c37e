"""Layers that prepare data and put out floats."""

from __future__ import annotations

from contract_cases.case import Case
from gatewise import layers

CASES = [
    Case("Rescaling", lambda **c: layers.Rescaling(0.5, -1.0, **c)),
    Case("Rescaling by feature", lambda **c: layers.Rescaling([0.5, 2.0], [0.0, 1.0], **c), (4, 2)),
    Case("CategoryEncoding one-hot", lambda **c: layers.CategoryEncoding(4, "one_hot", **c), (3, 5), integers=4),
    Case("CategoryEncoding several-hot", lambda **c: layers.CategoryEncoding(4, **c), (3, 5), integers=4),
    Case("CategoryEncoding count", lambda **c: layers.CategoryEncoding(4, "count", **c), (3, 5), integers=4),
    Case(
        "Discretization one-hot",
        lambda **c: layers.Discretization([-0.5, 0.5], output_mode="one_hot", **c),
        (3, 4),
        is_smooth=False,
    ),
    Case(
        "IntegerLookup count",
        lambda **c: layers.IntegerLookup(vocabulary=[2, 0], output_mode="count", **c),
        (3, 4),
        integers=4,
    ),
]

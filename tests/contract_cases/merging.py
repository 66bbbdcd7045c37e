"""Layers that make one array of several."""

from contract_cases.case import SEQUENCE, Case
from gatewise import layers

TWO, THREE = [SEQUENCE] * 2, [SEQUENCE] * 3
SPREAD = [(3, 4, 2), (3, 2), (3, 4, 1)]

CASES = [
    Case("Add", lambda **c: layers.Add(**c), THREE),
    Case("Add spread", lambda **c: layers.Add(**c), SPREAD),
    Case("Subtract", lambda **c: layers.Subtract(**c), TWO),
    Case("Multiply", lambda **c: layers.Multiply(**c), THREE),
    Case("Multiply spread", lambda **c: layers.Multiply(**c), SPREAD),
    Case("Average", lambda **c: layers.Average(**c), THREE),
    Case("Average regularized", lambda **c: layers.Average(activity_regularizer="l2", **c), TWO),
    Case("Maximum", lambda **c: layers.Maximum(**c), THREE),
    Case("Maximum spread", lambda **c: layers.Maximum(**c), SPREAD),
    Case("Minimum", lambda **c: layers.Minimum(**c), THREE),
    Case("Concatenate", lambda **c: layers.Concatenate(**c), [(3, 4, 2), (3, 4, 1), (3, 4, 3)]),
    Case("Concatenate time", lambda **c: layers.Concatenate(axis=1, **c), [(3, 4, 2), (3, 1, 2)]),
    Case("Dot", lambda **c: layers.Dot(1, **c), [(3, 4), (3, 4)]),
    Case("Dot cosine", lambda **c: layers.Dot(-1, normalize=True, **c), [(3, 4), (3, 4)]),
    Case("Dot of sequences", lambda **c: layers.Dot((2, 2), **c), [(3, 4, 2), (3, 5, 2)]),
    Case("Dot over time", lambda **c: layers.Dot((1, -2), normalize=True, **c), [(3, 4, 2), (3, 4, 5)]),
    Case("Dot of four axes", lambda **c: layers.Dot((2, 1), **c), [(3, 4, 5, 2), (3, 5)]),
]

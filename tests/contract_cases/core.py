"""Layers without time of their own."""

from contract_cases.case import Case
from gatewise import layers

CASES = [
    Case("Dense", lambda **c: layers.Dense(3, **c), (4, 5)),
    Case("Dense tanh on sequences", lambda **c: layers.Dense(3, activation="tanh", **c)),
    Case("Dense softmax no bias", lambda **c: layers.Dense(3, activation="softmax", use_bias=False, **c), (4, 5)),
    Case("Activation", lambda **c: layers.Activation("sigmoid", **c)),
    Case("Dropout", lambda **c: layers.Dropout(0.5, seed=1, **c), is_random=True),
    Case("Masking", lambda **c: layers.Masking(0.0, **c)),
]

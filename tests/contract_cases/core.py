"""Layers without time of their own."""

from contract_cases.case import Case
from gatewise import layers

CASES = [
    Case("Dense", lambda **c: layers.Dense(3, **c), (4, 5)),
    Case("Dense tanh on sequences", lambda **c: layers.Dense(3, activation="tanh", **c)),
    Case("Dense softmax no bias", lambda **c: layers.Dense(3, activation="softmax", use_bias=False, **c), (4, 5)),
    Case("Activation", lambda **c: layers.Activation("sigmoid", **c)),
    Case("Activation regularized", lambda **c: layers.Activation("tanh", activity_regularizer="l2", **c)),
    Case("Masking", lambda **c: layers.Masking(0.0, **c)),
    Case("Masking four axes", lambda **c: layers.Masking(0.5, **c), (2, 3, 4, 2)),
    Case("Embedding", lambda **c: layers.Embedding(7, 3, **c), (3, 4), integers=7),
    Case("Embedding single", lambda **c: layers.Embedding(7, 3, mask_zero=True, **c), (5,), integers=7),
    Case("Embedding cube", lambda **c: layers.Embedding(7, 2, embeddings_regularizer="l2", **c), (2, 3, 4), integers=7),
    Case(
        "Embedding max_norm",
        lambda **c: layers.Embedding(7, 2, embeddings_constraint="max_norm", **c),
        (3, 4),
        integers=7,
    ),
]

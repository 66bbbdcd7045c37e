"""Layers that normalize."""

from contract_cases.case import Case
from gatewise import layers

IMAGES = (3, 4, 2, 6)

CASES = [
    Case("LayerNormalization", lambda **c: layers.LayerNormalization(**c)),
    Case("LayerNormalization over two axes", lambda **c: layers.LayerNormalization(axis=[1, 2], epsilon=0.1, **c)),
    Case("LayerNormalization over time", lambda **c: layers.LayerNormalization(axis=1, **c)),
    Case("LayerNormalization no shift", lambda **c: layers.LayerNormalization(center=False, **c), (4, 5)),
    Case("LayerNormalization no scale", lambda **c: layers.LayerNormalization(scale=False, **c)),
    Case(
        "LayerNormalization regularized",
        lambda **c: layers.LayerNormalization(
            beta_initializer="ones", gamma_regularizer="l2", beta_regularizer="l1", gamma_constraint="non_neg", **c
        ),
    ),
    Case("RMSNormalization", lambda **c: layers.RMSNormalization(**c)),
    Case("RMSNormalization over two axes", lambda **c: layers.RMSNormalization(axis=[-2, -1], epsilon=0.1, **c)),
    Case("GroupNormalization", lambda **c: layers.GroupNormalization(groups=3, **c), IMAGES),
    Case("GroupNormalization features first", lambda **c: layers.GroupNormalization(groups=2, axis=1, **c), IMAGES),
    Case("GroupNormalization each feature", lambda **c: layers.GroupNormalization(groups=-1, **c)),
    Case("GroupNormalization no weights", lambda **c: layers.GroupNormalization(1, scale=False, center=False, **c)),
    Case("UnitNormalization", lambda **c: layers.UnitNormalization(**c)),
    Case("UnitNormalization over two axes", lambda **c: layers.UnitNormalization(axis=[1, 2], **c)),
    Case("BatchNormalization", lambda **c: layers.BatchNormalization(**c)),
    Case("BatchNormalization of rows", lambda **c: layers.BatchNormalization(momentum=0.5, **c), (4, 5)),
    Case("BatchNormalization features first", lambda **c: layers.BatchNormalization(axis=1, **c), IMAGES),
    Case("BatchNormalization no weights", lambda **c: layers.BatchNormalization(center=False, scale=False, **c)),
    Case(
        "BatchNormalization regularized",
        lambda **c: layers.BatchNormalization(gamma_regularizer="l2", beta_constraint="max_norm", **c),
    ),
    Case("BatchNormalization renorm", lambda **c: layers.BatchNormalization(renorm=True, **c)),
    Case("Normalization", lambda **c: layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 0.25], **c)),
    Case("Normalization back", lambda **c: layers.Normalization(mean=1.0, variance=4.0, invert=True, **c)),
    Case("Normalization learned", lambda **c: layers.Normalization(axis=None, **c)),
]

"""Layers that disturb their input in training."""

from contract_cases.case import Case
from gatewise import layers

CASES = [
    Case("Dropout", lambda **c: layers.Dropout(0.5, seed=1, **c), is_random=True),
    Case("Dropout same for all steps", lambda **c: layers.Dropout(0.5, (None, 1, None), seed=1, **c), is_random=True),
    Case("Dropout everything", lambda **c: layers.Dropout(1.0, **c)),
    Case("Dropout nothing", lambda **c: layers.Dropout(0.0, **c)),
    Case("SpatialDropout1D", lambda **c: layers.SpatialDropout1D(0.5, seed=1, **c), is_random=True),
    Case("GaussianNoise", lambda **c: layers.GaussianNoise(0.5, seed=1, **c), is_random=True),
    Case("GaussianDropout", lambda **c: layers.GaussianDropout(0.5, seed=1, **c), is_random=True),
    Case("AlphaDropout", lambda **c: layers.AlphaDropout(0.5, seed=1, **c), is_random=True),
    Case("AlphaDropout shared", lambda **c: layers.AlphaDropout(0.5, (None, 1, 2), seed=1, **c), is_random=True),
    Case("ActivityRegularization", lambda **c: layers.ActivityRegularization(0.1, 0.2, **c)),
]

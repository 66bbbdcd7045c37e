"""Activations that are layers."""

from contract_cases.case import Case
from gatewise import layers

CASES = [
    Case("ReLU", lambda **c: layers.ReLU(**c)),
    Case("ReLU bounded", lambda **c: layers.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2, **c)),
    Case("LeakyReLU", lambda **c: layers.LeakyReLU(0.2, **c)),
    Case("ELU", lambda **c: layers.ELU(0.7, **c)),
    Case("PReLU", lambda **c: layers.PReLU("ones", **c)),
    Case("PReLU shared", lambda **c: layers.PReLU("ones", shared_axes=[1], alpha_regularizer="l2", **c)),
    Case("Softmax", lambda **c: layers.Softmax(**c)),
    Case("Softmax over time", lambda **c: layers.Softmax(axis=1, **c)),
    Case("Softmax over both", lambda **c: layers.Softmax(axis=[1, 2], **c)),
]

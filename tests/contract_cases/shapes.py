"""Layers that put numbers in another shape, and functions as layers."""

from typing import Any

from contract_cases.case import Case
from gatewise import layers, ops, saving


@saving.register_keras_serializable("contract_cases")
def bent(x: Any, factor: float = 1.0) -> Any:
    return factor * ops.tanh(x)


@saving.register_keras_serializable("contract_cases")
def sums(x: Any) -> Any:
    return ops.sum(ops.tanh(x), axis=1)


CASES = [
    Case("Flatten", lambda **c: layers.Flatten(**c), (3, 4, 2)),
    Case("Flatten row", lambda **c: layers.Flatten(**c), (3,)),
    Case("Flatten channels first", lambda **c: layers.Flatten("channels_first", **c), (3, 2, 4, 2)),
    Case("Reshape", lambda **c: layers.Reshape((2, 4), **c), (3, 4, 2)),
    Case("Reshape open", lambda **c: layers.Reshape((2, -1, 2), **c), (3, 4, 2)),
    Case("Reshape to one number", lambda **c: layers.Reshape((), **c), (3, 1)),
    Case("RepeatVector", lambda **c: layers.RepeatVector(3, **c), (3, 4)),
    Case("Permute", lambda **c: layers.Permute((2, 1), **c)),
    Case("Permute three", lambda **c: layers.Permute((3, 1, 2), **c), (3, 4, 2, 5)),
    Case("Identity", lambda **c: layers.Identity(**c)),
    Case("Lambda", lambda **c: layers.Lambda(bent, arguments={"factor": 0.5}, **c)),
    Case("Lambda with shape", lambda **c: layers.Lambda(sums, output_shape=(2,), **c)),
    Case("Lambda user's", lambda **c: layers.Lambda(lambda x: ops.tanh(x) + 1, **c)),
]

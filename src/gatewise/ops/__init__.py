"""keras.ops for users' own layers, losses and models: differentiable, on arrays or on symbolic tensors.

A function given a symbolic tensor makes a node that runs it later; given arrays it runs now; inside a differentiation
it is traced.  Names, arguments and types are Keras's.  What only NumPy has is here too, under NumPy's name, as long as
it computes.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

from gatewise import config, suggest
from gatewise.ops import (
    arrays,
    control,
    fourier,
    linalg,
    nn,
    numpy_names,
    places,
    products,
    reductions,
    sequences,
    special,
    without_nan,
)
from gatewise.ops.arrays import convert_to_numpy, convert_to_tensor, dtype, is_tensor, ndim, shape
from gatewise.ops.control import (
    associative_scan,
    cond,
    custom_gradient,
    fori_loop,
    scan,
    switch,
    vectorized_map,
    while_loop,
)
from gatewise.ops.operation import Operation, operation_named, public

_PUBLISHING = (arrays, fourier, linalg, nn, numpy_names, places, products, reductions, sequences, special, without_nan)
"""The modules whose operations are in `public` once they are imported."""

_FUNCTIONS = {
    function.__name__: function
    for function in (
        associative_scan, cond, convert_to_numpy, convert_to_tensor, custom_gradient, dtype, fori_loop, is_tensor,
        ndim, scan, shape, switch, vectorized_map, while_loop,
    )
} | {"map": control._map}  # fmt: skip
"""What is no operation of arrays alone: it takes functions, or tells of an array."""

_ROOMS: dict[str, ModuleType] = {"linalg": linalg, "nn": nn, "numpy": sys.modules[__name__]}
"""Keras's modules of operations: `ops.nn.softmax` is `ops.softmax`."""

_NUMPY_ONLY_IN_FILES = frozenset({"column_stack", "cov", "rollaxis", "vecdot"})

__all__ = sorted({*public, *_FUNCTIONS, *_ROOMS})  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in public:
        return public[name]
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    if name in _ROOMS:
        return _ROOMS[name]
    if name.startswith("_") or not _is_function_of_numpy(name):
        known = {*public, *_FUNCTIONS, *filter(_is_function_of_numpy, dir(np))}
        raise AttributeError(
            f"gatewise.ops: {suggest.unknown('operation', name, known)}", name=name, obj=sys.modules[__name__]
        )
    return numpy_names.numpy_operation(name)


def _is_function_of_numpy(name: str) -> bool:
    found = getattr(np, name, None)
    return not name.startswith("_") and callable(found) and not isinstance(found, type)


def __dir__() -> list[str]:
    return __all__


def operation_from_config(class_name: str, settings: dict[str, Any]) -> Operation:
    """The node of the function that a file names, by its class ("GetItem") and its settings.

    Args:
        settings: {"name": ...}; Keras's files have arguments of the function beside it.

    Raises:
        ValueError: unless it is one of the operations here, or one of NumPy's that only computes: a file must not be
            able to have other functions called.
    """
    name = config.snake_case(class_name)
    if name not in public and name not in _NUMPY_ONLY_IN_FILES and not isinstance(getattr(np, name, None), np.ufunc):
        raise ValueError(suggest.unknown("operation", name, [*public, *_NUMPY_ONLY_IN_FILES]))
    node = operation_named(name)
    node.name = settings.get("name", node.name)
    node.settings = {key: value for key, value in settings.items() if key != "name"}
    return node

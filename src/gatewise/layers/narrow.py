"""Recurrent cells whose weights have fewer bits: which can have them, what they hold, how they run.

`gatewise.quantize` makes them of float32 cells; `kernels.reference.narrow` says what their numbers mean.  They are for
prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from gatewise import kernels
from gatewise.kernels import reference

STORAGES = ("int8", "bfloat16")
NO_TAPE = "it is not trained, differentiated or traced"
_NUMBERS = {"int8": "int8", "bfloat16": "uint16"}


def check_storage(storage: Any, owner: str) -> None:
    """Raise ValueError, in the name of `owner`, unless weights can be stored like that."""
    if storage not in STORAGES:
        known = " or ".join(f'"{name}"' for name in STORAGES)
        raise ValueError(f"{owner}: weights of fewer bits are {known}; got {storage!r}.")


def why_not(cell: Any) -> str | None:
    """Why a built-in cell has to keep float32 weights; None if it has not."""
    if getattr(cell, "kernel_family", None) is None:
        return f"{type(cell).__name__} has no kernel for them"
    if getattr(cell, "is_variant", False):
        return "the variants of the LSTM have no kernel for them"
    if not getattr(cell, "reset_after", True):
        return "a GRU with reset_after=False has no kernel for them"
    if cell.dtype != "float32":
        return f"it computes in {cell.dtype}, and their kernels in float32"
    if cell._kernel_activations() is None:
        return "its activation is none that the kernels know"
    return None


def add_weights(cell: Any, features: int) -> None:
    """Give a cell the weights that stand for W (F, G H), U (H, G H) and b, all zeros.

    kernel and recurrent_kernel int8, or uint16, the upper halves of float32; bias float32; with int8 also kernel_scale,
    shaped as a bias, input_range (F,) and state_range ().

    Raises:
        ValueError: if the cell cannot have them.
    """
    reason = why_not(cell)
    if reason is not None:
        raise ValueError(f"{type(cell).__name__} '{cell.name}' cannot have {cell.quantization} weights: {reason}.")
    H, wide, numbers = cell.units, cell.n_gates * cell.units, _NUMBERS[cell.quantization]

    def weight(name: str, shape: tuple[int, ...], dtype: str = "float32") -> Any:
        return cell.add_weight(shape, "zeros", dtype=dtype, trainable=False, name=name)

    cell.kernel = weight("kernel", (features, wide), numbers)
    cell.recurrent_kernel = weight("recurrent_kernel", (H, wide), numbers)
    if cell.use_bias:
        cell.bias = weight("bias", cell._bias_shape())
    if cell.quantization == "int8":
        of_sums = (2, wide) if cell.kernel_family == "gru" else (wide,)
        cell.kernel_scale = weight("kernel_scale", of_sums)
        cell.input_range = weight("input_range", (features,))
        cell.state_range = weight("state_range", ())


def convert(cell: Any, storage: str, x_range: Any = None, h_range: float = 1.0) -> None:
    """Replace a built cell's float32 weights by those nearest to them; the cell must be able to have them.

    Args:
        x_range: (F,), h_range: the largest sizes of x and h, for int8.
    """
    W, U, b = cell._weight_arrays()
    weights: Any
    if storage == "int8":
        weights = reference.int8_weights(cell.kernel_family, W, U, b, x_range, h_range)
    else:
        weights = reference.bfloat16_weights(W, U, b)
    place = cell.kernel.path.rpartition("/")[0]
    cell._variables.clear()
    cell.bias, cell.quantization = None, storage
    add_weights(cell, len(weights.W))
    for variable, value in zip(cell._variables, [v for v in weights if v is not None], strict=True):
        variable.path = f"{place}/{variable.name}" if place else variable.name
        variable.assign(value)
    cell._constructed_with = _with_storage(cell, storage)


def _with_storage(layer: Any, storage: str) -> tuple[tuple, dict[str, Any]]:
    """What a layer would have been constructed with, had its weights been stored like that from the beginning."""
    args, kwargs = layer._constructed_with
    return args, {**kwargs, "quantization": storage}


def note_storage(layer: Any) -> None:
    """Let a layer that makes its own cell remember how that cell's weights are stored, for whoever makes it anew."""
    layer._constructed_with = _with_storage(layer, layer.cell.quantization)


def weights_of(cell: Any) -> reference.Int8Weights | reference.Bfloat16Weights:
    """The cell's weights as the kernels take them."""
    W, U, b = cell._weight_arrays()
    if cell.quantization == "int8":
        return reference.Int8Weights(W, U, b, cell.kernel_scale.array, cell.input_range.array, float(cell.state_range))
    return reference.Bfloat16Weights(W, U, b)


def pack(cell: Any) -> kernels.PackedNarrow:
    """The cell's weights in the kernels' layout."""
    return kernels.pack_narrow(cell.kernel_family, weights_of(cell))


def run(cell: Any, x: np.ndarray, states: Sequence[Any], mask: Any, training: bool, every_step: bool) -> Any:
    """`Cell.run_states` with these weights.

    Raises:
        ValueError: for dropout, for an activation the kernels do not know, and with int8 for numbers that are not
            finite.
    """
    if training and cell._seeds is not None:
        refuse(cell, "dropout cannot be active in it")
    known = cell._kernel_activations()
    if known is None:
        refuse(cell, "its activations must be some that the kernels know")
    is_int8 = cell.quantization == "int8"
    for state in states if is_int8 else ():
        if not np.isfinite(state).all():
            _refuse_numbers(cell, "initial states")
    h0, c0 = (*states, None, None)[:2]
    try:
        made = kernels.narrow_predict(x, h0, c0, cell._packed_weights(), mask, known[0], known[-1], every_step)
    except ValueError:
        if is_int8 and not np.isfinite(x if mask is None else x[mask]).all():
            _refuse_numbers(cell, "inputs")
        raise
    h, h_last, c_last = made
    return h, h_last, [h_last] if c_last is None else [h_last, c_last]


def _refuse_numbers(cell: Any, name: str) -> NoReturn:
    """Raise ValueError: numbers that 8 bits would have to say are not finite."""
    raise ValueError(
        f"{_called(cell)} has int8 weights, and its {name} hold numbers that are not finite, which 8 bits cannot say. "
        'Clean the data, mask these steps, or quantize with dtype="bfloat16".'
    )


def refuse(cell: Any, why: str) -> NoReturn:
    """Raise ValueError: a cell with such weights was asked for more than prediction."""
    raise ValueError(
        f"{_called(cell)} has {cell.quantization} weights, which are for prediction: {why}. Use the model that was "
        "given to gatewise.quantize, and quantize it anew afterwards."
    )


def _called(cell: Any) -> str:
    place = cell.kernel.path.rpartition("/")[0] if cell.built else cell.name
    return f"{type(cell).__name__} '{place or cell.name}'"

"""`gatewise.quantize`: a model for prediction whose recurrent layers have weights of fewer bits."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import validation
from gatewise.arguments import describe
from gatewise.explain.tracing import left_as_it_is, recurrent_places
from gatewise.kernels import reference
from gatewise.layer import Layer
from gatewise.layers import narrow
from gatewise.layers.gru import GRUCell
from gatewise.layers.lstm import LSTMCell
from gatewise.layers.recurrent import CellLayer
from gatewise.layers.simple_rnn import SimpleRNNCell
from gatewise.layers.stacked_cells import StackedRNNCells
from gatewise.quantization.calibration import Ranges, batches_of, calibrated, outputs_of
from gatewise.quantization.report import LayerQuantization, OutputDifference, Quantization

_MOST_ROWS = 65536
"""Rows of W and U for which sums of 32 bits hold."""


def quantize(
    model: Any,
    calibration: Any = None,
    dtype: str = "int8",
    *,
    clip: float = 1.0,
    headroom: float = 1.25,
    batch_size: int = 32,
    evaluation: Any = None,
) -> Any:
    """A new model for prediction, the LSTM, GRU and SimpleRNN layers of which have weights of fewer bits.

    All other layers, and biases, states and the arithmetic on them, stay float32; so do recurrent layers whose kernels
    know no such weights: the report says which and why.  The given model stays as it is.

    Args:
        model: a built model, or a layer.
        calibration: for "int8" data like those that will come, as for `predict` (for a layer the array it is called
            with): the model runs on them, and the largest sizes that each recurrent layer is given and puts out, times
            `headroom`, become the ranges of its 8 bits.  Larger numbers will be cut off.
        dtype: "int8", a quarter of the bytes and whole-number products, or "bfloat16", half the bytes.
        clip: 1 for the largest size; 0.9999 for the size that this fraction of a batch's numbers does not exceed, if
            few are far larger than the others.
        headroom: how far beyond that the ranges reach.  To be cut off costs far more than coarser steps do: the double
            range is one bit of eight.
        batch_size: of the calibration.
        evaluation: what `evaluate` takes, (x, y), (x, y, sample_weight) or a dataset: the report then has the loss and
            metrics before and after.

    Returns:
        the new model; its `quantization_report` is a `Quantization`.

    Raises:
        TypeError: for something that is not a layer.
        ValueError: for "int8" without calibration, a model without recurrent layers or weights, and weights or
            calibration data that are not finite.
    """
    _check_arguments(model, calibration, dtype, clip, headroom)
    size = validation.positive_integer(batch_size, "batch_size", "quantize")
    new = _copied(model)
    places = _places_of(new, dtype)
    moved, metrics_before, before, found = None, {}, [], {}
    batches = [] if calibration is None else batches_of(new, calibration, size)
    with left_as_it_is(new):
        metrics_before = _evaluated(new, evaluation)
    if batches:
        cells = {id(place.cell): place.path for place in places if not place.reason}
        layers = {id(place.layer) for place in places if not place.reason}
        with left_as_it_is(new):
            found, before = calibrated(new, batches, cells, layers, clip)
    found = {key: ranges.widened(headroom) for key, ranges in found.items()}
    reports = [_convert(place, dtype, found) for place in places]
    with left_as_it_is(new):
        if batches:
            moved = _difference(before, [outputs_of(new, batch) for batch in batches])
        metrics = {name: (metrics_before[name], after) for name, after in _evaluated(new, evaluation).items()}
    others = sum(v.array.nbytes for v in new.weights) - sum(layer.bytes_after for layer in reports)
    new.quantization_report = Quantization(new.name, dtype, tuple(reports), others, moved, metrics)
    return new


@dataclass
class _Place:
    """A recurrent cell in a model, and why it has to keep its weights ("" if it has not)."""

    path: str
    layer: Any
    cell: Any
    reason: str


def _check_arguments(model: Any, calibration: Any, dtype: str, clip: float, headroom: float) -> None:
    if not isinstance(model, Layer):
        raise TypeError(f"quantize takes a model or a layer; got {describe(model)}.")
    called = f"{'Model' if model.is_model else 'Layer'} '{model.name}'"
    narrow.check_storage(dtype, "quantize")
    if not model.built:
        raise ValueError(f"{called} has no weights yet that could be quantized: build it, call it or train it first.")
    if not recurrent_places(model):
        raise ValueError(f"{called} has no recurrent layer: there is nothing to quantize.")
    if dtype == "int8" and calibration is None:
        raise ValueError(
            'quantize(dtype="int8") has to see what the layers will be given: write gatewise.quantize(model, '
            'calibration=x) with some hundred samples like those that will come. dtype="bfloat16" needs none.'
        )
    if not isinstance(clip, int | float) or not 0 < clip <= 1:
        raise ValueError(f"clip is the fraction of all numbers that is not cut off, above 0, at most 1; got {clip!r}.")
    if not isinstance(headroom, int | float) or not 1 <= headroom < np.inf:
        raise ValueError(f"headroom is what the ranges are multiplied with, a number from 1 on; got {headroom!r}.")


def _copied(model: Any) -> Any:
    """A copy of a model, with an optimizer that has taken no step."""
    optimizer = getattr(model, "optimizer", None)
    known = {} if optimizer is None else {id(optimizer): type(optimizer).from_config(optimizer.get_config())}
    new = copy.deepcopy(model, known)
    if new.is_model:
        new._store = None
    return new


def _places_of(model: Any, dtype: str) -> list[_Place]:
    """The recurrent cells of a model, each once."""
    layers = {id(layer): layer for layer in model.with_sublayers()}
    found: dict[int, _Place] = {}
    for key, path in recurrent_places(model).items():
        layer = layers[key]
        for cell_path, cell in _cells(layer.cell, path):
            own = f"its class {type(layer).__name__} has a call of its own" if layer._uses_call else ""
            found.setdefault(id(cell), _Place(cell_path, layer, cell, own or _reason(cell, dtype)))
    return list(found.values())


def _cells(cell: Any, path: str) -> list[tuple[str, Any]]:
    """(path, cell) of a layer's cell, or of those in a stack."""
    if type(cell) is not StackedRNNCells:
        return [(path, cell)]
    return [pair for k, one in enumerate(cell.cells) for pair in _cells(one, f"{path}/{k}")]


def _reason(cell: Any, dtype: str) -> str:
    """Why a cell has to keep its weights; "" if it has not."""
    if type(cell) not in (LSTMCell, GRUCell, SimpleRNNCell) or cell._uses_call:
        return f"{type(cell).__name__} has no kernel for weights of fewer bits"
    if cell.quantization is not None:
        return f"it has {cell.quantization} weights already"
    reason = narrow.why_not(cell)
    if reason is None and dtype == "int8" and len(cell.kernel.array) + cell.units > _MOST_ROWS:
        return f"features and units are more than {_MOST_ROWS}, and sums of 32 bits might not hold"
    return reason or ""


def _convert(place: _Place, dtype: str, found: dict[int, Ranges]) -> LayerQuantization:
    """Give a cell its weights of fewer bits, if it can have them; what was done."""
    cell, path, name = place.cell, place.path, type(place.cell).__name__
    before = sum(v.array.nbytes for v in cell.weights)
    ranges = found.get(id(cell))
    reason = place.reason or ("no step of the calibration data reached it" if dtype == "int8" and not ranges else "")
    if reason:
        return LayerQuantization(path, name, "float32", reason, before, before)
    if not all(np.isfinite(v.array).all() for v in cell.weights):
        raise ValueError(f"Layer '{path}' ({name}) has weights that are not finite; they cannot be quantized.")
    W, U = cell.kernel.numpy(), cell.recurrent_kernel.numpy()
    narrow.convert(cell, dtype, *(() if ranges is None else (ranges.x, ranges.h)))
    if isinstance(place.layer, CellLayer):
        narrow.note_storage(place.layer)
    after = sum(v.array.nbytes for v in cell.weights)
    seen = ((), None) if ranges is None else (tuple(map(float, ranges.x)), ranges.h)
    return LayerQuantization(path, name, dtype, "", before, after, _weight_error(cell, W, U, ranges), *seen)


def _weight_error(cell: Any, W: np.ndarray, U: np.ndarray, ranges: Ranges | None) -> float:
    """The largest distance of a weight from what is stored for it, as a share of its column's largest.

    With int8 weights count by what they add to a sum: each row times its range.
    """
    stored = reference.floats_of(narrow.weights_of(cell))
    rows = (1, 1) if ranges is None else (ranges.x[:, None], ranges.h)
    scaled = [np.concatenate([of_x * rows[0], of_h * rows[1]]) for of_x, of_h in ((W, U), stored)]
    most = abs(scaled[0]).max(axis=0)
    errors = abs(scaled[1] - scaled[0]).max(axis=0)
    return float(np.divide(errors, most, out=np.zeros_like(errors), where=most > 0).max())


def _evaluated(model: Any, evaluation: Any) -> dict[str, float]:
    """The loss and the metrics on the evaluation data; {} without these."""
    if evaluation is None:
        return {}
    if isinstance(evaluation, tuple):
        x, y, *weight = evaluation
        return model.evaluate(x, y, sample_weight=weight[0] if weight else None, verbose=0, return_dict=True)
    return model.evaluate(evaluation, verbose=0, return_dict=True)


def _difference(before: Sequence[list[np.ndarray]], after: Sequence[list[np.ndarray]]) -> OutputDifference | None:
    """How far outputs moved; None if none of them is of floats."""
    pairs = [
        (a, b) for x, y in zip(before, after, strict=True) for a, b in zip(x, y, strict=True) if a.dtype.kind == "f"
    ]
    if not pairs:
        return None
    distances = np.concatenate([abs(a - b).ravel() for a, b in pairs]).astype(np.float64)
    most = max(float(abs(a).max()) for a, _ in pairs)
    return OutputDifference(float(distances.mean()), float(distances.max()), most)

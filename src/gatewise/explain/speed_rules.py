"""What one use of a layer does: its kernel, the division of its work, its operations and bytes, and the reasons.

Adding a kind of layer is adding a function to `_RULES`.  A layer without one is NumPy's; its products are counted as if
each matrix were used once at every place of the output, and it is marked as not exact where it has matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gatewise import kernels, tree
from gatewise.kernels import planning
from gatewise.kernels.planning import Plan
from gatewise.layers.cell import GatedCell

Shape = tuple[int, ...]

_ROWS_OF_A_TILE = 6
"""So many sequences share one reading of the weights."""
_BACK_AND_FORTH = 3
"""A training step's products: those of the forward pass, and two more for each on the way back."""
_EPILOGUE = 16
"""What a unit's activations cost, as a depth of the product (the kernels reckon with the same)."""


@dataclass(frozen=True)
class Work:
    """What one use of a layer does; see `LayerSpeed`.

    padded_flops: operations done, with padding to whole vectors and activations.
    near_bytes: weights that are read from the cores' own caches.   plan: of a recurrent kernel.
    """

    kernel: str
    flops: int
    bytes: int
    weight_bytes: int
    padded_flops: float
    near_bytes: float = 0
    threads: int = 1
    exact: bool = True
    plan: Plan | None = None
    reasons: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


Rule = Callable[[Any, Sequence[Shape], Sequence[Shape], bool, bool], Work]


def work_of(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape], masked: bool, training: bool) -> Work:
    """The work of a layer on inputs of these shapes, batch included."""
    if layer._uses_call or not type(layer).__module__.startswith("gatewise."):
        return _users(layer, inputs, outputs)
    for cls in type(layer).__mro__:
        if cls.__name__ in _RULES and cls.__module__.startswith("gatewise."):
            return _RULES[cls.__name__](layer, inputs, outputs, masked, training)
    return _other(layer, inputs, outputs, masked, training)


# ---- recurrent layers -----------------------------------------------------------------------------------------------


def _recurrent(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape], masked: bool, training: bool) -> Work:
    shape = inputs[0]
    N, T = (shape[1], shape[0]) if layer.time_major else shape[:2]
    cells = getattr(layer.cell, "cells", [layer.cell])
    parts, features = [], shape[-1]
    for cell in cells:
        if not isinstance(cell, GatedCell) or cell._uses_call:
            return _users(layer.cell, inputs, outputs)
        parts.append(_cell(cell, (N, T, features), masked, training))
        features = cell.output_size
    return parts[0] if len(parts) == 1 else _together(parts)


def _cell(cell: Any, shape: Shape, masked: bool, training: bool) -> Work:
    """A cell over whole sequences."""
    N, T, F = shape
    item = cell._array_type.itemsize
    matrices = [v for v in cell._variables if len(v.shape) == 2 and v.name in _MATRICES]
    flops = 2 * N * T * sum(math.prod(v.shape) for v in matrices)
    weight_bytes = sum(v.array.nbytes for v in cell._variables)
    name = cell.kernel_family or "lstm"
    asked = "gru_reset_before" if name == "gru" and not cell.reset_after else name
    dropout = training and bool(cell.dropout)
    plan = planning.plan_recurrence(asked, N, T, F, cell.units, item, False, masked, dropout)
    reasons = [*_division_reasons(plan, N, T), *_order_reasons(plan, N)]
    tiles = math.ceil(N / _ROWS_OF_A_TILE)
    times = _BACK_AND_FORTH if training else 1
    padded = plan.step_flops * T * (F + cell.units + _EPILOGUE) / (F + cell.units)
    near = plan.weight_bytes <= plan.cache_bytes * (plan.threads if plan.by_units else 1)
    moved = N * T * (F + cell.output_size) * item * times
    of_steps = plan.weight_bytes * T * times
    reasons.append(("weights_near" if near else "weights_far", _of_weights(plan)))
    kernel = name
    if getattr(cell, "is_variant", False):
        kernel = "lstm_variant"
        reasons.insert(0, ("variant", {}))
    if cell.quantization is not None:
        reasons.insert(0, ("quantized", {"storage": cell.quantization}))
    if cell._kernel_activations() is None:
        kernel = "numpy"
        reasons = [("activation", {"names": [getattr(f, "__name__", str(f)) for f in cell._activations()]})]
        return Work(
            kernel, flops * times, moved + weight_bytes, weight_bytes, times * padded, exact=False, reasons=reasons
        )
    return Work(
        kernel, flops * times, moved + (weight_bytes if near else of_steps), weight_bytes, padded * times,
        near_bytes=of_steps * tiles, threads=plan.threads, plan=plan, reasons=reasons,
    )  # fmt: skip


_MATRICES = ("kernel", "recurrent_kernel", "projection_kernel")


def _of_weights(plan: Plan) -> dict[str, Any]:
    return {"bytes": plan.weight_bytes, "cache": plan.cache_bytes, "shared": plan.by_units and plan.threads > 1}


def _division_reasons(plan: Plan, N: int, T: int) -> list[tuple[str, dict[str, Any]]]:
    """Why so many threads, and why divided so."""
    total = plan.step_flops * T
    if plan.most_threads == 1:
        return [("one_allowed", {})]
    if plan.threads == 1:
        if total < 2 * plan.flops_for_a_thread:
            return [("little_work", {"flops": total, "least": 2 * plan.flops_for_a_thread})]
        return [("steps_too_small", {"flops": plan.step_flops, "least": plan.flops_for_a_barrier, "rows": N})]
    if not plan.by_units:
        return [("by_sequences", {"threads": plan.threads, "rows": N})]
    if N // plan.threads < plan.rows_for_one:
        return [("by_units_few_rows", {"threads": plan.threads, "rows": N, "enough": plan.rows_for_one})]
    return [("by_units_cache", {"threads": plan.threads, "bytes": plan.weight_bytes, "cache": plan.cache_bytes})]


def _order_reasons(plan: Plan, N: int) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    if plan.projected:
        found.append(("projected", {"rows": N, "few": plan.few_rows}))
    else:
        found.append(("fused", {}))
    if plan.sorted:
        found.append(("sorted", {}))
    return found


def _bidirectional(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape], masked: bool, training: bool) -> Work:
    halves = [work_of(half, inputs, outputs, masked, training) for half in (layer.forward_layer, layer.backward_layer)]
    return _together(halves)


def _together(parts: Sequence[Work]) -> Work:
    """Several parts one after another: sums; the first one's division and reasons stand for all."""
    first = parts[0]
    return Work(
        first.kernel, sum(w.flops for w in parts), sum(w.bytes for w in parts), sum(w.weight_bytes for w in parts),
        sum(w.padded_flops for w in parts), sum(w.near_bytes for w in parts), min(w.threads for w in parts),
        all(w.exact for w in parts), first.plan, [("parts", {"count": len(parts)}), *first.reasons],
    )  # fmt: skip


# ---- layers that look at single steps, or none ----------------------------------------------------------------------


def _dense(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape], masked: bool, training: bool) -> Work:
    rows = math.prod(outputs[0][:-1])
    flops = 2 * rows * math.prod(layer.kernel.shape) * (_BACK_AND_FORTH if training else 1)
    threads = max(1, min(kernels.get_threads(), int(flops / _THREAD_FLOPS)))
    found = _moved(layer, inputs, outputs)
    reason = ("rows_shared", {"threads": threads}) if threads > 1 else ("one_thread_enough", {})
    return Work("matmul", flops, *found, flops, threads=threads, reasons=[reason])


_THREAD_FLOPS = planning.plan_recurrence("lstm", 1, 1, 1, 1).flops_for_a_thread


def _time_distributed(
    layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape], masked: bool, training: bool
) -> Work:
    seen, made = ([(shape[0] * shape[1], *shape[2:]) for shape in shapes] for shapes in (inputs, outputs))
    return work_of(layer.layer, seen, made, False, training)


def _model(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape], masked: bool, training: bool) -> Work:
    """A model inside a model: its layers together."""
    known = dict(zip(map(id, layer.inputs), inputs, strict=True))
    parts = []
    for step in layer._graph._steps:
        seen = [known[id(x)] for x in step.node.inputs]
        given = seen[0] if len(seen) == 1 else seen
        made = [tuple(s) for s in tree.leaves_of_shapes(step.layer.compute_output_shape(given))]
        known.update((id(y), shape) for y, shape in zip(step.node.outputs, made, strict=True))
        parts.append(work_of(step.layer, seen, made, step.is_given_mask, training))
    return _together(parts)


def _other(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape], masked: bool, training: bool) -> Work:
    """Any other built-in layer: NumPy."""
    matrices = [v for v in layer.weights if len(v.shape) > 1]
    looked_up = type(layer).__name__ in _WITHOUT_PRODUCTS
    places = math.prod(outputs[0][:-1])
    flops = 0 if looked_up else 2 * places * sum(math.prod(v.shape) for v in matrices)
    flops *= _BACK_AND_FORTH if training else 1
    known = looked_up or (not matrices and type(layer).__name__ not in _PRODUCTS_OF_INPUTS)
    return Work("numpy", flops, *_moved(layer, inputs, outputs), flops, exact=known, reasons=[("numpy", {})])


_WITHOUT_PRODUCTS = ("Embedding",)
_PRODUCTS_OF_INPUTS = ("Attention", "AdditiveAttention", "Dot")


def _users(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Work:
    """Code of the user's own: what it multiplies is not known."""
    found = _moved(layer, inputs, outputs)
    return Work("python", 0, *found, 0, exact=False, reasons=[("python", {"cls": type(layer).__name__})])


def _moved(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """(bytes of inputs, outputs and weights, bytes of weights)."""
    item = layer._array_type.itemsize if layer._array_type.kind == "f" else 4
    weights = sum(v.array.nbytes for v in layer.weights)
    return sum(math.prod(shape) for shape in (*inputs, *outputs)) * item + weights, weights


_RULES: dict[str, Rule] = {
    "RNN": _recurrent, "Bidirectional": _bidirectional, "TimeDistributed": _time_distributed, "Dense": _dense,
    "Functional": _model,
}  # fmt: skip

"""Gates that are stuck, units that do nothing, and what a recurrent kernel does to the state."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gatewise.explain.diagnosis_data import activation_name
from gatewise.explain.diagnosis_facts import Finding, GateUse, RecurrentFacts, RecurrentMatrix, UnitFacts
from gatewise.explain.diagnosis_watch import Call
from gatewise.layers.recurrent import RNN

_LIMITS = {
    "sigmoid": (0.05, 0.95), "hard_sigmoid": (0.05, 0.95), "tanh": (-0.95, 0.95), "hard_tanh": (-0.95, 0.95),
    "softsign": (-0.95, 0.95),
}  # fmt: skip
"""Beyond these an activation is nearly flat."""

_ENDS = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hard_tanh": (-1.0, 1.0)}
_NEARLY_ALWAYS = 0.95
_BINS = 20
_MANY_VALUES = 500_000
_LARGEST_MATRIX, _LARGEST_OF_GATES = 512, 64
"""Eigenvalues of larger ones would take longer than the step that is looked at; in a layer with gates they say less."""

MOSTLY = 0.5  # of the values of a gate at one end: told
CLOSED = 0.9  # of the values of a gate shut: nothing passes
MANY = 0.25  # of the units of a layer


# --- gates -------------------------------------------------------------------------------------------------------


def gate_use(symbol: str, activation: str | None, values: np.ndarray) -> GateUse:
    """How a gate or state is used, from its values (values, H) at all samples and steps that count.

    Of very many values only every k-th step is looked at.
    """
    values = values[:: 1 + values.size // _MANY_VALUES]
    low, high = _LIMITS.get(activation or "", (-np.inf, np.inf))
    below, above = (values < low).mean(axis=0), (values > high).mean(axis=0)
    total = float(values.sum(dtype=np.float64))
    good = values.reshape(-1) if math.isfinite(total) else values[np.isfinite(values)]
    ends = _ENDS.get(activation or "") or ((float(good.min()), float(good.max())) if good.size else (0.0, 0.0))
    ends = ends if ends[1] > ends[0] else (ends[0] - 0.5, ends[1] + 0.5)
    places = ((good - ends[0]) * (_BINS / (ends[1] - ends[0]))).astype(np.int32)
    return GateUse(
        symbol,
        activation,
        (low, high),
        float(below.mean()),
        float(above.mean()),
        _units(below >= _NEARLY_ALWAYS),
        _units(above >= _NEARLY_ALWAYS),
        float(good.mean(dtype=np.float64)) if good.size else float("nan"),
        ends,
        tuple(np.bincount(np.clip(places, 0, _BINS - 1), minlength=_BINS).tolist()),
    )


def _units(chosen: Any) -> tuple[int, ...]:
    return tuple(int(k) for k in np.flatnonzero(chosen))


def _gate_activation(cell: Any, symbol: str) -> str | None:
    """The name of the activation whose values a gate or state shows; None for a state that has several parts."""
    if symbol == "g" or (symbol == "h" and not hasattr(cell, "recurrent_activation")):
        found = getattr(cell, "activation", None)
    elif symbol in ("i", "f", "o", "z", "r"):
        found = getattr(cell, "recurrent_activation", None)
    else:
        return None
    return None if found is None else getattr(found, "__name__", None)


def counted(values: np.ndarray, mask: Any) -> np.ndarray:
    """The values (N, T, ..., H) at steps that count, as (values, H)."""
    chosen = values if mask is None else values[mask]
    return chosen.reshape(-1, values.shape[-1])


def gates_of_cell(cell: Any, arrays: dict[str, np.ndarray], mask: Any) -> tuple[GateUse, ...]:
    """How each gate and state of a cell's run is used."""
    uses = ((name, counted(values, mask)) for name, values in arrays.items() if values.ndim >= 3)
    return tuple(gate_use(name, _gate_activation(cell, name), values) for name, values in uses if len(values))


def gate_findings(facts: RecurrentFacts) -> Iterator[Finding]:
    """What is wrong with the gates of a layer."""
    for use in facts.gates:
        told = {"gate": use.symbol, "low": use.low, "high": use.high, "activation": use.activation}
        if use.symbol in ("i", "o") and use.low > CLOSED:
            yield Finding("gate_closed", "warning", facts.path, {**told, "share": use.low})
        elif use.symbol == "f" and use.low > CLOSED:
            yield Finding("forgets_always", "warning", facts.path, {**told, "share": use.low})
        elif use.symbol == "z" and use.high > CLOSED:
            yield Finding("keeps_always", "warning", facts.path, {**told, "share": use.high})
        elif use.symbol in ("g", "h") and use.low + use.high > MOSTLY:
            yield Finding("state_saturated", "warning", facts.path, {**told, "share": use.low + use.high})
        elif use.symbol in ("i", "o", "r") and use.low + use.high > MOSTLY:
            severity = "note" if use.high > CLOSED else "warning"  # open for good, a gate does no harm
            yield Finding("gate_saturated", severity, facts.path, {**told, "share": use.low + use.high})


# --- units -------------------------------------------------------------------------------------------------------


def unit_facts(calls: Sequence[Call], last: Sequence[Any]) -> tuple[UnitFacts, ...]:
    """The units of each layer that do nothing; layers in which all are at work are left out.

    Args:
        calls: the uses of layers.   last: the layers that make the model's outputs, where flat ends are meant.
    """
    found: dict[str, UnitFacts] = {}
    for call in calls:
        if call.layer.is_model or getattr(call.layer, "is_operation", False) or call.path in found:
            continue
        one = _units_of(call, any(call.layer is layer for layer in last))
        if one is not None:
            found[call.path] = one
    return tuple(found.values())


def _units_of(call: Call, is_last: bool) -> UnitFacts | None:
    layer, activation = call.layer, activation_name(call.layer)
    if isinstance(layer, RNN):
        activation = activation if not hasattr(getattr(layer, "cell", None), "recurrent_activation") else None
    elif not layer.weights or activation is None:
        return None
    y, mask = call.outputs[0], call.masks[0]
    if not isinstance(y, np.ndarray) or y.dtype.kind != "f" or y.ndim < 2:
        return None
    values = counted(y, mask if mask is not None and np.shape(mask) == y.shape[: np.ndim(mask)] else None)
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    zero = ~values.any(axis=0)
    size = np.abs(values).max(axis=0)
    constant = (np.ptp(values, axis=0) <= 1e-6 * np.maximum(size, 1e-6)) & ~zero
    low, high = _LIMITS.get(activation or "", (-np.inf, np.inf))
    saturated = ((values < low) | (values > high)).mean(axis=0) >= _NEARLY_ALWAYS
    if is_last:  # a sure answer is flat; one that is always the same is told by the loss
        zero, constant, saturated = zero & False, constant & False, saturated & False
    if not (zero.any() or constant.any() or saturated.any()):
        return None
    return UnitFacts(
        call.path, type(layer).__name__, values.shape[-1], activation, _units(zero), _units(constant), _units(saturated)
    )


def unit_findings(units: Sequence[UnitFacts]) -> Iterator[Finding]:
    """What is wrong with the units of layers: a warning where many are concerned, a note where some are."""
    for one in units:
        for kind, chosen in (
            ("units_dead", one.zero), ("units_constant", one.constant), ("units_saturated", one.saturated)
        ):  # fmt: skip
            if chosen and not (kind == "units_saturated" and one.cls == "SimpleRNN"):  # told of its state
                severity = "warning" if len(chosen) >= MANY * one.units else "note"
                facts = {"units": list(chosen[:8]), "n": len(chosen), "of": one.units, "activation": one.activation}
                yield Finding(kind, severity, one.path, facts)


# --- the recurrent kernel ----------------------------------------------------------------------------------------


def matrices_of(layer: Any, symbols: Sequence[str]) -> tuple[RecurrentMatrix, ...]:
    """The square blocks of a recurrent kernel, one a gate; nothing for kernels that are not square or very large."""
    cell = getattr(layer, "cell", None)
    kernel = getattr(cell, "recurrent_kernel", None)
    units = getattr(cell, "units", 0)
    largest = _LARGEST_MATRIX if len(symbols) == 1 else _LARGEST_OF_GATES
    if kernel is None or not symbols or kernel.shape != (units, len(symbols) * units) or units > largest:
        return ()
    U = kernel.numpy().astype(np.float64)
    if not np.isfinite(U).all():
        return ()
    found = []
    for k, symbol in enumerate(symbols):
        block = U[:, k * units : (k + 1) * units]
        radius = float(np.abs(np.linalg.eigvals(block)).max())
        found.append(RecurrentMatrix(symbol, radius, float(np.linalg.norm(block, 2))))
    return tuple(found)

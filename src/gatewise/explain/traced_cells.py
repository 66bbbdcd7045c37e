"""What a cell's run holds, by the names of the textbooks: gates, candidate, states, and the sums before activation.

    LSTM, ConvLSTM   i, f, g, o, c, h;  before activation z_i, z_f, z_g, z_o
    GRU              z, r, g, h;        before activation z_z, z_r, z_g
    SimpleRNN        h;                 before activation z_h
    other cells      output, and h (one state) or state_0, state_1, ...

All arrays are (N, T, ...) in the direction of the run.  At masked steps gates and sums are zero; states are kept.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.kernels.reference.lstm import masked_input
from gatewise.layers import spatial
from gatewise.layers.observing import CellRun, first_states

Arrays = dict[str, np.ndarray]

_LABELS = {
    "i": "input gate", "f": "forget gate", "g": "candidate", "o": "output gate", "c": "cell state",
    "h": "hidden state", "z": "update gate", "r": "reset gate", "input": "input", "output": "output",
}  # fmt: skip


def label_of(variable: str, kind: str) -> str:
    """What a variable is, in words."""
    if variable.startswith("d_"):
        return f"gradient of the loss with respect to the {label_of(variable[2:], kind)}"
    if variable.startswith("dz_"):
        return f"gradient of the loss with respect to the {label_of(variable[1:], kind)}"
    if variable.startswith("z_"):
        return f"sum before activation of the {label_of(variable[2:], kind)}"
    if variable == "g" and kind == "GRU":
        return "candidate (h~)"
    return _LABELS.get(variable, variable)


def family(cell: Any) -> str | None:
    """ "LSTM", "GRU", "SimpleRNN" or "ConvLSTM" for a built-in cell that computes its step itself; else None."""
    return None if getattr(cell, "_uses_call", True) else _family_of(type(cell))


@functools.cache
def _family_of(cls: type) -> str | None:
    names = {base.__name__ for base in cls.__mro__ if base.__module__.startswith("gatewise.layers.")}
    found = (name for name in ("LSTMCell", "GRUCell", "SimpleRNNCell", "ConvLSTMCell") if name in names)
    return next((name.removesuffix("Cell") for name in found), None)


def gates_of(kind: str | None) -> tuple[str, ...]:
    """The names of the gates, in the order of the tape."""
    return {"LSTM": ("i", "f", "g", "o"), "ConvLSTM": ("i", "f", "g", "o"), "GRU": ("z", "r", "g")}.get(kind or "", ())


def state_names(run: CellRun) -> list[str]:
    """The names of the cell's states."""
    if family(run.cell) in ("LSTM", "ConvLSTM"):
        return ["h", "c"]
    count = len(first_states(run))
    return ["h"] if count == 1 else [f"state_{k}" for k in range(count)]


def arrays_of(run: CellRun) -> Arrays:
    """The gates' values and the states of a run, without copying any of them."""
    kind = family(run.cell)
    if kind is None:
        return dict(zip(state_names(run), run.tape, strict=True))
    if kind == "ConvLSTM":
        return _conv_arrays(run)
    if kind == "SimpleRNN":
        return {"h": run.tape.h}
    found = {name: run.tape.gates[:, :, k] for k, name in enumerate(gates_of(kind))}
    if kind == "LSTM":
        found["c"] = run.tape.c
    return {**found, "h": run.tape.h}


def before(states: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The state before each step, (N, T, ...), from those after each step and the first one."""
    return np.concatenate([first[:, None], states[:, :-1]], axis=1)


def preactivations_of(run: CellRun) -> Arrays:
    """The sums that the gates' activations are applied to, of a run whose watch keeps them."""
    kind = family(run.cell)
    if kind is None:
        return {}
    if kind == "ConvLSTM":
        found = _conv_sums(run)
    elif kind == "SimpleRNN":
        found = {"z_h": run.tape.z}
    elif kind == "GRU":
        found = {f"z_{name}": run.tape.sums[:, :, k] for k, name in enumerate("zrg")}
    else:
        names = "igo" if run.cell.coupled_gates else "ifgo"
        found = {f"z_{name}": run.tape.z[:, :, k] for k, name in enumerate(names)}
    return {name: zero_where_masked(values, run.mask) for name, values in found.items()}


def zero_where_masked(values: np.ndarray, mask: Any) -> np.ndarray:
    """The values (N, T, ...), zero at the steps that do not count."""
    if mask is None:
        return values
    return np.where(mask.reshape(*mask.shape, *[1] * (values.ndim - 2)), values, values.dtype.type(0))


def as_weights_meet_them(run: CellRun) -> tuple[np.ndarray, np.ndarray]:
    """x[t] and h[t-1] of all steps under mask and dropout."""
    x_dropout, h_dropout = run.chance.x_dropout, run.chance.h_dropout
    h = before(run.tape.h, first_states(run)[0])
    return masked_input(run.x, run.mask, x_dropout), h if h_dropout is None else h * h_dropout[:, None]


def _conv_arrays(run: CellRun) -> Arrays:
    cell = run.cell
    steps = {name: [getattr(step, name) for step in run.tape] for name in gates_of("ConvLSTM")}
    gates = {name: zero_where_masked(np.stack(of, axis=1), run.mask) for name, of in steps.items()}
    cells = [step.c_before for step in run.tape][1:]
    c = np.stack([*cells, spatial.with_channels_last(run.last[1], cell.data_format)], axis=1)
    return {**{name: as_given(run, values) for name, values in [*gates.items(), ("c", c)]}, "h": run.outputs}


def as_given(run: CellRun, values: np.ndarray) -> np.ndarray:
    """Values of a ConvLSTM with the channels last, (N, T, ...), with the axes that the layer's input has."""
    return spatial.as_given(values, run.cell.data_format, axis=2)


def _conv_sums(run: CellRun) -> Arrays:
    sums = run.cell.sums(run.x, before(run.outputs, first_states(run)[0]), run.mask, run.chance)
    parts = np.split(sums, len(gates_of("ConvLSTM")), axis=-1)
    return {f"z_{name}": as_given(run, part) for name, part in zip("ifgo", parts, strict=True)}


def dims_of(run: CellRun, name: str, values: np.ndarray) -> tuple[str, ...]:
    """The axes' names of a variable."""
    lead = ("sample", "time")
    if values.ndim == 2:
        return lead
    plain = name.removeprefix("d_").removeprefix("dz_").removeprefix("z_")
    last = "feature" if plain == "input" else "unit"
    if last == "unit" and family(run.cell) == "LSTM" and plain in ("h", "output") and run.cell.projection_units:
        last = "projection"
    elif last == "unit" and family(run.cell) is None:
        last = f"unit_of_{plain}"
    if values.ndim == 3:
        return (*lead, last)
    places = _place_names(values.ndim - 3, "input_" if plain == "input" else "")
    if getattr(run.cell, "data_format", "channels_last") == "channels_first":
        return (*lead, last, *places)
    return (*lead, *places, last)


def _place_names(count: int, prefix: str) -> Sequence[str]:
    known = {1: ("place",), 2: ("row", "column"), 3: ("plane", "row", "column")}
    return [prefix + name for name in known.get(count, tuple(f"axis_{k}" for k in range(count)))]

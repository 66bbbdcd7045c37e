"""The gradient of the loss by gate and step, from what came back to a cell.

    d_h, d_c     all that reaches h[t] and c[t]: from the outputs, from the later steps, and c's through h[t]
    d_i, ...     with respect to the gate's value;  dz_i, ...: with respect to its sum before activation
    d_input      with respect to x[t];  d_output, d_state_k: of a user's cell

What goes from step to step is the backward kernels' own: they are run for one step after the other, from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import activations, kernels
from gatewise.explain.traced_cells import (
    Arrays,
    as_given,
    as_weights_meet_them,
    before,
    family,
    preactivations_of,
    state_names,
    zero_where_masked,
)
from gatewise.kernels import twins
from gatewise.kernels.reference.lstm_variants import normalized
from gatewise.kernels.reference.lstm_variants_backward import normalized_back
from gatewise.layers import spatial
from gatewise.layers.cell import added
from gatewise.layers.observing import CellRun, first_states


def gradients_of(run: CellRun) -> Arrays:
    """The gradients by name, (N, T, ...) each, in the direction of the run; zeros where nothing came back."""
    kind = family(run.cell)
    if kind is None:
        return _of_users_cell(run)
    carried = state_gradients(run)
    of_kind = {"LSTM": _of_lstm, "GRU": _of_gru, "SimpleRNN": _of_simple_rnn, "ConvLSTM": _of_conv_lstm}[kind]
    dx = None if run.received is None else run.received.dx
    found = of_kind(run, carried)
    names = [*(name for name in found if name.startswith("d_")), *(name for name in found if name.startswith("dz_"))]
    return {**{name: found[name] for name in names}, "d_input": np.zeros_like(run.x) if dx is None else dx}


# --- from step to step ---------------------------------------------------------------------------------------


def state_gradients(run: CellRun) -> list[np.ndarray]:
    """The gradient of each state after each step, (N, T, ...): from the outputs and from the later steps."""
    firsts, T = first_states(run), run.x.shape[1]
    found = [np.zeros((len(run.x), T, *state.shape[1:]), run.x.dtype) for state in firsts]
    received = run.received
    if received is None:
        return found
    d_states = [np.zeros_like(state) if d is None else d for d, state in zip(received.states, firsts, strict=True)]
    d_states[0] = added(d_states[0], received.last)
    for t in reversed(range(T)):
        d_states[0] = added(d_states[0], None if received.every is None else received.every[:, t])
        for array, d in zip(found, d_states, strict=True):
            array[:, t] = d
        d_states = _one_step_back(run, t, d_states)
    return found


def _one_step_back(run: CellRun, t: int, d_states: list) -> list:
    """The gradients of the states before step t from those after it."""
    cell, step = run.cell, slice(t, t + 1)
    mask = None if run.mask is None else run.mask[:, step]
    if family(cell) == "ConvLSTM":
        return cell.back_one_step(run.tape[t], run.chance, mask, d_states)
    tape = type(run.tape)(*(None if v is None else np.ascontiguousarray(v[:, step]) for v in run.tape))
    firsts, is_lstm = first_states(run), family(cell) == "LSTM"
    states = [run.tape.h, run.tape.c] if is_lstm else [run.tape.h]
    states = [np.ascontiguousarray(s[:, t - 1]) if t else first for s, first in zip(states, firsts, strict=True)]
    known = cell._kernel_activations()
    room: Any = kernels if known else twins
    chosen = known or cell._pair_activations()
    x, chance, only_states = run.x[:, step], run.chance.of_steps(step), (False, True)
    if not is_lstm:
        W, U, _ = cell._weight_arrays()
        options = (*chosen, *cell._kernel_options(), *chance.drops)
        backward = getattr(room, f"{cell.kernel_family}_backward")
        _, dh, *_ = backward(tape, x, *states, W, U, None, d_states[0], mask, *options, (*only_states, *[False] * 3))
        return [dh]
    if cell.is_variant:
        given = (cell._variant_weights(), cell._variant_options())
        drawn, backward, n_weights = chance.multipliers(x.dtype), room.lstm_variant_backward, 9
    else:
        given, drawn, backward, n_weights = cell._weight_arrays()[:2], chance.drops, room.lstm_backward, 3
    wants = (*only_states, *[False] * n_weights)
    _, dh, dc, *_ = backward(tape, x, *states, *given, None, *d_states, mask, *chosen, *drawn, wants=wants)
    return [dh, dc]


# --- by gate -------------------------------------------------------------------------------------------------


class _Slopes:
    """The way back through the activations of a cell, of all steps at once."""

    def __init__(self, run: CellRun) -> None:
        cell = run.cell
        self.names = cell._kernel_activations()
        self.pairs = cell._pair_activations()
        self.run = run
        self._sums: Arrays | None = None

    def value(self, which: int, z: np.ndarray) -> np.ndarray:
        """The activation number `which` of z."""
        return kernels.activation_forward(self.names[which], z) if self.names else self.pairs[which](z)[0]

    def back(self, which: int, d: np.ndarray, z: Any, y: np.ndarray) -> np.ndarray:
        """The gradient of z from that of y = activation(z); z may be the name of a sum."""
        if self.names and self.names[which] not in kernels.ACTIVATIONS_NEEDING_INPUT:
            return kernels.activation_backward(self.names[which], np.ascontiguousarray(d), y=np.ascontiguousarray(y))
        z = self.sum(z) if isinstance(z, str) else z
        return activations.forward_of(self.run.cell._activations()[which])(z)[1](d)

    def sum(self, name: str) -> np.ndarray:
        if self._sums is None:
            self._sums = preactivations_of(self.run)
        return self._sums[name]


def _of_simple_rnn(run: CellRun, carried: list[np.ndarray]) -> Arrays:
    d_z = _Slopes(run).back(0, carried[0], "z_h", run.tape.h)
    return {"dz_h": zero_where_masked(d_z, run.mask), "d_h": carried[0]}


def _of_gru(run: CellRun, carried: list[np.ndarray]) -> Arrays:
    cell, tape, slopes, dh = run.cell, run.tape, _Slopes(run), carried[0]
    z, r, g = (tape.gates[:, :, k] for k in range(3))
    d_z = dh * (before(tape.h, first_states(run)[0]) - g)
    d_g = dh * (1 - z)
    dz_g = slopes.back(0, d_g, "z_g", g)
    if cell.reset_after:
        d_r = dz_g * tape.recurrent
    else:
        U_h = cell.recurrent_kernel.array[:, 2 * cell.units :]
        dq = kernels.matmul(dz_g.reshape(-1, cell.units), U_h.T).reshape(dz_g.shape)
        d_r = dq * as_weights_meet_them(run)[1]
    found = {"d_z": d_z, "d_r": d_r, "d_g": d_g}
    found["dz_z"], found["dz_r"] = slopes.back(1, d_z, "z_z", z), slopes.back(1, d_r, "z_r", r)
    found["dz_g"] = dz_g
    return {**{name: zero_where_masked(d, run.mask) for name, d in found.items()}, "d_h": dh}


def _of_lstm(run: CellRun, carried: list[np.ndarray]) -> Arrays:
    cell, tape, slopes, (dh, dc) = run.cell, run.tape, _Slopes(run), carried
    i, f, g, o = (tape.gates[:, :, k] for k in range(4))
    c_before = before(tape.c, first_states(run)[1])
    dh_used, d_new = _without_zoneout(run, dh, dc)
    if cell.projection_units:
        P = cell.projection_kernel.array
        dh_used = kernels.matmul(dh_used.reshape(-1, dh_used.shape[-1]), P.T).reshape(*dh.shape[:2], len(P))
    candidate = getattr(tape, "candidate", None)
    candidate = tape.c if candidate is None else candidate
    through_h, y = _through_output(run, slopes, candidate, dh_used * o)
    d_o = dh_used * y
    dz_o = slopes.back(1, d_o, "z_o", o)
    d_new = d_new + through_h
    if cell.peephole:
        d_new = d_new + cell.peephole_kernel.array[cell.n_gates - 2] * dz_o
    d_c = dc if cell.zoneout_cell else np.where(run.mask[:, :, None], d_new, dc) if run.mask is not None else d_new
    if cell.cell_clip is not None:
        d_new = np.where(np.abs(candidate) >= cell.cell_clip, d_new.dtype.type(0), d_new)
    d_i, d_f, d_g = d_new * g, d_new * c_before, d_new * i
    if cell.coupled_gates:
        d_i = d_i - d_f  # f is 1 - i
    found = {"d_i": d_i, "d_f": d_f, "d_g": d_g, "d_o": d_o, "dz_i": slopes.back(1, d_i, "z_i", i)}
    if not cell.coupled_gates:
        found["dz_f"] = slopes.back(1, d_f, "z_f", f)
    found["dz_g"], found["dz_o"] = slopes.back(0, d_g, "z_g", g), dz_o
    return {**{name: zero_where_masked(d, run.mask) for name, d in found.items()}, "d_c": d_c, "d_h": dh}


def _without_zoneout(run: CellRun, dh: np.ndarray, dc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What of the gradients of h and c reaches the step's new h and new c, and not the states that zoneout keeps."""
    cell, (_, _, keep_c, keep_h) = run.cell, run.chance.multipliers(dh.dtype)
    share_c = cell.zoneout_cell if keep_c is None else keep_c
    share_h = cell.zoneout_output if keep_h is None else keep_h
    return dh * (1 - share_h), dc * (1 - share_c)


def _through_output(
    run: CellRun, slopes: _Slopes, candidate: np.ndarray, d_y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of the cell from that of y, what is put out of it before the output gate; and y."""
    cell = run.cell
    if not cell.layer_norm:
        y = slopes.value(0, candidate)
        return slopes.back(0, d_y, candidate, y), y
    gain = cell.cell_gain.array
    normal, _, scale = normalized(candidate, cell.layer_norm_epsilon)
    shown = normal * gain + cell.cell_offset.array
    y = slopes.value(0, shown)
    return normalized_back(slopes.back(0, d_y, shown, y) * gain, normal, scale), y


def _of_conv_lstm(run: CellRun, carried: list[np.ndarray]) -> Arrays:
    steps: list[dict[str, np.ndarray]] = []
    dh, dc = (spatial.with_channels_last(d, run.cell.data_format, axis=2) for d in carried)
    for t, step in enumerate(run.tape):
        back_i, back_f, back_g, back_o, back_a = step.pullbacks
        through_h = back_a(dh[:, t] * step.o)
        if run.mask is not None:
            through_h = np.where(run.mask[:, t].reshape(-1, *[1] * (through_h.ndim - 1)), through_h, 0)
        d_c = dc[:, t] + through_h.astype(dc.dtype, copy=False)
        d = {"d_i": d_c * step.g, "d_f": d_c * step.c_before, "d_g": d_c * step.i, "d_o": dh[:, t] * step.a}
        backs = {"dz_i": back_i, "dz_f": back_f, "dz_g": back_g, "dz_o": back_o}
        steps.append({**d, **{name: back(d[f"d_{name[-1]}"]) for name, back in backs.items()}, "d_c": d_c})
    found = {name: np.stack([of[name] for of in steps], axis=1) for name in steps[0]}
    gates = {name: d if name == "d_c" else zero_where_masked(d, run.mask) for name, d in found.items()}
    return {**{name: as_given(run, d) for name, d in gates.items()}, "d_h": carried[0]}


def _of_users_cell(run: CellRun) -> Arrays:
    dx = None if run.received is None else run.received.dx
    names = state_names(run)
    found = {f"d_{name}": np.zeros_like(values) for name, values in zip(names, run.tape, strict=True)}
    found["d_output"] = np.zeros_like(run.outputs)
    for t, (d_out, d_states) in enumerate(run.seen):
        for name, d in zip(["output", *names], [d_out, *d_states], strict=True):
            if d is not None:
                found[f"d_{name}"][:, t] = d
    return {**found, "d_input": np.zeros_like(run.x) if dx is None else dx}

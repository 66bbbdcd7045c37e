"""Accounts of the recurrent layers: gates, matrices, biases, and what is inside wrappers and stacks."""

from __future__ import annotations

from typing import Any, NamedTuple

from gatewise import tree
from gatewise.explain.accounting import GateAccount, LayerAccount, MatrixAccount, OutputForm, Part, Shape
from gatewise.explain.arithmetic import Expression, Number, plus, times
from gatewise.explain.walk import Walk, built_twin, changed_options, counts, known_input, output_shape_of, unknown
from gatewise.layers import stepping
from gatewise.layers.cell import Cell


class _Family(NamedTuple):
    """A kind of cell: what it is called in accounts, and its gates, (symbol, name), in the order of the columns."""

    kind: str
    gates: tuple[tuple[str, str], ...]


_FAMILIES = {
    "LSTMCell": _Family("lstm", (("i", "input"), ("f", "forget"), ("c", "candidate"), ("o", "output"))),
    "GRUCell": _Family("gru", (("z", "update"), ("r", "reset"), ("h", "candidate"))),
    "SimpleRNNCell": _Family("simple_rnn", (("h", "state"),)),
}

_DEFAULTS = {
    "use_bias": True, "unit_forget_bias": True, "reset_after": True, "go_backwards": False, "stateful": False,
    "unroll": False, "time_major": False, "zero_output_for_mask": False, "dropout": 0.0, "recurrent_dropout": 0.0,
    "peephole": False, "cell_clip": None, "projection_units": None, "coupled_gates": False, "layer_norm": False,
    "zoneout_cell": 0.0, "zoneout_output": 0.0,
}  # fmt: skip


def family_of(cell: Any) -> _Family | None:
    """The family of a cell, by its class or the nearest base class that has one."""
    return next((_FAMILIES[c.__name__] for c in type(cell).__mro__ if c.__name__ in _FAMILIES), None)


class _Rows(NamedTuple):
    """A gated cell by matrix and by gate, and its total as a formula."""

    matrices: tuple[MatrixAccount, ...]
    gates: tuple[GateAccount, ...]
    arithmetic: Expression


class _Weight(NamedTuple):
    """One weight of a gated cell: the sizes before its columns, and the gates that share its columns or rows."""

    name: str
    lead: tuple[Number, ...]
    letters: tuple[str, ...]
    width: Number
    gates: tuple[str, ...] = ()
    by_row: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        side_by_side = 1 if self.by_row or not self.gates else len(self.gates)
        return (*(n.value for n in self.lead), side_by_side * self.width.value)

    @property
    def arithmetic(self) -> Expression:
        several = [Number(len(self.gates))] if len(self.gates) > 1 and not self.by_row else []
        factors = [*self.lead, *several, self.width]
        return times(*factors) if len(factors) > 1 else self.width

    def parts(self) -> tuple[Part, ...]:
        """Each gate's share."""
        H = self.width.value
        if self.by_row:
            return tuple(Part(self.name, gate, 0, H, (H,), row) for row, gate in enumerate(self.gates))
        lead = tuple(n.value for n in self.lead)
        return tuple(Part(self.name, gate, j * H, (j + 1) * H, (*lead, H)) for j, gate in enumerate(self.gates))


def _weights_of(cell: Any, features: int, symbols: tuple[str, ...]) -> list[_Weight]:
    """The weights of a gated cell in the order in which it makes them."""
    F, H, G = Number(features, "F"), Number(cell.units, "H"), len(symbols)
    R = H if cell.output_size == cell.units else Number(cell.output_size, "P")
    if getattr(cell, "projection_units", None) is not None:
        R = Number(cell.projection_units, "P")
    wide = f"{G}H" if G > 1 else "H"
    found = [
        _Weight("kernel", (F,), ("F", wide), H, symbols),
        _Weight("recurrent_kernel", (R,), (R.letter or "H", wide), H, symbols),
    ]
    if cell.use_bias:
        two = len(cell._bias_shape()) == 2
        found.append(_Weight("bias", (Number(2),) if two else (), ("2", wide) if two else (wide,), H, symbols))
    if getattr(cell, "peephole", False):
        seeing = tuple(symbol for symbol in symbols if symbol != "c")
        found.append(_Weight("peephole_kernel", (Number(len(seeing)),), (str(len(seeing)), "H"), H, seeing, True))
    if R.letter == "P":
        found.append(_Weight("projection_kernel", (H,), ("H", "P"), R))
    if getattr(cell, "layer_norm", False):
        found += [_Weight(name, (), (wide,), H, symbols) for name in ("kernel_gain", "recurrent_gain")]
        found += [_Weight(name, (), ("H",), H) for name in ("cell_gain", "cell_offset")]
    return found


def gated_cell(cell: Any, features: int, walk: Walk, trainable: bool) -> _Rows:
    """The rows of a cell whose G gates stand side by side: kernel (F, GH), recurrent_kernel (H, GH), bias.

    The bias is (GH,), or (2, GH) where input and recurrence have one each.  Variants of the LSTM have further rows.
    """
    family = family_of(cell)
    assert family is not None
    gates = [gate for gate in family.gates if gate[1] != "forget" or not getattr(cell, "coupled_gates", False)]
    weights = _weights_of(cell, features, tuple(symbol for symbol, _ in gates))
    matrices = tuple(
        walk.matrix(
            weight.name,
            weight.shape,
            getattr(cell, weight.name) if cell.built else None,
            trainable=trainable,
            dtype=cell.dtype,
            letters=weight.letters,
            parts=weight.parts(),
            arithmetic=weight.arithmetic,
        )
        for weight in weights
    )
    F, H, R = weights[0].lead[0], weights[0].width, weights[1].lead[0]
    biases = weights[2].lead[0].value if cell.use_bias and weights[2].lead else int(cell.use_bias)
    products = times(plus(F, R), H)
    each = plus(products, *([H] if biases == 1 else [times(2, H)] if biases else []))
    textbook = (H.value, R.value + F.value), ((), (H.value,), (2, H.value))[biases]
    found, extra = [], 0
    for symbol, name in gates:
        parts = tuple(part for weight in weights for part in weight.parts() if part.gate == symbol)
        more = sum(1 for part in parts if part.matrix not in ("kernel", "recurrent_kernel", "bias"))
        extra += more
        arithmetic = plus(each, *([H] if more == 1 else [times(more, H)] if more else []))
        found.append(GateAccount(symbol, name, _activation_of(cell, name), parts, *textbook, arithmetic))
    shared = [weight.arithmetic for weight in weights if not weight.gates]
    total = times(len(gates), each) if len(gates) > 1 else each
    total = plus(total, *([times(extra, H)] if extra else []), *shared)
    return _Rows(matrices, tuple(found), total)


def _activation_of(cell: Any, gate: str) -> str:
    function = cell.activation if gate in ("candidate", "state") else cell.recurrent_activation
    return getattr(function, "__name__", type(function).__name__)


def _output_forms(layer: Any, shape: Shape) -> tuple[OutputForm, ...]:
    """The output shapes under the four choices of return_sequences and return_state."""
    n, t, *_ = layer._batch_major_shape(shape)
    width = stepping.output_shape(layer.cell, layer.dtype)
    states = tuple((n, *state) for state in layer.state_shapes)
    forms = []
    for sequences in (False, True):
        y = ((t, n, *width) if layer.time_major else (n, t, *width)) if sequences else (n, *width)
        for state in (False, True):
            chosen = (sequences, state) == (layer.return_sequences, layer.return_state)
            forms.append(OutputForm(sequences, state, (y, *states) if state else (y,), chosen))
    return tuple(forms)


def _sequence_shape(layer: Any, shape: Any, features: int | None) -> Any:
    """The input's shape, initial states left out; from the number of features if nothing else is known."""
    shape = known_input(layer, shape)
    if isinstance(shape, list):
        shape = shape[0]
    if shape is None:
        return None if features is None else (None, None, features)
    return tuple(shape)


@counts("LSTM", "GRU", "SimpleRNN")
def _count_gated_layer(layer: Any, shape: Any, walk: Walk) -> LayerAccount:
    cell = layer.cell
    shape = _sequence_shape(layer, shape, cell.features)
    if shape is None:
        return unknown(layer, walk)
    batch, steps, features = layer._batch_major_shape(shape)
    matrices, gates, arithmetic = gated_cell(cell, features, walk, layer.trainable)
    family = family_of(cell)
    assert family is not None
    return LayerAccount(
        layer.name,
        type(layer).__name__,
        family.kind,
        input_shape=shape,
        output_shape=layer.compute_output_shape(shape),
        trainable=layer.trainable,
        matrices=(*matrices, *walk.rest(layer)),
        gates=gates,
        sizes={"units": cell.units, "features": features, "steps": steps, "batch": batch},
        options=changed_options(layer, _DEFAULTS),
        forms=_output_forms(layer, shape),
        arithmetic=arithmetic,
    )


@counts("LSTMCell", "GRUCell", "SimpleRNNCell")
def _count_gated_cell(cell: Any, shape: Any, walk: Walk) -> LayerAccount:
    seen: Any = known_input(cell, shape)
    if cell.built:
        features = cell.features
    elif seen is None:
        return unknown(cell, walk)
    else:
        features = (seen if tree.is_shape(seen) else seen[0])[-1]
    matrices, gates, arithmetic = gated_cell(cell, features, walk, cell.trainable)
    family = family_of(cell)
    assert family is not None
    return LayerAccount(
        cell.name,
        type(cell).__name__,
        family.kind,
        input_shape=(None, features),
        output_shape=cell.compute_output_shape((None, features)),
        trainable=cell.trainable,
        matrices=(*matrices, *walk.rest(cell, [getattr(cell, m.name) for m in matrices] if cell.built else ())),
        gates=gates,
        sizes={"units": cell.units, "features": features},
        options=changed_options(cell, _DEFAULTS),
        arithmetic=arithmetic,
    )


@counts("RNN")
def _count_rnn(layer: Any, shape: Any, walk: Walk) -> LayerAccount:
    """RNN over a cell of any kind: the cell's account inside."""
    cell = layer.cell
    shape = _sequence_shape(layer, shape, layer._features)
    if shape is None and not cell.built:
        return unknown(layer, walk)
    if not cell.built and not isinstance(cell, Cell):
        layer = built_twin(layer, shape, walk)  # only a user's cell itself knows its weights
        cell = layer.cell
    step = None
    if shape is not None:
        batch, _, *rest = layer._batch_major_shape(shape)
        step = (batch, *rest)
    inner = walk.count(cell, _step_for(cell, step))
    return LayerAccount(
        layer.name,
        type(layer).__name__,
        "rnn",
        input_shape=shape,
        output_shape=None if shape is None else layer.compute_output_shape(shape),
        trainable=layer.trainable,
        matrices=walk.rest(layer),
        inside=(inner,),
        sizes={"steps": None if shape is None else layer._batch_major_shape(shape)[1]},
        options=changed_options(layer, _DEFAULTS),
        forms=() if shape is None else _output_forms(layer, shape),
        arithmetic=inner.arithmetic,
    )


def _step_for(cell: Any, shape: Any) -> Any:
    """The step's shape, which alone tells nothing of a user's cell: that one also takes states."""
    return shape if isinstance(cell, Cell) else None


@counts("StackedRNNCells")
def _count_stacked_cells(stack: Any, shape: Any, walk: Walk) -> LayerAccount:
    seen: Any = known_input(stack, shape)
    if not stack.built:
        if seen is None:
            return unknown(stack, walk)
        if not all(isinstance(cell, Cell) for cell in stack.cells):
            stack = built_twin(stack, seen, walk)
    inside, step = [], seen
    for cell in stack.cells:
        inside.append(walk.count(cell, _step_for(cell, step)))
        step = None if step is None else (step[0], *stepping.output_shape(cell, stack.dtype))
    return LayerAccount(
        stack.name,
        type(stack).__name__,
        "stack",
        input_shape=seen,
        output_shape=output_shape_of(stack, seen),
        trainable=stack.trainable,
        matrices=walk.rest(stack),
        inside=tuple(inside),
        arithmetic=_sum_of(inside),
    )


@counts("Bidirectional")
def _count_bidirectional(layer: Any, shape: Any, walk: Walk) -> LayerAccount:
    """Two halves: the forward layer's account and the backward layer's."""
    shape = known_input(layer, shape)
    if isinstance(shape, list):
        shape = shape[0]
    if shape is None and not layer.forward_layer.built:
        return unknown(layer, walk)
    inside = (walk.count(layer.forward_layer, shape), walk.count(layer.backward_layer, shape))
    return LayerAccount(
        layer.name,
        type(layer).__name__,
        "bidirectional",
        input_shape=shape,
        output_shape=None if shape is None else layer.compute_output_shape(shape),
        trainable=layer.trainable,
        matrices=walk.rest(layer),
        inside=inside,
        options=changed_options(layer, {"merge_mode": "concat", "stateful": False}),
        arithmetic=_sum_of(inside),
    )


def _sum_of(accounts: Any) -> Expression | None:
    """The accounts' formulas added: 2 x ... where two are the same; None if one has none."""
    found = [account.arithmetic for account in accounts]
    if not found or None in found:
        return None
    if len(found) > 1 and all(one == found[0] for one in found):
        return times(len(found), found[0])
    return plus(*found)

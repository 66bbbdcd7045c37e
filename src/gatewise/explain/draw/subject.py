"""What a picture of a recurrent layer shows, as data: its runs over time, their cells, and fitted weights.

Views read these and the accounts in them, never the layers themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gatewise.explain.accounting import LayerAccount, OutputForm
from gatewise.explain.language import Words

STATES = {"lstm": ("h", "C"), "gru": ("h",), "simple_rnn": ("h",)}
"""The states of a cell, by the kind of its account, in the order in which a layer returns them."""


@dataclass(frozen=True)
class CellFacts:
    """One cell: its account, and its weights where they exist.

    Attributes:
        account: with the gates and matrices.
        features: the numbers that enter at each step.
        units: the width of its gates; None if it has none.
        out: the numbers in h, which is what leaves at each step.
        states: the names of its states.
        weights: {matrix: values}, as far as they are known.
    """

    account: LayerAccount
    features: int | None
    units: int | None
    out: int | None
    states: tuple[str, ...] = ("h",)
    weights: dict[str, np.ndarray] = field(default_factory=dict, compare=False)

    @property
    def kind(self) -> str:
        return self.account.kind

    def width_of(self, state: str) -> int | None:
        """The numbers in a state."""
        return self.units if state == "C" else self.out


@dataclass(frozen=True)
class Run:
    """A recurrent layer reading a sequence in one direction.

    Attributes:
        account: of the layer.
        cells: from the input to the output; more than one where cells are stacked.
        backwards: whether it begins at the last step.
    """

    account: LayerAccount
    cells: tuple[CellFacts, ...]
    backwards: bool

    @property
    def steps(self) -> int | None:
        return self.account.sizes.get("steps")

    @property
    def form(self) -> OutputForm | None:
        """The outputs it gives."""
        return next((form for form in self.account.forms if form.chosen), None)


@dataclass(frozen=True)
class RecurrentFacts:
    """A recurrent layer, or a pair of them.

    Attributes:
        account: of the whole.
        runs: one, or the forward and the backward one.
        merge: how the outputs of two runs are put together; None for a single one, or where they stay apart.
        words: the language.
        mask: (T,), True where a step counts; None where all do.
        unit: the unit that is shown of one, from 0.
    """

    account: LayerAccount
    runs: tuple[Run, ...]
    merge: str | None
    words: Words
    mask: np.ndarray | None = field(default=None, compare=False)
    unit: int = 0

    @property
    def both(self) -> bool:
        return len(self.runs) == 2

    @property
    def single(self) -> CellFacts:
        """The cell, of several the first."""
        return self.runs[0].cells[0]

    def all_cells(self) -> list[tuple[str, Run, CellFacts]]:
        """(what it is called among the others, its run, itself)."""
        _ = self.words._
        found = []
        for k, run in enumerate(self.runs):
            side = (_("forward"), _("backward"))[k] if self.both else ""
            for j, cell in enumerate(run.cells):
                place = _("cell {k}").format(k=j + 1) if len(run.cells) > 1 else ""
                found.append((", ".join(filter(None, (side, place))), run, cell))
        return found


def facts_of(account: LayerAccount, words: Words, layer: Any = None, mask: Any = None) -> RecurrentFacts | None:
    """What there is to draw of a recurrent layer; None if the account is not of one.

    Args:
        layer: the layer itself, for its weights; None if only the account is known.
        mask: (T,) or None.
    """
    while account.kind == "time_distributed":
        account, layer = account.inside[0], getattr(layer, "layer", None)
    if account.kind == "bidirectional":
        halves = [getattr(layer, name, None) for name in ("forward_layer", "backward_layer")]
        forward, backward = (_run(inner, half) for inner, half in zip(account.inside, halves, strict=True))
        if forward is None or backward is None:
            return None
        merge = account.options.get("merge_mode", "concat")
        return RecurrentFacts(
            account, (forward, replace(backward, backwards=not forward.backwards)), merge, words, mask
        )
    run = _run(account, layer)
    return None if run is None else RecurrentFacts(account, (run,), None, words, mask)


def _run(account: LayerAccount, layer: Any) -> Run | None:
    if account.kind == "rnn":
        inner, cell = account.inside[0], getattr(layer, "cell", None)
        shape = account.input_shape
        features = shape[-1] if shape else None
    elif account.kind in STATES:
        inner, cell = account, getattr(layer, "cell", layer)
        features = account.sizes.get("features")
    else:
        return None
    backwards = bool(account.options.get("go_backwards"))
    if inner.kind != "stack":
        return Run(account, (_cell(inner, cell, features, account),), backwards)
    cells = []
    for k, one in enumerate(inner.inside):
        cells.append(_cell(one, cell.cells[k] if cell is not None else None, features, None))
        features = cells[-1].out
    return Run(account, tuple(cells), backwards)


def _cell(account: LayerAccount, cell: Any, features: int | None, outer: LayerAccount | None) -> CellFacts:
    units = account.sizes.get("units")
    out = account.options.get("projection_units", units)
    if units is None and outer is not None and outer.output_shape and not isinstance(outer.output_shape, list):
        out = outer.output_shape[-1]
    weights = {}
    if cell is not None and getattr(cell, "built", False):
        for matrix in account.matrices:
            value = getattr(cell, matrix.name, None)
            if value is not None and tuple(value.shape) == matrix.shape:
                weights[matrix.name] = np.array(value)
    states = STATES.get(account.kind) or _names_of_states(account, outer)
    return CellFacts(account, account.sizes.get("features", features), units, out, states, weights)


def _names_of_states(account: LayerAccount, outer: LayerAccount | None) -> tuple[str, ...]:
    """Names for the states of a cell of another kind: as many as its layer can give."""
    count = max((len(form.shapes) - 1 for form in outer.forms), default=1) if outer is not None else 1
    if account.cls.startswith("ConvLSTM"):
        return ("h", "C")
    return ("h",) if count == 1 else tuple(f"s{k + 1}" for k in range(count))


def facts_of_weights(account: LayerAccount, words: Words, layer: Any = None) -> RecurrentFacts:
    """A layer that is not recurrent, for a picture of its weights."""
    run = Run(account, (_cell(account, layer, None, None),), False)
    return RecurrentFacts(account, (run,), None, words)

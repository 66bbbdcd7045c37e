"""Accounts: how many numbers a layer or a model holds, by layer, matrix and gate, as data.

`account` (in `counting`) makes a `LayerAccount`, or a `ModelAccount`.  Nothing here is text: `explanation` puts it
into words, `summary` into tables.  Totals are always sums of rows, so they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gatewise.explain.arithmetic import Expression, equation, written

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Part:
    """One gate's share of one matrix: its columns from `start` up to, not including, `stop`.

    Attributes:
        matrix: "kernel", "recurrent_kernel", "bias", ...
        gate: the gate's symbol.
        shape: of the share: (rows, H), or (H,) of a bias.
        row: the one row that is the gate's; None for all.
    """

    matrix: str
    gate: str
    start: int
    stop: int
    shape: tuple[int, ...]
    row: int | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def to_dict(self) -> dict[str, Any]:
        found = {
            "matrix": self.matrix, "gate": self.gate, "columns": [self.start, self.stop],
            "shape": list(self.shape), "params": self.size,
        }  # fmt: skip
        return found if self.row is None else found | {"row": self.row}


@dataclass(frozen=True)
class MatrixAccount:
    """One weight array as Keras holds it.

    Attributes:
        name: "kernel", ...
        shape: (F, 4H), ...
        array: number of the array within the account; two rows of the same number are the same array.
        counted: False if a row before this one, in the same account, is the same array.
        trainable: whether training may change it.
        item_bytes: size of one number.
        letters: the shape in letters, ("F", "4H"); empty if unknown.
        parts: the gates' columns, in order; empty where there are none.
        arithmetic: the size as a formula, or None.
    """

    name: str
    shape: tuple[int, ...]
    array: int = 0
    counted: bool = True
    trainable: bool = True
    item_bytes: int = 4
    letters: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    arithmetic: Expression | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * self.item_bytes

    def to_dict(self) -> dict[str, Any]:
        found = {
            "name": self.name, "shape": list(self.shape), "letters": list(self.letters), "params": self.size,
            "trainable": self.trainable, "counted": self.counted, "parts": [part.to_dict() for part in self.parts],
        }  # fmt: skip
        return found if self.arithmetic is None else found | {"arithmetic": equation(self.arithmetic)}


@dataclass(frozen=True)
class GateAccount:
    """One gate of a recurrent layer: its shares of the matrices, and the textbook's form of the same numbers.

    Attributes:
        symbol: "f".   name: "forget".   activation: the name of its activation.
        parts: its columns of each matrix.
        textbook_matrix: (H, H + F), the shape of W_f in W_f [h, x] + b_f.
        textbook_bias: (H,), or () without a bias.
        arithmetic: the count, (F + H) x H + H.
    """

    symbol: str
    name: str
    activation: str
    parts: tuple[Part, ...]
    textbook_matrix: tuple[int, int]
    textbook_bias: tuple[int, ...]
    arithmetic: Expression

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        return {
            "symbol": self.symbol, "name": self.name, "activation": self.activation, "params": self.size,
            "arithmetic": equation(self.arithmetic), "parts": [part.to_dict() for part in self.parts],
            "textbook": {"W": list(self.textbook_matrix), "b": list(self.textbook_bias)},
        }  # fmt: skip


@dataclass(frozen=True)
class OutputForm:
    """The output shapes (batch included) for one choice of the options; `chosen` marks the layer's own choice."""

    return_sequences: bool
    return_state: bool
    shapes: tuple[Shape, ...]
    chosen: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "return_sequences": self.return_sequences, "return_state": self.return_state,
            "shapes": [list(shape) for shape in self.shapes], "chosen": self.chosen,
        }  # fmt: skip


@dataclass(frozen=True)
class LayerAccount:
    """What one layer holds.

    Attributes:
        name, cls: the layer's name, and that of its class.
        kind: what describes it: "lstm", "dense", "time_distributed", "model", or "weights" for any other layer.
        known: False if its weights do not exist and no input shape says what they will be.
        input_shape: batch included, None where unknown; None if the whole shape is.
        output_shape: the same, or a list of shapes.
        trainable: the layer's own flag.
        uses: how often the model around it calls it.
        matrices: the layer's own weight arrays.
        gates: the same numbers by gate.
        inside: the accounts of the layers inside it.
        sizes: units, features, steps, ...: the sizes that matter, by name; None where any size may come.
        options: arguments that differ from their defaults, by name.
        forms: the output shapes under each choice of return_sequences and return_state.
        arithmetic: the total as a formula, or None.
    """

    name: str
    cls: str
    kind: str = "weights"
    known: bool = True
    input_shape: Any = None
    output_shape: Any = None
    trainable: bool = True
    uses: int = 1
    matrices: tuple[MatrixAccount, ...] = ()
    gates: tuple[GateAccount, ...] = ()
    inside: tuple[LayerAccount, ...] = ()
    sizes: dict[str, int | None] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    forms: tuple[OutputForm, ...] = ()
    arithmetic: Expression | None = None

    def all_matrices(self) -> Iterator[MatrixAccount]:
        """The rows of the layer itself and of all layers inside it."""
        yield from self.matrices
        for layer in self.inside:
            yield from layer.all_matrices()

    def counted_matrices(self) -> Iterator[MatrixAccount]:
        """The rows that add up to totals: each array once."""
        return (matrix for matrix in self.all_matrices() if matrix.counted)

    @property
    def size(self) -> int:
        """How many numbers the layer holds, each array once: what `layer.count_params()` returns."""
        return sum({matrix.array: matrix.size for matrix in self.all_matrices()}.values())

    @property
    def counted(self) -> int:
        """How many of them no row before this layer holds: over a model's layers these add up to its total."""
        return sum(matrix.size for matrix in self.counted_matrices())

    @property
    def trainable_size(self) -> int:
        """How many of the counted numbers training may change."""
        return sum(matrix.size for matrix in self.counted_matrices() if matrix.trainable)

    @property
    def non_trainable_size(self) -> int:
        return self.counted - self.trainable_size

    @property
    def trainable_bytes(self) -> int:
        return sum(matrix.bytes for matrix in self.counted_matrices() if matrix.trainable)

    @property
    def non_trainable_bytes(self) -> int:
        return sum(matrix.bytes for matrix in self.counted_matrices() if not matrix.trainable)

    def to_dict(self) -> dict[str, Any]:
        """The account as plain values, ready for JSON, with sizes and totals written out."""
        found: dict[str, Any] = {
            "name": self.name, "class": self.cls, "kind": self.kind, "params": self.size, "counted": self.counted,
            "trainable_params": self.trainable_size, "non_trainable_params": self.non_trainable_size,
            "trainable": self.trainable, "uses": self.uses,
            "input_shape": listed(self.input_shape), "output_shape": listed(self.output_shape),
            "sizes": dict(self.sizes), "options": dict(self.options),
            "matrices": [matrix.to_dict() for matrix in self.matrices],
            "gates": [gate.to_dict() for gate in self.gates],
            "output_forms": [form.to_dict() for form in self.forms],
            "layers": [layer.to_dict() for layer in self.inside],
        }  # fmt: skip
        if self.arithmetic is not None:
            found |= {"arithmetic": equation(self.arithmetic), "formula": written(self.arithmetic, letters=True)}
        return found

    def _repr_svg_(self) -> str | None:
        """What notebooks show: the picture of the layer, or the graph of the model."""
        from gatewise.explain.draw.notebook import svg_of

        return svg_of(self)


@dataclass(frozen=True)
class ModelAccount(LayerAccount):
    """What a model holds: an account of each of its layers."""

    @property
    def layers(self) -> tuple[LayerAccount, ...]:
        """The accounts of the layers directly inside the model."""
        return self.inside


def listed(shape: Any) -> Any:
    """Shapes, nested or not, with lists for tuples, as JSON has them."""
    if isinstance(shape, Iterable) and not isinstance(shape, str | dict):
        return [listed(size) for size in shape]
    return shape

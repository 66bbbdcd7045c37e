"""The ledger: a model's parameters by layer and gate, as one table that adds up."""

from __future__ import annotations

from collections.abc import Iterator

from gatewise.explain.accounting import LayerAccount
from gatewise.explain.arithmetic import written
from gatewise.explain.document import Table

_MATRICES = ("kernel", "recurrent_kernel", "bias")


def ledger_text(model: LayerAccount) -> str:
    """A table with a row for each gate (for each layer that has none), and each layer's count as a formula.

    Its last column adds up to the model's total, because both are sums of the same account.
    """
    rows = [row for layer in model.inside for row in _rows(layer)]
    header = ("layer", "gate", *(name.replace("_", " ") for name in _MATRICES), "parameters")
    total = ("total", *[""] * 4, str(model.size))
    table = Table(header, (*rows, total), right=(2, 3, 4, 5), total=True)
    formulas = [
        f"  {layer.name}: {written(layer.arithmetic, letters=True)} = {written(layer.arithmetic)} = {layer.size}"
        for layer in model.inside
        if layer.arithmetic is not None
    ]
    return "\n".join([*table.lines(), "", *formulas])


def _rows(layer: LayerAccount) -> Iterator[tuple[str, ...]]:
    """One row for each gate, or one for the whole layer."""
    for gate in layer.gates:
        shapes = {part.matrix: part.shape for part in gate.parts}
        name = f"{gate.symbol}  {gate.name} ({gate.activation})"
        yield (layer.name, name, *(_shape(shapes.get(matrix, ())) for matrix in _MATRICES), str(gate.size))
    if not layer.gates:
        shapes = {matrix.name: matrix.shape for matrix in layer.matrices}
        yield (layer.name, "-", *(_shape(shapes.get(matrix, ())) for matrix in _MATRICES), str(layer.counted))


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "-"

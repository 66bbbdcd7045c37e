"""What a quantization did, as data and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerQuantization:
    """One recurrent layer, or one cell of a layer that runs several.

    Attributes:
        path: its name, after those of the models and wrappers that it is in.
        cls: the class of its cell.
        storage: "int8", "bfloat16", or "float32" where the weights stayed as they were.
        reason: why they stayed; "" where they did not.
        bytes_before, bytes_after: what the weights take, as arrays and in a file.
        weight_error: the largest distance of a weight from what is stored for it, as a share of its column's largest.
        x_range: for int8 the largest size of each feature that is told apart from larger ones.
        h_range: the same of the state.
    """

    path: str
    cls: str
    storage: str
    reason: str = ""
    bytes_before: int = 0
    bytes_after: int = 0
    weight_error: float = 0.0
    x_range: tuple[float, ...] = ()
    h_range: float | None = None

    @property
    def unseen_features(self) -> list[int]:
        """The features that were zero in all of the calibration: int8 weights take them for zeros ever after."""
        return [k for k, most in enumerate(self.x_range) if most == 0]


@dataclass(frozen=True)
class OutputDifference:
    """How far the outputs on the calibration data moved: the mean and the largest distance, and the largest output."""

    mean: float
    largest: float
    largest_output: float


@dataclass(frozen=True)
class Quantization:
    """What `gatewise.quantize` did with a model; as text, `print(report)`.

    Attributes:
        model: its name.
        dtype: "int8" or "bfloat16".
        layers: its recurrent layers.
        other_bytes: the weights of all other layers, which stay float32.
        outputs: how far the outputs on the calibration data moved; None without these.
        metrics: the loss and each metric on the evaluation data, (before, after).
    """

    model: str
    dtype: str
    layers: tuple[LayerQuantization, ...]
    other_bytes: int
    outputs: OutputDifference | None
    metrics: dict[str, tuple[float, float]]

    @property
    def bytes_before(self) -> int:
        return self.other_bytes + sum(layer.bytes_before for layer in self.layers)

    @property
    def bytes_after(self) -> int:
        return self.other_bytes + sum(layer.bytes_after for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain values, ready for JSON."""
        return {**asdict(self), "bytes_before": self.bytes_before, "bytes_after": self.bytes_after}

    def __str__(self) -> str:
        return "\n".join([*_layer_lines(self), *_difference_lines(self)])


def _layer_lines(report: Quantization) -> list[str]:
    changed = sum(layer.storage != "float32" for layer in report.layers)
    rows = [("layer", "weights", "KB before", "after", "weight error", "range of x", "range of h")]
    rows += [_row(layer) for layer in report.layers]
    rows.append(("all weights", "", _kb(report.bytes_before), _kb(report.bytes_after), "", "", ""))
    notes = [f"{layer.path} stays float32: {layer.reason}." for layer in report.layers if layer.reason]
    notes += [
        f"{layer.path}: features {', '.join(map(str, layer.unseen_features))} were zero in all of the calibration data "
        "and are taken for zeros."
        for layer in report.layers
        if layer.unseen_features
    ]
    head = f"Model '{report.model}', {report.dtype}: {changed} of {len(report.layers)} recurrent layers"
    return [head, *_columns(rows), *notes]


def _row(layer: LayerQuantization) -> tuple[str, ...]:
    sizes = f"{layer.path} ({layer.cls})", layer.storage, _kb(layer.bytes_before), _kb(layer.bytes_after)
    if layer.storage == "float32":
        return (*sizes, "", "", "")
    least, most = min(layer.x_range, default=0), max(layer.x_range, default=0)
    of_x = "" if not layer.x_range else f"{most:.4g}" if least == most else f"{least:.4g} to {most:.4g}"
    return (*sizes, f"{layer.weight_error:.2%}", of_x, "" if layer.h_range is None else f"{layer.h_range:.4g}")


def _difference_lines(report: Quantization) -> list[str]:
    lines = []
    if report.outputs is not None:
        found = report.outputs
        lines.append(
            f"Outputs on the calibration data moved by {found.mean:.3g} on average and {found.largest:.3g} at most; "
            f"the largest is {found.largest_output:.3g}."
        )
    for name, (before, after) in report.metrics.items():
        lines.append(f"{name}: {before:.6g} before, {after:.6g} after.")
    return lines


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows in columns: the first two to the left, numbers to the right."""
    used = [k for k in range(len(rows[0])) if any(row[k] for row in rows[1:])]
    widths = {k: max(len(row[k]) for row in rows) for k in used}
    return [
        "  " + "  ".join(row[k].ljust(widths[k]) if k < 2 else row[k].rjust(widths[k]) for k in used).rstrip()
        for row in rows
    ]


def _kb(size: int) -> str:
    return f"{size / 1024:,.1f}"

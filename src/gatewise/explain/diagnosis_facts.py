"""What a diagnosis finds, as data: findings, gradients, gates and units.  Words and pictures come after.

Shape letters: N samples, T time steps, H units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

import numpy as np

SEVERITIES = ("error", "warning", "note")
"""error: a number is not finite, or training cannot work; warning: it will go badly; note: good to know."""

CAUSES_FIRST = (
    "data_not_finite", "weight_not_finite", "forward_not_finite", "loss_not_finite", "slope_not_finite",
    "gradient_not_finite", "update_not_finite", "nothing_trains", "weights_zero", "samples_masked",
    "padding_counted", "inputs_large", "features_constant", "targets_out_of_range", "targets_no_distribution",
    "targets_constant", "targets_large", "softmax_of_one", "activation_twice", "activation_missing",
    "activation_unfit", "weights_negative", "classes_unbalanced", "dropout_large", "layer_inputs_large",
    "units_alike", "penalties_large", "update_large", "gradient_explodes", "forgets_always", "keeps_always",
    "gate_closed", "units_dead", "state_saturated", "gate_saturated", "units_saturated", "gradient_vanishes",
    "gradient_fades", "gradient_large", "gradient_zero", "gradient_small", "update_small", "units_constant",
    "output_constant", "loss_trivial",
)  # fmt: skip
"""The kinds of findings; of two equally severe the cause stands before what follows from it."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: what it is, such as "data_not_finite" or "gradient_vanishes"; the words are chosen by it.
        severity: "error", "warning" or "note".
        where: the layer's path, the weight's path, or the name of the data ("x", "y[1]").
        facts: the numbers behind it.
    """

    kind: str
    severity: str
    where: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "severity": self.severity, "where": self.where, "facts": plain(dict(self.facts))}


@dataclass(frozen=True)
class Origin:
    """Where the first number that is not finite came up.

    Attributes:
        stage: "data", "weight", "forward", "loss", "slope" (of the loss function), "gradient" or "update".
        where: name of the data, path of the layer or of the weight.
        layer: the layer's path, None for data and loss.
        gate: the symbol of the gate or state, None where there is none.
        step: time step, from 0, in the order in which the layer reads; None where there is none.
        sample, unit: in the examined samples, from 0.   index: the place in the array.
        value: "nan", "inf" or "-inf".   count: how many numbers of that array are not finite.
        weight: for a layer the path of its largest weight.
        largest: the largest absolute value in that weight; for the loss that of an output.
        epoch, batch: of the training, from 0, where a callback stopped one.
    """

    stage: str
    where: str
    layer: str | None = None
    gate: str | None = None
    step: int | None = None
    sample: int | None = None
    unit: int | None = None
    index: tuple[int, ...] = ()
    value: str = "nan"
    count: int = 1
    weight: str | None = None
    largest: float | None = None
    epoch: int | None = None
    batch: int | None = None


@dataclass(frozen=True)
class LossFacts:
    """The loss of the examined samples.

    Attributes:
        value: the total.   parts: {output: its loss}, unweighted.   penalties: what layers and regularizers add.
        trivial: {output: the loss of answering the same for every sample, as well as that can be done}.
    """

    value: float
    parts: Mapping[str, float]
    penalties: float
    trivial: Mapping[str, float]


@dataclass(frozen=True)
class WeightFacts:
    """One trainable weight: norms of it, of its gradient and of the change that the next step would make."""

    path: str
    layer: str
    shape: tuple[int, ...]
    norm: float
    gradient_norm: float
    update_norm: float

    @property
    def update_ratio(self) -> float | None:
        """How large the step is beside the weight; None for a weight that is zero."""
        return self.update_norm / self.norm if self.norm > 0 else None


@dataclass(frozen=True)
class StepGradients:
    """The gradient of the loss with respect to a recurrent layer's state h[t].

    Attributes:
        norms: for each step, over all samples and units.
        first, last: the steps, among those with a gradient, of which `ratio` is told.
        ratio: norm at the first over norm at the last: what of the gradient arrives at the beginning.
        per_step: the mean factor of one step back.
        reach: how many steps back from the last the norm first falls below a hundredth of its largest; None: never.
        verdict: "ok", "vanishing", "exploding" or "none" (no gradient, or one step only).
    """

    norms: tuple[float, ...]
    first: int
    last: int
    ratio: float
    per_step: float
    reach: int | None
    verdict: str


@dataclass(frozen=True)
class GateUse:
    """How a gate or state is used, over all samples and steps that count.

    Attributes:
        symbol: i, f, g, o, c, h, z, r.   activation: its name, None for a state.
        low, high: the fraction of the values below and above the limits.
        low_units, high_units: the units that are below, or above, nearly always (in 95 % of the values).
        mean: of the values.   histogram: counts in equal parts of `range`.
    """

    symbol: str
    activation: str | None
    limits: tuple[float, float]
    low: float
    high: float
    low_units: tuple[int, ...]
    high_units: tuple[int, ...]
    mean: float
    range: tuple[float, float]
    histogram: tuple[int, ...]


@dataclass(frozen=True)
class RecurrentMatrix:
    """A square block of a recurrent kernel: what a step does to the state, but for the activation.

    Attributes:
        gate: its symbol.   radius: the largest |eigenvalue|.   largest: the largest singular value.
    """

    gate: str
    radius: float
    largest: float


@dataclass(frozen=True)
class RecurrentFacts:
    """A recurrent layer at work."""

    path: str
    cls: str
    units: int
    gradients: StepGradients | None
    gates: tuple[GateUse, ...]
    matrices: tuple[RecurrentMatrix, ...]


@dataclass(frozen=True)
class UnitFacts:
    """Units of a layer that do nothing.

    Attributes:
        path, cls: of the layer.   units: how many there are.   activation: its name, or None.
        zero: units that put out 0 for every sample and step.   constant: those that put out one other number.
        saturated: units at the flat ends of tanh or sigmoid in nearly all samples and steps.
    """

    path: str
    cls: str
    units: int
    activation: str | None
    zero: tuple[int, ...]
    constant: tuple[int, ...]
    saturated: tuple[int, ...]


@dataclass(frozen=True)
class Advice:
    """Something to try.

    Attributes:
        kind: what it is; the words are chosen by it.   code: what to write.   against: kinds of findings it is for.
    """

    kind: str
    code: str
    against: tuple[str, ...]


def plain(value: Any) -> Any:
    """Data as plain values for JSON: numbers that are not finite become text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: plain(item) for key, item in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def first_bad(array: np.ndarray) -> tuple[tuple[int, ...], str, int] | None:
    """(index, value, how many) of the first number that is not finite, in the array's order; None if all are."""
    if array.dtype.kind != "f" or not array.size:
        return None
    bad = ~np.isfinite(array)
    count = int(np.count_nonzero(bad))
    if not count:
        return None
    index = tuple(int(k) for k in np.unravel_index(int(np.argmax(bad)), array.shape))
    return index, str(float(array[index])), count

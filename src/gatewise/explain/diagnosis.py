"""Diagnosis: why a model does not train, from one look at a step: data, weights, gates, loss, gradients, units.

`diagnose` gathers the facts; a `Diagnosis` holds them, and shows them as text, HTML, data or a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gatewise.arguments import describe
from gatewise.explain import diagnosis_step, diagnosis_units, traced_cells, traced_gradients
from gatewise.explain.diagnosis_advice import advice_for
from gatewise.explain.diagnosis_data import data_findings, last_of
from gatewise.explain.diagnosis_facts import (
    CAUSES_FIRST,
    SEVERITIES,
    Advice,
    Finding,
    LossFacts,
    Origin,
    RecurrentFacts,
    UnitFacts,
    WeightFacts,
    plain,
)
from gatewise.explain.diagnosis_model import model_findings
from gatewise.explain.diagnosis_step import Step
from gatewise.explain.diagnosis_time import step_gradients, time_findings
from gatewise.explain.diagnosis_watch import layer_paths
from gatewise.explain.document import Section, html_of, text_of
from gatewise.explain.language import chosen_language
from gatewise.layers import observing
from gatewise.layers.observing import CellRun, LayerRun
from gatewise.model import Model
from gatewise.training import data
from gatewise.training.data import Batch
from gatewise.training.snapshot import Snapshot
from gatewise.training.sources.iterable_batches import is_iterable_of_batches

SAMPLES = 256
_OF_ALL_DATA = ("features_constant", "targets_constant", "classes_unbalanced")


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a model, its data or its training, and what to try.

    Attributes:
        model: its name.   samples, of: how many samples were run, of how many.
        findings: what was found, the most serious first, and causes before what follows from them.
        advice: what to try, in that order too.
        origin: where the first number that is not finite came up; None where all are finite.
        loss: of the samples run; None where that is not finite.
        weights: norms of each trainable weight, its gradient, and what the next step would change.
        layers: {path: norm of the gradient of the layer's weights}.
        recurrent: gradients by time step, gates and kernels of each recurrent layer.
        units: layers with units that do nothing.
        lang: the language of its words.
    """

    model: str
    samples: int
    of: int
    findings: tuple[Finding, ...]
    advice: tuple[Advice, ...]
    origin: Origin | None
    loss: LossFacts | None
    weights: tuple[WeightFacts, ...]
    recurrent: tuple[RecurrentFacts, ...]
    units: tuple[UnitFacts, ...]
    lang: str = "en"

    @property
    def ok(self) -> bool:
        """True if there is nothing to worry about: no error and no warning."""
        return all(finding.severity == "note" for finding in self.findings)

    @property
    def layers(self) -> dict[str, float]:
        return diagnosis_step.layer_norms(self.weights)

    @property
    def sections(self) -> tuple[Section, ...]:
        """The words."""
        from gatewise.explain.diagnosis_words import sections_of

        return sections_of(self)

    def in_language(self, lang: str) -> Diagnosis:
        """The same in "en", "zh" or "de"."""
        return replace(self, lang=chosen_language(lang))

    def __str__(self) -> str:
        return text_of(self.sections)

    def __repr__(self) -> str:
        told = "ok" if self.ok else f"{sum(f.severity != 'note' for f in self.findings)} findings"
        return f"<Diagnosis of {self.model}: {told}, lang={self.lang!r}; print() it>"

    def to_dict(self) -> dict[str, Any]:
        """Numbers and words as plain values, ready for JSON; numbers that are not finite as text."""
        return {
            "language": self.lang,
            "model": self.model,
            "ok": self.ok,
            "samples": self.samples,
            "of": self.of,
            "findings": [finding.to_dict() for finding in self.findings],
            "advice": plain(self.advice),
            "origin": plain(self.origin),
            "loss": plain(self.loss),
            "weights": [{**plain(one), "update_ratio": plain(one.update_ratio)} for one in self.weights],
            "layers": plain(self.layers),
            "recurrent": plain(self.recurrent),
            "units": plain(self.units),
            "sections": [section.to_dict() for section in self.sections],
        }

    def to_html(self) -> str:
        """A fragment of HTML that needs no style sheet and no script."""
        return html_of(self.sections, self.lang)

    _repr_html_ = to_html

    def draw(self, path: Any = None) -> Any:
        """The gradient by time step, and how the gates are used, as a matplotlib figure; also written to `path`.

        Raises:
            ModuleNotFoundError: without matplotlib, saying how to get it.
            ValueError: if there is no recurrent layer, so nothing by time step to draw.
        """
        from gatewise.explain.diagnosis_drawing import drawn

        return drawn(self, path)


def diagnose(
    model: Any, x: Any, y: Any = None, sample_weight: Any = None, batch_size: int = SAMPLES, lang: str | None = None
) -> Diagnosis:
    """Look at one step of training and say what is wrong, and what to try.

    All data in memory are looked at for values that are not finite, scales and ranges; the first `batch_size` samples
    are run forwards and backwards once, which costs about as much as one step of training on them (with recurrent
    layers twice as much).  The model is left as it was: weights, optimizer, kept states, metrics, and the chance of
    dropout.

    Args:
        model: a compiled model; it is built if it is not yet.
        x, y, sample_weight: as for `fit`, in arrays (one batch of them, for data that come in batches).
        batch_size: how many samples are run.
        lang: "en", "zh" or "de"; default what the environment asks for, or English.

    Raises:
        TypeError: if `model` is not a model, or x supplies batches of its own.
        ValueError: for a model that is not compiled, and data that do not fit.
    """
    lang = chosen_language(lang)
    if not isinstance(model, Model):
        raise TypeError(f"diagnose() takes a compiled model; got {describe(model)}.")
    model._require_compiled("diagnose")
    if is_iterable_of_batches(x):
        raise TypeError(
            f"diagnose() looks at arrays; {describe(x)} supplies batches of its own. Give it one batch: "
            "x, y = next(iter(batches)); gatewise.diagnose(model, x, y)."
        )
    data.check_count(batch_size, "batch_size")
    whole = model._whole(x, y, sample_weight)
    examined = whole.rows(slice(0, _count_to_run(model, whole, batch_size)))
    before = Snapshot(model)
    try:
        return examine(model, examined if whole.is_stored else whole, examined, lang, of=whole.size)
    finally:
        before.put_back()


def _count_to_run(model: Any, whole: Batch, batch_size: int) -> int:
    """How many samples to run: those asked for, or what a stateful layer or an Input fixes."""
    held = [layer.states for layer in model.with_sublayers() if getattr(layer, "states", None)]
    fixed = len(held[0][0]) if held else model._fixed_batch_size()
    return min(fixed or batch_size or SAMPLES, whole.size)


def examine(
    model: Any, whole: Batch, examined: Batch, lang: str, of: int | None = None, place: tuple[int, int] | None = None
) -> Diagnosis:
    """The diagnosis; what the step assigns and draws is the caller's to put back.

    Args:
        whole: the data to look at.   examined: the samples to run.   of: how many there are in all.
        place: epoch and batch, where a training is looked at.
    """
    batch = model._padded_batch(examined) if examined.is_ragged else examined
    of_data = data_findings(model, whole)
    if place is not None:  # what holds for one batch need not hold for the data
        of_data = [finding for finding in of_data if finding.kind not in _OF_ALL_DATA]
    of_weights = list(diagnosis_step.bad_weights(model))
    with observing.watching() as watch:
        step = diagnosis_step.run_step(model, batch)
    origin = _origin(model, of_data, of_weights, step, watch.runs)
    if origin is not None and place is not None:
        origin = replace(origin, epoch=place[0], batch=place[1])
    weights = diagnosis_step.weight_facts(model, step)
    recurrent = recurrent_facts(model, watch.runs)
    last = [last_of(model, k)[0] for k in range(len(getattr(model, "outputs", None) or ()))]
    units = diagnosis_units.unit_facts(step.calls, last)
    loss = diagnosis_step.loss_facts(model, step) if _reaches_loss(origin) else None
    found = [*of_data, *_of_origin(origin, of_weights), *_of_learning(model, origin, step, loss, weights, recurrent)]
    found += model_findings(model, step, loss, origin is None)
    kinds = {finding.kind for finding in found}
    if "gradient_large" in kinds:  # so the size of the targets is what is wrong
        found = [replace(one, severity="warning") if one.kind == "targets_large" else one for one in found]
    if "inputs_large" in kinds:  # then what comes to later layers is no news
        found = [one for one in found if one.kind != "layer_inputs_large"]
    if origin is None or origin.stage not in ("data", "weight"):
        found += (one for facts in recurrent for one in diagnosis_units.gate_findings(facts))
        found += diagnosis_units.unit_findings(units)
    findings = tuple(sorted(found, key=_rank))
    advice = advice_for(model, findings)
    if place is not None:  # where a callback has stopped already
        advice = tuple(one for one in advice if one.kind != "stop_at_nan")
    counts = (examined.size, of or examined.size)
    return Diagnosis(model.name, *counts, findings, advice, origin, loss, weights, recurrent, units, lang)


def _rank(finding: Finding) -> tuple[int, int]:
    """The most serious first, and causes before what follows from them."""
    return SEVERITIES.index(finding.severity), CAUSES_FIRST.index(finding.kind)


def _reaches_loss(origin: Origin | None) -> bool:
    """Whether everything up to the loss is finite."""
    return origin is None or origin.stage in ("slope", "gradient", "update")


def _of_learning(
    model: Any,
    origin: Origin | None,
    step: Step,
    loss: LossFacts | None,
    weights: Sequence[WeightFacts],
    recurrent: Sequence[RecurrentFacts],
) -> list[Finding]:
    """The findings about the loss and its gradient, as far as these are finite."""
    found = []
    if loss is not None:
        found += diagnosis_step.loss_findings(loss, step, model._ready_objective(len(step.outputs)).names)
        found += (one for facts in recurrent for one in time_findings(facts))
    return found if origin is not None else [*found, *diagnosis_step.gradient_findings(weights)]


# --- the first number that is not finite -------------------------------------------------------------------------


def _origin(
    model: Any, of_data: Iterable[Finding], of_weights: Sequence[Origin], step: Step, runs: Sequence[LayerRun]
) -> Origin | None:
    """Blame in this order: data, weights, computation."""
    for finding in of_data:
        if finding.kind == "data_not_finite":
            index = finding.facts["index"]
            return Origin(
                "data", finding.where, step=index[1] if len(index) > 2 else None, sample=index[0],
                unit=index[-1] if len(index) > 1 else None, index=index, value=finding.facts["value"],
                count=finding.facts["count"],
            )  # fmt: skip
    if of_weights:
        return of_weights[0]
    origin = diagnosis_step.first_in_step(step, model)
    if origin is None or origin.stage != "forward":
        return origin
    paths = {id(layer): path for layer, path in layer_paths(model).values()}
    for run in runs:
        if paths.get(id(run.layer)) == origin.layer and (found := _in_time(run)) is not None:
            gate, index, value, count = found
            return replace(
                origin, gate=gate, step=index[1], sample=index[0], unit=index[-1], index=index, value=value, count=count
            )
    return origin


def _in_time(run: LayerRun) -> tuple[str, tuple[int, ...], str, int] | None:
    """(gate, (sample, step, ..., unit), value, count) of the first step of a layer that is not finite."""
    for cell in run.cells:
        found = []
        for order, (name, values) in enumerate(traced_cells.arrays_of(cell).items()):
            bad = ~np.isfinite(values)
            if cell.mask is not None:
                bad &= cell.mask.reshape(*cell.mask.shape, *[1] * (values.ndim - 2))
            if bad.any():
                t = int(np.argmax(bad.any(axis=tuple(k for k in range(values.ndim) if k != 1))))
                found.append((t, order, name, values, bad))
        if found:
            t, _, name, values, bad = min(found, key=lambda one: one[:2])
            first = np.argwhere(bad[:, t])[0].tolist()
            index = (first[0], t, *first[1:])
            return name, index, str(float(values[index])), int(bad.sum())
    return None


def _of_origin(origin: Origin | None, of_weights: Sequence[Origin]) -> list[Finding]:
    """The findings that say where numbers are not finite; those in the data are told already."""
    found = [Finding("weight_not_finite", "error", one.where, plain(one)) for one in of_weights]
    if origin is not None and origin.stage not in ("data", "weight"):
        found.append(Finding(f"{origin.stage}_not_finite", "error", origin.where, plain(origin)))
    return found


# --- recurrent layers --------------------------------------------------------------------------------------------


def recurrent_facts(model: Any, runs: Sequence[LayerRun]) -> tuple[RecurrentFacts, ...]:
    """Each recurrent layer at work, one entry a cell."""
    paths = {id(layer): path for layer, path in layer_paths(model).values()}
    found: dict[str, RecurrentFacts] = {}
    for run in runs:
        for cell in run.cells:
            path = "/".join([str(paths.get(id(run.layer), run.layer.name)), *(str(k) for k in cell.place)])
            if path in found:
                continue
            arrays = traced_cells.arrays_of(cell)
            gradient = state_gradient(cell)
            found[path] = RecurrentFacts(
                path,
                type(run.layer).__name__,
                int(getattr(cell.cell, "units", arrays["h"].shape[-1] if "h" in arrays else 0)),
                None if gradient is None else step_gradients(gradient),
                diagnosis_units.gates_of_cell(cell.cell, arrays, cell.mask),
                () if cell.place else diagnosis_units.matrices_of(run.layer, diagnosis_step.gate_symbols(run.layer)),
            )
    return tuple(found.values())


def state_gradient(run: CellRun) -> np.ndarray | None:
    """d loss / d h, (N, T, ...), in the direction of the run; None where nothing came back."""
    if run.received is None:
        return None
    with np.errstate(all="ignore"):
        if traced_cells.family(run.cell) is not None:
            return traced_gradients.state_gradients(run)[0]
        found = traced_gradients.gradients_of(run)
    of_state = found.get("d_h", found.get("d_state_0"))
    if of_state is not None and np.array_equal(run.outputs, run.tape[0], equal_nan=True):
        return of_state + found["d_output"]  # the output of a user's cell that is its first state
    return of_state

"""A diagnosis in words: what was found, what to try, and the numbers behind it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gatewise.explain.diagnosis_facts import RecurrentFacts, StepGradients
from gatewise.explain.diagnosis_phrases import advice_text, finding_text, gate_name, number, origin_text, percent
from gatewise.explain.document import Block, Formulas, Paragraph, Points, Section, Table
from gatewise.explain.language import Words, words_in

if TYPE_CHECKING:
    from gatewise.explain.diagnosis import Diagnosis

_SHOWN_STEPS = 6


def sections_of(diagnosis: Diagnosis) -> tuple[Section, ...]:
    """The diagnosis in its language."""
    words = words_in(diagnosis.lang)
    found = [_headline(diagnosis, words), *_findings(diagnosis, words), *_advice(diagnosis, words)]
    if diagnosis.origin is None or diagnosis.origin.stage in ("slope", "gradient", "update"):
        found += [*_loss(diagnosis, words), *_gradients(diagnosis, words), *_time(diagnosis, words)]
        found += _gates(diagnosis, words)
    return (*found, *_kernels(diagnosis, words))


def _headline(diagnosis: Diagnosis, words: Words) -> Section:
    _ = words._
    blocks: list[Block] = []
    if diagnosis.origin is not None:
        blocks.append(Paragraph(origin_text(diagnosis.origin, words)))
    elif diagnosis.ok:
        blocks.append(Paragraph(_("All is well: every number is finite, gradients arrive at all layers, units work.")))
    else:
        blocks.append(Paragraph(_("Every number is finite. What follows is likely to keep the model from learning.")))
    text = _("{n} of {of} samples were run forwards and backwards once; the model is as it was.")
    blocks.append(Paragraph(text.format(n=diagnosis.samples, of=diagnosis.of)))
    return Section(_("Diagnosis of {model}").format(model=diagnosis.model), tuple(blocks), 1)


def _findings(diagnosis: Diagnosis, words: Words) -> Iterator[Section]:
    _ = words._
    marks = {"error": _("error"), "warning": _("warning"), "note": _("note")}
    first = None if diagnosis.origin is None else origin_text(diagnosis.origin, words)  # the headline has it already
    texts = [(finding.severity, finding_text(finding, words)) for finding in diagnosis.findings]
    told = tuple(f"[{marks[severity]}] {text}" for severity, text in texts if text != first)
    if told:
        yield Section(_("What was found"), (Points(told),))


def _advice(diagnosis: Diagnosis, words: Words) -> Iterator[Section]:
    if diagnosis.advice:
        blocks: list[Block] = []
        for k, advice in enumerate(diagnosis.advice):
            blocks += [Paragraph(f"{k + 1}. {advice_text(advice, words)}"), Formulas((advice.code,))]
        yield Section(words._("What to try"), tuple(blocks))


def _loss(diagnosis: Diagnosis, words: Words) -> Iterator[Section]:
    _, loss = words._, diagnosis.loss
    if loss is None:
        return
    rows = [(name, number(value), number(loss.trivial.get(name, ""))) for name, value in loss.parts.items()]
    if loss.penalties:
        rows.append((_("penalties"), number(loss.penalties), ""))
    if len(rows) > 1:
        rows.append((_("total"), number(loss.value), ""))
    header = (_("output"), _("loss"), _("with the same answer for all"))
    yield Section(_("Loss"), (Table(header, tuple(rows), right=(1, 2), total=len(rows) > 1),))


def _gradients(diagnosis: Diagnosis, words: Words) -> Iterator[Section]:
    _ = words._
    if not diagnosis.weights:
        return
    header = (_("weight"), _("norm"), _("gradient's norm"), _("next change / norm"))
    rows = tuple(
        (one.path, number(one.norm), number(one.gradient_norm), number(one.update_ratio) if one.norm else "")
        for one in diagnosis.weights
    )
    yield Section(_("Gradients by weight"), (Table(header, rows, right=(1, 2, 3)),))


def _time(diagnosis: Diagnosis, words: Words) -> Iterator[Section]:
    _ = words._
    layers = [(one, one.gradients) for one in diagnosis.recurrent if one.gradients and one.gradients.verdict != "none"]
    if not layers:
        return
    blocks: list[Block] = [Paragraph(_("The norm of the gradient of h[t], in the order in which the layer reads."))]
    for one, gradients in layers:
        assert gradients is not None
        blocks += [Paragraph(_verdict(one, gradients, words)), Formulas((_norms(gradients),))]
    yield Section(_("Gradients by time step"), tuple(blocks))


def _verdict(facts: RecurrentFacts, gradients: StepGradients, words: Words) -> str:
    _ = words._
    verdict = {"ok": _("in order"), "vanishing": _("vanishing"), "exploding": _("exploding")}[gradients.verdict]
    text = _("{layer}: {verdict}; first to last step {ratio}, times {per_step} for each step back.").format(
        layer=facts.path, verdict=verdict, ratio=number(gradients.ratio), per_step=number(gradients.per_step)
    )
    if gradients.reach is None:
        return text
    reach = _("More than a hundredth of it reaches {n} steps back.").format(n=gradients.reach)
    return words.joined(text, reach)


def _norms(gradients: StepGradients) -> str:
    """t=0: 0.1   t=5: 0.2 ...: a few steps, evenly spread."""
    last = len(gradients.norms) - 1
    steps = sorted({round(k * last / (_SHOWN_STEPS - 1)) for k in range(_SHOWN_STEPS)})
    return "   ".join(f"t={t}: {number(gradients.norms[t])}" for t in steps)


def _gates(diagnosis: Diagnosis, words: Words) -> Iterator[Section]:
    _, rows = words._, []
    for one in diagnosis.recurrent:
        for use in one.gates:
            shares = (percent(use.low), percent(use.high)) if math.isfinite(use.limits[0]) else ("", "")
            rows.append((one.path, gate_name(use.symbol, words), number(use.mean), *shares))
    if rows:
        header = (_("layer"), _("gate or state"), _("mean"), _("at the lower end"), _("at the upper end"))
        yield Section(_("Gates and states"), (Table(header, tuple(rows), right=(2, 3, 4)),))


def _kernels(diagnosis: Diagnosis, words: Words) -> Iterator[Section]:
    _ = words._
    rows = tuple(
        (one.path, gate_name(matrix.gate, words), number(matrix.radius), number(matrix.largest))
        for one in diagnosis.recurrent
        for matrix in one.matrices
    )
    if rows:
        header = (_("layer"), _("part"), _("spectral radius"), _("largest singular value"))
        yield Section(_("Recurrent kernels"), (Table(header, rows, right=(2, 3)),))

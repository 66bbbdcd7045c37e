"""How the gradient of a recurrent layer's state changes from the last step back to the first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatewise.explain.diagnosis_facts import Finding, RecurrentFacts, StepGradients

VANISHING, EXPLODING = 1e-6, 1e3
"""Norm at the first step over norm at the last; what is below is lost in the rounding of a float32 sum."""
_REACHED = 0.01  # of the largest norm: what is below counts as not reached


def step_gradients(d_h: np.ndarray) -> StepGradients:
    """What there is to say about d loss / d h, (N, T, H) in the direction of the run."""
    flat = np.asarray(d_h, np.float64).swapaxes(0, 1).reshape(d_h.shape[1], -1)
    with np.errstate(all="ignore"):
        norms = np.sqrt(np.square(flat).sum(axis=1))
    return of_norms(norms)


def of_norms(norms: np.ndarray) -> StepGradients:
    """The same from the norm at each step."""
    told = tuple(float(n) for n in norms)
    known = np.flatnonzero((norms > 0) & np.isfinite(norms))
    if len(known) < 1 or len(norms) < 2 or known[-1] == 0:
        return StepGradients(told, 0, max(len(norms) - 1, 0), math.nan, math.nan, None, "none")
    first, last = int(known[0]), int(known[-1])
    ratio = float(norms[0] / norms[last])
    per_step = float((norms[first] / norms[last]) ** (1 / (last - first))) if last > first else 0.0
    largest = float(np.nanmax(np.where(np.isfinite(norms), norms, np.nan)))
    small = np.flatnonzero(norms[: last + 1] < _REACHED * largest)
    # Seen from the last step: how far back until it stays no longer above a hundredth.
    reach = last - int(small[-1]) if len(small) and small[-1] < last else None
    verdict = "vanishing" if ratio < VANISHING else "exploding" if not ratio <= EXPLODING else "ok"
    return StepGradients(told, first, last, ratio, per_step, reach, verdict)


def time_findings(facts: RecurrentFacts) -> list[Finding]:
    """Whether the gradient vanishes or explodes on its way back through time."""
    g = facts.gradients
    if g is None or g.verdict in ("ok", "none"):
        return []
    kind = {"vanishing": "gradient_vanishes", "exploding": "gradient_explodes"}[g.verdict]
    told: dict[str, Any] = {
        "steps": g.last + 1, "first": g.norms[0], "last": g.norms[g.last], "ratio": g.ratio, "per_step": g.per_step,
        "reach": g.reach, "cls": facts.cls,
    }  # fmt: skip
    return [Finding(kind, "warning", facts.path, told)]

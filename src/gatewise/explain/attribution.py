"""`gatewise.attribute`: which steps and features an output comes from.

    integrated gradients   (x - x0) times the mean of dy/dx along the straight line from the baseline x0 to x
    gradient times input   (x - x0) dy/dx at x

The first adds up to y(x) - y(x0) exactly but for the error of the mean, which is taken by Gauss-Legendre quadrature and
told (completeness).  Sundararajan, Taly & Yan 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import suggest, validation
from gatewise.arguments import describe
from gatewise.explain.attribution_run import ROWS_AT_ONCE, Place, Rows, Run, mean_slopes
from gatewise.explain.attribution_target import target_of
from gatewise.explain.tracing import left_as_it_is
from gatewise.model import Model
from gatewise.stored import Stored

METHODS = ("integrated_gradients", "gradient_times_input")
_FIRST_POINTS, _MOST_POINTS = 8, 512


@dataclass(frozen=True, eq=False)
class Attribution:
    """What each number of the input adds to an output.

    Attributes:
        values: one array for each input, shaped like it; of the Embedding's output (N, T, D) where tokens went in.
        names: the inputs' names.
        method: "integrated_gradients" or "gradient_times_input".
        target: which output, in words.
        outputs, baseline_outputs: (N,), the output for x, and for the baseline.
        points: how many gradients along the line were taken.
        sequences: for each input whether its axis 1 is time.
        classes: (N,), the class of each sample where each has one of its own; else None.
    """

    values: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    method: str
    target: str
    outputs: np.ndarray
    baseline_outputs: np.ndarray
    points: int
    sequences: tuple[bool, ...]
    classes: np.ndarray | None = None

    @property
    def gap(self) -> np.ndarray:
        """(N,): what all values add up to, less the difference of the outputs; 0 for a complete attribution."""
        return _totals(self.values) - (self.outputs - self.baseline_outputs)

    def by_step(self, which: int | str = 0) -> np.ndarray:
        """(N, T): the values of an input (its number or name) summed over all but samples and steps."""
        values = self.values[self._place(which, needs_time=True)]
        return values.reshape(*values.shape[:2], -1).sum(axis=-1)

    def by_feature(self, which: int | str = 0) -> np.ndarray:
        """(N, F): the values of an input summed over its steps."""
        k = self._place(which)
        return self.values[k].sum(axis=1) if self.sequences[k] else self.values[k]

    def to_dataframe(self) -> Any:
        """A pandas table: input, sample, step (where there is time), feature, value.

        Raises:
            ModuleNotFoundError: without pandas.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            raise ModuleNotFoundError("to_dataframe() needs pandas: pip install pandas") from None
        tables = []
        for name, values, timed in zip(self.names, self.values, self.sequences, strict=True):
            flat = values.reshape(*values.shape[: 1 + timed], -1)
            places = np.indices(flat.shape).reshape(flat.ndim, -1)
            axes = dict(zip(("sample", "step", "feature") if timed else ("sample", "feature"), places, strict=True))
            tables.append(pandas.DataFrame({"input": name, **axes, "value": flat.reshape(-1)}))
        return pandas.concat(tables, ignore_index=True)

    def _place(self, which: int | str, needs_time: bool = False) -> int:
        if isinstance(which, str):
            if which not in self.names:
                raise ValueError(f"There is no input {which!r}; the inputs are {', '.join(self.names)}.")
            which = self.names.index(which)
        if needs_time and not self.sequences[which]:
            raise ValueError(f"Input '{self.names[which]}' has no time steps; use by_feature().")
        return which

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {v.shape}" for name, v in zip(self.names, self.values, strict=True))
        return (
            f"<Attribution of {self.target} by {self.method}: {shapes}; largest gap "
            f"{np.abs(self.gap).max(initial=0.0):.2g} of differences up to "
            f"{np.abs(self.outputs - self.baseline_outputs).max(initial=0.0):.3g}>"
        )


def attribute(
    model: Any,
    x: Any,
    target: Any = None,
    method: str = "integrated_gradients",
    baseline: Any = None,
    points: int | None = None,
    tolerance: float = 1e-3,
) -> Attribution:
    """What each step and feature of x adds to an output of a model, as it predicts.

    Args:
        model: a model.
        x: as for `predict`.  Tokens are attributed behind their `Embedding`, padding behind its `Masking`; what these
            mask for x is masked for the baseline too.
        target: which number of the output: an index into its last axes, as 2, or (-1, 0) for step and class; for a
            model with several outputs (name, index); a function of the outputs that returns a number for each sample
            (through `gatewise.ops`); one integer a sample in an array, the class of each; default the only number, or
            the class that the model finds likeliest.
        method: "integrated_gradients", or "gradient_times_input".
        baseline: what x is compared with, broadcast to it, one for each input; default zeros.
        points: gradients taken along the line; default so many (8, 16, ... at most 512) that the gap is below
            `tolerance` of the difference of the outputs, or of 1e-3 of the largest output where that is greater.

    Raises:
        TypeError: for something that is not a model.
        ValueError: for a target that is not there, an unknown method, a baseline that does not fit.
    """
    if not isinstance(model, Model):
        hint = f" Write {model.__name__}(...)." if isinstance(model, type) else ""
        raise TypeError(f"attribute() takes a model; got {describe(model)}.{hint}")
    if method not in METHODS:
        raise ValueError(f"attribute(): {suggest.unknown('method', method, METHODS)}")
    if not (isinstance(tolerance, int | float | np.number) and tolerance > 0):
        raise ValueError(f"attribute(): tolerance is a number above 0; got {tolerance!r}.")
    if points is not None:
        points = validation.positive_integer(points, "points", "attribute")
    run = _run_of(model, x)
    with left_as_it_is(model):
        rows = run.record(0, run.samples if run.is_stateful else 1)
        names = _input_names(model, len(run.x))
        outputs = model.__dict__.get("output_names") or [f"output_{k}" for k in range(len(rows.outputs))]
        run.target = target_of(target, rows.outputs, outputs, model._nested, run.samples)
        run.find_places(names, rows)
        begins = _baselines(baseline, run, rows)
        size = run.samples if run.is_stateful else ROWS_AT_ONCE
        found = [
            _of_rows(run, run.record(start, start + size), begins, method, points, float(tolerance))
            for start in range(0, run.samples, size)
        ]
    values = tuple(np.concatenate(parts) for parts in zip(*(part.values for part in found), strict=True))
    return Attribution(
        values,
        tuple(place.name for place in run.places),
        method,
        run.target.text,
        np.concatenate([part.outputs for part in found]),
        np.concatenate([part.baseline_outputs for part in found]),
        max(part.points for part in found),
        tuple(v.ndim > 2 for v in values),
        None if found[0].classes is None else np.concatenate([np.asarray(part.classes) for part in found]),
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """What was found for some of the samples."""

    values: list[np.ndarray]
    outputs: np.ndarray
    baseline_outputs: np.ndarray
    points: int
    classes: np.ndarray | None


def _of_rows(
    run: Run, rows: Rows, begins: list[np.ndarray], method: str, points: int | None, tolerance: float
) -> _Part:
    ends, chosen = run.points_of(rows), run.target.chosen(rows.outputs, rows.place)
    starts = [_cut(begin, rows, place) for begin, place in zip(begins, run.places, strict=True)]
    ways = [end - start for end, start in zip(ends, starts, strict=True)]
    at_baseline, _ = run.at(rows, starts, 1, chosen, with_slopes=False)
    outputs, slopes = run.at(rows, ends, 1, chosen, with_slopes=method == "gradient_times_input")
    if slopes:
        return _Part(_by_sample(run, slopes, ways, len(rows)), outputs, at_baseline, 1, chosen)
    difference = outputs - at_baseline
    allowed = tolerance * np.maximum(np.abs(difference), 1e-3 * np.abs(outputs).max())
    n = points or _FIRST_POINTS
    while True:
        values = _by_sample(run, mean_slopes(run, rows, starts, ways, chosen, n), ways, len(rows))
        gap = np.abs(_totals(values) - difference)
        if points is not None or n >= _MOST_POINTS or (gap <= allowed).all():
            return _Part(values, outputs, at_baseline, n, chosen)
        n *= 2


def _by_sample(run: Run, slopes: list[np.ndarray], ways: list[np.ndarray], n: int) -> list[np.ndarray]:
    """Slopes times what changed; 0 where nothing flows, whatever stands there, as in padding."""
    found = []
    for place, slope, way in zip(run.places, slopes, ways, strict=True):
        product = np.zeros_like(way)
        np.multiply(way, slope, out=product, where=slope != 0, casting="same_kind")
        found.append(product if place.rows == 1 else product.reshape(n, place.rows, *product.shape[1:]))
    return found


def _totals(values: Sequence[np.ndarray]) -> np.ndarray:
    """(N,): all values of each sample added up."""
    return np.sum([v.reshape(len(v), -1).sum(axis=1, dtype=np.float64) for v in values], axis=0)


def _run_of(model: Model, x: Any) -> Run:
    """The model, built, with x as flat arrays."""
    batch = model._checked_batch(x, None, None, None)
    if batch.is_ragged:
        batch = model._padded_batch(batch)
    arrays = [leaf[:] if isinstance(leaf, Stored) else leaf for leaf in batch.x]
    model.check_inputs([leaf.shape for leaf in arrays])
    dtype = model._data_types()[0]
    types = [getattr(tensor, "dtype", dtype) for tensor in getattr(model, "inputs", None) or [None] * len(arrays)]
    if isinstance(getattr(model, "inputs", None), list):
        arrays = [
            a.astype(wanted) if wanted.startswith("float") and a.dtype.kind in "iub" else a
            for a, wanted in zip(arrays, types, strict=True)
        ]
    return Run(model, arrays, batch.mask, batch.structure)


def _input_names(model: Any, n: int) -> list[str]:
    names: list[str] = list(getattr(model, "input_names", ()))
    return names if len(names) == n else [f"input_{k}" for k in range(n)]


def _baselines(given: Any, run: Run, rows: Rows) -> list[np.ndarray]:
    """For each place what its input is compared with, broadcast to all samples.

    Raises:
        ValueError: if their number, names or shapes do not fit.
    """
    names, points = [place.name for place in run.places], run.points_of(rows)
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise ValueError(f"attribute(): baseline: {suggest.unknown('input', name, names)}")
        chosen = [given.get(name) for name in names]
    elif len(names) > 1 and given is not None:
        if not isinstance(given, list | tuple) or len(given) != len(names):
            raise ValueError(
                f"attribute(): baseline is a list of {len(names)} arrays, or a dictionary, for "
                f"{', '.join(names)}; got {describe(given)}."
            )
        chosen = list(given)
    else:
        chosen = [given] * len(names)
    found = []
    for place, point, value in zip(run.places, points, chosen, strict=True):
        wanted = (run.samples * place.rows, *point.shape[1:])
        array = np.asarray(0 if value is None else value)
        try:
            if array.dtype.kind not in "fiub":
                raise ValueError
            found.append(np.broadcast_to(array.astype(point.dtype), wanted))
        except ValueError:
            raise ValueError(
                f"attribute(): the baseline for '{place.name}' does not fit.\n"
                f"    expected: numbers that broadcast to {validation.drawn(wanted)}\n"
                f"    given:    {describe(value)}"
            ) from None
    return found


def _cut(baseline: np.ndarray, rows: Rows, place: Place) -> np.ndarray:
    """The baseline of these samples."""
    start = rows.place.start * place.rows
    return baseline[start : start + len(rows) * place.rows]

"""Running a model between baseline and input: outputs, and gradients of them alone.

Embeddings are passed by: in place of what they look up stand points between the baseline and the vectors of the tokens.
What they and Masking layers mask for the input is masked at every point.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.context import collected_losses, collected_metrics, loss_slopes
from gatewise.explain.attribution_target import Target
from gatewise.explain.tracing import left_as_it_is
from gatewise.layers import pinned

ROWS_AT_ONCE = 256


class _None:
    """Slopes of added losses: none of them counts."""

    def __getitem__(self, place: Any) -> float:
        return 0.0


@dataclass(frozen=True)
class Place:
    """Where attributions are made.

    Attributes:
        name: of the input, or of the Embedding.
        lookup: whether it is the output of an Embedding.
        number: of the input, or of the Embedding's call.
        rows: how many rows it has for a sample; 1 but behind a TimeDistributed.
    """

    name: str
    lookup: bool
    number: int
    rows: int = 1


@dataclass(frozen=True, eq=False)
class Rows:
    """Some samples: the model's inputs and mask, what was looked up, and where they are among all."""

    x: list
    mask: Any
    recording: pinned.Recording
    outputs: list
    place: slice

    def __len__(self) -> int:
        return len(self.x[0])


class Run:
    """A model as it predicts.

    Args:
        model: it is built.
        x, mask, structure: the flat inputs of all samples, their masks, and how they fold back.

    Attributes:
        target: what is explained; set once the outputs are known.
        places: where attributions are made.
        without_slope: the Embeddings to which the last way back brought nothing.
    """

    target: Target

    def __init__(self, model: Any, x: Sequence[Any], mask: Any, structure: Any) -> None:
        self.model, self.x, self.mask, self.structure = model, list(x), mask, structure
        self.is_stateful = any(getattr(layer, "stateful", False) for layer in model.with_sublayers())
        self.samples = len(self.x[0])
        self.places: list[Place] = []
        self.without_slope: set[Place] = set()

    def _differentiated(self, x: list, mask: Any) -> tuple[list, Any]:
        """The flat outputs, and a pullback that leaves out the losses which layers add."""
        with collected_losses(), collected_metrics():
            outputs, pullback = self.model.differentiate(x, mask, False, self.structure)
        single = not isinstance(outputs, list | tuple | dict)

        def back(slopes: list) -> tuple:
            with loss_slopes(_None()):  # type: ignore[arg-type]
                return pullback(slopes[0] if single else slopes, True)[0]

        return list(tree.leaves(outputs)), back

    def _kept(self) -> Any:
        return left_as_it_is(self.model) if self.is_stateful else nullcontext()

    def record(self, start: int, stop: int) -> Rows:
        """Run these samples as they are, and keep what was looked up and masked."""
        cut = slice(start, stop)
        x, mask = [array[cut] for array in self.x], _map_masks(lambda m: m[cut], self.mask)
        recording = pinned.Recording()
        with self._kept(), pinned.taping(recording):
            outputs, _ = self._differentiated(x, mask)
        return Rows(x, mask, recording, outputs, cut)

    def find_places(self, names: Sequence[str], first: Rows) -> None:
        """Say where attributions are made: at inputs of floats, and behind the Embeddings of the others.

        Raises:
            ValueError: if there is no such place.
        """
        inputs = [Place(name, False, k) for k, name in enumerate(names) if self.x[k].dtype.kind == "f"]
        lookups = self._lookups_by_sample(first)
        self.places = [*inputs, *lookups]
        if lookups:
            first = self._reaching(first)
            slopes = self.at(first, self.points_of(first), 1, self.target.chosen(first.outputs, first.place))[1]
            only_tokens = [
                not place.lookup and _only_tokens(first.x[place.number], slope)
                for place, slope in zip(self.places, slopes, strict=True)
            ]
            self.places = [place for place, is_left in zip(self.places, only_tokens, strict=True) if not is_left]
        if not self.places:
            raise ValueError(
                f"attribute(): the inputs of the model '{self.model.name}' hold no floats, and no Embedding reads "
                "them: there is no gradient to follow."
            )

    def _reaching(self, first: Rows) -> Rows:
        """The first rows, so that gradients reach the Embeddings, of which automatic differentiation passes frozen ones
        by that read integers: it follows floats, so those of a user's `call` are given as such.

        Raises:
            ValueError: if an Embedding that the target depends on is still not reached.
        """
        lost = self._unreached(first)
        if lost and self.model._uses_call:
            self.x = [a.astype(self.model.dtype) if a.dtype.kind in "iu" else a for a in self.x]
            first = self.record(first.place.start, first.place.stop)
            lost = self._unreached(first)
        if lost:
            raise ValueError(
                f"attribute(): no gradient comes back to the Embedding '{lost[0].name}', which is frozen inside a "
                "`call`. Set its trainable = True, or give the model its tokens as floats."
            )
        return first

    def _unreached(self, first: Rows) -> list[Place]:
        """The frozen Embeddings to which no gradient came although the target changes with what they put out."""
        chosen, points = self.target.chosen(first.outputs, first.place), self.points_of(first)
        values, _ = self.at(first, points, 1, chosen)
        lost = []
        for k in [k for k, place in enumerate(self.places) if place in self.without_slope]:
            others = [np.zeros_like(p) if j == k else p for j, p in enumerate(points)]
            if (self.at(first, others, 1, chosen, with_slopes=False)[0] != values).any():
                lost.append(self.places[k])
        return lost

    def _lookups_by_sample(self, first: Rows) -> list[Place]:
        """The calls of Embeddings whose output has rows for each sample; positions, say, are the same for all."""
        found, seen = [], {}
        once = [lookup.vectors.shape[0] for lookup in first.recording.lookups]
        twice = [2 * size for size in once]
        n = len(first)
        if once and not self.is_stateful:
            doubled = Run(self.model, [_again(x, 2) for x in first.x], _again_masks(first.mask, 2), self.structure)
            twice = [lookup.vectors.shape[0] for lookup in doubled.record(0, 2 * n).recording.lookups]
        for k, (lookup, small, large) in enumerate(zip(first.recording.lookups, once, twice, strict=True)):
            name = lookup.layer.name
            seen[name] = number = seen.get(name, 0) + 1
            if large == 2 * small and small % n == 0:
                found.append(Place(name if number == 1 else f"{name} ({number})", True, k, small // n))
        return found

    def points_of(self, rows: Rows) -> list[np.ndarray]:
        """What the samples have at each place."""
        return [rows.recording.lookups[p.number].vectors if p.lookup else rows.x[p.number] for p in self.places]

    def at(
        self, rows: Rows, points: Sequence[np.ndarray], copies: int, chosen: Any, with_slopes: bool = True
    ) -> tuple[np.ndarray, list]:
        """The target's values at points, and its slopes there (an empty list without `with_slopes`).

        Args:
            rows: the samples whose tokens and masks hold.
            points: for each place the numbers there, those of all samples `copies` times in a row.
            chosen: the class of each sample, or None.
        """
        x = [_again(array, copies) for array in rows.x]
        vectors: list[Any] = [None] * len(rows.recording.lookups)
        for place, values in zip(self.places, points, strict=True):
            (vectors if place.lookup else x)[place.number] = values
        replay = pinned.Replay(rows.recording, vectors)
        with self._kept(), pinned.taping(replay):
            outputs, back = self._differentiated(x, _again_masks(rows.mask, copies))
            found, slopes = self.target.values(outputs, None if chosen is None else _again(chosen, copies))
            came = back(slopes) if with_slopes else ()
        if not with_slopes:
            return np.asarray(found, np.float64), []
        of_places = [(replay.slopes if place.lookup else came)[place.number] for place in self.places]
        self.without_slope = {p for p, s in zip(self.places, of_places, strict=True) if p.lookup and s is None}
        filled = [np.zeros_like(p) if s is None else s for p, s in zip(points, of_places, strict=True)]
        return np.asarray(found, np.float64), filled

    def copies(self, rows: Rows) -> int:
        """How many points may run at once."""
        return 1 if self.is_stateful else max(1, ROWS_AT_ONCE // len(rows))


def mean_slopes(
    run: Run, rows: Rows, begin: Sequence[np.ndarray], ways: Sequence[np.ndarray], chosen: Any, n: int
) -> list[np.ndarray]:
    """The mean of the slopes along the line from `begin` on, by Gauss-Legendre quadrature with n points, in float64."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    nodes, weights = (nodes + 1) / 2, weights / 2
    totals = [np.zeros(way.shape) for way in ways]
    every = run.copies(rows)
    for start in range(0, n, every):
        some = nodes[start : start + every]
        points = [
            np.concatenate([a + way.dtype.type(s) * way for s in some]) for a, way in zip(begin, ways, strict=True)
        ]
        _, slopes = run.at(rows, points, len(some), chosen)
        for total, slope in zip(totals, slopes, strict=True):
            parts = slope.reshape(len(some), *total.shape)
            total += np.tensordot(weights[start : start + every], parts.astype(np.float64), 1)
    return totals


def _only_tokens(x: np.ndarray, slope: np.ndarray) -> bool:
    """Whether an input of floats holds whole numbers and nothing flows back to it: an Embedding reads it."""
    return bool(not slope.any() and (x == np.floor(x)).all())


def _again(array: np.ndarray, copies: int) -> np.ndarray:
    return array if copies == 1 else np.concatenate([array] * copies)


def _map_masks(function: Any, mask: Any) -> Any:
    return tree.map_leaves(lambda m: None if m is None else function(m), mask)


def _again_masks(mask: Any, copies: int) -> Any:
    return _map_masks(lambda m: _again(np.asarray(m), copies), mask)

"""What a picture of a trace shows: one layer's arrays as (N, T, units), which of them lie between 0 and 1, the mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewise.explain.language import Words
from gatewise.explain.trace_data import LayerTrace

_ORDER = ("i", "f", "z", "r", "g", "o", "c", "h")
CANDIDATE = "g"


@dataclass(frozen=True)
class TraceFacts:
    """One layer's trace, and the sample that is shown where one is."""

    trace: LayerTrace
    sample: int
    words: Words

    @property
    def variables(self) -> tuple[str, ...]:
        """Gates, candidate and states, in the order in which they act; a user's cell has its states only."""
        known = tuple(name for name in _ORDER if name in self.trace)
        return known or tuple(name for name in self.trace if name.startswith("state_")) or ("output",)

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates and the candidate."""
        return tuple(name for name in self.variables if name in self.trace.gates or name == CANDIDATE)

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(name for name in self.variables if name not in self.gates)

    @property
    def steps(self) -> int:
        return self.trace[self.variables[0]].shape[1]

    @property
    def samples(self) -> int:
        return self.trace[self.variables[0]].shape[0]

    def values(self, variable: str) -> np.ndarray:
        """(N, T, units); the mean over the places of an image."""
        found = np.asarray(self.trace[variable])
        if found.ndim > 3:
            found = found.mean(tuple(range(2, found.ndim - 1)))
        return found

    @property
    def is_spatial(self) -> bool:
        return any(self.trace[name].ndim > 3 for name in self.variables)

    def is_share(self, variable: str) -> bool:
        """Whether the values are a gate's, between 0 and 1."""
        values = self.trace[variable]
        return variable in self.gates and variable != CANDIDATE and values.min() >= 0 and values.max() <= 1

    @property
    def masked(self) -> np.ndarray | None:
        """(T,), True where the shown sample's step is masked; None if none is."""
        mask = self.trace.mask
        if mask is None or bool(mask[self.sample].all()):
            return None
        return ~np.asarray(mask[self.sample], bool)

    def counting(self, variable: str) -> np.ndarray:
        """All values of a variable at steps that count, flat."""
        values, mask = self.trace[variable], self.trace.mask
        return values.ravel() if mask is None else values[np.asarray(mask, bool)].ravel()


def stretches(masked: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], masked, [False]]).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]

"""What chance decides when a cell runs over sequences: drawn once for a run, so that a part of it can run again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gatewise import random
from gatewise.layer import Layer
from gatewise.random import SeedGenerator


class Chance(NamedTuple):
    """What dropout and zoneout do in one run over (N, T, ...), each None where chance decides nothing.

    Attributes:
        x_dropout, h_dropout: what x and the output are multiplied by at every step, (N, ...).
        keep_c, keep_h: where zoneout keeps the cell and the output, (N, T, ...) bool.
        inside: of each of the cells of a stack.
    """

    x_dropout: Any = None
    h_dropout: Any = None
    keep_c: Any = None
    keep_h: Any = None
    inside: tuple[Any, ...] = ()

    @property
    def is_none(self) -> bool:
        """True if chance decides nothing for the cell itself."""
        return self.x_dropout is None and self.h_dropout is None and self.keep_c is None and self.keep_h is None

    @property
    def drops(self) -> tuple[Any, Any]:
        """What dropout multiplies by."""
        return self.x_dropout, self.h_dropout

    def multipliers(self, dtype: Any) -> tuple[Any, Any, Any, Any]:
        """The four as the kernels take them."""
        kept = [None if keep is None else keep.astype(dtype) for keep in (self.keep_c, self.keep_h)]
        return self.x_dropout, self.h_dropout, kept[0], kept[1]

    def of_steps(self, steps: slice) -> Chance:
        """The same for some of the steps."""
        kept = [None if keep is None else keep[:, steps] for keep in (self.keep_c, self.keep_h)]
        inside = tuple([one.of_steps(steps) for one in self.inside])
        return Chance(self.x_dropout, self.h_dropout, kept[0], kept[1], inside)


def seed_generators(layer: Layer) -> list[SeedGenerator]:
    """Those that a layer and the layers inside it hold, each once, in an order that is the same in each process."""
    found: dict[int, SeedGenerator] = {}
    for one in layer.with_sublayers():
        for value in vars(one).values():
            held = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
            found.update((id(item), item) for item in held if isinstance(item, SeedGenerator))
    return list(found.values())


class Draws:
    """What a user's cell draws within a block, so that it can be drawn again.

    Args:
        generators: the seed generators that it may draw from; the streams of the global seed are always among them.
    """

    def __init__(self, generators: Sequence[SeedGenerator]) -> None:
        self._sources: list[Any] = [random, *generators]
        self._moved: list[tuple[Any, tuple[int, int]]] = []

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """The block whose draws are to be repeated."""
        before = [source.state() for source in self._sources]
        yield
        # Only what was drawn from is put back later: a cell without chance disturbs no other thread.
        pairs = zip(self._sources, before, strict=True)
        self._moved = [(source, position) for source, position in pairs if source.state() != position]

    @contextlib.contextmanager
    def repeated(self) -> Iterator[None]:
        """A block that draws the same; afterwards everything goes on as if it had drawn nothing."""
        now = [(source, source.state()) for source, _ in self._moved]
        for source, position in self._moved:
            source.set_state(position)
        try:
            yield
        finally:
            for source, position in now:
                source.set_state(position)

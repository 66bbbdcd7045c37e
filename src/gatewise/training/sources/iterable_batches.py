"""Batches that somebody else makes: generators, loaders, datasets with a number for each batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from gatewise import random
from gatewise.arguments import is_array
from gatewise.training.data import Batch, warn_of_end
from gatewise.training.sources.closing import Closing
from gatewise.training.sources.given import is_one_value
from gatewise.training.sources.workers import made_ahead


class IterableBatches(Closing):
    """Batches that somebody else makes: (x,), (x, y) or (x, y, sample_weight), each possibly nested.

    Args:
        source: an iterable, a generator, or an object with `__getitem__` and `__len__` (or `num_batches`).
        flatten: turns a batch's x, y and weights into a `Batch`.
        warn: warns of what is not finite in a batch, and returns whether there was any.
        steps: batches in an epoch; None: until the source ends.
        shuffle: take the batches of an indexed source in another order in each epoch.

    Raises:
        ValueError: for a source known to be endless, without steps.
        TypeError: for a source of single samples.
    """

    def __init__(
        self,
        source: Any,
        flatten: Callable[[Any, Any, Any], Batch],
        warn: Callable[[Batch], bool],
        steps: int | None,
        shuffle: bool | str = False,
    ) -> None:
        _refuse_what_has_no_batches(source)
        self._source, self._flatten, self._warn = source, flatten, warn
        self._indexed = _is_indexed(source)
        self._in_a_pass = _length(source)
        if steps is None and self._in_a_pass is None and _is_endless(source, self._indexed):
            raise ValueError(
                f"The data, of type {type(source).__name__}, have no end: say how many batches an epoch has, as "
                "steps_per_epoch=100 in fit, validation_steps for validation_data, steps in evaluate and predict."
            )
        self._shuffle = bool(shuffle) and self._indexed and self._in_a_pass is not None
        self._workers, self._ahead = _workers_of(source) if self._indexed else (0, 0)
        self._running: _Returnable | None = None
        self._order: Sequence[int] | None = None
        self._taken = 0
        self._drawn = 0
        self._stream: Sequence[int] = ()
        self._warned = False
        self._limit = steps
        self.steps = self._in_a_pass if steps is None else steps

    def from_start(self) -> Iterator[Batch]:
        """The batches of an epoch that begins at the source's beginning, if it has one to go back to."""
        self._running = None
        return self.epoch()

    def position(self) -> dict[str, Any] | None:
        """How far the source has been read, for `resume`; None between two passes."""
        return None if self._running is None else {"stream": self._stream, "done": self._taken}

    def resume(self, position: dict[str, Any] | None) -> None:
        """Go on at a position that was read from batches of the same source, whose items up to there are skipped."""
        self._running = None
        if position is not None:
            with random.replayed(position["stream"]):
                self._begin_pass(position["done"])

    def drawn(self) -> int:
        """How many batches were drawn in all from a source that has no beginning to go back to; 0 for others."""
        return 0 if self._can_begin_anew() else self._drawn

    def skip(self, batches: int) -> None:
        """Draw so many batches for nothing: those that were `drawn` before."""
        self._drawn = batches
        for _ in itertools.islice(iter(self._source), batches) if batches else ():
            pass

    def epoch(self, begun: int = 0) -> Iterator[Batch]:
        """The batches of one epoch; it goes on where the epoch before stopped.

        Args:
            begun: how many batches the epoch had before it was interrupted.
        """
        self._tell("on_epoch_begin")
        goes_on = self._running is not None
        if not goes_on and not begun:
            self._begin_pass()
        taken = begun
        is_over = begun and (begun == self._limit or not goes_on)
        with self._closed_at_the_end(() if is_over else self._items_of_epoch(begun, goes_on)) as items:
            for item in items:
                self._taken += 1
                self._drawn += 1
                if self._taken == self._in_a_pass and self._can_begin_anew():
                    self._running = None
                yield self._as_batch(item)
                item = None  # noqa: PLW2901  (let go of before the next one is made)
                taken += 1
                if taken == self._limit:
                    break
            else:
                if taken != self._limit:
                    self._running = None
                if taken and self._limit not in (None, taken):
                    warn_of_end(taken, self._limit)
        self._tell("on_epoch_end")
        self.steps = self.steps or taken or None

    def _begin_pass(self, skipped: int = 0) -> None:
        """Go to the source's beginning, or to the item after the first few."""
        self._taken, self._stream = skipped, random.state()
        if not self._indexed:
            self._running = _Returnable(itertools.islice(iter(self._source), skipped, None))
            return
        n = self._in_a_pass = _length(self._source)
        if self._limit is None:
            self.steps = n
        self._order = random.next_generator().permutation(n).tolist() if self._shuffle and n else None
        self._running = _Returnable(map(self._source.__getitem__, self._numbers(skipped)))

    def _numbers(self, first: int, end: int | None = None) -> Iterable[int]:
        """The numbers of the batches of this pass, from the one in place `first` to before place `end`."""
        n = self._in_a_pass
        if n is None:
            return itertools.count(first) if end is None else range(first, end)
        end = n if end is None else min(n, end)
        return range(first, end) if self._order is None else self._order[first:end]

    def _items_of_epoch(self, begun: int, goes_on: bool) -> Any:
        """What the source gives in this epoch, or longer; with workers made ahead, but not beyond the epoch."""
        if not self._workers:
            return self._anew_if_at_its_end() if goes_on and not begun else self._running
        end = None if self._limit is None else self._taken + self._limit - begun
        return made_ahead(self._source.__getitem__, self._numbers(self._taken, end), self._workers, self._ahead)

    def _anew_if_at_its_end(self) -> Any:
        """The rest of a pass; another pass where the epoch before took exactly all there was."""
        running: Any = self._running
        for item in running:
            running.give_back(item)
            break
        else:
            if self._can_begin_anew():
                self._begin_pass()
        return self._running

    def _can_begin_anew(self) -> bool:
        """Whether the source has a beginning to go back to; a generator has not."""
        return self._indexed or not hasattr(self._source, "__next__")

    def _tell(self, hook: str) -> None:
        if self._indexed and hasattr(self._source, hook):
            getattr(self._source, hook)()

    def _as_batch(self, item: Any) -> Batch:
        parts = list(item) if isinstance(item, list | tuple) else [item]
        if not 1 <= len(parts) <= 3:
            raise ValueError(
                f"A batch is x, (x, y) or (x, y, sample_weight); the data gave {len(parts)} items. Several inputs "
                "are a tuple of their own: ((a, b), y)."
            )
        try:
            batch = self._flatten(*parts, *[None] * (3 - len(parts)))
        except (TypeError, ValueError) as error:
            error.add_note(f"It came in batch {self._taken - 1} (counted from 0) of {type(self._source).__name__}.")
            if hasattr(self._source, "batch"):  # a dataset of tensorflow, or of gatewise.data
                error.add_note("If it gives single samples, put them in batches: dataset.batch(32).")
            raise
        if not self._warned:  # once is enough
            self._warned = self._warn(batch)
        return batch


def is_iterable_of_batches(x: Any) -> bool:
    """True for data that comes in batches of its own: neither an array nor a nesting of arrays or numbers."""
    if isinstance(x, type):
        return hasattr(x, "__getitem__") or hasattr(x, "__iter__")
    if isinstance(x, list | tuple | dict | str | bytes) or x is None or is_one_value(x) or is_array(x):
        return False
    if hasattr(x, "keys"):  # a collection of arrays by name: a file's group, an archive
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__next__") or _is_indexed(x)


def _is_indexed(source: Any) -> bool:
    """Whether a source gives its batches by number."""
    return hasattr(source, "__getitem__") and (hasattr(source, "__len__") or hasattr(source, "num_batches"))


def _length(source: Any) -> int | None:
    """How many batches a source has, where it knows."""
    if hasattr(source, "__len__"):
        try:
            return len(source)
        except TypeError:  # loaders of streams have a length that cannot be asked for
            return None
    return getattr(source, "num_batches", None)


def _is_endless(source: Any, indexed: bool) -> bool:
    """True for a source that says, or is known, to have no end."""
    if hasattr(source, "cardinality"):  # tensorflow's datasets: -1 is without end, -2 unknown
        return int(source.cardinality()) == -1
    return indexed or isinstance(source, itertools.cycle | itertools.count | itertools.repeat)


class _Returnable(Iterator[Any]):
    """An iterator that takes one item back, to give it once more."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self._returned: list[Any] = []

    def __next__(self) -> Any:
        return self._returned.pop() if self._returned else next(self._items)

    def give_back(self, item: Any) -> None:
        self._returned.append(item)


def _workers_of(source: Any) -> tuple[int, int]:
    """How many threads a dataset asks for, and how many batches they may make ahead; (0, 0) for none."""
    workers = getattr(source, "workers", 1) or 0
    if workers > 1 or (workers and getattr(source, "use_multiprocessing", False)):
        return workers, max(1, getattr(source, "max_queue_size", 10) or 1)
    return 0, 0


def _refuse_what_has_no_batches(source: Any) -> None:
    """Raise TypeError for a class in place of its object, and for a dataset of torch, which has samples."""
    if isinstance(source, type):
        raise TypeError(f"x is the class {source.__name__}; give an object of it: {source.__name__}(...).")
    names = [(cls.__module__, cls.__name__) for cls in type(source).__mro__]
    if any(module.startswith("torch.utils.data") and name == "Dataset" for module, name in names):
        raise TypeError(
            f"x is a {type(source).__name__}, which gives single samples; give it in batches: "
            "torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True)."
        )

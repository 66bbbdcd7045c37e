"""PyDataset: batches by number, as keras.utils.PyDataset and, of older versions, keras.utils.Sequence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gatewise.training.data import check_count


class PyDataset:
    """A dataset that makes its batches when they are asked for; subclasses define `__getitem__` and `__len__`.

    `self[k]` is batch k: (x, y), (x, y, sample_weight) or (x,).  `on_epoch_begin` and `on_epoch_end` are called around
    each epoch.  A `num_batches` that returns None makes the dataset endless.

    Args:
        workers: how many threads make batches ahead of the training; 1: each is made when it is its turn.  The order
            of the batches does not depend on it.
        use_multiprocessing: make batches ahead with one worker, too.  They are threads, never processes.
        max_queue_size: how many batches are made ahead at most.

    Raises:
        ValueError: for numbers below 1.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        check_count(workers or 1, "workers")
        check_count(max_queue_size, "max_queue_size")
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __getitem__(self, index: int) -> Any:
        """Batch number `index`."""
        raise TypeError(
            f"{type(self).__name__} has no batches: define __getitem__(self, index), which returns the batch (x, y), "
            "and __len__(self), the number of batches."
        )

    @property
    def num_batches(self) -> int | None:
        """How many batches an epoch has; None: no end."""
        if hasattr(self, "__len__"):
            return len(self)  # type: ignore[arg-type]
        raise TypeError(
            f"{type(self).__name__} has no length: define __len__(self), the number of batches; or num_batches, as a "
            "property that returns None, for a dataset without end."
        )

    def __iter__(self) -> Iterator[Any]:
        index, n = 0, self.num_batches
        while n is None or index < n:
            yield self[index]
            index += 1

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch: the place to shuffle."""


Sequence = PyDataset
"""What Keras 2 called it."""

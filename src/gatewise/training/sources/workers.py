"""Batches made ahead by threads, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future


def made_ahead(make: Callable[[Any], Any], keys: Iterable[Any], workers: int, ahead: int) -> Iterator[Any]:
    """`make(key)` for each key in order, up to `ahead` of them before they are asked for.

    An exception in `make` comes out in its place.  The threads end with the iteration, however that ends.

    Args:
        workers: how many threads.
        ahead: how many results wait at most.
    """
    from concurrent.futures import ThreadPoolExecutor  # not a short thing to load, for what few ask for

    waiting: deque[Future[Any]] = deque()
    pool = ThreadPoolExecutor(workers, "gatewise-data")
    try:
        supply = iter(keys)
        for key in supply:
            waiting.append(pool.submit(make, key))
            if len(waiting) >= ahead:
                break
        while waiting:
            result = waiting.popleft().result()
            for key in supply:
                waiting.append(pool.submit(make, key))
                break
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

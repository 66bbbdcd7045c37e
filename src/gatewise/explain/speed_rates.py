"""What the machine can do, measured or assumed: operations and bytes a second."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.kernels import planning

_CLOCK = 3e9  # where it is not measured
_UNITS = 2  # multiply-add units of a core
_CACHE_BYTES_A_CYCLE = 32  # from a core's second cache
_MEMORY_BYTES = 1e10
_BLOCK = 2**25


@dataclass(frozen=True)
class Rates:
    """Of `threads` threads together.

    flops: multiply-adds count as two.   cache_bytes: from the cores' own caches.   memory_bytes: from memory.
    measured: whether flops and memory_bytes were measured here; cache_bytes is an assumption.
    """

    flops: float
    cache_bytes: float
    memory_bytes: float
    threads: int
    measured: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def assumed_rates(item: int) -> Rates:
    """Those of a core of 3 GHz with two multiply-add units."""
    threads = kernels.get_threads()
    lanes = planning.plan_recurrence("lstm", 1, 1, 1, 1, item).lanes
    cache_bytes = threads * _CLOCK * _CACHE_BYTES_A_CYCLE
    return Rates(threads * _CLOCK * _UNITS * 2 * lanes, cache_bytes, _MEMORY_BYTES, threads, False)


def measured_rates(item: int) -> Rates:
    """Those of this machine; measured once for each instruction set and number of threads."""
    threads = kernels.get_threads()
    return Rates(planning.peak_flops(item), threads * _CLOCK * _CACHE_BYTES_A_CYCLE, _memory_bandwidth(), threads, True)


@cache
def _memory_bandwidth() -> float:
    """Bytes a second of copying blocks that no cache holds, read and written ones; the best of three."""
    source, target = np.ones(_BLOCK, np.uint8), np.ones(_BLOCK, np.uint8)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - start)
    return 2 * _BLOCK / best

"""Random numbers: one global seed, and independent streams drawn from it.

Every stream is a NumPy generator of its own (SFC64), spawned from the global seed and a running count, so two
users of chance never share or disturb a sequence and a run with a set seed is the same every time.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from gatewise.serialization import Registry

_registry = Registry("keras.random", "seed generator")
_lock = threading.Lock()
_entropy: int = np.random.SeedSequence().entropy  # type: ignore[assignment]
_count = itertools.count()


def set_global_seed(seed: int) -> None:
    """Begin all streams that are made from now on anew, from `seed` (a non-negative integer)."""
    global _entropy, _count
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"A seed is a non-negative integer; got {seed!r}.")
    with _lock:
        _entropy, _count = int(seed), itertools.count()


def next_generator(seed: int | SeedGenerator | None = None) -> np.random.Generator:
    """A generator of its own.

    Args:
        seed: None: the next stream of the global seed.  An integer: always the same stream.
            A `SeedGenerator`: its next stream.
    """
    if seed is None:
        return np.random.Generator(np.random.SFC64(_next_sequence()))
    if isinstance(seed, int | np.integer):
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence(_non_negative(seed))))
    return seed.next() if isinstance(seed, SeedGenerator) else _refuse(seed)


def default_seed() -> int:
    """A seed drawn from the global seed: what an object that was given no seed uses."""
    return int(_next_sequence().generate_state(1)[0])


@_registry.add()
class SeedGenerator:
    """A sequence of streams that begins at a seed: for dropout layers and others that draw at every call.

    Args:
        seed: a non-negative integer, or None: drawn from the global seed.
        name: accepted for Keras's sake.
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"SeedGenerator has no argument {', '.join(map(repr, kwargs))}.")
        self.seed = seed
        self.name = name or "seed_generator"
        self._entropy = default_seed() if seed is None else _non_negative(seed)
        self._count = itertools.count()

    def next(self) -> np.random.Generator:
        """The next stream."""
        sequence = np.random.SeedSequence(self._entropy, spawn_key=(next(self._count),))
        return np.random.Generator(np.random.SFC64(sequence))

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        return cls(**config)


def _next_sequence() -> np.random.SeedSequence:
    with _lock:
        return np.random.SeedSequence(_entropy, spawn_key=(next(_count),))


def _non_negative(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        _refuse(seed)
    # SeedSequence takes no negative numbers; Keras does, so fold them onto the upper half.
    return int(seed) % 2**64


def dropout_multiplier(seeds: SeedGenerator, shape: Sequence[int], rate: float, dtype: Any) -> np.ndarray | None:
    """What inverted dropout multiplies by: 0 with probability `rate`, else 1 / (1 - rate); None for rate 0.

    Args:
        seeds: where the chance comes from; each call takes its next stream.
        shape: of the result.
        rate: from 0 to 1.
        dtype: "float32" or "float64".
    """
    if rate <= 0:
        return None
    if rate >= 1:
        return np.zeros(shape, dtype)
    kept = seeds.next().random(shape, dtype=dtype) >= rate
    return np.multiply(kept, 1 / (1 - rate), dtype=dtype)


def chosen(seeds: SeedGenerator, shape: Sequence[int], rate: float, dtype: Any) -> np.ndarray | None:
    """1 with probability `rate`, else 0; None for rate 0.  Arguments as of `dropout_multiplier`."""
    if rate <= 0:
        return None
    return (seeds.next().random(shape, dtype=dtype) < rate).astype(dtype)


def _refuse(seed: Any) -> NoReturn:
    raise TypeError(f"A seed is an integer, a SeedGenerator or None; got {type(seed).__name__} {seed!r}.")

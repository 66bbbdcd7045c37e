"""Random numbers: one global seed, and independent streams drawn from it.

Every stream is a NumPy generator of its own (SFC64), spawned from the global seed and a running count, so two
users of chance never share or disturb a sequence and a run with a set seed is the same every time.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from gatewise import autodiff, config
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


def state() -> tuple[int, int]:
    """The global seed, and how many streams were drawn from it: what `set_state` takes."""
    global _count
    with _lock:
        drawn = next(_count)
        _count = itertools.count(drawn)
        return _entropy, drawn


def set_state(state: Sequence[int]) -> None:
    """Go on where `state` was read."""
    global _entropy, _count
    with _lock:
        _entropy, _count = int(state[0]), itertools.count(int(state[1]))


@contextlib.contextmanager
def replayed(earlier: Sequence[int]) -> Iterator[None]:
    """Within the block streams are drawn as they were when `earlier` was read with `state`."""
    now = state()
    set_state(earlier)
    try:
        yield
    finally:
        set_state(now)


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
        self._drawn = 0  # a plain number: from Python 3.14 on counters of itertools cannot be copied

    def next(self) -> np.random.Generator:
        """The next stream."""
        with _lock:
            number, self._drawn = self._drawn, self._drawn + 1
        sequence = np.random.SeedSequence(self._entropy, spawn_key=(number,))
        return np.random.Generator(np.random.SFC64(sequence))

    def state(self) -> tuple[int, int]:
        """Where the sequence begins, and how many streams were drawn: what `set_state` takes."""
        return self._entropy, self._drawn

    def set_state(self, state: Sequence[int]) -> None:
        """Go on where `state` was read."""
        with _lock:
            self._entropy, self._drawn = int(state[0]), int(state[1])

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
    """True with probability `rate`, as bool; None for rate 0.  Arguments as of `dropout_multiplier`, of the draw."""
    if rate <= 0:
        return None
    generator, found = seeds.next(), np.empty(shape, bool)
    flat = found.reshape(-1)
    for begin in range(0, flat.size, _DRAWN_AT_ONCE):
        part = flat[begin : begin + _DRAWN_AT_ONCE]
        np.less(generator.random(part.size, dtype=dtype), rate, out=part)
    return found


_DRAWN_AT_ONCE = 2**16  # a piece at a time: the numbers themselves take four or eight times as much as what is kept


def _refuse(seed: Any) -> NoReturn:
    raise TypeError(f"A seed is an integer, a SeedGenerator or None; got {type(seed).__name__} {seed!r}.")


# ---- keras.random: arrays of numbers drawn from a distribution ------------------------------------------------------

Seed = int | SeedGenerator | None


def _sizes(shape: Any) -> tuple[int, ...]:
    """A shape as integers.

    Raises:
        ValueError: if a size is not known.
    """
    sizes = tuple(shape) if isinstance(shape, list | tuple | np.ndarray) else (shape,)
    if any(n is None for n in sizes):
        raise ValueError(f"Numbers are drawn in a known shape; got {sizes}. In the call() of a layer shapes are known.")
    return tuple(int(n) for n in sizes)


def normal(shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Seed = None) -> Any:
    """Numbers from the normal distribution."""
    drawn = next_generator(seed).standard_normal(_sizes(shape))
    return np.asarray(mean + stddev * drawn, dtype or config.floatx())


def uniform(shape: Sequence[int], minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Seed = None) -> Any:
    """Numbers spread evenly from minval to below maxval; whole ones for an integer dtype."""
    kind = np.dtype(dtype or config.floatx())
    if kind.kind in "iu":
        return randint(shape, minval, maxval, kind, seed)
    drawn = np.asarray(minval + (maxval - minval) * next_generator(seed).random(_sizes(shape))).astype(kind)
    # Rounding to a narrower type must not reach the upper end.
    return np.where(drawn >= maxval, np.nextafter(np.asarray(maxval, kind), np.asarray(minval, kind)), drawn)


def truncated_normal(
    shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Seed = None
) -> Any:
    """Numbers from the normal distribution, none farther from the mean than two standard deviations."""
    generator = next_generator(seed)
    drawn = np.asarray(generator.standard_normal(_sizes(shape)))
    while (beyond := np.abs(drawn) > 2).any():
        drawn[beyond] = generator.standard_normal(int(beyond.sum()))
    return np.asarray(mean + stddev * drawn, dtype or config.floatx())


def randint(shape: Sequence[int], minval: Any, maxval: Any, dtype: Any = "int32", seed: Seed = None) -> Any:
    """Whole numbers from minval to below maxval.

    Raises:
        ValueError: if there are none.
    """
    if maxval is None or np.any(np.asarray(minval) >= np.asarray(maxval)):
        raise ValueError(
            f"Whole numbers are drawn from minval to below maxval; between {minval!r} and {maxval!r} there are none. "
            "Give a maxval above minval."
        )
    return np.asarray(next_generator(seed).integers(minval, maxval, _sizes(shape), dtype=np.int64), dtype)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Seed = None) -> Any:
    """(N, num_samples) classes, each drawn with the probabilities softmax(logits) of its row, for logits (N, C)."""
    logits = np.asarray(autodiff.plain(logits), np.float64)
    if logits.ndim != 2:
        raise ValueError(
            f"random.categorical takes logits of shape (samples, classes); got {logits.shape}. Write logits[None] for "
            "one sample."
        )
    # The largest of the logits with Gumbel noise added is drawn with the softmax's probability.
    noise = next_generator(seed).gumbel(size=(logits.shape[0], int(num_samples), logits.shape[1]))
    return np.argmax(logits[:, None, :] + noise, axis=-1).astype(dtype)


def binomial(shape: Sequence[int], counts: Any, probabilities: Any, dtype: Any = None, seed: Seed = None) -> Any:
    """How many of `counts` trials succeed, each with its probability."""
    drawn = next_generator(seed).binomial(np.asarray(counts, np.int64), probabilities, _sizes(shape))
    return np.asarray(drawn, dtype or config.floatx())


def beta(shape: Sequence[int], alpha: Any, beta: Any, dtype: Any = None, seed: Seed = None) -> Any:
    """Numbers from the beta distribution."""
    return np.asarray(next_generator(seed).beta(alpha, beta, _sizes(shape)), dtype or config.floatx())


def gamma(shape: Sequence[int], alpha: Any, dtype: Any = None, seed: Seed = None) -> Any:
    """Numbers from the gamma distribution of this shape parameter, with scale 1."""
    return np.asarray(next_generator(seed).gamma(alpha, size=_sizes(shape)), dtype or config.floatx())


def shuffle(x: Any, axis: int = 0, seed: Seed = None) -> Any:
    """x with its parts along an axis in another order."""
    x = x if autodiff.is_traced(x) else np.asarray(x)
    order = next_generator(seed).permutation(x.shape[axis])
    return x[(*(slice(None),) * (axis % x.ndim), order)]


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Seed = None) -> Any:
    """inputs with each number 0 with probability `rate`, else divided by 1 - rate.

    Args:
        noise_shape: a shape that broadcasts to that of inputs, None for its size: numbers that share a place there are
            kept or dropped together.

    Raises:
        ValueError: for a rate outside 0 to 1, and a noise_shape of another number of axes.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"random.dropout: rate is a fraction from 0 to 1; got {rate!r}.")
    x = inputs if autodiff.is_traced(inputs) else np.asarray(inputs)
    given = (None,) * x.ndim if noise_shape is None else tuple(noise_shape)
    if len(given) != x.ndim:
        raise ValueError(
            f"random.dropout: noise_shape has a size, or None, for each axis of inputs {x.shape}; got {noise_shape!r}."
        )
    shape = [n if k is None else k for k, n in zip(given, x.shape, strict=True)]
    kept = next_generator(seed).random(tuple(shape)) >= rate
    return x * (kept / (1 - rate) if rate < 1 else kept * 0.0).astype(x.dtype)

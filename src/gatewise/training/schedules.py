"""Learning rate schedules: the rate as a function of the step, `schedule(step) -> float`."""

from __future__ import annotations

import bisect
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gatewise.serialization import Registry

_registry = Registry("keras.optimizers.schedules", "learning rate schedule")


@_registry.add()
class LearningRateSchedule:
    """Base class.  A user's subclass defines `__call__(step)`, and `get_config()` to be saved."""

    def __call__(self, step: Any) -> Any:
        raise TypeError(f"{type(self).__name__} gives no rate: give it a method __call__(self, step).")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor; by default the attributes that bear their names."""
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


def rate_of(source: Callable[..., Any], step: int) -> float:
    """The rate that a schedule, a callable of the step or a callable of nothing gives."""
    if isinstance(source, LearningRateSchedule):
        return float(source(step))
    try:
        inspect.signature(source).bind()
    except TypeError:
        return float(source(step))
    return float(source())


@_registry.add()
class ExponentialDecay(LearningRateSchedule):
    """initial_learning_rate * decay_rate ^ (step / decay_steps); `staircase`: the exponent without its fraction."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        _positive(name, decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> float:
        exponent = step / self.decay_steps
        return self.initial_learning_rate * self.decay_rate ** (math.floor(exponent) if self.staircase else exponent)


@_registry.add()
class InverseTimeDecay(LearningRateSchedule):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps); `staircase`: the quotient without fraction."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        _positive(name, decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> float:
        passed = step / self.decay_steps
        passed = math.floor(passed) if self.staircase else passed
        return self.initial_learning_rate / (1 + self.decay_rate * passed)


@_registry.add()
class PiecewiseConstantDecay(LearningRateSchedule):
    """values[0] up to and with step boundaries[0], then values[1], and so on; one value more than boundaries."""

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay needs one value more than boundaries; got {len(boundaries)} boundaries and "
                f"{len(values)} values."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step: Any) -> float:
        return self.values[bisect.bisect_left(self.boundaries, step)]


@_registry.add()
class PolynomialDecay(LearningRateSchedule):
    """From initial_learning_rate to end_learning_rate in decay_steps, along (1 - step / decay_steps) ^ power.

    `cycle`: where it would end, it goes on with decay_steps doubled, tripled...
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        _positive(name, decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> float:
        span = self.decay_steps * max(1, math.ceil(step / self.decay_steps)) if self.cycle else self.decay_steps
        left = 1 - min(step, span) / span
        return (self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate


@_registry.add()
class CosineDecay(LearningRateSchedule):
    """A half cosine from the initial rate to alpha times it, in decay_steps.

    With `warmup_target` the rate first climbs to it in a straight line, for warmup_steps, and falls from there.
    Source: Loshchilov & Hutter 2017.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        _positive(name, decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> float:
        start, top = self.initial_learning_rate, self.warmup_target
        if top is not None:
            if step < self.warmup_steps:
                return start + (top - start) * step / self.warmup_steps
            start, step = top, step - self.warmup_steps
        return start * _half_cosine(min(step, self.decay_steps) / self.decay_steps, self.alpha)


@_registry.add()
class CosineDecayRestarts(LearningRateSchedule):
    """CosineDecay again and again: each time t_mul times as long, and beginning m_mul times as high.

    Source: Loshchilov & Hutter 2017.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        _positive(name, first_decay_steps=first_decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: Any) -> float:
        part = step / self.first_decay_steps
        if self.t_mul == 1.0:
            restarts = math.floor(part)
            part -= restarts
        else:
            restarts = math.floor(math.log(1 - part * (1 - self.t_mul)) / math.log(self.t_mul))
            before = (1 - self.t_mul**restarts) / (1 - self.t_mul)
            part = (part - before) / self.t_mul**restarts
        height = self.m_mul**restarts * (1 - self.alpha)
        return self.initial_learning_rate * (height * 0.5 * (1 + math.cos(math.pi * part)) + self.alpha)


def _half_cosine(part: float, alpha: float) -> float:
    return (1 - alpha) * 0.5 * (1 + math.cos(math.pi * part)) + alpha


def _positive(owner: str, **numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{owner}: {name} must be positive; got {value!r}.")


def serialize(schedule: LearningRateSchedule) -> Any:
    """Keras 3's configuration of a schedule."""
    return _registry.serialize(schedule)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The schedule that a configuration stands for."""
    return _registry.deserialize(config, custom_objects)

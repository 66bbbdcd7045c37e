"""The arguments that all optimizers share: checked, with messages that say what to write."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import config, suggest


def unknown_argument(cls: type, name: str) -> TypeError:
    """The error for an argument that no optimizer of this class has."""
    known = {
        parameter
        for base in cls.__mro__
        for parameter, kind in inspect.signature(base.__init__).parameters.items()
        if kind.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    }
    return TypeError(suggest.unknown(f"argument of {cls.__name__}", name, known - {"self"}))


@functools.cache
def takes_keywords(function: Callable[..., Any]) -> bool:
    """Whether a function takes any keywords (**first, say)."""
    kinds = (parameter.kind for parameter in inspect.signature(function).parameters.values())
    return inspect.Parameter.VAR_KEYWORD in kinds


def check_options(optimizer: Any) -> None:
    """Raise ValueError if the options of an optimizer contradict each other or are out of range."""
    owner = type(optimizer).__name__
    clips = {name: getattr(optimizer, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")}
    given = {name: value for name, value in clips.items() if value is not None}
    if len(given) > 1:
        raise ValueError(f"{owner}: only one of clipnorm, clipvalue and global_clipnorm can be set; got {given}.")
    for name, value in given.items():
        not_negative(owner, name, value)  # 0 stands for no limit, as in Keras
    if optimizer.weight_decay is not None:
        not_negative(owner, "weight_decay", optimizer.weight_decay)
    if optimizer.loss_scale_factor is not None:
        number_between(owner, "loss_scale_factor", optimizer.loss_scale_factor, 0, math.inf, "()")
    every = optimizer.gradient_accumulation_steps
    if every and not (isinstance(every, int) and every >= 2):
        raise ValueError(f"{owner}: gradient_accumulation_steps must be an integer of 2 or more; got {every!r}.")
    if not optimizer.use_ema:
        return
    momentum, frequency = optimizer.ema_momentum, optimizer.ema_overwrite_frequency
    if not 0 <= momentum <= 1:
        raise ValueError(f"{owner}: ema_momentum must lie between 0 and 1; got {momentum!r}.")
    if frequency and not (isinstance(frequency, int) and frequency >= 1):
        raise ValueError(f"{owner}: ema_overwrite_frequency must be an integer of 1 or more; got {frequency!r}.")


def number_between(owner: str, name: str, value: Any, least: float, most: float, open_ends: str = "") -> Any:
    """The argument, a number from `least` to `most`; `open_ends` has "(" or ")" where an end is left out itself.

    Raises:
        ValueError: for anything else, with the range.
    """
    low, high = ("(" in open_ends), (")" in open_ends)
    fits = isinstance(value, float | int | np.number) and not isinstance(value, bool)
    if fits and (least < value if low else least <= value) and (value < most if high else value <= most):
        return value  # as it was given: configurations show an int as an int
    if most == math.inf:
        wanted = "be a number above 0" if low else "be a number of 0 or more"
    else:
        wanted = f"lie in {'(' if low else '['}{least}, {most}{')' if high else ']'}"
    raise ValueError(f"{owner}: {name} must {wanted}; got {value!r}.")


def decay_rate(owner: str, name: str, value: Any) -> float:
    """How much of a running mean stays at each step: a number in [0, 1)."""
    return number_between(owner, name, value, 0, 1, ")")


def not_negative(owner: str, name: str, value: Any) -> float:
    """A number of 0 or more."""
    return number_between(owner, name, value, 0, math.inf, ")")


def epsilon_of(owner: str, value: Any) -> float:
    """The small number in a divisor; None, as Keras 1 and 2 allow, is `config.epsilon()`."""
    return config.epsilon() if value is None else not_negative(owner, "epsilon", value)

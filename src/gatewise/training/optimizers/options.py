"""The arguments that all optimizers share: checked, with messages that say what to write."""

from __future__ import annotations

import inspect
from typing import Any

from gatewise import suggest


def unknown_argument(cls: type, name: str) -> TypeError:
    """The error for an argument that no optimizer of this class has."""
    known = {
        parameter
        for base in cls.__mro__
        for parameter, kind in inspect.signature(base.__init__).parameters.items()
        if kind.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    }
    return TypeError(suggest.unknown(f"argument of {cls.__name__}", name, known - {"self"}))


def check_options(optimizer: Any) -> None:
    """Raise ValueError if the options of an optimizer contradict each other or are out of range."""
    owner = type(optimizer).__name__
    clips = {name: getattr(optimizer, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")}
    given = {name: value for name, value in clips.items() if value is not None}
    if len(given) > 1:
        raise ValueError(f"{owner}: only one of clipnorm, clipvalue and global_clipnorm can be set; got {given}.")
    for name, value in given.items():
        if not value > 0:
            raise ValueError(f"{owner}: {name} must be positive; got {value!r}.")
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

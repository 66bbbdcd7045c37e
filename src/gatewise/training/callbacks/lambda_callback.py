"""A callback out of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gatewise import suggest
from gatewise.training.callbacks.base import HOOKS, Callback

_HOOKS = (*HOOKS, "on_batch_begin", "on_batch_end")


class LambdaCallback(Callback):
    """Call functions at the hooks that they are given for: LambdaCallback(on_epoch_end=lambda epoch, logs: ...).

    Args:
        on_epoch_begin, ...: functions with the arguments of the method of the same name in `Callback`.
        other: those of the other hooks; anything else becomes an attribute.

    Raises:
        TypeError: for a hook that does not exist, or what is no function.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **other: Any,
    ) -> None:
        named = {
            "on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_train_begin": on_train_begin,
            "on_train_end": on_train_end, "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end, **other,
        }  # fmt: skip
        for name, value in named.items():
            if name.startswith("on_") and value is not None:
                if name not in _HOOKS:
                    raise TypeError(f"LambdaCallback: {suggest.unknown('hook', name, _HOOKS)}")
                if not callable(value):
                    raise TypeError(f"LambdaCallback: {name} is a function; got {value!r}.")
            if value is not None:
                setattr(self, name, value)

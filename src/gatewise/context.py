"""What holds while layers run on a thread: the mode, the names that weights are made under, what layers add."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class _Running(threading.local):
    """The state of this thread."""

    def __init__(self) -> None:
        self.training: bool | None = None
        self.scopes: list[str] = []
        self.losses: list[Any] | None = None
        self.loss_slopes: Sequence[Any] | None = None
        self.metrics: list[tuple[str, Any]] | None = None
        self.goes_back_once = False


running = _Running()


@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Weights created within the block have `name/` in their path; a name directly inside itself counts once."""
    scopes = running.scopes
    if scopes and scopes[-1] == name:
        yield
        return
    scopes.append(name)
    try:
        yield
    finally:
        scopes.pop()


class collected_losses:  # noqa: N801  (used like the functions around it; a class costs each step less)
    """The list of the losses that layers add within the block (activity regularizers, `add_loss`)."""

    __slots__ = ("_outer",)

    def __enter__(self) -> list[Any]:
        found: list[Any] = []
        self._outer, running.losses = running.losses, found
        return found

    def __exit__(self, *_: Any) -> None:
        running.losses = self._outer


class collected_metrics:  # noqa: N801  (as above)
    """The list of (name, value) that layers add with `add_metric` within the block."""

    __slots__ = ("_outer",)

    def __enter__(self) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        self._outer, running.metrics = running.metrics, found
        return found

    def __exit__(self, *_: Any) -> None:
        running.metrics = self._outer


class going_back_once:  # noqa: N801  (as above)
    """Within the block each way back is gone for the last time: a graph lets go of what it kept as soon as it is read.

    Without it a pullback may be called again.
    """

    __slots__ = ("_outer",)

    def __enter__(self) -> None:
        self._outer, running.goes_back_once = running.goes_back_once, True

    def __exit__(self, *_: Any) -> None:
        running.goes_back_once = self._outer


def record_loss(loss: Any) -> int:
    """Hand a loss to the innermost `collected_losses` block, if there is one; returns its place there."""
    if running.losses is None:
        return 0
    running.losses.append(loss)
    return len(running.losses) - 1


def loss_slope(place: int) -> Any:
    """How much the loss recorded at a place counts on the way back: 1 unless a `loss_slopes` block says otherwise."""
    slopes = running.loss_slopes
    return 1.0 if slopes is None else slopes[place]


@contextmanager
def loss_slopes(slopes: Sequence[Any]) -> Iterator[None]:
    """Within the block the losses of a `collected_losses` block count as much as this, each by its place there."""
    outer, running.loss_slopes = running.loss_slopes, slopes
    try:
        yield
    finally:
        running.loss_slopes = outer


def record_metric(name: str, value: Any) -> None:
    """Hand a number to look at to the innermost `collected_metrics` block, if there is one."""
    if running.metrics is not None:
        running.metrics.append((name, value))


@contextmanager
def mode(training: bool) -> Iterator[None]:
    """Layers called within the block without `training` are in this mode."""
    outer, running.training = running.training, training
    try:
        yield
    finally:
        running.training = outer

"""What each epoch logged."""

from __future__ import annotations

from typing import Any

from gatewise.training.callbacks.base import Callback


class History(Callback):
    """Keeps what each epoch logged: `history["loss"]` is a list with a number for each epoch."""

    state_names = ("history", "epoch")

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch.append(epoch)
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(value)

    def _repr_svg_(self) -> str | None:
        """What notebooks show: the curves of the training."""
        from gatewise.explain.draw.notebook import svg_of

        return svg_of(self)

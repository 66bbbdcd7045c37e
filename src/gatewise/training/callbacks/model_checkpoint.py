"""Saving the model while it is trained."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gatewise.training.callbacks.monitor import MonitorCallback
from gatewise.training.callbacks.on_disk import check_name, prepare_folder


class BatchCount:
    """Says after which batches something is due that is done every so many, counted on from epoch to epoch.

    Args:
        every: a number of batches, or "epoch": after none.
        owner: whose argument `save_freq` this is.

    Raises:
        ValueError: for anything else.
    """

    def __init__(self, every: Any, owner: str) -> None:
        whole = hasattr(every, "__index__") and not isinstance(every, bool) and every > 0
        if every != "epoch" and not whole:
            raise ValueError(f"{owner}: save_freq is 'epoch' or a number of batches, at least 1; got {every!r}.")
        self.every: Any = every
        self.seen = 0

    def is_due(self) -> bool:
        """Count one batch."""
        if self.every == "epoch":
            return False
        self.seen += 1
        if self.seen < self.every:
            return False
        self.seen = 0
        return True


class ModelCheckpoint(MonitorCallback):
    """Save the model, or its weights, after every epoch or every so many batches.

    A file is replaced only by a whole new one: if saving fails, the one before is as it was.

    Args:
        filepath: ends in .keras (or .weights.h5 with `save_weights_only`); "{epoch:02d}", "{batch}" and the names of
            the logs, "{val_loss:.2f}", are filled in.  Folders are made.
        monitor, mode: which number tells the best; see `MonitorCallback`.
        verbose: 1: print what is saved.
        save_best_only: save only when the number got better.
        save_weights_only: save the weights (and the optimizer's state) alone.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: what the first number must be better than.

    Raises:
        ValueError: for another ending or frequency.
    """

    state_names = ("best", "_batches_seen", "_epoch")

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        owner = "ModelCheckpoint(save_weights_only=True)" if save_weights_only else "ModelCheckpoint"
        check_name(self.filepath, save_weights_only, owner)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._count = BatchCount(save_freq, "ModelCheckpoint")
        self._epoch = 0

    @property
    def _batches_seen(self) -> int:
        return self._count.seen

    @_batches_seen.setter
    def _batches_seen(self, value: int) -> None:
        self._count.seen = value

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._count.is_due():
            self._save(self._epoch, {"batch": batch + 1, **(logs or {})})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs or {})

    def _save(self, epoch: int, logs: dict[str, Any]) -> None:
        path = Path(self._filled(epoch, logs))
        if self.save_best_only and not self._got_better(epoch, logs):
            return
        prepare_folder(path.parent, f"ModelCheckpoint, epoch {epoch + 1}")
        try:
            (self.model.save_weights if self.save_weights_only else self.model.save)(path, overwrite=True)
        except OSError as error:
            if error.errno is None:  # a message of the library's own, which says it all
                raise
            raise OSError(error.errno, f"ModelCheckpoint, epoch {epoch + 1}: {error.strerror}") from error
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved as {path}.")

    def _filled(self, epoch: int, logs: dict[str, Any]) -> str:
        try:
            return self.filepath.format(**{"epoch": epoch + 1, **logs})
        except KeyError as error:
            known = ", ".join(["epoch", *logs])
            raise KeyError(f"ModelCheckpoint: {self.filepath!r} asks for {error}; there are {known}.") from None

    def _got_better(self, epoch: int, logs: dict[str, Any]) -> bool:
        """Whether to save; so too, with a warning, where the number was not logged."""
        self.resolve_mode()
        value = self.value_in(logs)
        if value is None:
            return True
        better = self.is_better(value, self.best)
        if self.verbose and not better:
            print(f"Epoch {epoch + 1}: {self.monitor} is {value:.5f}, no better than {self.best:.5f}.")
        if better:
            self.best = value
        return better

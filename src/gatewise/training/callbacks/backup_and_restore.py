"""Going on after a crash."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from gatewise.training import resuming
from gatewise.training.callbacks.backup_file import DamagedBackup, read_backup, write_backup
from gatewise.training.callbacks.base import Callback
from gatewise.training.callbacks.model_checkpoint import BatchCount
from gatewise.training.callbacks.on_disk import prepare_folder, replace
from gatewise.training.finite import levels_to_user


class BackupAndRestore(Callback):
    """Keep the state of the training on the disk; after a crash, the same `fit` goes on where the last backup was.

    The resumed training ends with the same bits as one that was never interrupted: weights, optimizer, the order of
    the samples, dropout, the running means of the epoch, and the other callbacks (their `state_names`) go on as they
    were.  The data must be the same: samples of a generator that were seen already are drawn again and skipped.
    Where an epoch goes on in its middle, on_epoch_begin is not called again.

    Args:
        backup_dir: the folder; made if it does not exist.
        save_freq: "epoch", or a number of batches.
        double_checkpoint: keep the backup before the last too, and use it if the last is damaged.
        delete_checkpoint: remove the backup at the end of training.

    Raises:
        ValueError: for another frequency, a model that is not built, a backup that is damaged or of another model.
        OSError: if a backup cannot be written; the one before is as it was.
    """

    comes_last = True
    state_names = ("_batches_seen",)

    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if not backup_dir:
            raise ValueError("BackupAndRestore: backup_dir is empty; give the name of a folder.")
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._count = BatchCount(save_freq, "BackupAndRestore")
        self._latest = Path(self.backup_dir) / "latest.backup"
        self._previous = Path(self.backup_dir) / "previous.backup"
        self._run: Any = None

    @property
    def _batches_seen(self) -> int:
        return self._count.seen

    @_batches_seen.setter
    def _batches_seen(self, value: int) -> None:
        self._count.seen = value

    def set_run(self, run: Any) -> None:
        """Called by `fit` with what it keeps of the run."""
        self._run = run

    def on_train_begin(self, logs: Any = None) -> None:
        if not self.model.built:
            raise ValueError(
                f"BackupAndRestore: model '{self.model.name}' is not built, so there is nothing yet to restore into; "
                "give it an Input, or call it on a batch first."
            )
        prepare_folder(self._latest.parent, "BackupAndRestore")
        for path in (self._latest, self._previous):
            for cut_short in path.parent.glob(f".{path.name}.*.tmp"):  # of a process killed while it wrote
                cut_short.unlink(missing_ok=True)
        for path, other in ((self._latest, self._previous), (self._previous, None)):
            if path.exists() and self._restored(path, other):
                return

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._count.is_due():
            self._save(self._run.epoch, batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch + 1, 0)

    def on_train_end(self, logs: Any = None) -> None:
        if not self.delete_checkpoint:
            return
        self._previous.unlink(missing_ok=True)  # the latest last: should this be the moment of the crash, it counts
        self._latest.unlink(missing_ok=True)
        folder = self._latest.parent
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def _restored(self, path: Path, other: Path | None) -> bool:
        """Go on from a backup; False, with a warning, if it is damaged and there is another."""
        try:
            told, arrays = read_backup(path)
        except DamagedBackup as damage:
            if other is None or not other.exists():
                raise
            warnings.warn(f"{damage} The one before it, {other}, is used.", stacklevel=levels_to_user())
            return False
        resuming.restore(self._run, told, arrays, path)
        return True

    def _save(self, epoch: int, batches: int) -> None:
        told, arrays = resuming.captured(self._run, epoch, batches)
        if self.double_checkpoint and self._latest.exists():
            replace(self._previous, self._latest.read_bytes(), "BackupAndRestore")
        write_backup(self._latest, told, arrays)

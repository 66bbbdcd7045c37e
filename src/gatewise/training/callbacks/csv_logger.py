"""A table of what each epoch logged, on the disk."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterable
from typing import IO, Any

import numpy as np

from gatewise.training.callbacks.base import Callback
from gatewise.training.callbacks.on_disk import told


class CSVLogger(Callback):
    """Write a line with the logs of every epoch.

    The columns are "epoch" and the names of the first epoch's logs, sorted; without any of validation, their "val_"
    names follow ("NA" as long as there are none).  A training that `BackupAndRestore` goes on with goes on with the
    file too: with the lines of the epochs that the backup knows, and no others.

    Args:
        filename: the file.
        separator: between two values.
        append: go on with a file that exists, instead of replacing it.

    Raises:
        OSError: if the file cannot be written, with what to do.
    """

    state_names = ("keys", "_end")

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        self.filename = os.fspath(filename)
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator is one character, such as ',' or ';'; got {separator!r}.")
        self.sep = separator
        self.append = append
        self.append_header = True
        self.keys: list[str] | None = None
        self.csv_file: IO[str] | None = None
        self._end: int | None = None  # where the last line ends, once there is one
        self._begun = False

    def on_train_begin(self, logs: Any = None) -> None:
        self._close()
        self.append_header = True
        self.keys = self._end = None
        self._begun = False
        try:
            self.csv_file = open(self.filename, "a", newline="", encoding="utf-8")
        except OSError as error:
            raise told(error, self.filename, "CSVLogger", "Nothing was written") from error

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        if self.csv_file is None:
            raise ValueError("CSVLogger: on_train_begin opens the file, and was not called.")
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        try:
            if not self._begun:
                self._begin(self.csv_file)
            writer = csv.writer(self.csv_file, delimiter=self.sep)
            if self.append_header:
                writer.writerow(["epoch", *self.keys])
            writer.writerow([epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)])
            self.csv_file.flush()
            self.append_header = False
            self._end = os.path.getsize(self.filename)
        except OSError as error:
            self._give_up(self.csv_file)
            raise told(error, self.filename, "CSVLogger", "The lines before are there") from error

    def on_train_end(self, logs: Any = None) -> None:
        self._close()

    def _begin(self, file: IO[str]) -> None:
        """Take off what is not of this training: what was there before, or what a killed process wrote last."""
        size = os.path.getsize(self.filename)
        if self._end is None:
            self._end = size if self.append else 0
        self._end = min(self._end, size)
        if size > self._end:  # a device, such as /dev/stdout, has no size
            file.truncate(self._end)
        self.append_header = self._end == 0
        self._begun = True

    def _give_up(self, file: IO[str]) -> None:
        """Close the file without the line that could not be written."""
        self.csv_file = None
        with contextlib.suppress(OSError):  # it tries to write the line once more; the first error is the one told
            file.close()
        if self._end is not None and os.path.getsize(self.filename) > self._end:
            os.truncate(self.filename, self._end)

    def _close(self) -> None:
        if self.csv_file is not None:
            self.csv_file.close()
            self.csv_file = None


def _cell(value: Any) -> Any:
    """A value as it is written; several as "[1, 2]" in quotes, which are part of the text."""
    if isinstance(value, str) or not isinstance(value, Iterable) or (isinstance(value, np.ndarray) and not value.ndim):
        return value
    return f'"[{", ".join(map(str, value))}]"'

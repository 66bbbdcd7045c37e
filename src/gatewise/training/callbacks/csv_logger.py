"""A table of what each epoch logged, on the disk."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from typing import IO, Any

import numpy as np

from gatewise.training.callbacks.base import Callback


class CSVLogger(Callback):
    """Write a line with the logs of every epoch.

    The columns are "epoch" and the names of the first epoch's logs, sorted; without any of validation, their "val_"
    names follow ("NA" as long as there are none).

    Args:
        filename: the file.
        separator: between two values.
        append: go on with a file that exists, instead of replacing it.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        self.filename = os.fspath(filename)
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator is one character, such as ',' or ';'; got {separator!r}.")
        self.sep = separator
        self.append = append
        self.append_header = True
        self.keys: list[str] | None = None
        self.csv_file: IO[str] | None = None
        self._writer: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        self._close()
        self.append_header = not (self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0)
        self.csv_file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")
        self.keys = None
        self._writer = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        if self.csv_file is None:
            raise ValueError("CSVLogger: on_train_begin opens the file, and was not called.")
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
            self._writer = csv.writer(self.csv_file, delimiter=self.sep)
            if self.append_header:
                self._writer.writerow(["epoch", *self.keys])
        self._writer.writerow([epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)])
        self.csv_file.flush()

    def on_train_end(self, logs: Any = None) -> None:
        self._close()

    def _close(self) -> None:
        if self.csv_file is not None:
            self.csv_file.close()
            self.csv_file = None


def _cell(value: Any) -> Any:
    """A value as it is written; several as "[1, 2]" in quotes, which are part of the text."""
    if isinstance(value, str) or not isinstance(value, Iterable) or (isinstance(value, np.ndarray) and not value.ndim):
        return value
    return f'"[{", ".join(map(str, value))}]"'

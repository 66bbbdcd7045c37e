"""What fit and evaluate print: a live bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, TextIO
from unicodedata import east_asian_width

import numpy as np

_BAR_WIDTH = 30
_REDRAW_SECONDS = 0.05
_NOTEBOOK_REDRAW_SECONDS = 0.25
"""A notebook is sent each line, and some keep them all."""
_NO_TERMINAL_COLUMNS = 160


class Progress:
    """Prints the course of training.

    Args:
        verbose: 0 nothing, 1 a live bar that becomes plain lines when the output is no terminal, 2 one line an epoch.
        epochs: how many there will be, for "Epoch 1/100"; None for evaluate and predict, which have none.
        stream: where to; default standard output.
    """

    def __init__(self, verbose: int, epochs: int | None, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.epochs = epochs
        self.verbose = verbose if self.stream is not None else 0
        self.live = verbose == 1 and is_live(self.stream)
        self._redraw_seconds = _NOTEBOOK_REDRAW_SECONDS if is_notebook(self.stream) else _REDRAW_SECONDS
        self._began = self._drawn = 0.0
        self._first = (0.0, 0)  # when the first batch of the epoch was done, and which number it had
        self._length = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: Any) -> None:
        """An unfinished bar (of an interrupted epoch) stays on a line of its own."""
        if self._length:
            self._length = 0
            self._write("\n")

    def begin_epoch(self, epoch: int) -> None:
        """Say which epoch begins (counted from 0)."""
        self._began = time.perf_counter()
        self._first = (0.0, 0)
        if self.verbose and self.epochs is not None:
            self._write(f"Epoch {epoch + 1}/{self.epochs}\n")

    def batch(self, done: int, steps: int | None, logs: Any) -> None:
        """Redraw the bar, at most every 50 ms (250 in a notebook).  `logs` is a function that returns the numbers."""
        if not self.live:
            return
        now = time.perf_counter()
        if not self._first[1]:
            self._first = (now, done)
        if now - self._drawn < self._redraw_seconds:
            return
        self._drawn = now
        seconds = now - self._began
        if steps:
            filled = min(_BAR_WIDTH * done // steps, _BAR_WIDTH)
            full, tip = _strokes(self.stream)
            bar = full * filled + tip * (filled < _BAR_WIDTH) + " " * (_BAR_WIDTH - filled - 1)
            text = f"{done}/{steps} {bar} {duration(self._seconds_left(now, done, steps))} left"
        else:
            text = f"{done}/? {duration(seconds)}"
        columns = _columns(self.stream) - 1
        self._redraw(_cut(text + numbers(logs()), columns), columns)

    def _seconds_left(self, now: float, done: int, steps: int) -> float:
        """From the pace since the first batch, which is slower than the others: it makes ready what they use."""
        when, first = self._first
        pace = (now - when) / (done - first) if done > first else (now - self._began) / done
        return pace * (steps - done)

    def end_epoch(self, steps: int, logs: dict[str, Any]) -> None:
        """Print the line of an epoch: 5/5 - 0s - loss: 0.5914 - accuracy: 0.8667."""
        if not self.verbose:
            return
        line = f"{steps}/{steps} - {duration(time.perf_counter() - self._began)}{numbers(logs)}"
        if self.live:
            self._redraw(line, _columns(self.stream) - 1)
            self._length = 0
            self._write("\n")
        else:
            self._write(line + "\n")

    def _redraw(self, text: str, columns: int) -> None:
        """Draw over the line before; where the terminal became narrower, no further than it is wide now."""
        length = _width(text)
        self._write("\r" + text + " " * (min(self._length, columns) - length))
        self._length = length

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
        except UnicodeEncodeError as error:  # a metric's name, where the output knows few characters
            self.stream.write(text.encode(error.encoding, "replace").decode(error.encoding))
        self.stream.flush()


def _width(text: str) -> int:
    """How many columns a text takes: some characters take two."""
    return len(text) if text.isascii() else sum(1 + (east_asian_width(c) in "WF") for c in text)


def _cut(text: str, columns: int) -> str:
    """As much of a text as there is room for."""
    while _width(text) > columns:
        text = text[: len(text) - max(1, (_width(text) - columns) // 2)]
    return text


def _strokes(stream: Any) -> tuple[str, str]:
    """What a bar is drawn with, and its tip, in characters that the stream can write."""
    try:
        "━╺".encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return "=", ">"
    return "━", "╺"


def _columns(stream: Any) -> int:
    """The width of the terminal: a longer line could not be drawn over."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _NO_TERMINAL_COLUMNS
    except (OSError, ValueError, AttributeError):  # no terminal, a closed file, or no file at all: a notebook
        return _NO_TERMINAL_COLUMNS


def verbosity(verbose: Any) -> int:
    """0, 1 or 2 for what users give as `verbose`.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(verbose, str):
        if verbose == "auto":
            return 1
    elif isinstance(verbose, bool | np.bool_):
        return int(verbose)
    elif isinstance(verbose, int | np.integer) and 0 <= verbose <= 2:
        return int(verbose)
    raise ValueError(f"verbose is 0, 1, 2 or 'auto'; got {verbose!r}.")


def is_live(stream: Any) -> bool:
    """True if a line on the stream can be drawn over: a terminal, or a notebook's output."""
    return getattr(stream, "isatty", lambda: False)() or is_notebook(stream)


def is_notebook(stream: Any) -> bool:
    """True for the output of a notebook (Jupyter, VS Code, Colab): a kernel's, which is no terminal."""
    return "ipykernel" in sys.modules and type(stream).__module__.startswith("ipykernel")


def duration(seconds: float) -> str:
    """0s, 42s, 3:05, 1:02:03."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def numbers(logs: dict[str, Any]) -> str:
    """- loss: 0.5914 - accuracy: 0.8667"""
    return "".join(f" - {name}: {number(value)}" for name, value in logs.items())


def number(value: Any) -> str:
    """Four decimals; four significant decimals with an exponent for what is small."""
    if not hasattr(value, "__float__") or np.ndim(value):
        return str(value)
    value = float(value)
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"

"""Running a script that was written for Keras, as `python script.py` would, with gatewise answering its imports."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from gatewise.compat.hook import keras_names

_HIDDEN_FOLDER = str(Path(__file__).parent)


def run_script(path: str | os.PathLike[str], argv: Sequence[str] = ()) -> dict[str, Any]:
    """Run a Python script as `__main__`, its imports of Keras and TensorFlow answered by gatewise.

    Args:
        path: the script.
        argv: its arguments, without its own name.

    Returns:
        the script's global names at its end.

    Raises:
        FileNotFoundError: if there is no such file; IsADirectoryError: if it is a folder.
        Whatever the script raises, `SystemExit` included.
    """
    name = os.fspath(path)
    with io.open_code(os.path.abspath(name)) as file:
        source = file.read()
    with keras_names(), _as_main(name, argv) as main:
        exec(compile(source, name, "exec", dont_inherit=True), main.__dict__)
    return vars(main)


@contextmanager
def _as_main(path: str, argv: Sequence[str]) -> Iterator[ModuleType]:
    """A fresh `__main__`, with sys.argv and the first folder of sys.path as Python sets them for a script."""
    main = ModuleType("__main__")
    vars(main).update(__file__=path, __builtins__=__builtins__)
    before = sys.modules.get("__main__"), sys.argv, sys.path
    sys.modules["__main__"] = main
    sys.argv = [path, *argv]
    sys.path = [os.path.dirname(os.path.abspath(path)), *before[2][1:]]
    try:
        yield main
    finally:
        sys.argv, sys.path = before[1:]
        if before[0] is not None:
            sys.modules["__main__"] = before[0]


def print_script_error(error: BaseException) -> None:
    """Print an exception's traceback to standard error, without the frames that only carried the script."""
    _strip(error, set())
    traceback.print_exception(error)


def _strip(error: BaseException | None, seen: set[int]) -> None:
    """Take the carrying frames out of the traceback of an exception and of those it came from."""
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = _without_own_frames(error.__traceback__)
        _strip(error.__cause__, seen)
        error = error.__context__


def _without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    frames = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    # What led to the script comes first; what the script did begins after it.
    carrying = [k for k, item in enumerate(frames) if item.tb_frame.f_code.co_filename == __file__]
    kept = [item for item in frames[carrying[-1] + 1 if carrying else 0 :] if not _is_own(item)]
    result = None
    for item in reversed(kept):
        result = TracebackType(result, item.tb_frame, item.tb_lasti, item.tb_lineno)
    return result


def _is_own(item: TracebackType) -> bool:
    file = item.tb_frame.f_code.co_filename
    return os.path.dirname(file) == _HIDDEN_FOLDER or file.startswith("<frozen importlib")

"""Writing a file so that, whatever happens, either the old one or the whole new one is there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def atomic_write(path: Any, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """A binary file to write to, which takes the place of `path` at the end of the block.

    The bytes go to a temporary file in the same folder, are forced to the disk, and the file is renamed.  If the
    block raises, the temporary file is removed and `path` is as it was.  A symbolic link stays; what it points to is
    replaced.

    Args:
        path: where the file shall be.
        overwrite: whether it may exist already.

    Raises:
        FileExistsError: if it exists and may not.
        FileNotFoundError: if its folder does not exist.
        OSError: if it cannot be written, with the reason, what is there now, and what to do.
    """
    target = Path(os.path.realpath(path))
    try:
        _check_place(path, target, overwrite)
        with _in_its_place(target) as file:
            yield file
    except OSError as error:
        if error.errno is None:  # a message of the library's own, which says it all
            raise
        raise explained(error, path) from error


def make_folder(folder: Any) -> None:
    """Make a folder, and those it lies in; one that is there already will do.

    Raises:
        OSError: if it cannot be made, with the reason and what to do.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file is in its place" if isinstance(error, FileExistsError) else error.strerror
        advice = _ADVICE.get(error.errno or 0, "Give another folder")
        raise OSError(error.errno, f"The folder {folder} cannot be made: {reason}. {advice}") from error


def explained(error: OSError, path: Any, kept: str | None = None) -> OSError:
    """The error of writing a file, told in full: which file, why, what is there now (`kept`), what to do."""
    if kept is None:
        there = os.path.isfile(path)
        kept = "The file that was there before is as it was" if there else "There is no such file yet"
    advice = _ADVICE.get(error.errno or 0, "Give another place")
    return OSError(error.errno, f"{path} could not be written: {error.strerror or error}. {kept}. {advice}")


_NO_ROOM = "Make room, or write to another disk"
_NOT_ALLOWED = "Ask for the right to write there, or give another folder"
_ADVICE = {
    errno.ENOSPC: _NO_ROOM,
    getattr(errno, "EDQUOT", errno.ENOSPC): _NO_ROOM,  # not known to Windows
    errno.EFBIG: "The disk or a limit (see ulimit -f) allows no file so large; write to another disk",
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.EROFS: "This disk can only be read; give another folder",
    errno.ENOTDIR: "A part of the path is a file, not a folder; give another folder",
    errno.EIO: "The disk may be failing; write to another one",
}


def _check_place(path: Any, target: Path, overwrite: bool) -> None:
    if not overwrite and target.exists():
        raise FileExistsError(f"{path} exists already; give overwrite=True to replace it.")
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"The folder {target.parent} does not exist, so {target.name} cannot be written there.")


@contextlib.contextmanager
def _in_its_place(target: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside the target that takes its place at the end, or goes."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o7777)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk; where folders cannot be opened (Windows) the system does it itself."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

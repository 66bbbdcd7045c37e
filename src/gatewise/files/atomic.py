"""Writing a file so that, whatever happens, either the old one or the whole new one is there."""

from __future__ import annotations

import contextlib
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
    """
    target = Path(os.path.realpath(path))
    if not overwrite and target.exists():
        raise FileExistsError(f"{path} exists already; give overwrite=True to replace it.")
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"The folder {target.parent} does not exist, so {target.name} cannot be written there.")
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

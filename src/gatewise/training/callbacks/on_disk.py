"""What callbacks write: folders and files, with errors that say whose, why, what is left and what to do."""

from __future__ import annotations

from pathlib import Path

# The room of files comes after that of training, which reaches into it only when something is written.


def check_name(filepath: str, weights_only: bool, owner: str) -> None:
    """Raise ValueError unless a model, or its weights, can be saved under such a name."""
    from gatewise import files

    try:
        files.check_name(filepath, weights_only)
    except ValueError as error:
        raise ValueError(f"{owner}: {error}") from None


def prepare_folder(folder: Path, owner: str) -> None:
    """Make a folder for the files of a callback.

    Raises:
        OSError: if it cannot be made.
    """
    from gatewise.files.atomic import make_folder

    try:
        make_folder(folder)
    except OSError as error:
        raise OSError(error.errno, f"{owner}: {error.strerror}") from error


def replace(path: Path, content: bytes, owner: str) -> None:
    """Replace a file's content, all or nothing.

    Raises:
        OSError: if it cannot be written.
    """
    from gatewise.files.atomic import atomic_write

    try:
        with atomic_write(path) as file:
            file.write(content)
    except OSError as error:
        if error.errno is None:  # a message of the library's own, which says it all
            raise
        raise OSError(error.errno, f"{owner} ({len(content):,} bytes): {error.strerror}") from error


def told(error: OSError, path: str, owner: str, kept: str) -> OSError:
    """The error of a file that a callback adds to, told in full; `kept`: what is there now."""
    from gatewise.files.atomic import explained

    return OSError(error.errno, f"{owner}: {explained(error, path, kept).strerror}")

"""The file of a backup: JSON and arrays behind a checksum, so that a damaged file is known before it is used."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.training.callbacks.on_disk import replace

_MAGIC = b"gatewise backup 1\n"
_DIGEST_BYTES = 32
_LENGTH_BYTES = 8


class DamagedBackup(ValueError):
    """A file that is not what was written."""


def write_backup(path: Path, told: dict[str, Any], arrays: list[np.ndarray]) -> None:
    """Write a backup, or leave the file as it was.

    Raises:
        OSError: if it cannot be written, saying what to do.
    """
    body = io.BytesIO()
    text = json.dumps(told).encode()
    body.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
    for array in arrays:
        np.lib.format.write_array(body, array, allow_pickle=False)
    content = body.getvalue()
    replace(path, _MAGIC + hashlib.sha256(content).digest() + content, "BackupAndRestore")


def read_backup(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What `write_backup` was given.

    Raises:
        DamagedBackup: if the file is cut short or changed, or is no backup.
    """
    found = path.read_bytes()
    start = len(_MAGIC) + _DIGEST_BYTES
    content = found[start:]
    if not found.startswith(_MAGIC) or hashlib.sha256(content).digest() != found[len(_MAGIC) : start]:
        raise DamagedBackup(
            f"The backup {path} is damaged or cut short ({len(found):,} bytes; its checksum does not fit). Delete it "
            "to begin anew."
        )
    body = io.BytesIO(content)
    length = int.from_bytes(body.read(_LENGTH_BYTES), "little")
    told = json.loads(body.read(length))
    arrays = []
    while body.tell() < len(content):
        arrays.append(np.lib.format.read_array(body, allow_pickle=False))
    return told, arrays

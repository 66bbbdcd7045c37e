"""A checksum behind the content of a file, for formats that have none of their own.

HDF5 reads nothing behind the end that its header states, and drops it when a file is changed: so the seal hinders no
other reader, and goes when it would no longer be true.
"""

from __future__ import annotations

import hashlib
from typing import IO

_MARK = b"\ngatewise sha256 "
SEAL_BYTES = len(_MARK) + 32


class Sealing:
    """A binary file that remembers a checksum of what is written to it; `seal` ends it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def write(self, content: bytes | memoryview) -> int:
        """Write, and count into the checksum."""
        self._digest.update(content)
        return self._file.write(content)

    def seal(self) -> None:
        """Write the checksum of all that was written."""
        self._file.write(_MARK + self._digest.digest())


def unsealed(content: bytes, source: str) -> bytes:
    """What a file holds, without its seal; a file that has none (another program's) as it is.

    Raises:
        ValueError: if the seal does not fit: the file is not what was written.
    """
    if content[-SEAL_BYTES:-32] != _MARK:
        return content
    inner = content[:-SEAL_BYTES]
    if hashlib.sha256(inner).digest() != content[-32:]:
        raise ValueError(
            f"{source} is damaged: its {len(content):,} bytes are not those that were written (the checksum does not "
            "fit). Use another copy of the file."
        )
    return inner

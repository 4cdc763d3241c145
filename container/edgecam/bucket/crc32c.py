"""CRC-32C (Castagnoli), the checksum that every store here knows: Google's own C library computes it."""

from __future__ import annotations

import base64
from io import FileIO
from pathlib import Path

import google_crc32c

READ_BYTES = 256 * 1024


def of_bytes(content: bytes) -> str:
    """The checksum as 8 lower case hex digits."""
    return f"{google_crc32c.value(content):08x}"


class Running:
    """A checksum that grows with what is read."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, piece: bytes) -> None:
        """Take `piece` in. Google's library takes nothing but `bytes`."""
        self._value = google_crc32c.extend(self._value, piece)

    def digest(self) -> str:
        """Of everything so far, as 8 lower case hex digits."""
        return f"{self._value:08x}"


def of_file(path: Path) -> str:
    """The checksum of a file's content as 8 lower case hex digits.

    Raises:
        OSError: it cannot be read.
    """
    with FileIO(path) as file:
        return of_open_file(file)


def of_open_file(file: FileIO) -> str:
    """The same of what is left to read of an open file.

    Raises:
        OSError: it cannot be read.
    """
    running = Running()
    while piece := file.read(READ_BYTES):
        running.update(piece)
    return running.digest()


def to_base64(crc32c: str) -> str:
    """As Google and S3 write it: the four bytes, highest first, in base64."""
    return base64.b64encode(bytes.fromhex(crc32c)).decode()


def from_base64(text: str) -> str:
    """The other way round."""
    return base64.b64decode(text).hex()

"""The file of a chunk, as every bucket reads it: a bad disk of the core's is told from trouble with
the store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from edgecam.bucket import crc32c as checksum
from edgecam.errors import ChunkDamaged


@contextlib.contextmanager
def opened(path: Path, name: str) -> Iterator[FileIO]:
    """The file at `path`, unbuffered.

    Raises:
        ChunkDamaged: it cannot be opened.
    """
    try:
        file = FileIO(path)
    except OSError as error:
        raise ChunkDamaged(f"{name}: expected its file, found: {error.strerror}") from error
    with file:
        yield file


def damaged(path: Path, name: str, expected: str, found: str) -> ChunkDamaged:
    """The error that says what became of the file."""
    return ChunkDamaged(f"{name}: expected {path.name} with crc32c {expected}, found {found}")


def check(path: Path, name: str, crc32c: str) -> None:
    """Read the file and compare.

    Raises:
        ChunkDamaged: it is not what was recorded, or cannot be read.
    """
    try:
        found = checksum.of_file(path)
    except OSError as error:
        raise ChunkDamaged(f"{name}: expected its file, found: {error.strerror}") from error
    if found != crc32c:
        raise damaged(path, name, crc32c, found)

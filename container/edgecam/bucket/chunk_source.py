"""The file of a chunk, as every bucket reads it: a fault of the core's disk is not blamed on the store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from io import FileIO

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.interface import ChunkUpload
from edgecam.errors import ChunkDamaged


@contextlib.contextmanager
def opened(upload: ChunkUpload) -> Iterator[FileIO]:
    """The file of `upload`, unbuffered.

    Raises:
        ChunkDamaged: it cannot be opened.
    """
    try:
        file = FileIO(upload.path)
    except OSError as error:
        raise _unreadable(upload, error) from error
    with file:
        yield file


def damaged(upload: ChunkUpload, found: str) -> ChunkDamaged:
    """The error for a file that has the checksum `found` in place of its own."""
    return ChunkDamaged(
        f"{upload.name}: expected {upload.path.name} with crc32c {upload.crc32c}, found {found}"
    )


def check(upload: ChunkUpload) -> None:
    """Read the file and compare its checksum.

    Raises:
        ChunkDamaged: it is not what was recorded, or cannot be read.
    """
    try:
        found = checksum.of_file(upload.path)
    except OSError as error:
        raise _unreadable(upload, error) from error
    if found != upload.crc32c:
        raise damaged(upload, found)


def _unreadable(upload: ChunkUpload, error: OSError) -> ChunkDamaged:
    return ChunkDamaged(f"{upload.name}: expected its file, found: {error.strerror}")

"""Repair of a chunk that was being written when the node was killed or the power failed.

Nothing here decodes, and nothing needs GStreamer: the spool calls it at start, before any camera runs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgecam.config.recording import ChunkFormat
from edgecam.errors import SpoolError
from edgecam.formats import mp4_repair as mp4
from edgecam.formats import mpegts_repair as mpegts


@dataclass(frozen=True)
class RepairedFile:
    """What the file at the same path holds after its repair.

    Attributes:
        duration_ms: How long it plays, whole milliseconds, rounded up so that it is never 0.
        size_bytes: The size of the file now.
        pictures: How many it holds; the first is a keyframe.
    """

    duration_ms: int
    size_bytes: int
    pictures: int


def repair(path: Path, form: ChunkFormat) -> RepairedFile | None:
    """Make the file at `path` play alone, from its first keyframe to the last picture that is whole.

    It is repaired in place: a copy would need room that a full disk does not have. It is cut behind the last
    whole fragment, or picture; MP4 gets its length and index into their places. Ending in the middle of it
    does no harm: the next call finds what this one found. A file that is whole is left as it is.

    Returns:
        What was saved, or None when no picture can be: the file is then as it was, and of no use.

    Raises:
        SpoolError: the disk could not be read or written, or there is no such file.
    """
    repair_format = mp4.repair if form is ChunkFormat.MP4 else mpegts.repair
    try:
        with path.open("r+b") as file:
            kept = repair_format(file)
            if kept is None:
                return None
            return RepairedFile(max(1, kept.duration_ms), os.fstat(file.fileno()).st_size, kept.pictures)
    except OSError as error:
        raise SpoolError(f"{path}: expected to save what is whole of it, found: {error.strerror}") from error

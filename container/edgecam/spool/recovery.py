"""Recovery of what a killed node has left half-written: what plays is kept, the rest counted and logged."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from edgecam import durable
from edgecam.chunk import Chunk
from edgecam.config.recording import ChunkFormat
from edgecam.errors import SpoolError
from edgecam.formats.repair import RepairedFile, repair
from edgecam.spool.names import incoming_chunk

log = logging.getLogger(__name__)

Recover = Callable[[Path, ChunkFormat], RepairedFile | None]
"""Replaces a file by its playable part; None when nothing of it can be played."""

_PIECE_BYTES = 1024 * 1024


class Recovery:
    """One start's leftovers.

    Args:
        folder: Where chunks are written.
        recover: Default `edgecam.formats.repair.repair`.
    """

    def __init__(self, folder: Path, recover: Recover | None) -> None:
        self._folder = folder
        self._recover = recover or repair
        self._foreign: list[Path] = []
        self.recovered: Counter[str] = Counter()
        """By camera: how many were recovered."""

    def leftovers(self) -> list[tuple[Path, Chunk]]:
        """The files that were being written, and what is known of each.

        Raises:
            OSError: the folder cannot be read.
        """
        found = [(path, incoming_chunk(path.name)) for path in sorted(self._folder.iterdir())]
        ours = [(path, chunk) for path, chunk in found if chunk is not None and _is_file(path)]
        self._foreign = sorted({path for path, _ in found} - {path for path, _ in ours})
        return ours

    def recover(self, path: Path, chunk: Chunk) -> Chunk | None:
        """Recover the chunk at `path`. None when it cannot be played; when the file is empty, it is removed.

        Raises:
            OSError: from the disk.
        """
        if _is_empty(path):
            durable.remove(path)
            return None
        try:
            recovered = self._recover(path, chunk.format)
        except SpoolError as error:
            log.warning("%s", error, extra={"camera": chunk.camera_id})
            recovered = None
        if recovered is None:
            log.error(
                "a chunk that was being written when the node ended cannot be played; it is quarantined",
                extra={"camera": chunk.camera_id, "start": chunk.start.isoformat()},
            )
            return None
        return chunk.lasting(recovered.duration_ms, recovered=True)

    def count(self, camera_id: str) -> None:
        """One more chunk of a camera was recovered and is kept."""
        self.recovered[camera_id] += 1

    def log(self) -> None:
        """Log what was recovered, and what was not the spool's."""
        for camera_id, count in sorted(self.recovered.items()):
            log.warning(
                "chunks that were being written when the node ended, and were recovered: %d",
                count,
                extra={"camera": camera_id},
            )
        if self._foreign:
            log.warning(
                "%s: expected chunks only, found %d other files; they are left alone [such as %s]",
                self._folder,
                len(self._foreign),
                self._foreign[0],
            )


def _is_file(path: Path) -> bool:
    # The target of a link is not ours to repair.
    return path.is_file() and not path.is_symlink()


def _is_empty(path: Path) -> bool:
    """Whether the file is empty, or holds only the zeros that a power cut leaves of what was not synced."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE_BYTES):
            if piece.strip(b"\0"):
                return False
    return True

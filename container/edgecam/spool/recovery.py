"""What a killed node has left half-written: what plays is saved, the rest is counted and said."""

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
from edgecam.spool.index import begun_chunk

log = logging.getLogger(__name__)

Recover = Callable[[Path, ChunkFormat], RepairedFile | None]
"""Makes the playable part of a file stand in its place; None when nothing of it can be played."""

_PIECE_BYTES = 1024 * 1024


class Recovery:
    """One start's leftovers.

    Args:
        folder: Where chunks are written.
        recover: `edgecam.formats.repair.repair`, unless told otherwise.
    """

    def __init__(self, folder: Path, recover: Recover | None) -> None:
        self._folder = folder
        self._recover = recover or repair
        self._foreign: list[Path] = []
        self.recovered: Counter[str] = Counter()
        """By camera: how many were saved."""

    def leftovers(self) -> list[tuple[Path, Chunk]]:
        """The files that were being written, and what is known of each.

        Raises:
            OSError: the folder cannot be read.
        """
        found = [(path, begun_chunk(path.name)) for path in sorted(self._folder.iterdir())]
        ours = [(path, chunk) for path, chunk in found if chunk is not None and _is_file(path)]
        self._foreign = sorted({path for path, _ in found} - {path for path, _ in ours})
        return ours

    def save(self, path: Path, chunk: Chunk) -> Chunk | None:
        """The chunk that could be saved at `path`. None when it cannot be played; when nothing at all is in
        it, it is removed.

        Raises:
            OSError: the disk does not let us.
        """
        if _is_nothing(path):
            durable.remove(path)
            return None
        try:
            saved = self._recover(path, chunk.format)
        except SpoolError as error:
            log.warning("%s", error, extra={"camera": chunk.camera_id})
            saved = None
        if saved is None:
            log.error(
                "a chunk that was being written when the node ended cannot be played; it is kept aside",
                extra={"camera": chunk.camera_id, "start": chunk.start.isoformat()},
            )
            return None
        return chunk.lasting(saved.duration_ms, recovered=True)

    def count(self, camera_id: str) -> None:
        """One more chunk of a camera was saved and is kept."""
        self.recovered[camera_id] += 1

    def say(self) -> None:
        """What came of it."""
        for camera_id, count in sorted(self.recovered.items()):
            log.warning(
                "chunks that were being written when the node ended, and could be saved: %d",
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
    # What a link leads to is not ours to mend.
    return path.is_file() and not path.is_symlink()


def _is_nothing(path: Path) -> bool:
    """Whether the file is empty, or holds only the zeros that a power cut leaves of what was not synced."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE_BYTES):
            if piece.strip(b"\0"):
                return False
    return True

"""The quota: both limits of the spool, and evictions when one is reached.

An open chunk counts with the size of the last one of its camera, so that the limits hold when it is finished,
not only when it is begun.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecam import durable
from edgecam.config import storage as config_store
from edgecam.config.storage import WhenFull
from edgecam.errors import SpoolFull
from edgecam.spool.catalog import ChunkCatalog
from edgecam.spool.evictions import EvictionCount
from edgecam.spool.in_progress import OpenChunks
from edgecam.spool.index import PendingChunk
from edgecam.spool.upload_session import SpoolSession

log = logging.getLogger(__name__)


class Quota:
    """Safe to use from any thread.

    Args:
        settings: Where, and how much.
        catalog: The kept chunks.
        open_chunks: Those that are being written.
        evictions: Their count.
        lock: Guards those three; held for moments only.
    """

    def __init__(
        self,
        settings: config_store.Spool,
        catalog: ChunkCatalog,
        open_chunks: OpenChunks,
        evictions: EvictionCount,
        lock: threading.Lock,
    ) -> None:
        self._settings = settings
        self._folder = Path(settings.path)
        self._catalog = catalog
        self._open_chunks = open_chunks
        self._evictions = evictions
        self._lock = lock
        self._deciding = threading.Lock()  # held while the disk works; always taken before the other
        self._is_refusing = False

    def is_full(self, free_bytes: int) -> bool:
        """Whether the next chunk would need an eviction, or is refused. The caller holds the lock."""
        return self._is_refusing or self._missing(self._open_chunks.largest_bytes(), free_bytes) > 0

    @contextlib.contextmanager
    def ensured(self, camera_id: str) -> Iterator[None]:
        """Reserve room for another chunk of a camera, as long as it is entered.

        Raises:
            SpoolFull: there is none.
            OSError: from the disk.
        """
        with self._deciding:
            missing = self._missing_now(self._open_chunks.usual_bytes(camera_id))
            if self._evict(missing, for_camera=camera_id) < missing:
                self._refuse()
                raise SpoolFull(
                    f"spool {self._folder}: expected room for a chunk within max_bytes "
                    f"{self._settings.max_bytes} and keep_free_bytes {self._settings.keep_free_bytes}, "
                    f"found {missing} bytes too few"
                )
            self._resume()
            yield

    def enforce(self) -> None:
        """Evict what is over the limits."""
        with self._deciding, _disk_errors_logged(self._folder):
            self._evict(self._missing_now())

    def make_room(self, needed_bytes: int) -> bool:
        """Whether the disk has `needed_bytes`, if need be by evictions."""
        with self._deciding:
            missing = needed_bytes - free_bytes_of(self._folder)
            return missing <= 0 or self._evict(missing) >= missing

    def check(self) -> None:
        """Accept chunks again if there is room for one; something has left."""
        if self._is_refusing:
            with self._deciding, _disk_errors_logged(self._folder):
                if not self._missing_now(self._open_chunks.largest_bytes()):
                    self._resume()

    def finish_evictions(self) -> None:
        """Remove what a killed run had counted as evicted.

        Raises:
            OSError: the count cannot be read.
        """
        for name in self._evictions.load():
            path = self._folder / name
            if path.is_relative_to(self._folder) and ".." not in path.parts:
                self.remove(path)

    def remove(self, path: Path) -> None:
        """Remove a chunk's file and its session. Not synced: what a power cut brings back is sent again, and
        the bucket recognises it."""
        try:
            durable.remove(path)
        except OSError as error:
            log.error("%s: expected to remove it, found: %s", path, error.strerror)
        SpoolSession(path).clear()

    def _missing_now(self, coming_bytes: int = 0) -> int:
        free_bytes = _free_bytes(self._folder)
        with self._lock:
            return self._missing(coming_bytes, free_bytes)

    def _missing(self, coming_bytes: int, free_bytes: int) -> int:
        """The bytes to evict so that `coming_bytes` more keep both limits; 0 when none have to go."""
        coming_bytes += self._open_chunks.coming_bytes()
        kept_bytes = self._catalog.size_bytes + self._open_chunks.written_bytes()
        over_limit = kept_bytes + coming_bytes - self._settings.max_bytes
        over_disk = self._settings.keep_free_bytes + coming_bytes - free_bytes
        return max(0, over_limit, over_disk)

    def _evict(self, needed_bytes: int, for_camera: str | None = None) -> int:
        """Evict chunks until `needed_bytes` are gained; returns the bytes gained. Evicts nothing if even all
        chunks would not free enough (the disk is full of something else)."""
        if needed_bytes <= 0 or self._settings.when_full is WhenFull.STOP:
            return 0
        with self._lock:
            if self._catalog.size_bytes < needed_bytes:
                return 0
            coming_bytes = self._open_chunks.bytes_by_camera()
            if for_camera is not None:
                coming_bytes[for_camera] += self._open_chunks.usual_bytes(for_camera)
            victims = self._catalog.take_evicted(needed_bytes, coming_bytes)
            self._evictions.count(victim.chunk.camera_id for victim in victims)
        names = [str(victim.path.relative_to(self._folder)) for victim in victims]
        is_saved = self._save_evictions(names)
        for victim in victims:
            self.remove(victim.path)
        if not is_saved:  # a disk so full that not even the count fitted; now it does
            self._save_evictions(())
        _log_evicted(victims)
        return sum(victim.size_bytes for victim in victims)

    def _save_evictions(self, leaving: Sequence[str]) -> bool:
        try:
            self._evictions.save(leaving)
        except OSError as error:
            log.warning("the count of evicted chunks: expected to save it, found: %s", error.strerror)
            return False
        return True

    def _refuse(self) -> None:
        was_refusing, self._is_refusing = self._is_refusing, True
        if not was_refusing:
            log.error(
                "spool %s is full, nothing is recorded until there is room: max_bytes %d, keep_free_bytes %d",
                self._folder,
                self._settings.max_bytes,
                self._settings.keep_free_bytes,
            )

    def _resume(self) -> None:
        was_refusing, self._is_refusing = self._is_refusing, False
        if was_refusing:
            log.info("spool %s has room again", self._folder)


def free_bytes_of(folder: Path) -> int:
    """What is free on the disk of `folder` for an unprivileged process; 0 when the disk does not answer."""
    try:
        return _free_bytes(folder)
    except OSError:
        return 0


def _free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


@contextlib.contextmanager
def _disk_errors_logged(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.warning("spool %s: expected to read its free space, found: %s", folder, error.strerror)


def _log_evicted(victims: Sequence[PendingChunk]) -> None:
    for camera_id in sorted({victim.chunk.camera_id for victim in victims}):
        mine = [victim for victim in victims if victim.chunk.camera_id == camera_id]
        log.error(
            "the spool is full: chunks that were not sent yet are lost: %d, together %d bytes",
            len(mine),
            sum(victim.size_bytes for victim in mine),
            extra={"camera": camera_id, "oldest": mine[0].chunk.name},
        )

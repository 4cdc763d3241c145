"""Room: both limits of the spool, and what happens when one is reached.

Chunks that are being written count as large as the last of their camera became, so that the limits hold when
they are finished, not only when they are begun.
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
from edgecam.spool.catalog import Shelves
from edgecam.spool.evictions import Losses
from edgecam.spool.in_progress import Begun
from edgecam.spool.index import Waiting
from edgecam.spool.upload_session import SpoolSession

log = logging.getLogger(__name__)


class Room:
    """Safe to use from any thread.

    Args:
        settings: Where, and how much.
        shelves: What is kept.
        begun: What is being written.
        losses: Counts what is evicted.
        lock: Guards those three; held for moments only.
    """

    def __init__(
        self,
        settings: config_store.Spool,
        shelves: Shelves,
        begun: Begun,
        losses: Losses,
        lock: threading.Lock,
    ) -> None:
        self._settings = settings
        self._folder = Path(settings.path)
        self._shelves = shelves
        self._begun = begun
        self._losses = losses
        self._lock = lock
        self._deciding = threading.Lock()  # held while the disk works; always taken before the other
        self._is_refusing = False

    def is_full(self, free_bytes: int) -> bool:
        """Whether the next chunk would need an eviction, or is refused. The caller holds the lock."""
        return self._is_refusing or self._missing(self._begun.largest_bytes(), free_bytes) > 0

    @contextlib.contextmanager
    def ensured(self, camera_id: str) -> Iterator[None]:
        """Room for another chunk of a camera, as long as it is entered: nobody else takes it meanwhile.

        Raises:
            SpoolFull: there is none.
            OSError: the disk cannot be asked.
        """
        with self._deciding:
            missing = self._missing_now(self._begun.usual_bytes(camera_id))
            if self._evict(missing, for_camera=camera_id) < missing:
                self._refuse()
                raise SpoolFull(
                    f"spool {self._folder}: expected room for a chunk within max_bytes "
                    f"{self._settings.max_bytes} and keep_free_bytes {self._settings.keep_free_bytes}, "
                    f"found {missing} bytes too few"
                )
            self._resume()
            yield

    def make(self) -> None:
        """Keep to the limits, now that something has changed."""
        with self._deciding, _said(self._folder):
            self._evict(self._missing_now())

    def make_on_disk(self, needed_bytes: int) -> bool:
        """Whether the disk has `needed_bytes`, or has gained what was missing."""
        with self._deciding:
            missing = needed_bytes - free_bytes_of(self._folder)
            return missing <= 0 or self._evict(missing) >= missing

    def look(self) -> None:
        """Something has left: say so if there is room again."""
        if self._is_refusing:
            with self._deciding, _said(self._folder):
                if not self._missing_now(self._begun.largest_bytes()):
                    self._resume()

    def finish_evictions(self) -> None:
        """Remove what the run before had counted as evicted and was killed over.

        Raises:
            OSError: the count cannot be read.
        """
        for name in self._losses.load():
            path = self._folder / name
            if path.is_relative_to(self._folder) and ".." not in path.parts:
                self.remove(path)

    def remove(self, path: Path) -> None:
        """Remove a chunk's file and what belongs to it. Not synced: what a power cut brings back is sent
        again, and the bucket knows it."""
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
        """How many bytes have to leave so that `coming_bytes` more keep both limits; 0 when none have to."""
        coming_bytes += self._begun.coming_bytes()
        kept_bytes = self._shelves.size_bytes + self._begun.written_bytes()
        over_limit = kept_bytes + coming_bytes - self._settings.max_bytes
        over_disk = self._settings.keep_free_bytes + coming_bytes - free_bytes
        return max(0, over_limit, over_disk)

    def _evict(self, needed_bytes: int, for_camera: str | None = None) -> int:
        """Evict chunks until `needed_bytes` are gained; returns what was gained. Where everything
        would not be enough (the disk is full of something else), nothing is lost in vain."""
        if needed_bytes <= 0 or self._settings.when_full is WhenFull.STOP:
            return 0
        with self._lock:
            if self._shelves.size_bytes < needed_bytes:
                return 0
            coming_bytes = self._begun.bytes_by_camera()
            if for_camera is not None:
                coming_bytes[for_camera] += self._begun.usual_bytes(for_camera)
            victims = self._shelves.take_evicted(needed_bytes, coming_bytes)
            self._losses.count(victim.chunk.camera_id for victim in victims)
        names = [str(victim.path.relative_to(self._folder)) for victim in victims]
        is_saved = self._save_losses(names)
        for victim in victims:
            self.remove(victim.path)
        if not is_saved:  # a disk so full that not even the count fitted: now it does
            self._save_losses(())
        _say_lost(victims)
        return sum(victim.size_bytes for victim in victims)

    def _save_losses(self, leaving: Sequence[str]) -> bool:
        try:
            self._losses.save(leaving)
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
def _said(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.warning("spool %s: expected to see its free space, found: %s", folder, error.strerror)


def _say_lost(victims: Sequence[Waiting]) -> None:
    for camera_id in sorted({victim.chunk.camera_id for victim in victims}):
        mine = [victim for victim in victims if victim.chunk.camera_id == camera_id]
        log.error(
            "the spool is full: chunks that were not sent yet are lost: %d, together %d bytes",
            len(mine),
            sum(victim.size_bytes for victim in mine),
            extra={"camera": camera_id, "oldest": mine[0].chunk.name},
        )

"""The spool: the folder where finished chunks wait until the cloud has confirmed them.

Invariants, each a test of that name:

 1. A chunk is under its final name only when it is whole and on the disk: its content is synced, then it is
    renamed, then the folder is synced. All that is known of it is in its name, so there is no second file
    that could be missing.
 2. A chunk leaves only on a receipt whose name, checksum and size are the chunk's own.
 3. Of each camera the newest or the oldest chunk is offered first, by content time.
 4. The folder stays within `max_bytes` and leaves `keep_free_bytes` of the disk free: the oldest chunk of
    the camera that holds the most is evicted, so that no camera costs another a chunk while it holds more
    itself; one that is being uploaded goes last of all.
 5. Every eviction is counted, over restarts too, and logged.
 6. Set to stop, the spool evicts nothing: it refuses new chunks, logs that once, and resumes by itself.
 7. After kill -9 or a power cut at any moment everything whole is offered again, and the playable part of
    what was not; what cannot be played is counted, logged and quarantined, removed only when it is empty.
 8. Two nodes never share a spool: the second is refused, with the first one's process and host.
 9. Memory is 48 bytes for each chunk that waits; a start reads folders, not files.
10. Names never collide: two chunks of the same start are both kept, and logged.
11. Files that are not the spool's are left alone, and logged once.

    <spool>/<camera>/20260101T120000.000Z_10000ms,codec=h264,…,size=5242880,crc32c=1a2b3c4d.mp4
    <spool>/<camera>/….mp4.session      of an upload in parts, for the next run
    <spool>/.incoming/                  being written, or left half-written
    <spool>/.quarantine/<camera>/       not offered again: another attempt would fail as well
    <spool>/.losses.json, .lock
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import stat
import threading
from collections.abc import Callable, Container, Sequence
from pathlib import Path

from edgecam import durable
from edgecam.bucket import crc32c as checksum
from edgecam.bucket.interface import Receipt, Session
from edgecam.chunk import Chunk
from edgecam.clock import Clock
from edgecam.config import storage as config_store
from edgecam.config.storage import Order
from edgecam.errors import ChunkDamaged, SpoolError
from edgecam.folder import opened, refuse_foreign, remedy
from edgecam.spool.catalog import ChunkCatalog
from edgecam.spool.evictions import EvictionCount
from edgecam.spool.in_progress import OpenChunks
from edgecam.spool.index import PendingChunk
from edgecam.spool.lock import SpoolLock
from edgecam.spool.names import incoming_name
from edgecam.spool.quota import Quota, free_bytes_of
from edgecam.spool.recovery import Recover, Recovery
from edgecam.spool.upload_session import SpoolSession
from edgecam.status.reports import SpooledReport, SpoolReport

__all__ = ["PendingChunk", "Recover", "Spool"]

log = logging.getLogger(__name__)

_INCOMING = ".incoming"
_NAMES_TRIED = 1000  # files of one name that earlier runs have left and that could not be recovered


class Spool:
    """The chunks of all cameras of a node. Safe to use from any thread.

    Args:
        settings: Where, and how much.
        clock: Time.
        recover: Repairs a file that was cut short, in place.
    """

    def __init__(self, settings: config_store.Spool, *, clock: Clock, recover: Recover | None = None) -> None:
        self._settings = settings
        self._folder = Path(settings.path)
        self._incoming = self._folder / _INCOMING
        self._clock = clock
        self._recovery = Recovery(self._incoming, recover)
        self._file_lock = SpoolLock(self._folder / ".lock")
        self._evictions = EvictionCount(self._folder / ".losses.json")
        self._catalog = ChunkCatalog(self._folder)
        self._open_chunks = OpenChunks()
        self._serials = itertools.count(1)
        self._lock = threading.Lock()  # held for moments: what is in memory, and renames
        self._quota = Quota(settings, self._catalog, self._open_chunks, self._evictions, self._lock)
        self._listeners: tuple[Callable[[], None], ...] = ()

    def open(self) -> None:
        """Lock the folder, recover what an earlier run has left half-written, and read what waits.

        Raises:
            SpoolError: another node has it, or the disk fails.
        """
        try:
            with contextlib.suppress(FileNotFoundError):
                _refuse_foreign(self._folder)  # before anything is made in it
            durable.make_folder(self._incoming)
            _refuse_foreign(self._folder)
            self._file_lock.take()
            self._quota.finish_evictions()
            self._catalog.scan(beside=(_INCOMING,))
            self._quota.enforce()  # before anything is recovered: the disk may be full
            self._recover()
            self._quota.enforce()
        except BaseException as error:
            self._file_lock.release()
            if isinstance(error, OSError):
                raise _spool_error(
                    self._folder, "use the spool", error, remedy(error, self._folder)
                ) from error
            raise

    def close(self) -> None:
        """Unlock the folder. What is still being written is recovered at the next start."""
        self._file_lock.release()

    # For recordings

    def begin(self, chunk: Chunk) -> Path:
        """See `ChunkSink.begin`."""
        try:
            with self._quota.ensured(chunk.camera_id), self._lock:
                path = self._new_path(chunk)
                self._open_chunks.add(path, chunk)
        except OSError as error:
            raise _spool_error(self._incoming, "begin a chunk", error) from error
        return path

    def finish(self, path: Path, chunk: Chunk) -> None:
        """See `ChunkSink.finish`. Reads the file once for its checksum, and waits for the disk twice."""
        try:
            self._keep(path, chunk, self._clock.monotonic_s())
        except OSError as error:
            if error.errno != errno.ENOSPC or not self.make_room(max(1, self._open_chunks.largest_bytes())):
                raise _spool_error(path, "keep the chunk", error) from error
            try:
                self._keep(path, chunk, self._clock.monotonic_s())
            except OSError as again:
                raise _spool_error(path, "keep the chunk", again) from again
        for wake in self._listeners:
            wake()
        self._quota.enforce()

    def discard(self, path: Path) -> None:
        """See `ChunkSink.discard`."""
        with self._lock:
            self._open_chunks.remove(path)
        try:
            durable.remove(path)
        except OSError as error:
            log.warning("%s: expected to remove it, found: %s", path, error.strerror)

    def make_room(self, needed_bytes: int) -> bool:
        """See `ChunkSink.make_room`."""
        return self._quota.make_room(needed_bytes)

    # For uploads

    def cameras(self) -> tuple[str, ...]:
        """The cameras with pending chunks, sorted."""
        with self._lock:
            return self._catalog.pending_cameras()

    def next_chunk(
        self, camera_id: str, order: Order, *, skip: Container[PendingChunk] = ()
    ) -> PendingChunk | None:
        """Claim the newest or oldest chunk of a camera that is not in `skip`; None when there is none.

        A claimed chunk is evicted last. Its file may be gone when it is opened: then it was evicted all the
        same.
        """
        with self._lock:
            return self._catalog.next_chunk(camera_id, order, skip)

    def claim(self, pending: PendingChunk) -> bool:
        """Claim a known chunk, as `next_chunk` does; False when it has left."""
        with self._lock:
            return self._catalog.claim(pending)

    def unclaim(self, pending: PendingChunk) -> None:
        """The upload of `pending` has ended, however it ended."""
        with self._lock:
            self._catalog.unclaim(pending)

    def pending(self, camera_id: str) -> Sequence[PendingChunk]:
        """A snapshot of the pending chunks of a camera, the oldest first."""
        with self._lock:
            return self._catalog.pending(camera_id)

    def acknowledge(self, pending: PendingChunk, receipt: Receipt) -> None:
        """Remove `pending`, which the cloud has confirmed; one that was evicted meanwhile is no error.

        Raises:
            ChunkDamaged: the receipt is for something else; the chunk stays.
        """
        expected = (pending.chunk.name, pending.crc32c, pending.size_bytes)
        found = (receipt.name, receipt.crc32c.lower(), receipt.size_bytes)
        if expected != found:
            raise ChunkDamaged(
                "receipt: expected {} with crc32c {} and {} bytes, found {} with {} and {}".format(
                    *expected, *found
                )
            )
        with self._lock:
            was_here = self._catalog.remove(pending)
        if was_here:
            self._quota.remove(pending.path)
            self._quota.check()

    def quarantine(self, pending: PendingChunk, why: str) -> None:
        """Keep `pending` without offering it again; `why` is a phrase for a person.

        Raises:
            SpoolError: the disk fails; it is still offered.
        """
        try:
            with self._lock:
                was_here = self._catalog.quarantine(pending)
        except OSError as error:
            raise _spool_error(pending.path, "quarantine it", error) from error
        if was_here:
            SpoolSession(pending.path).clear()
            log.error(
                "chunk quarantined, it is kept in the spool and not sent again: %s",
                why,
                extra={"camera": pending.chunk.camera_id, "chunk": pending.chunk.name},
            )

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each finished chunk, on the recording's thread: it must not block."""
        with self._lock:
            self._listeners = (*self._listeners, wake)

    def session(self, pending: PendingChunk) -> Session:
        """The session of `pending`, for an upload in parts; it is removed with the chunk."""
        return SpoolSession(pending.path)

    def report(self) -> SpoolReport:
        """The state of the spool; reads the free space of the disk and the sizes of open files."""
        free_bytes = free_bytes_of(self._folder)
        with self._lock:
            named = {*self._catalog.cameras(), *self._evictions.cameras, *self._recovery.recovered}
            return SpoolReport(
                cameras={camera_id: self._report_of(camera_id) for camera_id in sorted(named)},
                spool_bytes=self._catalog.size_bytes + self._open_chunks.written_bytes(),
                limit_bytes=self._settings.max_bytes,
                free_bytes=free_bytes,
                is_full=self._quota.is_full(free_bytes),
            )

    def _report_of(self, camera_id: str) -> SpooledReport:
        pending, quarantined = self._catalog.pending_of(camera_id), self._catalog.quarantine_of(camera_id)
        return SpooledReport(
            waiting_chunks=len(pending),
            waiting_bytes=pending.size_bytes,
            oldest=pending.oldest_start(),
            evicted_chunks_total=self._evictions.of(camera_id),
            quarantined_chunks=len(quarantined),
            recovered_chunks_total=self._recovery.recovered.get(camera_id, 0),
        )

    # Keeping

    def _new_path(self, chunk: Chunk) -> Path:
        durable.make_folder(self._incoming)
        for serial in itertools.islice(self._serials, _NAMES_TRIED):
            path = self._incoming / incoming_name(chunk, serial)
            try:
                durable.create(path)
            except FileExistsError:
                continue
            return path
        raise FileExistsError(errno.EEXIST, "a thousand files of that name are there already")

    def _keep(self, path: Path, chunk: Chunk, finished_s: float | None) -> None:
        crc32c, size_bytes = checksum.of_file(path), path.stat().st_size
        if size_bytes == 0:
            raise SpoolError(f"{path}: expected a chunk, found an empty file")
        durable.sync_file(path)
        pending = self._catalog.pending_chunk(chunk, size_bytes, crc32c, finished_s)
        durable.make_folder(pending.path.parent)
        with self._lock:
            is_twin = pending.path.exists()
            shares_name = not is_twin and self._catalog.pending_of(chunk.camera_id).shares_name(chunk)
            durable.move(path, pending.path)  # a twin is identical
        durable.sync_folder(pending.path.parent)
        with self._lock:
            self._open_chunks.remove(path, size_bytes)
            if not is_twin:
                self._catalog.pending_of(chunk.camera_id).add(pending)
        if shares_name or is_twin:
            log.warning(
                "two chunks of the same start, %s",
                "and the same content: one is kept" if is_twin else "both are kept",
                extra={"camera": chunk.camera_id, "chunk": chunk.name},
            )

    def _recover(self) -> None:
        for path, chunk in self._recovery.leftovers():
            try:
                self._recover_one(path, chunk)
            except OSError as error:
                log.warning(
                    "%s: expected to recover it, found: %s; it is left for the next start",
                    path,
                    error.strerror,
                )
        self._recovery.log()

    def _recover_one(self, path: Path, chunk: Chunk) -> None:
        recovered = self._recovery.recover(path, chunk)
        if recovered is not None:
            self._keep(path, recovered, None)
            self._recovery.count(chunk.camera_id)
        elif path.exists():
            self._catalog.quarantine_file(path, chunk, path.stat().st_size, checksum.of_file(path))


def _refuse_foreign(spool: Path) -> None:
    """Refuse a spool that another user could use to have recordings written, sent or removed anywhere.

    Raises:
        ForeignFolder: another user owns or may write one of them.
    """
    with opened(spool) as folder:
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - of a descriptor
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode) and name != "lost+found":
                refuse_foreign(str(spool / name), facts)


def _spool_error(path: Path, purpose: str, error: OSError, hint: str = "") -> SpoolError:
    return SpoolError(f"{path}: expected to {purpose}, found: {error.strerror or error}{hint}")

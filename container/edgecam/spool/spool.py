"""The spool: the folder where finished chunks wait until the cloud has confirmed them.

Invariants, each a test of that name:

 1. A chunk is under its final name only when it is whole and on the disk: its content is synced, then it is
    renamed, then the folder is synced. All that is known of it stands in its name, so there is no second file
    that could be missing.
 2. A chunk leaves only on a receipt whose name, checksum and size are the chunk's own.
 3. Of each camera the newest or the oldest chunk is offered first, by content time.
 4. The folder stays within `max_bytes` and leaves `keep_free_bytes` of the disk alone: the oldest chunk of
    the camera that holds the most is evicted, so that no camera costs another a chunk while it holds more
    itself; one that is being uploaded goes last of all.
 5. Every eviction is counted, over restarts too, and said.
 6. Set to stop, the spool evicts nothing: it refuses new chunks, says so once, and resumes by itself.
 7. After kill -9 or a power cut at any moment everything whole is offered again, and the playable part of
    what was not; what cannot be played is counted, said and set aside, removed only when nothing is in it.
 8. Two nodes never share a spool: the second is refused, and told who has it.
 9. Memory is 48 bytes for each chunk that waits; a start reads folders, not files.
10. Names never collide: two chunks of the same start are both kept, and said.
11. Files that are not the spool's are left alone, and said once.

    <spool>/<camera>/20260101T120000.000Z_10000ms,codec=h264,…,size=5242880,crc32c=1a2b3c4d.mp4
    <spool>/<camera>/….mp4.session      of an upload in parts, for the next run
    <spool>/.incoming/                  being written, or left half-written
    <spool>/.aside/<camera>/            no longer offered, since trying again is of no use
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
from edgecam.folder import opened, refuse_foreign
from edgecam.spool.catalog import Shelves
from edgecam.spool.evictions import Losses
from edgecam.spool.in_progress import Begun
from edgecam.spool.index import Waiting, begun_name
from edgecam.spool.lock import SpoolLock
from edgecam.spool.quota import Room, free_bytes_of
from edgecam.spool.recovery import Recover, Recovery
from edgecam.spool.upload_session import SpoolSession
from edgecam.status.reports import SpooledReport, SpoolReport

__all__ = ["Recover", "Spool", "Waiting"]

log = logging.getLogger(__name__)

_INCOMING = ".incoming"
_NAMES_TRIED = 1000  # files of one name that earlier runs have left and that could not be saved


class Spool:
    """The chunks of all cameras of a node. Safe to use from any thread.

    Args:
        settings: Where, and how much.
        clock: Time.
        recover: Saves what can be played of a file that was cut short, in place.
    """

    def __init__(self, settings: config_store.Spool, *, clock: Clock, recover: Recover | None = None) -> None:
        self._settings = settings
        self._folder = Path(settings.path)
        self._incoming = self._folder / _INCOMING
        self._clock = clock
        self._recovery = Recovery(self._incoming, recover)
        self._file_lock = SpoolLock(self._folder / ".lock")
        self._losses = Losses(self._folder / ".losses.json")
        self._shelves = Shelves(self._folder)
        self._begun = Begun()
        self._serials = itertools.count(1)
        self._lock = threading.Lock()  # held for moments: what is in memory, and renames
        self._room = Room(settings, self._shelves, self._begun, self._losses, self._lock)
        self._listeners: tuple[Callable[[], None], ...] = ()

    def open(self) -> None:
        """Take the folder, save what an earlier run has left, and see what waits.

        Raises:
            SpoolError: another node has it, or the disk does not let us.
        """
        try:
            with contextlib.suppress(FileNotFoundError):
                _refuse_foreign(self._folder)  # before anything is made in it
            durable.make_folder(self._incoming)
            _refuse_foreign(self._folder)
            self._file_lock.take()
            self._room.finish_evictions()
            self._shelves.scan(beside=(_INCOMING,))
            self._room.make()  # before anything is saved: the disk may be full
            self._recover()
            self._room.make()
        except BaseException as error:
            self._file_lock.let_go()
            if isinstance(error, OSError):
                raise _spool_error(self._folder, "use the spool", error) from error
            raise

    def close(self) -> None:
        """Let another node have the folder. What is still being written is saved at the next start."""
        self._file_lock.let_go()

    # What recordings ask for

    def begin(self, chunk: Chunk) -> Path:
        """See `ChunkSink.begin`."""
        try:
            with self._room.ensured(chunk.camera_id), self._lock:
                path = self._new_path(chunk)
                self._begun.add(path, chunk)
        except OSError as error:
            raise _spool_error(self._incoming, "begin a chunk", error) from error
        return path

    def finish(self, path: Path, chunk: Chunk) -> None:
        """See `ChunkSink.finish`. Reads the file once for its checksum, and waits for the disk twice."""
        try:
            self._keep(path, chunk, self._clock.monotonic_s())
        except OSError as error:
            if error.errno != errno.ENOSPC or not self.make_room(max(1, self._begun.largest_bytes())):
                raise _spool_error(path, "keep the chunk", error) from error
            try:
                self._keep(path, chunk, self._clock.monotonic_s())
            except OSError as again:
                raise _spool_error(path, "keep the chunk", again) from again
        for wake in self._listeners:
            wake()
        self._room.make()

    def discard(self, path: Path) -> None:
        """See `ChunkSink.discard`."""
        with self._lock:
            self._begun.remove(path)
        try:
            durable.remove(path)
        except OSError as error:
            log.warning("%s: expected to remove it, found: %s", path, error.strerror)

    def make_room(self, needed_bytes: int) -> bool:
        """See `ChunkSink.make_room`."""
        return self._room.make_on_disk(needed_bytes)

    # What uploads ask for

    def cameras(self) -> tuple[str, ...]:
        """Those that have chunks to send, by name."""
        with self._lock:
            return self._shelves.waiting_cameras()

    def next_chunk(self, camera_id: str, order: Order, *, skip: Container[Waiting] = ()) -> Waiting | None:
        """The newest or oldest chunk of a camera that is not in `skip` (what is being uploaded now); None
        when there is none. It counts as being uploaded until it is handed back, and is evicted last. Its file
        may be gone by the time it is opened: then it was evicted all the same."""
        with self._lock:
            return self._shelves.next_chunk(camera_id, order, skip)

    def lend(self, waiting: Waiting) -> bool:
        """Like `next_chunk`, for a chunk that is known already; False when it has left meanwhile."""
        with self._lock:
            return self._shelves.lend(waiting)

    def hand_back(self, waiting: Waiting) -> None:
        """`waiting` is no longer being uploaded, however that ended."""
        with self._lock:
            self._shelves.hand_back(waiting)

    def waiting(self, camera_id: str) -> Sequence[Waiting]:
        """The chunks of a camera as they are now, the oldest first."""
        with self._lock:
            return self._shelves.waiting(camera_id)

    def release(self, waiting: Waiting, receipt: Receipt) -> None:
        """The cloud has confirmed `waiting`: remove it. One that was evicted meanwhile is no error.

        Raises:
            ChunkDamaged: the receipt is for something else; the chunk stays.
        """
        expected = (waiting.chunk.name, waiting.crc32c, waiting.size_bytes)
        found = (receipt.name, receipt.crc32c.lower(), receipt.size_bytes)
        if expected != found:
            raise ChunkDamaged(
                "receipt: expected {} with crc32c {} and {} bytes, found {} with {} and {}".format(
                    *expected, *found
                )
            )
        with self._lock:
            was_here = self._shelves.take(waiting)
        if was_here:
            self._room.remove(waiting.path)
            self._room.look()

    def set_aside(self, waiting: Waiting, why: str) -> None:
        """Keep `waiting`, but offer it no longer: `why` is a phrase for a person that says what is wrong.

        Raises:
            SpoolError: the disk does not let us; it is still offered.
        """
        try:
            with self._lock:
                aside = self._shelves.set_aside(waiting)
        except OSError as error:
            raise _spool_error(waiting.path, "set it aside", error) from error
        if aside is not None:
            SpoolSession(waiting.path).clear()
            log.error(
                "chunk set aside, it is kept in the spool and not sent again: %s",
                why,
                extra={"camera": waiting.chunk.camera_id, "chunk": waiting.chunk.name},
            )

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each chunk that is finished, from the recording's thread: it must be quick."""
        with self._lock:
            self._listeners = (*self._listeners, wake)

    def session(self, waiting: Waiting) -> Session:
        """Where an upload of `waiting` in parts keeps what it needs to go on; it goes with the chunk."""
        return SpoolSession(waiting.path)

    def report(self) -> SpoolReport:
        """How it stands; asks the disk for its free space and for the sizes of what is being written."""
        free_bytes = free_bytes_of(self._folder)
        with self._lock:
            named = {*self._shelves.cameras(), *self._losses.cameras, *self._recovery.recovered}
            return SpoolReport(
                cameras={camera_id: self._report_of(camera_id) for camera_id in sorted(named)},
                spool_bytes=self._shelves.size_bytes + self._begun.written_bytes(),
                limit_bytes=self._settings.max_bytes,
                free_bytes=free_bytes,
                is_full=self._room.is_full(free_bytes),
            )

    def _report_of(self, camera_id: str) -> SpooledReport:
        shelf, aside = self._shelves.of(camera_id), self._shelves.aside_of(camera_id)
        return SpooledReport(
            waiting_chunks=len(shelf),
            waiting_bytes=shelf.size_bytes,
            oldest=shelf.oldest_start(),
            evicted_chunks_total=self._losses.of(camera_id),
            aside_chunks=len(aside),
            recovered_chunks_total=self._recovery.recovered.get(camera_id, 0),
        )

    # Keeping

    def _new_path(self, chunk: Chunk) -> Path:
        durable.make_folder(self._incoming)
        for serial in itertools.islice(self._serials, _NAMES_TRIED):
            path = self._incoming / begun_name(chunk, serial)
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
        waiting = self._shelves.named(chunk, size_bytes, crc32c, finished_s)
        durable.make_folder(waiting.path.parent)
        with self._lock:
            is_twin = waiting.path.exists()
            shares_name = not is_twin and self._shelves.of(chunk.camera_id).shares_name(chunk)
            durable.move(path, waiting.path)  # a twin is replaced by what is the same to the last bit
        durable.sync_folder(waiting.path.parent)
        with self._lock:
            self._begun.remove(path, size_bytes)
            if not is_twin:
                self._shelves.of(chunk.camera_id).add(waiting)
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
                    "%s: expected to save it, found: %s; it is left for the next start", path, error.strerror
                )
        self._recovery.say()

    def _recover_one(self, path: Path, chunk: Chunk) -> None:
        saved = self._recovery.save(path, chunk)
        if saved is not None:
            self._keep(path, saved, None)
            self._recovery.count(chunk.camera_id)
        elif path.exists():
            self._shelves.put_aside(path, chunk, path.stat().st_size, checksum.of_file(path))


def _refuse_foreign(spool: Path) -> None:
    """Whoever may write into one of its folders could have recordings written, sent or removed anywhere.

    Raises:
        ForeignFolder: another user owns or may write one of them.
    """
    with opened(spool) as folder:
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - of a descriptor
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode) and name != "lost+found":
                refuse_foreign(str(spool / name), facts)


def _spool_error(path: Path, wish: str, error: OSError) -> SpoolError:
    return SpoolError(f"{path}: expected to {wish}, found: {error.strerror or error}")

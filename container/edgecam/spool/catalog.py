"""The catalog of the spool: the kept chunks of all cameras, pending, claimed by an upload, or quarantined."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from edgecam import durable
from edgecam.chunk import Chunk
from edgecam.config.storage import Order
from edgecam.spool.index import CameraChunks, PendingChunk, Traits
from edgecam.spool.names import is_kept_name, kept_name
from edgecam.spool.upload_session import SUFFIX as SESSION_SUFFIX
from edgecam.status.last_run import SPOOL_MARKER

log = logging.getLogger(__name__)

_QUARANTINE = ".quarantine"
_NO_FILE = -1
_CAMERA = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_OURS = frozenset({".lock", ".losses.json", SPOOL_MARKER, _QUARANTINE})
_NEVER = datetime.max.replace(tzinfo=UTC)
_OF_THE_DISK = frozenset({"lost+found"})


class ChunkCatalog:
    """Not safe to use from several threads; the spool's lock guards it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._traits = Traits()
        self._pending: dict[str, CameraChunks] = {}
        self._quarantined: dict[str, CameraChunks] = {}
        self._claimed: set[PendingChunk] = set()

    @property
    def size_bytes(self) -> int:
        """Of all kept chunks."""
        return sum(chunks.size_bytes for chunks in (*self._pending.values(), *self._quarantined.values()))

    def pending_of(self, camera_id: str) -> CameraChunks:
        """The chunks of a camera that the cloud has not confirmed."""
        if camera_id not in self._pending:
            self._pending[camera_id] = CameraChunks(camera_id, self._folder / camera_id, self._traits)
        return self._pending[camera_id]

    def quarantine_of(self, camera_id: str) -> CameraChunks:
        """The chunks of a camera in quarantine."""
        if camera_id not in self._quarantined:
            folder = self._folder / _QUARANTINE / camera_id
            self._quarantined[camera_id] = CameraChunks(camera_id, folder, self._traits)
        return self._quarantined[camera_id]

    def cameras(self) -> tuple[str, ...]:
        """The cameras with any kept chunk."""
        kept = (*self._pending.items(), *self._quarantined.items())
        return tuple({camera_id for camera_id, chunks in kept if chunks})

    def pending_cameras(self) -> tuple[str, ...]:
        """The cameras with pending chunks, sorted."""
        return tuple(sorted(camera_id for camera_id, chunks in self._pending.items() if chunks))

    def pending(self, camera_id: str) -> Sequence[PendingChunk]:
        """A snapshot of the pending chunks of a camera, the oldest first."""
        chunks = self._pending.get(camera_id)
        return () if chunks is None else chunks.snapshot()

    def pending_chunk(
        self, chunk: Chunk, size_bytes: int, crc32c: str, finished_s: float | None
    ) -> PendingChunk:
        """`chunk` as it will be pending, under its final name."""
        path = self._folder / chunk.camera_id / kept_name(chunk, size_bytes, crc32c)
        return PendingChunk(chunk, path, size_bytes, crc32c, finished_s)

    def next_chunk(self, camera_id: str, order: Order, skip: Container[PendingChunk]) -> PendingChunk | None:
        """Claim the newest or oldest that is not in `skip`; None when there is none."""
        chunks = self._pending.get(camera_id)
        if not chunks:
            return None
        candidates = chunks.from_newest() if order is Order.NEWEST else chunks.from_oldest()
        chosen = next((each for each in candidates if each not in skip), None)
        if chosen is not None:
            self._claimed.add(chosen)
        return chosen

    def claim(self, pending: PendingChunk) -> bool:
        """Claim `pending`; False when it has left."""
        chunks = self._pending.get(pending.chunk.camera_id)
        if chunks is None or not chunks.holds(pending):
            return False
        self._claimed.add(pending)
        return True

    def unclaim(self, pending: PendingChunk) -> None:
        """Its upload has ended, however it ended."""
        self._claimed.discard(pending)

    def remove(self, pending: PendingChunk) -> bool:
        """Forget `pending`; False when it had left already."""
        self._claimed.discard(pending)
        return self.pending_of(pending.chunk.camera_id).remove(pending)

    def take_evicted(self, needed_bytes: int, coming_bytes: Mapping[str, int]) -> list[PendingChunk]:
        """Forget the chunks to evict until they have `needed_bytes`, or all: first those in quarantine, which
        cannot be sent anyway, then pending ones, then claimed ones; each time the oldest of the camera that
        holds the most.

        Args:
            needed_bytes: What is missing.
            coming_bytes: By camera: what is being written, and counts as held.
        """
        taken: list[PendingChunk] = []
        gained = 0
        while gained < needed_bytes and (found := self._next_evicted(coming_bytes)) is not None:
            chunks, oldest = found
            chunks.remove(oldest)
            self._claimed.discard(oldest)
            taken.append(oldest)
            gained += oldest.size_bytes
        return taken

    def quarantine(self, pending: PendingChunk) -> bool:
        """Move `pending` to quarantine; False when it had left already.

        Raises:
            OSError: from the disk.
        """
        if not self.pending_of(pending.chunk.camera_id).holds(pending):
            return False
        self.quarantine_file(pending.path, pending.chunk, pending.size_bytes, pending.crc32c)
        self.remove(pending)
        return True

    def quarantine_file(self, path: Path, chunk: Chunk, size_bytes: int, crc32c: str) -> None:
        """Move the file at `path` to quarantine. Not synced: after a power cut it is quarantined again.

        Raises:
            OSError: from the disk.
        """
        chunks = self.quarantine_of(chunk.camera_id)
        target = chunks.folder / kept_name(chunk, size_bytes, crc32c)
        quarantined = PendingChunk(chunk, target, size_bytes, crc32c, None)
        durable.make_folder(chunks.folder)
        is_there = chunks.holds(quarantined)
        durable.move(path, target)
        if not is_there:
            chunks.add(quarantined)

    def scan(self, beside: Container[str]) -> None:
        """Read what earlier runs have left; `beside` are names that others look after.

        Raises:
            OSError: a folder cannot be read.
        """
        foreign: list[Path] = []
        wrong_sizes: list[tuple[PendingChunk, int]] = []
        for entry in _entries(self._folder):
            if entry.name in _OURS or entry.name in _OF_THE_DISK or entry.name in beside:
                continue
            if durable.replaced_name(entry.name) == SPOOL_MARKER:
                continue
            if entry.is_dir(follow_symlinks=False) and _CAMERA.fullmatch(entry.name):
                foreign += _fill(self.pending_of(entry.name), wrong_sizes)
            else:
                foreign.append(Path(entry.path))
        quarantine = self._folder / _QUARANTINE
        for entry in _entries(quarantine) if quarantine.is_dir() else ():
            if entry.is_dir(follow_symlinks=False) and _CAMERA.fullmatch(entry.name):
                foreign += _fill(self.quarantine_of(entry.name), wrong_sizes)
            else:
                foreign.append(Path(entry.path))
        for named, size_bytes in wrong_sizes:
            self._quarantine_wrong_size(named, size_bytes)
        if foreign:
            log.warning(
                "spool %s: expected chunks only, found %d other files; they are left alone [such as %s]",
                self._folder,
                len(foreign),
                foreign[0],
            )

    def _quarantine_wrong_size(self, named: PendingChunk, size_bytes: int) -> None:
        """Quarantine a file by its own size: chunks would be evicted for the size in its name, whatever that
        is."""
        about = {"camera": named.chunk.camera_id, "chunk": named.chunk.name}
        try:
            self.quarantine_file(named.path, named.chunk, size_bytes, named.crc32c)
        except OSError as error:
            log.warning("%s: expected to quarantine it, found: %s", named.path, error.strerror, extra=about)
            return
        log.error(
            "chunk quarantined, it is kept and not sent: expected %d bytes by its name, found %d",
            named.size_bytes,
            size_bytes,
            extra=about,
        )

    def _next_evicted(self, coming_bytes: Mapping[str, int]) -> tuple[CameraChunks, PendingChunk] | None:
        nothing = set[PendingChunk]()
        turns = ((self._quarantined, nothing), (self._pending, self._claimed), (self._pending, nothing))
        for kept, passed_over in turns:
            by_weight = sorted(filter(None, kept.values()), key=lambda chunks: _rank(chunks, coming_bytes))
            for chunks in by_weight:
                oldest = next((each for each in chunks.from_oldest() if each not in passed_over), None)
                if oldest is not None:
                    return chunks, oldest
        return None


def _rank(chunks: CameraChunks, coming_bytes: Mapping[str, int]) -> tuple[int, datetime]:
    """Max-min fairness: the camera that holds the most comes first, however old the others' chunks are; among
    equals the one with the oldest."""
    weight_bytes = chunks.weight_bytes + coming_bytes.get(chunks.camera_id, 0)
    return -weight_bytes, chunks.oldest_start() or _NEVER


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _fill(chunks: CameraChunks, wrong_sizes: list[tuple[PendingChunk, int]]) -> list[Path]:
    """Add the chunks in the folder of `chunks`; returns the other files.

    Args:
        chunks: Of one camera.
        wrong_sizes: Gets the chunks whose files have another size than their names, and that size, bytes.
    """
    with os.scandir(chunks.folder) as entries:
        found = sorted((entry.name, _size_of(entry)) for entry in entries)  # so that each is appended
    foreign: list[Path] = []
    for name, size_bytes in found:
        if size_bytes != _NO_FILE and chunks.add_file(name, size_bytes):
            continue
        named = chunks.named(name) if size_bytes != _NO_FILE else None
        if named is not None:
            wrong_sizes.append((named, size_bytes))
        elif not _clear_session(chunks, name):
            foreign.append(chunks.folder / name)
    return foreign


def _size_of(entry: os.DirEntry[str]) -> int:
    """In bytes; `_NO_FILE` for what is a link, a folder, a pipe, or gone."""
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return _NO_FILE
    return facts.st_size if stat.S_ISREG(facts.st_mode) else _NO_FILE


def _clear_session(chunks: CameraChunks, name: str) -> bool:
    """Whether a file is that of a session; one whose chunk has gone, or that was never whole, is removed."""
    replaced = durable.replaced_name(name)
    chunk_name, suffix, rest = (replaced or name).partition(SESSION_SUFFIX)
    if not suffix or rest or not is_kept_name(chunk_name):
        return False
    if replaced is not None or not (chunks.folder / chunk_name).exists():
        durable.remove(chunks.folder / name)
    return True

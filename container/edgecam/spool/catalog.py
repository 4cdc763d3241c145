"""The kept chunks of all cameras: which waits, which is on its way, which is aside, which is the oldest."""

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
from edgecam.spool import upload_session as spool_session
from edgecam.spool.index import (
    Shelf,
    Traits,
    Waiting,
    is_kept_name,
    kept_name,
)
from edgecam.status.last_run import SPOOL_MARKER

log = logging.getLogger(__name__)

_ASIDE = ".aside"
_NO_FILE = -1
_CAMERA = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_OURS = frozenset({".lock", ".losses.json", SPOOL_MARKER, _ASIDE})
_NEVER = datetime.max.replace(tzinfo=UTC)
_OF_THE_DISK = frozenset({"lost+found"})


class Shelves:
    """Not safe to use from several threads; the spool's lock guards it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._traits = Traits()
        self._waiting: dict[str, Shelf] = {}
        self._aside: dict[str, Shelf] = {}
        self._on_the_way: set[Waiting] = set()

    @property
    def size_bytes(self) -> int:
        """Everything that is kept."""
        return sum(shelf.size_bytes for shelf in (*self._waiting.values(), *self._aside.values()))

    def of(self, camera_id: str) -> Shelf:
        """The chunks of a camera that wait."""
        if camera_id not in self._waiting:
            self._waiting[camera_id] = Shelf(camera_id, self._folder / camera_id, self._traits)
        return self._waiting[camera_id]

    def aside_of(self, camera_id: str) -> Shelf:
        """The chunks of a camera that are no longer offered."""
        if camera_id not in self._aside:
            self._aside[camera_id] = Shelf(camera_id, self._folder / _ASIDE / camera_id, self._traits)
        return self._aside[camera_id]

    def cameras(self) -> tuple[str, ...]:
        """Those of which anything is kept."""
        return tuple(
            {camera_id for kept in (self._waiting, self._aside) for camera_id, shelf in kept.items() if shelf}
        )

    def waiting_cameras(self) -> tuple[str, ...]:
        """Those that have chunks to send, by name."""
        return tuple(sorted(camera_id for camera_id, shelf in self._waiting.items() if shelf))

    def waiting(self, camera_id: str) -> Sequence[Waiting]:
        """The chunks of a camera as they are now, the oldest first."""
        shelf = self._waiting.get(camera_id)
        return () if shelf is None else shelf.snapshot()

    def named(self, chunk: Chunk, size_bytes: int, crc32c: str, finished_s: float | None) -> Waiting:
        """How `chunk` waits once it is under its final name."""
        path = self._folder / chunk.camera_id / kept_name(chunk, size_bytes, crc32c)
        return Waiting(chunk, path, size_bytes, crc32c, finished_s)

    def next_chunk(self, camera_id: str, order: Order, skip: Container[Waiting]) -> Waiting | None:
        """The newest or oldest that is not in `skip`; it counts as on its way from now on."""
        shelf = self._waiting.get(camera_id)
        if not shelf:
            return None
        candidates = shelf.from_newest() if order is Order.NEWEST else shelf.from_oldest()
        chosen = next((each for each in candidates if each not in skip), None)
        if chosen is not None:
            self._on_the_way.add(chosen)
        return chosen

    def lend(self, waiting: Waiting) -> bool:
        """Whether `waiting` is here; it counts as on its way from now on."""
        shelf = self._waiting.get(waiting.chunk.camera_id)
        if shelf is None or not shelf.holds(waiting):
            return False
        self._on_the_way.add(waiting)
        return True

    def hand_back(self, waiting: Waiting) -> None:
        """`waiting` is no longer on its way."""
        self._on_the_way.discard(waiting)

    def take(self, waiting: Waiting) -> bool:
        """`waiting` is leaving; False when it had left already."""
        self._on_the_way.discard(waiting)
        return self.of(waiting.chunk.camera_id).remove(waiting)

    def take_evicted(self, needed_bytes: int, coming_bytes: Mapping[str, int]) -> list[Waiting]:
        """So many that they have `needed_bytes`, or all: first what is aside and cannot be sent anyway, then
        what waits, then what is on its way; of these always the oldest of the camera that holds the most.

        Args:
            needed_bytes: What is missing.
            coming_bytes: By camera: what is being written, and counts as held.
        """
        taken: list[Waiting] = []
        gained = 0
        while gained < needed_bytes and (shelf_and_oldest := self._next_evicted(coming_bytes)) is not None:
            shelf, oldest = shelf_and_oldest
            shelf.remove(oldest)
            self._on_the_way.discard(oldest)
            taken.append(oldest)
            gained += oldest.size_bytes
        return taken

    def set_aside(self, waiting: Waiting) -> Waiting | None:
        """Move `waiting` where it is no longer offered; None when it had left already.

        Raises:
            OSError: the disk does not let us.
        """
        if not self.of(waiting.chunk.camera_id).holds(waiting):
            return None
        aside = self.put_aside(waiting.path, waiting.chunk, waiting.size_bytes, waiting.crc32c)
        self.take(waiting)
        return aside

    def put_aside(self, path: Path, chunk: Chunk, size_bytes: int, crc32c: str) -> Waiting:
        """Keep the file at `path` where it is not offered. Not synced: a power cut may undo it, then it
        is set aside again.

        Raises:
            OSError: the disk does not let us.
        """
        shelf = self.aside_of(chunk.camera_id)
        aside = Waiting(chunk, shelf.folder / kept_name(chunk, size_bytes, crc32c), size_bytes, crc32c, None)
        durable.make_folder(shelf.folder)
        is_there = shelf.holds(aside)
        durable.move(path, aside.path)
        if not is_there:
            shelf.add(aside)
        return aside

    def scan(self, beside: Container[str]) -> None:
        """See what earlier runs have left; `beside` are names that others look after.

        Raises:
            OSError: a folder cannot be read.
        """
        foreign: list[Path] = []
        wrong_sizes: list[tuple[Waiting, int]] = []
        for entry in _entries(self._folder):
            if entry.name in _OURS or entry.name in _OF_THE_DISK or entry.name in beside:
                continue
            if durable.replaced_name(entry.name) == SPOOL_MARKER:
                continue
            if entry.is_dir(follow_symlinks=False) and _CAMERA.fullmatch(entry.name):
                foreign += _fill(self.of(entry.name), wrong_sizes)
            else:
                foreign.append(Path(entry.path))
        aside = self._folder / _ASIDE
        for entry in _entries(aside) if aside.is_dir() else ():
            if entry.is_dir(follow_symlinks=False) and _CAMERA.fullmatch(entry.name):
                foreign += _fill(self.aside_of(entry.name), wrong_sizes)
            else:
                foreign.append(Path(entry.path))
        for said, size_bytes in wrong_sizes:
            self._mend_size(said, size_bytes)
        if foreign:
            log.warning(
                "spool %s: expected chunks only, found %d other files; they are left alone [such as %s]",
                self._folder,
                len(foreign),
                foreign[0],
            )

    def _mend_size(self, said: Waiting, size_bytes: int) -> None:
        """Keep a file aside by its own size: by its name it could be of any, and room be made that it does
        not take."""
        about = {"camera": said.chunk.camera_id, "chunk": said.chunk.name}
        try:
            self.put_aside(said.path, said.chunk, size_bytes, said.crc32c)
        except OSError as error:
            log.warning("expected to set %s aside, found: %s", said.path, error.strerror, extra=about)
            return
        log.error(
            "chunk set aside, it is kept in the spool and not sent: expected %d bytes by its name, found %d",
            said.size_bytes,
            size_bytes,
            extra=about,
        )

    def _next_evicted(self, coming_bytes: Mapping[str, int]) -> tuple[Shelf, Waiting] | None:
        nothing = set[Waiting]()
        turns = ((self._aside, nothing), (self._waiting, self._on_the_way), (self._waiting, nothing))
        for kept, passed_over in turns:
            by_weight = sorted(filter(None, kept.values()), key=lambda shelf: _place(shelf, coming_bytes))
            for shelf in by_weight:
                oldest = next((each for each in shelf.from_oldest() if each not in passed_over), None)
                if oldest is not None:
                    return shelf, oldest
        return None


def _place(shelf: Shelf, coming_bytes: Mapping[str, int]) -> tuple[int, datetime]:
    """Max-min fairness: who holds the most gives way first, however old what the others hold is; of equals
    the one with the oldest."""
    weight_bytes = shelf.weight_bytes + coming_bytes.get(shelf.camera_id, 0)
    return -weight_bytes, shelf.oldest_start() or _NEVER


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _fill(shelf: Shelf, wrong_sizes: list[tuple[Waiting, int]]) -> list[Path]:
    """Take in the chunks of the shelf's folder; returns what is something else.

    Args:
        shelf: Of one camera.
        wrong_sizes: Gets the chunks whose files have another size than their names say, and that size.
    """
    with os.scandir(shelf.folder) as entries:
        found = sorted(
            (entry.name, _size_of(entry)) for entry in entries
        )  # each goes to the end of the shelf
    foreign: list[Path] = []
    for name, size_bytes in found:
        if size_bytes != _NO_FILE and shelf.add_file(name, size_bytes):
            continue
        said = shelf.named(name) if size_bytes != _NO_FILE else None
        if said is not None:
            wrong_sizes.append((said, size_bytes))
        elif not _clear_session(shelf, name):
            foreign.append(shelf.folder / name)
    return foreign


def _size_of(entry: os.DirEntry[str]) -> int:
    """In bytes; `_NO_FILE` for what is a link, a folder, a pipe, or gone."""
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return _NO_FILE
    return facts.st_size if stat.S_ISREG(facts.st_mode) else _NO_FILE


def _clear_session(shelf: Shelf, name: str) -> bool:
    """Whether a file is that of a session; one whose chunk has gone, or that was never whole, is removed."""
    replaced = durable.replaced_name(name)
    chunk_name, suffix, rest = (replaced or name).partition(spool_session.SUFFIX)
    if not suffix or rest or not is_kept_name(chunk_name):
        return False
    if replaced is not None or not (shelf.folder / chunk_name).exists():
        durable.remove(shelf.folder / name)
    return True

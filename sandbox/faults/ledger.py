"""What was recorded, and what became of it: by content, not by name."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Self

from edgecam.bucket import crc32c as checksum
from edgecam.chunk import Chunk, ChunkSink
from sandbox.gcs.server import StoredObject

Content = tuple[int, str]
"""Size in bytes and crc32c."""
TOLERANCE_MS = 2
"""Starts and durations are whole milliseconds."""


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    Attributes:
        fault: What went wrong on purpose.
        seconds: How long it took, recovery included.
        recorded: Chunks that the spool took.
        stored: Of those, how many are in the bucket.
        evicted: Chunks that the spool says it gave up for want of room.
        lost: Chunks that are neither stored nor counted as evicted.
        duplicated: Objects beyond the first of the same camera, content and time.
        retries: Attempts that failed.
        notes: Other figures, by name.
    """

    fault: str
    seconds: float
    recorded: int
    stored: int
    evicted: int
    lost: int
    duplicated: int
    retries: int = 0
    notes: dict[str, float] = field(default_factory=dict)


class Ledger:
    """The contents of all chunks that were finished. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contents: set[Content] = set()

    def note(self, size_bytes: int, crc32c: str) -> None:
        """A chunk was recorded."""
        with self._lock:
            self._contents.add((size_bytes, crc32c))

    def __len__(self) -> int:
        return len(self._contents)

    def settle(
        self,
        fault: str,
        *,
        seconds: float,
        stored: Iterable[StoredObject],
        evicted: int,
        retries: int = 0,
        notes: dict[str, float] | None = None,
    ) -> Outcome:
        """Compare with what is in the bucket."""
        there = chunks_of(stored)
        with self._lock:
            missing = self._contents - {(each.size_bytes, each.crc32c) for each in there}
        return Outcome(
            fault=fault,
            seconds=round(seconds, 1),
            recorded=len(self._contents),
            stored=len(self._contents) - len(missing),
            evicted=evicted,
            # One that was evicted while it was being sent may have arrived all the same.
            lost=max(0, len(missing) - evicted),
            duplicated=doubled(there),
            retries=retries,
            notes=notes or {},
        )


class NotingSink:
    """A `ChunkSink` that notes what the one behind it has taken."""

    def __init__(self, sink: ChunkSink, ledger: Ledger) -> None:
        self._sink = sink
        self._ledger = ledger
        self.begin = sink.begin
        self.discard = sink.discard
        self.make_room = sink.make_room

    def finish(self, path: Path, chunk: Chunk) -> None:
        """See `ChunkSink.finish`."""
        size_bytes, crc32c = path.stat().st_size, checksum.of_file(path)
        self._sink.finish(path, chunk)
        self._ledger.note(size_bytes, crc32c)


def chunks_of(stored: Iterable[StoredObject]) -> list[StoredObject]:
    """Those that are recordings; a bucket also has pictures and status."""
    return [each for each in stored if not each.name.startswith(("latest/", "status/"))]


def doubled(chunks: Iterable[StoredObject]) -> int:
    """How many of these are there already under another name: of the same camera and content, and of the same
    time. What a camera shows again has the same content, since nothing else is in a chunk's file."""
    by_content: dict[tuple[str, Content], list[tuple[datetime, datetime]]] = defaultdict(list)
    for each in chunks:
        camera = each.name.partition("/")[0]
        by_content[camera, (each.size_bytes, each.crc32c)].append(_span_of(each.name))
    return sum(
        begin < earlier_end
        for same in by_content.values()
        for (_, earlier_end), (begin, _) in pairwise(sorted(same))
    )


def _span_of(name: str) -> tuple[datetime, datetime]:
    """From when until when an object's name says that it is."""
    begin, _, length = name.rpartition("/")[2].partition("_")
    start = datetime.strptime(begin, "%Y%m%dT%H%M%S.%f%z")
    return start, start + timedelta(milliseconds=int(length.partition("ms")[0]))


@dataclass(frozen=True)
class Timeline:
    """The recordings in a bucket, in the order of content time.

    Attributes:
        chunks: What there is, camera by camera.
        holes: Chunks that say what they follow (by their start and `gap_before_ms`), and it is not there.
        overlaps: Chunks that begin before the one before has ended.
        longest_gap_ms: The longest that a chunk names.
    """

    chunks: dict[str, list[Chunk]]
    holes: int
    overlaps: int
    longest_gap_ms: int

    @classmethod
    def of(cls, stored: Iterable[StoredObject]) -> Self:
        """The timeline by names and metadata."""
        chunks: dict[str, list[Chunk]] = {}
        for each in sorted(chunks_of(stored), key=lambda each: each.name):
            chunk = Chunk.from_object(each.name, each.metadata)
            chunks.setdefault(chunk.camera_id, []).append(chunk)
        pairs = [pair for row in chunks.values() for pair in pairwise(row)]
        return cls(
            chunks,
            holes=sum(
                later.gap_before_ms is not None
                and _ms(later.start - earlier.end) - later.gap_before_ms > TOLERANCE_MS
                for earlier, later in pairs
            ),
            longest_gap_ms=max((later.gap_before_ms or 0 for _, later in pairs), default=0),
            overlaps=sum(_ms(later.start - earlier.end) < -TOLERANCE_MS for earlier, later in pairs),
        )


def _ms(duration: timedelta) -> float:
    return duration / timedelta(milliseconds=1)

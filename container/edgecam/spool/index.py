"""The index of one camera's chunks in memory: 48 bytes each, sorted by content time."""

from __future__ import annotations

import bisect
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import overload

from edgecam.chunk import Chunk
from edgecam.spool.names import KEPT, chunk_named, parsed, traits_of

_RECORD = struct.Struct(">QQQqIId")
"""Start, duration, size, gap, crc32c, traits, finished; start first, since records are sorted as bytes."""
_NO_GAP_KNOWN = -(2**63)
_FILE_BYTES = 16_384
"""The cost of a file besides its content: ext4 has one inode for each 16 kB."""
_ZERO = datetime(1, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class PendingChunk:
    """A chunk that the cloud has not confirmed.

    Attributes:
        chunk: What is known of it.
        path: Its file.
        size_bytes: Of the file.
        crc32c: Of the file's content when it was finished, 8 lower case hex digits.
        finished_s: When it was finished, by the monotonic clock, seconds; None for the backlog: finished by
            an earlier run of the node, or recovered at a start.
    """

    chunk: Chunk
    path: Path
    size_bytes: int
    crc32c: str
    finished_s: float | None


class Traits:
    """What chunks of a camera have in common (codec, size of the picture, version …), by a small number."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._texts: list[tuple[str, str]] = []

    def number(self, traits: str, suffix: str) -> int | None:
        """The number of these traits; None when they are not known yet."""
        return self._numbers.get((traits, suffix))

    def learn(self, traits: str, suffix: str) -> int:
        """The number of these traits, a new one if needed."""
        known = self._numbers.get((traits, suffix))
        if known is None:
            known = self._numbers[traits, suffix] = len(self._texts)
            self._texts.append((traits, suffix))
        return known

    def text(self, number: int) -> tuple[str, str]:
        """The traits with this number, and the suffix of the name."""
        return self._texts[number]


class CameraChunks:
    """The chunks of one camera in one folder, by content time. Not safe to use from several threads."""

    def __init__(self, camera_id: str, folder: Path, traits: Traits) -> None:
        self.camera_id = camera_id
        self.folder = folder
        self.size_bytes = 0
        self._traits = traits
        self._records = bytearray()

    def __len__(self) -> int:
        return len(self._records) // _RECORD.size

    @property
    def weight_bytes(self) -> int:
        """The camera's share of the disk: its bytes, and the cost of each file."""
        return self.size_bytes + len(self) * _FILE_BYTES

    def add(self, pending: PendingChunk) -> None:
        """Add `pending`."""
        self._insert(self._record(pending))

    def add_file(self, name: str, size_bytes: int) -> bool:
        """Add a file that an earlier run has left; False when its name is not that of a kept chunk, or of one
        with another size."""
        record = self._read(name)
        if record is None or _RECORD.unpack(record)[2] != size_bytes:
            return False
        self._insert(record)
        return True

    def named(self, name: str) -> PendingChunk | None:
        """The chunk by its file's name alone; None when that is not the name of a kept chunk."""
        record = self._read(name)
        return None if record is None else self._pending(record)

    def _read(self, name: str) -> bytes | None:
        match = KEPT.fullmatch(name)
        if match is None:
            return None
        number = self._traits.number(match["traits"], match["suffix"])
        try:
            if number is None:
                if chunk_named(self.camera_id, match, parsed(match["traits"])) is None:
                    return None
                number = self._traits.learn(match["traits"], match["suffix"])
            start = datetime.fromisoformat(match["start"])
        except ValueError:
            return None
        gap = _NO_GAP_KNOWN if match["gap"] is None else int(match["gap"])
        duration_ms, size_bytes, crc32c = int(match["duration"]), int(match["size"]), int(match["crc"], 16)
        # A name that its record does not make again is not ours, and would not be found by its record.
        record = _RECORD.pack(_since_zero(start), duration_ms, size_bytes, gap, crc32c, number, math.nan)
        return record if self._name(record) == name else None

    def remove(self, pending: PendingChunk) -> bool:
        """Forget `pending`; False when it is not here."""
        record = self._record(pending)
        index = self._position(record)
        if self._at(index) != record:
            return False
        start = index * _RECORD.size
        del self._records[start : start + _RECORD.size]
        self.size_bytes -= pending.size_bytes
        return True

    def holds(self, pending: PendingChunk) -> bool:
        """Whether `pending` is here."""
        record = self._record(pending)
        return self._at(self._position(record)) == record

    def shares_name(self, chunk: Chunk) -> bool:
        """Whether a chunk is here that would have the same name in the bucket."""
        key = _RECORD.pack(_since_zero(chunk.start), chunk.duration_ms, 0, _NO_GAP_KNOWN, 0, 0, 0.0)[:16]
        found = self._at(self._position(key))
        return found[:16] == key and self._traits.text(_RECORD.unpack(found)[5])[1] == chunk.format.suffix

    def oldest_start(self) -> datetime | None:
        """When the oldest chunk begins, UTC."""
        if not self._records:
            return None
        return _ZERO + int.from_bytes(self._records[:8], "big") * _MILLISECOND

    def from_oldest(self) -> Iterator[PendingChunk]:
        """All, the oldest first; do not change it meanwhile."""
        return (self._pending(self._at(index)) for index in range(len(self)))

    def from_newest(self) -> Iterator[PendingChunk]:
        """All, the newest first; do not change it meanwhile."""
        return (self._pending(self._at(index)) for index in reversed(range(len(self))))

    def snapshot(self) -> Sequence[PendingChunk]:
        """All as they are now, by time; each is made when it is asked for."""
        return _Snapshot(bytes(self._records), self._pending)

    def _insert(self, record: bytes) -> None:
        at = self._position(record) * _RECORD.size
        self._records[at:at] = record
        self.size_bytes += _RECORD.unpack(record)[2]

    def _position(self, record: bytes) -> int:
        count = len(self)
        if count == 0 or self._at(count - 1) < record:  # the usual case: it is the newest
            return count
        return bisect.bisect_left(range(count), record, key=self._at)

    def _at(self, index: int) -> bytes:
        return bytes(self._records[index * _RECORD.size : (index + 1) * _RECORD.size])

    def _record(self, pending: PendingChunk) -> bytes:
        chunk = pending.chunk
        return _RECORD.pack(
            _since_zero(chunk.start),
            chunk.duration_ms,
            pending.size_bytes,
            _NO_GAP_KNOWN if chunk.gap_before_ms is None else chunk.gap_before_ms,
            int(pending.crc32c, 16),
            self._traits.learn(traits_of(chunk), chunk.format.suffix),
            math.nan if pending.finished_s is None else pending.finished_s,
        )

    def _name(self, record: bytes) -> str:
        _, _, size_bytes, gap_ms, crc, number, _ = _RECORD.unpack(record)
        traits, suffix = self._traits.text(number)
        gap = "" if gap_ms == _NO_GAP_KNOWN else f",gap_before_ms={gap_ms}"
        return f"{_stem(record)},{traits}{gap},size={size_bytes},crc32c={crc:08x}{suffix}"

    def _pending(self, record: bytes) -> PendingChunk:
        _, _, size_bytes, gap_ms, crc, number, finished_s = _RECORD.unpack(record)
        traits, suffix = self._traits.text(number)
        metadata = parsed(traits)
        if gap_ms != _NO_GAP_KNOWN:
            metadata["gap_before_ms"] = str(gap_ms)
        stem = _stem(record)
        day = f"{stem[:4]}/{stem[4:6]}/{stem[6:8]}"
        chunk = Chunk.from_object(f"{self.camera_id}/{day}/{stem}{suffix}", metadata)
        finished = None if math.isnan(finished_s) else finished_s
        return PendingChunk(chunk, self.folder / self._name(record), size_bytes, f"{crc:08x}", finished)


def _stem(record: bytes) -> str:
    since_zero, duration_ms = struct.unpack_from(">QQ", record)
    start = _ZERO + since_zero * _MILLISECOND
    return f"{start:%Y%m%dT%H%M%S}.{start.microsecond // 1000:03d}Z_{duration_ms}ms"


def _since_zero(moment: datetime) -> int:
    return (moment - _ZERO) // _MILLISECOND


class _Snapshot(Sequence[PendingChunk]):
    def __init__(self, records: bytes, pending: Callable[[bytes], PendingChunk]) -> None:
        self._records = records
        self._pending = pending

    def __len__(self) -> int:
        return len(self._records) // _RECORD.size

    @overload
    def __getitem__(self, index: int) -> PendingChunk: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PendingChunk]: ...
    def __getitem__(self, index: int | slice) -> PendingChunk | Sequence[PendingChunk]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        at = range(len(self))[index] * _RECORD.size
        return self._pending(self._records[at : at + _RECORD.size])

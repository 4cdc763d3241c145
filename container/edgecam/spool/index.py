"""Which chunks wait, in memory: 48 bytes each, sorted by content time.

Everything that is known of a chunk is its file's name in the spool, so that content and knowledge cannot be
half there, and starting with 100,000 chunks reads folders, not files:
`20260101T120000.000Z_10000ms,codec=h264,…,gap_before_ms=0,size=5242880,crc32c=1a2b3c4d.mp4`
"""

from __future__ import annotations

import bisect
import math
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import overload
from urllib.parse import quote, unquote

from edgecam.chunk import Chunk

_KEPT = re.compile(
    r"(?P<start>\d{8}T\d{6}\.\d{3}Z)_(?P<duration>[0-9]{1,8})ms"
    r",(?P<traits>[^/]*?)(?:,gap_before_ms=(?P<gap>-?[0-9]{1,12}))?"
    r",size=(?P<size>[0-9]{1,15}),crc32c=(?P<crc>[0-9a-f]{8})(?P<suffix>\.mp4|\.ts)"
)
_BEGUN = re.compile(
    r"(?P<start>\d{8}T\d{6}\.\d{3}Z)_(?P<duration>[0-9]{1,8})ms,(?P<pairs>[^/]*),n=[0-9]+(?P<suffix>\.mp4|\.ts)"
)
_IN_NAME = frozenset({"start", "duration_ms"})
_APART = frozenset({"camera", "start", "duration_ms", "gap_before_ms"})

_RECORD = struct.Struct(
    ">QQQqIId"
)  # start, duration, size, gap, crc32c, traits, finished; start first: it sorts
_NO_GAP_KNOWN = -(2**63)
_FILE_BYTES = 16_384
"""What a file costs beside its content: ext4 has one inode for so many bytes."""
_ZERO = datetime(1, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Waiting:
    """A chunk that the cloud has not confirmed.

    Attributes:
        chunk: What is known of it.
        path: Its file.
        size_bytes: Of the file.
        crc32c: Of the file's content when it was finished, 8 lower case hex digits.
        finished_s: When it was finished, by the clock that does not step; None when an earlier run of the
            node did, or when it was saved at a start: backlog.
    """

    chunk: Chunk
    path: Path
    size_bytes: int
    crc32c: str
    finished_s: float | None


def begun_name(chunk: Chunk, serial: int) -> str:
    """The name of a file that is being written: everything that is known before its end is known."""
    stem = chunk.file_name.removesuffix(chunk.format.suffix)
    pairs = {key: value for key, value in chunk.metadata.items() if key not in _IN_NAME}
    return f"{stem},{_joined(pairs)},n={serial}{chunk.format.suffix}"


def begun_chunk(name: str) -> Chunk | None:
    """The chunk of a file that was being written; None when the name is not one of `begun_name`."""
    match = _BEGUN.fullmatch(name)
    if match is None:
        return None
    metadata = _parted(match["pairs"])
    return _chunk(metadata.get("camera", ""), match, metadata)


def kept_name(chunk: Chunk, size_bytes: int, crc32c: str) -> str:
    """The final name of a file in the spool, in the folder of its camera."""
    gap = "" if chunk.gap_before_ms is None else f",gap_before_ms={chunk.gap_before_ms}"
    stem = chunk.file_name.removesuffix(chunk.format.suffix)
    return f"{stem},{_traits_of(chunk)}{gap},size={size_bytes},crc32c={crc32c}{chunk.format.suffix}"


def is_kept_name(name: str) -> bool:
    """Whether `name` has the shape of `kept_name`."""
    return _KEPT.fullmatch(name) is not None


def _traits_of(chunk: Chunk) -> str:
    return _joined({key: value for key, value in chunk.metadata.items() if key not in _APART})


def _joined(pairs: dict[str, str]) -> str:
    return ",".join(f"{key}={quote(value, safe='+:')}" for key, value in sorted(pairs.items()))


def _parted(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(","))
    return {key: unquote(value) for key, _, value in pairs}


def _chunk(camera_id: str, match: re.Match[str], metadata: dict[str, str]) -> Chunk | None:
    start = match["start"]
    day = f"{start[:4]}/{start[4:6]}/{start[6:8]}"
    name = f"{camera_id}/{day}/{start}_{match['duration']}ms{match['suffix']}"
    try:
        return Chunk.from_object(name, metadata)
    except ValueError:
        return None


class Traits:
    """What chunks of a camera have in common (codec, size of the picture, version …), as a small number."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._texts: list[tuple[str, str]] = []

    def number(self, traits: str, suffix: str) -> int | None:
        """The number of what a name says; None when it is not known yet."""
        return self._numbers.get((traits, suffix))

    def learn(self, traits: str, suffix: str) -> int:
        """The number of what a name says, a new one if needed."""
        known = self._numbers.get((traits, suffix))
        if known is None:
            known = self._numbers[traits, suffix] = len(self._texts)
            self._texts.append((traits, suffix))
        return known

    def text(self, number: int) -> tuple[str, str]:
        """What stands behind a number: the traits of a name, and its ending."""
        return self._texts[number]


class Shelf:
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
        """What a camera's share of the disk is told by: its bytes, and so much for each file."""
        return self.size_bytes + len(self) * _FILE_BYTES

    def add(self, waiting: Waiting) -> None:
        """Take `waiting` in."""
        self._insert(self._record(waiting))

    def add_file(self, name: str, size_bytes: int) -> bool:
        """Take in a file that an earlier run has left; False when its name is not that of a kept chunk, or of
        one with another size."""
        record = self._read(name)
        if record is None or _RECORD.unpack(record)[2] != size_bytes:
            return False
        self._insert(record)
        return True

    def named(self, name: str) -> Waiting | None:
        """What the name of a file says; None when it is not that of a kept chunk."""
        record = self._read(name)
        return None if record is None else self._waiting(record)

    def _read(self, name: str) -> bytes | None:
        match = _KEPT.fullmatch(name)
        if match is None:
            return None
        number = self._traits.number(match["traits"], match["suffix"])
        try:
            if number is None:
                if _chunk(self.camera_id, match, _parted(match["traits"])) is None:
                    return None
                number = self._traits.learn(match["traits"], match["suffix"])
            start = datetime.fromisoformat(match["start"])
        except ValueError:
            return None
        gap = _NO_GAP_KNOWN if match["gap"] is None else int(match["gap"])
        duration_ms, size_bytes, crc32c = int(match["duration"]), int(match["size"]), int(match["crc"], 16)
        # What is not written again as it stands is not ours, and could not be found again by its record.
        record = _RECORD.pack(_since_zero(start), duration_ms, size_bytes, gap, crc32c, number, math.nan)
        return record if self._name(record) == name else None

    def remove(self, waiting: Waiting) -> bool:
        """Forget `waiting`; False when it is not here."""
        record = self._record(waiting)
        index = self._position(record)
        if self._at(index) != record:
            return False
        start = index * _RECORD.size
        del self._records[start : start + _RECORD.size]
        self.size_bytes -= waiting.size_bytes
        return True

    def holds(self, waiting: Waiting) -> bool:
        """Whether `waiting` is here."""
        record = self._record(waiting)
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

    def from_oldest(self) -> Iterator[Waiting]:
        """All, the oldest first; do not change the shelf meanwhile."""
        return (self._waiting(self._at(index)) for index in range(len(self)))

    def from_newest(self) -> Iterator[Waiting]:
        """All, the newest first; do not change the shelf meanwhile."""
        return (self._waiting(self._at(index)) for index in reversed(range(len(self))))

    def snapshot(self) -> Sequence[Waiting]:
        """All as they are now, by time; each is made when it is asked for."""
        return _Snapshot(bytes(self._records), self._waiting)

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

    def _record(self, waiting: Waiting) -> bytes:
        chunk = waiting.chunk
        return _RECORD.pack(
            _since_zero(chunk.start),
            chunk.duration_ms,
            waiting.size_bytes,
            _NO_GAP_KNOWN if chunk.gap_before_ms is None else chunk.gap_before_ms,
            int(waiting.crc32c, 16),
            self._traits.learn(_traits_of(chunk), chunk.format.suffix),
            math.nan if waiting.finished_s is None else waiting.finished_s,
        )

    def _name(self, record: bytes) -> str:
        _, _, size_bytes, gap_ms, crc, number, _ = _RECORD.unpack(record)
        traits, suffix = self._traits.text(number)
        gap = "" if gap_ms == _NO_GAP_KNOWN else f",gap_before_ms={gap_ms}"
        return f"{_stem(record)},{traits}{gap},size={size_bytes},crc32c={crc:08x}{suffix}"

    def _waiting(self, record: bytes) -> Waiting:
        _, _, size_bytes, gap_ms, crc, number, finished_s = _RECORD.unpack(record)
        traits, suffix = self._traits.text(number)
        metadata = _parted(traits)
        if gap_ms != _NO_GAP_KNOWN:
            metadata["gap_before_ms"] = str(gap_ms)
        stem = _stem(record)
        day = f"{stem[:4]}/{stem[4:6]}/{stem[6:8]}"
        chunk = Chunk.from_object(f"{self.camera_id}/{day}/{stem}{suffix}", metadata)
        finished = None if math.isnan(finished_s) else finished_s
        return Waiting(chunk, self.folder / self._name(record), size_bytes, f"{crc:08x}", finished)


def _stem(record: bytes) -> str:
    since_zero, duration_ms = struct.unpack_from(">QQ", record)
    start = _ZERO + since_zero * _MILLISECOND
    return f"{start:%Y%m%dT%H%M%S}.{start.microsecond // 1000:03d}Z_{duration_ms}ms"


def _since_zero(moment: datetime) -> int:
    return (moment - _ZERO) // _MILLISECOND


class _Snapshot(Sequence[Waiting]):
    def __init__(self, records: bytes, waiting: Callable[[bytes], Waiting]) -> None:
        self._records = records
        self._waiting = waiting

    def __len__(self) -> int:
        return len(self._records) // _RECORD.size

    @overload
    def __getitem__(self, index: int) -> Waiting: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Waiting]: ...
    def __getitem__(self, index: int | slice) -> Waiting | Sequence[Waiting]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        at = range(len(self))[index] * _RECORD.size
        return self._waiting(self._records[at : at + _RECORD.size])

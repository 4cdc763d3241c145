"""A fragment of an MP4 file: `moof`, `mdat`, and a checksum behind both (ISO/IEC 14496-12, 8.8).

A fragment is written whole. What a kill or a power cut has left of the last one, and what a disk has lost of
any, is found by the checksum, whatever the tracks hold. It stands in a `free` box, which players skip.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from edgecam.formats.mp4_boxes import HEADER_BYTES, BoxDamaged, Place, child, header, places
from edgecam.formats.mp4_head import OTHER_SAMPLE, SYNC_SAMPLE

CHECKSUM_BYTES = 16
_CHECKSUM = struct.Struct(">I4s4s4s")
_CHECKSUM_TAG = b"c32c"
_SEQUENCE_BYTES, _TRACK_BYTES, _TIME_BYTES, _RUN_BYTES = 16, 16, 20, 20
_BASE_IS_MOOF = 0x020000  # of tfhd; 8.8.7.1
_HAS_OFFSET, _HAS_DURATION, _HAS_SIZE, _HAS_FLAGS, _HAS_COMPOSITION = 0x1, 0x100, 0x200, 0x400, 0x800
_SIGNED = 1 << 24  # version 1 of trun; 8.8.8.1
_NO_SYNC = 0x00010000
DAMAGED_PRIORITY = 1
"""sample_degradation_priority (8.8.3.1) of a picture that lacks a part, or depends on one that does; 0 of all
others."""


class Sample(NamedTuple):
    """One picture, or a piece of sound, in a file.

    Attributes:
        decoded_at: In the track's time.
        shown_at: In the same; without the lead of the track's edit list.
        size: Bytes.
        is_keyframe: Whether decoding can begin with it.
        is_damaged: Whether it lacks a part, or depends on one that does.
    """

    decoded_at: int
    shown_at: int
    size: int
    is_keyframe: bool
    is_damaged: bool = False


class Run(NamedTuple):
    """What a fragment holds of one track.

    Attributes:
        track_id: Its number.
        samples: In the order of decoding, at least one.
        end: When the last of them ends, in the track's time of decoding.
        is_intra: Whether all of the track can be decoded alone.
    """

    track_id: int
    samples: Sequence[Sample]
    end: int
    is_intra: bool = False


def fragment_head(sequence: int, runs: Sequence[Run]) -> bytes:
    """What stands before the fragment's data: those of its runs, one after another.

    Args:
        sequence: Its number in the file, from 1 on.
        runs: Of each track that it has something of.
    """
    tables = [_table(run) for run in runs]
    sizes = [_TRACK_BYTES + _TIME_BYTES + _RUN_BYTES + len(rows) + HEADER_BYTES for _, rows in tables]
    moof_bytes = HEADER_BYTES + _SEQUENCE_BYTES + sum(sizes)
    parts = [struct.pack(">I4sI4sII", moof_bytes, b"moof", _SEQUENCE_BYTES, b"mfhd", 0, sequence)]
    at = moof_bytes + HEADER_BYTES
    for run, (flags, rows), size in zip(runs, tables, sizes, strict=True):
        parts += (
            struct.pack(">I4sI4sII", size, b"traf", _TRACK_BYTES, b"tfhd", _BASE_IS_MOOF, run.track_id),
            struct.pack(">I4sIQ", _TIME_BYTES, b"tfdt", 1 << 24, run.samples[0].decoded_at),
            struct.pack(">I4sIII", _RUN_BYTES + len(rows), b"trun", _SIGNED | flags, len(run.samples), at),
            rows,
        )
        at += sum(sample.size for sample in run.samples)
    parts.append(struct.pack(">I4s", at - moof_bytes, b"mdat"))
    return b"".join(parts)


class Checksum:
    """The CRC-32C of a fragment, growing with its bytes."""

    def __init__(self) -> None:
        from edgecam.bucket import crc32c

        self._running = crc32c.Running()

    def update(self, piece: bytes) -> None:
        """Take `piece` in."""
        self._running.update(piece)

    def to_box(self) -> bytes:
        """What stands behind the fragment."""
        return _CHECKSUM.pack(CHECKSUM_BYTES, b"free", _CHECKSUM_TAG, bytes.fromhex(self._running.digest()))


def checksum(parts: Iterable[bytes]) -> bytes:
    """What stands behind a fragment that is made of `parts`."""
    whole = Checksum()
    for part in parts:
        whole.update(part)
    return whole.to_box()


def read_moof(moof: bytes) -> tuple[Run, ...]:
    """What the `moof` of a fragment, as `fragment_head` makes it, says of its data.

    Raises:
        BoxDamaged: it is none.
    """
    try:
        whole = header(moof, 0, len(moof))
        trafs = [place for place in places(moof, whole.inside, whole.end) if place.kind == b"traf"]
        return tuple(_read_run(moof, traf) for traf in trafs)
    except struct.error as error:
        raise BoxDamaged(f"expected whole boxes, found: {error}") from None


def _table(run: Run) -> tuple[int, bytes]:
    """Flags and rows of a run."""
    samples = run.samples
    durations = _durations(run)
    columns: list[Sequence[int]] = [durations, [sample.size for sample in samples]]
    flags = _HAS_OFFSET | _HAS_DURATION | _HAS_SIZE
    if not run.is_intra or any(sample.is_damaged for sample in samples):
        flags |= _HAS_FLAGS
        columns.append([_flags(sample) for sample in samples])
    if any(sample.shown_at != sample.decoded_at for sample in samples):
        flags |= _HAS_COMPOSITION
        columns.append([sample.shown_at - sample.decoded_at & 0xFFFFFFFF for sample in samples])
    values = [value for row in zip(*columns, strict=True) for value in row]
    return flags, struct.pack(f">{len(values)}I", *values)


def _durations(run: Run) -> list[int]:
    times = [sample.decoded_at for sample in run.samples]
    return [later - earlier for earlier, later in pairwise([*times, run.end])]


def _flags(sample: Sample) -> int:
    flags = SYNC_SAMPLE if sample.is_keyframe else OTHER_SAMPLE
    return flags | DAMAGED_PRIORITY if sample.is_damaged else flags


def _read_run(moof: bytes, traf: Place) -> Run:
    tfhd, tfdt, trun = (child(moof, traf, kind) for kind in (b"tfhd", b"tfdt", b"trun"))
    (track_id,) = struct.unpack_from(">I", moof, tfhd.inside + 4)
    (at,) = struct.unpack_from(">Q", moof, tfdt.inside + 4)
    version_flags, count, _ = struct.unpack_from(">III", moof, trun.inside)
    has_flags, has_composition = bool(version_flags & _HAS_FLAGS), bool(version_flags & _HAS_COMPOSITION)
    row = struct.Struct(">II" + "I" * has_flags + "i" * has_composition)
    if count == 0 or trun.inside + 12 + count * row.size != trun.end:
        raise BoxDamaged(f"expected rows for {count} samples, found others")
    samples = []
    for duration, size, *more in row.iter_unpack(moof[trun.inside + 12 : trun.end]):
        flags = more[0] if has_flags else SYNC_SAMPLE
        shown_at = at + (more[-1] if has_composition else 0)
        samples.append(Sample(at, shown_at, size, not flags & _NO_SYNC, bool(flags & DAMAGED_PRIORITY)))
        at += duration
    return Run(track_id, samples, at, not has_flags)

"""Repair of an MP4 file that mp4mux had not finished, in its mode with room reserved for the index (robust).

Such a file has two places for its `moov`, written in turns, and before them a `free` box whose size
selects the one that counts. The `mdat` behind them has the size 0, "to the end of the file", until it is
finished. Once a second the index is brought up to date. So after a kill:

- there may be no picture in the index yet (its first second),
- what came after the last update is there, but not in the index,

and after a power cut besides, since the disk takes pages in any order:

- either place may hold half an index, or one that names pictures which never reached the disk,
- pages that never did read as zeros.

Therefore neither place is believed: of both, the index that names the most whole pictures counts, and every
picture is looked at. What follows the last one named is taken up where that can be done without a guess about
what is a picture: NAL units in the order in which they are shown. Only its rhythm is that of the others.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median_low
from typing import BinaryIO

from edgecam.codecs import nal
from edgecam.formats.mp4_boxes import (
    HEADER_BYTES,
    Box,
    BoxDamaged,
    header,
    read_box,
)
from edgecam.formats.mp4_index import Index, Sample, read_index
from edgecam.formats.repaired import Repaired

_HEADER_LIMIT = 64 * 1024**2
"""More than the index of the longest chunk (an hour at 120 pictures a second: 2 MB, twice) can take."""
_TAIL_LIMIT = 64 * 1024**2  # the index is a second old, of an hour's chunk half a minute: 17 Mbit/s
_LONG_SIZE = 1 << 32
# The free box of eight bytes is there to become the long form of the size after it.
_MDAT = re.compile(rb"\0\0\0\x08free.{4}mdat|\0\0\0\x01mdat", re.DOTALL)
_FEW = 2  # pictures without which there is no rhythm
_JPEG_BEGIN, _JPEG_END, _JPEG_PADDING = b"\xff\xd8", b"\xff\xd9", 64
_SECTOR = bytes(512)


@dataclass(frozen=True)
class _Header:
    """The file before its pictures.

    Attributes:
        data: All of it.
        begin: Where the places for the index begin, after `ftyp`.
        mdat: Where the box of the pictures, and the eight bytes that let its size grow, begin.
    """

    data: bytes
    begin: int
    mdat: int

    @property
    def payload(self) -> int:
        """Where the pictures begin."""
        return self.mdat + 2 * HEADER_BYTES


@dataclass(frozen=True)
class _Found:
    """An index, its place in the file, and how many of its pictures are whole."""

    index: Index
    begin: int
    end: int
    whole: int


def repair(file: BinaryIO) -> Repaired | None:
    """Make `file` (open for reading and writing) play as far as it is whole; None when nothing of it is.

    Raises:
        OSError: the disk could not be read or written.
    """
    head = _read_header(file)
    if head is None:
        return None
    for found in sorted(_indexes(file, head), key=lambda each: each.whole, reverse=True):
        try:
            return _repair_by(file, head, found)
        except BoxDamaged:
            continue
    return None


def complete(file: BinaryIO) -> None:
    """Complete the durations of a finished `file` (open for reading and writing). Where the order of decoding
    is another than that of showing and the last group ends early, mp4mux leaves the last of them out.

    Raises:
        OSError: the disk could not be read or written; the file plays as it did.
    """
    head = _read_header(file)
    if head is None:
        return
    found = max(_indexes(file, head, is_finished=True), key=lambda each: each.whole, default=None)
    if found is not None:
        with contextlib.suppress(BoxDamaged):
            _repair_by(file, head, found)


def _repair_by(file: BinaryIO, head: _Header, found: _Found) -> Repaired | None:
    """See `repair`.

    Raises:
        BoxDamaged: `found` contradicts itself.
    """
    if found.whole == 0 or not found.index.samples[0].is_keyframe:
        return None
    named = found.index.samples[: found.whole]
    tail = tuple(_tail(file, found.index)) if found.whole == len(found.index.samples) else ()
    # Where the reserved room is used up, there is still enough for what was named before.
    for samples in (named + tail, named):
        index = found.index.with_samples(samples)
        place = _place(head, found, len(index.moov.to_bytes()))
        if place is not None:
            _write(file, head, found, index, place)
            return Repaired(-(-index.shown * 1000 // index.timescale), len(samples))
    return None


def _read_header(file: BinaryIO) -> _Header | None:
    file.seek(0)
    data = file.read(_HEADER_LIMIT)
    try:
        begin, kind = header(data, 0, len(data))
    except BoxDamaged:
        return None
    mdat = _MDAT.search(data, begin)
    if kind != b"ftyp" or mdat is None:
        return None
    return _Header(data[: mdat.start() + 2 * HEADER_BYTES], begin, mdat.start())


def _indexes(file: BinaryIO, head: _Header, *, is_finished: bool = False) -> Iterator[_Found]:
    """Every index in the header, whether anything points to it or not; of a finished file the
    pictures need not be looked at."""
    at = head.data.find(b"moov", head.begin)
    while at >= 0:
        try:
            moov, end = read_box(head.data, at - 4, head.mdat)
            index = read_index(moov)
        except BoxDamaged:
            pass
        else:
            whole = len(index.samples) if is_finished else _whole(file, index, head.payload)
            yield _Found(index, at - 4, end, whole)
        at = head.data.find(b"moov", at + 1)


def _whole(file: BinaryIO, index: Index, payload: int) -> int:
    """How many of the first pictures of `index` are on the disk and undamaged."""
    end = os.fstat(file.fileno()).st_size
    for number, sample in enumerate(index.samples):
        if sample.size == 0 or sample.offset < payload or sample.end > end:
            return number
        file.seek(sample.offset)
        data = file.read(sample.size)
        if not (nal.is_whole_picture(data) if index.has_units else _is_whole_jpeg(data)):
            return number
    return len(index.samples)


def _is_whole_jpeg(data: bytes) -> bool:
    return data.startswith(_JPEG_BEGIN) and _JPEG_END in data[-_JPEG_PADDING:] and _SECTOR not in data


def _tail(file: BinaryIO, index: Index) -> Iterator[Sample]:
    """The pictures after the last that is named; none where the order of showing is another than theirs."""
    samples = index.samples
    if not index.has_units or len(samples) < _FEW or any(sample.composition_offset for sample in samples):
        return
    rhythm = median_low(sample.duration for sample in samples)
    begin = max(sample.end for sample in samples)
    file.seek(begin)
    for picture in nal.pictures(file.read(_TAIL_LIMIT), is_h265=index.is_h265):
        yield Sample(begin + picture.offset, picture.size, rhythm, 0, picture.is_keyframe)


def _place(head: _Header, found: _Found, size: int) -> int | None:
    """Where an index of `size` bytes can stand without touching `found`: behind it, else before it."""
    if found.end + size + HEADER_BYTES <= head.mdat and found.end - head.begin >= HEADER_BYTES:
        return found.end
    first = head.begin + HEADER_BYTES
    return first if first + size + HEADER_BYTES <= found.begin else None


def _write(file: BinaryIO, head: _Header, found: _Found, index: Index, place: int) -> None:
    """The index first, then what makes it count, then the file's end: each on the disk before the next."""
    moov = index.moov.to_bytes()
    end = max(sample.end for sample in index.samples)
    size = end - head.payload + HEADER_BYTES
    mdat = _free(HEADER_BYTES) + struct.pack(">I4s", size, b"mdat") if size < _LONG_SIZE else b""
    mdat = mdat or struct.pack(">I4sQ", 1, b"mdat", size + HEADER_BYTES)
    if _is_done(head, found, moov, mdat) and os.fstat(file.fileno()).st_size == end:
        return
    _put(file, place, moov + _free(head.mdat - place - len(moov))[:HEADER_BYTES])
    _put(file, head.begin, _free(place - head.begin)[:HEADER_BYTES])
    _put(file, head.mdat, mdat)
    os.ftruncate(file.fileno(), end)
    os.fsync(file.fileno())


def _is_done(head: _Header, found: _Found, moov: bytes, mdat: bytes) -> bool:
    """Whether `found` is the very index, it counts, and the box of the pictures ends where they do."""
    if head.data[found.begin : found.end] != moov or head.data[head.mdat : head.payload] != mdat:
        return False
    try:
        at = head.begin
        while at < found.begin:
            size, kind = header(head.data, at, head.mdat)
            if kind != b"free":
                return False
            at += size
        while at < head.mdat:
            at += header(head.data, at, head.mdat)[0]
    except BoxDamaged:
        return False
    return at == head.mdat


def _put(file: BinaryIO, at: int, data: bytes) -> None:
    os.pwrite(file.fileno(), data, at)
    os.fsync(file.fileno())


def _free(size: int) -> bytes:
    return Box(b"free", bytes(size - HEADER_BYTES)).to_bytes()

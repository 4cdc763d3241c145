"""Repair of an MP4 file that was cut short: what is behind its last whole fragment goes.

A file is its head and fragments, each with a checksum behind it. A kill leaves half a fragment at the end; a
power cut besides, since the disk takes pages in any order, zeros in place of any page. So every fragment is
read, the file ends before the first that is not whole, and its length is filled in.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from edgecam.formats.mp4_boxes import HEADER_BYTES, BoxDamaged, Place, header
from edgecam.formats.mp4_contents import Contents
from edgecam.formats.mp4_fragments import CHECKSUM_BYTES, Checksum, Run, read_moof
from edgecam.formats.mp4_head import MOVIE_TIMESCALE, read_head
from edgecam.formats.repaired import Repaired

_HEAD_LIMIT = 256 * 1024
"""A head has some 1,700 bytes; parameter sets of 64 kB each, the most that their fields can say, fit in."""
_MOOF_LIMIT = 1024**2
"""A second of 240 pictures and 50 pieces of sound has 5 kB."""
_PIECE_BYTES = 256 * 1024


def repair(file: BinaryIO) -> Repaired | None:
    """Make `file` (open for reading and writing) end with its last whole fragment; None when it has none.

    Raises:
        OSError: the disk could not be read or written.
    """
    file.seek(0)
    try:
        head = read_head(file.read(_HEAD_LIMIT))
    except BoxDamaged:
        return None
    contents = Contents(head)
    end = os.fstat(file.fileno()).st_size
    while (fragment := _fragment(file, contents.size_bytes, end)) is not None:
        size_bytes, runs = fragment
        if not contents.accepts(runs):
            break
        contents.add(size_bytes, runs)
    if contents.pictures == 0:
        return None
    _write(file, head.data, contents)
    return Repaired(-(-contents.duration * 1000 // MOVIE_TIMESCALE), contents.pictures)


def _fragment(file: BinaryIO, at: int, end: int) -> tuple[int, tuple[Run, ...]] | None:
    """Size and runs of the fragment at `at`, or None where it is not whole."""
    file.seek(at)
    try:
        intro = file.read(HEADER_BYTES)
        moof = intro + file.read(_place(intro, b"moof", min(end - at, _MOOF_LIMIT)).end - HEADER_BYTES)
        intro = file.read(HEADER_BYTES)
        data_bytes = _place(intro, b"mdat", end - at - len(moof)).end - HEADER_BYTES
        whole = Checksum()
        whole.update(moof)
        whole.update(intro)
        missing = data_bytes
        while missing and (piece := file.read(min(missing, _PIECE_BYTES))):
            whole.update(piece)
            missing -= len(piece)
        if file.read(CHECKSUM_BYTES) != whole.to_box():
            return None
        runs = read_moof(moof)
    except BoxDamaged:
        return None
    if not runs or sum(sample.size for run in runs for sample in run.samples) != data_bytes:
        return None
    return len(moof) + HEADER_BYTES + data_bytes + CHECKSUM_BYTES, runs


def _place(intro: bytes, kind: bytes, limit: int) -> Place:
    """The box that begins with `intro`.

    Raises:
        BoxDamaged: it is another, or longer than `limit`.
    """
    if len(intro) < HEADER_BYTES:
        raise BoxDamaged("expected a box, found the end")
    place = header(intro, 0, limit)
    if place.kind != kind:
        raise BoxDamaged(f"expected {kind.decode()}, found another box")
    return place


def _write(file: BinaryIO, former: bytes, contents: Contents) -> None:
    """Fragments are found without what is filled in, so an end in the middle of this does no harm."""
    head = contents.finished_head()
    if head == former and os.fstat(file.fileno()).st_size == contents.size_bytes:
        return
    os.ftruncate(file.fileno(), contents.size_bytes)
    os.pwrite(file.fileno(), head, 0)
    os.fsync(file.fileno())

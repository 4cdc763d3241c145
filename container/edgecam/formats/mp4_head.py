"""The head of a fragmented MP4 file: what stands before its fragments, and what is filled in at its end.

    ftyp  moov (a track each, mvex with mehd)  free

Nothing in it says when or how large: the head of each chunk of one stream is the same, but for two places
that are filled in when the chunk is finished. `mehd` has the length, without which Firefox believes a file to
be as long as its first fragment. In place of `free` comes the index (`mp4_index.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from edgecam.formats.mp4_boxes import BoxDamaged, Place, box, child, find, full_box, header, places
from edgecam.formats.mp4_index import INDEX_BYTES
from edgecam.formats.mp4_tracks import VIDEO_TIMESCALE, Track, VideoTrack, handler, media_header, sample_entry

MOVIE_TIMESCALE = VIDEO_TIMESCALE
"""The same as the pictures', so that the length is exact."""
SYNC_SAMPLE = 0x02000000  # it depends on no other; 8.8.3.1
OTHER_SAMPLE = 0x01010000  # it depends on others, and decoding cannot begin there
_BRANDS = b"iso6" + bytes(4) + b"iso6isommp41"
"""iso6 has `tfdt` and signed offsets (14496-12, E.8)."""
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED = 0x55C4  # the language `und`; 8.4.2.3
_FULL_VOLUME = 0x0100
_RATE_ONE = 0x10000


@dataclass(frozen=True)
class TrackFacts:
    """What is known of a track from the head of a file.

    Attributes:
        track_id: Its number.
        timescale: Units a second.
        lead: From where decoding begins to where showing does, in these.
        is_video: Whether it has pictures.
    """

    track_id: int
    timescale: int
    lead: int
    is_video: bool


@dataclass(frozen=True)
class Head:
    """The head of a file that is there.

    Attributes:
        data: All of it.
        tracks: In their order.
        mehd: Where the length is.
        index: Where the place for the index begins; it goes on to the end of the head.
    """

    data: bytes
    tracks: tuple[TrackFacts, ...]
    mehd: Place
    index: int


def head(tracks: Sequence[Track]) -> bytes:
    """The head of a file with these tracks, numbered from 1 on; its length is not known yet."""
    numbered = list(enumerate(tracks, start=1))
    moov = box(
        b"moov",
        _movie_header(next_id=len(numbered) + 1),
        *[_track(number, track) for number, track in numbered],
        box(b"mvex", full_box(b"mehd", 0, bytes(8), version=1), *[_defaults(*each) for each in numbered]),
    )
    return box(b"ftyp", _BRANDS) + moov + box(b"free", bytes(INDEX_BYTES - 8))


def finished(data: bytes, duration: int, index: bytes) -> bytes:
    """The head `data` with the length, in units of `MOVIE_TIMESCALE`, and an index of `INDEX_BYTES`.

    Raises:
        BoxDamaged: it is no head of ours.
    """
    found = read_head(data)
    changed = bytearray(data)
    struct.pack_into(">Q", changed, found.mehd.inside + 4, duration)
    changed[found.index :] = index
    return bytes(changed)


def read_head(data: bytes) -> Head:
    """The head of a file, of which `data` is the beginning.

    Raises:
        BoxDamaged: it is no head of ours, or not all of it is there.
    """
    try:
        ftyp = header(data, 0, len(data))
        moov = header(data, ftyp.end, len(data))
        if (ftyp.kind, moov.kind) != (b"ftyp", b"moov") or moov.end + INDEX_BYTES > len(data):
            raise BoxDamaged("expected ftyp, moov and an index, found others")
        mehd = child(data, moov, b"mvex", b"mehd")
        if mehd.end - mehd.inside != 12 or data[mehd.inside] != 1:
            raise BoxDamaged("expected a length of 64 bits, found another")
        traks = [place for place in places(data, moov.inside, moov.end) if place.kind == b"trak"]
        tracks = tuple(_facts(data, trak) for trak in traks)
    except struct.error as error:
        raise BoxDamaged(f"expected whole boxes, found: {error}") from None
    if not tracks or not tracks[0].is_video or any(track.timescale == 0 for track in tracks):
        raise BoxDamaged("expected pictures first, and a time scale, found others")
    return Head(data[: moov.end + INDEX_BYTES], tracks, mehd, moov.end)


def _movie_header(next_id: int) -> bytes:
    """No time of creation (8.2.2)."""
    times = struct.pack(">IIIIIH10x", 0, 0, MOVIE_TIMESCALE, 0, _RATE_ONE, _FULL_VOLUME)
    return full_box(b"mvhd", 0, times, _MATRIX, bytes(24), struct.pack(">I", next_id))


def _track(number: int, track: Track) -> bytes:
    if isinstance(track, VideoTrack):
        volume, size = bytes(16), struct.pack(">II", track.width << 16, track.height << 16)
    else:
        volume, size = struct.pack(">8xHHHH", 0, 1, _FULL_VOLUME, 0), bytes(8)
    tkhd = full_box(b"tkhd", 3, struct.pack(">IIIII", 0, 0, number, 0, 0), volume, _MATRIX, size)
    # An edit without a length lasts as long as the fragments do (8.6.6.3).
    edit = full_box(b"elst", 0, struct.pack(">IIiI", 1, 0, track.lead, _RATE_ONE)) if track.lead else b""
    mdhd = full_box(b"mdhd", 0, struct.pack(">IIIIHH", 0, 0, track.timescale, 0, _UNDETERMINED, 0))
    itself = full_box(b"dref", 0, struct.pack(">I", 1), full_box(b"url ", 1))
    stbl = box(
        b"stbl",
        full_box(b"stsd", 0, struct.pack(">I", 1), sample_entry(track)),
        full_box(b"stts", 0, bytes(4)),
        full_box(b"stsc", 0, bytes(4)),
        full_box(b"stsz", 0, bytes(8)),
        full_box(b"stco", 0, bytes(4)),
    )
    minf = box(b"minf", media_header(track), box(b"dinf", itself), stbl)
    media = box(b"mdia", mdhd, handler(track), minf)
    return box(b"trak", tkhd, box(b"edts", edit) if edit else b"", media)


def _defaults(number: int, track: Track) -> bytes:
    flags = SYNC_SAMPLE if track.is_intra else OTHER_SAMPLE
    return full_box(b"trex", 0, struct.pack(">IIIII", number, 1, 0, 0, flags))


def _facts(data: bytes, trak: Place) -> TrackFacts:
    (track_id,) = struct.unpack_from(">I", data, child(data, trak, b"tkhd").inside + 12)
    mdia = child(data, trak, b"mdia")
    (timescale,) = struct.unpack_from(">I", data, child(data, mdia, b"mdhd").inside + 12)
    hdlr = child(data, mdia, b"hdlr").inside
    kind = data[hdlr + 8 : hdlr + 12]
    elst = find(data, trak, b"edts", b"elst")
    lead = struct.unpack_from(">I", data, elst.inside + 12)[0] if elst else 0
    return TrackFacts(track_id, timescale, lead, kind == b"vide")

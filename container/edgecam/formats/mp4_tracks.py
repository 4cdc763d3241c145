"""The tracks of an MP4 file: how each coding is described in its sample entry (ISO/IEC 14496-12, 8.5.2).

A coding is a row of `_CONFIGURATIONS`: the box that its decoder's configuration stands in.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from edgecam.formats.mp4_boxes import box, full_box

VIDEO_TIMESCALE = 90_000
"""Units a second, as in RTP (RFC 3551, 5): stamps of cameras are held exactly."""
_DPI_72 = 72 << 16
_DEPTH_COLOUR = 24
_NO_COLOUR_TABLE = -1
_DATA_REFERENCE = struct.pack(">6xH", 1)
_OBJECT_AAC, _OBJECT_JPEG = 0x40, 0x6C  # ISO/IEC 14496-1, table 5
_STREAM_VISUAL, _STREAM_AUDIO = 4, 5  # ISO/IEC 14496-1, table 6


@dataclass(frozen=True)
class VideoTrack:
    """Pictures.

    Attributes:
        coding: The kind of the sample entry: `avc1`, `hvc1`, or `mp4v` for JPEG.
        width: Pixels.
        height: Pixels.
        record: The decoder's configuration (`avcC`, `hvcC`; ISO/IEC 14496-15, 5.3.3 and 8.3.3); empty where
            there is none.
        lead: From where decoding begins to where showing does, in units of `timescale`: what pictures that
            are sent out of order need. The edit list takes it off again.
        is_intra: Whether every picture can be decoded alone.
    """

    coding: str
    width: int
    height: int
    record: bytes
    lead: int = 0
    is_intra: bool = False

    @property
    def timescale(self) -> int:
        """Units a second."""
        return VIDEO_TIMESCALE


@dataclass(frozen=True)
class SoundTrack:
    """Sound.

    Attributes:
        coding: The kind of the sample entry: `mp4a` for AAC, or `Opus`.
        channels: How many.
        timescale: Samples a second, and units a second of its times.
        record: The decoder's configuration: AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1), or what is in
            `dOps` (Encapsulation of Opus in ISO Base Media File Format, 4.3.2).
    """

    coding: str
    channels: int
    timescale: int
    record: bytes

    lead = 0
    is_intra = True


Track = VideoTrack | SoundTrack


def sample_entry(track: Track) -> bytes:
    """The box that says how the track is coded.

    Raises:
        KeyError: no row has that coding, which is a mistake in this program.
    """
    configuration = _CONFIGURATIONS[track.coding](track.record)
    form = _pictures(track) if isinstance(track, VideoTrack) else _sound(track)
    return box(track.coding.encode(), _DATA_REFERENCE, form, configuration)


def media_header(track: Track) -> bytes:
    """The box that says what kind of media the track is (8.4.5)."""
    if isinstance(track, VideoTrack):
        return full_box(b"vmhd", 1, bytes(8))
    return full_box(b"smhd", 0, bytes(4))


def handler(track: Track) -> bytes:
    """Who presents the track (8.4.3)."""
    kind = b"vide" if isinstance(track, VideoTrack) else b"soun"
    return full_box(b"hdlr", 0, bytes(4), kind, bytes(12), b"\0")


def _pictures(track: VideoTrack) -> bytes:
    size = struct.pack(">16xHHIIIH", track.width, track.height, _DPI_72, _DPI_72, 0, 1)
    return size + bytes(32) + struct.pack(">Hh", _DEPTH_COLOUR, _NO_COLOUR_TABLE)


def _sound(track: SoundTrack) -> bytes:
    # The rate has 16 bits; a larger one stands in the configuration alone, as in every file of 96 kHz.
    rate = track.timescale if track.timescale < 1 << 16 else 0
    return struct.pack(">8xHHIHH", track.channels, 16, 0, rate, 0)


def _descriptor(tag: int, *inside: bytes) -> bytes:
    """Of MPEG-4 Systems (ISO/IEC 14496-1, 7.2.2): like a box, its size in groups of seven bits."""
    content = b"".join(inside)
    size = len(content)
    groups = [0x80 | size >> shift & 0x7F for shift in (21, 14, 7)]
    return bytes([tag, *groups, size & 0x7F]) + content


def _esds(object_type: int, stream_type: int) -> Callable[[bytes], bytes]:
    """An elementary stream (ISO/IEC 14496-14, 5.6); bit rates are not said: they differ from file to file."""

    def made(record: bytes) -> bytes:
        specific = _descriptor(5, record) if record else b""
        decoder = _descriptor(4, struct.pack(">BB3xII", object_type, stream_type << 2 | 1, 0, 0), specific)
        return full_box(b"esds", 0, _descriptor(3, bytes(3), decoder, _descriptor(6, b"\x02")))

    return made


_CONFIGURATIONS: dict[str, Callable[[bytes], bytes]] = {
    "avc1": lambda record: box(b"avcC", record),
    "hvc1": lambda record: box(b"hvcC", record),
    "mp4v": _esds(_OBJECT_JPEG, _STREAM_VISUAL),
    "mp4a": _esds(_OBJECT_AAC, _STREAM_AUDIO),
    "Opus": lambda record: box(b"dOps", record),
}

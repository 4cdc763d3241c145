"""What a stream of bytes is, by how it begins."""

from __future__ import annotations

import re
from enum import Enum, auto

from edgecam.codecs.video import H264, H265, Codec
from edgecam.sources.mp4_start import MOST_BYTES, has_index_at_end

_LEAST_BYTES = 8
_START_CODE = re.compile(rb"\x00{0,3}\x00\x00\x01")
_H265_FIRST = (b"\x40\x01", b"\x42\x01", b"\x46\x01", b"\x4e\x01")  # VPS, SPS, delimiter, message: table 7-1
_H264_FIRST = (1, 5, 6, 7, 9)  # slices, message, SPS, delimiter: table 7-1
_MPEGTS_SYNC, _MPEGTS_BYTES = 0x47, 188


class StreamForm(Enum):
    """What can be done with it."""

    CONTAINER = auto()
    """Has times: FLV, MP4, Matroska, or something that GStreamer may know."""
    MPEGTS = auto()
    H264 = auto()
    """Pictures one after another, without times (annex B)."""
    H265 = auto()
    LATE_MP4 = auto()
    """Pictures that nobody can read before the index has come, at the end."""

    @property
    def codec(self) -> Codec | None:
        """Of pictures without a container."""
        return {StreamForm.H264: H264, StreamForm.H265: H265}.get(self)


def form_of(start: bytes) -> StreamForm | None:
    """What begins with these bytes; None where more are needed."""
    if len(start) < _LEAST_BYTES:
        return None
    code = _START_CODE.match(start)
    if code is not None:
        return _bare(start[code.end() : code.end() + 2])
    if start[0] == _MPEGTS_SYNC:
        if len(start) <= _MPEGTS_BYTES:
            return None
        return StreamForm.MPEGTS if start[_MPEGTS_BYTES] == _MPEGTS_SYNC else StreamForm.CONTAINER
    is_late = has_index_at_end(start[:MOST_BYTES])
    if is_late is None and len(start) < MOST_BYTES:
        return None
    return StreamForm.LATE_MP4 if is_late else StreamForm.CONTAINER


def _bare(header: bytes) -> StreamForm:
    if header in _H265_FIRST:
        return StreamForm.H265
    is_h264 = bool(header) and not header[0] & 0x80 and header[0] & 0x1F in _H264_FIRST
    return StreamForm.H264 if is_h264 else StreamForm.CONTAINER

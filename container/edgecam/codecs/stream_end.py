"""Bytes behind the end of an H.264 stream: what GStreamer's parser must not be given.

An end of sequence or of stream (NAL units 10 and 11, ITU-T H.264, 7.3.2.5 and 7.3.2.6) has no payload. Where
bytes stand behind its header, h264parse 1.26 reads beyond the picture, and the process ends with all its
cameras; 1.22 calls it an error of the stream. So they are looked for before the parser.
"""

from __future__ import annotations

import re

_ENDS = bytes(header for header in range(256) if header & 0x1F in (10, 11))
_END = re.compile(b"\0\0\1[" + re.escape(_ENDS) + b"]")
_ZEROS = re.compile(b"\0*")
_CUT_BYTES = 3
"""Of a start code and the header behind it, what may stand before a cut without being found there."""


class StreamEndWatch:
    """Looks at a byte stream (ITU-T H.264, annex B), cut anywhere into buffers."""

    def __init__(self) -> None:
        self._before = b""
        self._zeros: int | None = None
        """How many zeros have come behind an end; None where the last unit is no end, or is not over."""

    def is_overrun(self, data: bytes) -> bool:
        """Whether an end in `data`, or at the end of what came before, has bytes behind it."""
        if self._zeros is not None:
            zeros = _leading_zeros(data, 0)
            if zeros == len(data):
                self._zeros += zeros
                return False
            if not _begins_unit(data[zeros], self._zeros + zeros):
                return True
            data, self._zeros = b"\0\0" + data[zeros:], None
        else:
            data = self._before + data
        for end in _END.finditer(data):
            zeros = _leading_zeros(data, end.end())
            if end.end() + zeros == len(data):
                self._zeros = zeros
                return False
            if not _begins_unit(data[end.end() + zeros], zeros):
                return True
        self._before = data[-_CUT_BYTES:]
        return False


def _leading_zeros(data: bytes, at: int) -> int:
    found = _ZEROS.match(data, at)
    return 0 if found is None else found.end() - at


def _begins_unit(byte: int, zeros_before: int) -> bool:
    return byte == 1 and zeros_before >= 2


def has_overrun_end(picture: bytes, length_bytes: int) -> bool:
    """The same for one picture in the form of files: units behind their lengths (ISO/IEC 14496-15, 5.3).

    Args:
        picture: An access unit.
        length_bytes: Of each length: 1, 2 or 4.
    """
    at = 0
    while at + length_bytes < len(picture):
        size = int.from_bytes(picture[at : at + length_bytes], "big")
        at += length_bytes
        if size > 1 and picture[at] & 0x1F in (10, 11) and picture[at + 1 : at + size].strip(b"\0"):
            return True
        at += size
    return False

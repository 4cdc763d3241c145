"""Cutting an MPEG transport stream behind its last whole picture (ISO/IEC 13818-1).

A stream is packets of 188 bytes, and nothing in it points forward: what is there plays. Only its last picture
may be half there, and a power cut may have left zeros in place of packets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median_low
from typing import BinaryIO

from edgecam.formats.repaired import Repaired

PACKET_BYTES = 188
_SYNC = 0x47
_READ_PACKETS = 4096
_HZ = 90_000  # of time stamps; 2.4.3.7
_WRAP = 1 << 33
_VIDEO_TYPES = (0x1B, 0x24)
"""H.264 and H.265; 2.4.4.9."""
_PAT_PID = 0
_PES_HEADER_BYTES = 6  # what PES_packet_length does not count


@dataclass
class _Picture:
    """The picture whose packets are coming in.

    Attributes:
        begin: Where its first packet begins in the file.
        pts: When it is shown, in 1/90000 s, or None.
        left: How many of its bytes are still to come; None where its length is not known.
    """

    begin: int
    pts: int | None
    left: int | None


@dataclass
class _Reading:
    """What has been seen of a stream so far.

    Attributes:
        end: Behind the last whole picture.
        shown: When each whole picture is shown, in 1/90000 s.
    """

    pmt_pid: int | None = None
    video_pid: int | None = None
    current: _Picture | None = None
    end: int = 0
    shown: list[int] = field(default_factory=list)


def repair(file: BinaryIO) -> Repaired | None:
    """Cut `file` (open for reading and writing) behind its last whole picture; None when there is none.

    Raises:
        OSError: the disk could not be read or written.
    """
    seen = _Reading()
    for at, packet in _packets(file):
        if not _take(seen, at, packet):
            break
    if not seen.shown:
        return None
    if os.fstat(file.fileno()).st_size != seen.end:
        os.ftruncate(file.fileno(), seen.end)
    os.fsync(file.fileno())
    return Repaired(_duration_ms(seen.shown), len(seen.shown))


def _packets(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Offset and content of each packet, up to the first that is none. The one before that is left out, too:
    what is missing may have begun in it."""
    file.seek(0)
    at = 0
    held: tuple[int, bytes] | None = None
    while block := file.read(_READ_PACKETS * PACKET_BYTES):
        for begin in range(0, len(block), PACKET_BYTES):
            packet = block[begin : begin + PACKET_BYTES]
            if len(packet) < PACKET_BYTES:
                break
            if packet[0] != _SYNC:
                return
            if held is not None:
                yield held
            held = (at + begin, packet)
        at += len(block)
    if held is not None:
        yield held


def _take(seen: _Reading, at: int, packet: bytes) -> bool:
    """Take `packet` into account; False when nothing after it can be believed."""
    pid = int.from_bytes(packet[1:3], "big") & 0x1FFF
    begins = bool(packet[1] & 0x40)
    payload = _payload(packet)
    if pid == _PAT_PID and begins and seen.pmt_pid is None:
        seen.pmt_pid = _pmt_pid(payload)
    elif pid == seen.pmt_pid and begins and seen.video_pid is None:
        seen.video_pid = _video_pid(payload)
    elif pid == seen.video_pid:
        if begins:
            _finish(seen, at)
            if not seen.shown and not _is_random_access(packet):
                return False
            seen.current = _begun(at, payload)
            if seen.current is None:
                return False
        _count(seen, at, payload)
    return True


def _count(seen: _Reading, at: int, payload: bytes) -> None:
    """End a picture of known length with its last byte."""
    picture = seen.current
    if picture is None or picture.left is None:
        return
    picture.left -= len(payload)
    if picture.left <= 0:
        _finish(seen, at + PACKET_BYTES)


def _finish(seen: _Reading, end: int) -> None:
    """End the current picture; it is whole unless bytes of its length are missing."""
    picture, seen.current = seen.current, None
    if picture is None or (picture.left or 0) > 0:
        return
    seen.end = end
    if picture.pts is not None:
        seen.shown.append(picture.pts)


def _payload(packet: bytes) -> bytes:
    """What follows header and adaptation field; 2.4.3.2."""
    control = packet[3] >> 4 & 3
    if not control & 1:
        return b""
    return packet[5 + packet[4] :] if control & 2 else packet[4:]


def _is_random_access(packet: bytes) -> bool:
    """Whether decoding can begin here: random_access_indicator; 2.4.3.4."""
    return bool(packet[3] & 0x20 and packet[4] and packet[5] & 0x40)


def _pmt_pid(payload: bytes) -> int | None:
    """Where the first programme is described; 2.4.4.3."""
    section = payload[1 + payload[0] :] if payload else b""
    for at in range(8, len(section) - 3, 4):
        if section[at : at + 2] != b"\0\0":
            return int.from_bytes(section[at + 2 : at + 4], "big") & 0x1FFF
    return None


def _video_pid(payload: bytes) -> int | None:
    """Where the first video of a programme is; 2.4.4.8."""
    section = payload[1 + payload[0] :] if payload else b""
    if len(section) < 12:
        return None
    end = 3 + (int.from_bytes(section[1:3], "big") & 0xFFF) - 4
    at = 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
    while at + 5 <= min(end, len(section)):
        if section[at] in _VIDEO_TYPES:
            return int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF
        at += 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF)
    return None


def _begun(at: int, payload: bytes) -> _Picture | None:
    """The picture that begins with `payload`; None when that is no beginning; 2.4.3.6."""
    if len(payload) < 14 or payload[:3] != b"\0\0\x01":
        return None
    length = int.from_bytes(payload[4:6], "big")
    pts = None
    if payload[7] & 0x80:
        stamp = payload[9:14]
        pts = (stamp[0] >> 1 & 7) << 30 | stamp[1] << 22 | (stamp[2] >> 1) << 15
        pts |= stamp[3] << 7 | stamp[4] >> 1
    return _Picture(at, pts, length + _PES_HEADER_BYTES if length else None)


def _duration_ms(shown: list[int]) -> int:
    """From the first picture to the last, and once more the usual time between two."""
    # Relative to the first, so that the stamps may wrap to 0 (they do each 26 hours).
    times = sorted((pts - shown[0] + _WRAP // 2) % _WRAP - _WRAP // 2 for pts in shown)
    steps = [after - before for before, after in pairwise(times)]
    usual = median_low(steps) if steps else 0
    return -(-(times[-1] - times[0] + usual) * 1000 // _HZ)

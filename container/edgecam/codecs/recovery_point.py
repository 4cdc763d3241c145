"""Where decoding can begin without a keyframe: recovery points of intra refresh.

A stream with intra refresh has no keyframes: each picture renews a strip, and after some pictures all has
been renewed. A supplemental message (SEI) marks where a decoder may begin, and how many pictures it takes
until one is whole (ITU-T H.264, D.1.8 and D.2.8; ITU-T H.265, D.2.8 and D.3.8). GStreamer's parsers flag such
a picture as if it were a keyframe.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from edgecam.codecs.bits import Bits
from edgecam.codecs.video import H264, H265, Codec

HEAD_BYTES = 8192
"""What is looked at of an access unit: the message stands before its first slice."""
MOST_PICTURES = 600
"""No camera takes twenty seconds to renew a picture: what says so is taken for that many."""
_RECOVERY_POINT = 6  # payloadType, H.264 table D-1 and H.265 D.2.1
_H264_SLICES, _H264_IDR, _H264_SEI = range(1, 6), 5, 6  # table 7-1
_H265_SLICES, _H265_IRAP, _H265_SEI = range(32), range(16, 24), 39  # table 7-1
_INTRA_SLICES = (2, 4, 7, 9)  # I and SI, H.264 table 7-6
_START = re.compile(rb"\x00\x00\x01")
_LENGTH_BYTES = 4
_MESSAGE_BYTES = 16  # a number and three flags


def pictures_to_recovery(codec: Codec, head: bytes, *, has_lengths: bool) -> int:
    """How many pictures after this one the first whole one comes, where decoding begins at this one.

    Args:
        codec: H.264 or H.265; any other has none.
        head: The first `HEAD_BYTES` of an access unit that the parser took for a keyframe.
        has_lengths: Whether each unit has its length before it (as in MP4), instead of a start code.

    Returns:
        0 where the picture is whole by itself.
    """
    if codec not in (H264, H265):
        return 0
    is_h264, found = codec is H264, 0
    for unit in _with_lengths(head) if has_lengths else _with_start_codes(head):
        kind = unit[0] & 0x1F if is_h264 else unit[0] >> 1 & 0x3F
        try:
            if kind in (_H264_SLICES if is_h264 else _H265_SLICES):
                is_whole = _is_intra(unit) if is_h264 else kind in _H265_IRAP
                return 0 if is_whole else max(0, min(found, MOST_PICTURES))
            if kind == (_H264_SEI if is_h264 else _H265_SEI):
                message = _recovery_message(unit[1 if is_h264 else 2 :])
                if message is not None:
                    found = Bits(message).golomb() if is_h264 else Bits(message).signed()
        except (EOFError, IndexError):
            return 0  # cut short: the parser's word counts
    return 0


def _is_intra(slice_unit: bytes) -> bool:
    """Whether an H.264 slice refers to no other picture."""
    if slice_unit[0] & 0x1F == _H264_IDR:
        return True
    bits = Bits(slice_unit[1:16])
    bits.golomb()
    return bits.golomb() in _INTRA_SLICES


def _recovery_message(messages: bytes) -> bytes | None:
    """The recovery point among the messages of one unit (7.3.2.3.1), or None."""
    at = 0
    while at + 1 < len(messages):
        kind, at = _number(messages, at)
        size, at = _number(messages, at)
        if kind == _RECOVERY_POINT:
            return messages[at : at + min(size, _MESSAGE_BYTES)]
        at += size
    return None


def _number(messages: bytes, at: int) -> tuple[int, int]:
    """A number in bytes of 255 and a last one, and where it ends."""
    total = 0
    while messages[at] == 0xFF:
        total += 0xFF
        at += 1
    return total + messages[at], at + 1


def _with_start_codes(head: bytes) -> Iterator[bytes]:
    begins = [match.end() for match in _START.finditer(head)]
    for begin, following in pairwise([*begins, len(head) + 3]):
        if unit := head[begin : following - 3]:
            yield unit


def _with_lengths(head: bytes) -> Iterator[bytes]:
    at = 0
    while at + _LENGTH_BYTES < len(head):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(head[at:begin])
        if unit := head[begin:at]:
            yield unit

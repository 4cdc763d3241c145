"""One RTP packet taken apart (RFC 3550, 5.1). The depacketizer's fast way reads most packets without this."""

from __future__ import annotations

from typing import NamedTuple

HEADER_BYTES = 12
NUMBERS = 0x10000
"""Of the sequence: 16 bits."""
TIMES = 1 << 32
"""Of time stamps: 32 bits."""


class Packet(NamedTuple):
    """What a packet says.

    Attributes:
        number: Of the sequence, 16 bits.
        stamp: Its time stamp, as it came: four bytes.
        ssrc: Its source, likewise.
        payload_type: Seven bits.
        is_marked: The marker bit.
        payload: Without header, extension and padding; may be empty.
    """

    number: int
    stamp: bytes
    ssrc: bytes
    payload_type: int
    is_marked: bool
    payload: bytes


def time_step(former: int, stamp: int) -> int:
    """How far the time stamp `stamp` is from `former`, whose lowest 32 bits count; negative before it."""
    return (stamp - former + TIMES // 2) % TIMES - TIMES // 2


def parse(data: bytes, begin: int, end: int) -> Packet | None:
    """The packet in `data[begin:end]`; None where that is none. Each length in it is held against `end`."""
    at = begin + HEADER_BYTES
    if at > end:
        return None
    first = data[begin]
    if first & 0xC0 != 0x80:
        return None
    at += 4 * (first & 0x0F)
    if first & 0x10:
        if at + 4 > end:
            return None
        at += 4 + 4 * (data[at + 2] << 8 | data[at + 3])
    if first & 0x20 and at < end:
        padding = data[end - 1]
        if not padding:
            return None
        end -= padding
    if at > end:
        return None
    second = data[begin + 1]
    return Packet(
        number=data[begin + 2] << 8 | data[begin + 3],
        stamp=bytes(data[begin + 4 : begin + 8]),
        ssrc=bytes(data[begin + 8 : begin + 12]),
        payload_type=second & 0x7F,
        is_marked=second >= 0x80,
        payload=bytes(data[at:end]),
    )

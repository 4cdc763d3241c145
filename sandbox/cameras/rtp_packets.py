"""A camera's RTP packets as values, made from a film: so that a test says in a line what is wrong with them.

    packets = lost(packets_of(film), {1000})          # RFC 3550, 6184 and 7798 but for one packet
    marked(packets_of(film), "each unit")             # the marker bit on every slice

Each takes and gives an iterator, so that they go one into another; what else may be wrong is
`dataclasses.replace` of a packet.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count as counting
from typing import Literal

from sandbox.cameras.rtsp_connection import CLOCK_HZ, PACKET_BYTES, PAYLOAD_TYPE, SSRC, nal_units

Coding = Literal["H264", "H265"]
Marks = Literal["last", "each unit", "always", "never"]
_STAP_A, _FU_A = 24, 28  # RFC 6184, 5.2
_AP, _FU = 48, 49  # RFC 7798, 4.4.2 and 4.4.3


@dataclass(frozen=True)
class RtpPacket:
    """One packet.

    Attributes:
        payload: What it carries.
        number: Of the sequence, counted on; sent modulo 2**16.
        time: Its time stamp, counted on; sent modulo 2**32.
        at_s: When it is sent, seconds after the first.
        picture: Which picture of the film it belongs to, counted on from 0.
        is_unit_end: Whether a NAL unit ends in it.
        is_picture_end: Whether the picture does.
        is_marked: The marker bit.
        payload_type: As the description (SDP) names it.
        ssrc: Of the source that it belongs to.
        channel: In which it is sent.
        version: Of RTP.
        contributors: Their identifiers (CSRC).
        extension: The header's extension, a multiple of four bytes; None for none.
        padding: What stands behind the payload; its last byte says how much that is.
    """

    payload: bytes
    number: int
    time: int
    at_s: float = 0.0
    picture: int = 0
    is_unit_end: bool = True
    is_picture_end: bool = False
    is_marked: bool = False
    payload_type: int = PAYLOAD_TYPE
    ssrc: int = SSRC
    channel: int = 0
    version: int = 2
    contributors: tuple[int, ...] = ()
    extension: bytes | None = None
    padding: bytes = b""

    def to_bytes(self) -> bytes:
        """As it is in a datagram (RFC 3550, 5.1)."""
        first = self.version << 6 | bool(self.padding) << 5 | (self.extension is not None) << 4
        head = struct.pack(
            ">BBHII",
            first | len(self.contributors),
            self.payload_type | 0x80 * self.is_marked,
            self.number & 0xFFFF,
            self.time & 0xFFFFFFFF,
            self.ssrc,
        )
        extension = b""
        if self.extension is not None:
            extension = struct.pack(">HH", 0xBEDE, len(self.extension) // 4) + self.extension
        contributors = struct.pack(f">{len(self.contributors)}I", *self.contributors)
        return head + contributors + extension + self.payload + self.padding

    def framed(self) -> bytes:
        """As it is between RTSP's own bytes (RFC 2326, 10.12)."""
        data = self.to_bytes()
        return struct.pack(">BBH", 0x24, self.channel, len(data)) + data


def packets_of(
    film: Sequence[bytes],
    *,
    coding: Coding = "H264",
    fps: float = 10,
    pictures: int | None = None,
    first_number: int = 0,
    first_time: int = 0,
    shown: Sequence[int] | None = None,
    packet_bytes: int = PACKET_BYTES,
    aggregated: bool = False,
    decoding_order: int | None = None,
) -> Iterator[RtpPacket]:
    """A camera's packets without a fault.

    Args:
        film: Access units (Annex B) in the order of decoding, shown again and again.
        coding: How they are coded.
        fps: How many a second.
        pictures: How many in all; None: for ever.
        first_number: Of the sequence.
        first_time: Time stamp of the first picture.
        shown: The place of each access unit in the order of showing, where that is another one.
        packet_bytes: Larger NAL units travel in fragments.
        aggregated: Whether the units before a picture's last share a packet, up to four of them.
        decoding_order: The first decoding order number (RFC 7798, 4.4.1); None for none.
    """
    number = first_number
    for picture in counting() if pictures is None else range(pictures):
        units = list(nal_units(film[picture % len(film)]))
        place = picture if shown is None else picture // len(film) * len(film) + shown[picture % len(film)]
        don = None if decoding_order is None else decoding_order
        payloads = list(_payloads(units, coding, packet_bytes, aggregated, don))
        if decoding_order is not None:
            decoding_order += len(units)
        for index, (payload, is_unit_end) in enumerate(payloads):
            is_last = index == len(payloads) - 1
            yield RtpPacket(
                payload,
                number,
                first_time + round(place * CLOCK_HZ / fps),
                at_s=picture / fps,
                picture=picture,
                is_unit_end=is_unit_end,
                is_picture_end=is_last,
                is_marked=is_last,
            )
            number += 1


def _payloads(
    units: Sequence[bytes], coding: Coding, packet_bytes: int, aggregated: bool, don: int | None
) -> Iterator[tuple[bytes, bool]]:
    """Each payload, and whether a unit ends in it."""
    together = [unit for unit in units[:-1] if len(unit) < packet_bytes // 4][:4] if aggregated else []
    if len(together) > 1 and units[: len(together)] == together:
        yield _aggregate(together, coding, don), True
        units = units[len(together) :]
        don = None if don is None else don + len(together)
    for place, unit in enumerate(units):
        order = b"" if don is None else struct.pack(">H", don + place & 0xFFFF)
        if len(unit) <= packet_bytes:
            head = 2 if coding == "H265" else 1
            yield (unit[:head] + order + unit[head:] if order else unit), True
        else:
            yield from _fragments(unit, coding, packet_bytes, order)


def _aggregate(units: Sequence[bytes], coding: Coding, don: int | None) -> bytes:
    """Several units in one payload (RFC 6184, 5.7.1; RFC 7798, 4.4.2)."""
    if coding == "H264":
        head = bytes([max(unit[0] & 0x60 for unit in units) | _STAP_A])
    else:
        head = bytes([_AP << 1, 1])
    body = b""
    for place, unit in enumerate(units):
        if don is not None:
            body += struct.pack(">H", don & 0xFFFF) if place == 0 else b"\0"
        body += struct.pack(">H", len(unit)) + unit
    return head + body


def _fragments(unit: bytes, coding: Coding, packet_bytes: int, order: bytes) -> Iterator[tuple[bytes, bool]]:
    """One unit in several payloads (RFC 6184, 5.8; RFC 7798, 4.4.3)."""
    if coding == "H264":
        head, kind, begin = bytes([unit[0] & 0xE0 | _FU_A]), unit[0] & 0x1F, 1
    else:
        head, kind, begin = bytes([unit[0] & 0x81 | _FU << 1, unit[1]]), unit[0] >> 1 & 0x3F, 2
    parts = [unit[at : at + packet_bytes] for at in range(begin, len(unit), packet_bytes)]
    for place, part in enumerate(parts):
        is_end = place == len(parts) - 1
        flags = bytes([kind | 0x80 * (place == 0) | 0x40 * is_end])
        yield head + flags + (order if place == 0 else b"") + part, is_end


def lost(packets: Iterable[RtpPacket], numbers: Collection[int]) -> Iterator[RtpPacket]:
    """Without those of these numbers."""
    return (packet for packet in packets if packet.number not in numbers)


def repeated(packets: Iterable[RtpPacket], numbers: Collection[int]) -> Iterator[RtpPacket]:
    """Those of these numbers twice."""
    for packet in packets:
        yield packet
        if packet.number in numbers:
            yield packet


def late(packets: Iterable[RtpPacket], numbers: Collection[int], by: int = 1) -> Iterator[RtpPacket]:
    """Those of these numbers after the `by` packets that follow them."""
    waiting: list[tuple[int, RtpPacket]] = []
    for place, packet in enumerate(packets):
        if packet.number in numbers:
            waiting.append((place + by, packet))
            continue
        yield packet
        while waiting and waiting[0][0] <= place:
            yield waiting.pop(0)[1]
    yield from (packet for _, packet in waiting)


def marked(packets: Iterable[RtpPacket], marks: Marks) -> Iterator[RtpPacket]:
    """With the marker bit where a camera of this habit sets it."""
    for packet in packets:
        is_marked = {
            "last": packet.is_picture_end,
            "each unit": packet.is_unit_end,
            "always": True,
            "never": False,
        }[marks]
        yield replace(packet, is_marked=is_marked)


def other_source(packets: Iterable[RtpPacket], ssrc: int, *, from_picture: int) -> Iterator[RtpPacket]:
    """From another source, with numbers of its own, from this picture on."""
    for packet in packets:
        if packet.picture >= from_picture:
            yield replace(packet, ssrc=ssrc, number=packet.number + 20_000)
        else:
            yield packet


def woven(one: Iterable[RtpPacket], other: Iterable[RtpPacket]) -> Iterator[RtpPacket]:
    """Both, picture by picture, as long as there is one of each."""
    others = iter(other)
    ahead = next(others, None)
    for packet in one:
        while ahead is not None and ahead.at_s < packet.at_s:
            yield ahead
            ahead = next(others, None)
        yield packet

"""RTCP: what a camera reports about its clock, and what it is answered (RFC 3550, 6)."""

from __future__ import annotations

from collections.abc import Iterator
from struct import pack, unpack_from

from edgecam.clock import NS_PER_S
from edgecam.rtp.reception import Reception
from edgecam.rtp.sender_report import SenderReport

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, BYE = 200, 201, 202, 203
PACKETS_LIMIT = 32
"""In a compound packet: a camera's has three or four."""
NAME_BYTES = 255
"""Of an item of a source description: its length is one byte (6.5)."""
_NTP_TO_UNIX_S = 2_208_988_800  # RFC 5905, 6
_ERA_S = 1 << 32
"""NTP's seconds begin again in February 2036: what would lie before 1968 is of the next era (RFC 4330, 3)."""
_CANONICAL_NAME = 1


def sender_reports(data: bytes) -> list[SenderReport]:
    """Those in a compound packet; none where it is not one."""
    return [
        _sender_report(data, at) for kind, at, size in _packets(data) if kind == SENDER_REPORT and size >= 28
    ]


def has_bye(data: bytes) -> bool:
    """Whether a source says that it ends."""
    return any(kind == BYE for kind, _, _ in _packets(data))


def receiver_report(ssrc: int, reception: Reception, now_s: float, cname: str) -> bytes:
    """A compound packet about what came: a report and our name (6.4.2, 6.5).

    Args:
        ssrc: Our own, 32 bits.
        reception: Of the source.
        now_s: By the clock that never steps.
        cname: Our name, the same in each report.
    """
    blocks = reception.take_block(now_s) if reception.ssrc else b""
    count = len(blocks) // 24
    report = pack(">BBHI", 0x80 | count, RECEIVER_REPORT, 1 + 6 * count, ssrc) + blocks
    name = cname.encode()[:NAME_BYTES]
    item = bytes((_CANONICAL_NAME, len(name))) + name
    item += bytes(4 - len(item) % 4)  # an end of at least one zero, to a multiple of four
    return report + pack(">BBHI", 0x81, SOURCE_DESCRIPTION, 1 + len(item) // 4, ssrc) + item


def _packets(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Type, place and size of each packet in a compound one, as far as it is whole."""
    at = 0
    for _ in range(PACKETS_LIMIT):
        if at + 4 > len(data) or data[at] & 0xC0 != 0x80:
            return
        size = 4 + 4 * (data[at + 2] << 8 | data[at + 3])
        if at + size > len(data):
            return
        yield data[at + 1], at, size
        at += size


def _sender_report(data: bytes, at: int) -> SenderReport:
    ssrc, seconds, fraction, rtp_time = unpack_from(">4I", data, at + 4)
    unix_ns = None
    if seconds or fraction:
        unix_s = seconds - _NTP_TO_UNIX_S + (0 if seconds & 0x80000000 else _ERA_S)
        unix_ns = unix_s * NS_PER_S + (fraction * NS_PER_S >> 32)
    return SenderReport(ssrc, unix_ns, rtp_time, (seconds & 0xFFFF) << 16 | fraction >> 16)

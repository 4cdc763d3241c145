"""Reports: what a camera says of its clock, and what it is answered."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from nal_films import SETS, film, received

from edgecam.codecs.video import H264
from edgecam.rtp.control import PACKETS_LIMIT, has_bye, receiver_report, sender_reports
from edgecam.rtp.counts import Counts
from edgecam.rtp.depacketizer import Depacketizer
from edgecam.rtp.reception import Reception
from edgecam.rtp.sender_clock import SenderClock
from edgecam.rtp.sender_report import SenderReport
from sandbox.cameras.rtp_packets import RtpPacket, lost, packets_of
from sandbox.cameras.rtsp_connection import SSRC
from sandbox.cameras.scripted_camera import sender_report

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
PACKET = RtpPacket(b"", 7, 90_000)


def compound(unix_s: float = NOON, *, bye: bool = False, time: int = 90_000) -> bytes:
    return sender_report(RtpPacket(b"", 7, time), unix_s=unix_s, has_bye=bye)[4:]


def test_a_sender_report_gives_the_cameras_clock_at_a_time_stamp() -> None:
    (report,) = sender_reports(compound(NOON + 0.25))
    assert (report.ssrc, report.rtp_time) == (SSRC, 90_000)
    assert report.unix_ns is not None
    assert abs(report.unix_ns - round((NOON + 0.25) * 1e9)) < 1000
    assert not has_bye(compound())
    assert has_bye(compound(bye=True))


def test_ntp_s_second_era_is_read_and_no_clock_is_none() -> None:
    era = datetime(2036, 2, 7, 6, 28, 16, tzinfo=UTC).timestamp()
    for unix_s in (era - 10, era + 10):
        (report,) = sender_reports(compound(unix_s))
        assert report.unix_ns is not None
        assert abs(report.unix_ns - round(unix_s * 1e9)) < 1000
    none = struct.pack(">BBHI5I", 0x80, 200, 6, SSRC, 0, 0, 90_000, 0, 0)
    assert [report.unix_ns for report in sender_reports(none)] == [None]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\xc8\0",
        b"\x80\xc8\0\6" + bytes(20),  # cut short
        b"\x80\xc8\0\5" + bytes(20),  # too short for a report
        b"\x40\xc8\0\6" + bytes(24),  # version 1
        b"\x80\xc8\xff\xff" + bytes(300),
        b"\xff" * 400,
    ],
)
def test_what_is_no_report_says_nothing(data: bytes) -> None:
    assert sender_reports(data) == []
    assert not has_bye(data)


def test_a_compound_packet_is_read_up_to_so_many() -> None:
    name = struct.pack(">BBHI", 0x80, 202, 1, SSRC)
    assert len(sender_reports(name * (PACKETS_LIMIT - 1) + compound())) == 1
    assert sender_reports(name * PACKETS_LIMIT + compound()) == []


def test_a_receiver_report_says_what_came_since_the_last() -> None:
    units = film("H264", 24)
    packets = list(packets_of(units, pictures=24, packet_bytes=100, first_number=65_530))
    gone = [packet.number for packet in packets[60:65]]
    taker = Depacketizer(H264, 90_000, SETS["H264"])
    _, taker = received(lost(packets, gone), into=taker)
    (report,) = sender_reports(compound())
    taker.reception.observe_report(report, 50.0)
    data = receiver_report(0xCAFE, taker.reception, 50.5, "edgecam")
    head, reporter, source, loss, highest, jitter, last, delay = struct.unpack_from(">8I", data)
    assert data[1] == 201
    assert head == 0x81C90007
    assert reporter == 0xCAFE
    assert source == SSRC
    assert loss & 0xFFFFFF == 5
    assert loss >> 24 == 5 * 256 // (len(packets) - 1)
    assert highest == packets[-1].number
    assert last == report.ntp_middle
    assert delay == 0.5 * 65_536
    assert jitter < 90_000
    assert struct.unpack_from(">BBH", data, 32) == (0x81, 202, (len(data) - 32) // 4 - 1)
    assert b"\1\x07edgecam\0" in data
    # Of the time since there is nothing to report.
    again = receiver_report(0xCAFE, taker.reception, 51.0, "edgecam")
    assert again[12] == 0
    assert struct.unpack_from(">I", again, 12)[0] & 0xFFFFFF == 5


def test_a_report_about_nothing_has_no_block_and_a_long_name_is_cut() -> None:
    data = receiver_report(1, Reception(Counts(), 90_000), 0.0, "n" * 999)
    assert data[:4] == b"\x80\xc9\0\1"
    assert data[8:12] == b"\x81\xca\0" + bytes([(len(data) - 8) // 4 - 1])
    assert len(data) % 4 == 0
    assert b"n" * 255 in data
    assert b"n" * 256 not in data


def test_pictures_have_the_cameras_time_by_its_reports() -> None:
    clock = SenderClock(90_000)
    assert clock.taken_ns(5) is None
    clock.observe(SenderReport(SSRC, None, 5, 0), 5)
    assert clock.taken_ns(5) is None
    clock.observe(SenderReport(SSRC, 10**18, 2**32 - 90_000, 0), 2**32 - 90_000)
    assert clock.taken_ns(2**32 - 90_000) == 10**18
    assert clock.taken_ns(2**32 + 90_000) == 10**18 + 2 * 10**9
    # The next is of the other side of the wrap, and so are the pictures.
    clock.observe(SenderReport(SSRC, 10**18 + 3 * 10**9, 180_000, 0), 2**32 + 170_000)
    assert clock.taken_ns(2**32 + 90_000) == 10**18 + 2 * 10**9
    # A picture that is newer than the report may be on the other side as well.
    clock.observe(SenderReport(SSRC, 10**18 + 3 * 10**9, 2**32 - 1, 0), 2**33 + 50)
    assert clock.taken_ns(2**33 - 1) == 10**18 + 3 * 10**9
    clock.observe(SenderReport(SSRC, 10**9, 0, 0), 0)
    assert clock.taken_ns(-180_000) is None

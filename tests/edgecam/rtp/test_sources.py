"""Which packets are the stream's: its own sequence, its own source, its own payload type."""

from __future__ import annotations

from dataclasses import replace

import pytest
from nal_films import CODECS, SETS, film, framed, received

from edgecam.rtp.depacketizer import Depacketizer
from edgecam.rtp.order import (
    DROPOUT_PACKETS,
    MISORDER_PACKETS,
    OTHERS_LIMIT,
    REORDERED_PACKETS,
    RETURN_PACKETS,
    SOURCES_LIMIT,
    SWITCH_PACKETS,
)
from sandbox.cameras.rtp_packets import RtpPacket, other_source, packets_of, woven
from sandbox.cameras.rtsp_connection import PAYLOAD_TYPE, SSRC

OTHER = 0x99AABBCC
UNITS = film("H264", 12)


def sent(*, first_number: int = 0, pictures: int = 12) -> list[RtpPacket]:
    return list(packets_of(UNITS, pictures=pictures, packet_bytes=100, first_number=first_number))


def data_of(pictures: int = 12) -> list[bytes]:
    return [framed(UNITS[number % 12]) for number in range(pictures)]


def moved(packets: list[RtpPacket], picture: int, by: int) -> list[RtpPacket]:
    """With other numbers from this picture on."""
    return [
        replace(packet, number=packet.number + by) if packet.picture >= picture else packet
        for packet in packets
    ]


def taker(ssrc: int | None = None) -> Depacketizer:
    return Depacketizer(CODECS["H264"], 90_000, SETS["H264"], payload_type=PAYLOAD_TYPE, ssrc=ssrc)


@pytest.mark.parametrize("from_picture", [3, 4])
def test_a_source_that_changes_while_times_go_on_is_one_stream(from_picture: int) -> None:
    packets = other_source(sent(), OTHER, from_picture=from_picture)
    pictures, took = received(packets)
    assert [each.data for each in pictures if not each.is_damaged] == data_of()
    assert [each.rtp_time for each in pictures] == [9000 * number for number in range(12)]
    assert (took.counts.sources, took.counts.foreign, took.counts.lost) == (1, 0, 0)
    assert took.reception.ssrc == OTHER


def test_a_source_that_changes_within_a_picture_damages_it() -> None:
    packets = sent(pictures=24)
    half = [packet for packet in packets if packet.picture == 9][1].number
    pictures, took = received([*packets[:half], *(replace(each, ssrc=OTHER) for each in packets[half:])])
    assert [each.rtp_time // 9000 for each in pictures if each.is_damaged] == [10, 11]
    assert took.counts.damaged == 3  # of the ninth nothing is left
    assert [each.data for each in pictures[11:]] == data_of(24)[12:]


def test_a_source_whose_times_begin_elsewhere_may_have_lost_pictures() -> None:
    packets = [
        replace(packet, time=packet.time + 10**6) if packet.picture >= 10 else packet
        for packet in other_source(sent(pictures=16), OTHER, from_picture=10)
    ]
    pictures, _ = received(packets)
    assert [each.rtp_time // 9000 for each in pictures if each.is_damaged] == [121, 122]
    assert len(pictures) == 16


@pytest.mark.parametrize(
    ("hint", "dead_first"),
    [(None, False), (SSRC, False), (77, False), (None, True), (SSRC, True), (77, True)],
)
def test_packets_of_a_dead_session_are_dropped(hint: int | None, dead_first: bool) -> None:
    """An old session's packets come on the new connection, before its own and between them."""
    dead = [replace(packet, ssrc=OTHER, at_s=packet.at_s + 0.05) for packet in sent(first_number=900)]
    live = sent(pictures=24)
    packets = list(woven(live, dead))
    if dead_first:
        packets = [replace(packet, ssrc=OTHER) for packet in sent(first_number=50, pictures=2)] + packets
    pictures, took = received(packets, into=taker(hint))
    mine = [each.data for each in pictures if not each.is_damaged]
    assert mine[-12:] == data_of(24)[-12:]
    if not dead_first:
        assert mine == data_of(24)
        assert took.counts.foreign == len(dead)
    assert took.reception.ssrc == SSRC


def test_the_camera_s_word_decides_at_once() -> None:
    packets = [replace(packet, ssrc=OTHER) for packet in sent(pictures=1)] + sent()
    pictures, took = received(packets, into=taker(SSRC))
    assert [each.data for each in pictures if not each.is_damaged][-12:] == data_of()
    assert took.counts.sources == 1


def test_a_source_that_was_left_comes_back_only_where_it_is_alone() -> None:
    mixed = list(other_source(sent(pictures=24), OTHER, from_picture=12))
    again = packets_of(UNITS, pictures=400, packet_bytes=100, first_number=5000, first_time=9000 * 24)
    pictures, took = received([*mixed, *again])
    assert took.counts.sources == 2
    assert took.counts.foreign == RETURN_PACKETS + 1
    assert [each.data for each in pictures[-12:]] == data_of(400)[-12:]


def test_another_source_is_taken_after_many_packets_of_one_time() -> None:
    slow = [replace(packet, ssrc=OTHER, time=7) for packet in sent(pictures=120)]
    for count in (SWITCH_PACKETS - 1, SWITCH_PACKETS):
        _, took = received([*sent(), *slow[:count]])
        assert took.counts.sources == (count == SWITCH_PACKETS)


def test_only_so_many_sources_that_were_left_are_remembered() -> None:
    took = taker()
    for number in range(SOURCES_LIMIT + 3):
        received([replace(packet, ssrc=number) for packet in sent(pictures=3)], into=took, ends=False)
    assert took.counts.sources == SOURCES_LIMIT + 2
    received([replace(packet, ssrc=0) for packet in sent(pictures=3)], into=took, ends=False)
    assert took.counts.sources == SOURCES_LIMIT + 3  # forgotten, so it is new
    received([replace(packet, ssrc=SOURCES_LIMIT + 1) for packet in sent(pictures=3)], into=took)
    assert took.counts.sources == SOURCES_LIMIT + 3


@pytest.mark.parametrize("ssrc", [SSRC, OTHER])
def test_packets_of_another_payload_type_are_no_pictures(ssrc: int) -> None:
    """Script 26 of the public reports: with numbers of their own, and with the stream's."""
    packets: list[RtpPacket] = []
    for packet in sent():
        if packet.is_picture_end:
            packets.append(replace(packet, payload=b"x" * 40, payload_type=50, number=0, ssrc=ssrc))
        packets.append(packet)
    pictures, took = received(packets)
    assert [each.data for each in pictures if not each.is_damaged] == data_of()
    assert (took.counts.foreign, took.counts.lost) == (12, 0)


def test_numbers_that_go_to_another_payload_type_are_not_missing() -> None:
    packets: list[RtpPacket] = []
    for packet in sent():
        if packet.number % 5 == 0:
            packets.append(replace(packet, payload=b"x", payload_type=50, number=len(packets)))
        packets.append(replace(packet, number=len(packets)))
    pictures, took = received(packets)
    assert [each.data for each in pictures if not each.is_damaged] == data_of()
    assert took.counts.lost == 0


def test_numbers_of_another_payload_type_are_forgotten_and_hide_no_loss() -> None:
    packets = sent(first_number=65_536 - 20)
    gone = next(packet for packet in packets if packet.picture == 6).number % 65_536
    others = [
        replace(packets[0], payload=b"x", payload_type=50, number=gone + place)
        for place in range(OTHERS_LIMIT + 5)
    ]
    filler = packets_of(UNITS, pictures=120, packet_bytes=100, first_number=64_000 - 20)
    begin = [packet for packet in filler if packet.number < 65_536 - 20]
    took = taker()
    received(begin[:1], into=took, ends=False)
    received(others, into=took, ends=False)
    assert took.counts.foreign == len(others)
    received(begin[1:], into=took, ends=False)  # hundreds of packets later
    first = begin[-1].number + 1
    after = [
        replace(packet, number=first + place, time=packet.time + 10**7)
        for place, packet in enumerate(packets)
    ]
    missing = next(packet for packet in after if packet.picture == 6)
    received([packet for packet in after if packet is not missing], into=took)
    assert took.counts.lost == 1


def test_a_jump_of_the_numbers_is_a_new_beginning_where_a_second_confirms_it() -> None:
    packets = sent(pictures=24)
    jumped = moved(packets, 12, 30_000)
    pictures, took = received(jumped)
    assert [each.data for each in pictures if not each.is_damaged] == data_of(24)
    assert (took.counts.lost, took.counts.late) == (0, 0)
    stray = replace(packets[9], number=30_000)
    pictures, took = received([*packets[:90], stray, *packets[90:]])
    assert [each.data for each in pictures if not each.is_damaged] == data_of(24)
    assert (took.counts.lost, took.counts.late) == (0, 1)


@pytest.mark.parametrize(
    ("step", "lost", "sources"),
    [(DROPOUT_PACKETS, DROPOUT_PACKETS, 0), (DROPOUT_PACKETS + 1, 0, 0)],
)
def test_a_gap_is_a_loss_up_to_so_many_and_a_jump_beyond(step: int, lost: int, sources: int) -> None:
    packets = sent(pictures=24)
    pictures, took = received(moved(packets, 12, step))
    assert (took.counts.lost, took.counts.sources) == (lost, sources)
    assert [each.data for each in pictures if not each.is_damaged] == data_of(24)


def test_a_number_is_repeated_up_to_so_far_back_and_a_jump_beyond() -> None:
    packets = sent(pictures=40)
    assert len(packets) > 150
    for back in (MISORDER_PACKETS, MISORDER_PACKETS + 1):
        at = 140
        old = packets[at - back]
        _, took = received([*packets[:at], old, *packets[at:]])
        assert took.counts.repeated == (back == MISORDER_PACKETS)
        assert took.counts.late == (back != MISORDER_PACKETS)


def test_so_many_packets_wait_for_one_and_no_more() -> None:
    packets = sent()
    for waiting in (REORDERED_PACKETS, REORDERED_PACKETS + 1):
        took = taker()
        received(packets[:5] + packets[6 : 6 + waiting], into=took, ends=False)
        assert took.counts.lost == (waiting > REORDERED_PACKETS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\x60\0\1\0\0\0\0\0\0\0",  # a byte short of a header
        b"\x40\x60\0\1\0\0\0\0\0\0\0\0ab",  # version 1
        b"\x8f\x60\0\1\0\0\0\0\0\0\0\0ab",  # fifteen contributors
        b"\x90\x60\0\1\0\0\0\0\0\0\0\0ab",  # an extension cut short
        b"\x90\x60\0\1\0\0\0\0\0\0\0\0\0\0\xff\xffab",  # and one that is longer than the packet
        b"\xa0\x60\0\1\0\0\0\0\0\0\0\0a\0",  # no padding
        b"\xa0\x60\0\1\0\0\0\0\0\0\0\0a\3",  # more of it than there is
    ],
)
def test_what_is_no_packet_is_counted_and_does_nothing(data: bytes) -> None:
    packets: list[RtpPacket | bytes] = [*sent()]
    packets[20:20] = [data]
    packets[:0] = [data]
    pictures, took = received(packets)
    assert [each.data for each in pictures if not each.is_damaged] == data_of()
    assert took.counts.malformed == 2


def test_a_packet_that_is_all_padding_keeps_its_place_in_the_sequence() -> None:
    packets = sent()
    empty = replace(packets[40], payload=b"", padding=b"\0\0\0\4", is_marked=False)
    after = [replace(packet, number=packet.number + 1) for packet in packets[40:]]
    pictures, took = received([*packets[:40], empty, *after])
    assert [each.data for each in pictures if not each.is_damaged] == data_of()
    assert (took.counts.lost, took.counts.malformed) == (0, 0)

"""Parameter sets come from the description, in the stream, and change; and where decoding may begin again."""

from __future__ import annotations

from coded_pictures import h264_sps
from nal_films import SETS, START, film, framed, picture, received

from edgecam.codecs.video import H264
from edgecam.rtp.depacketizer import Depacketizer
from sandbox.cameras.rtp_packets import RtpPacket, lost, packets_of

SPS, PPS = SETS["H264"]
LARGER = h264_sps(640, 480)
OTHER_PPS = b"\x68\xce\x06\xe2"


def stripped(unit: bytes) -> bytes:
    """Without its parameter sets."""
    return b"".join(START + each for each in unit.split(START)[1:] if each not in SETS["H264"])


def test_sets_may_be_in_the_description_alone() -> None:
    units = [stripped(unit) for unit in film("H264", 8)]
    pictures, _ = received(packets_of(units, pictures=8))
    assert [each.data for each in pictures] == [framed(unit) for unit in units]
    assert {each.parameter_sets for each in pictures} == {(SPS, PPS)}


def test_without_sets_nothing_is_handed_on_until_a_keyframe_with_them() -> None:
    units = [*(stripped(unit) for unit in film("H264", 6)), *film("H264", 8)]
    taker = Depacketizer(H264, 90_000)
    pictures, _ = received(packets_of(units, pictures=14), into=taker)
    assert [each.data for each in pictures] == [framed(unit) for unit in units[6:]]
    assert taker.counts.without_sets == 6
    assert not any(each.is_damaged for each in pictures)


def test_sets_that_change_at_a_keyframe_are_a_new_tuple_from_it_on() -> None:
    units = film("H264", 12)
    units[4:8] = [unit.replace(SPS, LARGER) for unit in units[4:8]]
    pictures, _ = received(packets_of(units, pictures=12))
    assert [each.parameter_sets for each in pictures] == [
        *[(SPS, PPS)] * 4,
        *[(LARGER, PPS)] * 4,
        *[(SPS, PPS)] * 4,
    ]
    assert len({id(each.parameter_sets) for each in pictures}) == 3
    assert all(LARGER not in each.data for each in pictures)


def test_a_set_that_changes_before_another_picture_stays_with_it() -> None:
    units = film("H264", 8)
    units[2] = START + OTHER_PPS + units[2]
    units[3] = START + OTHER_PPS + units[3]  # and is there already
    pictures, _ = received(packets_of(units, pictures=8))
    assert pictures[2].data == framed(units[2])
    assert pictures[2].parameter_sets == (SPS, OTHER_PPS)
    assert pictures[3].data == framed(units[3].replace(START + OTHER_PPS, b""))


def test_sets_of_a_keyframe_that_has_a_hole_are_taken_all_the_same() -> None:
    units = film("H264", 12)
    units[4:] = [unit.replace(SPS, LARGER) for unit in units[4:]]
    packets = list(packets_of(units, pictures=12, packet_bytes=100))
    gone = [packet for packet in packets if packet.picture == 4][4]
    pictures, _ = received(lost(packets, {gone.number}))
    assert {each.parameter_sets for each in pictures[4:]} == {(LARGER, PPS)}


def test_zeros_and_start_codes_around_sets_are_taken_off() -> None:
    key = RtpPacket(SPS + b"\0\0", 0, 0), RtpPacket(PPS + b"\0", 1, 0), RtpPacket(b"\x65\x88\x77\x80", 2, 0)
    taker = Depacketizer(H264, 90_000, [SPS + b"\0"])
    pictures, _ = received([*key, RtpPacket(b"\x41\xe0\x77\x80", 3, 9000)], into=taker)
    assert [each.parameter_sets for each in pictures] == [(SPS, PPS)]


def recovery_point(pictures: int) -> bytes:
    """A message that all is renewed after so many (ITU-T H.264, D.1.8), below seven."""
    digits = f"{pictures + 1:b}"
    bits = "0" * (len(digits) - 1) + digits + "1000" + "1"
    bits += "0" * (-len(bits) % 8)
    body = int(bits, 2).to_bytes(len(bits) // 8)
    return b"\x06\x06" + bytes([len(body)]) + body + b"\x80"


def test_damage_in_a_stream_with_intra_refresh_ends_where_all_is_renewed() -> None:
    units = [
        picture("H264", number, key=number == 0, before=[recovery_point(3)] if number % 5 == 4 else [])
        for number in range(20)
    ]
    packets = list(packets_of(units, pictures=20, packet_bytes=100))
    pictures, _ = received(packets)
    assert [each.rtp_time // 9000 for each in pictures if each.to_recovery] == [4, 9, 14, 19]
    assert {each.to_recovery for each in pictures} == {0, 3}
    assert [each.is_keyframe for each in pictures] == [True, *[False] * 19]
    gone = [packet for packet in packets if packet.picture == 6][1]
    pictures, _ = received(lost(packets, {gone.number}))
    assert [each.rtp_time // 9000 for each in pictures if each.is_damaged] == [7, 8, 9, 10, 11]
    # A hole while it is renewed: from the next recovery point on.
    again = [packet for packet in packets if packet.picture == 10][1]
    pictures, _ = received(lost(packets, {gone.number, again.number}))
    damaged = [each.rtp_time // 9000 for each in pictures if each.is_damaged]
    assert damaged == [7, 8, 9, 11, 12, 13, 14, 15, 16]

"""Each bound of what a camera may send, crossed: it is counted, and the next picture is whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from nal_films import CODECS, SETS, film, framed, received

from edgecam.codecs.sequence_set import SET_BYTES
from edgecam.codecs.video import H264, H265, JPEG
from edgecam.rtp.depacketizer import Depacketizer
from edgecam.rtp.errors import Unreadable
from edgecam.rtp.parameter_sets import SETS_LIMIT, ParameterSets
from edgecam.rtp.payload_formats import depacketizer
from edgecam.rtp.pictures import PARTS_LIMIT, PICTURE_BYTES, SETS_IN_PICTURE, UNITS_LIMIT
from edgecam.rtp.syntax import H264_SYNTAX, H265_SYNTAX
from sandbox.cameras.rtp_packets import RtpPacket, packets_of

UNITS = film("H264", 4)
FU_FIRST, FU_NEXT, FU_LAST = b"\x7c\x85", b"\x7c\x05", b"\x7c\x45"


def fragments(parts: int, size: int) -> Iterator[RtpPacket]:
    """A keyframe of so many parts, after a film, and before another."""
    yield from packets_of(UNITS, pictures=4)
    first = 100
    for number in range(parts):
        head = FU_FIRST if number == 0 else FU_LAST if number == parts - 1 else FU_NEXT
        body = (b"\x88" if number == 0 else b"\x77") + b"\x77" * (size - 1)
        yield RtpPacket(head + body, first + number, 36_000, is_marked=number == parts - 1)
    yield from packets_of(UNITS, pictures=4, first_time=45_000, first_number=first + parts)


def settled(packets: Iterator[RtpPacket]) -> list[RtpPacket]:
    """With numbers that follow each other."""
    return [replace(packet, number=number) for number, packet in enumerate(packets)]


def test_the_bytes_of_a_picture() -> None:
    size, batch = 60_000, 16
    # What is received at once may come on top.
    fits, too_large = PICTURE_BYTES // size, PICTURE_BYTES // size + 1 + batch
    for parts in (fits, too_large):
        pictures, taker = received(settled(fragments(parts, size)), batch=batch)
        large = [each for each in pictures if len(each.data) > 1_000_000]
        assert len(large) == (parts == fits)
        assert taker.counts.oversized == (parts != fits)
        assert [each.data for each in pictures[-4:]] == [framed(unit) for unit in UNITS]
        assert not any(each.is_damaged for each in pictures)


def test_a_picture_that_never_ends_takes_no_memory() -> None:
    """One time stamp for ever, and no marker."""
    taker = Depacketizer(H264, 90_000, SETS["H264"])
    endless = (packet for packet in settled(fragments(900, 60_000)) if packet.time == 36_000)
    received(list(endless)[:-1], into=taker, batch=16, ends=False)
    assert taker.counts.oversized == 1
    assert sum(map(len, taker._builder.parts)) == 0


def test_the_parts_of_a_picture() -> None:
    for parts in (PARTS_LIMIT - 20, PARTS_LIMIT + 20):
        pictures, taker = received(settled(fragments(parts, 3)), batch=16)
        assert taker.counts.oversized == (parts > PARTS_LIMIT)
        assert len(pictures) == 8 + (parts < PARTS_LIMIT)


@pytest.mark.parametrize("unit", [b"\x06\x01\x80", SETS["H264"][1], b"\x0c\xff\x80", b"\x41\x3c\x80"])
def test_the_units_of_a_picture(unit: bytes) -> None:
    """Messages, parameter sets, fillers, slices: in packets that hold as many as they can."""
    each = len(unit).to_bytes(2) + unit
    for count in (UNITS_LIMIT - 1, UNITS_LIMIT + 1):
        packets = list(packets_of(UNITS, pictures=4))
        packets.append(RtpPacket(b"\x41\xe0\x77\x80", 0, 36_000))
        packets += (
            RtpPacket(b"\x78" + each * min(1000, count - at), 0, 36_000) for at in range(0, count, 1000)
        )
        packets += packets_of(UNITS, pictures=4, first_time=45_000)
        pictures, taker = received(settled(iter(packets)))
        assert taker.counts.oversized == (count > UNITS_LIMIT)
        assert len(pictures) == 8 + (count < UNITS_LIMIT)
        assert [each.data for each in pictures[-4:]] == [framed(unit) for unit in UNITS]


def test_the_units_that_one_hides_behind_start_codes() -> None:
    hidden = b"\0\0\1".join([b"\x06\x01\x80"] * (UNITS_LIMIT + 2))
    packets = [*packets_of(UNITS, pictures=4), RtpPacket(hidden, 0, 36_000, is_marked=True)]
    packets += packets_of(UNITS, pictures=4, first_time=45_000)
    pictures, taker = received(settled(iter(packets)))
    assert taker.counts.oversized == 1
    assert len(pictures) == 8


def picture_set(number: int, size: int = 0) -> bytes:
    """H.264's of this id, less than 32."""
    digits = f"{number + 1:b}"
    bits = "0" * (len(digits) - 1) + digits + "1" + "1" * 8
    bits += "1" * (-len(bits) % 8)
    return b"\x68" + int(bits, 2).to_bytes(len(bits) // 8) + b"\x77" * size


def test_the_bytes_of_a_parameter_set() -> None:
    sets = ParameterSets(H264_SYNTAX, SETS["H264"])
    head = len(picture_set(1))
    assert sets.update([picture_set(1, SET_BYTES - head)])
    assert not sets.update([picture_set(2, SET_BYTES - head + 1)])
    assert len(sets.units) == 3


def test_the_number_of_parameter_sets() -> None:
    sets = ParameterSets(H264_SYNTAX, SETS["H264"])
    sets.update([picture_set(number) for number in range(SETS_LIMIT + 5)])
    assert len(sets.units) == 1 + SETS_LIMIT
    # Those that are there may change.
    assert sets.update([picture_set(3, 7)])


def test_the_parameter_sets_before_one_picture() -> None:
    many = [picture_set(number % 20, number) for number in range(SETS_IN_PICTURE + 10)]
    key = b"".join(b"\0\0\1" + unit for unit in (*many, b"\x65\x88\x77\x80"))
    pictures, _ = received(packets_of([key, UNITS[1]], pictures=2))
    kept = {len(unit) for unit in pictures[0].parameter_sets[2:]}
    assert len(picture_set(0, SETS_IN_PICTURE - 1)) in kept
    assert max(kept) < len(picture_set(0, SETS_IN_PICTURE))


@pytest.mark.parametrize("syntax", [H264_SYNTAX, H265_SYNTAX])
def test_what_a_description_says_of_parameter_sets_may_be_anything(syntax: object) -> None:
    rubbish = [
        b"",
        b"\0",
        b"\x67",
        b"\x68",
        b"\x40",
        b"\x42\1",
        b"\x44",
        b"\xff" * 40,
        b"\x67" + bytes(3000),
        b"\x27\xff" * 9,
    ]
    is_h264 = syntax is H264_SYNTAX
    sets = ParameterSets(H264_SYNTAX if is_h264 else H265_SYNTAX, rubbish)
    assert not sets.is_complete
    sets = ParameterSets(sets._syntax, [*rubbish, *reversed(SETS["H264" if is_h264 else "H265"]), *rubbish])
    assert sets.is_complete
    assert set(SETS["H264" if is_h264 else "H265"]) <= set(sets.units)


def test_forms_that_are_not_read_here_say_which() -> None:
    with pytest.raises(Unreadable, match="JPEG over RTP"):
        depacketizer(JPEG, 90_000)
    with pytest.raises(Unreadable, match="0 Hz"):
        Depacketizer(H265, 0)


@pytest.mark.parametrize("coding", ["H264", "H265"])
@pytest.mark.parametrize(
    "payload",
    [
        b"\x80",
        b"\x1f\x77",
        b"\x00\x77",
        b"\x7c",
        b"\x7c\x85",
        b"\x7c\x05",
        b"\x79\0\0\0\x10" + b"x" * 16,
        b"\x78\0\x10x",
        b"\x78\0\0\0\0",
        b"\x78\xff\xff" + b"x" * 90,
        b"\x62\1",
        b"\x62\1\x93",
        b"\x60\1\0\x10x",
        b"\x60\1\0\0",
        b"\x64\1" + b"x" * 9,
        b"\x7c\x98\x88",  # a fragment of an aggregate
        b"\x62\1\xb1\x88",
    ],
)
def test_payloads_that_no_rfc_allows_damage_the_picture_they_stand_in(coding: str, payload: bytes) -> None:
    name = "H264" if coding == "H264" else "H265"
    units = film(name, 12, slices=2)
    packets = list(packets_of(units, coding=name, pictures=12, packet_bytes=100))
    place = next(packet.number for packet in packets if packet.picture == 5) + 2
    packets.insert(place, RtpPacket(payload, 0, packets[place].time))
    pictures, taker = received(settled(iter(packets)), name)
    right = {number * 9000: framed(unit, name) for number, unit in enumerate(units)}
    assert all(each.data == right[each.rtp_time] for each in pictures if not each.is_damaged)
    harmed = {each.rtp_time // 9000 for each in pictures if each.is_damaged}
    assert harmed in ({5, 6, 7}, {6, 7}, set())
    assert taker.counts.malformed + taker.counts.damaged > 0 or harmed == set()
    assert CODECS[name] in (H264, H265)

"""Packets become the pictures that were sent, whatever a camera does with packets; and none with a hole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from nal_films import CODECS, SETS, START, film, framed, picture, received

from edgecam.rtp.counts import Counts
from edgecam.rtp.depacketizer import Depacketizer
from edgecam.rtp.errors import Unreadable
from edgecam.rtp.payload_formats import depacketizer
from edgecam.rtp.pictures import CodedPicture
from sandbox.cameras.rtp_packets import Coding, Marks, RtpPacket, late, lost, marked, packets_of, repeated

CODINGS: tuple[Coding, ...] = ("H264", "H265")
coded = pytest.mark.parametrize("coding", CODINGS)
SMALL = 100
"""Bytes of a packet: a keyframe of these films takes ten."""


def sent(units: list[bytes], coding: Coding = "H264", **habits: Any) -> list[RtpPacket]:
    habits = {"packet_bytes": SMALL} | habits
    return list(packets_of(units, coding=coding, pictures=len(units), **habits))


def whole(pictures: list[CodedPicture], units: list[bytes], coding: Coding = "H264") -> bool:
    """Whether these are all of the film, undamaged and in their order."""
    return [each.data for each in pictures if not each.is_damaged] == [framed(unit, coding) for unit in units]


@coded
@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_a_film_comes_out_as_it_went_in(coding: Coding, batch: int) -> None:
    units = film(coding, 12)
    pictures, taker = received(sent(units, coding), coding, batch=batch)
    assert whole(pictures, units, coding)
    assert [each.is_keyframe for each in pictures] == [number % 4 == 0 for number in range(12)]
    assert [each.rtp_time for each in pictures] == [number * 9000 for number in range(12)]
    assert {each.parameter_sets for each in pictures} == {SETS[coding]}
    assert len({id(each.parameter_sets) for each in pictures}) == 1
    counts = taker.counts
    assert counts.packets == len(sent(units, coding))
    assert replace(counts, packets=0) == Counts()


@coded
def test_a_picture_is_there_with_its_last_packet_once_the_marker_can_be_believed(coding: Coding) -> None:
    units = film(coding, 12)
    taker = depacketizer(CODECS[coding], 90_000, SETS[coding])
    came = {
        packet.picture: packet.picture
        for packet in sent(units, coding)
        for _ in received([packet], coding, into=taker, ends=False)[0]
    }
    # The first two end with the next one's first packet; from then on each by itself.
    assert list(came) == list(range(1, 12)), came
    assert taker.end() == []


@coded
def test_units_come_together_and_with_decoding_order_numbers(coding: Coding) -> None:
    units = film(coding, 8, slices=2)
    orders = (None, 65_530) if coding == "H265" else (None,)
    for order in orders:
        packets = list(
            packets_of(
                units, coding=coding, pictures=8, packet_bytes=400, aggregated=True, decoding_order=order
            )
        )
        assert any(packet.payload[0] & 0x1F == 24 or packet.payload[0] >> 1 == 48 for packet in packets)
        options = {"sprop-max-don-diff": "1"} if order is not None else {}
        taker = Depacketizer(CODECS[coding], 90_000, SETS[coding], options=options)
        pictures, _ = received(packets, coding, into=taker)
        assert whole(pictures, units, coding)
        assert taker.unreadable is None


@coded
@pytest.mark.parametrize("marks", ["each unit", "always", "never"])
@pytest.mark.parametrize("slices", [1, 4])
def test_pictures_are_whole_whatever_the_marker_says(coding: Coding, marks: Marks, slices: int) -> None:
    units = film(coding, 12, slices=slices)
    pictures, taker = received(marked(sent(units, coding), marks), coding)
    # What ends the last one has not come, where its marker cannot say so.
    missing = 1 if marks == "never" or slices > 1 or marks == "always" else 0
    assert whole(pictures, units[: 12 - missing], coding)
    assert taker.counts.damaged == 0


@coded
def test_a_marker_that_lies_after_it_was_believed_is_not_believed_again(coding: Coding) -> None:
    units = film(coding, 8, slices=1) + film(coding, 8, slices=3)
    packets = marked(sent(units, coding), "each unit")
    pictures, taker = received(packets, coding)
    assert whole(pictures[:8], units[:8], coding)
    # The first one is torn, which shows when it goes on; what depends on it is damaged as well.
    assert [each.is_damaged for each in pictures[8:]] == [False, True, True, True, False, False, False]
    assert taker.counts.damaged == 1 + 3
    assert [each.data for each in pictures[12:]] == [framed(unit, coding) for unit in units[12:15]]


@coded
@pytest.mark.parametrize("batch", [1, 1000])
def test_no_packet_can_be_lost_unseen(coding: Coding, batch: int) -> None:
    units = film(coding, 12, slices=2)
    packets = sent(units, coding)
    right = {index * 9000: framed(unit, coding) for index, unit in enumerate(units)}
    # At first the marker is not believed yet: what is missing behind it may be its picture's.
    for packet in [packet for packet in packets if packet.picture >= 3][:-1]:
        pictures, taker = received(lost(packets, {packet.number}), coding, batch=batch)
        good = [each for each in pictures if not each.is_damaged]
        assert all(each.data == right[each.rtp_time] for each in good), packet
        # From the hole up to the next keyframe.
        last = packet.picture // 4 * 4 + 3
        unharmed = {each.rtp_time // 9000 for each in good}
        missing = set(range(packet.picture, last + 1))
        is_first_of_key = packet.picture % 4 == 0 and packet.payload in SETS[coding]
        assert unharmed >= set(range(12)) - missing, packet
        if not is_first_of_key:
            assert packet.picture not in unharmed, packet
            assert not unharmed & missing
            assert taker.counts.damaged >= len(missing) - 1
        assert taker.counts.lost == 1
        assert not any(each.is_keyframe and each.has_hole for each in pictures)
        assert all(each.is_damaged for each in pictures if each.has_hole)


def test_what_depends_on_a_hole_is_damaged_and_what_has_one_says_so() -> None:
    units = film("H264", 12, every=5, slices=2)
    packets = sent(units)
    gone = next(packet for packet in packets if packet.picture == 7)
    pictures, _ = received(lost(packets, {gone.number}))
    assert [(each.has_hole, each.is_damaged) for each in pictures] == [
        *[(False, False)] * 7,
        (True, True),
        *[(False, True)] * 2,
        *[(False, False)] * 2,
    ]


def test_a_whole_picture_that_is_missing_is_a_hole_right_before_the_next() -> None:
    units = film("H264", 12, every=5)
    packets = [packet for packet in sent(units) if packet.picture != 6]
    pictures, _ = received(packets)
    damaged = [(each.rtp_time // 9000, each.has_hole) for each in pictures if each.is_damaged]
    assert damaged == [(7, True), (8, False), (9, False)]


@coded
def test_repeated_and_overtaken_packets_are_put_right(coding: Coding) -> None:
    units = film(coding, 12)
    packets = sent(units, coding)
    some = set(range(3, len(packets), 5))
    pictures, taker = received(repeated(packets, some), coding)
    assert whole(pictures, units, coding)
    assert taker.counts.repeated == len(some)
    for by in (1, 3, 8):
        pictures, taker = received(late(packets, set(range(5, len(packets) - 10, 17)), by), coding)
        assert whole(pictures, units, coding), by
        assert (taker.counts.lost, taker.counts.late) == (0, 0)


def test_a_packet_that_is_overtaken_by_too_many_is_lost_and_counted_as_late() -> None:
    units = film("H264", 12)
    pictures, taker = received(late(sent(units), {5}, 9))
    assert (taker.counts.lost, taker.counts.late, taker.counts.repeated) == (1, 1, 0)
    assert [each.is_damaged for each in pictures] == [*[True] * 3, *[False] * 8]
    assert pictures[0].rtp_time == 9000  # of the keyframe nothing is left


@coded
def test_headers_with_padding_extensions_and_contributors_are_read(coding: Coding) -> None:
    units = film(coding, 8)
    dressed = [
        replace(packet, padding=b"\0\0\3", extension=bytes(8), contributors=(1, 2, 3))
        if packet.number % 3
        else packet
        for packet in sent(units, coding)
    ]
    pictures, taker = received(dressed, coding)
    assert whole(pictures, units, coding)
    assert taker.counts.malformed == 0


@coded
def test_numbers_and_times_count_on_over_their_ends(coding: Coding) -> None:
    units = film(coding, 12)
    packets = sent(units, coding, first_number=65_500, first_time=2**32 - 40_000)
    pictures, _ = received(packets, coding)
    assert whole(pictures, units, coding)
    assert [each.rtp_time for each in pictures] == [2**32 - 40_000 + 9000 * number for number in range(12)]


def test_pictures_that_are_sent_after_later_ones_keep_their_times() -> None:
    units = film("H264", 9, every=9)
    shown = [0, 3, 1, 2, 6, 4, 5, 8, 7]
    pictures, _ = received(packets_of(units, pictures=9, shown=shown, first_time=5))
    assert [each.rtp_time for each in pictures] == [5 + 9000 * place for place in shown]


def test_pictures_shown_before_a_keyframe_that_ends_damage_are_damaged_still() -> None:
    units = film("H264", 12)
    shown = [0, 1, 2, 3, 6, 4, 5, 7, 8, 9, 10, 11]  # the second keyframe is sent before two that it follows
    packets = list(packets_of(units, pictures=12, packet_bytes=SMALL, shown=shown))
    gone = next(packet for packet in packets if packet.picture == 3)
    pictures, _ = received(lost(packets, {gone.number}))
    assert [each.rtp_time // 9000 for each in pictures if each.is_damaged] == [4, 5]
    pictures, _ = received(packets)
    assert not any(each.is_damaged for each in pictures)


@coded
@pytest.mark.parametrize("marks", ["last", "each unit", "never"])
@pytest.mark.parametrize("of", ["unit", "packet"])
def test_time_stamps_within_a_picture_do_not_part_it(coding: Coding, marks: Marks, of: str) -> None:
    units = film(coding, 12, slices=3)
    packets, tick = [], 0
    for packet in marked(sent(units, coding), marks):
        packets.append(replace(packet, time=packet.time + tick))
        tick = 0 if packet.is_picture_end else tick + (of == "packet" or packet.is_unit_end)
    pictures, taker = received(packets, coding)
    assert whole(pictures, units[: 12 if marks == "last" else 11], coding)
    assert taker.counts.damaged == 0


@coded
def test_a_picture_whose_first_slice_was_never_sent_is_no_whole_one(coding: Coding) -> None:
    units = film(coding, 12, slices=3)
    packets = sent(units, coding)
    first = [packet for packet in packets if packet.picture == 6]
    gone = first[: [packet.is_unit_end for packet in first].index(True) + 1]
    kept = [packet for packet in packets if packet not in gone]
    pictures, taker = received([replace(each, number=number) for number, each in enumerate(kept)], coding)
    assert [each.rtp_time // 9000 for each in pictures if each.is_damaged] == [6, 7]
    assert taker.counts.lost == 0


def test_start_codes_within_payloads_part_units() -> None:
    slices = [START + b"\x41\xe0" + bytes([number]) * 40 for number in range(5, 8)]
    key = START.join((b"", *SETS["H264"], b"\x65\x88" + b"k" * 40))
    whole_stream = RtpPacket(key, 0, 0, is_marked=True)  # as a byte stream, in one packet
    glued = RtpPacket(SETS["H264"][0] + START + SETS["H264"][1] + START + b"\x65\x88" + b"q" * 40, 1, 9000)
    rest = [RtpPacket(unit, 2 + place, 18_000 + place, is_marked=True) for place, unit in enumerate(slices)]
    pictures, taker = received([whole_stream, replace(glued, is_marked=True), *rest], into=None)
    assert [each.data for each in pictures] == [
        framed(unit) for unit in (key, START + glued.payload, *slices)
    ]
    assert [each.is_keyframe for each in pictures] == [True, True, False, False, False]
    assert taker.counts.malformed == 0


def test_delimiters_fillers_and_ends_of_a_stream_are_left_out() -> None:
    useless = [b"\x09\xf0", b"\x0c\xff\xff\x80", b"\x0b"]
    message = b"\x06\x05\x04abcd\x80"
    units = [picture("H264", 1, key=True, before=[*useless, message]), picture("H264", 2, before=useless)]
    pictures, _ = received(sent(units))
    assert pictures[0].data.startswith(len(message).to_bytes(4) + message)
    assert pictures[1].data == framed(picture("H264", 2))


def test_messages_and_sets_with_markers_and_times_of_their_own_belong_to_the_next_picture() -> None:
    message = b"\x06\x05\x04abcd\x80"
    packets: list[RtpPacket] = []
    units = film("H264", 8)
    for number, unit in enumerate(units):
        at = 9000 * number
        if number % 2 == 0:
            # A camera that stamps what comes before a picture like the one before it.
            packets.append(RtpPacket(message, len(packets), max(0, at - 9000), is_marked=True))
        for packet in packets_of([unit], pictures=1, packet_bytes=SMALL):
            packets.append(replace(packet, number=len(packets), time=at))
    pictures, taker = received(packets)
    assert [each.rtp_time for each in pictures] == [9000 * number for number in range(8)]
    assert [message in each.data for each in pictures] == [True, False] * 4
    assert taker.counts.damaged == 0


def test_pictures_of_one_time_are_two_where_the_second_begins_one() -> None:
    units = film("H264", 8)
    packets = [replace(packet, time=7) for packet in sent(units)]
    pictures, _ = received(packets)
    assert whole(pictures, units)
    assert {each.rtp_time for each in pictures} == {7}


def test_a_picture_of_intra_slices_is_a_keyframe_and_one_with_some_is_none() -> None:
    intra, inter = b"\x41\xb8" + b"i" * 40, b"\x41\xe0" + b"p" * 40
    second_intra, second_inter = b"\x41\x23" + b"i" * 40, b"\x41\x3c" + b"p" * 40
    units = [
        b"".join(START + unit for unit in both)
        for both in ((intra,), (inter,), (intra, second_intra), (intra, second_inter))
    ]
    pictures, _ = received(sent(units))
    assert [each.is_keyframe for each in pictures] == [True, False, True, False]


def test_interleaved_units_are_not_read_here() -> None:
    with pytest.raises(Unreadable, match="packetization-mode=2"):
        depacketizer(CODECS["H264"], 90_000, options={"packetization-mode": "2"})
    taker = Depacketizer(CODECS["H265"], 90_000, SETS["H265"], options={"sprop-max-don-diff": "4"})
    packets = packets_of(film("H265", 4), coding="H265", pictures=4, decoding_order=100)
    backwards = packets_of(film("H265", 4), coding="H265", pictures=4, decoding_order=50, first_number=500)
    received(packets, "H265", into=taker, ends=False)
    assert taker.unreadable is None
    received(backwards, "H265", into=taker)
    assert taker.unreadable is not None
    assert "sprop-max-don-diff" in taker.unreadable


def test_a_connection_that_begins_within_a_picture_begins_with_the_next() -> None:
    units = film("H264", 8, every=8)
    pictures, taker = received(sent(units)[5:])
    assert [each.data for each in pictures] == [framed(unit) for unit in units[1:]]
    assert taker.counts.damaged == 0

"""Sound comes out of RTP by the same table as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edgecam.rtp.errors import Unreadable
from edgecam.rtp.payload_formats import AUDIO, FORMATS, VIDEO, by_name, by_payload_type, sound_depacketizer
from edgecam.rtp.sound import FRAME_BYTES, FRAMES_LIMIT, CodedSound, SoundDepacketizer
from sandbox.cameras.rtp_packets import RtpPacket

HBR = {"mode": "AAC-hbr", "sizelength": "13", "indexlength": "3", "indexdeltalength": "3"}


def heard(taker: SoundDepacketizer, packets: Sequence[RtpPacket]) -> list[CodedSound]:
    frames = []
    for packet in packets:
        data = packet.to_bytes()
        frames += taker.push(b"12" + data, [(2, 2 + len(data))], packet.number / 50)
    return frames + taker.end()


def aac(*frames: bytes) -> bytes:
    """RFC 3640, 3.2.1, with sizes of 13 bits and indices of 3."""
    headers = b"".join((len(frame) << 3).to_bytes(2) for frame in frames)
    return (16 * len(frames)).to_bytes(2) + headers + b"".join(frames)


def test_each_format_has_one_row() -> None:
    assert len({(row.rtp_name, row.media) for row in FORMATS}) == len(FORMATS)
    assert all((row.codec is None) == (row.media == AUDIO) for row in FORMATS)
    assert by_name("h264", VIDEO) is by_name("H264", VIDEO) is not None
    assert by_name("H264", AUDIO) is None
    found = by_payload_type(8, AUDIO)
    assert found is not None
    assert found.rtp_name == "PCMA"
    assert by_payload_type(0, VIDEO) is None


def test_g711_is_a_byte_a_sample() -> None:
    taker = sound_depacketizer("pcma", 44_100, payload_type=8)  # the clock is the RFC's whatever is said
    packets = [
        RtpPacket(bytes([number]) * 160, number, 2**32 - 320 + 160 * number, payload_type=8)
        for number in range(5)
    ]
    frames = heard(taker, packets)
    assert [(frame.rtp_time - 2**32, frame.samples) for frame in frames] == [
        (-320 + 160 * number, 160) for number in range(5)
    ]
    assert not any(frame.is_after_gap for frame in frames)


def test_frames_of_aac_come_several_in_a_packet_and_one_in_several() -> None:
    taker = sound_depacketizer("mpeg4-generic", 16_000, options=HBR)
    large = bytes(range(256)) * 8
    whole = aac(large)
    head, body = whole[:4], whole[4:]
    packets = [
        RtpPacket(aac(b"one", b"twotwo", b"3"), 0, 1000),
        RtpPacket(head + body[:900], 1, 4072),
        RtpPacket(head + body[900:1800], 2, 4072),
        RtpPacket(head + body[1800:], 3, 4072),
        RtpPacket(aac(b"last"), 4, 5096),
    ]
    frames = heard(taker, packets)
    assert [frame.data for frame in frames] == [b"one", b"twotwo", b"3", large, b"last"]
    assert [frame.rtp_time for frame in frames] == [1000, 2024, 3048, 4072, 5096]
    assert {frame.samples for frame in frames} == {1024}
    # One of a frame's packets is missing.
    taker = sound_depacketizer("MPEG4-GENERIC", 16_000, options=HBR)
    frames = heard(taker, [*packets[:2], *packets[3:]])
    assert [(frame.data, frame.is_after_gap) for frame in frames][3:] == [(b"last", True)]
    assert taker.counts.lost == 1


@pytest.mark.parametrize(
    ("payload", "samples"),
    [
        (b"\x78" + b"x" * 20, 960),  # 20 ms, one frame
        (b"\x79" + b"x" * 20, 1920),
        (b"\x7b\x03" + b"x" * 20, 2880),
        (b"\x18x", 2880),  # 60 ms
        (b"\xe0x", 120),  # 2.5 ms
        (b"\x60x", 480),  # 10 ms, hybrid
    ],
)
def test_a_packet_of_opus_says_how_long_it_lasts(payload: bytes, samples: int) -> None:
    frames = heard(sound_depacketizer("opus", 48_000), [RtpPacket(payload, 0, 0)])
    assert [(frame.data, frame.samples) for frame in frames] == [(payload, samples)]


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("opus", b"\x7b"),
        ("opus", b"\x7b\0x"),
        ("opus", b"\x7b\x3fx"),
        ("mpeg4-generic", b"\0"),
        ("mpeg4-generic", b"\0\x10"),
        ("mpeg4-generic", b"\xff\xff\0"),
        ("mpeg4-generic", b"\0\0abc"),
        ("mpeg4-generic", aac(b"one", b"two")[:-1]),
        ("mpeg4-generic", b"\0\x10" + (FRAME_BYTES + 1 << 3).to_bytes(2) + b"x"),
    ],
)
def test_what_is_no_sound_is_counted_and_the_next_is_after_a_gap(name: str, payload: bytes) -> None:
    good = {"opus": b"\x78" + b"x" * 20, "mpeg4-generic": aac(b"good")}[name]
    taker = sound_depacketizer(name, 48_000, options=HBR)
    frames = heard(taker, [RtpPacket(payload, 0, 0), RtpPacket(good, 1, 5000)])
    assert taker.counts.malformed == 1
    assert frames[-1].is_after_gap
    assert frames[-1].rtp_time == 5000


def test_a_packet_has_so_many_frames_of_aac_and_no_more() -> None:
    for count in (FRAMES_LIMIT, FRAMES_LIMIT + 1):
        taker = sound_depacketizer("mpeg4-generic", 48_000, options=HBR)
        frames = heard(taker, [RtpPacket(aac(*[b"a"] * count), 0, 0)])
        assert len(frames) == FRAMES_LIMIT


def test_a_frame_of_aac_may_be_so_large() -> None:
    taker = sound_depacketizer("mpeg4-generic", 48_000, options=HBR)
    whole = aac(b"f" * FRAME_BYTES)
    frames = heard(taker, [RtpPacket(whole[:4000], 0, 0), RtpPacket(whole[:4] + whole[4000:], 1, 0)])
    assert [len(frame.data) for frame in frames] == [FRAME_BYTES]


def test_forms_that_are_not_read_here_say_which() -> None:
    for name, options, words in (
        ("G726-32", {}, "'G726-32'"),
        ("mpeg4-generic", {}, "mode ''"),
        ("mpeg4-generic", {"mode": "CELP-cbr"}, "celp-cbr"),
    ):
        with pytest.raises(Unreadable, match=words):
            sound_depacketizer(name, 8000, options=options)
    with pytest.raises(Unreadable, match="0 Hz"):
        sound_depacketizer("mpeg4-generic", 0, options=HBR)

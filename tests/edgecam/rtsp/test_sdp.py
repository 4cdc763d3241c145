"""Descriptions of streams as cameras write them."""

from __future__ import annotations

import base64

import pytest

from edgecam.rtsp.bounds import ATTRIBUTES, FORMATS, MEDIA, OPTIONS, SETS
from edgecam.rtsp.sdp import parse_description

SPS, PPS = b"\x67\x64\x00\x0b\xac", b"\x68\xee\x3c"
SETS_TEXT = ",".join(base64.b64encode(each).decode() for each in (SPS, PPS))
PLAIN = f"""v=0
o=- 1 1 IN IP4 10.0.0.2
s=Media
a=control:*
m=audio 0 RTP/AVP 0
a=control:trackID=2
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; sprop-parameter-sets={SETS_TEXT};profile-level-id=64000b
a=control:trackID=1
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n", " \r\n", "\r"])
def test_streams_are_found_whatever_the_line_ends_are(line_end: str) -> None:
    found = parse_description(PLAIN.replace("\n", line_end).encode())
    assert found.control == "*"
    audio, video = found.media
    assert (str(audio), audio.control) == ("audio PCMU", "trackID=2")
    assert (str(video), video.control, video.protocol) == ("video H264", "trackID=1", "RTP/AVP")
    offered = video.formats[0]
    assert (offered.payload_type, offered.clock_hz) == (96, 90_000)
    assert offered.options["packetization-mode"] == "1"
    assert offered.parameter_sets == (SPS, PPS)


def described(*lines: str) -> bytes:
    return "\n".join(["v=0", "m=video 0 RTP/AVP 96", *lines]).encode()


@pytest.mark.parametrize(
    ("options", "sets"),
    [
        (f"sprop-parameter-sets={SETS_TEXT}", (SPS, PPS)),
        (f"sprop-parameter-sets={SETS_TEXT.replace('=', '')}", (SPS, PPS)),
        (f'sprop-parameter-sets="{SETS_TEXT}"', (SPS, PPS)),
        (f"SPROP-PARAMETER-SETS = {SETS_TEXT} ", (SPS, PPS)),
        (
            "sprop-parameter-sets=" + base64.b64encode(b"\0\0\0\1" + SPS + b"\0\0\1" + PPS).decode(),
            (SPS, PPS),
        ),
        ("sprop-parameter-sets=", ()),
        ("sprop-parameter-sets=§§§§", ()),
        ("sprop-vps=QAE=;sprop-sps=QgE=;sprop-pps=RAE=", (b"@\1", b"B\1", b"D\1")),
    ],
    ids=["plain", "no padding", "quoted", "blanks", "start codes", "empty", "no base64", "H.265"],
)
def test_parameter_sets_come_without_what_does_not_belong_to_them(
    options: str, sets: tuple[bytes, ...]
) -> None:
    found = parse_description(described("a=rtpmap:96 H264/90000", f"a=fmtp:96 {options}"))
    assert found.media[0].formats[0].parameter_sets == sets


@pytest.mark.parametrize(
    ("mapped", "coding", "clock_hz"),
    [
        ("H264/90000", "H264", 90_000),
        ("h265/90000 ", "H265", 90_000),
        ("H264", "H264", 90_000),
        ("H264/0", "H264", 90_000),
        ("H264/-90000", "H264", 90_000),
        ("H264/99999999999999999999", "H264", 90_000),
        ("OPUS/48000/2", "OPUS", 48_000),
        ("/90000", "?", 90_000),
    ],
)
def test_a_rate_that_is_none_is_read_as_that_of_video(mapped: str, coding: str, clock_hz: int) -> None:
    offered = parse_description(described(f"a=rtpmap:96 {mapped}")).media[0].formats[0]
    assert (offered.coding, offered.clock_hz) == (coding, clock_hz)


def test_attributes_belong_to_the_payload_type_that_they_name() -> None:
    text = "m=video 0 RTP/AVP 97 96\na=rtpmap:96 H264/90000\na=rtpmap:97 MP4V-ES/90000\na=fmtp:97 x=1"
    first, second = parse_description(text.encode()).media[0].formats
    assert [(each.payload_type, each.coding, dict(each.options)) for each in (first, second)] == [
        (97, "MP4V-ES", {"x": "1"}),
        (96, "H264", {}),
    ]


@pytest.mark.parametrize(
    ("line", "streams"), [("m=video", 0), ("m=video 0 RTP/AVP", 0), ("m=video 0 RTP/AVP x 128 999", 1)]
)
def test_a_stream_that_is_not_described_wholly_is_none_or_unknown(line: str, streams: int) -> None:
    found = parse_description(line.encode()).media
    assert [str(each) for each in found] == ["video ?"] * streams


def test_bytes_that_are_no_text_are_no_fault() -> None:
    found = parse_description(
        b"s=\xff\xfe\n" + described("a=control:\xfftrack").replace("ÿ".encode(), b"\xff")
    )
    assert found.media[0].control == "\ufffdtrack"


def test_more_attributes_than_cameras_write_are_not_read() -> None:
    for count, coding in ((ATTRIBUTES - 1, "H264"), (ATTRIBUTES, "?")):
        text = "m=video 0 RTP/AVP 96\n" + "a=x-more\n" * count + "a=rtpmap:96 H264/90000\n"
        assert parse_description(text.encode()).media[0].formats[0].coding == coding
    many = ";".join(f"x{number}=1" for number in range(2 * OPTIONS))
    offered = parse_description(described(f"a=fmtp:96 {many}")).media[0].formats[0]
    assert len(offered.options) == OPTIONS


def test_a_description_of_more_than_cameras_have_is_read_up_to_the_bounds() -> None:
    types = " ".join(str(each % 128) for each in range(1000))
    many = (
        f"m=video 0 RTP/AVP {types}\n" * 1000 + "a=fmtp:0 sprop-parameter-sets=" + ",".join(["Z2Q="] * 1000)
    )
    found = parse_description(many.encode())
    assert len(found.media) == MEDIA
    assert all(len(each.formats) == FORMATS for each in found.media)
    last = parse_description(("m=video 0 RTP/AVP 0\n" + many.rpartition("\n")[2]).encode())
    assert len(last.media[0].formats[0].parameter_sets) == SETS

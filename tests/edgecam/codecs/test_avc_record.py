"""The decoder configuration record of H.264, completed."""

from __future__ import annotations

import pytest
from coded_pictures import coded

from edgecam.codecs.avc_record import completed

AVC = "video/x-h264,stream-format=avc,alignment=au"
LINE = "video/x-raw,width=64,height=64,format={form} ! x264enc speed-preset=superfast {more} ! h264parse"


def record_of(form: str, profile: str) -> bytes:
    line = LINE.format(form=form, more="tune=zerolatency dct8x8=true")
    (sample,) = coded(line, f"{AVC},profile={profile}", 1)
    beside = sample.get_caps().get_structure(0).get_value("codec_data")
    return bytes(beside.extract_dup(0, beside.get_size()))


@pytest.mark.parametrize(
    ("form", "profile", "ends_with"),
    [
        ("I420", "high", "fdf8f800"),
        ("Y42B", "high-4:2:2", "fef8f800"),
        ("I420_10LE", "high-10", "fdfafa00"),
    ],
)
def test_chroma_and_depth_are_added_once(form: str, profile: str, ends_with: str) -> None:
    found = record_of(form, profile)
    whole = completed(found)
    assert whole.hex().endswith(ends_with)
    assert whole.startswith(found.removesuffix(bytes.fromhex(ends_with)))
    assert completed(whole) == whole


def test_what_needs_none_or_cannot_be_read_is_left_as_it_is() -> None:
    plain = record_of("I420", "main")
    assert completed(plain) == plain
    for end in range(len(plain)):
        assert completed(plain[:end])[:end] == plain[:end]
    assert completed(b"") == b""
    assert completed(b"\x01\x64\x00\x14\xff\xe1\x00\x01\x67\x01\x00\x01\x68") == (
        b"\x01\x64\x00\x14\xff\xe1\x00\x01\x67\x01\x00\x01\x68"
    )

"""How large pictures are, read from real parameter sets and from some that no camera would make."""

from __future__ import annotations

import random

import pytest
from coded_pictures import H264_CAPS, START, coded, content, h264_sps

from edgecam.codecs.picture_size import (
    PictureSize,
    TooManyUnits,
    sizes_in_head,
    sizes_in_stream,
)
from edgecam.codecs.video import H264, H265, Codec

PPS = b"\x68\xce\x38\x80"
CODERS = {
    H264: "x264enc speed-preset=ultrafast tune=zerolatency ! h264parse",
    H265: "x265enc speed-preset=ultrafast tune=zerolatency ! h265parse",
}


@pytest.mark.parametrize("codec", [H264, H265], ids=["h264", "h265"])
@pytest.mark.parametrize(("width", "height"), [(320, 240), (1920, 1080), (176, 400)])
def test_the_size_is_found_in_both_forms(codec: Codec, width: int, height: int) -> None:
    line = f"video/x-raw,format=I420,width={width},height={height} ! {CODERS[codec]}"
    (in_stream,) = coded(line, codec.unit_caps, 1)
    assert codec.file_caps is not None
    (in_file,) = coded(line, codec.file_caps, 1)
    record = in_file.get_caps().get_structure(0).get_value("codec_data")
    head = bytes(record.extract_dup(0, record.get_size()))
    for found in (
        list(sizes_in_stream(codec, content(in_stream), has_lengths=False)),
        list(sizes_in_head(codec, head)),
    ):
        assert found
        for size in found:
            assert width <= size.width < width + 64
            assert height <= size.height < height + 64
            assert 1 <= size.kept <= 17


def test_high_profiles_and_parameter_sets_within_a_file_s_form_are_read() -> None:
    line = (
        "video/x-raw,format=Y444,width=640,height=368 ! x264enc ref=5 bframes=2 "
        "option-string=cqm=jvt ! h264parse"
    )
    (sample,) = coded(line, H264_CAPS, 1)
    assert list(sizes_in_stream(H264, content(sample), has_lengths=False)) == [PictureSize(640, 368, 6)]
    sps = h264_sps(16_000, 16_000)
    framed = b"".join(len(unit).to_bytes(4) + unit for unit in (sps, PPS, b"\x65\x88"))
    assert list(sizes_in_stream(H264, framed, has_lengths=True)) == [PictureSize(16_000, 16_000, 2)]


def test_what_is_cut_short_or_random_is_no_size_and_no_trouble() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        data = bytes([chance.choice([0x67, 0x42]), *chance.randbytes(chance.randrange(40))])
        for codec in (H264, H265):
            list(sizes_in_stream(codec, START + data, has_lengths=False))
            list(sizes_in_stream(codec, data, has_lengths=True))
            list(sizes_in_head(codec, data))
    assert list(sizes_in_stream(H264, START + h264_sps(320, 240)[:5], has_lengths=False)) == []


def test_a_picture_of_more_parts_than_any_camera_makes_is_refused() -> None:
    with pytest.raises(TooManyUnits):
        list(sizes_in_stream(H264, (START + h264_sps(320, 240)) * 100, has_lengths=False))
    with pytest.raises(TooManyUnits):
        list(sizes_in_stream(H264, b"\0\0\0\1\x06" * 1_000_000, has_lengths=True))

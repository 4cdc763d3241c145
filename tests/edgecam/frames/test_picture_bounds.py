"""Which pictures may be decoded: by the sizes that they say they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from coded_pictures import H264_CAPS, START, coded, content, h264_sps
from probe_options import options

from edgecam.cli.probe import take_picture
from edgecam.cli.probe_target import Target
from edgecam.codecs.video import H264, JPEG, RAW
from edgecam.errors import SourceUnsupported
from edgecam.frames.picture_bounds import PictureBounds
from edgecam.gstreamer.gst import Gst

PPS = b"\x68\xce\x38\x80"


def with_size(unit: bytes, width: int, height: int) -> bytes:
    """An access unit of the Baseline profile with another parameter set."""
    begin = unit.index(b"\0\0\1\x67") + 3
    return unit[:begin] + h264_sps(width, height) + unit[unit.index(b"\0\0\0\1", begin) :]


def sample_of(data: bytes, caps: str) -> Any:
    buffer = Gst.Buffer.new_wrapped(data) if data else Gst.Buffer.new()
    return Gst.Sample.new(buffer, Gst.Caps.from_string(caps), None, None)


def test_a_picture_of_more_parts_than_any_camera_makes_is_refused() -> None:
    bounds = PictureBounds("cam", H264, 36_000_000)
    with pytest.raises(SourceUnsupported, match="cam: expected pictures as cameras make them"):
        bounds.admits(sample_of((START + h264_sps(320, 240)) * 100, H264_CAPS))


def test_a_picture_within_the_bounds_is_admitted_and_a_larger_one_is_named_with_its_size() -> None:
    bounds = PictureBounds("cam", H264, 36_000_000)
    assert bounds.admits(sample_of(START + h264_sps(7680, 4320, references=5), H264_CAPS))
    assert bounds.admits(sample_of(START + h264_sps(12_000, 2992), H264_CAPS))
    assert bounds.admits(sample_of(START + h264_sps(3840, 2160, references=16), H264_CAPS))
    assert bounds.admits(sample_of(START + b"\x41\x9a\x00", H264_CAPS))
    with pytest.raises(SourceUnsupported) as caught:
        bounds.admits(sample_of(START + b"\x41\x9a" + START + h264_sps(16_000, 16_000), H264_CAPS))
    assert str(caught.value) == (
        "cam: expected pictures of at most 36 megapixels (frames.max_pixels), found 16000x16000; choose a "
        "smaller size at the camera, or raise frames.max_pixels if the core has the memory"
    )
    with pytest.raises(SourceUnsupported, match="found 7680x4320 of which it is to keep 17"):
        bounds.admits(sample_of(START + h264_sps(7680, 4320, references=16), H264_CAPS))


def test_a_size_beside_the_stream_counts_whenever_it_changes() -> None:
    def beside(width: int, height: int) -> str:
        sps = h264_sps(width, height)
        record = b"\x01\x42\xc0\x28\xff\xe1" + len(sps).to_bytes(2) + sps + b"\x01\x00\x04" + PPS
        return f"video/x-h264,stream-format=avc,alignment=au,codec_data=(buffer){record.hex()}"

    bounds = PictureBounds("cam", H264, 1_000_000)
    delta = b"\0\0\0\2\x41\x9a"
    for _ in range(3):
        assert bounds.admits(sample_of(delta, beside(640, 480)))
    for _ in range(2):
        with pytest.raises(SourceUnsupported, match="1920x1088"):
            bounds.admits(sample_of(delta, beside(1920, 1088)))


def test_jpeg_is_judged_by_its_head_and_raw_video_by_its_caps() -> None:
    (jpeg,) = coded("video/x-raw,width=320,height=240 ! jpegenc", "image/jpeg", 1)
    assert PictureBounds("cam", JPEG, 76_800).admits(jpeg)
    data = bytearray(content(jpeg))
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = (65_000).to_bytes(2) * 2
    # Decoders pass over what stands between two segments: the size behind it counts as well.
    hidden = data[:at] + b"\x00\x11\x22" + data[at:]
    for large in (data, hidden):
        with pytest.raises(SourceUnsupported, match="65000x65000"):
            PictureBounds("cam", JPEG, 36_000_000).admits(sample_of(bytes(large), "image/jpeg"))
    assert not PictureBounds("cam", JPEG, 36_000_000).admits(sample_of(b"\xff\xd8\xff", "image/jpeg"))
    assert not PictureBounds("cam", JPEG, 36_000_000).admits(sample_of(b"", "image/jpeg"))
    raw = "video/x-raw,format=I420,width=16000,height=16000,framerate=1/1"
    with pytest.raises(SourceUnsupported, match="16000x16000"):
        PictureBounds("cam", RAW, 36_000_000).admits(sample_of(b"x", raw))


def test_a_film_that_asks_for_gigabytes_is_refused_in_a_sentence(tmp_path: Path) -> None:
    line = (
        "video/x-raw,format=I420,width=64,height=64 ! x264enc speed-preset=ultrafast tune=zerolatency "
        "key-int-max=1 ! h264parse"
    )
    samples = coded(line, H264_CAPS + ",profile=constrained-baseline", 5)
    film = tmp_path / "large.h264"
    film.write_bytes(b"".join(with_size(content(sample), 16_000, 16_000) for sample in samples))
    with pytest.raises(SourceUnsupported, match="found 16000x16000"):
        take_picture(Target.from_options(options(f"file://{film}")))

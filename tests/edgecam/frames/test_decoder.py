"""The decoder: what one bad picture costs, and which way up pictures come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from coded_pictures import H264_CAPS
from judged_pictures import access_units, color_at, ffmpeg, patches, pixels

from edgecam.capture.access_unit import AccessUnit
from edgecam.capture.coded import SampleCoded
from edgecam.codecs.jpeg import is_whole, orientation_of, shown_size_of, size_of, with_orientation
from edgecam.codecs.orientation import Orientation
from edgecam.codecs.recovery_point import HEAD_BYTES, pictures_to_recovery
from edgecam.codecs.video import H264, H265, JPEG, Codec
from edgecam.config.camera import Frames
from edgecam.errors import SourceError
from edgecam.frames.decode_gate import DecodeBatch
from edgecam.frames.decoder import Decoder, Picture
from edgecam.gstreamer.gst import Gst

Eventually = Callable[..., Any]
START = datetime(2026, 1, 1, tzinfo=UTC)
RED, BLUE = (255, 0, 0), (0, 0, 255)


class Bench:
    """A decoder, and what came of it."""

    def __init__(self, codec: Codec, caps: str, **frames: Any) -> None:
        self._caps = Gst.Caps.from_string(caps)
        self._count = 0
        self.pictures: list[Picture] = []
        self.faults: list[SourceError] = []
        self.orientation = Orientation.UPRIGHT
        self.decoder = Decoder(
            name="cam",
            codec=codec,
            frames=Frames(**frames),
            on_picture=self.pictures.append,
            on_fault=self.faults.append,
            orientation=lambda: self.orientation,
        )

    def unit(self, data: bytes, *, is_keyframe: bool = True, to_recovery: int = 0) -> AccessUnit:
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts = self._count * Gst.SECOND // 10
        if not (is_keyframe or to_recovery):
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        number, self._count = float(self._count), self._count + 1
        sample = Gst.Sample.new(buffer, self._caps, None, None)
        return AccessUnit(buffer.pts, is_keyframe, len(data), START, number, SampleCoded(sample), to_recovery)

    def push(self, data: bytes, *, is_keyframe: bool = True, to_recovery: int = 0) -> bool:
        unit = self.unit(data, is_keyframe=is_keyframe, to_recovery=to_recovery)
        return self.decoder.push(DecodeBatch((unit,), unit, is_complete=False))


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def start(*arguments: Any, **frames: Any) -> Bench:
        made.append(Bench(*arguments, **frames))
        return made[-1]

    yield start
    for each in made:
        each.decoder.close()


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    """Its left half is red, its right one blue."""
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x32", "-i", "-")
    coded = ffmpeg(
        *raw, "-pix_fmt", "yuvj444p", "-q:v", "2", "-f", "mjpeg", "-", data=patches(64, 32, (RED, BLUE))
    )
    assert is_whole(coded)
    return coded


def undecodable(jpeg: bytes) -> bytes:
    """Whole by its markers, with a table that no decoder takes: it says nothing, and has no picture."""
    at = jpeg.index(b"\xff\xc4") + 5
    return jpeg[:at] + b"\xff" * 16 + jpeg[at + 16 :]


def deadly(jpeg: bytes) -> bytes:
    """The same with chroma of a form that ends the decoder."""
    at = jpeg.index(b"\xff\xc0") + 11
    return jpeg[:at] + b"\x31" + jpeg[at + 1 :]


@pytest.mark.parametrize("frames", [{}, {"width": 32}], ids=["passed on", "coded again"])
@pytest.mark.parametrize("part", [0.95, 0.3], ids=["near its end", "near its begin"])
def test_a_jpeg_that_is_cut_short_costs_itself(
    frames: dict[str, Any], part: float, jpeg: bytes, bench: Callable[..., Bench], eventually: Eventually
) -> None:
    made = bench(JPEG, "image/jpeg", **frames)
    assert made.push(jpeg)
    eventually(lambda: len(made.pictures) == 1)
    assert not made.push(jpeg[: int(part * len(jpeg))])
    assert made.push(jpeg)
    eventually(lambda: len(made.pictures) == 2)
    assert made.decoder.damaged == 1
    assert made.faults == []


@pytest.mark.parametrize("bad", [undecodable, deadly])
def test_a_jpeg_that_cannot_be_decoded_costs_itself(
    bad: Callable[[bytes], bytes], jpeg: bytes, bench: Callable[..., Bench], eventually: Eventually
) -> None:
    made = bench(JPEG, "image/jpeg", width=32)
    for count in range(1, 9):
        made.push(bad(jpeg))
        time.sleep(0.1)  # it fails on a thread of its own
        eventually(lambda: made.push(jpeg))
        eventually(lambda count=count: len(made.pictures) >= count)
    assert made.faults == []
    assert made.decoder.damaged >= 8


def test_pictures_of_which_each_ends_the_decoder_are_a_fault(
    jpeg: bytes, bench: Callable[..., Bench], eventually: Eventually
) -> None:
    made = bench(JPEG, "image/jpeg", width=32)
    eventually(lambda: not made.push(deadly(jpeg)) and bool(made.faults))
    assert "expected JPEG pictures that can be decoded" in str(made.faults[0])


def damaged(unit: bytes) -> bytes:
    """With some bits of its slice turned, far behind its head."""
    chance, data = Random(1), bytearray(unit)
    for _ in range(20):
        data[chance.randrange(len(data) // 2, len(data) - 10)] ^= 1 << chance.randrange(8)
    return bytes(data)


CODERS = {
    H264.name: (H264, H264_CAPS, ("-c:v", "libx264", "-x264-params", "keyint=10:bframes=0:aud=1:scenecut=0")),
    H265.name: (
        H265,
        H264_CAPS.replace("h264", "h265"),
        ("-c:v", "libx265", "-x265-params", "keyint=10:bframes=0:aud=1:scenecut=0:log-level=none"),
    ),
}


@pytest.mark.parametrize("name", CODERS)
def test_pictures_that_the_decoder_knows_to_be_damaged_are_left_out_up_to_a_keyframe_and_counted(
    name: str, bench: Callable[..., Bench], eventually: Eventually
) -> None:
    codec, caps, coder = CODERS[name]
    form = "hevc" if codec is H265 else "h264"
    film = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=3", "-pix_fmt", "yuv420p")
    units = access_units(ffmpeg(*film, *coder, "-f", form, "-"), is_h265=codec is H265)
    seen: dict[bool, set[int]] = {}
    for only_clean in (True, False):
        made = bench(codec, caps, only_clean=only_clean, max_fps=10)
        for number, unit in enumerate(units):
            if number == 12 and codec is H265:
                made.unit(unit)  # its decoder sees what is missing, and no turned bits
                continue
            made.push(damaged(unit) if number == 12 else unit, is_keyframe=number % 10 == 0)
        eventually(lambda made=made: any(each.captured_s >= 25 for each in made.pictures))
        seen[only_clean] = {int(each.captured_s) for each in made.pictures} & set(range(26))
        assert bool(made.decoder.damaged) is only_clean
        assert made.faults == []
    assert seen[True] == {*range(12), *range(20, 26)}
    assert len(seen[False]) >= 25


def test_damage_in_an_intra_refresh_is_left_out_until_all_of_a_picture_has_been_renewed(
    bench: Callable[..., Bench], eventually: Eventually
) -> None:
    film = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=8", "-pix_fmt", "yuv420p")
    settings = "intra-refresh=1:keyint=20:min-keyint=20:scenecut=0:bframes=0:aud=1"
    units = access_units(ffmpeg(*film, "-c:v", "libx264", "-x264-params", settings, "-f", "h264", "-"))
    points = [pictures_to_recovery(H264, unit[:HEAD_BYTES], has_lengths=False) for unit in units]
    (renewal,) = {point for point in points if point}
    assert [number for number, point in enumerate(points) if point] == [20, 40, 60]
    made = bench(H264, H264_CAPS, max_fps=10)
    for number, unit in enumerate(units):
        data = damaged(unit) if number == 30 else unit
        made.push(data, is_keyframe=not number, to_recovery=points[number])
        if number == 35:
            eventually(lambda: made.decoder.awaits_keyframe)
    eventually(lambda: any(each.captured_s >= 75 for each in made.pictures))
    assert not made.decoder.awaits_keyframe
    seen = {int(each.captured_s) for each in made.pictures} & set(range(76))
    assert seen == {*range(30), *range(40 + renewal, 76)}


def test_a_turned_jpeg_that_is_coded_again_is_turned_and_one_that_is_passed_on_says_so(
    jpeg: bytes, bench: Callable[..., Bench], eventually: Eventually, tmp_path: Path
) -> None:
    turned = with_orientation(jpeg, Orientation.TURNED_RIGHT)
    assert orientation_of(turned) is Orientation.TURNED_RIGHT
    assert (size_of(turned), shown_size_of(turned)) == ((64, 32), (32, 64))
    passed_on, again = bench(JPEG, "image/jpeg"), bench(JPEG, "image/jpeg", width=16)
    for made in (passed_on, again):
        made.push(turned)
        eventually(lambda made=made: len(made.pictures) == 1)
    assert passed_on.pictures[0].jpeg == turned
    picture = pixels(again.pictures[0].jpeg, tmp_path / "frame.jpg")
    assert picture[:2] == (16, 32)
    # What was left is above once it is turned to the right.
    assert color_at(picture, 0.5, 0.2)[0] > 200
    assert color_at(picture, 0.5, 0.8)[2] > 200
    again.push(jpeg)
    eventually(lambda: len(again.pictures) == 2)
    assert size_of(again.pictures[1].jpeg) == (16, 8)


@pytest.mark.parametrize("orientation", list(Orientation))
def test_each_orientation_is_shown_as_ffmpeg_shows_it(
    orientation: Orientation,
    bench: Callable[..., Bench],
    eventually: Eventually,
    tmp_path: Path,
) -> None:
    corner = patches(64, 32, (RED, BLUE))
    corner = corner[: len(corner) // 2] + bytes(len(corner) // 2)
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x32", "-i", "-")
    coded = ffmpeg(*raw, "-pix_fmt", "yuvj444p", "-q:v", "2", "-f", "mjpeg", "-", data=corner)
    made = bench(JPEG, "image/jpeg", quality=95)
    made.push(with_orientation(coded, orientation))
    eventually(lambda: len(made.pictures) == 1)
    picture = pixels(made.pictures[0].jpeg, tmp_path / "frame.jpg")
    turned = {
        Orientation.UPRIGHT: "null",
        Orientation.MIRRORED: "hflip",
        Orientation.UPSIDE_DOWN: "hflip,vflip",
        Orientation.MIRRORED_UPSIDE_DOWN: "vflip",
        Orientation.TRANSPOSED: "transpose=cclock_flip",
        Orientation.TURNED_RIGHT: "transpose=clock",
        Orientation.TRANSVERSED: "transpose=clock_flip",
        Orientation.TURNED_LEFT: "transpose=cclock",
    }[orientation]
    (tmp_path / "coded.jpg").write_bytes(coded)
    expected = ffmpeg("-i", tmp_path / "coded.jpg", "-vf", turned, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    width, height = orientation.shown(64, 32)
    assert picture[:2] == (width, height)
    for x, y in ((0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)):
        found = color_at(picture, x, y)
        right = color_at((width, height, expected), x, y)
        assert max(abs(a - b) for a, b in zip(found, right, strict=True)) < 40, (orientation, x, y)


@pytest.mark.parametrize("kind", ["II", "MM"])
def test_exif_is_read_in_both_byte_orders_and_nonsense_is_upright(kind: str, jpeg: bytes) -> None:
    order = "little" if kind == "II" else "big"

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, order)  # type: ignore[arg-type]

    def with_tiff(tiff: bytes) -> bytes:
        content = b"Exif\0\0" + tiff
        return jpeg[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2) + content + jpeg[2:]

    tag = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(8, 2) + number(0, 2)
    other = number(0x010F, 2) + number(2, 2) + number(4, 4) + b"abc\0"
    head = kind.encode() + number(42, 2) + number(8, 4)
    assert orientation_of(with_tiff(head + number(2, 2) + other + tag)) is Orientation.TURNED_LEFT
    for wrong in (
        b"",
        head,
        head + number(60_000, 2),
        head + number(1, 2) + tag.replace(number(8, 2), b"\x99\x99"),
    ):
        assert orientation_of(with_tiff(wrong)) is Orientation.UPRIGHT

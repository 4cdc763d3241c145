"""The arithmetic of colours, number by number, against the formulas."""

from __future__ import annotations

import ctypes
from random import Random
from typing import Any

import pytest

from edgecam.codecs.colorimetry import Conversion, conversion_of
from edgecam.frames.jpeg_colors import JpegColors
from edgecam.gstreamer.gst import Gst

COLORIMETRIES = ("2:4:0:0", "2:3:5:1", "1:3:5:1", "bt2020", "1:6:0:0", "2:2:0:0", "smpte240m")


def within(value: float) -> float:
    return min(255.0, max(0.0, value))


def furthest(conversion: Conversion, width: int, height: int) -> float:
    """How far the result is from the formulas, at the worst pixel of a picture of random numbers."""
    colors = JpegColors(width, height, conversion)
    source = Random(1).randbytes(colors.size_bytes)
    buffer = Gst.Buffer.new_wrapped(source + b"padding")
    buffer.pts = 5
    converted = colors.converted(buffer)
    found = converted.extract_dup(0, converted.get_size())
    assert (len(found), converted.pts) == (colors.size_bytes, 5)
    stride, lines = (width + 3) // 4 * 4, (height + 1) // 2
    chroma = ((width + 1) // 2 + 3) // 4 * 4
    u_at, v_at = stride * 2 * lines, stride * 2 * lines + chroma * lines
    worst = 0.0
    for y in range(height):
        for x in range(width):
            at = y // 2 * chroma + x // 2
            u, v = source[u_at + at] - 128, source[v_at + at] - 128
            of_chroma = u * conversion.luma_of[0] + v * conversion.luma_of[1]
            luma = source[y * stride + x] * conversion.luma + conversion.offset + of_chroma
            new_u = 128 + u * conversion.u_of[0] + v * conversion.u_of[1]
            new_v = 128 + u * conversion.v_of[0] + v * conversion.v_of[1]
            worst = max(
                worst,
                abs(found[y * stride + x] - within(luma)),
                abs(found[u_at + at] - within(new_u)),
                abs(found[v_at + at] - within(new_v)),
            )
    return worst


@pytest.mark.parametrize("colorimetry", COLORIMETRIES)
@pytest.mark.parametrize(("width", "height"), [(64, 36), (37, 23), (2, 2), (1, 1)])
def test_every_number_is_within_a_level_of_the_formulas(colorimetry: str, width: int, height: int) -> None:
    assert furthest(conversion_of(colorimetry, 1080), width, height) < 1


@pytest.mark.parametrize("colorimetry", COLORIMETRIES)
def test_grey_stays_grey_white_becomes_255_and_black_0(colorimetry: str) -> None:
    conversion = conversion_of(colorimetry, 1080)
    is_full = colorimetry.startswith("1:")
    for luma, expected in ((255 if is_full else 235, 255), (0 if is_full else 16, 0)):
        assert luma * conversion.luma + conversion.offset == pytest.approx(expected)


@pytest.mark.parametrize(
    ("said", "height", "as_if"),
    [
        (None, 480, "2:4:0:0"),
        (None, 720, "2:3:0:0"),
        ("2:0:0:0", 576, "2:4:0:0"),
        ("bt601", 1080, "2:4:0:0"),
        ("bt709", 240, "2:3:0:0"),
        ("bt2100-pq", 240, "2:6:0:0"),
        ("2:99:0:0", 1080, "2:3:0:0"),
        ("nonsense:of:a:kind", 1080, "2:3:0:0"),
    ],
)
def test_what_is_not_said_is_taken_as_players_do(said: str | None, height: int, as_if: str) -> None:
    assert conversion_of(said, height) == conversion_of(as_if, height)


def test_jpegs_own_numbers_are_left_as_they_are() -> None:
    assert conversion_of("1:4:0:0", 1080).is_identity
    assert not conversion_of("2:4:0:0", 1080).is_identity


def with_layout(buffer: Any, offsets: list[int], strides: list[int]) -> Any:
    """`buffer` with what decoders say of their own layout."""
    add = ctypes.CDLL("libgstvideo-1.0.so.0").gst_buffer_add_video_meta_full
    add.argtypes = [ctypes.c_void_p, *[ctypes.c_int] * 2, *[ctypes.c_uint] * 3, *[ctypes.c_void_p] * 2]
    i420 = 2
    add(hash(buffer), 0, i420, 64, 36, 3, (ctypes.c_size_t * 4)(*offsets), (ctypes.c_int * 4)(*strides))
    return buffer


def test_a_picture_that_lies_as_its_decoder_wants_it_becomes_the_same() -> None:
    colors, chance = JpegColors(64, 36, conversion_of("bt709", 1080)), Random(2)
    planes = [chance.randbytes(64 * 36), chance.randbytes(32 * 18), chance.randbytes(32 * 18)]
    plain = colors.converted(Gst.Buffer.new_wrapped(b"".join(planes)))
    expected = plain.extract_dup(0, plain.get_size())
    apart, offsets, strides = b"edge" * 100, [], [80, 48, 56]
    for plane, stride in zip(planes, strides, strict=True):
        width = 64 if len(plane) == 64 * 36 else 32
        offsets.append(len(apart))
        apart += b"".join(plane[at : at + width].ljust(stride, b"#") for at in range(0, len(plane), width))
    for again in range(2):
        found = colors.converted(with_layout(Gst.Buffer.new_wrapped(apart), offsets, strides))
        assert found.extract_dup(0, found.get_size()) == expected, again
    # Nobody writes to a picture that is still in use.
    assert plain.extract_dup(0, plain.get_size()) == expected


def test_a_picture_that_is_too_short_is_refused() -> None:
    colors = JpegColors(64, 36, conversion_of("bt709", 1080))
    with pytest.raises(ValueError, match="expected 3456 bytes of a picture, found 100"):
        colors.converted(Gst.Buffer.new_wrapped(bytes(100)))

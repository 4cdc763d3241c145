"""Sizes of JPEG over RTP that its own head has no room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.sources.rtp_jpeg import has_no_size, size_beside

WIDE = bytes([0, 0, 0, 0, 1, 255, 0, 6])  # RFC 2435, 3.1: no width, 48 pixels high
FRAME = b"\xff\xc0\x00\x11\x08" + (48).to_bytes(2) + (2592).to_bytes(2) + b"\x03" + bytes(9) + b"\xff\xff\xff"


def packet(payload: bytes, extension: bytes | None = None, kind: int = 0xFFD8, sources: int = 0) -> bytes:
    head = bytes([0x80 | (0x10 if extension is not None else 0) | sources, 26]) + bytes(10 + 4 * sources)
    if extension is not None:
        head += kind.to_bytes(2) + (len(extension) // 4).to_bytes(2) + extension
    return head + payload


@pytest.mark.parametrize(
    ("framesize", "data", "size"),
    [
        ("26 2592-1944", packet(WIDE), (2592, 1944)),
        (None, packet(WIDE, FRAME.ljust(24, b"\xff")), (2592, 48)),
        (None, packet(WIDE, FRAME.ljust(24, b"\xff"), sources=2), (2592, 48)),
        (None, packet(WIDE, FRAME.ljust(24, b"\xff"), kind=0xABAC), None),
        (None, packet(WIDE), None),
        ("wide", packet(WIDE), None),
    ],
)
def test_the_size_is_found_where_cameras_say_it(
    framesize: str | None, data: bytes, size: tuple[int, int] | None
) -> None:
    assert has_no_size(data)
    assert size_beside(data, framesize) == size


def test_a_picture_that_says_its_size_needs_no_other() -> None:
    assert not has_no_size(packet(bytes([0, 0, 0, 0, 1, 255, 80, 60])))


@given(st.binary(max_size=64), st.none() | st.text(max_size=20))
def test_any_packet_has_an_answer(data: bytes, framesize: str | None) -> None:
    has_no_size(data)
    size_beside(data, framesize)

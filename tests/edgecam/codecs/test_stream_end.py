"""Bytes behind the end of a stream are seen, wherever buffers are cut."""

from __future__ import annotations

import pytest

from edgecam.codecs.stream_end import StreamEndWatch, has_overrun_end

START = b"\0\0\1"
PICTURE = START + b"\x65" + b"picture" * 20
RIGHT = [
    PICTURE,
    PICTURE + START + b"\x0b",
    PICTURE + START + b"\x0a" + b"\0" + PICTURE,
    PICTURE + START + b"\x0b" + b"\0\0\0\0" + PICTURE,
    PICTURE + START + b"\x0a" + START + b"\x0b" + PICTURE,
    PICTURE + b"\x0b\x0bno start code before it",
]
WRONG = [
    PICTURE + START + b"\x0b" + b"more",
    PICTURE + START + b"\x0a" + b"\0" + b"more" + PICTURE,
    PICTURE + START + b"\x6b" + b"\0\0\0\0\0\0\0" + b"\xfb",
    START + b"\x0a" + b"\1" + PICTURE,
]


def cut(stream: bytes, size: int) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("stream", RIGHT)
def test_an_end_without_bytes_behind_it_passes(stream: bytes, size: int) -> None:
    watch = StreamEndWatch()
    assert not any(watch.is_overrun(part) for part in cut(stream, size))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("stream", WRONG)
def test_bytes_behind_an_end_are_seen(stream: bytes, size: int) -> None:
    watch = StreamEndWatch()
    assert any(watch.is_overrun(part) for part in cut(stream, size))


def units(*parts: bytes, length_bytes: int) -> bytes:
    return b"".join(len(part).to_bytes(length_bytes, "big") + part for part in parts)


@pytest.mark.parametrize("length_bytes", [1, 2, 4])
def test_the_form_of_files_is_looked_at_by_its_lengths(length_bytes: int) -> None:
    right = units(b"\x65picture", b"\x0b", b"\x0a\0", length_bytes=length_bytes)
    assert not has_overrun_end(right, length_bytes)
    assert has_overrun_end(units(b"\x65picture", b"\x0bmore", length_bytes=length_bytes), length_bytes)
    assert not has_overrun_end(right[:-1] + b"", length_bytes)
    assert not has_overrun_end(b"\xff" * 3, length_bytes)
    assert not has_overrun_end(b"", length_bytes)

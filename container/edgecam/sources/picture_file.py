"""One picture from a file that anybody may be writing, replacing or have named wrongly."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgecam.codecs.jpeg import is_whole, size_of
from edgecam.codecs.picture_size import PictureSize, excess
from edgecam.errors import SourceUnsupported

_PNG_START = b"\x89PNG\r\n\x1a\n"  # PNG, third edition, 5.2
_PNG_END = b"IEND\xae\x42\x60\x82"  # with its checksum, 11.2.5
_JPEG_START = b"\xff\xd8\xff"
_PLAIN_BYTES = 3
"""A picture is never larger than its pixels in 24 bits, but for a head."""
_HEAD_BYTES = 1_000_000
_LOOKED_AT = 16  # pictures whose kind is looked for, where the first ones are none
_CHUNK_BYTES = 12  # of length, name and checksum: 5.3


def read_picture(path: Path, *, is_png: bool, max_pixels: int) -> bytes:
    """The file at `path`, whole and within bounds.

    Raises:
        SourceUnsupported: it is something else; the message names it, what was expected and what was found.
        OSError: it cannot be read.
    """
    with _opened(path) as descriptor:
        data = _content(path, descriptor, _PLAIN_BYTES * max_pixels + _HEAD_BYTES)
    fault = _png_fault(data, max_pixels) if is_png else _jpeg_fault(data, max_pixels)
    if fault is not None:
        raise SourceUnsupported(f"{path}: {fault}")
    return data


def are_png(paths: Sequence[Path]) -> bool:
    """Whether these pictures are PNG: by the first that begins as one or as JPEG, and else by its name."""
    for path in paths[:_LOOKED_AT]:
        try:
            with _opened(path) as descriptor:
                start = os.read(descriptor, len(_PNG_START))
        except OSError:
            continue
        if start.startswith((_PNG_START, _JPEG_START)):
            return start.startswith(_PNG_START)
    return paths[0].suffix.lower() == ".png"


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    # Without O_NONBLOCK, opening a FIFO in its place would wait for somebody to write into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _content(path: Path, descriptor: int, limit_bytes: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise SourceUnsupported(f"{path}: expected a picture, found something that is no file")
    if status.st_size > limit_bytes:
        raise SourceUnsupported(
            f"{path}: expected a picture of at most {limit_bytes} bytes, found {status.st_size}"
        )
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(limit_bytes)


def _jpeg_fault(data: bytes, max_pixels: int) -> str | None:
    if not data.startswith(_JPEG_START):
        return f"expected a JPEG picture, found {_kind_of(data)}"
    size = size_of(data)
    if size is None or not is_whole(data):
        return "expected a whole JPEG picture, found one that is cut short"
    return excess(PictureSize(*size), max_pixels)


def _png_fault(data: bytes, max_pixels: int) -> str | None:
    if not data.startswith(_PNG_START):
        return f"expected a PNG picture, found {_kind_of(data)}"
    if data[12:16] != b"IHDR" or _PNG_END not in data:
        return "expected a whole PNG picture, found one that is cut short"
    if not _are_chunks_right(data):
        return "expected a whole PNG picture, found one whose checksums are wrong"
    return excess(PictureSize(int.from_bytes(data[16:20]), int.from_bytes(data[20:24])), max_pixels)


def _are_chunks_right(png: bytes) -> bool:
    """Whether each chunk has the checksum that it names (5.3)."""
    at, view = len(_PNG_START), memoryview(png)
    while at + _CHUNK_BYTES <= len(png):
        end = at + 8 + int.from_bytes(view[at : at + 4])
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4]):
            return False
        if png.startswith(b"IEND", at + 4):
            return True
        at = end + 4
    return False


def _kind_of(data: bytes) -> str:
    if not data:
        return "an empty file"
    if data.startswith(_JPEG_START):
        return "a JPEG"
    return "a PNG" if data.startswith(_PNG_START) else "something else"

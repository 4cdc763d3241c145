"""The little that has to be known of a JPEG file without decoding it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from edgecam.codecs.orientation import Orientation

LONGEST_BYTES = 64_000_000
"""Most bytes of a picture that are read back: 7680x4320, the largest that is made, has half of that when each
pixel takes a byte, which even noise does not at the best quality."""

_START = b"\xff\xd8"
_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_SOS = 0xDA
_END = b"\xff\xd9"
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_EXIF = 0xE1
_EXIF_START = b"Exif\0\0"  # CIPA DC-008, 4.7.2.2; a TIFF file follows
_BYTE_ORDERS = {b"II": "<", b"MM": ">"}
_ORIENTATION_TAG, _SHORT = 0x0112, 3  # CIPA DC-008, 4.6.5.1.4; TIFF 6.0, 2
_MOST_TAGS = 256


def size_of(jpeg: bytes) -> tuple[int, int] | None:
    """Width and height in pixels from the start-of-frame segment (ITU-T T.81, B.2.2), or None if it is no
    JPEG."""
    for marker, at in _segments(jpeg):
        if marker in _SOF and at + 9 <= len(jpeg):
            return int.from_bytes(jpeg[at + 7 : at + 9]), int.from_bytes(jpeg[at + 5 : at + 7])
    return None


def shown_size_of(jpeg: bytes) -> tuple[int, int] | None:
    """The same of the picture as it is shown: turned as its EXIF data say."""
    size = size_of(jpeg)
    return None if size is None else orientation_of(jpeg).shown(*size)


def orientation_of(jpeg: bytes) -> Orientation:
    """Which way up the picture is shown, by its EXIF data; upright where they do not say."""
    for marker, at in _segments(jpeg):
        if marker == _EXIF and jpeg[at + 4 : at + 10] == _EXIF_START:
            end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
            try:
                return _orientation_in(jpeg[at + 10 : end])
            except (struct.error, ValueError):
                return Orientation.UPRIGHT
    return Orientation.UPRIGHT


def with_orientation(jpeg: bytes, orientation: Orientation) -> bytes:
    """The picture with EXIF data in front that say which way up it is shown; its pixels as they are."""
    tag = struct.pack(">HHIHH", _ORIENTATION_TAG, _SHORT, 1, orientation, 0)
    tiff = b"MM" + struct.pack(">HIH", 42, 8, 1) + tag + bytes(4)
    content = _EXIF_START + tiff
    return _START + struct.pack(">BBH", 0xFF, _EXIF, len(content) + 2) + content + jpeg[len(_START) :]


def _orientation_in(tiff: bytes) -> Orientation:
    """The orientation among the tags of the first image (TIFF 6.0, 2)."""
    order = _BYTE_ORDERS.get(tiff[:2])
    if order is None:
        return Orientation.UPRIGHT
    (at,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, at)
    for number in range(min(count, _MOST_TAGS)):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * number)
        if (tag, kind) == (_ORIENTATION_TAG, _SHORT):
            return Orientation(value)
    return Orientation.UPRIGHT


def is_whole(jpeg: bytes) -> bool:
    """Whether the coded picture ends. The end marker cannot stand within it (T.81, B.1.1.5), but well in a
    small picture in the head."""
    return any(marker == _SOS and jpeg.find(_END, at) >= 0 for marker, at in _segments(jpeg))


def _segments(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Marker and place of each segment up to the coded picture. What stands between two is passed over, as
    decoders do."""
    if jpeg[:2] != _START:
        return
    at = jpeg.find(0xFF, 2)
    while 0 <= at < len(jpeg) - 3:
        marker = jpeg[at + 1]
        if marker in (0x00, 0xFF) or marker in _WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
        else:
            yield marker, at
            if marker == _SOS:
                return
            at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        at = jpeg.find(0xFF, at)

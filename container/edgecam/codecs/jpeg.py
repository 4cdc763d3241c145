"""The little that has to be known of a JPEG file without decoding it."""

from __future__ import annotations

from collections.abc import Iterator

LONGEST_BYTES = 64_000_000
"""Most bytes of a picture that are read back: 7680x4320, the largest that is made, has half of that when each
pixel takes a byte, which even noise does not at the best quality."""

_START = b"\xff\xd8"
_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_SOS = 0xDA
_END = b"\xff\xd9"
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})


def size_of(jpeg: bytes) -> tuple[int, int] | None:
    """Width and height in pixels from the start-of-frame segment (ITU-T T.81, B.2.2), or None if it is no
    JPEG."""
    for marker, at in _segments(jpeg):
        if marker in _SOF and at + 9 <= len(jpeg):
            return int.from_bytes(jpeg[at + 7 : at + 9]), int.from_bytes(jpeg[at + 5 : at + 7])
    return None


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

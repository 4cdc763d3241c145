"""The little that has to be known of a JPEG file without decoding it."""

from __future__ import annotations

LONGEST_BYTES = 64_000_000
"""Most bytes of a picture that are read back: 7680x4320, the largest that is made, has half of that when each
pixel takes a byte, which even noise does not at the best quality."""

_START = b"\xff\xd8"
_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})


def size_of(jpeg: bytes) -> tuple[int, int] | None:
    """Width and height in pixels from the start-of-frame segment (ITU-T T.81, B.2.2), or None if it is no
    JPEG."""
    if jpeg[:2] != _START:
        return None
    at = 2
    while at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _SOF:
            return int.from_bytes(jpeg[at + 7 : at + 9]), int.from_bytes(jpeg[at + 5 : at + 7])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return None

"""How an MP4 begins: whether it can be read while it is written, or only once its end is there."""

from __future__ import annotations

_HEAD_BYTES = 8  # of a box: 32 bits of size, four letters (ISO/IEC 14496-12, 4.2)
_FIRST_BOXES = (b"ftyp", b"free", b"skip", b"wide", b"uuid")
"""What may come before the index or the pictures; none of it is long."""
MOST_BYTES = 4096
"""What has to be looked at: the boxes before the first that counts take some dozens of bytes."""


def has_index_at_end(start: bytes) -> bool | None:
    """Whether `start`, the first bytes of a stream, begins an MP4 whose pictures come before its index.

    Returns:
        None where more bytes are needed; False of everything else, MP4 or not.
    """
    at = 0
    while at + _HEAD_BYTES <= len(start):
        size, kind = int.from_bytes(start[at : at + 4]), start[at + 4 : at + _HEAD_BYTES]
        if kind == b"mdat":
            return at > 0
        if kind not in _FIRST_BOXES or size < _HEAD_BYTES or (at == 0 and kind != b"ftyp"):
            return False
        at += size
    return None if at < MOST_BYTES and len(start) < MOST_BYTES else False

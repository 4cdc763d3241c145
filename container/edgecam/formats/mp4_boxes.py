"""The boxes that an MP4 file is made of (ISO/IEC 14496-12, 4.2): a size, a kind, and what is inside."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEADER_BYTES = 8
FULL_HEADER_BYTES = 12
"""Of a box with version and flags."""


class BoxDamaged(ValueError):  # noqa: N818 - never leaves this room
    """These bytes are no box, or one that lacks something."""


class Place(NamedTuple):
    """Where a box is among other bytes.

    Attributes:
        kind: Four letters.
        begin: Of the box, its header included.
        inside: Where its content begins.
        end: Behind it.
    """

    kind: bytes
    begin: int
    inside: int
    end: int


def box(kind: bytes, *inside: bytes) -> bytes:
    """A box as bytes of a file."""
    content = b"".join(inside)
    return struct.pack(">I4s", HEADER_BYTES + len(content), kind) + content


def full_box(kind: bytes, flags: int, *inside: bytes, version: int = 0) -> bytes:
    """A box that has a version and flags (4.2, FullBox)."""
    return box(kind, struct.pack(">I", version << 24 | flags), *inside)


def header(data: bytes, at: int, end: int) -> Place:
    """The box at `at`; the long form of the size is none of ours.

    Raises:
        BoxDamaged: it does not fit before `end`.
    """
    if at + HEADER_BYTES > end:
        raise BoxDamaged("expected a box, found the end")
    size, kind = struct.unpack_from(">I4s", data, at)
    if size < HEADER_BYTES or at + size > end:
        raise BoxDamaged(f"expected a size from 8 to {end - at}, found {size}")
    return Place(kind, at, at + HEADER_BYTES, at + size)


def places(data: bytes, begin: int, end: int) -> Iterator[Place]:
    """The boxes that fill the bytes from `begin` to `end`.

    Raises:
        BoxDamaged: they do not.
    """
    while begin < end:
        place = header(data, begin, end)
        yield place
        begin = place.end


def find(data: bytes, within: Place, *path: bytes) -> Place | None:
    """The first box at `path` below `within`, or None.

    Raises:
        BoxDamaged: something on the way is no box.
    """
    found: Place | None = within
    for kind in path:
        if found is None:
            return None
        found = next((each for each in places(data, found.inside, found.end) if each.kind == kind), None)
    return found


def child(data: bytes, within: Place, *path: bytes) -> Place:
    """The same, which has to be there.

    Raises:
        BoxDamaged: it is not.
    """
    found = find(data, within, *path)
    if found is None:
        raise BoxDamaged(f"expected {b'.'.join(path).decode()}, found none")
    return found

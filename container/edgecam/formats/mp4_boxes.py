"""The boxes that an MP4 file is made of (ISO/IEC 14496-12, 4.2): a size, a kind, and what is inside."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

HEADER_BYTES = 8
_CONTAINERS = frozenset({b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl"})


class BoxDamaged(ValueError):  # noqa: N818 - never leaves these modules
    """These bytes are no box, or one that lacks something."""


@dataclass
class Box:
    """One box. `payload` is empty where it is made of `children`.

    Attributes:
        kind: Four letters.
        payload: What is inside.
        children: The boxes inside, in their order.
    """

    kind: bytes
    payload: bytes = b""
    children: list[Box] = field(default_factory=list)

    def child(self, *path: bytes) -> Box:
        """The box at `path` below this one.

        Raises:
            BoxDamaged: there is none.
        """
        found = self.find(*path)
        if found is None:
            raise BoxDamaged(f"expected {b'.'.join(path).decode()}, found none")
        return found

    def find(self, *path: bytes) -> Box | None:
        """The box at `path` below this one, or None."""
        box: Box | None = self
        for kind in path:
            box = next((each for each in box.children if each.kind == kind), None) if box else None
        return box

    def put(self, kind: bytes, payload: bytes) -> None:
        """Replace what is inside the child `kind`, or add one."""
        box = self.find(kind)
        if box is None:
            self.children.append(Box(kind, payload))
        else:
            box.payload = payload

    def remove(self, kind: bytes) -> None:
        """Take the child `kind` out; harmless when there is none."""
        self.children = [each for each in self.children if each.kind != kind]

    def to_bytes(self) -> bytes:
        """The box as bytes of a file."""
        inside = b"".join(each.to_bytes() for each in self.children) or self.payload
        return struct.pack(">I4s", HEADER_BYTES + len(inside), self.kind) + inside


def read_box(data: bytes, at: int, end: int) -> tuple[Box, int]:
    """The box at `at`, which may go on to `end` at the most, and where it ends.

    Raises:
        BoxDamaged: it does not fit, or something inside it does not.
    """
    size, kind = header(data, at, end)
    stop = at + size
    if kind not in _CONTAINERS:
        return Box(kind, data[at + HEADER_BYTES : stop]), stop
    children = []
    inner = at + HEADER_BYTES
    while inner < stop:
        child, inner = read_box(data, inner, stop)
        children.append(child)
    return Box(kind, children=children), stop


def header(data: bytes, at: int, end: int) -> tuple[int, bytes]:
    """Size (whole) and kind of the box at `at`; the long form of the size is not for boxes of a header.

    Raises:
        BoxDamaged: it does not fit before `end`.
    """
    if at + HEADER_BYTES > end:
        raise BoxDamaged("expected a box, found the end")
    size, kind = struct.unpack_from(">I4s", data, at)
    if size < HEADER_BYTES or at + size > end:
        raise BoxDamaged(f"expected a size from 8 to {end - at}, found {size}")
    return size, kind

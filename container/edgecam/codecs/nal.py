"""NAL units, the parts that H.264 and H.265 pictures are made of, as far as whole and damaged ones differ.

In MP4 each has its length before it, four bytes (ISO/IEC 14496-15, 5.3.3). What a power cut has kept from the
disk reads as zeros, a sector of 512 bytes at least.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LENGTH_BYTES = 4
_HOLE = bytes(64)
"""No unit has this many zeros in a row: after two of them the coder puts a 3 (H.264 and H.265, 7.3.1)."""
_H264_PICTURE = range(1, 6)  # slices; H.264, table 7-1
_H264_BEFORE_PICTURE = (*range(6, 10), *range(14, 19))  # H.264, 7.4.1.2.3
_H265_PICTURE = range(32)  # H.265, table 7-1
_H265_BEFORE_PICTURE = (*range(32, 36), 39, *range(41, 45), *range(48, 56))  # H.265, 7.4.2.4.4
_H264_KEYFRAME = (5,)
_H265_KEYFRAME = range(16, 24)


@dataclass(frozen=True, slots=True)
class Picture:
    """An access unit among others.

    Attributes:
        offset: Where it begins.
        size: Its bytes, lengths included.
        is_keyframe: Whether it can be decoded alone.
    """

    offset: int
    size: int
    is_keyframe: bool


def units(data: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of each unit in `data`, its length not included, up to the first that is not whole."""
    at = 0
    while at + LENGTH_BYTES < len(data):
        begin = at + LENGTH_BYTES
        end = begin + int.from_bytes(data[at:begin], "big")
        if end == begin or end > len(data) or not _is_whole(data[begin:end]):
            return
        yield begin, end
        at = end


def is_whole_picture(data: bytes) -> bool:
    """Whether `data` is nothing but whole units."""
    at = 0
    for _, end in units(data):
        at = end
    return at == len(data) and at > 0


def pictures(data: bytes, *, is_h265: bool) -> list[Picture]:
    """The whole pictures that follow each other in `data`. The last is left out: only the beginning
    of a next one would show that it is whole."""
    found: list[Picture] = []
    begun, has_slice, is_keyframe = 0, False, False
    for begin, end in units(data):
        kind = _kind(data[begin], is_h265=is_h265)
        is_slice = kind in (_H265_PICTURE if is_h265 else _H264_PICTURE)
        begins = (
            _begins_picture(data[begin:end], is_h265=is_h265)
            if is_slice
            else kind in (_H265_BEFORE_PICTURE if is_h265 else _H264_BEFORE_PICTURE)
        )
        if has_slice and begins:
            at = begin - LENGTH_BYTES
            found.append(Picture(begun, at - begun, is_keyframe))
            begun, has_slice, is_keyframe = at, False, False
        if is_slice and not has_slice:
            has_slice = True
            is_keyframe = kind in (_H265_KEYFRAME if is_h265 else _H264_KEYFRAME)
    return found


def _kind(header: int, *, is_h265: bool) -> int:
    return (header >> 1) & 0x3F if is_h265 else header & 0x1F


def _begins_picture(unit: bytes, *, is_h265: bool) -> bool:
    """Of a slice: whether it is the first of its picture. By the first bit after the header:
    first_slice_segment_in_pic_flag in H.265, first_mb_in_slice (0 is coded as a single 1) in H.264."""
    header_bytes = 2 if is_h265 else 1
    return len(unit) > header_bytes and bool(unit[header_bytes] & 0x80)


def _is_whole(unit: bytes) -> bool:
    # The first bit is always 0; the last byte never is, for a unit ends in a set bit.
    return not unit[0] & 0x80 and unit[-1] != 0 and _HOLE not in unit

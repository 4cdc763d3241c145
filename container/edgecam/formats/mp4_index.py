"""The index of a fragmented MP4 file (`sidx`, ISO/IEC 14496-12, 8.16.3): where decoding can begin, and when.

It has a fixed place, so it has a largest size: a chunk of an hour names each keyframe no longer, but every
second, fourth, … one. So neither file nor memory grow with the length of a chunk.
"""

from __future__ import annotations

import struct

from edgecam.formats.mp4_boxes import HEADER_BYTES, box, full_box

ENTRIES = 64
"""As many as a chunk of 10 s has seldom, and two minutes of a camera with a keyframe every 2 s."""
_ENTRY_BYTES, _FIXED_BYTES = 12, 32
INDEX_BYTES = _FIXED_BYTES + ENTRIES * _ENTRY_BYTES
_SIZE_LIMIT = 1 << 31
_TIME_LIMIT = 1 << 32
_BEGINS_WITH_KEYFRAME = 1 << 31


class Index:
    """What is known of a file's fragments. Grows up to `ENTRIES` and no further.

    Args:
        track_id: Of the pictures.
        timescale: Units a second of its times.
    """

    def __init__(self, track_id: int, timescale: int) -> None:
        self._track_id, self._timescale = track_id, timescale
        self._begins: list[int] = []
        self._sizes: list[int] = []
        self._every = 1
        self._keyframes = 0

    def add(self, size_bytes: int, begin: int, *, is_keyframe: bool) -> None:
        """The next fragment.

        Args:
            size_bytes: With all that follows it up to the next one.
            begin: When its first picture is shown, in the track's time without its lead.
            is_keyframe: Whether that can be decoded alone.
        """
        if is_keyframe or not self._sizes:
            if self._keyframes % self._every == 0:
                # A stamp that is a little off is no time before the one before.
                self._begins.append(max([0, begin, *self._begins[-1:]]))
                self._sizes.append(0)
            self._keyframes += 1
        self._sizes[-1] += size_bytes
        if len(self._sizes) > ENTRIES:
            self._halve()

    def to_bytes(self, end: int) -> bytes:
        """The index and what is left of its place, `INDEX_BYTES` in all. Of a file that is too large for one,
        the place is left free.

        Args:
            end: When the last picture ends, in the same time.
        """
        first = self._begins[0] if self._begins else end
        ends = [*self._begins[1:], max([end, *self._begins[-1:]])]
        durations = [later - earlier for earlier, later in zip(self._begins, ends, strict=False)]
        if not durations or max(self._sizes) >= _SIZE_LIMIT or max(first, *durations) >= _TIME_LIMIT:
            return box(b"free", bytes(INDEX_BYTES - HEADER_BYTES))
        left = INDEX_BYTES - _FIXED_BYTES - len(durations) * _ENTRY_BYTES
        entries = (
            struct.pack(">III", size, duration, _BEGINS_WITH_KEYFRAME)
            for size, duration in zip(self._sizes, durations, strict=True)
        )
        # `left` is 0 or more than a header: both kinds of bytes come in twelves.
        fixed = struct.pack(">IIIIHH", self._track_id, self._timescale, first, left, 0, len(durations))
        sidx = full_box(b"sidx", 0, fixed, *entries)
        return sidx + (box(b"free", bytes(left - HEADER_BYTES)) if left else b"")

    def _halve(self) -> None:
        """Every second entry goes on to where the one after it did."""
        sizes = [*self._sizes, 0] if len(self._sizes) % 2 else self._sizes
        self._begins = self._begins[::2]
        self._sizes = [first + second for first, second in zip(sizes[::2], sizes[1::2], strict=True)]
        self._every *= 2

"""Decoding times (DTS), which containers want and cameras do not send. Plain values, no pipeline.

Without B-frames the DTS of a picture is its presentation time (PTS). With them pictures are sent in the order
of decoding, and the DTS of one is the PTS of the picture `depth` places before it in the order of showing;
the depth is how far the stream reorders.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable

from edgecam.clock import NS_PER_S

DEPTH_LIMIT = 16
"""The most that H.264 and H.265 allow."""
_DEFAULT_INTERVAL_NS = NS_PER_S // 30
_LATEST = 30


def reorder_depth(pts_ns: Iterable[int]) -> int:
    """How many pictures, at most, were sent before one that is shown before them.

    Args:
        pts_ns: Presentation times, in the order of decoding.
    """
    depth = 0
    seen: list[int] = []
    for pts in pts_ns:
        depth = max(depth, sum(earlier > pts for earlier in seen[-DEPTH_LIMIT:]))
        seen.append(pts)
    return depth


class PtsTracker:
    """Repairs presentation times that are missing or doubled, and learns how far pictures are apart."""

    def __init__(self) -> None:
        self._latest_ns: deque[int] = deque(maxlen=_LATEST)

    @property
    def interval_ns(self) -> int:
        """How far pictures are apart, on the average, in whatever order they come."""
        latest = self._latest_ns
        if len(latest) < 2:
            return _DEFAULT_INTERVAL_NS
        return max(1, (max(latest) - min(latest)) // (len(latest) - 1))

    def repaired(self, pts_ns: int | None) -> int | None:
        """The presentation time, the next one where it is missing; None before the first."""
        latest = self._latest_ns
        if pts_ns is None or (latest and pts_ns == latest[-1]):
            if not latest:
                return None
            pts_ns = latest[-1] + self.interval_ns
        latest.append(pts_ns)
        return pts_ns


class DtsGenerator:
    """Makes the decoding times of one chunk.

    Args:
        depth: How far the stream reorders, pictures.
        first_ns: When the chunk's first picture is shown, nanoseconds.
        interval_ns: How far pictures are apart, nanoseconds.
    """

    def __init__(self, *, depth: int, first_ns: int, interval_ns: int) -> None:
        # `depth` pictures are decoded before the first is shown.
        self._waiting = [first_ns - (place + 1) * interval_ns for place in range(depth)]
        heapq.heapify(self._waiting)
        self._last_ns: int | None = None

    def dts_ns(self, pts_ns: int) -> int | None:
        """The DTS of the next picture, shown at `pts_ns`; None when it is reordered further than `depth`."""
        dts_ns = heapq.heappushpop(self._waiting, pts_ns)
        if self._last_ns is not None and dts_ns <= self._last_ns:
            return None
        self._last_ns = dts_ns
        return dts_ns

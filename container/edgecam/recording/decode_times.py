"""The times at which pictures are decoded. Cameras do not send them, containers want them.

A stream without B-frames decodes each picture when it shows it. With them pictures are sent in the order of
decoding, and the time of decoding is the time at which the picture is shown that stands some places earlier
in the order of showing: as many as the stream reorders, its depth. Plain values, no pipeline.
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
        pts_ns: Times of showing, in the order of decoding.
    """
    depth = 0
    seen: list[int] = []
    for pts in pts_ns:
        depth = max(depth, sum(earlier > pts for earlier in seen[-DEPTH_LIMIT:]))
        seen.append(pts)
    return depth


class PtsTracker:
    """Mends times of showing that are missing, and learns how far pictures are apart."""

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
        """The time of showing; None where there is nothing to tell it from."""
        latest = self._latest_ns
        if pts_ns is None or (latest and pts_ns == latest[-1]):
            if not latest:
                return None
            pts_ns = latest[-1] + self.interval_ns
        latest.append(pts_ns)
        return pts_ns


class DtsGenerator:
    """Times of decoding within one chunk.

    Args:
        depth: How far the stream reorders.
        first_ns: When the chunk's first picture is shown.
        interval_ns: How far pictures are apart.
    """

    def __init__(self, *, depth: int, first_ns: int, interval_ns: int) -> None:
        # Before the first picture is shown, as many have to have been decoded as are reordered.
        self._waiting = [first_ns - (place + 1) * interval_ns for place in range(depth)]
        heapq.heapify(self._waiting)
        self._last_ns: int | None = None

    def dts_ns(self, pts_ns: int) -> int | None:
        """When the next picture, shown at `pts_ns`, is decoded; None when it is reordered further."""
        dts_ns = heapq.heappushpop(self._waiting, pts_ns)
        if self._last_ns is not None and dts_ns <= self._last_ns:
            return None
        self._last_ns = dts_ns
        return dts_ns

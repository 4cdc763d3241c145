"""Decoding times (DTS), which containers want and cameras do not send. Plain values, no pipeline.

Without B-frames the DTS of a picture is its presentation time (PTS). With them pictures are sent in the order
of decoding, and the DTS of one is the PTS of the picture `depth` places before it in the order of showing;
the depth is how far the stream reorders.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from itertools import pairwise

from edgecam.clock import NS_PER_S

DEPTH_LIMIT = 16
"""The most that H.264 and H.265 allow."""
TICK_NS = NS_PER_S // 1000
"""The least that times in a chunk grow by: no container's tick is longer."""
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


class OrderTracker:
    """How far a stream reorders now: the most of the present chunk and the two before."""

    def __init__(self) -> None:
        self._latest_ns: deque[int] = deque(maxlen=DEPTH_LIMIT)
        self._newest_ns: int | None = None
        self._former: deque[int] = deque(maxlen=2)
        self._present = 0

    @property
    def depth(self) -> int:
        """How many pictures, at most, are sent before one that is shown before them."""
        return max(self._present, *self._former, 0)

    def expect(self, depth: int) -> None:
        """The stream is known to reorder so far."""
        self._present = max(self._present, depth)

    def observe(self, pts_ns: int) -> None:
        """The next picture, in the order of decoding."""
        newest_ns = self._newest_ns
        if newest_ns is not None and pts_ns < newest_ns:
            self.expect(sum(earlier > pts_ns for earlier in self._latest_ns))
        else:
            self._newest_ns = pts_ns
        self._latest_ns.append(pts_ns)

    def begin_chunk(self) -> None:
        """A chunk begins: what was long ago counts no longer."""
        self._former.append(self._present)
        self._present = 0


class PtsTracker:
    """Repairs presentation times that are missing or doubled, and learns how far pictures are apart."""

    def __init__(self) -> None:
        self._latest_ns: deque[int] = deque(maxlen=_LATEST)
        self._expected_ns = _DEFAULT_INTERVAL_NS

    @property
    def interval_ns(self) -> int:
        """How far pictures are apart, the median, in whatever order they come: a pause is no interval."""
        return _median_step_ns(self._latest_ns) or self._expected_ns

    def expect(self, pts_ns: Iterable[int]) -> None:
        """These times are the next to come, in any order."""
        self._expected_ns = _median_step_ns(pts_ns) or self._expected_ns

    def repaired(self, pts_ns: int | None) -> int | None:
        """The presentation time, the next one where it is missing; None before the first."""
        latest = self._latest_ns
        if pts_ns is None:
            if not latest:
                return None
            pts_ns = latest[-1] + self.interval_ns
        elif latest and pts_ns == latest[-1]:
            pts_ns += TICK_NS  # two pictures cannot be shown at once; the next one has its own time
        latest.append(pts_ns)
        return pts_ns


def _median_step_ns(pts_ns: Iterable[int]) -> int | None:
    shown = sorted(pts_ns)
    steps = sorted(later - earlier for earlier, later in pairwise(shown) if later - earlier > TICK_NS)
    return steps[len(steps) // 2] if steps else None


class DtsGenerator:
    """Makes the decoding times of one chunk.

    Args:
        depth: How far the stream reorders, pictures.
        first_ns: When the chunk's first picture is shown, nanoseconds.
        interval_ns: How far pictures are apart, nanoseconds.
        tick_ns: The least that decoding times grow by, nanoseconds.
    """

    def __init__(self, *, depth: int, first_ns: int, interval_ns: int, tick_ns: int = 1) -> None:
        # `depth` pictures are decoded before the first is shown.
        self._waiting = [first_ns - (place + 1) * interval_ns for place in range(depth)]
        heapq.heapify(self._waiting)
        self._tick_ns = tick_ns
        self._last_ns: int | None = None

    def dts_ns(self, pts_ns: int) -> int | None:
        """The DTS of the next picture, shown at `pts_ns`; None when it is reordered further than `depth`."""
        dts_ns = heapq.heappushpop(self._waiting, pts_ns)
        if self._last_ns is not None:
            dts_ns = max(dts_ns, self._last_ns + self._tick_ns)
        if dts_ns > pts_ns:
            return None
        self._last_ns = dts_ns
        return dts_ns

    def after_last_ns(self) -> int:
        """The DTS of a picture that is reordered further: the next that there is. It is shown then, too."""
        self._last_ns = (self._last_ns or 0) + self._tick_ns
        return self._last_ns

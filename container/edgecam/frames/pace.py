"""Which frames are due, and the timing of the stream they come from."""

from __future__ import annotations

from collections import deque

from edgecam.capture.access_unit import AccessUnit
from edgecam.clock import NS_PER_S

_INTERVALS_KEPT = 3
"""Cameras that adapt their keyframe interval keep it for some intervals; the longest of these counts."""


class FramePacer:
    """Chooses which pictures to take, so that there are `max_fps` a second at the most, evenly spaced."""

    def __init__(self, max_fps: float) -> None:
        self.period_ns = round(NS_PER_S / max_fps)
        self._due_ns: int | None = None

    def is_due(self, pts_ns: int, tolerance_ns: int) -> bool:
        """Whether the picture at `pts_ns` is one to take.

        The due times stand on a grid, so that being early by the tolerance never raises the rate.
        """
        if self._due_ns is None or self._due_ns - pts_ns > 2 * self.period_ns:
            return True  # the first, or a discontinuity
        return pts_ns >= self._due_ns - tolerance_ns

    def at(self, max_fps: float) -> FramePacer:
        """A pacer of another rate that continues this one: no picture comes early by the change."""
        changed = FramePacer(max_fps)
        if self._due_ns is not None:
            changed._due_ns = self._due_ns - self.period_ns + changed.period_ns
        return changed

    def take(self, pts_ns: int) -> None:
        """The picture at `pts_ns` was taken."""
        if self._due_ns is not None and abs(pts_ns - self._due_ns) < self.period_ns:
            self._due_ns += self.period_ns
        else:
            self._due_ns = pts_ns + self.period_ns


class StreamTiming:
    """What a stream's timestamps show: its intervals of keyframes and of frames, and whether it reorders.

    Attributes:
        frame_interval_ns: The average of the latest intervals between pictures; None before the second.
        reorders: Whether pictures are sent in another order than they are shown in.
    """

    def __init__(self) -> None:
        self._keyframe_intervals_ns: deque[int] = deque(maxlen=_INTERVALS_KEPT)
        self._last_keyframe_ns: int | None = None
        self._last_pts_ns: int | None = None
        self.frame_interval_ns: int | None = None
        self.reorders = False

    @property
    def keyframe_interval_ns(self) -> int | None:
        """The longest of the latest intervals between keyframes, or between recovery points where there are
        only these; None before the second."""
        return max(self._keyframe_intervals_ns, default=None)

    def observe(self, unit: AccessUnit) -> None:
        """Learn from the next access unit, in the order of decoding."""
        if self._last_pts_ns is not None:
            step_ns = unit.pts_ns - self._last_pts_ns
            if unit.begins_decoding:
                pass  # what precedes it may not have been seen; a step back is a discontinuity
            elif step_ns > 0:
                self._learn_step(step_ns)
            elif step_ns < 0:
                self.reorders = True
        self._last_pts_ns = unit.pts_ns
        if unit.begins_decoding:
            if self._last_keyframe_ns is not None and unit.pts_ns > self._last_keyframe_ns:
                self._keyframe_intervals_ns.append(unit.pts_ns - self._last_keyframe_ns)
            self._last_keyframe_ns = unit.pts_ns

    def _learn_step(self, step_ns: int) -> None:
        known = self.frame_interval_ns
        # A slow average: one late or lost picture must not look like another frame rate.
        self.frame_interval_ns = step_ns if known is None else known + (step_ns - known) // 16

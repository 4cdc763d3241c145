"""Which pictures are decoded: plain decisions over values, no pipeline.

A coded stream is keyframes, each readable alone, and deltas, each readable only after everything since its
keyframe. Decoding costs ten times what receiving costs, so a `Gate` stands between the two. It is offered
every access unit in the order of decoding and says which of them go to the decoder, and which one is to
become a picture.

- KEYFRAMES: only keyframes are decoded, and only those that are due.
- CATCH_UP: everything since the last keyframe is held. When a picture is due, what is held is decoded in one
  go, and only its last picture is shown. A keyframe makes what is held worthless: it is dropped undecoded.
  One picture a second from a stream with a keyframe every two seconds so decodes half of the stream.
- ALL: everything is decoded. For streams that reorder their pictures, whose decoder runs some pictures late.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Any, NamedTuple

from edgecam.config import Decode
from edgecam.status import DecodeMode

_NS_PER_S = 1_000_000_000

HELD_BYTES_LIMIT = 8_000_000
"""Two keyframe intervals of a very good camera; what is held beyond is decoded early, so that memory stays
flat."""
HELD_NS_LIMIT = 10 * _NS_PER_S
"""Decoding ten seconds in one go takes about a second: longer would make the picture late."""
INTERVAL_TOLERANCE = 0.05
"""Cameras' clocks are not ours: a keyframe interval this much over the wished one still satisfies it."""
_INTERVALS_KEPT = 3
"""Cameras that adapt their keyframe interval do so for some intervals at least; the longest of these
counts."""
_DENSE_FRAMES = 1.5
"""From a picture wanted of less than every 1.5 pictures on, there is nothing to skip: that is ALL, and is
called so."""


class AccessUnit(NamedTuple):
    """One coded picture, whole.

    Attributes:
        pts_ns: When it is to be shown, nanoseconds of the stream's own time.
        is_keyframe: Whether it can be decoded alone.
        size_bytes: Of the coded picture.
        captured_at: When it arrived at the core, UTC.
        arrived_s: The same by the clock that never steps.
        sample: The Gst.Sample; opaque here.
    """

    pts_ns: int
    is_keyframe: bool
    size_bytes: int
    captured_at: datetime
    arrived_s: float
    sample: Any


class Release(NamedTuple):
    """What goes to the decoder now.

    Attributes:
        units: In the order of decoding, at least one.
        shown: The one of them that becomes a picture, or None.
        is_complete: Nothing later will need what was decoded: the decoder may hand out all it has.
    """

    units: tuple[AccessUnit, ...]
    shown: AccessUnit | None
    is_complete: bool


class Pace:
    """Chooses which pictures to take, so that there are `max_fps` a second at the most, evenly spaced."""

    def __init__(self, max_fps: float) -> None:
        self.period_ns = round(_NS_PER_S / max_fps)
        self._due_ns: int | None = None

    def is_due(self, pts_ns: int, tolerance_ns: int) -> bool:
        """Whether the picture at `pts_ns` is one to take.

        The due times stand on a grid, so that being early by the tolerance never raises the rate.
        """
        if self._due_ns is None or self._due_ns - pts_ns > 2 * self.period_ns:
            return True  # the first, or the stream's time began anew
        return pts_ns >= self._due_ns - tolerance_ns

    def at(self, max_fps: float) -> Pace:
        """A pace of another rate that goes on where this one stands: no picture comes early by the change."""
        changed = Pace(max_fps)
        if self._due_ns is not None:
            changed._due_ns = self._due_ns - self.period_ns + changed.period_ns
        return changed

    def take(self, pts_ns: int) -> None:
        """The picture at `pts_ns` was taken."""
        if self._due_ns is not None and abs(pts_ns - self._due_ns) < self.period_ns:
            self._due_ns += self.period_ns
        else:
            self._due_ns = pts_ns + self.period_ns


class Rhythm:
    """What a stream's timestamps show: how often a keyframe comes, how often a picture, and whether they
    reorder."""

    def __init__(self) -> None:
        self._keyframe_intervals_ns: deque[int] = deque(maxlen=_INTERVALS_KEPT)
        self._last_keyframe_ns: int | None = None
        self._last_pts_ns: int | None = None
        self.frame_interval_ns: int | None = None
        self.reorders = False

    @property
    def keyframe_interval_ns(self) -> int | None:
        """The longest of the latest keyframe intervals, or None before the second keyframe."""
        return max(self._keyframe_intervals_ns, default=None)

    def observe(self, unit: AccessUnit) -> None:
        """Learn from the next access unit, in the order of decoding."""
        if self._last_pts_ns is not None:
            step_ns = unit.pts_ns - self._last_pts_ns
            if unit.is_keyframe:
                pass  # what precedes it may not have been seen; a step back is a stream that began anew
            elif step_ns > 0:
                self._learn_step(step_ns)
            elif step_ns < 0:
                self.reorders = True
        self._last_pts_ns = unit.pts_ns
        if unit.is_keyframe:
            if self._last_keyframe_ns is not None and unit.pts_ns > self._last_keyframe_ns:
                self._keyframe_intervals_ns.append(unit.pts_ns - self._last_keyframe_ns)
            self._last_keyframe_ns = unit.pts_ns

    def _learn_step(self, step_ns: int) -> None:
        known = self.frame_interval_ns
        # A slow average: one late or lost picture must not look like another frame rate.
        self.frame_interval_ns = step_ns if known is None else known + (step_ns - known) // 16


class Gate:
    """Decides about one connection's access units. Not safe for threads: it belongs to the capturing one.

    Args:
        max_fps: Pictures a second at the most.
        decode: What the user asked for.
        held_bytes_limit: What may be held at the most, bytes.
        held_ns_limit: And how much of the stream's time, nanoseconds.
    """

    def __init__(
        self,
        *,
        max_fps: float,
        decode: Decode,
        held_bytes_limit: int = HELD_BYTES_LIMIT,
        held_ns_limit: int = HELD_NS_LIMIT,
    ) -> None:
        self._max_fps = max_fps
        self._pace = Pace(max_fps)
        self._decode = decode
        self._held_bytes_limit = held_bytes_limit
        self._held_ns_limit = held_ns_limit
        self.rhythm = Rhythm()
        self.mode = DecodeMode.KEYFRAMES if decode is Decode.KEYFRAMES else DecodeMode.CATCH_UP
        self._has_keyframe = False
        self._held: list[AccessUnit] = []
        self._held_bytes = 0

    def follow(self, max_fps: float) -> None:
        """How many pictures a second there are to be from now on. Which way of decoding that takes is decided
        at the next keyframe."""
        if max_fps != self._max_fps:
            self._max_fps, self._pace = max_fps, self._pace.at(max_fps)

    def offer(self, unit: AccessUnit, *, at_once: bool = False) -> Release | None:
        """Take the next access unit; returns what is to be decoded now, or None.

        Args:
            unit: The access unit.
            at_once: A picture is wanted now, due or not; one that is decoded alone has to be a keyframe. The
                pictures after it come when they would have come without.
        """
        self.rhythm.observe(unit)
        if unit.is_keyframe:
            self._has_keyframe = True
            self._drop_held()
            self.mode = self._decide()
        elif not self._has_keyframe:
            return None
        elif self.mode is DecodeMode.CATCH_UP and self.rhythm.reorders:
            # What is held goes first: the decoder needs it before what follows.
            self.mode = self._decide()
        if self.mode is DecodeMode.KEYFRAMES:
            return self._keyframe_alone(unit, at_once) if unit.is_keyframe else None
        return self._with_what_it_needs(unit, at_once)

    def restart(self) -> None:
        """The decoder has lost its thread: nothing until the next keyframe."""
        self._has_keyframe = False
        self._drop_held()

    def _decide(self) -> DecodeMode:
        if self._decode is Decode.KEYFRAMES:
            return DecodeMode.KEYFRAMES
        if self._decode is Decode.ALL:
            return DecodeMode.ALL
        period_ns = self._pace.period_ns
        interval_ns = self.rhythm.keyframe_interval_ns
        if interval_ns is not None and interval_ns <= period_ns * (1 + INTERVAL_TOLERANCE):
            return DecodeMode.KEYFRAMES
        frame_ns = self.rhythm.frame_interval_ns
        if self.rhythm.reorders or (frame_ns is not None and period_ns < _DENSE_FRAMES * frame_ns):
            return DecodeMode.ALL
        return DecodeMode.CATCH_UP

    def _keyframe_alone(self, unit: AccessUnit, at_once: bool) -> Release | None:
        is_due = self._is_due(unit, round(self._pace.period_ns * INTERVAL_TOLERANCE))
        return Release((unit,), unit, is_complete=True) if is_due or at_once else None

    def _with_what_it_needs(self, unit: AccessUnit, at_once: bool) -> Release | None:
        is_due = self._is_due(unit, (self.rhythm.frame_interval_ns or 0) // 2) or at_once
        self._held.append(unit)
        self._held_bytes += unit.size_bytes
        if not is_due and self.mode is DecodeMode.CATCH_UP and not self._is_too_much_held():
            return None
        release = Release(tuple(self._held), unit if is_due else None, is_complete=False)
        self._drop_held()
        return release

    def _is_due(self, unit: AccessUnit, tolerance_ns: int) -> bool:
        is_due = self._pace.is_due(unit.pts_ns, tolerance_ns)
        if is_due:
            self._pace.take(unit.pts_ns)
        return is_due

    def _is_too_much_held(self) -> bool:
        span_ns = self._held[-1].pts_ns - self._held[0].pts_ns
        return self._held_bytes > self._held_bytes_limit or span_ns > self._held_ns_limit

    def _drop_held(self) -> None:
        self._held = []
        self._held_bytes = 0

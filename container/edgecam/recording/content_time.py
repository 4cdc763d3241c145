"""When a recorded picture was taken, UTC: the times in the names of chunks.

A connection's time line (`capture/time_line.py`) measures how far two pictures are apart, not when they were
taken. That is known from the camera (RTCP sender reports) or, where it sends none, from the arrival at the
core. Both may be wrong, and the core's clock may step. So a camera's time line is extrapolated, as ships do
it (dead reckoning); design/time-line.md has the reasoning:

1. Within one connection a chunk starts as long after the one before as its first picture comes after that
   one's, whatever any clock says meanwhile: chunks join with neither gap nor overlap.
2. From connection to connection the monotonic clock measures how much is missing.
3. The camera's clock is the reference as long as it is within `SENDER_TRUST` of arrival, else arrival is.
4. Where extrapolation and reference differ by less than `FAR`, the difference is slewed, as NTP does: half a
   millisecond a second. That follows a stream whose clock drifts. A new connection starts at the reference,
   since there is a gap anyway, unless they differ by `STEP`.
5. Where they differ by more, a clock has stepped. That is not followed unless it lasts: after `STEP_LASTS_S`
   a step forward is taken at the next chunk, as a gap in its metadata. A step back never is: it would
   overwrite or reorder what is recorded; it is slewed. A clock that was not set yet (a core without a battery
   begins in 1970) is left as soon as it is set.
6. Starts grow strictly, and no chunk starts before the one before it ends.

Plain values, no pipeline. Not safe for threads: it belongs to one camera's recorder.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from edgecam.clock import NS_PER_S

log = logging.getLogger(__name__)

SENDER_TRUST = timedelta(seconds=2)
"""A camera whose clock is further from the core's has no time server, and the core has: arrival counts."""
_SENDER_DOUBT = timedelta(seconds=3)
"""Further than that it is trusted no longer; the second between the two is jitter."""
IN_STEP = timedelta(milliseconds=100)
"""Differences up to this are jitter of the network and are left alone."""
FAR = timedelta(seconds=2)
"""More is no drift: a clock has stepped."""
STEP = timedelta(seconds=10)
"""The same from one connection to the next, where the core's clock may have been slewed meanwhile."""
STEP_LASTS_S = 45.0
"""How long a step has to last before it is followed: with the rest of a chunk, names are back in a minute."""
SLEW = 0.0005
"""Half a millisecond a second, the most that NTP slews; the worst crystals drift a fifth of it."""
CLOCK_IS_SET = datetime(2025, 1, 1, tzinfo=UTC)
"""A time before this edgecam was made is that of a clock that was never set."""
_WINDOW_S = 60.0
"""Delays are measured against the least one of this time."""
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Arrival:
    """When a picture arrived, by all clocks.

    Attributes:
        pts_ns: Its place in the stream, nanoseconds.
        now: The core's time of day, UTC.
        now_s: The same moment by the monotonic clock.
        taken: When it was taken by the camera's clock, UTC, or None.
    """

    pts_ns: int
    now: datetime
    now_s: float
    taken: datetime | None = None


class MinDelay:
    """The least delay between a picture's place in the stream and its arrival, over one to two minutes."""

    def __init__(self) -> None:
        self._begun_s: float | None = None
        self._former_s: float | None = None
        self._shortest_s = 0.0

    def observe(self, pts_ns: int, now_s: float) -> None:
        """A picture has arrived."""
        delay_s = now_s - pts_ns / NS_PER_S
        if self._begun_s is None or now_s - self._begun_s >= _WINDOW_S:
            self._former_s = None if self._begun_s is None else self._shortest_s
            self._begun_s, self._shortest_s = now_s, delay_s
        self._shortest_s = min(self._shortest_s, delay_s)

    def arrival_s(self, pts_ns: int) -> float:
        """When the picture at `pts_ns` would have arrived with the least delay, by the monotonic clock."""
        known = self._shortest_s if self._former_s is None else min(self._shortest_s, self._former_s)
        return pts_ns / NS_PER_S + known


class Boundary(NamedTuple):
    """Where one chunk ends and the next begins.

    Attributes:
        end: When the first picture of the next chunk was taken, in the time of the chunk before, UTC.
        start: The same in the time of the next chunk: later when a clock was set forward, else equal.
    """

    end: datetime
    start: datetime


@dataclass(frozen=True)
class _Anchor:
    """A point of the time line that later ones are extrapolated from."""

    time: datetime
    pts_ns: int
    arrival_s: float
    connection: int


class ContentTime:
    """One camera's time line, over all its connections.

    Args:
        camera_id: The camera, for the log.
    """

    def __init__(self, camera_id: str) -> None:
        self._camera_id = camera_id
        self._connection = 0
        self._delay = MinDelay()
        self._arrival: Arrival | None = None
        self._seen_s = 0.0
        self._trusts_sender: bool | None = None
        self._warned_of_sender = False
        self._anchor: _Anchor | None = None
        self._floor: datetime | None = None
        self._may_settle = False
        self._step_since_s: float | None = None

    def connect(self) -> None:
        """A new time line begins, with a clock of its own: a connection, or a discontinuity."""
        self._connection += 1
        self._delay = MinDelay()
        self._arrival = None
        self._trusts_sender = None

    def observe(self, arrival: Arrival) -> None:
        """Learn from the newest picture, about once a second."""
        self._delay.observe(arrival.pts_ns, arrival.now_s)
        self._arrival, self._seen_s = arrival, arrival.now_s
        if arrival.taken is not None:
            is_first = self._trusts_sender is None
            self._judge_sender(arrival, arrival.taken)
            if is_first:
                self._settle()
        self._watch_step(arrival.pts_ns)

    @property
    def start(self) -> datetime:
        """When the present chunk started, UTC. May change while the first chunk of a connection is written:
        some cameras send their first report after some seconds.

        Raises:
            RuntimeError: no chunk has begun, which is a mistake in this program.
        """
        if self._anchor is None:
            raise RuntimeError("expected a chunk to have begun")
        return _whole_ms(self._anchor.time)

    def boundary_at(self, pts_ns: int) -> Boundary:
        """A chunk begins with the picture at `pts_ns`.

        Raises:
            RuntimeError: nothing was observed since the connection began, which is a mistake in this program.
        """
        reference = self._reference(pts_ns)
        anchor = self._anchor
        if anchor is None:
            boundary = Boundary(reference, reference)
        else:
            boundary = self._extrapolate(anchor, pts_ns, reference)
            self._floor = boundary.end
        self._may_settle = anchor is None or anchor.connection != self._connection
        # Anchors keep their microseconds, so that roundings do not add up; only the answer is rounded.
        self._anchor = _Anchor(boundary.start, pts_ns, self._delay.arrival_s(pts_ns), self._connection)
        return Boundary(_whole_ms(boundary.end), _whole_ms(boundary.start))

    def end_at(self, pts_ns: int) -> datetime:
        """When the present chunk ends whose last picture is shown until `pts_ns`: nothing follows it at once.

        Raises:
            RuntimeError: no chunk has begun, which is a mistake in this program.
        """
        anchor = self._anchor
        if anchor is None:
            raise RuntimeError("expected a chunk to have begun")
        end = anchor.time + timedelta(microseconds=max(1000, (pts_ns - anchor.pts_ns) // 1000))
        self._anchor = _Anchor(end, pts_ns, self._delay.arrival_s(pts_ns), anchor.connection)
        self._may_settle = False
        return _whole_ms(end)

    def _settle(self) -> None:
        """The first sender report came only now: correct the chunk that was named by arrival and is still
        open."""
        anchor = self._anchor
        if not self._may_settle or not self._trusts_sender or anchor is None:
            return
        self._may_settle = False
        start = self._reference(anchor.pts_ns)
        if abs(start - anchor.time) <= STEP:
            self._anchor = replace(anchor, time=start if self._floor is None else max(start, self._floor))

    def _reference(self, pts_ns: int) -> datetime:
        """When the picture at `pts_ns` was taken, by the clock that is trusted."""
        seen = self._arrival
        if seen is None:
            raise RuntimeError("expected a picture to have been observed")
        if seen.taken is not None and self._trusts_sender:
            return seen.taken + timedelta(microseconds=(pts_ns - seen.pts_ns) // 1000)
        return self._by_arrival(seen, pts_ns)

    def _by_arrival(self, seen: Arrival, pts_ns: int) -> datetime:
        return seen.now + timedelta(seconds=self._delay.arrival_s(pts_ns) - seen.now_s)

    def _judge_sender(self, arrival: Arrival, taken: datetime) -> None:
        # Held against the least delay: after a stall reports are as late as pictures.
        apart = abs(taken - self._by_arrival(arrival, arrival.pts_ns))
        self._trusts_sender = apart <= (_SENDER_DOUBT if self._trusts_sender else SENDER_TRUST)
        if not self._trusts_sender and not self._warned_of_sender:
            self._warned_of_sender = True
            log.warning(
                "expected the camera's clock to agree with the core's within %g s, found them %g s apart: "
                "recordings are named by the time of arrival; set a time server at the camera",
                SENDER_TRUST.total_seconds(),
                round(apart.total_seconds()),
                extra={"camera": self._camera_id},
            )

    def _extrapolate(self, anchor: _Anchor, pts_ns: int, reference: datetime) -> Boundary:
        """Where the chunk before ends, or what is missing after it, and where the next starts (dead
        reckoning)."""
        is_joined = anchor.connection == self._connection
        if is_joined:
            passed = timedelta(microseconds=(pts_ns - anchor.pts_ns) // 1000)
        else:
            passed = timedelta(seconds=self._delay.arrival_s(pts_ns) - anchor.arrival_s)
        expected = anchor.time + max(_MILLISECOND, passed)
        if is_joined:
            reference = self._judged(expected, reference, pts_ns)
        apart = reference - expected
        if abs(apart) > (FAR if is_joined else STEP):
            if not self._is_step_followed(expected, reference):
                return Boundary(expected, expected)
            if apart > FAR:
                return Boundary(expected, reference)
        else:
            self._step_since_s = None
            if not is_joined:
                return Boundary(anchor.time, max(reference, anchor.time + _MILLISECOND))
            if abs(apart) <= IN_STEP:
                return Boundary(expected, expected)
        most = max(_MILLISECOND, passed) * SLEW
        slewed = expected + max(-most, min(most, apart))
        return Boundary(slewed, slewed)

    def _watch_step(self, pts_ns: int) -> None:
        """Learn between chunks how long a step has lasted: a chunk may be an hour long."""
        anchor = self._anchor
        if anchor is None or anchor.connection != self._connection:
            return
        expected = anchor.time + timedelta(microseconds=(pts_ns - anchor.pts_ns) // 1000)
        reference = self._judged(expected, self._reference(pts_ns), pts_ns)
        if abs(reference - expected) <= FAR:
            self._step_since_s = None
        else:
            self._note_step(expected, reference)

    def _judged(self, expected: datetime, reference: datetime, pts_ns: int) -> datetime:
        """The reference, or arrival where that is far: only the core's own clock makes a step."""
        if self._arrival is None or abs(reference - expected) <= FAR:
            return reference
        return self._by_arrival(self._arrival, pts_ns)

    def _note_step(self, expected: datetime, reference: datetime) -> float:
        """A clock has stepped; returns since when, monotonic seconds."""
        if self._step_since_s is None:
            self._step_since_s = self._seen_s
            log.warning(
                "the clock stepped by %+.0f s; the recording's times go on as before for %g s",
                (reference - expected).total_seconds(),
                STEP_LASTS_S,
                extra={"camera": self._camera_id},
            )
        return self._step_since_s

    def _is_step_followed(self, expected: datetime, reference: datetime) -> bool:
        """Whether a clock that has stepped is followed: it was never set before, or the step has lasted."""
        since_s = self._note_step(expected, reference)
        was_unset = expected < CLOCK_IS_SET <= reference
        if not was_unset and self._seen_s - since_s < STEP_LASTS_S:
            return False
        if reference > expected:
            self._step_since_s = None
        return True


def _whole_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

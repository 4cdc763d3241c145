"""Where each picture stands on its connection's time line, whatever its stream stamps. Values, no pipeline.

Three witnesses say when a picture was taken: its stamp (RTP), its arrival at the core, and the camera's
report (RTCP). Each may be wrong; design/time-line.md has the reasoning. Here stamps are held against arrival:

1. A stamp that is near the one before, or as far from it as arrival is, is believed to the nanosecond. A
   stream without faults is passed on as it is.
2. Any other is bridged: the picture stands one interval after the one before. If the next stamp goes on
   where the old ones were, it was a stray; if it goes on from the odd one, the stream's clock has leapt, and
   the rest is moved by as much. Nothing is lost either way.
3. No picture arrives before it is taken. A time line that says so for more than `TOLERANCE` belongs to a
   clock that runs fast: it is slowed down to the pace of arrival.
4. Pictures may arrive late, since networks do that. Only when all have been late for `LATE_NS` (or, with the
   camera's report on arrival's side, for `WINDOW_NS`) is the clock a slow one, and sped up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from edgecam.clock import NS_PER_S

NEAR_NS = NS_PER_S
"""How far stamps of neighbours are apart at the most, in either direction: pictures are reordered by less."""
TOLERANCE_NS = NS_PER_S
"""How far time line and arrival may differ before one of the two is wrong: more than jitter, less than names
may be off."""
SETTLING_NS = 3 * NS_PER_S
"""So long the least delay is learnt freely: cameras and servers begin with what they have kept, in a
hurry."""
WINDOW_NS = 8 * NS_PER_S
"""A pace is measured over this time: from its first half to its second."""
UNSURE_NS = NS_PER_S // 4
"""Where arrival is known less exactly than that (a picture a second, polled once a second), over twice of
it."""
LATE_NS = 20 * NS_PER_S
"""A network that delays everything for longer is taken for a slow clock: cameras keep less than that."""
UNPACED_NS = 60 * NS_PER_S
"""How far a stamp may be ahead that no arrival confirms: a pipe is fed faster than real time."""
_SAMPLE_NS = NS_PER_S
_APPROACH_NS = 15 * NS_PER_S
"""The time constant with which a time line that was off comes back."""
_SETTLED_NS = NS_PER_S // 5
_SAME_PACE = 0.03
_LATEST = 16
_DEFAULT_INTERVAL_NS = NS_PER_S // 30
_WRAP = 2**63


class Placed(NamedTuple):
    """Where a picture stands.

    Attributes:
        line_ns: Nanoseconds of the time line; the first is the stamp of the first picture.
        is_back: Whether its stamp goes back by more than pictures are reordered: a stray, or the first after
            a leap.
    """

    line_ns: int
    is_back: bool = False


def signed(stamp_ns: int) -> int:
    """A time of GStreamer, unsigned with 64 bits, as what it stands for: below zero where a stamp went back
    behind the first."""
    return stamp_ns - 2 * _WRAP if stamp_ns >= _WRAP else stamp_ns


class TimeLine:
    """One connection's time line. Not safe for threads.

    Args:
        is_paced: Whether pictures arrive as they are taken (a camera), or as fast as they are read (a pipe).
    """

    def __init__(self, *, is_paced: bool = True) -> None:
        self._is_paced = is_paced
        self._bridge = Bridge()
        self._pace = Pace()
        self._newest_ns = 0
        self._arrived_ns: int | None = None

    def place(
        self,
        stamps_ns: Sequence[int],
        *,
        arrived_s: float,
        within_s: float = 0.0,
        taken_s: float | None = None,
    ) -> list[Placed]:
        """Place the next pictures, in the order of decoding.

        Args:
            stamps_ns: What the stream stamps them with, nanoseconds, at least one.
            arrived_s: When the last of them had arrived, seconds of the clock that never steps.
            within_s: All of them arrived within so many seconds before.
            taken_s: When the last was taken by the camera's report, seconds of the camera's clock; None
                where it sends none.
        """
        arrived_ns = max(round(arrived_s * NS_PER_S), self._arrived_ns or 0)
        before_ns = self._arrived_ns
        earliest_ns = arrived_ns - round(within_s * NS_PER_S)
        placed = []
        for index, stamp_ns in enumerate(stamps_ns):
            # The first had to come after the batch before, and those behind it at once.
            passed_ns = 0 if index or before_ns is None else max(0, earliest_ns - before_ns)
            if not index and before_ns is not None and not self._bridge.knows_interval:
                passed_ns = arrived_ns - before_ns
            following_ns = stamps_ns[index + 1] if index + 1 < len(stamps_ns) else None
            unbroken_ns, is_back = self._bridge.place(
                stamp_ns, following_ns, ahead_ns=self._ahead_ns(arrived_ns), passed_ns=passed_ns
            )
            line_ns = max(0, self._pace.line_ns(unbroken_ns))
            self._newest_ns = max(self._newest_ns, line_ns)
            placed.append(Placed(line_ns, is_back))
        self._arrived_ns = arrived_ns
        if self._is_paced and self._bridge.newest_ns is not None:
            taken_ns = None if taken_s is None else round(taken_s * NS_PER_S)
            # The newest has arrived since the poll before, and since the picture before.
            unsure_ns = round(within_s * NS_PER_S)
            if unsure_ns and self._bridge.knows_interval:
                unsure_ns = min(unsure_ns, self._bridge.interval_ns)
            self._pace.observe(self._bridge.newest_ns, arrived_ns, unsure_ns, taken_ns)
        return placed

    @property
    def rate(self) -> float:
        """How much the time line grows in a second of stamps; other than 1 while it follows arrival."""
        return self._pace.rate

    def _ahead_ns(self, arrived_ns: int) -> int:
        """How far ahead of the newest a picture can be that has arrived by now."""
        if not self._is_paced:
            return UNPACED_NS
        latest_ns = self._pace.latest_ns(arrived_ns)
        return NEAR_NS if latest_ns is None else latest_ns - self._newest_ns


class Bridge:
    """Stamps without their strays and leaps: an unbroken time.

    Attributes:
        newest_ns: The latest time of a picture until now; None before the first.
    """

    def __init__(self) -> None:
        self._offset_ns = 0
        self._odd: tuple[int, int] | None = None
        self._latest_ns: deque[int] = deque(maxlen=_LATEST)
        self.newest_ns: int | None = None

    def place(
        self, stamp_ns: int, following_ns: int | None, *, ahead_ns: int, passed_ns: int
    ) -> tuple[int, bool]:
        """The unbroken time of the next picture, and whether its stamp goes back.

        Args:
            stamp_ns: What the stream says.
            following_ns: The stamp of the picture after it, where it is known.
            ahead_ns: How far ahead of the newest it may be by its arrival.
            passed_ns: How long after the newest it came, at the least.
        """
        newest_ns = self.newest_ns
        if newest_ns is None:
            # A first stamp that no stream has time for is not believed either.
            self._offset_ns = 0 if 0 <= stamp_ns < _WRAP // 2 else -stamp_ns
            return self._take(stamp_ns + self._offset_ns), False
        time_ns = stamp_ns + self._offset_ns
        is_stray = self._is_stray(stamp_ns, time_ns, following_ns)
        if not is_stray and self._follows(time_ns - newest_ns, ahead_ns):
            self._odd = None
            return self._take(time_ns), False
        if self._odd is not None and self._follows(stamp_ns - self._odd[0], max(0, ahead_ns)):
            # The second that goes on from there: the stream's clock has leapt.
            self._offset_ns, self._odd = self._odd[1] - self._odd[0], None
            return self._take(stamp_ns + self._offset_ns), False
        is_back = time_ns < newest_ns
        time_ns = newest_ns + max(self.interval_ns, passed_ns)
        self._odd = (stamp_ns, time_ns)
        return self._take(time_ns), is_back

    def _is_stray(self, stamp_ns: int, time_ns: int, following_ns: int | None) -> bool:
        """Whether a stamp that is far ahead is not where the next one goes on."""
        newest_ns = self.newest_ns or 0
        if following_ns is None or time_ns - newest_ns <= NEAR_NS:
            return False
        return (
            abs(following_ns + self._offset_ns - newest_ns) <= NEAR_NS and following_ns < stamp_ns - NEAR_NS
        )

    @property
    def knows_interval(self) -> bool:
        """Whether there have been two pictures with times of their own."""
        return len(set(self._latest_ns)) > 1

    @property
    def interval_ns(self) -> int:
        """How far pictures are apart, the median: a pause is no interval."""
        if not self.knows_interval:
            return _DEFAULT_INTERVAL_NS
        shown = sorted(self._latest_ns)
        steps = sorted(later - earlier for earlier, later in pairwise(shown) if later > earlier)
        return steps[len(steps) // 2]

    def _follows(self, step_ns: int, ahead_ns: int) -> bool:
        """Whether a stamp that is `step_ns` further continues those before."""
        if -NEAR_NS <= step_ns <= max(NEAR_NS, ahead_ns):
            return True
        # Where pictures are more than a second apart, so are neighbours.
        return 0 < step_ns <= self.interval_ns * 3 // 2

    def _take(self, time_ns: int) -> int:
        self._latest_ns.append(time_ns)
        self.newest_ns = time_ns if self.newest_ns is None else max(self.newest_ns, time_ns)
        return time_ns


class _Sample(NamedTuple):
    """The picture with the least delay of about a second."""

    time_ns: int
    arrived_ns: int

    @property
    def delay_ns(self) -> int:
        return self.arrived_ns - self.time_ns


class Pace:
    """Unbroken time at the pace of arrival: as it is while the two agree, else faster or slower.

    Attributes:
        rate: How much the time line grows in a second of unbroken time.
    """

    def __init__(self) -> None:
        self._from_ns = self._to_ns = 0
        self.rate = 1.0
        self._least_ns: int | None = None
        self._begun_ns = self._sampled_ns = 0
        self._samples: deque[_Sample] = deque()
        self._report_ns: int | None = None
        self._unsure_ns = 0

    def line_ns(self, time_ns: int) -> int:
        """The place on the time line of an unbroken time."""
        passed_ns = time_ns - self._from_ns
        return self._to_ns + (passed_ns if self.rate == 1.0 else round(passed_ns * self.rate))

    def latest_ns(self, arrived_ns: int) -> int | None:
        """The last place on the time line that a picture can have which has arrived by then; None where
        nothing is known yet."""
        return None if self._least_ns is None else arrived_ns - self._least_ns + TOLERANCE_NS

    def observe(self, time_ns: int, arrived_ns: int, unsure_ns: int, taken_ns: int | None) -> None:
        """Learn from the newest picture of those that have arrived.

        Args:
            time_ns: Its unbroken time.
            arrived_ns: When it had arrived.
            unsure_ns: By how much that may have been earlier.
            taken_ns: When it was taken, by the camera's report.
        """
        line_ns = self.line_ns(time_ns)
        delay_ns = arrived_ns - line_ns
        if self._least_ns is None:
            self._least_ns, self._begun_ns, self._sampled_ns = delay_ns, arrived_ns, arrived_ns
        if arrived_ns - self._begun_ns < SETTLING_NS:
            self._least_ns = min(self._least_ns, delay_ns)
        late_by_report_ns = self._late_by_report_ns(line_ns, taken_ns)
        sample = _Sample(time_ns, arrived_ns)
        if self._samples and arrived_ns - self._sampled_ns < _SAMPLE_NS:
            if sample.delay_ns < self._samples[-1].delay_ns:
                self._samples[-1] = sample
            return
        self._sampled_ns = arrived_ns
        self._samples.append(sample)
        while arrived_ns - self._samples[0].arrived_ns > LATE_NS:
            self._samples.popleft()
        self._unsure_ns = unsure_ns
        self._follow(time_ns, arrived_ns, self._least_ns, late_by_report_ns)

    def _late_by_report_ns(self, line_ns: int, taken_ns: int | None) -> int | None:
        """By how much the time line lags behind the camera's reports, compared with the first of them."""
        if taken_ns is None:
            return None
        if self._report_ns is None:
            self._report_ns = taken_ns - line_ns
        return taken_ns - line_ns - self._report_ns

    def _follow(self, time_ns: int, arrived_ns: int, least_ns: int, late_by_report_ns: int | None) -> None:
        """Choose the rate from now on."""
        window_ns = WINDOW_NS if self._unsure_ns < UNSURE_NS else 2 * WINDOW_NS
        ages_ns = [(arrived_ns - each.arrived_ns, each) for each in self._samples]
        earlier = [each for age_ns, each in ages_ns if window_ns // 2 < age_ns <= window_ns]
        later = [each for age_ns, each in ages_ns if age_ns <= window_ns // 2]
        line_ns = self.line_ns(time_ns)
        # What a sample's delay is by the present time line.
        lead_ns = time_ns - line_ns - least_ns
        late_ns = quickest_ns = _quickest(later).delay_ns + lead_ns
        measured = 1.0
        if earlier:
            first, last = _quickest(earlier), _quickest(later)
            if last.time_ns > first.time_ns:
                measured = (last.arrived_ns - first.arrived_ns) / (last.time_ns - first.time_ns)
            late_ns = round(last.arrived_ns + (time_ns - last.time_ns) * measured) - line_ns - least_ns
        if self.rate == 1.0:
            is_slow = self._is_slow(arrived_ns, lead_ns, late_ns, earlier, late_by_report_ns)
            if not is_slow and quickest_ns >= -TOLERANCE_NS - self._unsure_ns:
                return
        elif abs(late_ns) < _SETTLED_NS and abs(measured - 1) < _SAME_PACE:
            self._turn(time_ns, line_ns, 1.0)
            return
        self._turn(time_ns, line_ns, measured * (1 + max(-0.5, min(late_ns / _APPROACH_NS, 1.0))))

    def _is_slow(
        self,
        arrived_ns: int,
        lead_ns: int,
        late_ns: int,
        earlier: list[_Sample],
        late_by_report_ns: int | None,
    ) -> bool:
        """Whether pictures come late since their clock is slow, and not since the network is."""
        tolerance_ns = TOLERANCE_NS + self._unsure_ns
        if late_ns <= tolerance_ns:
            return False
        has_waited = arrived_ns - self._samples[0].arrived_ns >= LATE_NS - 2 * _SAMPLE_NS
        if has_waited and _quickest(self._samples).delay_ns + lead_ns > tolerance_ns:
            return True
        agrees = late_by_report_ns is not None and late_ns // 2 < late_by_report_ns < 2 * late_ns
        return agrees and bool(earlier)

    def _turn(self, time_ns: int, line_ns: int, rate: float) -> None:
        self._from_ns, self._to_ns, self.rate = time_ns, line_ns, rate


def _quickest(samples: Sequence[_Sample] | deque[_Sample]) -> _Sample:
    return min(samples, key=lambda each: each.delay_ns)

"""What keeps a camera from being recorded: what health and reports show, and the log.

An outage of a recording lasts until a chunk has been kept whole; one that comes and goes is one outage.
"""

from __future__ import annotations

import logging
from datetime import datetime

from edgecam.chunk import Chunk
from edgecam.clock import NS_PER_S, Clock
from edgecam.recording.chunk_cutter import FIRST_SPARE_NS
from edgecam.recording.steadiness import EARLY_ENDS, LEAST_CHUNK_NS, SETTLED_NS
from edgecam.status.outage import Lines, Outage, OutageLog, OutagePolicy
from edgecam.status.reports import RecordingReport

log = logging.getLogger(__name__)

DISK_REASON = "disk"
"""The spool's disk cannot be written: read-only, broken, full of something else, or it does not answer."""
FULL_REASON = "spool-full"
SLOW_REASON = "slow-disk"
KEYFRAME_REASON = "no-keyframe"
UNSUPPORTED_REASON = "unsupported"
UNSTEADY_REASON = "unsteady"
"""The stream changes its format more often than chunks can follow."""
HANGS_AFTER_S = 30.0
"""A disk that has taken nothing for this long is in trouble: a slow card takes some seconds for a chunk."""
SETTLED_AFTER_S = 600.0
"""A disk that is too slow for half of the day is so for minutes at a time, with whole chunks in between."""
KEYFRAME_WITHIN_S = FIRST_SPARE_NS / NS_PER_S
"""How long pictures may come of which no chunk can begin: with H.264+ and H.265+ minutes pass from keyframe
to keyframe."""
_WAITING_AFTER_S = 5.0
"""From then on it is worth a sentence; most cameras send a keyframe every 1 to 4 s."""
_OUTGROWN = (
    f"expected a keyframe within {FIRST_SPARE_NS / NS_PER_S:g} s, found none: the chunk has ended, and "
    "pictures are left out up to the next one; switch H.264+ or H.265+ (smart codec) off at the camera, or "
    "set a shorter keyframe interval"
)

HANGING = Outage(
    DISK_REASON,
    f"expected the spool's disk to take what is recorded, found it hanging for more than {HANGS_AFTER_S:g} s",
)

_UNSTEADY = (
    f"expected a stream that changes its size, parameter sets or time at most {EARLY_ENDS} times at once "
    f"and then once in {LEAST_CHUNK_NS / NS_PER_S:g} s, found more: it is left out until it has kept to one "
    f"form for {SETTLED_NS / NS_PER_S:g} s; look at the camera's profile and adaptive settings, "
    "or whether two coders share the address"
)
_RECORDING = OutagePolicy(
    lines=Lines("recording", "recording again after %(lasted_s).0f s"),
    needs_person=lambda _: True,  # whatever it is, pictures are lost
    settled_after_s=SETTLED_AFTER_S,
)
_DISK = OutagePolicy(
    lines=Lines("recording", "the spool's disk answers again"),
    needs_person=lambda _: True,
)


def recording_outages(camera_id: str) -> OutageLog:
    """The outages of one camera's recording: `recovered` when a chunk is whole and in the spool."""
    return OutageLog(_RECORDING, log, about={"camera": camera_id})


class ConditionTimer:
    """For how long a condition has held."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def observe(self, holds: bool, now_s: float) -> float:
        """Whether the condition holds at `now_s`; returns for how many seconds it has."""
        if not holds:
            self._since_s = None
            return 0.0
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s


class RecordingStatus:
    """One camera's counts and outages. `report` may be called from any thread, the rest from the recorder's.

    Args:
        camera_id: Whose recording.
        clock: Time.

    Attributes:
        newest_end: When the newest chunk ends that was kept, UTC; None before the first.
    """

    def __init__(self, camera_id: str, clock: Clock) -> None:
        self._clock = clock
        self._about = {"camera": camera_id}
        self._outages = recording_outages(camera_id)
        self._chunks = self._bytes = self._lost = self._lapses = self._outgrown = 0
        self._waiting: str | None = None
        self._behind = ConditionTimer()
        self._chunkless = ConditionTimer()
        self.newest_end: datetime | None = None

    def report(self) -> RecordingReport:
        """How the recording is doing; from any thread."""
        outage = self._outages.outage
        return RecordingReport(
            chunks_total=self._chunks,
            bytes_total=self._bytes,
            lost_total=self._lost,
            problem=None if outage is None else outage.message,
            newest_end=self.newest_end,
            reason=None if outage is None else outage.reason,
            waiting=self._waiting,
        )

    def kept(self, chunk: Chunk, size_bytes: int) -> None:
        """`chunk`, or what plays of it, is in the spool."""
        self.newest_end = chunk.end
        self._chunks += 1
        self._bytes += size_bytes

    def recovered(self) -> None:
        """A chunk was kept whole."""
        self._outages.recovered(self._clock.monotonic_s())

    def lost(self, reason: str, message: str, error: Exception | None = None) -> None:
        """A chunk, or its rest, is lost; with `error` its traceback is logged too."""
        self._lost += 1
        self.failed(reason, message, error)

    def failed(self, reason: str, message: str, error: Exception | None = None) -> None:
        """An outage begins or goes on: `reason` is one word, `message` a sentence for a person."""
        self._outages.lasts(Outage(reason, message), self._clock.monotonic_s(), error)

    def observe_backlog(self, is_behind: bool) -> None:
        """Learn, before each poll, whether the disk has caught up."""
        self._behind.observe(is_behind, self._clock.monotonic_s())

    def observe_lapses(self, lapses: int) -> None:
        """Learn how often, since the start, the stream was left out because it changed too often."""
        if lapses != self._lapses:
            self._lost += lapses - self._lapses
            self._lapses = lapses
            self.failed(UNSTEADY_REASON, _UNSTEADY)

    def observe_outgrown(self, outgrown: int) -> None:
        """Learn how often, since the start, a chunk ended since no keyframe came in time."""
        if outgrown != self._outgrown:
            self._lost += outgrown - self._outgrown
            self._outgrown = outgrown
            self.failed(KEYFRAME_REASON, _OUTGROWN)

    def check(self, *, is_behind: bool, is_chunkless: bool) -> None:
        """After each poll: report what shows by nothing happening, and log again what lasts.

        Args:
            is_behind: Whether the disk is too slow to be given more.
            is_chunkless: Whether pictures come of which no chunk has begun.
        """
        now_s = self._clock.monotonic_s()
        if self._behind.observe(is_behind, now_s) >= HANGS_AFTER_S:
            self.failed(HANGING.reason, HANGING.message)
        chunkless_s = self._chunkless.observe(is_chunkless, now_s)
        self._wait_for_keyframe(chunkless_s)
        if chunkless_s >= KEYFRAME_WITHIN_S and self._outages.outage is None:
            self.failed(
                KEYFRAME_REASON,
                f"expected a keyframe within {KEYFRAME_WITHIN_S:g} s, found pictures that need one; "
                "set a shorter keyframe interval at the camera",
            )
        self._outages.passes(now_s)

    def _wait_for_keyframe(self, chunkless_s: float) -> None:
        """A state with a sentence, no fault: recording begins with the keyframe."""
        if chunkless_s < _WAITING_AFTER_S or self._outages.outage is not None:
            self._waiting = None
        elif self._waiting is None:
            self._waiting = (
                "waits for a keyframe, with which recording begins; for shorter waits switch H.264+ or "
                "H.265+ (smart codec) off at the camera, or set a shorter keyframe interval"
            )
            log.info("recording: %s", self._waiting, extra=self._about)


class DiskWatch:
    """Notices that the recorder waits for a disk that hangs, and cannot log it itself.

    The recorder's thread calls `begins` and `ends`, one other `watch`; `outage` may be called from any.

    Args:
        camera_id: Whose recording.
    """

    def __init__(self, camera_id: str) -> None:
        self._began_s: float | None = None
        self._outages = OutageLog(_DISK, log, about={"camera": camera_id})

    def begins(self, now_s: float) -> None:
        """The recorder begins with what may wait for the disk."""
        self._began_s = now_s

    def ends(self) -> None:
        """The disk has answered."""
        self._began_s = None

    def outage(self, now_s: float) -> Outage | None:
        """What is wrong, if the disk hangs."""
        began_s = self._began_s
        return HANGING if began_s is not None and now_s - began_s >= HANGS_AFTER_S else None

    def watch(self, now_s: float) -> None:
        """Log it where that is due."""
        outage = self.outage(now_s)
        if outage is None:
            self._outages.recovered(now_s)
        else:
            self._outages.lasts(outage, now_s)

"""What keeps a camera from being recorded: what health and reports show, and the log.

An outage of a recording lasts until a chunk has been kept whole; one that comes and goes is one outage.
"""

from __future__ import annotations

import logging

from edgecam.status.outage import Lines, Outage, OutageLog, OutagePolicy

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

HANGING = Outage(
    DISK_REASON,
    f"expected the spool's disk to take what is recorded, found it hanging for more than {HANGS_AFTER_S:g} s",
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

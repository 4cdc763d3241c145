"""How it stands with one camera's recording: what health and reports show, and what the log says of it.

A trouble holds until a chunk has been kept whole. It is said when it begins, once an hour while it lasts, and
when it is over; one that comes and goes is one outage.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from edgecam.redaction import LONGEST_MESSAGE, SECRETS
from edgecam.status.outage import Outage

log = logging.getLogger(__name__)

DISK_REASON = "disk"
"""The spool's disk cannot be written: read-only, broken, full of something else, or it does not answer."""
FULL_REASON = "spool-full"
SLOW_REASON = "slow-disk"
KEYFRAME_REASON = "no-keyframe"
UNSUPPORTED_REASON = "unsupported"
UNSTEADY_REASON = "unsteady"
"""The stream changes its form more often than chunks can follow."""
FAULT_REASON = "fault"
"""The `reason` of what nobody foresaw: a mistake of ours."""
HANGS_AFTER_S = 30.0
"""A disk that has taken nothing for so long is in trouble: a slow card takes some seconds for a chunk."""
SETTLED_AFTER_S = 600.0
"""A disk that is too slow for half of the day is so for minutes at a time, with whole chunks in between."""


@dataclass(frozen=True)
class Trouble:
    """What keeps a camera from being recorded.

    Attributes:
        reason: One word.
        message: A sentence for a person, redacted.
    """

    reason: str
    message: str


HANGING = Trouble(
    DISK_REASON,
    f"expected the spool's disk to take what is recorded, found it hanging for more than {HANGS_AFTER_S:g} s",
)


class RecordingStanding:
    """Keeps what is wrong, and says it. `trouble` may be read from any thread, the rest belongs to one.

    Args:
        camera_id: Whose recording.
    """

    def __init__(self, camera_id: str) -> None:
        self.trouble: Trouble | None = None
        self._about = {"camera": camera_id}
        self._outage = Outage()
        self._well_s: float | None = None

    def failed(self, reason: str, message: str, *, now_s: float, error: Exception | None = None) -> None:
        """Something of the recording is lost, or cannot begin; with `error` its traceback is said too."""
        self.trouble = Trouble(reason, SECRETS.shown(message, LONGEST_MESSAGE))
        self._well_s = None
        self._outage.lasts(now_s)
        self._say(now_s, error)

    def kept(self, now_s: float) -> None:
        """A chunk is whole and in the spool."""
        self.trouble = None
        self._well_s = now_s if self._well_s is None else self._well_s
        lasted_s = self._outage.ended(now_s)
        if lasted_s is not None:
            log.info("recording again after %.0f s", lasted_s, extra=self._about)

    def passes(self, now_s: float) -> None:
        """Time passes: say again what lasts, even where nothing is tried meanwhile."""
        if self.trouble is not None:
            self._say(now_s)
        elif self._well_s is not None and now_s - self._well_s >= SETTLED_AFTER_S:
            self._outage.settled()

    def _say(self, now_s: float, error: Exception | None = None) -> None:
        trouble = self.trouble
        lasting = None if trouble is None else self._outage.due(trouble.reason, now_s)
        if trouble is not None and lasting is not None:
            log.error(
                "recording%s: %s",
                f", {lasting}" if lasting else "",
                trouble.message,
                extra=self._about | {"reason": trouble.reason},
                exc_info=error,
            )


class DiskWatch:
    """Notices that the recorder waits for a disk that hangs, and can say nothing itself.

    The recorder's thread calls `begins` and `ends`, one other `say`; `trouble` may be called from any.

    Args:
        camera_id: Whose recording.
    """

    def __init__(self, camera_id: str) -> None:
        self._about = {"camera": camera_id}
        self._began_s: float | None = None
        self._outage = Outage()

    def begins(self, now_s: float) -> None:
        """The recorder begins with what may wait for the disk."""
        self._began_s = now_s

    def ends(self) -> None:
        """The disk has answered."""
        self._began_s = None

    def trouble(self, now_s: float) -> Trouble | None:
        """What is wrong, if the disk hangs."""
        began_s = self._began_s
        return HANGING if began_s is not None and now_s - began_s >= HANGS_AFTER_S else None

    def say(self, now_s: float) -> None:
        """Say so when it is due."""
        trouble = self.trouble(now_s)
        if trouble is None:
            if self._outage.ended(now_s) is not None:
                log.info("the spool's disk answers again", extra=self._about)
                self._outage.settled()
            return
        self._outage.lasts(now_s)
        lasting = self._outage.due(trouble.reason, now_s)
        if lasting is not None:
            log.error(
                "recording%s: %s", f", {lasting}" if lasting else "", trouble.message, extra=self._about
            )

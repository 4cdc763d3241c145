"""When a node, or what fetches its settings, ends itself so that the nucleus starts it with a new token and
new credentials: values in, decision out.

Both nuclei count. Nucleus Lite's units start three times within an hour (`StartLimitInterval=3600`,
`StartLimitBurst=3`); the classic nucleus calls a component broken after three errors of which each came less
than an hour after the one before. So the first end comes soon, and each further one more than an hour after
the one before: whatever else fails has the other two of both.
"""

from __future__ import annotations

from edgecam.backoff import doubled_s
from edgecam.status.last_run import SelfRestart

LASTS_S = 30.0
"""A token or a port that is dead stays dead, but a nucleus that is being updated ends its components itself
within that time, and systemd starts a daemon again within a second."""
NEXT_END_S = 61 * 60.0
"""An hour is what both nuclei count by."""
LONGEST_S = 8 * 3600.0
"""Where a new start does not help, each costs a few seconds of every camera: three a day at the most."""


class RestartPolicy:
    """Not safe to use from several threads at once.

    Args:
        now_s: When the node was started, by the monotonic clock.
        boot_id: Of the kernel's start.
        last: The last end of this kind, if any is known.
    """

    def __init__(self, now_s: float, boot_id: str, last: SelfRestart | None) -> None:
        self._started_s = now_s
        self._boot_id = boot_id
        self._last = last if last is not None and last.boot_id == boot_id and last.at_s <= now_s else None
        self._is_noted = True
        self._since_s: float | None = None
        self._well_s = 0.0

    def well(self, now_s: float) -> None:
        """Nothing is wrong now."""
        self._well_s = now_s - self._started_s
        self._since_s = None

    def ends_in_s(self, now_s: float) -> float:
        """Something is wrong now: seconds until the node is to end if it lasts; 0 for at once."""
        if self._since_s is None:
            self._since_s = now_s
        allowed_s = self._since_s + LASTS_S
        if not self._is_noted:
            allowed_s = max(allowed_s, self._started_s + NEXT_END_S)
        if self._last is not None:
            pause_s = doubled_s(max(1, self._in_a_row), first_s=NEXT_END_S, longest_s=LONGEST_S)
            allowed_s = max(allowed_s, self._last.at_s + pause_s)
        return max(0.0, allowed_s - now_s)

    def this_end(self, now_s: float) -> SelfRestart:
        """What the next start is to know if the node ends now."""
        return SelfRestart(self._boot_id, now_s, self._in_a_row + 1)

    def not_noted(self) -> None:
        """The next start will know of no end: from now on this start alone has to keep the distance."""
        self._is_noted = False

    @property
    def _in_a_row(self) -> int:
        """Of the ends before: none counts when all was well for long enough since."""
        return 0 if self._last is None or self._well_s >= NEXT_END_S else self._last.in_a_row

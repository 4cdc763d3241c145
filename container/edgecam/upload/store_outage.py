"""How it stands with the bucket: what the report shows, and what the log says of it.

An outage is said when it has begun, now and then while it lasts, and when it is over: not at every attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from edgecam.errors import StoreError, StoreRefused
from edgecam.redaction import LONGEST_MESSAGE, SECRETS
from edgecam.status.outage import Outage

log = logging.getLogger(__name__)

FAULT_REASON = "fault"
"""The `reason` of what is no `StoreError`: a mistake of ours."""
SAID_AFTER_FAILURES = 3
"""A single failure is an everyday matter: it is counted, tried again, and not worth a line."""


@dataclass(frozen=True)
class Trouble:
    """What is wrong.

    Attributes:
        reason: One word.
        message: A sentence for a person, redacted and cut.
    """

    reason: str
    message: str

    @classmethod
    def of(cls, error: Exception) -> Trouble:
        """`error` as others are told."""
        reason = error.reason if isinstance(error, StoreError) else FAULT_REASON
        return cls(reason, SECRETS.shown(str(error) or type(error).__name__, LONGEST_MESSAGE))


class Standing:
    """Keeps what is wrong, and says it. Not safe to use from several threads at once."""

    def __init__(self) -> None:
        self.trouble: Trouble | None = None
        self.failures_total = 0
        self._in_a_row = 0
        self._outage = Outage()

    def failed(self, error: Exception, *, now_s: float, waiting: Callable[[], int]) -> None:
        """An attempt failed; `waiting` knows how many chunks wait."""
        if self.trouble is None:
            self._in_a_row = 0
        self._outage.lasts(now_s)
        self.failures_total += 1
        self._in_a_row += 1
        self.trouble = Trouble.of(error)
        if isinstance(error, StoreRefused):
            self._say(logging.ERROR, "the bucket refuses", now_s, waiting)
        elif self._in_a_row >= SAID_AFTER_FAILURES:
            self._say(logging.WARNING, "the bucket cannot be reached", now_s, waiting)

    def stored(self, *, now_s: float, waiting: Callable[[], int]) -> None:
        """The store has taken something."""
        lasted_s = self._outage.ended(now_s)
        if lasted_s is not None:
            log.info(
                "storing again after %.0f s and %d failed attempts; %d chunks wait",
                lasted_s,
                self._in_a_row,
                waiting(),
            )
        self._outage.settled()
        self.trouble = None

    def _say(self, level: int, what: str, now_s: float, waiting: Callable[[], int]) -> None:
        """The first of its kind, and once an hour."""
        trouble = self.trouble
        lasting = None if trouble is None else self._outage.due(trouble.reason, now_s)
        if trouble is None or lasting is None:
            return
        log.log(
            level,
            "%s: %s; %s%d chunks wait on the core",
            what,
            trouble.message,
            f"{lasting}, " if lasting else "",
            waiting(),
            extra={"reason": trouble.reason},
        )

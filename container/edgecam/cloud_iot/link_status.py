"""How one device's connection is doing: what the report shows, and the log."""

from __future__ import annotations

import logging
import math
from datetime import datetime

from edgecam.clock import Clock
from edgecam.errors import PERSON_NEEDED, BrokerError, CredentialsError
from edgecam.status.outage import FAULT_REASON, Lines, Outage, OutageLog, OutagePolicy
from edgecam.status.reports import LinkReport

log = logging.getLogger(__name__)

KEY_REASON = "key"
QUIET_FAILURES = 2
"""A failure or two are an everyday matter of a network: counted, tried again, and not worth a line."""
QUIET_REFUSALS = 1
"""A first refusal may mean that the key has just been changed; the new one is asked for at once."""


def is_refusal(outage: Outage) -> bool:
    """Whether trying again soon is of little use; a secret may only be waiting for the core's network."""
    return outage.reason in PERSON_NEEDED and outage.reason != KEY_REASON


def _reason_of(error: Exception) -> str:
    if isinstance(error, BrokerError):
        return error.reason
    return KEY_REASON if isinstance(error, CredentialsError) else FAULT_REASON


def _quiet_failures(reason: str) -> int:
    if reason == KEY_REASON:
        return 0
    return QUIET_REFUSALS if reason in PERSON_NEEDED else QUIET_FAILURES


OUTAGES = OutagePolicy(
    lines=Lines(
        "its state is not published for now",
        "its state is published again after %(lasted_s).0f s",
        severe="its state cannot be published",
    ),
    reason_of=_reason_of,
    needs_person=lambda reason: reason in PERSON_NEEDED,
    quiet_failures=_quiet_failures,
    settled_after_s=math.inf,  # `settled` is called: what counts is the age of the connection
)


class LinkStatus:
    """For the session's thread; `report` may be called from any.

    Args:
        camera_id: Whose connection.
        clock: Time.
    """

    def __init__(self, camera_id: str, clock: Clock) -> None:
        self._clock = clock
        self._outages = OutageLog(OUTAGES, log, about={"camera": camera_id})
        self._attempts = 0
        self._is_connected = False
        self._since: datetime | None = None

    def connecting(self) -> None:
        """A connection is begun."""
        self._attempts += 1

    def connected(self) -> None:
        """The bridge has taken the token."""
        self._enter(is_connected=True)

    def disconnected(self) -> None:
        """The connection is lost. Not for one whose token is renewed: it was hardly away."""
        self._enter(is_connected=False)

    def failed(self, error: Exception) -> Outage:
        """An attempt failed, or a connection ended before its time; what is wrong."""
        return self._outages.failed(error, self._clock.monotonic_s())

    def published(self) -> None:
        """The bridge has confirmed a state."""
        self._outages.recovered(self._clock.monotonic_s())

    def settled(self) -> None:
        """The connection lived long enough: the next failure is a new outage. A flapping connection (two
        nodes as the same device) stays one outage."""
        self._outages.settled()

    def report(self, sent_total: int) -> LinkReport:
        """The connection as it is now; `sent_total` states were confirmed."""
        outage = self._outages.outage
        return LinkReport(
            is_connected=self._is_connected,
            sent_total=sent_total,
            reconnects_total=max(0, self._attempts - 1),
            reason=outage.reason if outage else None,
            message=outage.message if outage else None,
            since=self._since,
        )

    def _enter(self, *, is_connected: bool) -> None:
        if self._is_connected is not is_connected:
            self._is_connected, self._since = is_connected, self._clock.now()

"""How it stands with the connection of one device: what the report shows, and what the log says of it.

An outage is said when it has begun, now and then while it lasts, and when it is over: not at every attempt.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from edgecam.errors import PERSON_NEEDED, BrokerError, CredentialsError
from edgecam.redaction import LONGEST_MESSAGE, SECRETS
from edgecam.status.outage import Outage

log = logging.getLogger(__name__)

FAULT_REASON = "fault"
"""The `reason` of what nobody foresaw: a mistake of ours."""
KEY_REASON = "key"
SAID_AFTER_FAILURES = 3
"""Single failures are everyday matters of a network: counted, tried again, and not worth a line."""
SAID_AFTER_REFUSALS = 2
"""A first refusal may mean that the key has just been changed; the new one is asked for at once."""


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
        if isinstance(error, BrokerError):
            reason = error.reason
        else:
            reason = KEY_REASON if isinstance(error, CredentialsError) else FAULT_REASON
        return cls(reason, SECRETS.shown(str(error) or type(error).__name__, LONGEST_MESSAGE))

    @property
    def needs_person(self) -> bool:
        """Whether it does not pass by itself."""
        return self.reason in PERSON_NEEDED

    @property
    def is_refusal(self) -> bool:
        """Whether trying again soon is of little use; a secret may only be waiting for the core's network."""
        return self.needs_person and self.reason != KEY_REASON


class LinkStanding:
    """Keeps what is wrong with one link, and says it. Not safe to use from several threads at once.

    Args:
        camera_id: Whose link.
    """

    def __init__(self, camera_id: str) -> None:
        self.trouble: Trouble | None = None
        self._about = {"camera": camera_id}
        self._in_a_row = 0
        self._outage = Outage()

    def failed(self, error: Exception, now_s: float) -> Trouble:
        """An attempt failed, or a connection ended before its time."""
        self._outage.lasts(now_s)
        self._in_a_row += 1
        self.trouble = Trouble.of(error)
        if self.trouble.needs_person:
            if self._in_a_row >= SAID_AFTER_REFUSALS or self.trouble.reason == KEY_REASON:
                self._say(logging.ERROR, "its state cannot be told", now_s)
        elif self._in_a_row >= SAID_AFTER_FAILURES:
            self._say(logging.WARNING, "its state is not told for now", now_s)
        return self.trouble

    def told(self, now_s: float) -> None:
        """The bridge has confirmed a state."""
        lasted_s = self._outage.ended(now_s)
        if lasted_s is not None:
            log.info("its state is told again after %.0f s", lasted_s, extra=self._about)
        self.trouble = None

    def settled(self) -> None:
        """The connection has proved good: whatever comes next is another outage. One that breaks again and
        again (two nodes as the same device) is one outage, and said as rarely."""
        self._in_a_row = 0
        self._outage.settled()

    def _say(self, level: int, what: str, now_s: float) -> None:
        """The first of its kind, and once an hour."""
        trouble = self.trouble
        lasting = None if trouble is None else self._outage.due(trouble.reason, now_s)
        if trouble is None or lasting is None:
            return
        extra = self._about | {"reason": trouble.reason}
        lasting = f", {lasting}" if lasting else ""
        log.log(level, "%s%s: %s", what, lasting, trouble.message, extra=extra)

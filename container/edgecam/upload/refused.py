"""The objects that the bucket refuses while it may take others: which, why, since when, and when each is due
again.

They wait alone. A person has to act, so each is named in the reports (the first few), and the log has a line
when the first is refused, one an hour while it lasts, and one when none is refused any more.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from edgecam.backoff import doubled_s, jittered
from edgecam.clock import Clock
from edgecam.errors import StoreRefused
from edgecam.redaction import LONGEST_MESSAGE, SECRETS
from edgecam.status.outage import Lines, Outage, OutageLog, OutagePolicy
from edgecam.status.reports import RefusedObject
from edgecam.upload.retry import FIRST_REFUSED_DELAY_S, LONGEST_REFUSED_DELAY_S

log = logging.getLogger(__name__)

MOST_REMEMBERED = 256
"""Beyond that the oldest refusals are forgotten; their objects are tried like any other."""
MOST_NAMED = 8
"""In reports: enough to see what they have in common."""
_NAMED_IN_LOG = 3
_OUTAGES = OutagePolicy(
    lines=Lines(
        "the bucket refuses an object, which waits alone",
        "the bucket refuses no object any more, after %(lasted_s).0f s",
    ),
    needs_person=lambda _: True,
)


@dataclass
class _Refusal:
    since: datetime
    message: str
    failures: int
    until_s: float


class RefusedObjects:
    """Safe to use from any thread.

    Args:
        clock: Time.
        random_source: For the jitter.
    """

    def __init__(self, clock: Clock, random_source: random.Random | None = None) -> None:
        self._clock = clock
        self._random = random_source or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._lock = threading.Lock()
        self._refusals: OrderedDict[str, _Refusal] = OrderedDict()
        self._outages = OutageLog(_OUTAGES, log, detail=self._names_text)

    def refused(self, name: str, error: Exception) -> None:
        """The store has refused the object `name`, once more or for the first time."""
        now_s = self._clock.monotonic_s()
        message = SECRETS.shown(str(error), LONGEST_MESSAGE)
        with self._lock:
            known = self._refusals.get(name)
            failures = 1 if known is None else known.failures + 1
            delay_s = doubled_s(failures, first_s=FIRST_REFUSED_DELAY_S, longest_s=LONGEST_REFUSED_DELAY_S)
            self._refusals[name] = _Refusal(
                since=self._clock.now() if known is None else known.since,
                message=message,
                failures=failures,
                until_s=now_s + jittered(delay_s, self._random),
            )
            while len(self._refusals) > MOST_REMEMBERED:
                self._refusals.popitem(last=False)
            self._outages.lasts(Outage(StoreRefused.reason, message), now_s)

    def settled(self, name: str) -> None:
        """The object `name` is stored, or is not to be stored any more."""
        with self._lock:
            if self._refusals.pop(name, None) is not None and not self._refusals:
                self._outages.recovered(self._clock.monotonic_s())

    def waits(self, name: str) -> bool:
        """Whether the object `name` was refused and is not to be tried yet."""
        with self._lock:
            refusal = self._refusals.get(name)
            return refusal is not None and self._clock.monotonic_s() < refusal.until_s

    def report(self) -> tuple[tuple[RefusedObject, ...], int]:
        """The first few of them, and how many there are (`MOST_REMEMBERED` at most)."""
        with self._lock:
            first = itertools.islice(self._refusals.items(), MOST_NAMED)
            named = tuple(RefusedObject(name, each.since, each.message) for name, each in first)
            return named, len(self._refusals)

    def _names_text(self) -> str:
        """How many, and which; the lock is held."""
        if not self._refusals:
            return ""
        names = ", ".join(itertools.islice(self._refusals, _NAMED_IN_LOG))
        more = len(self._refusals) - _NAMED_IN_LOG
        return f"; refused are {names}" + (f" and {more} more" if more > 0 else "")

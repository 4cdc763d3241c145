"""The only place that reads a clock or sleeps; everything else is handed a `Clock`."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

NS_PER_S = 1_000_000_000


def utc_text(moment: datetime) -> str:
    """`moment` in UTC as ISO 8601 with milliseconds, as JSON, logs and metadata have it:
    `2026-01-01T12:00:00.250Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Clock(Protocol):
    """Time, for the rest of the program."""

    def now(self) -> datetime:
        """The time of day, in UTC. May step; never use it to measure a duration."""

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment: the monotonic clock, which never steps."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Sleep until `event` is set (True) or `timeout_s` seconds have passed (False)."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(timeout_s)

"""Clocks for tests and faults: one that is set by hand, one that runs fast, one whose time of day steps."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class ManualClock:
    """Stands still, but for who waits: waiting takes no time and moves it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        """The time of day."""
        return BEGINNING + timedelta(seconds=self._elapsed_s)

    def monotonic_s(self) -> float:
        """Seconds since it was made."""
        return self._elapsed_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Whether `event` is set; if not, `timeout_s` seconds have passed."""
        if event.is_set():
            return True
        self.advance(timeout_s)
        return False

    def advance(self, duration_s: float) -> None:
        """Let `duration_s` pass."""
        with self._lock:
            self._elapsed_s += duration_s


class FastClock:
    """Runs `speed` times as fast as the machine's.

    Args:
        speed: Its seconds in one second; above 0.
        beginning: The time of day at which it begins.
    """

    def __init__(self, speed: float, *, beginning: datetime = BEGINNING) -> None:
        self.speed = speed
        self._beginning = beginning
        self._began_s = time.monotonic()
        self._before_s = 0.0

    def now(self) -> datetime:
        """The time of day."""
        return self._beginning + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        """Its seconds since it was made."""
        return self._before_s + (time.monotonic() - self._began_s) * self.speed

    def slow_down(self, speed: float) -> None:
        """From now on run at another speed; who sleeps already goes on sleeping as before."""
        self._before_s, self._began_s, self.speed = self.monotonic_s(), time.monotonic(), speed

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Sleep until `event` is set (True) or `timeout_s` of its seconds have passed (False)."""
        return event.wait(timeout_s / self.speed)


class SteppingClock:
    """The machine's clock, whose time of day can be set wrong; durations are right, as on a real machine."""

    def __init__(self) -> None:
        self._error = timedelta(0)

    def step(self, duration_s: float) -> None:
        """Set the time of day forward, or back where negative."""
        self._error += timedelta(seconds=duration_s)

    def now(self) -> datetime:
        """The time of day, as wrong as it has been set."""
        return datetime.now(UTC) + self._error

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment; never steps."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Sleep until `event` is set (True) or `timeout_s` seconds have passed (False)."""
        return event.wait(timeout_s)

"""Waiting, without holding up what goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from edgecam.clock import Clock

T = TypeVar("T")

_CLOCK_STEP_S = 30.0
"""A clock that was set by this much since an attempt failed may have been why: tokens and certificates are
dated, and a core without a battery for its clock begins with a wrong one."""
_POLL_S = 1.0


class Ending:
    """The end of something that runs, and the time that is left for it. Safe to use from any thread.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deadline_s = 0.0
        self.event = threading.Event()

    def set(self, deadline_s: float) -> None:
        """End by `deadline_s`, monotonic."""
        self._deadline_s = deadline_s
        self.event.set()

    @property
    def is_set(self) -> bool:
        """Whether the end has begun."""
        return self.event.is_set()

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, 0 or more; infinite before the end has begun."""
        return max(0.0, self._deadline_s - self._clock.monotonic_s()) if self.is_set else float("inf")


def wait_or_clock_step(clock: Clock, ending: threading.Event, delay_s: float) -> None:
    """Sleep for `delay_s` seconds, or until `ending` is set, or the time of day is."""
    until_s = clock.monotonic_s() + delay_s
    offset_s = _offset_s(clock)
    while not ending.is_set() and (left_s := until_s - clock.monotonic_s()) > 0:
        clock.wait(ending, min(left_s, _POLL_S))
        if abs(_offset_s(clock) - offset_s) >= _CLOCK_STEP_S:
            return


def run_in_background(work: Callable[[], T], name: str) -> Future[T]:
    """What comes of `work`, done on a thread `name` that nobody has to wait for."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return outcome


def _offset_s(clock: Clock) -> float:
    return clock.now().timestamp() - clock.monotonic_s()

"""Waiting, without holding up what goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from edgecam.clock import Clock

T = TypeVar("T")

_CLOCK_STEP_S = 30.0
"""A clock that was set by so much since an attempt failed may have been why: tokens and certificates are
dated, and a core without a battery for its clock begins with a wrong one."""
_LOOK_EVERY_S = 1.0


def wait_or_clock_step(clock: Clock, ending: threading.Event, delay_s: float) -> None:
    """Sleep for `delay_s` seconds, or until `ending` is set, or the time of day is."""
    until_s = clock.monotonic_s() + delay_s
    offset_s = _offset_s(clock)
    while not ending.is_set() and (left_s := until_s - clock.monotonic_s()) > 0:
        clock.wait(ending, min(left_s, _LOOK_EVERY_S))
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

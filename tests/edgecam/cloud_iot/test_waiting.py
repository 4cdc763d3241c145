"""How long a link waits, and what cuts that short."""

from __future__ import annotations

import math
import threading
from datetime import datetime, timedelta

import pytest

from edgecam.cloud_iot.waiting import Ending, run_in_background, wait_or_clock_step
from sandbox.clocks import ManualClock


class SetClock(ManualClock):
    """Moved by hand; its time of day is set by `step_s` after `waits` waits."""

    def __init__(self, *, waits: int, step_s: float) -> None:
        super().__init__()
        self._waits, self._step_s, self._error_s = waits, step_s, 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._error_s)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self._waits -= 1
        if self._waits == 0:
            self._error_s += self._step_s
        return super().wait(event, timeout_s)


def test_delay_passes_whole() -> None:
    clock = ManualClock()
    wait_or_clock_step(clock, threading.Event(), 12.5)
    assert clock.monotonic_s() == pytest.approx(12.5)


def test_end_of_the_node_cuts_it_short() -> None:
    clock, ending = ManualClock(), threading.Event()
    ending.set()
    wait_or_clock_step(clock, ending, 300)
    assert clock.monotonic_s() == 0


@pytest.mark.parametrize("step_s", [7200, -7200])
def test_clock_that_is_put_right_cuts_it_short(step_s: float) -> None:
    clock = SetClock(waits=3, step_s=step_s)
    wait_or_clock_step(clock, threading.Event(), 300)
    assert clock.monotonic_s() == pytest.approx(3)


def test_clock_that_is_set_by_a_little_does_not() -> None:
    clock = SetClock(waits=3, step_s=5)
    wait_or_clock_step(clock, threading.Event(), 300)
    assert clock.monotonic_s() == pytest.approx(300)


def test_what_is_done_in_the_background_is_had_or_raised() -> None:
    def fail() -> int:
        raise ValueError("of the test")

    assert run_in_background(lambda: 7, "seven").result(10) == 7
    with pytest.raises(ValueError, match="of the test"):
        run_in_background(fail, "fails").result(10)


def test_ending_says_how_much_time_is_left() -> None:
    clock = ManualClock()
    ending = Ending(clock)
    assert (ending.is_set, ending.left_s) == (False, math.inf)
    ending.set(clock.monotonic_s() + 5)
    assert (ending.is_set, ending.left_s) == (True, 5.0)
    clock.advance(6)
    assert ending.left_s == 0.0

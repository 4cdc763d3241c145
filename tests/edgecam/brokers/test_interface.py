"""When a state is due."""

from __future__ import annotations

import pytest

from edgecam.status.schedule import LEAST_EVERY_S, StateSchedule

CONNECTED, STALLED = ("connected",), ("stalled",)


@pytest.mark.parametrize(
    ("every_s", "sent_every_s"), [(3600, 3240), (60, 54), (10, 9), (5, 4), (2, 1.4), (1, LEAST_EVERY_S)]
)
def test_unchanged_state_is_sent_so_early_that_it_arrives_in_time(
    every_s: float, sent_every_s: float
) -> None:
    schedule = StateSchedule(every_s)
    assert schedule.due_in_s(CONNECTED, 100) == 0
    schedule.sent(CONNECTED, 100)
    assert schedule.due_in_s(CONNECTED, 100) == pytest.approx(sent_every_s)
    assert schedule.due_in_s(CONNECTED, 100 + sent_every_s) == pytest.approx(0)


def test_change_is_due_at_once_and_never_within_a_second_of_the_last() -> None:
    schedule = StateSchedule(60)
    schedule.sent(CONNECTED, 100)
    assert schedule.due_in_s(STALLED, 100.25) == pytest.approx(LEAST_EVERY_S - 0.25)
    assert schedule.due_in_s(STALLED, 107) == 0


def test_state_that_may_not_have_arrived_is_due_again() -> None:
    schedule = StateSchedule(60)
    schedule.sent(CONNECTED, 100)
    schedule.forget()
    assert schedule.due_in_s(CONNECTED, 100.5) == pytest.approx(LEAST_EVERY_S - 0.5)
    assert schedule.due_in_s(CONNECTED, 102) == 0

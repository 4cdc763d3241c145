"""Delays between attempts."""

from __future__ import annotations

from random import Random

import pytest

from edgecam.backoff import (
    FIRST_DELAY_S,
    LONGEST_DELAY_S,
    LONGEST_REFUSED_DELAY_S,
    STABLE_AFTER_S,
    Backoff,
    doubled_s,
)


def delays(backoff: Backoff, count: int, *, lived_s: float = 0, was_refused: bool = False) -> list[float]:
    return [backoff.after_failure(lived_s=lived_s, was_refused=was_refused) for _ in range(count)]


def test_delays_grow_from_short_to_a_cap() -> None:
    found = delays(Backoff(Random(1)), 8)
    assert found[0] <= FIRST_DELAY_S * 1.2
    assert all(LONGEST_DELAY_S * 0.8 <= delay <= LONGEST_DELAY_S * 1.2 for delay in found[4:])
    assert found[0] < found[1] < found[2] < found[3]


def test_delays_are_jittered() -> None:
    assert len(set(delays(Backoff(Random(1)), 20))) == 20


def test_a_stable_connection_resets_the_delay_and_a_short_one_does_not() -> None:
    backoff = Backoff(Random(1))
    delays(backoff, 8)
    assert delays(backoff, 1, lived_s=STABLE_AFTER_S - 1)[0] > 1
    assert delays(backoff, 1, lived_s=STABLE_AFTER_S)[0] <= FIRST_DELAY_S * 1.2


def test_a_camera_that_refuses_the_password_is_soon_asked_rarely() -> None:
    backoff = Backoff(Random(1))
    found = delays(backoff, 12, was_refused=True)
    # Cameras lock an account after five wrong passwords or more: not five within the first ten seconds.
    assert sum(found[:4]) > 5
    assert max(found) == pytest.approx(LONGEST_REFUSED_DELAY_S, rel=0.21)
    assert backoff.is_slowed


def test_another_failure_ends_the_slowness() -> None:
    backoff = Backoff(Random(1))
    delays(backoff, 12, was_refused=True)
    assert delays(backoff, 1)[0] <= LONGEST_DELAY_S * 1.2
    assert not backoff.is_slowed


def test_others_than_cameras_are_asked_in_their_own_time() -> None:
    bridge = {"first_s": 1.0, "longest_s": 30.0, "longest_refused_s": 300.0, "jitter": 0.5}
    found = delays(Backoff(Random(1), **bridge), 50)
    assert 0.5 <= found[0] <= 1.5
    assert all(15 <= delay <= 45 for delay in found[5:])
    assert max(found[5:]) - min(found[5:]) > 15  # spread: many devices lose one bridge at the same moment
    assert 150 <= delays(Backoff(Random(1), **bridge), 20, was_refused=True)[-1] <= 450


def test_delay_is_doubled_up_to_a_cap_however_many_failures_there_were() -> None:
    assert [doubled_s(failures, first_s=5.0, longest_s=300.0) for failures in range(1, 9)] == [
        5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0,
    ]  # fmt: skip
    assert doubled_s(10**9, first_s=5.0, longest_s=300.0) == 300.0

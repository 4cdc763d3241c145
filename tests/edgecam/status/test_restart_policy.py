"""When a node ends itself for a new start, and how seldom."""

from __future__ import annotations

import itertools

import pytest

from edgecam.status.last_run import SelfRestart
from edgecam.status.restart_policy import LASTS_S, LONGEST_S, NEXT_END_S, RestartPolicy

BOOT = "b-1"
NOW_S = 100_000.0
HOUR_S = 3600.0


def ends(last: SelfRestart | None, *, started_s: float, until_s: float) -> list[SelfRestart]:
    """The ends of a node for which something is always wrong, and that is started again at once."""
    found: list[SelfRestart] = []
    policy = RestartPolicy(started_s, BOOT, last)
    now_s = started_s
    while now_s < until_s:
        if policy.ends_in_s(now_s) <= 0:
            found.append(policy.this_end(now_s))
            policy = RestartPolicy(now_s, BOOT, found[-1])
        now_s += 5
    return found


def test_first_end_comes_when_the_fault_has_lasted() -> None:
    policy = RestartPolicy(NOW_S, BOOT, None)
    assert policy.ends_in_s(NOW_S + 5) == LASTS_S
    assert policy.ends_in_s(NOW_S + 5 + LASTS_S) == 0


def test_fault_that_passes_ends_nothing() -> None:
    policy = RestartPolicy(NOW_S, BOOT, None)
    policy.ends_in_s(NOW_S)
    policy.well(NOW_S + 20)
    assert policy.ends_in_s(NOW_S + 40) == LASTS_S


def test_no_two_ends_are_within_an_hour_so_that_no_nucleus_gives_the_node_up() -> None:
    found = ends(None, started_s=NOW_S, until_s=NOW_S + 48 * HOUR_S)
    gaps = [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(found)]
    assert found[0].at_s == NOW_S + LASTS_S
    assert min(gaps) > HOUR_S
    assert gaps == sorted(gaps)
    assert gaps[-1] == pytest.approx(LONGEST_S, abs=10)
    assert [each.in_a_row for each in found] == list(range(1, len(found) + 1))


def test_after_an_hour_in_which_all_was_well_the_count_begins_again() -> None:
    policy = RestartPolicy(NOW_S, BOOT, SelfRestart(BOOT, NOW_S, 5))
    now_s = NOW_S + NEXT_END_S
    policy.well(now_s)
    assert policy.ends_in_s(now_s) == LASTS_S
    assert policy.this_end(now_s).in_a_row == 1


def test_end_before_the_machine_was_started_counts_no_more() -> None:
    for last in (SelfRestart("b-0", NOW_S - 60, 3), SelfRestart(BOOT, NOW_S + 60, 3)):
        policy = RestartPolicy(NOW_S, BOOT, last)
        assert policy.ends_in_s(NOW_S) == LASTS_S
        assert policy.this_end(NOW_S).in_a_row == 1


def test_node_whose_next_start_would_not_know_keeps_the_distance_by_its_own_age() -> None:
    policy = RestartPolicy(NOW_S, BOOT, None)
    policy.ends_in_s(NOW_S)
    policy.not_noted()
    assert policy.ends_in_s(NOW_S + LASTS_S) == NEXT_END_S - LASTS_S
    assert policy.ends_in_s(NOW_S + NEXT_END_S) == 0

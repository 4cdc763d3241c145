"""Whatever goes wrong, each chunk that was recorded is in the bucket once, or counted as evicted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from outages import OUTAGE_S

from sandbox.faults import store as store_faults
from sandbox.faults.ledger import Outcome

OutcomeOf = Callable[[str], Outcome]

ROOM_ENOUGH = [fault.name for fault in store_faults.FAULTS if fault.name != "spool limit reached"]
MOST_GROWTH_MB = 12
"""Of a process that holds 20 MB of chunks back from a slow store by the end of the fault."""


def nothing_is_lost(outcome: Outcome) -> bool:
    return (outcome.lost, outcome.duplicated, outcome.evicted) == (0, 0, 0) and outcome.recorded > 0


@pytest.mark.parametrize("fault", ROOM_ENOUGH)
def test_nothing_is_lost_or_stored_twice_when_the_store_misbehaves(fault: str, outcome_of: OutcomeOf) -> None:
    outcome = outcome_of(fault)
    assert nothing_is_lost(outcome), outcome
    assert outcome.stored == outcome.recorded
    assert outcome.notes.get("struck", 1) > 0, "the fault never happened"


def test_a_store_that_is_down_is_tried_a_few_times_and_not_for_every_chunk(outcome_of: OutcomeOf) -> None:
    outcome = outcome_of("store down")
    assert 0 < outcome.retries < outcome.recorded / 4


def test_what_the_spool_has_no_room_for_is_counted_and_nothing_else_is_lost(outcome_of: OutcomeOf) -> None:
    outcome = outcome_of("spool limit reached")
    assert outcome.evicted > 0
    assert (outcome.lost, outcome.duplicated) == (0, 0), outcome


def test_what_a_full_disk_has_no_room_for_is_counted_and_nothing_else_is_lost(outcome_of: OutcomeOf) -> None:
    outcome = outcome_of("disk full")
    assert outcome.evicted > 0
    assert (outcome.lost, outcome.duplicated) == (0, 0), outcome


def test_memory_does_not_grow_with_what_a_slow_store_holds_back(outcome_of: OutcomeOf) -> None:
    outcome = outcome_of("slow store, memory")
    assert nothing_is_lost(outcome), outcome
    assert outcome.notes["grown_mb"] < MOST_GROWTH_MB


def test_a_node_that_is_killed_at_random_moments_loses_nothing_that_was_finished(
    outcome_of: OutcomeOf,
) -> None:
    outcome = outcome_of("kill -9 of the node")
    assert nothing_is_lost(outcome), outcome
    assert (outcome.notes["holes"], outcome.notes["overlaps"], outcome.notes["missing_pictures"]) == (0, 0, 0)


def test_an_absence_of_the_camera_is_named_as_a_gap_and_nothing_else_is_missing(
    outcome_of: OutcomeOf,
) -> None:
    outcome = outcome_of("camera gone and back")
    assert nothing_is_lost(outcome), outcome
    assert (outcome.notes["holes"], outcome.notes["overlaps"], outcome.notes["missing_pictures"]) == (0, 0, 0)
    assert outcome.notes["longest_gap_s"] >= OUTAGE_S


def test_steps_of_the_clock_leave_no_gap_and_nothing_twice(outcome_of: OutcomeOf) -> None:
    outcome = outcome_of("clock stepped")
    assert nothing_is_lost(outcome), outcome
    assert (outcome.notes["holes"], outcome.notes["overlaps"], outcome.notes["missing_pictures"]) == (0, 0, 0)
    assert outcome.notes["longest_gap_s"] == 0

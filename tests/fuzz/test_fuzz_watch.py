"""The fuzzing sees what it is there to see."""

from __future__ import annotations

from pathlib import Path

import broken_targets
import pytest

from fuzz.watch import Outcome, fuzz

SECONDS = 8


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("fuzz")
    found = fuzz(broken_targets.TARGETS, SECONDS, 1, folder=folder, module="broken_targets")
    return {each.target: each for each in found}


def fault(outcome: Outcome, words: str) -> list[bytes]:
    """The inputs of the fault with these words."""
    found = [each for each in outcome.faults if words in each["fault"]]
    assert found, outcome
    return [Path(path).read_bytes() for path in found[0]["inputs"]]


def test_a_segmentation_fault_is_seen_with_its_input(outcomes: dict[str, Outcome]) -> None:
    assert fault(outcomes["crashes"], "died of SIGSEGV") == [b"a!"]


def test_a_hang_is_seen_with_its_input(outcomes: dict[str, Outcome]) -> None:
    assert fault(outcomes["hangs"], "hangs for more than") == [b"b!"]


def test_an_exception_is_seen_with_its_input(outcomes: dict[str, Outcome]) -> None:
    assert fault(outcomes["raises"], "AssertionError at broken_targets.py") == [b"c!"]


def test_memory_that_grows_is_seen(outcomes: dict[str, Outcome]) -> None:
    fault(outcomes["grows"], "memory grows")


def test_descriptors_that_grow_are_seen(outcomes: dict[str, Outcome]) -> None:
    fault(outcomes["leaks"], "descriptors grow")


def test_what_is_well_is_fed_all_the_time_and_nothing_is_reported(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["well"].fed > 100
    assert not outcomes["well"].faults

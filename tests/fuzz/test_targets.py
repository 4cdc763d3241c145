"""A minute of fuzzing: everything that reads from outside, beside each other. `make fuzz` takes longer."""

from __future__ import annotations

import pytest

from fuzz.targets import TARGETS
from fuzz.watch import FOLDER, Outcome, fuzz

SECONDS = 45
"""A minute, with the start of the nodes and the making of the films."""
SEED = 1
"""The same inputs each time: what a longer run finds becomes one of the known."""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    return {each.target: each for each in fuzz(TARGETS, SECONDS, SEED, folder=FOLDER.with_name("fuzz-test"))}


@pytest.mark.parametrize("name", list(TARGETS))
def test_no_input_breaks(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[name]
    assert outcome.fed > 0
    assert not outcome.faults, "\n".join(
        f"{fault['fault']}: {fault['message']} {fault['inputs']}" for fault in outcome.faults
    )

"""What has to hold of the names of chunks, whatever clocks do: properties over a model of clocks."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, seed, settings

from fuzz.clock_checks import check
from fuzz.clock_model import Scenario
from fuzz.clock_target import CLOCKS, scenarios

EXAMPLES = 300
SEED = 14
"""The same scenarios each time: what a longer run finds becomes one of the known."""


@seed(SEED)
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(scenarios())
@example(Scenario())
def test_names_hold_whatever_clocks_do(scenario: Scenario) -> None:
    check(scenario)


@pytest.mark.parametrize("known", CLOCKS.known())
def test_names_hold_where_they_once_did_not(known: bytes) -> None:
    check(Scenario.of(known))

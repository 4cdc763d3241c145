"""All faults of this folder run at the same time; each test waits for its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from outages import OUTAGE_S

from sandbox.faults.all import ALL, FaultRunner
from sandbox.faults.ledger import Outcome

AT_ONCE = 6


@pytest.fixture(scope="session")
def outcome_of() -> Iterator[Callable[[str], Outcome]]:
    """The outcome of the fault of that name in `ALL`."""
    runner = FaultRunner(OUTAGE_S, at_once=AT_ONCE)
    running = runner.start(ALL)
    yield lambda name: running[name].result()
    runner.close()

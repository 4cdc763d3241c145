"""All drills of this folder run at the same time; each test waits for its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from outages import OUTAGE_S

from sandbox.faults.all import EVERY, Drills
from sandbox.faults.ledger import Outcome

AT_ONCE = 6


@pytest.fixture(scope="session")
def outcome_of() -> Iterator[Callable[[str], Outcome]]:
    """The outcome of the drill of that name in `EVERY`."""
    drills = Drills(OUTAGE_S, at_once=AT_ONCE)
    running = drills.start(EVERY)
    yield lambda name: running[name].result()
    drills.close()

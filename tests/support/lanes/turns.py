"""How many lanes run at the same time on one machine, whichever run and clone they belong to.

Runs side by side would otherwise share the processors among twice as many systems, and everything that waits
for one of them would wait too short.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from lanes import lane_of

from sandbox.claims import claim

MOST_AT_ONCE = 2 * (os.cpu_count() or 1)
"""What one run gives out on two processors (`WORKERS` in Makefile). At three a processor, with other
work beside them, a disk that is not slow was taken for one, and cameras did not answer in time."""
_POLL_S = 0.1


@contextmanager
def turn(most_at_once: int = MOST_AT_ONCE, name: str = "edgecam-test") -> Iterator[None]:
    """Wait until fewer than `most_at_once` hold a turn of this `name` on this machine, and hold one."""
    while True:
        for number in range(most_at_once):
            if (held := claim(f"{name}-{number}")) is not None:
                with held:
                    yield
                return
        time.sleep(_POLL_S)


class Turns:
    """Hooks of a process that runs tests."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._lane = ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Run a lane in its turn, from its first test's fixtures to its last one's end: what it has started
        would keep the processors busy while it waits."""
        lane = lane_of(item)[1]
        if lane != self._lane:
            self._lane = lane
            self._held.enter_context(turn())
        try:
            return (yield)
        finally:
            if nextitem is None or lane_of(nextitem)[1] != lane:
                self._lane = ""
                self._held.close()

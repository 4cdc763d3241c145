"""All faults, by name, and a way to run several at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from sandbox.faults import node as node_faults
from sandbox.faults import resources as process_faults
from sandbox.faults import store as store_faults
from sandbox.faults.ledger import Outcome

Run = Callable[[Path, float], Outcome]

KILLS = 20


def _killed(folder: Path, _outage_s: float) -> Outcome:
    return node_faults.killed(folder, KILLS)


ALL: dict[str, Run] = {
    "kill -9 of the node": _killed,  # the longest first
    **{fault.name: fault.run for fault in store_faults.FAULTS},
    "slow store, memory": process_faults.slow_store,
    "disk full": process_faults.disk_full,
    "camera gone and back": node_faults.camera_gone,
    "clock stepped": node_faults.clock_stepped,
}
"""Each takes an empty folder, and for how many seconds the fault is to last."""


class FaultRunner:
    """Injects faults on threads, each in a folder of its own that goes with it.

    Args:
        outage_s: How long a fault lasts.
        at_once: How many run at a time.
    """

    def __init__(self, outage_s: float, *, at_once: int) -> None:
        self._outage_s = outage_s
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="fault")

    def start(self, names: Collection[str] = tuple(ALL)) -> dict[str, Future[Outcome]]:
        """Begin with those of `names`; returns at once."""
        return {name: self._pool.submit(self._run, ALL[name]) for name in names}

    def close(self) -> None:
        """Begin no further ones, and wait for those that run."""
        self._pool.shutdown(cancel_futures=True)

    def _run(self, run: Run) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="edgecam-fault-", ignore_cleanup_errors=True) as folder:
            return run(Path(folder), self._outage_s)

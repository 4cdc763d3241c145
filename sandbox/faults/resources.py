"""Faults that are about the memory of a process, or give it a disk that is too small."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from sandbox.faults.harness import DRAIN_TIMEOUT_S, configuration
from sandbox.faults.ledger import Ledger, Outcome
from sandbox.gcs.server import EmbeddedGcs
from sandbox.process import Process

ROOT = Path(__file__).resolve().parent.parent.parent
WARM_UP_S = 3.0
"""Modules are loaded and buffers made by then."""
SLOW_BYTES_PER_S = 400_000
DISK_BYTES = 12_000_000
"""A little less than the spool's own limit may be, so that the disk is full first."""
_LOOK_EVERY_S = 0.1


class Driver:
    """`sandbox.faults.process` in a folder, sending to `gcs`."""

    def __init__(self, folder: Path, gcs: EmbeddedGcs, *arguments: str, **parts: Any) -> None:
        self._ledger = folder / "ledger"
        file = folder / "node.json"
        file.write_text(configuration(folder, **parts).model_dump_json(exclude_defaults=True))
        command = [sys.executable, "-m", "sandbox.faults.process", "--config", str(file)]
        self._process = Process(
            "fault",
            [*command, "--ledger", str(self._ledger), *arguments],
            log=folder / "driver.log",
            env={**os.environ, **gcs.environment()},
            cwd=ROOT,
        )
        self._memory = psutil.Process(self._process.pid)

    def rss_after(self, duration_s: float) -> int:
        """The largest resident size, bytes, that is seen in `duration_s`."""
        largest, end_s = 0, time.monotonic() + duration_s
        while time.monotonic() < end_s:
            largest = max(largest, self._memory.memory_info().rss)
            time.sleep(_LOOK_EVERY_S)
        return largest

    def end(self) -> tuple[Ledger, int]:
        """End the recording, and wait until everything is sent: what was recorded, and how much evicted.

        Raises:
            TimeoutError: it was not within `DRAIN_TIMEOUT_S`.
        """
        os.kill(self._process.pid, signal.SIGTERM)
        if self._process.wait(DRAIN_TIMEOUT_S) is None:
            self._process.stop(timeout_s=0)
            raise TimeoutError(f"expected everything to be sent:\n{self._process.tail()}")
        *chunks, (sent, evicted) = (line.split() for line in self._ledger.read_text().splitlines())
        if sent != "sent":
            raise TimeoutError(f"expected everything to be sent:\n{self._process.tail()}")
        ledger = Ledger()
        for size_bytes, crc32c in chunks:
            ledger.note(int(size_bytes), crc32c)
        return ledger, int(evicted)


def slow_store(folder: Path, outage_s: float) -> Outcome:
    """More is recorded than the store takes: the spool grows, memory does not."""
    begun_s = time.monotonic()
    arguments = ("--cameras", "4", "--period-s", "0.25", "--chunk-bytes", "150000")
    with EmbeddedGcs(folder=folder / "gcs") as gcs:
        driver = Driver(folder, gcs, *arguments)
        well_bytes = driver.rss_after(WARM_UP_S)
        gcs.faults.bytes_per_s = SLOW_BYTES_PER_S
        slow_bytes = driver.rss_after(outage_s)
        gcs.faults.heal()
        ledger, evicted = driver.end()
        return ledger.settle(
            "slow store, memory",
            seconds=time.monotonic() - begun_s,
            stored=gcs.objects(),
            evicted=evicted,
            notes={
                "rss_mb": round(slow_bytes / 1e6, 1),
                "grown_mb": round((slow_bytes - well_bytes) / 1e6, 1),
            },
        )


def disk_full(folder: Path, outage_s: float) -> Outcome:
    """The store is down until the disk is full, and longer."""
    begun_s = time.monotonic()
    with EmbeddedGcs(folder=folder / "gcs") as gcs:
        driver = Driver(folder, gcs, "--chunk-bytes", "500000", "--tmpfs", str(DISK_BYTES))
        driver.rss_after(WARM_UP_S)
        gcs.down()
        driver.rss_after(outage_s)
        gcs.up()
        ledger, evicted = driver.end()
        return ledger.settle(
            "disk full", seconds=time.monotonic() - begun_s, stored=gcs.objects(), evicted=evicted
        )

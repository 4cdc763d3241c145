"""What the soak looks at every second, and what a line through many such looks says."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression
from typing import Any

import psutil
from prometheus_client.parser import text_string_to_metric_families

from edgecam.chunk import Chunk
from sandbox.faults.ledger import Timeline, chunks_of, doubled
from sandbox.gcs.server import StoredObject

ANSWER_WITHIN_S = 1.0
_GIVEN_UP_S = 30.0
"""Timeout of a page that sends nothing."""
_MB = 1e6


@dataclass(frozen=True)
class Look:
    """The node at one moment.

    Attributes:
        at_s: Seconds since the soak began.
        rss_mb: Resident memory.
        anonymous_mb: Of that, what belongs to no file: what a leak adds to.
        pss_mb: Resident memory, with what is shared counted in part.
        descriptors: Open files and sockets.
        threads: Of the process.
        oldest_s: Age of the oldest picture among the good cameras, by the file's own time.
        limit_s: The age up to which it is fresh.
        late_s: How much later than it wanted the soak itself got its turn: how busy the machine is.
    """

    at_s: float
    rss_mb: float
    anonymous_mb: float
    pss_mb: float
    descriptors: int
    threads: int
    oldest_s: float
    limit_s: float
    late_s: float


def get(port: int, path: str, timeout_s: float = _GIVEN_UP_S) -> tuple[int, bytes]:
    """Status and body of a page of the node.

    Raises:
        OSError, HTTPException: there is no answer.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Health:
    """Asks `/healthz` every second, on a thread of its own, so that nothing else delays the question.

    Attributes:
        worst_s: The longest that an answer of any status has taken.
        late: Answers that took longer than `ANSWER_WITHIN_S`.
        statuses: How often there was which; 0 stands for none.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="health", daemon=True)
        self.worst_s = 0.0
        self.late = 0
        self.statuses: Counter[int] = Counter()

    def start(self) -> bool:
        """Returns when the node has answered for the first time; False where it does not."""
        deadline_s = time.monotonic() + _GIVEN_UP_S
        while not self._status():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.1)
        self._thread.start()
        return True

    def stop(self) -> None:
        """No further questions."""
        self._ending.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._ending.wait(1.0):
            asked_s = time.monotonic()
            self.statuses[self._status()] += 1
            took_s = time.monotonic() - asked_s
            self.worst_s = max(self.worst_s, took_s)
            self.late += took_s > ANSWER_WITHIN_S

    def _status(self) -> int:
        try:
            return get(self._port, "/healthz")[0]
        except (OSError, http.client.HTTPException):
            return 0


class Watcher:
    """Looks at the node's process and at the pictures of its good cameras.

    Args:
        pid: Of the node.
        port: Of its page.
        data: Where the pictures are.
        good: The cameras whose pictures have to be fresh.
    """

    def __init__(self, pid: int, port: int, data: Path, good: Sequence[str]) -> None:
        self._process = psutil.Process(pid)
        self._port = port
        self._pictures = [data / name / "frame.jpg" for name in good]
        self._limit_s = self._longest_age_s(good)
        self._begun_s = time.monotonic()

    @property
    def passed_s(self) -> float:
        """Since the first moment."""
        return time.monotonic() - self._begun_s

    @property
    def cpu_s(self) -> float:
        """What the node has used so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def look(self, late_s: float) -> Look:
        """Now.

        Raises:
            psutil.Error: the node is gone.
        """
        memory = self._process.memory_full_info()
        return Look(
            at_s=round(self.passed_s, 1),
            rss_mb=memory.rss / _MB,
            anonymous_mb=self._anonymous_mb(),
            pss_mb=memory.pss / _MB,
            descriptors=self._process.num_fds(),
            threads=self._process.num_threads(),
            oldest_s=max(map(self._age_s, self._pictures)),
            limit_s=self._limit_s,
            late_s=late_s,
        )

    def _anonymous_mb(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = status.partition("RssAnon:")[2].split()
        if not found:  # it has ended, and nobody has taken its exit code yet
            raise psutil.ZombieProcess(self._process.pid)
        return int(found[0]) * 1024 / _MB

    def _longest_age_s(self, good: Sequence[str]) -> float:
        cameras = json.loads(get(self._port, "/cameras")[1])["cameras"]
        return float(min(each["stale_after_s"] for each in cameras if each["id"] in good))

    def _age_s(self, picture: Path) -> float:
        """Since the file was replaced; before the first picture, since the first moment."""
        try:
            return max(0.0, time.time() - picture.stat().st_mtime)
        except FileNotFoundError:
            return self.passed_s


def slope_per_min(looks: Sequence[Look], value: Callable[[Look], float]) -> float:
    """By how much `value` grows in a minute, by least squares; 0 where there is too little to say."""
    if len(looks) < 2:
        return 0.0
    return linear_regression([each.at_s / 60 for each in looks], [value(each) for each in looks]).slope


@dataclass(frozen=True)
class Account:
    """What was recorded, and what became of it, by the node's counters and the bucket's own listing.

    Attributes:
        recorded: Chunks that the node finished.
        listed: Chunks in the bucket.
        evicted: Chunks that the spool gave up for want of room.
        quarantined: Chunks that the spool keeps quarantined.
        waiting: Chunks that wait still.
        lost: Chunks that the node says it could not write or keep; never among the recorded.
        unaccounted: Recorded and none of these; negative where there is more than was recorded.
        doubled: Objects beyond the first of the same camera, content and time.
    """

    recorded: int
    listed: int
    evicted: int
    quarantined: int
    waiting: int
    lost: int
    unaccounted: int
    doubled: int


def account(metrics: Mapping[str, float], stored: Sequence[StoredObject]) -> Account:
    """Compare the sums of the node's counters with what is in the bucket."""
    chunks = chunks_of(stored)
    recorded, evicted, quarantined, waiting, lost = (
        int(metrics.get(f"edgecam_{name}", 0))
        for name in (
            "chunks_recorded_total",
            "spool_evicted_chunks_total",
            "spool_quarantined_chunks",
            "spool_chunks",
            "chunks_lost_total",
        )
    )
    return Account(
        recorded=recorded,
        listed=len(chunks),
        evicted=evicted,
        quarantined=quarantined,
        waiting=waiting,
        lost=lost,
        unaccounted=recorded - len(chunks) - evicted - quarantined - waiting,
        doubled=doubled(chunks),
    )


def summed_metrics(port: int) -> dict[str, float]:
    """The node's metrics, each summed over its labels."""
    sums: Counter[str] = Counter()
    for family in text_string_to_metric_families(get(port, "/metrics")[1].decode()):
        for sample in family.samples:
            sums[sample.name] += sample.value  # type: ignore[assignment]
    return dict(sums)


def recorded_s(stored: Sequence[StoredObject], cameras: Sequence[str]) -> dict[str, float]:
    """What the bucket has of these cameras: seconds of the one with the fewest, holes, overlaps, gaps."""
    mine = [
        each for each in chunks_of(stored) if Chunk.from_object(each.name, each.metadata).camera_id in cameras
    ]
    timeline = Timeline.of(mine)
    covered = [
        sum((each.end - each.start).total_seconds() for each in timeline.chunks.get(name, ()))
        for name in cameras
    ]
    return {
        "least_s": round(min(covered), 1),
        "holes": timeline.holes,
        "overlaps": timeline.overlaps,
        "longest_gap_s": timeline.longest_gap_ms / 1000,
    }


def minutes(looks: Sequence[Look]) -> list[dict[str, Any]]:
    """The highest of each figure in each minute, for a curve."""
    rows: dict[int, dict[str, float]] = {}
    for each in looks:
        row = rows.setdefault(int(each.at_s // 60), {})
        for name, value in asdict(each).items():
            row[name] = round(max(value, row.get(name, value)), 2)
    return list(rows.values())

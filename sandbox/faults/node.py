"""Faults with real recordings: the node is killed, the camera goes, the clock is set wrong."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgecam.chunk import Chunk
from edgecam.credentials.logins import Logins
from edgecam.node.node import Node
from edgecam.spool.index import CameraChunks, Traits
from sandbox.cameras.film import FILM_S
from sandbox.clocks import SteppingClock
from sandbox.faults.frame_numbers import picture_numbers
from sandbox.faults.harness import Harness, configuration
from sandbox.faults.ledger import (
    Ledger,
    Outcome,
    Timeline,
    chunks_of,
)
from sandbox.gcs.server import EmbeddedGcs
from sandbox.ports import free_port
from sandbox.process import Process

ROOT = Path(__file__).resolve().parent.parent.parent
FPS = 15
CHUNK_S = 2
START_TIMEOUT_S = 120.0
KILLED_AFTER_S = (0.5, 6.0)
"""From before the first chunk is begun to in the middle of an upload."""


class TestCameras:
    """Two RTSP cameras that can be killed and brought back on the same port."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: Process | None = None

    @property
    def settings(self) -> list[dict[str, Any]]:
        """As a node configuration has them."""
        recording = {"enabled": True, "chunk_s": CHUNK_S}
        frames = {"enabled": False}
        uri = f"rtsp://127.0.0.1:{self._port}"
        return [
            {"id": name, "uri": f"{uri}/{name}", "frames": frames, "recording": recording}
            for name in ("lobby", "yard")
        ]

    def up(self) -> None:
        """Returns when they can be reached."""
        command = [sys.executable, "-m", "sandbox.cameras", "--port", str(self._port)]
        for name, kbps in (("lobby", 300), ("yard", 250)):
            # Not the same film twice: what is stored twice is found by its content.
            command += ["--camera", f"{name}:320x180@{FPS}:keyframe=1:kbps={kbps}"]
        log = self._folder / "cameras.log"
        self._process = Process("test cameras", command, log=log, env=os.environ, cwd=ROOT)
        _await(lambda: '"port"' in log.read_text(), START_TIMEOUT_S, "the test cameras")

    def down(self) -> None:
        """As if the plug had been pulled."""
        if self._process is not None:
            self._process.stop(timeout_s=0)
            self._process = None


@contextmanager
def cameras_in(folder: Path) -> Iterator[TestCameras]:
    """Test cameras that are up, and down at the end."""
    cameras = TestCameras(folder)
    cameras.up()
    try:
        yield cameras
    finally:
        cameras.down()


def camera_gone(folder: Path, outage_s: float) -> Outcome:
    """The cameras go for a while and come back."""

    def strike(_harness: Harness, cameras: TestCameras) -> None:
        cameras.down()
        time.sleep(outage_s)
        cameras.up()

    return _with_node(folder, "camera gone and back", strike, SteppingClock())


def clock_stepped(folder: Path, outage_s: float) -> Outcome:
    """The core's clock is set an hour forward, then back."""
    clock = SteppingClock()

    def strike(_harness: Harness, _cameras: TestCameras) -> None:
        clock.step(3600)
        time.sleep(outage_s / 2)
        clock.step(-3600)
        time.sleep(outage_s / 2)

    return _with_node(folder, "clock stepped an hour forth and back", strike, clock)


def _with_node(
    folder: Path, fault: str, strike: Callable[[Harness, TestCameras], None], clock: SteppingClock
) -> Outcome:
    with (
        cameras_in(folder) as cameras,
        Harness(folder, synthetic=0, clock=clock, cameras=cameras.settings) as harness,
    ):
        node = Node(harness.config, logins=Logins(harness.config.cameras), clock=clock, chunks=harness.sink)
        node.start()
        _await(lambda: len(harness.ledger) >= 4, START_TIMEOUT_S, "the first chunks")
        strike(harness, cameras)
        recorded = len(harness.ledger)
        _await(lambda: len(harness.ledger) >= recorded + 6, START_TIMEOUT_S, "chunks after the fault")
        node.stop()
        outcome = harness.settled(fault)
        return _looked_at(outcome, harness.gcs, folder)


def killed(folder: Path, times: int, *, seed: int = 1) -> Outcome:
    """The node's process is killed at random moments, `times` times, and started again each time.

    What is in the spool at each kill is what was recorded; what has left it before is checked by what
    follows: each chunk names the one before it.
    """
    begun_s, chance = time.monotonic(), random.Random(seed)
    ledger = Ledger()
    begun: set[tuple[str, str]] = set()
    with cameras_in(folder) as cameras, EmbeddedGcs(folder=folder / "gcs") as gcs:
        node = _NodeProcess(folder, cameras, gcs)
        for _ in range(times):
            node.start()
            time.sleep(chance.uniform(*KILLED_AFTER_S))
            node.kill()
            for size_bytes, crc32c in node.kept():
                ledger.note(size_bytes, crc32c)
            begun |= node.begun()
        node.start()
        time.sleep(KILLED_AFTER_S[1])
        cameras.down()
        _await(lambda: not node.kept() and not node.begun(), START_TIMEOUT_S, "everything to be sent")
        node.end()
        for stored in chunks_of(gcs.objects()):
            ledger.note(stored.size_bytes, stored.crc32c)
        outcome = ledger.settle(
            f"kill -9 of the node, {times} times",
            seconds=time.monotonic() - begun_s,
            stored=gcs.objects(),
            evicted=0,
            notes={"begun_when_killed": len(begun), "unplayable": node.quarantined()},
        )
        return _looked_at(outcome, gcs, folder)


class _NodeProcess:
    """`edgecam run`, and a look into its spool while it is not running."""

    def __init__(self, folder: Path, cameras: TestCameras, gcs: EmbeddedGcs) -> None:
        self._folder = folder
        self._spool = folder / "spool"
        self._file = folder / "node.json"
        config = configuration(folder, cameras=cameras.settings, upload={"stall_timeout_s": 5})
        self._file.write_text(config.model_dump_json(exclude_defaults=True))
        self._environment = {**os.environ, **gcs.environment()}
        self._process: Process | None = None
        self._runs = 0

    def start(self) -> None:
        """Returns at once."""
        self._runs += 1
        command = [sys.executable, "-m", "edgecam", "run", "--config", str(self._file)]
        log = self._folder / f"node-{self._runs}.log"
        self._process = Process("edgecam", command, log=log, env=self._environment, cwd=ROOT)

    def kill(self) -> None:
        """At once, without a chance."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.stop(timeout_s=1)

    def end(self) -> None:
        """SIGTERM."""
        if self._process is not None:
            self._process.stop()

    def kept(self) -> list[tuple[int, str]]:
        """Size and crc32c of the chunks that wait."""
        found = []
        for folder in self._spool.glob("[a-z0-9]*"):
            chunks = CameraChunks(folder.name, folder, Traits())
            for path in folder.glob("*.mp4"):
                chunks.add_file(path.name, path.stat().st_size)
            found += [(each.size_bytes, each.crc32c) for each in chunks.from_oldest()]
        return found

    def begun(self) -> set[tuple[str, str]]:
        """What is being written: the beginnings of names."""
        return {(path.name, "") for path in (self._spool / ".incoming").glob("*") if path.stat().st_size}

    def quarantined(self) -> int:
        """Chunks that could not be saved."""
        return len(list((self._spool / ".quarantine").rglob("*.mp4")))


def _looked_at(outcome: Outcome, gcs: EmbeddedGcs, folder: Path) -> Outcome:
    """With holes and overlaps of the timeline, and pictures that are missing where chunks join."""
    timeline = Timeline.of(gcs.objects())
    missing = sum(
        _missing_pictures(_films(gcs, chunks, folder), chunks) for chunks in timeline.chunks.values()
    )
    notes = {
        "holes": timeline.holes,
        "overlaps": timeline.overlaps,
        "missing_pictures": missing,
        "longest_gap_s": timeline.longest_gap_ms / 1000,
    }
    return replace(outcome, notes={**outcome.notes, **notes})


def _films(gcs: EmbeddedGcs, chunks: Iterable[Chunk], folder: Path) -> list[list[int]]:
    path, films = folder / "chunk.mp4", []
    for chunk in chunks:
        path.write_bytes(gcs.content(chunk.name))
        films.append(picture_numbers(path))
    return films


def _missing_pictures(films: list[list[int]], chunks: list[Chunk]) -> int:
    """Those between two that follow each other: in a chunk, and from one to the next where no gap is
    named."""
    inside = [pair for film in films for pair in pairwise(film)]
    joints = [
        (earlier[-1], later[0])
        for (earlier, later), chunk in zip(pairwise(films), chunks[1:], strict=True)
        if chunk.gap_before_ms == 0
    ]
    return sum((later - earlier - 1) % (FILM_S * FPS) for earlier, later in inside + joints)


def _await(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"expected {what} within {timeout_s:g} s")
        time.sleep(0.05)

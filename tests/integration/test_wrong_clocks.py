"""Cameras whose clocks are wrong, recorded live, held against the wall clock and the numbers in the film."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from recorded import ChunkFolder, marks

from edgecam.chunk import Chunk
from edgecam.clock import SystemClock
from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.node.node import Node
from sandbox.cameras.film import FILM_FOLDER, FILM_S, Film
from sandbox.cameras.hostile_camera import HostileCamera, plain_film
from sandbox.cameras.rtsp_connection import Clocks, Connection

FPS = 10
FILM = Film(160, 90, FPS, keyframe_s=1, kbps=100)
LENGTH_S = 44
"""Less than the film, so that a number says which picture it is."""
NEAR = timedelta(seconds=2)
MAX_FPS = 2


def _stall(number: int, at_s: float) -> float:
    """Nothing for eight seconds, then all of it within one, as a switch delivers it."""
    return 20.0 + (number - 120) * 0.01 if 120 <= number < 200 else at_s


KINDS = {
    "straying": Clocks(stamped_s=lambda n, at_s: at_s + (9800 if n % 30 == 17 else 0), reports=True),
    "straying-back": Clocks(stamped_s=lambda n, at_s: 20_000 + at_s - (9800 if n % 30 == 17 else 0)),
    "leaping": Clocks(stamped_s=lambda n, at_s: at_s + (3600 if n >= 155 else 0), reports=True),
    "leaping-back": Clocks(stamped_s=lambda n, at_s: 100 + at_s - 3.5 * (n // 80)),
    "slow": Clocks(sent_s=lambda n, _: n / 8, reports=True),
    "fast": Clocks(sent_s=lambda n, _: n / 12, reports=True),
    "stalling": Clocks(sent_s=_stall),
    "stalling-udp": Clocks(sent_s=_stall),
    "two-sources": Clocks(ssrc=lambda n: 1 if n < 205 else 2, reports=True),
    "doubling": Clocks(stamped_s=lambda n, _: n // 2 * 2 / FPS),
}
BY_GSTREAMER = "-gst"
CAMERAS = KINDS | {f"{name}{BY_GSTREAMER}": clocks for name, clocks in KINDS.items() if "udp" not in name}
"""Each by both receivers; datagrams are GStreamer's anyway."""


@dataclass
class Camera:
    """One of them: when it began, and how often it was connected to."""

    name: str
    clocks: Clocks
    begun: list[datetime] = field(default_factory=list)

    def __call__(self, connection: Connection) -> None:
        connection.shake_hands()
        self.begun.append(datetime.now(UTC))
        connection.play(LENGTH_S + 60, clocks=self.clocks)

    def sent(self, number: int) -> datetime:
        """When a picture was sent, or would have been without a stall of the network."""
        sent_s = number / FPS if "stalling" in self.name else self.clocks.sent_s(number, number / FPS)
        return self.begun[0] + timedelta(seconds=sent_s)


@dataclass
class Outcome:
    """What became of a camera."""

    camera: Camera
    chunks: list[Chunk]
    marks: list[list[int]]
    seconds: list[float]
    frames_total: int


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("clocks")
    film = plain_film(FILM_FOLDER, FILM)
    sink = ChunkFolder(folder / "chunks")
    cameras = {name: Camera(name, clocks) for name, clocks in CAMERAS.items()}
    with ExitStack() as stack:
        settings = []
        for name, camera in cameras.items():
            served = stack.enter_context(HostileCamera(camera, film=film, fps=FPS))
            has_frames = name.startswith("straying")
            settings.append(
                {
                    "id": name,
                    "uri": served.uri,
                    "receiver": "gstreamer" if name.endswith(BY_GSTREAMER) else "auto",
                    "transport": "udp" if name.endswith("udp") else "tcp",
                    "frames": {"enabled": has_frames, "max_fps": MAX_FPS, "stale_after_s": 20},
                    "recording": {"enabled": True, "chunk_s": 4},
                }
            )
        config = validate(
            NodeConfig, {"cameras": settings, "data_dir": str(folder / "data"), "bucket": "file:///nowhere"}
        )
        node = Node(config, logins=Logins(config.cameras), clock=SystemClock(), chunks=sink)
        node.start()
        time.sleep(LENGTH_S)
        frames = {report.camera_id: report.frames_total for report in node.reports()}
        assert node.stop()
    return {name: _outcome(camera, sink, frames[name]) for name, camera in cameras.items()}


def _outcome(camera: Camera, sink: ChunkFolder, frames_total: int) -> Outcome:
    chunks = [chunk for chunk in sink.chunks if chunk.camera_id == camera.name]
    paths = [sink.path(chunk) for chunk in chunks]
    return Outcome(
        camera, chunks, [marks(path) for path in paths], [_seconds(path) for path in paths], frames_total
    )


def _seconds(path: Path) -> float:
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "json", str(path)]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, capture_output=True, check=True, text=True).stdout
    )
    return float(found["format"]["duration"])


EACH = pytest.mark.parametrize("name", list(CAMERAS))


@EACH
def test_names_are_within_two_seconds_of_the_wall(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[name]
    assert len(outcome.camera.begun) == 1, "the node has connected again"
    off = [
        chunk.start - outcome.camera.sent(numbers[0])
        for chunk, numbers in zip(outcome.chunks, outcome.marks, strict=True)
    ]
    assert all(abs(each) <= NEAR for each in off), off


@EACH
def test_no_picture_is_left_out_or_twice(name: str, outcomes: dict[str, Outcome]) -> None:
    numbers = list(itertools.chain.from_iterable(outcomes[name].marks))
    wrong = [pair for pair in itertools.pairwise(numbers) if (pair[1] - pair[0]) % (FILM_S * FPS) != 1]
    assert not wrong
    assert len(numbers) > LENGTH_S * FPS * 0.6


@EACH
def test_chunks_join_and_last_as_long_as_their_names_say(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[name]
    for earlier, later in itertools.pairwise(outcome.chunks):
        assert later.start == earlier.end
        assert later.gap_before_ms == 0
    for chunk, seconds in zip(outcome.chunks, outcome.seconds, strict=True):
        assert chunk.duration_ms == pytest.approx(seconds * 1000, abs=30)


@pytest.mark.parametrize("name", [name for name in CAMERAS if name.startswith("straying")])
def test_frames_come_as_often_as_they_are_wanted(name: str, outcomes: dict[str, Outcome]) -> None:
    total = outcomes[name].frames_total
    assert LENGTH_S * MAX_FPS * 0.5 < total <= (LENGTH_S + 2) * MAX_FPS

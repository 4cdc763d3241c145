"""Test cameras in, chunks out: everything that happens to a recording on its way."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from camera_process import ROOT, CameraProcess
from node_reports import has_pictures, report
from recorded import ChunkFolder, marks, probe

from edgecam.chunk import Chunk
from edgecam.clock import SystemClock
from edgecam.config.node import NodeConfig
from edgecam.config.recording import ChunkFormat
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.formats import repair as media
from edgecam.node.node import Node
from edgecam.status.reports import CameraState
from sandbox.cameras.film import FILM_S

Eventually = Callable[..., Any]
Cameras = Callable[..., CameraProcess]
RECORD_UNTIL_KILLED = ROOT / "tests" / "support" / "chunks" / "record_until_killed.py"
FPS = 15
SMALL = f"160x90@{FPS}:keyframe=1"


class SteppingClock(SystemClock):
    """The machine's clock, with a time of day that a test may step."""

    def __init__(self) -> None:
        self.step = timedelta()

    def now(self) -> datetime:
        return super().now() + self.step


class Recorded:
    """A node that records one or more cameras into a folder."""

    def __init__(self, folder: Path, cameras: list[dict[str, Any]]) -> None:
        self.sink = ChunkFolder(folder / "chunks")
        self.clock = SteppingClock()
        document = {
            "cameras": [{"id": f"c{number}"} | camera for number, camera in enumerate(cameras)],
            "data_dir": str(folder / "data"),
            "bucket": "file:///nowhere",
        }
        config = validate(NodeConfig, document)
        self.node = Node(config, logins=Logins(config.cameras), clock=self.clock, chunks=self.sink)
        self.node.start()

    def chunks(self, number: int = 0) -> list[Chunk]:
        return [chunk for chunk in self.sink.chunks if chunk.camera_id == f"c{number}"]

    def has(self, count: int, number: int = 0) -> Callable[[], bool]:
        return lambda: len(self.chunks(number)) >= count


@pytest.fixture(params=["auto", "gstreamer"])
def receiver(request: pytest.FixtureRequest) -> str:
    """Both receivers."""
    return str(request.param)


@pytest.fixture
def record(tmp_path: Path, receiver: str) -> Iterator[Callable[..., Recorded]]:
    """Starts a recording node: `record({"uri": …}, …)`; chunks are 2 s long where nothing else is said."""
    running: list[Recorded] = []

    def start(*cameras: dict[str, Any]) -> Recorded:
        whole = [
            {
                "frames": {"enabled": False},
                "receiver": receiver,
                **camera,
                "recording": {"enabled": True, "chunk_s": 2} | camera.get("recording", {}),
            }
            for camera in cameras
        ]
        running.append(Recorded(tmp_path, whole))
        return running[-1]

    yield start
    for each in running:
        assert each.node.stop(), "a camera did not end in time"


def assert_whole(recorded: Recorded, number: int = 0) -> None:
    """Every chunk plays alone, and no picture is missing or twice where chunks join."""
    last: int | None = None
    chunks = recorded.chunks(number)
    for chunk in chunks:
        path = recorded.sink.path(chunk)
        probed, seen = probe(path), marks(path)
        assert probed.begins_with_keyframe
        assert (probed.width, probed.height) == (chunk.width, chunk.height)
        if chunk is not chunks[-1]:
            # The last one may end between pictures that were sent out of order.
            assert probed.packets == len(seen)
            assert all(follows(*pair) for pair in itertools.pairwise(seen))
        if last is not None and chunk.gap_before_ms == 0:
            assert follows(last, seen[0])
        last = seen[-1]


def follows(earlier: int, later: int) -> bool:
    return (later - earlier) % (FILM_S * FPS) == 1


def assert_joined(chunks: list[Chunk]) -> None:
    assert len(chunks) > 1
    for earlier, later in itertools.pairwise(chunks):
        assert later.start == earlier.end
        assert later.gap_before_ms == 0


VARIANTS = (
    ("", "mp4", "h264"),
    (":bframes=2", "mp4", "h264"),
    (":codec=h265", "mp4", "h265"),
    (":codec=mjpeg", "mp4", "mjpeg"),
    (":bframes=2", "mpegts", "h264"),
    (":codec=h265", "mpegts", "h265"),
)


def test_chunks_of_every_kind_play_alone_and_join_to_the_picture(
    test_cameras: Cameras, record: Callable[..., Recorded], eventually: Eventually
) -> None:
    cameras = test_cameras(*[f"v{place}:{SMALL}{variant[0]}" for place, variant in enumerate(VARIANTS)])
    recorded = record(
        *[
            {"uri": cameras.uri(f"v{place}"), "recording": {"format": form}}
            for place, (_, form, _) in enumerate(VARIANTS)
        ]
    )
    for number in range(len(VARIANTS)):
        eventually(recorded.has(2, number))
    assert recorded.node.stop()
    for number, (_, _, codec) in enumerate(VARIANTS):
        chunks = recorded.chunks(number)
        assert {chunk.codec for chunk in chunks} == {codec}
        assert chunks[0].gap_before_ms is None
        assert_joined(chunks)
        assert all(abs(chunk.duration_ms - 2000) <= 1 for chunk in chunks[:-1])
        assert_whole(recorded, number)


def test_frames_and_recording_share_one_connection(
    test_cameras: Cameras, record: Callable[..., Recorded], eventually: Eventually
) -> None:
    uri = test_cameras(f"lobby:{SMALL}").uri("lobby")
    recorded = record({"uri": uri, "frames": {"enabled": True, "max_fps": 5}})
    eventually(recorded.has(2))
    report = recorded.node.reports()[0]
    assert report.is_delivering
    assert report.frames_total > 10
    assert report.reconnects_total == 0
    assert report.recording is not None
    assert report.recording.chunks_total >= 2
    size_bytes = sum(recorded.sink.path(chunk).stat().st_size for chunk in recorded.chunks())
    assert report.received_bytes_total < 1.5 * size_bytes  # once, not twice
    assert recorded.node.stop()
    assert_whole(recorded)


def test_a_camera_that_is_only_recorded_is_healthy_without_pictures(
    test_cameras: Cameras, record: Callable[..., Recorded], eventually: Eventually, tmp_path: Path
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}")
    recorded = record({"uri": cameras.uri("lobby"), "frames": {"enabled": False, "stale_after_s": 2}})
    node = recorded.node
    eventually(lambda: node.reports()[0].is_delivering)
    report = node.reports()[0]
    assert (report.state, report.frame, report.frames_total) == (CameraState.CONNECTED, None, 0)
    assert not (tmp_path / "data").exists()
    cameras.freeze()
    eventually(lambda: node.reports()[0].state is CameraState.STALLED)
    cameras.thaw()
    eventually(lambda: node.reports()[0].is_delivering)


def test_a_camera_that_went_and_came_leaves_a_gap_with_a_name(
    test_cameras: Cameras, record: Callable[..., Recorded], eventually: Eventually
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}")
    recorded = record({"uri": cameras.uri("lobby")})
    eventually(recorded.has(1))
    cameras.kill()
    eventually(lambda: recorded.node.reports()[0].state is CameraState.DISCONNECTED)
    before = len(recorded.chunks())
    cameras.start()
    eventually(recorded.has(before + 2))
    assert recorded.node.stop()
    chunks = recorded.chunks()
    first_after = chunks[before]
    gap = first_after.start - chunks[before - 1].end
    assert gap > timedelta(milliseconds=100)
    assert first_after.gap_before_ms == gap // timedelta(milliseconds=1)
    assert [chunk.gap_before_ms for chunk in chunks[before + 1 :]] == [0] * (len(chunks) - before - 1)
    shown_s = (
        (marks(recorded.sink.path(first_after))[0] - marks(recorded.sink.path(chunks[before - 1]))[-1] - 1)
        % (FILM_S * FPS)
        / FPS
    )
    assert abs(gap.total_seconds() - shown_s) < 0.5
    assert_whole(recorded)


def test_a_chunk_starts_when_its_first_picture_was_shown(
    test_cameras: Cameras, record: Callable[..., Recorded], eventually: Eventually
) -> None:
    recorded = record({"uri": test_cameras(f"lobby:{SMALL}").uri("lobby")})
    eventually(recorded.has(1))
    chunk = recorded.chunks()[0]
    shown_s = marks(recorded.sink.path(chunk))[0] / FPS
    lag_s = (chunk.start.timestamp() - shown_s) % FILM_S
    assert min(lag_s, FILM_S - lag_s) < 0.5


def test_a_clock_that_steps_an_hour_neither_reorders_nor_overwrites_chunks(
    test_cameras: Cameras, record: Callable[..., Recorded], eventually: Eventually
) -> None:
    recorded = record({"uri": test_cameras(f"lobby:{SMALL}").uri("lobby")})
    for count, hours in enumerate((1, -1, 0), start=1):
        eventually(recorded.has(2 * count - 1))
        recorded.clock.step = timedelta(hours=hours)  # in mid-connection
        eventually(recorded.has(2 * count))
        recorded.node.reconnect("c0")
    assert recorded.node.stop()
    chunks = recorded.chunks()
    assert len(chunks) >= 6
    for earlier, later in itertools.pairwise(chunks):
        gap = later.start - earlier.end
        assert timedelta() <= gap < timedelta(seconds=30)
        assert later.gap_before_ms == gap // timedelta(milliseconds=1)
    assert_whole(recorded)


def test_sigterm_finishes_every_last_chunk(
    test_cameras: Cameras, record: Callable[..., Recorded], eventually: Eventually
) -> None:
    uri = test_cameras(f"lobby:{SMALL}").uri("lobby")
    recorded = record(*[{"uri": uri, "recording": {"chunk_s": 60}} for _ in range(8)])
    eventually(lambda: len(recorded.sink.begun) == 8)
    paths = recorded.sink.open_paths()
    eventually(lambda: all(path.stat().st_size > 20_000 for path in paths))
    assert recorded.node.stop()
    assert len(recorded.sink.chunks) == 8
    assert not recorded.sink.open_paths()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("recording-")]
    for number in range(8):
        assert probe(recorded.sink.path(recorded.chunks(number)[0])).begins_with_keyframe


def test_kill_9_in_mid_chunk_leaves_files_that_play(
    test_cameras: Cameras, eventually: Eventually, tmp_path: Path
) -> None:
    uri = test_cameras(f"lobby:{SMALL}:kbps=800").uri("lobby")
    node = subprocess.Popen(
        [sys.executable, str(RECORD_UNTIL_KILLED), uri, str(tmp_path), *ChunkFormat],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        eventually(lambda: len(list((tmp_path / "open").glob("*"))) == 2)
        opened = list((tmp_path / "open").glob("*"))
        eventually(lambda: all(path.stat().st_size > 350_000 for path in opened))
    finally:
        node.send_signal(signal.SIGKILL)
        node.wait()
    for path in opened:
        form = ChunkFormat.MP4 if path.suffix == ".mp4" else ChunkFormat.MPEGTS
        if form is ChunkFormat.MP4:
            assert probe(path).last_s > 1  # as it is: nothing has to repair it before it plays
        saved = media.repair(path, form)
        assert saved is not None
        probed = probe(path)
        assert probed.begins_with_keyframe
        assert probed.packets == saved.pictures
        assert all(follows(*pair) for pair in itertools.pairwise(marks(path)))


def test_a_recording_that_hangs_never_disturbs_the_frames(
    test_cameras: Cameras, record: Callable[..., Recorded], eventually: Eventually
) -> None:
    uri = test_cameras(f"lobby:{SMALL}").uri("lobby")
    recorded = record({"uri": uri, "frames": {"enabled": True, "max_fps": 5}})
    eventually(recorded.has(1))
    recorded.sink.gate.clear()
    written = recorded.node.reports()[0].frames_total
    eventually(lambda: recorded.node.reports()[0].frames_total > written + 10)
    recorded.sink.gate.set()
    eventually(recorded.has(3))
    report = recorded.node.reports()[0]
    assert report.reconnects_total == 0
    assert recorded.node.stop()
    assert_joined(recorded.chunks())
    assert_whole(recorded)


BARE = "video/x-h264,stream-format=byte-stream"
MUXERS = ("flvmux", "mpegtsmux", "mp4mux fragment-duration=500 streamable=true", BARE)
PROGRAM_S, PAUSE_S = 3, 4


def program(muxer: str, pipe: Path) -> subprocess.Popen[bytes]:
    """Films for `PROGRAM_S` into a pipe, and ends."""
    raw = f"video/x-raw,width=160,height=90,framerate={FPS}/1"
    coding = f"x264enc tune=zerolatency key-int-max={FPS} ! h264parse config-interval=-1"
    sink = f"filesink buffer-mode=unbuffered location={pipe}"
    source = f"videotestsrc is-live=true num-buffers={PROGRAM_S * FPS}"
    line = f"gst-launch-1.0 -q {source} ! {raw} ! {coding} ! {muxer} ! {sink}"
    return subprocess.Popen(line.split())


@pytest.mark.parametrize("receiver", ["auto"], indirect=True)
def test_two_programs_in_a_pipe_that_stays_open_are_recorded_and_what_lies_between_is_a_gap(
    tmp_path: Path, record: Callable[..., Recorded], eventually: Eventually
) -> None:
    pipes = [tmp_path / f"pipe-{number}" for number in range(len(MUXERS))]
    recorded = record(*[{"uri": f"pipe://{pipe}"} for pipe in pipes])
    eventually(lambda: all(pipe.exists() for pipe in pipes))
    with ExitStack() as shell:
        for pipe in pipes:
            shell.enter_context(pipe.open("wb", buffering=0))
        for _ in range(2):
            began_s = time.monotonic()
            running = [program(muxer, pipe) for muxer, pipe in zip(MUXERS, pipes, strict=True)]
            assert [each.wait(60) for each in running] == [0] * len(MUXERS)
            took_s = time.monotonic() - began_s
            time.sleep(PAUSE_S)

    def pictures(number: int) -> int:
        return sum(probe(recorded.sink.path(chunk)).packets for chunk in recorded.chunks(number))

    for number, muxer in enumerate(MUXERS):
        eventually(lambda number=number: pictures(number) == 2 * PROGRAM_S * FPS)
        gaps = [chunk.gap_before_ms for chunk in recorded.chunks(number) if chunk.gap_before_ms]
        if muxer is BARE:
            # Nothing in its bytes tells the second from the first: the pause is in the times of the pictures.
            assert gaps == []
            continue
        # A program needs some time to begin.
        assert [gap / 1000 for gap in gaps] == pytest.approx([PAUSE_S + took_s - PROGRAM_S], abs=1.5), muxer


def test_looped_film_that_cannot_be_recorded_goes_on_giving_frames(
    tmp_path: Path, record: Callable[..., Recorded], eventually: Eventually
) -> None:
    """A film's second end is behind a flush, which has to pass the recording's closed valve."""
    film = tmp_path / "film.avi"
    raw = "video/x-raw,width=160,height=90,framerate=10/1"
    line = f"videotestsrc num-buffers=10 ! {raw} ! jpegenc ! avimux ! filesink location={film}"
    subprocess.run(["gst-launch-1.0", "-q", *line.split()], check=True, timeout=60)
    recorded = record(
        {
            "uri": f"file://{film}",
            "frames": {"enabled": True, "max_fps": 10},
            "recording": {"format": "mpegts"},
        }
    )
    eventually(has_pictures(recorded.node, 50))
    assert report(recorded.node).reconnects_total == 0
    assert recorded.chunks() == []

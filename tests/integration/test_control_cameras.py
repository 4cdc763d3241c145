"""A node that is controlled remotely while cameras deliver: nothing is connected again, nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from camera_process import CameraProcess
from recorded import ChunkFolder, probe

from edgecam.clock import SystemClock
from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.errors import CommandError
from edgecam.node.control import Control
from edgecam.node.node import Node
from edgecam.status.reports import CameraReport, CameraState, DecodeMode
from edgecam.upload.service import UploadService

Eventually = Callable[..., Any]
Cameras = Callable[..., CameraProcess]
SMALL = "lobby:160x90@15:keyframe=1"


class JumpingClock(SystemClock):
    """The machine's clock, of which a test may leave out some time."""

    def __init__(self) -> None:
        self.left_out_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.left_out_s


class Controlled:
    """A node with one camera, `c0`, and what it may be asked; its chunks stay in a folder."""

    def __init__(self, folder: Path, camera: dict[str, Any], **settings: Any) -> None:
        document = {
            "cameras": [{"id": "c0", **camera}],
            "data_dir": str(folder / "data"),
            "spool": {"path": str(folder / "spool"), "keep_free_bytes": 0},
            **settings,
        }
        config = validate(NodeConfig, document)
        self.sink = ChunkFolder(folder / "chunks")
        self.storage = UploadService(config) if "latest" in settings else None
        self.clock = JumpingClock()
        self.node = Node(config, logins=Logins(config.cameras), clock=self.clock, chunks=self.sink)
        self.control = Control(self.node, config, self.storage)
        if self.storage is not None:
            self.storage.open()
            self.storage.start(self.node)
        self.node.start()

    @property
    def report(self) -> CameraReport:
        return self.node.reports()[0]

    def configure(self, **settings: object) -> None:
        self.control.configure("c0", json.dumps(settings).encode() if settings else b"")
        assert self.control.refused("c0") is None

    def stop(self) -> None:
        assert self.node.stop(), "a camera did not end in time"
        if self.storage is not None:
            self.storage.stop(timeout_s=2)


@pytest.fixture
def controlled(tmp_path: Path) -> Iterator[Callable[..., Controlled]]:
    """Starts such a node: `controlled({"uri": …}, latest={…})`."""
    running: list[Controlled] = []

    def start(camera: dict[str, Any], **settings: Any) -> Controlled:
        running.append(Controlled(tmp_path, camera, **settings))
        return running[-1]

    yield start
    for each in running:
        each.stop()


def test_a_rate_that_is_changed_shows_in_the_pictures_without_connecting_again(
    test_cameras: Cameras, controlled: Callable[..., Controlled], eventually: Eventually
) -> None:
    it = controlled({"uri": test_cameras(SMALL).uri("lobby"), "frames": {"max_fps": 0.5}})
    eventually(lambda: it.report.decode_mode is DecodeMode.KEYFRAMES and it.report.frames_total)
    it.configure(max_fps=15)
    eventually(lambda: it.report.decode_mode is DecodeMode.ALL)
    begun = it.report.frames_total
    eventually(lambda: it.report.frames_total >= begun + 30)  # at the rate before it would take a minute
    it.configure(max_fps=5)
    eventually(lambda: it.report.decode_mode is DecodeMode.CATCH_UP)
    it.configure()
    eventually(lambda: it.report.decode_mode is DecodeMode.KEYFRAMES)
    assert (it.report.reconnects_total, it.report.state) == (0, CameraState.CONNECTED)


def test_a_picture_that_is_old_by_a_changed_rate_is_no_fault_of_the_camera(
    test_cameras: Cameras, controlled: Callable[..., Controlled], eventually: Eventually
) -> None:
    uri = test_cameras("lobby:160x90@15:keyframe=2").uri("lobby")
    it = controlled({"uri": uri, "frames": {"max_fps": 0.1, "decode": "keyframes"}})
    eventually(lambda: it.report.state is CameraState.CONNECTED)
    it.control.command("c0", "snapshot")
    eventually(lambda: it.report.frames_total == 2)
    it.clock.left_out_s = 12  # pictures are ten seconds apart, or a little more
    it.configure(max_fps=1)
    eventually(lambda: it.report.frames_total == 3)
    assert (it.report.reconnects_total, it.report.state) == (0, CameraState.CONNECTED)


def test_a_chunk_length_that_is_changed_shows_in_the_next_chunks_without_a_gap(
    test_cameras: Cameras, controlled: Callable[..., Controlled], eventually: Eventually
) -> None:
    it = controlled(
        {
            "uri": test_cameras(SMALL).uri("lobby"),
            "frames": {"enabled": False},
            "recording": {"enabled": True, "chunk_s": 60},
        },
        bucket="file:///nowhere",
    )
    eventually(lambda: it.report.received_bytes_total > 0)
    it.configure(chunk_s=2)
    eventually(lambda: len(it.sink.chunks) >= 2)
    it.configure(chunk_s=3)
    changed = len(it.sink.chunks)
    eventually(lambda: len(it.sink.chunks) >= changed + 2)
    assert it.node.stop()
    chunks = it.sink.chunks
    assert all(chunk.duration_ms < 60_000 for chunk in chunks)
    assert abs(chunks[1].duration_ms - 2000) <= 1
    assert abs(chunks[changed + 1].duration_ms - 3000) <= 1
    for earlier, later in pairwise(chunks):
        assert later.start == earlier.end
        assert later.gap_before_ms == 0
    probed = [probe(it.sink.path(chunk)) for chunk in chunks]
    assert all(each.begins_with_keyframe for each in probed)
    assert (probed[1].packets, probed[changed + 1].packets) == (30, 45)
    assert it.report.reconnects_total == 0


@pytest.mark.parametrize("decode", ["auto", "all", "keyframes"])
def test_a_snapshot_is_written_and_uploaded_at_once_however_rare_pictures_are(
    decode: str,
    test_cameras: Cameras,
    controlled: Callable[..., Controlled],
    eventually: Eventually,
    tmp_path: Path,
) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    it = controlled(
        {"uri": test_cameras(SMALL).uri("lobby"), "frames": {"max_fps": 0.1, "decode": decode}},
        bucket=f"file://{bucket}",
        latest={"every_s": 3600},
    )
    latest = bucket / "latest" / "c0.jpg"
    first = eventually(lambda: latest.exists() and it.report.frame)
    uploaded = latest.read_bytes()
    eventually(lambda: it.report.state is CameraState.CONNECTED)
    it.control.command("c0", "snapshot")
    eventually(lambda: latest.read_bytes() != uploaded)
    second = it.report.frame
    assert second is not None
    assert second.sequence == 2
    assert (second.captured_at - first.captured_at).total_seconds() < 9  # it would have been 10
    assert latest.read_bytes() == it.node.frame_path("c0").read_bytes()


def test_a_camera_that_is_away_gives_no_snapshot_and_a_restart_tries_at_once(
    test_cameras: Cameras, controlled: Callable[..., Controlled], eventually: Eventually
) -> None:
    cameras = test_cameras(SMALL)
    it = controlled({"uri": cameras.uri("lobby")})
    eventually(lambda: it.report.is_delivering)
    cameras.kill()
    eventually(lambda: it.report.state is CameraState.DISCONNECTED)
    with pytest.raises(CommandError, match="expected the camera to be connected, found it disconnected"):
        it.control.command("c0", "snapshot")
    cameras.start()
    attempts = it.report.reconnects_total
    it.control.command("c0", "restart")
    eventually(lambda: it.report.reconnects_total > attempts and it.report.is_delivering)

"""What a device may be asked to do: settings in force, refusals, limits of several devices, commands."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.errors import CommandError
from edgecam.node.control import Control
from edgecam.node.node import Node
from edgecam.redaction import SECRETS
from edgecam.status.reports import CameraState

Eventually = Callable[..., Any]
CAMERAS = (
    {"id": "lobby", "uri": "rtsp://127.0.0.1:1/", "recording": {"enabled": True}},
    {"id": "gate", "uri": "test://?fps=25&width=64&height=48", "frames": {"max_fps": 0.1}},
    {
        "id": "yard",
        "uri": "rtsp://127.0.0.1:1/",
        "frames": {"enabled": False},
        "recording": {"enabled": True, "chunk_s": 20},
    },
)
DEPLOYED = {"max_requests_per_s": 20.0, "max_bytes_per_s": 20_000_000}


@dataclass
class AskedStorage:
    """Remembers what it is asked."""

    limits: list[tuple[float, float]] = field(default_factory=list)
    published: list[str] = field(default_factory=list)

    def limit(self, *, max_requests_per_s: float, max_bytes_per_s: float) -> None:
        self.limits.append((max_requests_per_s, max_bytes_per_s))

    def publish_picture(self, camera_id: str) -> None:
        self.published.append(camera_id)


class Controlled:
    """A node, its control, and a storage that remembers."""

    def __init__(self, folder: Path, *, has_bucket: bool = True) -> None:
        document = {"cameras": CAMERAS, "data_dir": str(folder), "bucket": "file:///nowhere"}
        config = validate(NodeConfig, document)
        self.node = Node(config, logins=Logins(config.cameras))
        self.storage = AskedStorage()
        self.control = Control(self.node, config, self.storage if has_bucket else None)

    def configure(self, camera_id: str, **settings: object) -> None:
        self.control.configure(camera_id, json.dumps(settings).encode())

    def report(self, number: int) -> Any:
        return self.node.reports()[number]


@pytest.fixture
def it(tmp_path: Path) -> Controlled:
    return Controlled(tmp_path)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Controlled]:
    """Of which the camera `gate` delivers, and the others refuse."""
    started = Controlled(tmp_path)
    started.node.start()
    yield started
    assert started.node.stop()


def test_at_first_what_was_deployed_is_in_force_without_what_makes_no_sense(tmp_path: Path) -> None:
    control = Controlled(tmp_path).control
    assert control.in_force("lobby") == {"max_fps": 1.0, "chunk_s": 10.0, "upload": DEPLOYED}
    assert control.in_force("gate") == {"max_fps": 0.1, "upload": DEPLOYED}
    assert control.in_force("yard") == {"chunk_s": 20.0, "upload": DEPLOYED}
    assert control.refused("lobby") is None
    assert Controlled(tmp_path, has_bucket=False).control.in_force("gate") == {"max_fps": 0.1}


def test_what_is_in_force_can_be_sent_back_as_it_is(it: Controlled) -> None:
    it.configure("lobby", max_fps=3, chunk_s=4)
    shown = dict(it.control.in_force("lobby"))
    it.configure("lobby", **shown)
    assert it.control.refused("lobby") is None
    assert it.control.in_force("lobby") == shown


def test_an_empty_document_returns_to_what_was_deployed(it: Controlled) -> None:
    before = it.control.in_force("lobby")
    it.configure("lobby", max_fps=3, chunk_s=4, upload={"max_bytes_per_s": 5000})
    assert it.control.in_force("lobby") != before
    it.control.configure("lobby", b"")
    assert it.control.in_force("lobby") == before
    assert it.storage.limits[-1] == (20.0, 20_000_000)


def test_of_several_devices_that_name_a_limit_the_smallest_counts(it: Controlled) -> None:
    it.configure("lobby", upload={"max_bytes_per_s": 9000})
    it.configure("gate", upload={"max_bytes_per_s": 7000, "max_requests_per_s": 30})
    it.configure("yard", upload={"max_bytes_per_s": 8000})
    assert it.storage.limits == [(20.0, 9000), (30.0, 7000), (30.0, 7000)]
    assert it.control.in_force("lobby")["upload"] == {"max_requests_per_s": 30.0, "max_bytes_per_s": 7000}
    it.configure("gate")
    assert it.storage.limits[-1] == (20.0, 8000)


def test_a_refused_document_changes_nothing_and_says_why(
    it: Controlled, caplog: pytest.LogCaptureFixture
) -> None:
    it.configure("yard", chunk_s=4)
    before = it.control.in_force("yard")
    it.configure("yard", chunk_s=5, max_fps=2, upload={"max_bytes_per_s": 1})
    assert it.control.in_force("yard") == before
    assert it.control.refused("yard") == (
        "max_fps: expected it left out, since the camera makes no pictures, found 2; "
        "upload.max_bytes_per_s: expected a number greater than or equal to 4096, found 1"
    )
    assert it.control.refused("lobby") is None
    warned = [entry for entry in caplog.records if entry.levelno >= logging.WARNING]
    assert [entry.levelno for entry in warned] == [logging.WARNING]
    it.configure("yard", chunk_s=4)
    assert it.control.refused("yard") is None
    assert it.control.in_force("yard") == before


def test_the_same_document_again_changes_nothing_and_logs_nothing(
    it: Controlled, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    it.control.configure("lobby", b"")
    it.control.configure("lobby", b"")
    assert caplog.records == []
    for document in (b'{"chunk_s": 4, "upload": {"max_bytes_per_s": 9000}}', b'{"chunk_s": 0}'):
        for _ in range(3):
            it.control.configure("lobby", document)
        assert len(caplog.records) == 1
        caplog.clear()
    assert len(it.storage.limits) == 1


def test_a_document_of_many_mistakes_is_reported_in_short(it: Controlled) -> None:
    it.configure("lobby", **{f"k{number}": number for number in range(200)})
    refused = it.control.refused("lobby")
    assert refused is not None
    assert refused.endswith("; and 195 more mistakes")
    assert len(refused) <= 600


def test_passwords_are_hidden_in_a_refusal(it: Controlled) -> None:
    SECRETS.remember("hunter2-of-the-yard")
    it.configure("lobby", max_fps="hunter2-of-the-yard", upload="rtsp://me:pw@10.0.0.1/")
    refused = it.control.refused("lobby")
    assert refused is not None
    assert "hunter2" not in refused
    assert "pw" not in refused
    assert "max_fps: expected a number in plain decimals" in refused


def test_unknown_commands_and_cameras_are_answered_with_what_there_is(it: Controlled) -> None:
    with pytest.raises(CommandError) as caught:
        it.control.command("lobby", "reboot")
    assert str(caught.value) == 'lobby: expected one of the commands restart, snapshot, found "reboot"'
    with pytest.raises(CommandError, match='expected one of the cameras lobby, gate, yard, found "attic"'):
        it.control.command("attic", "restart")


def test_a_snapshot_of_a_camera_that_has_none_is_refused_with_a_sentence(it: Controlled) -> None:
    with pytest.raises(CommandError) as caught:
        it.control.command("yard", "snapshot")
    assert str(caught.value) == "yard: expected a camera with pictures, found frames.enabled: false"
    with pytest.raises(CommandError) as caught:
        it.control.command("lobby", "snapshot")
    assert str(caught.value) == "lobby: expected the camera to be connected, found it connecting"


def test_a_snapshot_is_written_at_once_and_published_when_it_is(
    running: Controlled, eventually: Eventually
) -> None:
    eventually(lambda: running.report(1).state is CameraState.CONNECTED)
    first = running.report(1).frame
    assert running.storage.published == []
    running.control.command("gate", "snapshot")
    eventually(lambda: running.storage.published == ["gate"])
    second = running.report(1).frame
    assert second.sequence == 2
    assert (second.captured_at - first.captured_at).total_seconds() < 9


def test_a_restart_connects_again(running: Controlled, eventually: Eventually) -> None:
    eventually(lambda: running.report(1).state is CameraState.CONNECTED)
    since = running.report(1).since
    running.control.command("gate", " restart\n")
    eventually(lambda: running.report(1).reconnects_total == 1 and running.report(1).since > since)
    eventually(lambda: running.report(1).is_delivering)


def test_the_age_limit_follows_the_rate(running: Controlled, eventually: Eventually) -> None:
    eventually(lambda: running.report(1).is_delivering)
    assert running.report(1).stale_after_s == 30
    running.configure("gate", max_fps=10)
    assert running.report(1).stale_after_s == 5
    eventually(lambda: running.report(1).frames_total > 20)
    assert running.report(1).reconnects_total == 0
    shown = json.loads(running.node.frame_path("gate").with_suffix(".json").read_text())
    assert shown["stale_after_s"] == 5

"""Keyframes that are far apart (H.264+), with frames and a recording: waited for, connected to once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded import ChunkFolder, marks

from edgecam.clock import SystemClock
from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.node.node import Node
from edgecam.status.reports import CameraState
from sandbox.cameras.film import FILM_FOLDER, Film
from sandbox.cameras.hostile_camera import HostileCamera, plain_film
from sandbox.cameras.rtsp_connection import Connection

FILM = Film(160, 90, 10, keyframe_s=12, kbps=100)
JOINED_AT = 15
"""Of 120 pictures from keyframe to keyframe: ten seconds and a half before the next one."""


def rare(connection: Connection) -> None:
    connection.shake_hands()
    connection.play(first=JOINED_AT)


@pytest.mark.parametrize("receiver", ["auto", "gstreamer"])
def test_keyframe_is_waited_for_on_one_connection_and_recording_begins_with_it(
    receiver: str, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    sink = ChunkFolder(tmp_path / "chunks")
    with HostileCamera(rare, film=plain_film(FILM_FOLDER, FILM), fps=10) as camera:
        settings = {
            "id": "rare",
            "uri": camera.uri,
            "receiver": receiver,
            "connect_timeout_s": 2,
            "frames": {"max_fps": 2},
            "recording": {"enabled": True, "chunk_s": 2},
        }
        document = {"cameras": [settings], "data_dir": str(tmp_path / "data"), "bucket": "file:///nowhere"}
        config = validate(NodeConfig, document)
        node = Node(config, logins=Logins(config.cameras), clock=SystemClock(), chunks=sink)
        node.start()
        eventually(lambda: "waits for a keyframe" in (node.reports()[0].message or ""))
        assert node.reports()[0].state is CameraState.CONNECTING
        eventually(lambda: node.reports()[0].state is CameraState.CONNECTED)
        assert node.reports()[0].reason is None
        eventually(lambda: node.reports()[0].frames_total > 4)
        assert node.stop()
        assert camera.connections == 1
    numbers = [number for chunk in sink.chunks for number in marks(sink.path(chunk))]
    assert numbers == list(range(120, 120 + len(numbers)))

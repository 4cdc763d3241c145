"""A browser, and a node whose cameras move, get stuck, and are away: all of them real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from camera_process import CameraProcess
from playwright.sync_api import Browser, sync_playwright
from running_node import RunningNode
from scenes import pictures_of

from sandbox.ports import free_port

START_TIMEOUT_S = 60.0


@pytest.fixture
def stuck_camera(test_cameras: Callable[..., CameraProcess]) -> CameraProcess:
    """The camera `stuck`: it delivers until it is frozen."""
    return test_cameras("stuck:640x360@10")


@pytest.fixture
def running_node(tmp_path: Path, stuck_camera: CameraProcess) -> Iterator[RunningNode]:
    """A core's node with the cameras `ball` (moves), `stuck` (see there; recorded) and `away` (refuses)."""
    port = free_port()
    config = {
        "site": "headquarters",
        "data_dir": str(tmp_path / "frames"),
        "bucket": f"file://{tmp_path}/recordings",
        "spool": {"path": str(tmp_path / "spool")},
        "http": {"port": port},
        "cameras": [
            {"id": "ball", "uri": "test://?pattern=ball&fps=10", "frames": {"max_fps": 5}},
            {
                "id": "stuck",
                "uri": stuck_camera.uri("stuck"),
                "frames": {"max_fps": 5, "stale_after_s": 1},
                "recording": {"enabled": True},
                "connect_timeout_s": 60,
            },
            {"id": "away", "uri": f"rtsp://127.0.0.1:{free_port()}/stream1"},
        ],
    }
    file = tmp_path / "node.json"
    file.write_text(json.dumps(config))
    with (tmp_path / "node.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edgecam", "run", "--config", str(file)],
            stderr=log,
            env={**os.environ, "AWS_IOT_THING_NAME": "hq-core"},
        )
    node = RunningNode(process, f"http://localhost:{port}")
    try:
        wait_until_it_answers(node, tmp_path / "node.log")
        yield node
    finally:
        node.resume()
        process.terminate()
        assert process.wait(10) == 0


def wait_until_it_answers(node: RunningNode, log: Path) -> None:
    """Fails with the node's log."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and node.process.poll() is None:
        try:
            node.health()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the node did not answer: {log.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium."""
    with sync_playwright() as playwright:
        # As root in a container there is no sandbox and little shared memory.
        started = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def pictures(browser: Browser) -> dict[str, bytes]:
    """A picture of each scene, by the scene's name."""
    return pictures_of(browser)

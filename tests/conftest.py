"""What tests of several folders share: free ports, test cameras, patience."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from camera_process import CameraProcess
from stranger import Stranger

from sandbox.ports import free_port as find_free_port

T = TypeVar("T")

PATIENCE_S = 20.0
"""For what takes a second or two on an idle machine. Tests wait for outcomes, they do not measure speed."""


REAL_TIME = ("browser", "container", "integration", "recipes", "sandbox")
"""Folders whose tests have cameras, browsers, containers and clocks to wait for, on a machine that may be
lent to several. One that fails is run once more; pytest names it at the end (`RERUN`), since a second run
that passes is something to look into, and not a success."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See `REAL_TIME`."""
    folder = Path(__file__).parent
    for item in items:
        if item.path.relative_to(folder).parts[0] in REAL_TIME:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture
def free_port() -> int:
    """A TCP port that nobody listens on."""
    return find_free_port()


@pytest.fixture
def test_cameras() -> Iterator[Callable[..., CameraProcess]]:
    """Starts RTSP servers: `test_cameras("lobby:320x180@15", …)`; see `CameraProcess` for the keywords."""
    started: list[CameraProcess] = []

    def start(*cameras: str, **options: Any) -> CameraProcess:
        process = CameraProcess(cameras, **({"port": find_free_port()} | options))
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Waits until a condition gives something true, and returns that: `eventually(lambda: path.exists())`."""

    def wait(condition: Callable[[], T], *, within_s: float = PATIENCE_S) -> T:
        deadline_s = time.monotonic() + within_s
        while not (outcome := condition()):
            assert time.monotonic() < deadline_s, f"not within {within_s:g} s"
            time.sleep(0.02)
        return outcome

    return wait


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    """Another user of this machine, who may be first in /dev/shm."""
    found = Stranger(Path(f"/dev/shm/edgecam-test-{uuid.uuid4().hex}"))
    yield found
    found.leaves()


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A folder for generated video files."""
    folder = tmp_path / "films"
    folder.mkdir()
    return folder

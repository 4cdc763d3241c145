"""What tests of several folders share: free ports, test cameras, waiting."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import engine
import lanes
import pytest
import pytest_rerunfailures
from camera_process import CameraProcess
from engine import Ledger
from stranger import Stranger

from sandbox.ports import free_port as find_free_port

pytest_plugins = ["embedded_aws", "synthesis"]

T = TypeVar("T")

WAIT_S = 60.0
"""For what takes a second or two on an idle machine. Tests wait for outcomes, they do not measure speed."""


REAL_TIME = ("browser", "examples", "image", "integration", "recipes", "sandbox")
"""Folders whose tests have cameras, browsers, containers and clocks to wait for, on a machine that may be
lent to several. One that fails is run once more; pytest names it at the end (`RERUN`), since a second run
that passes is something to look into, and not a success."""


DOCKER_ENGINE = "docker_engine"
"""The fixture whose name makes a test one of the marker `docker`: asked for by itself or by its fixtures."""


def pytest_configure(config: pytest.Config) -> None:
    """See `workers`: with `pytest -n` alone, since xdist is not wherever tests run."""
    if hasattr(config, "workerinput"):
        import workers

        workers.take_part(config)
    elif config.getoption("tx", None):
        import workers

        workers.distribute(config)


@pytest.hookimpl(tryfirst=True)  # before `-m` is heeded
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See `REAL_TIME`, `DOCKER_ENGINE` and `lanes`."""
    folder = Path(__file__).parent
    for item in items:
        if DOCKER_ENGINE in getattr(item, "fixturenames", ()):
            item.add_marker("docker")
        if item.path.relative_to(folder).parts[0] in REAL_TIME:
            item.add_marker(pytest.mark.flaky(reruns=1))
    lanes.put_in_order(items)


@pytest.hookimpl(tryfirst=True)  # before the worker reports what it has collected
def pytest_collection_finish(session: pytest.Session) -> None:
    """Say which test is in which lane to who distributes them; refuse what starts Node or is divided."""
    if "aws_cdk" in sys.modules:
        raise pytest.UsageError("expected aws_cdk to be imported in functions, found a module that does")
    if divided := lanes.divided(session.items):
        expected = "expected a fixture that a module starts and takes down to be in one lane"
        raise pytest.UsageError(f"{expected}, found it in several: {'; '.join(divided)}")
    if file := getattr(session.config, "workerinput", {}).get(lanes.FILE):
        lanes.tell(session.items, Path(file))


@pytest.hookimpl(tryfirst=True)  # before everything is taken down
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Return what pytest-rerunfailures holds back of a session's finalizers while a test is run once more."""
    if exitstatus == pytest.ExitCode.INTERRUPTED:
        session._setupstate.stack.update(pytest_rerunfailures.suspended_finalizers)


@pytest.fixture(scope="session")
def docker_engine() -> str:
    """A Docker engine that answers; its word for what it runs on. See `DOCKER_ENGINE`."""
    asked = ["docker", "version", "--format", "{{.Server.Arch}}"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.fail(f"These tests need Docker, installed and running: {error}", pytrace=False)


@pytest.fixture(autouse=True)
def _no_docker_for_who_does_not_ask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a test without the marker fails on every machine, not only where there is no Docker."""
    if DOCKER_ENGINE not in request.fixturenames:
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/this-test-does-not-ask-for-docker_engine.sock")


@pytest.fixture(scope="session", autouse=True)
def docker_ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger | None]:
    """What this run asks of Docker; None where no test does.

    A run that leaves a container, image, network or volume that `engine.may_stay` does not name fails. What
    others do on the same engine meanwhile is not looked at.
    """
    items = request.session.items
    if not any(DOCKER_ENGINE in getattr(item, "fixturenames", ()) for item in items) or not engine.answers():
        yield None  # the tests that need an engine say so themselves
        return
    ledger = Ledger(tmp_path_factory.mktemp("docker"))
    before = engine.contents()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(ledger.folder), prepend=os.pathsep)
        yield ledger
    assert ledger.left(before) == []


@pytest.fixture(autouse=True)
def logging_stays_as_it_was() -> Iterator[None]:
    """A test may run the program, which sets up logging: what it leaves would hide warnings from the next."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


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

    def wait(condition: Callable[[], T], *, within_s: float = WAIT_S) -> T:
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

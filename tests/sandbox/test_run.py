"""The command `python -m sandbox`, as far as it goes without deploying."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.aws.environment import REPOSITORY
from sandbox.errors import PreflightError, StartError
from sandbox.ports import free_port, is_free
from sandbox.run import settings_from
from sandbox.settings import Settings
from sandbox.system import System

Until = Callable[..., Any]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Ports and a folder of its own for one run."""
    return {
        **os.environ,
        "SANDBOX_FOLDER": str(tmp_path / "sandbox"),
        **{name: str(free_port()) for name in Settings().ports},
        "COMPONENT_PREFIX": f"com.edgecam-test-{uuid.uuid4().hex[:12]}",
        "PYTHONUNBUFFERED": "1",
    }


def run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_used_port_is_a_clear_line_before_anything_starts(
    environment: dict[str, str], taken_port: int, tmp_path: Path
) -> None:
    done = run({**environment, "PAGE_PORT": str(taken_port)})
    assert done.returncode == 1
    assert f"Port {taken_port}, meant for the page, is already in use by" in done.stdout
    assert f"(process {os.getpid()}): stop that, or say PAGE_PORT=<another port>" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "sandbox").exists()


def test_missing_docker_is_a_clear_line(environment: dict[str, str], tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "node").symlink_to("/usr/bin/node")
    done = run({**environment, "PATH": str(programs)})
    assert done.returncode == 1
    assert "Docker is not installed" in done.stdout


@pytest.mark.usefixtures("docker_engine")  # its command, at least
def test_docker_that_does_not_answer_is_a_clear_line(environment: dict[str, str]) -> None:
    done = run({**environment, "DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert done.returncode == 1
    assert "Docker cannot be used: start it" in done.stdout


@pytest.mark.usefixtures("docker_engine")  # its command, at least
def test_every_lack_is_reported_at_once(environment: dict[str, str], taken_port: int) -> None:
    done = run({**environment, "DOCKER_HOST": "unix:///nowhere/docker.sock", "AWS_PORT": str(taken_port)})
    assert "Docker cannot be used" in done.stdout
    assert f"Port {taken_port}, meant for the embedded AWS" in done.stdout


@pytest.mark.parametrize("port", ["http", "80", "70000", "-1"])
def test_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(PreflightError, match="AWS_PORT must be a port"):
        settings_from({"AWS_PORT": port})


def test_nucleus_and_its_shell_are_chosen_by_their_names() -> None:
    found = settings_from({"NUCLEUS": "lite-2.6.0", "NUCLEUS_SHELL": "dash"}).character
    assert (found.nucleus, found.shell) == ("lite-2.6.0", "dash")
    with pytest.raises(StartError, match=r"one of classic, lite-2\.6\.0, lite-newest"):
        settings_from({"NUCLEUS": "lite"})


def test_folder_with_files_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StartError, match="not the sandbox's"):
        System(Settings(folder=tmp_path))
    assert (tmp_path / "thesis.txt").exists()


def test_folder_of_an_earlier_run_is_emptied(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    System(Settings(folder=folder))
    (folder / "old.log").write_text("old")
    System(Settings(folder=folder))
    assert not (folder / "old.log").exists()


@pytest.mark.usefixtures("docker_engine")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_takes_everything_down(
    environment: dict[str, str], tmp_path: Path, until: Until, number: signal.Signals
) -> None:
    output = tmp_path / "output"
    with output.open("w") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "sandbox"], cwd=REPOSITORY, env=environment, stdout=log, stderr=log
        )
    try:
        until(lambda: "cdk bootstrap" in output.read_text(), "the bootstrap has begun")
        children = psutil.Process(running.pid).children(recursive=True)
        assert len(children) >= 2
        running.send_signal(number)
        assert running.wait(30) == 0, output.read_text()
    finally:
        # Where it was not taken down, its parts are in sessions of their own, and would go on.
        parts = psutil.Process(running.pid).children(recursive=True) if running.poll() is None else []
        for process in (running, *parts):
            process.kill()
        running.wait()
    assert "Asked to stop." in output.read_text()
    assert "left over" not in output.read_text()
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert all(is_free(int(environment[name])) for name in Settings().ports)

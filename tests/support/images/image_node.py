"""A node in a container of its own, started as the recipe starts it, and a test camera for it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from container.image.inputs import PROJECT

LOCKED_DOWN = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
FIRST_PICTURE_LIMIT_S = 60.0  # on a machine that is busy with other tests
STOP_LIMIT_S = 5.0  # promised to the nucleus, which kills after 15
RECORDER_STOP_LIMIT_S = 10.0  # what is recorded is handed in first


class Node:
    """A running container and the `docker run` in front of it."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

    def exists(self) -> bool:
        """Whether there is such a container, running or not."""
        asked = ["docker", "ps", "--all", "--quiet", f"--filter=name=^{self.name}$"]
        return bool(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())

    def said(self) -> str:
        """Both its outputs."""
        return self._log.read_text()


@contextlib.contextmanager
def running(
    image: str,
    frames: Path,
    source: str | dict[str, object],
    *,
    user: str = "",
    network: str = "none",
    secrets: Mapping[str, str] = MappingProxyType({}),
    settings: Mapping[str, object] = MappingProxyType({}),
) -> Iterator[Node]:
    """A node in `image` with one camera, `camera`; its folder /frames is `frames`."""
    name = f"edgecam-test-{uuid.uuid4().hex[:12]}"
    camera = {"uri": source} if isinstance(source, str) else source
    listed = [{"id": "camera", "frames": {"max_fps": 5}, **camera}]
    node = {"cameras": listed, "data_dir": "/frames", "http": {"enabled": False}, **settings}
    variables = {"EDGECAM_NODE": json.dumps(node), **secrets}
    options = [*LOCKED_DOWN, f"--network={network}", f"--name={name}", f"--user={user or me()}"]
    options += [f"--volume={frames}:/frames", *(f"--env={variable}" for variable in variables)]
    log = frames.parent / f"{name}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            ["docker", "run", "--rm", *options, image],
            env={**os.environ, **variables},
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    node_in_container = Node(name, process, log)
    try:
        yield node_in_container
    finally:
        if node_in_container.exists():
            subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
        process.wait(timeout=20)


@contextlib.contextmanager
def cameras(camera: str, secrets: Mapping[str, str]) -> Iterator[int]:
    """A test camera on this machine, and its port."""
    line = [sys.executable, "-m", "sandbox.cameras", "--port", "0", "--camera", camera]
    variables = {**os.environ, **secrets}
    with subprocess.Popen(line, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())["port"]
        finally:
            server.terminate()


def wait_for(condition: object, node: Node, what: str) -> None:
    """Until `condition()`, or a failure with the node's last words."""
    assert callable(condition)
    deadline_s = time.monotonic() + FIRST_PICTURE_LIMIT_S
    while not condition():
        if node.process.poll() is not None or time.monotonic() > deadline_s:
            pytest.fail(f"expected {what}, found none:\n{node.said()}", pytrace=False)
        time.sleep(0.05)


def give(folder: Path, user: str) -> None:
    """Let `folder` belong to `user`, as the recipe's script does with one that it makes."""
    asked = [] if os.getuid() == 0 else ["sudo", "-n"]
    subprocess.run([*asked, "chown", user, str(folder)], check=True)


def me() -> str:
    """Who runs the tests, as docker's --user has it."""
    return f"{os.getuid()}:{os.getgid()}"

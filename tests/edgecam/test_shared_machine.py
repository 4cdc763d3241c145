"""A node beside another user of the machine who was first in /dev/shm: each attack as it was seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stranger import UID, Stranger

Eventually = Callable[..., Any]

TOKEN = "TES-TOKEN-31337"
_ATTEMPTS = 60  # against a node that writes five pictures a second the first or second one met its mark


class Node:
    """`edgecam run` with one camera whose pictures stand in `folder`."""

    def __init__(self, folder: Path, port: int, log: Path) -> None:
        self.port, self._log = port, log
        camera = {"id": "lobby", "uri": "test://?fps=10&width=64&height=64", "frames": {"max_fps": 5}}
        document = {"cameras": [camera], "data_dir": str(folder), "http": {"port": port}}
        environment = {
            **os.environ,
            "EDGECAM_NODE": json.dumps(document),
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
        }
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edgecam", "run"], stderr=file, env=environment
            )

    def get(self, path: str) -> bytes:
        """What the page answers; nothing while it does not listen yet."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            return error.read()
        except OSError:
            return b""

    def reasons(self) -> str:
        """What `/healthz` says."""
        return self.get("/healthz").decode()

    def log(self) -> str:
        return self._log.read_text()

    def picture(self) -> bytes:
        return self.get("/cameras/lobby/frame.jpg")


@pytest.fixture
def node(tmp_path: Path, stranger: Stranger, free_port: int) -> Iterator[Callable[[], Node]]:
    started: list[Node] = []

    def start() -> Node:
        started.append(Node(stranger.folder, free_port, tmp_path / "log"))
        return started[-1]

    yield start
    for each in started:
        each.process.send_signal(signal.SIGTERM)
        each.process.wait(20)


def test_nothing_is_written_through_links_of_who_was_first(
    node: Callable[[], Node], stranger: Stranger, tmp_path: Path, eventually: Eventually
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious file of root")
    stranger.takes_the_folder("lobby")
    running = node()
    number = f"{running.process.pid:x}"
    for name in (f".frame.jpg.{number}.tmp", f".frame.json.{number}.tmp", "frame.jpg", "frame.json"):
        stranger.links(f"lobby/{name}", victim)
    stranger.links(".node-of-lobby.json", victim)
    stranger.links(".node-of-lobby.json.tmp", victim)
    eventually(
        lambda: (
            f"belongs to user {UID}" in running.reasons() or victim.read_bytes() != b"precious file of root"
        )
    )
    assert victim.read_bytes() == b"precious file of root"
    assert f"{stranger.folder} belongs to user {UID}" in running.log()
    assert f"chown {os.geteuid()} {stranger.folder}" in running.log()


def test_page_shows_nothing_through_a_link(
    node: Callable[[], Node], stranger: Stranger, eventually: Eventually
) -> None:
    stranger.takes_the_folder("lobby")
    running = node()
    eventually(running.reasons)
    stop = threading.Event()

    def link() -> None:
        while not stop.is_set():
            stranger.links("lobby/frame.jpg", "/proc/self/environ")

    linking = threading.Thread(target=link)
    linking.start()
    try:
        for _ in range(_ATTEMPTS):
            assert TOKEN.encode() not in running.picture()
    finally:
        stop.set()
        linking.join()


def test_picture_of_somebody_else_does_not_stand_in_for_the_cameras(
    node: Callable[[], Node], stranger: Stranger, eventually: Eventually
) -> None:
    stranger.takes_the_folder("lobby")
    running = node()
    eventually(lambda: f"belongs to user {UID}" in running.reasons())
    stranger.does("printf '\\377\\330FAKE' >$1/lobby/.f && mv -f $1/lobby/.f $1/lobby/frame.jpg")
    for _ in range(_ATTEMPTS):
        assert b"FAKE" not in running.picture()


def test_node_goes_on_by_itself_when_the_name_is_free_again(
    node: Callable[[], Node], stranger: Stranger, eventually: Eventually
) -> None:
    stranger.takes_the_folder("lobby")
    running = node()
    eventually(lambda: f"belongs to user {UID}" in running.reasons())
    stranger.does('rm -r "$1"')
    eventually(lambda: running.picture().startswith(b"\xff\xd8"))
    assert (stranger.folder / "lobby").stat().st_uid == os.geteuid()
    eventually(lambda: "can be written again" in running.log())

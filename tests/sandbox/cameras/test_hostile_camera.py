"""The cameras that misbehave do so, and only as much as their script says."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox.cameras.film import FILM_FOLDER
from sandbox.cameras.hostile_camera import (
    MODES,
    HostileCamera,
    alternating_film,
    plain_film,
)
from sandbox.cameras.rtsp_connection import Connection, nal_units


def take_picture(camera: HostileCamera, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecam", "frame", camera.uri, str(path)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def connected(camera: HostileCamera, timeout_s: float = 10) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", urlsplit(camera.uri).port or 0), timeout=timeout_s)
    peer.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n")
    return peer


@pytest.mark.parametrize("mode", ["good", "flap"])
def test_a_picture_can_be_taken_of_one_that_plays(mode: str, tmp_path: Path) -> None:
    with HostileCamera(mode, film=plain_film(FILM_FOLDER)) as camera:
        taken = take_picture(camera, tmp_path / "out.jpg")
    assert taken.returncode == 0, taken.stderr
    assert (tmp_path / "out.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_a_film_of_alternating_sizes_changes_its_parameter_set_at_each_picture() -> None:
    film = alternating_film(FILM_FOLDER)
    parameters = [unit for each in film for unit in nal_units(each) if unit[0] & 31 == 7]
    assert len(parameters) == len(film) > 100
    assert all(one != other for one, other in pairwise(parameters))


def test_one_that_trickles_goes_on_after_its_first_bytes() -> None:
    with HostileCamera("trickle") as camera, connected(camera) as peer:
        seen = b""
        while b"X-Slow: yyy" not in seen:
            seen += peer.recv(100)
        assert b"\r\n\r\n" not in seen


def test_one_that_is_refused_keeps_its_port() -> None:
    with HostileCamera("refused") as camera, pytest.raises(ConnectionRefusedError):
        connected(camera)


def test_one_that_lets_wait_accepts_nobody() -> None:
    with HostileCamera("unanswered") as camera, pytest.raises(TimeoutError):
        connected(camera, timeout_s=0.5)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("refused", "unanswered")])
def test_every_connection_is_closed_when_it_stops(mode: str, eventually: Callable[..., object]) -> None:
    with HostileCamera(mode, film=[b"\0\0\0\1\x65\x88"]) as camera:
        peers = [connected(camera) for _ in range(3)]
        eventually(lambda: camera.connections == 3)
    for peer in peers:
        with peer:
            try:
                while peer.recv(100_000):
                    pass
            except ConnectionResetError:
                pass
    eventually(lambda: camera.open_connections == 0)


def test_a_script_of_ones_own_is_followed() -> None:
    def teapot(connection: Connection) -> None:
        connection.answer(connection.request(), "418 I'm a teapot")

    with HostileCamera(teapot) as camera, connected(camera) as peer:
        assert peer.recv(1000) == b"RTSP/1.0 418 I'm a teapot\r\nCSeq: 7\r\n\r\n"

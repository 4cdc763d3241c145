"""An RTSP camera that misbehaves, by script: what a node has to survive.

    with HostileCamera("trickle") as camera:
        …                                       # a node with camera.uri
    with HostileCamera("flap", film=film) as camera:
        …                                       # plays `film` for 5 s at each connection, then hangs up

A script of one's own is a function of a `Connection`, which knows how to shake hands and to play:

    def vanishes_at_play(connection: Connection) -> None:
        connection.shake_hands()

It listens on 127.0.0.1 alone, and every connection has a thread of its own.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Self

from sandbox.cameras.camera_listener import CameraListener
from sandbox.cameras.film import Film, load
from sandbox.cameras.rtsp_connection import Connection, Ended

Script = Callable[[Connection], None]

FILM = Film(320, 180, 10, keyframe_s=1, kbps=100)
OTHER_FILM = Film(160, 90, 10, keyframe_s=1, kbps=100)
"""Small: what these cameras show matters less than how."""
TRICKLE_S = 0.5
FLAP_S = 5.0
_GARBAGE_BYTES = 4096
_GARBAGE_EVERY_S = 0.1
"""40 kB/s: a camera's rate, so that the sender takes no core for itself."""
_FILL = 3
"""Connections after which a listener with a backlog of 0 drops every further one (two are enough)."""


def hang_up(_connection: Connection) -> None:
    """Accepts and closes at once."""


def not_found(connection: Connection) -> None:
    """Knows no such stream."""
    while True:
        connection.answer(connection.request(), "404 Not Found")


def silent(connection: Connection) -> None:
    """Takes whatever is asked and never says a word."""
    while True:
        connection.request()


def trickle(connection: Connection) -> None:
    """A byte every `TRICKLE_S` of an answer that never ends: no timeout for silence sees anything wrong."""
    request = connection.request()
    connection.send(f"RTSP/1.0 200 OK\r\nCSeq: {request.sequence}\r\nX-Slow: ".encode())
    while True:
        connection.send(b"y")
        connection.attend(TRICKLE_S)


def garbage(connection: Connection) -> None:
    """Random bytes: in place of an answer, between packets, or inside of them, in turns."""
    chance = Random(connection.number)
    kind = connection.number % 3
    if kind:
        connection.shake_hands()
    else:
        connection.request()
    while True:
        junk = chance.randbytes(_GARBAGE_BYTES)
        if kind == 1:
            connection.packet(junk, chance.randrange(1 << 32), is_last=chance.random() < 0.5)
        else:
            connection.send(junk)
        connection.attend(_GARBAGE_EVERY_S)


def good(connection: Connection) -> None:
    """Plays its film for ever."""
    connection.shake_hands()
    connection.play()


def flap(connection: Connection) -> None:
    """Plays its film for `FLAP_S` and hangs up."""
    connection.shake_hands()
    connection.play(FLAP_S)


SCRIPTS: Mapping[str, Script] = {
    "hang-up": hang_up,
    "not-found": not_found,
    "silent": silent,
    "trickle": trickle,
    "garbage": garbage,
    "good": good,
    "flap": flap,
}
REFUSED, UNANSWERED = "refused", "unanswered"
MODES = (REFUSED, UNANSWERED, *SCRIPTS)
"""`refused`: a port where nobody listens. `unanswered`: a host that lets every connection wait."""


class HostileCamera(CameraListener):
    """Listens from entering to leaving.

    Args:
        mode: One of `MODES`, or a script: called at each connection, which ends when it returns.
        film: Access units (H.264, Annex B) that `good` and `flap` play, again and again.
        fps: Of them, how many a second.
        port: On 127.0.0.1; 0 for one that is free.
    """

    def __init__(
        self, mode: str | Script, *, film: Sequence[bytes] = (), fps: float = 10, port: int = 0
    ) -> None:
        super().__init__(port)
        self._script = SCRIPTS.get(mode, hang_up) if isinstance(mode, str) else mode
        self._mode = mode
        self._film = tuple(film)
        self._fps = fps

    @property
    def uri(self) -> str:
        """As a node's configuration has it."""
        return f"rtsp://127.0.0.1:{self.port}/stream"

    def __enter__(self) -> Self:
        if self._mode == UNANSWERED:
            self._listener.listen(0)
            for _ in range(_FILL):
                waiting = socket.socket()
                waiting.setblocking(False)
                waiting.connect_ex(self._listener.getsockname())
                self._open.add(waiting)
        elif self._mode != REFUSED:
            super().__enter__()
        return self

    def stop(self) -> None:
        """Close the port and all connections."""
        super().stop()
        if self._mode == UNANSWERED:
            for waiting in list(self._open):
                self._close(waiting)

    def _serve(self, accepted: socket.socket, number: int) -> None:
        connection = Connection(accepted, number, film=self._film, fps=self._fps, stopping=self.stopping)
        with contextlib.suppress(Ended, OSError):
            self._script(connection)
        connection.close()
        self._close(accepted)


def plain_film(folder: Path, film: Film = FILM) -> list[bytes]:
    """The access units of `film`, made once and kept in `folder`."""
    return [picture.data for picture in load(film, folder)]


def alternating_film(folder: Path) -> list[bytes]:
    """Keyframes of two sizes in turns: each has another parameter set than the one before."""
    films = ([each.data for each in load(film, folder) if each.is_keyframe] for film in (FILM, OTHER_FILM))
    return [unit for pair in zip(*films, strict=True) for unit in pair]

"""As many cameras as connect, from one thread: each connection gets the film, and costs one `send` a picture.

    python -m bench.crowd [--hang-up-s 3]

A server that takes each packet in hand ends before the receiver that is to be measured does. Here the
packets of a picture are made once for all connections of a phase; the phases are a fraction of a second
apart, so that keyframes do not all come at once. As a camera does whose buffer is full, it leaves out whole
pictures for who does not take them. The port is on standard output; SIGTERM ends it, and says what it left
out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator
from itertools import count, groupby

from sandbox.cameras.film import FILM_FOLDER, Film, load
from sandbox.cameras.rtp_packets import packets_of
from sandbox.cameras.rtsp_habits import PUBLIC, SESSION, Reply, description

FILM = Film(1920, 1080, 30)
PHASES = 16
HELD_BYTES_LIMIT = 1_000_000
"""Of a connection: a camera's own buffer, two seconds at 4 Mbit/s."""
_END_OF_HEAD = b"\r\n\r\n"


class _Phase:
    """The film, some time after the others' begin."""

    def __init__(self, film: list[bytes], keyframes: set[int], number: int) -> None:
        self._keyframes = keyframes
        packets = packets_of(film, fps=FILM.fps, first_number=number * 1000)
        self._pictures = groupby(packets, key=lambda packet: packet.picture)
        self._begin_s = time.monotonic() + number * FILM.keyframe_s / PHASES
        self._sent = 0
        self._film_pictures = len(film)
        self.viewers: list[_Viewer] = []

    @property
    def due_s(self) -> float:
        """When the next picture is to be sent."""
        return self._begin_s + self._sent / FILM.fps

    def send(self) -> None:
        """Send the next picture to all."""
        number, packets = next(self._pictures)
        data = b"".join(packet.framed() for packet in packets)
        is_keyframe = number % self._film_pictures in self._keyframes
        self._sent += 1
        for viewer in list(self.viewers):
            viewer.take(data, is_keyframe=is_keyframe)


class _Viewer:
    """One connection."""

    def __init__(self, crowd: Crowd, peer: socket.socket, phase: _Phase) -> None:
        self._crowd = crowd
        self._peer = peer
        self._phase = phase
        self._received = b""
        self._unsent = b""
        self._is_playing = self._has_begun = False
        self._ends_s = float("inf")

    def read(self) -> None:
        """Answer what it asks."""
        try:
            data = self._peer.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end()
            return
        self._received += data
        while self._received:
            if self._received[:1] == b"$":
                size = 4 + int.from_bytes(self._received[2:4])
                if len(self._received) < max(4, size):
                    return
                self._received = self._received[size:]
                continue
            head, end, rest = self._received.partition(_END_OF_HEAD)
            if not end:
                return
            self._received = rest
            self._answer(head.decode("latin-1").split("\r\n"))

    def _answer(self, lines: list[str]) -> None:
        method, uri = lines[0].split()[:2]
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        reply = Reply(headers=(f"Session: {SESSION}",))
        if method == "OPTIONS":
            reply = Reply(headers=(f"Public: {PUBLIC}",))
        elif method == "DESCRIBE":
            base = f"Content-Base: {uri}/"
            reply = Reply(headers=("Content-Type: application/sdp", base), body=self._crowd.description)
        elif method == "SETUP":
            reply = reply.having(f"Transport: {headers.get('transport', '')}")
        self._send(reply.to_bytes(headers.get("cseq", "0")))
        if method == "PLAY" and not self._is_playing:
            self._is_playing = True
            self._phase.viewers.append(self)
        elif method == "TEARDOWN":
            self.end()

    def take(self, data: bytes, *, is_keyframe: bool) -> None:
        """The next picture; the first is a keyframe."""
        if not self._has_begun and not is_keyframe:
            return
        if not self._has_begun:
            self._has_begun = True
            self._ends_s = time.monotonic() + self._crowd.hang_up_s
        if time.monotonic() > self._ends_s:
            self.end()
        elif len(self._unsent) > HELD_BYTES_LIMIT:
            self._crowd.left_out += 1
            self._send(b"")
        else:
            self._crowd.sent += 1
            self._send(data)

    def _send(self, data: bytes) -> None:
        waiting = self._unsent + data if self._unsent else data
        try:
            self._unsent = waiting[self._peer.send(waiting) :]
        except BlockingIOError:
            self._unsent = waiting
        except OSError:
            self.end()

    def end(self) -> None:
        """Hang up."""
        with contextlib.suppress(ValueError):
            self._phase.viewers.remove(self)
        with contextlib.suppress(KeyError, ValueError):
            self._crowd.selector.unregister(self._peer)
        self._peer.close()


class Crowd:
    """Listens on 127.0.0.1.

    Args:
        hang_up_s: So long after its first picture each connection is closed.

    Attributes:
        description: Of the stream (SDP).
        selector: Of all connections.
        connections: How many there have been.
        sent: Pictures.
        left_out: Pictures that were not taken in time.
    """

    def __init__(self, hang_up_s: float = float("inf")) -> None:
        pictures = load(FILM, FILM_FOLDER)
        film = [picture.data for picture in pictures]
        keyframes = {place for place, picture in enumerate(pictures) if picture.is_keyframe}
        self.hang_up_s = hang_up_s
        self.description = description(film[:1])
        self.selector = selectors.DefaultSelector()
        self.connections = self.sent = self.left_out = 0
        self._phases = [_Phase(film, keyframes, number) for number in range(PHASES)]
        self._next: Iterator[int] = count()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listening.setblocking(False)
        self.selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self.port = int(self._listening.getsockname()[1])

    def run(self) -> None:
        """Until it is interrupted."""
        while True:
            wait_s = min(phase.due_s for phase in self._phases) - time.monotonic()
            for key, _ in self.selector.select(max(0.0, wait_s)):
                key.data()
            for phase in self._phases:
                if phase.due_s <= time.monotonic():
                    phase.send()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            peer, _ = self._listening.accept()
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            viewer = _Viewer(self, peer, self._phases[next(self._next) % PHASES])
            self.connections += 1
            self.selector.register(peer, selectors.EVENT_READ, viewer.read)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m bench.crowd")
    parser.add_argument("--hang-up-s", type=float, default=float("inf"), help="after a first picture")
    crowd = Crowd(parser.parse_args().hang_up_s)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.stdout.write(f"{crowd.port}\n")
    sys.stdout.flush()
    try:
        crowd.run()
    finally:
        said = {"connections": crowd.connections, "sent": crowd.sent, "left_out": crowd.left_out}
        sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()

"""What a camera answers and sends, and what a program writes into a pipe, to a whole node."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from fuzz.fed_node import FedNode
from fuzz.mutations import TOKENS, edited, edits, mutated
from fuzz.seeds import pipe_seeds
from fuzz.target import Subject, Target
from sandbox.cameras.film import FILM_FOLDER
from sandbox.cameras.hostile_camera import HostileCamera, plain_film
from sandbox.cameras.rtsp_connection import SDP, Connection, Ended

CAMERAS, PIPES = 8, 3
NEXT = b"\n%%%%\n"
"""Between the answers of a camera: each request gets the next one."""
SEQUENCE = b"{CSEQ}"
"""Stands for the number of the request."""
_PICTURES = 30
_SHOWN_PER_S = 200
_WAIT_S = 0.02
_WRITE_S = 3.0
_SDP_H265 = SDP.replace(b"H264/", b"H265/").replace(b"packetization-mode=1", b"sprop-max-don-diff=0")
_SDP_SETS = SDP.replace(
    b"packetization-mode=1",
    b"packetization-mode=1;profile-level-id=42C00D;sprop-parameter-sets=Z0LADdoFB+hAAAADAEAAAAMBA8UKqA==,aM48gA==",
)
_SDP_SOUND = SDP + b"m=audio 0 RTP/AVP 0\r\na=control:track2\r\n"
_SDP_JPEG = SDP.replace(b"RTP/AVP 96", b"RTP/AVP 26").replace(b"a=rtpmap:96 H264/90000\r\n", b"")
_RTSP_TOKENS = (
    *TOKENS,
    b"m=video 0 RTP/AVP 96\r\n",
    b"a=rtpmap:96 " + b"A" * 20_000 + b"/90000\r\n",
    b"Content-Length: 4000000000\r\n",
    b"Content-Length: -1\r\n",
    b"Session: " + b"s" * 3000 + b"\r\n",
    b"interleaved=255-256",
    b"timeout=0",
    b"RTSP/1.0 200 OK\r\n",
    b"RTSP/1.0 401 no\r\n",
    b"RTSP/2.0 453 \x1b[31m\r\n",
    b'WWW-Authenticate: Digest realm="r", nonce="n", stale="true"\r\n',
    b"$\0\xff\xff",
    b"$\1\0\x1c\x80\xc8\0\6",
)
_RTP_TOKENS = (
    b"\x7c\x85",
    b"\x7c\x05",
    b"\x7c\x45",
    b"\x78\x00\x10",
    b"\x67\x42",
    b"\x06\x05\xff\xff",
    b"$\0\0\0",
)


def _answer(*headers: str, body: bytes = b"") -> bytes:
    length = (f"Content-Length: {len(body)}",) if body else ()
    return "\r\n".join(("RTSP/1.0 200 OK", "CSeq: {CSEQ}", *headers, *length, "", "")).encode() + body


def good_session(sdp: bytes = SDP) -> bytes:
    """Everything that a camera which shows the test film for a while says."""
    session = "Session: 12345678;timeout=60"
    return NEXT.join(
        (
            _answer("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"),
            _answer("Content-Type: application/sdp", body=sdp),
            _answer(session, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"),
            _answer(session) + _film(),
        )
    )


def _film() -> bytes:
    """The packets of some pictures, as they go over the wire."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        film = plain_film(FILM_FOLDER)[:_PICTURES]
        connection = Connection(ours, 1, film=film, fps=_SHOWN_PER_S, stopping=threading.Event())
        connection.play(_PICTURES / _SHOWN_PER_S)
        return theirs.recv(1 << 20)


class _Answers:
    """A camera that answers what it was loaded with; a `Feed`."""

    def __init__(self, stack: ExitStack) -> None:
        self._parts: list[bytes] = []
        self._taken = threading.Event()
        self._loaded = 0
        self.uri = stack.enter_context(HostileCamera(self._serve)).uri

    def load(self, data: bytes) -> None:
        """See `Feed.load`."""
        self._taken.clear()
        self._parts = data.split(NEXT)
        self._loaded += 1

    def is_taken(self) -> bool:
        """See `Feed.is_taken`."""
        return self._taken.is_set()

    def _serve(self, connection: Connection) -> None:
        """On the connection's own thread. Who is early is given the time to read what is left."""
        parts, loaded = self._parts, self._loaded
        try:
            for part in parts:
                request = connection.request()
                connection.send(part.replace(SEQUENCE, request.sequence.encode()))
            connection.attend(_WAIT_S)
        except (Ended, OSError):
            pass
        finally:
            if loaded == self._loaded:
                self._taken.set()


class _Writer:
    """A program that writes into a pipe what it was loaded with, and ends; a `Feed`."""

    def __init__(self, path: Path) -> None:
        self.uri = f"pipe://{path}"
        self._path = path
        self._writing: threading.Thread | None = None
        self._data = b""

    def load(self, data: bytes) -> None:
        """See `Feed.load`."""
        if self._writing is not None:
            self._writing.join()
        self._writing = threading.Thread(target=self._write, args=(data,), daemon=True)
        self._writing.start()

    def is_taken(self) -> bool:
        """See `Feed.is_taken`."""
        return self._writing is not None and not self._writing.is_alive()

    def _write(self, data: bytes) -> None:
        deadline_s = time.monotonic() + _WRITE_S
        pipe: int | None = None
        while pipe is None and time.monotonic() < deadline_s:
            with contextlib.suppress(OSError):  # nobody reads yet
                pipe = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            time.sleep(_WAIT_S)
        if pipe is None:
            return
        with contextlib.suppress(BrokenPipeError):
            while data and time.monotonic() < deadline_s:
                try:
                    data = data[os.write(pipe, data) :]
                except BlockingIOError:
                    time.sleep(_WAIT_S)
        os.close(pipe)


@contextmanager
def _rtsp(folder: Path) -> Iterator[Subject]:
    with ExitStack() as stack:
        feeds = {f"camera-{number}": _Answers(stack) for number in range(CAMERAS)}
        node = FedNode(folder, feeds, good_session())
        stack.callback(node.close)
        yield node


@contextmanager
def _pipes(folder: Path) -> Iterator[Subject]:
    feeds = {f"pipe-{number}": _Writer(folder / f"pipe-{number}") for number in range(PIPES)}
    good = pipe_seeds()[0]
    node = FedNode(folder, feeds, good)
    try:
        yield node
    finally:
        node.close()


def sessions() -> SearchStrategy[bytes]:
    """What cameras answer, right and wrong, as `_Answers` loads it."""
    right = [good_session(sdp) for sdp in (SDP, _SDP_H265, _SDP_SETS, _SDP_SOUND, _SDP_JPEG)]
    parts = st.sampled_from([part for session in right for part in session.split(NEXT)])
    in_order = st.builds(edited, st.sampled_from(right), edits(_RTSP_TOKENS, most=4))
    # The packets are most of a session's bytes; an edit that is to meet a header has to aim there.
    each = st.one_of(parts, st.builds(edited, parts, edits((*_RTSP_TOKENS, *_RTP_TOKENS), most=8)))
    return st.one_of(
        in_order,
        st.builds(_one_changed, st.sampled_from(right), st.integers(0, 3), edits(_RTSP_TOKENS, most=6)),
        st.lists(each, min_size=1, max_size=6).map(NEXT.join),
        st.binary(max_size=2000),
    )


def _one_changed(session: bytes, number: int, changes: list[tuple[str, int, int, bytes]]) -> bytes:
    parts = session.split(NEXT)
    parts[number] = edited(parts[number], changes)
    return NEXT.join(parts)


def _streams() -> SearchStrategy[bytes]:
    return st.one_of(mutated(pipe_seeds()), st.binary(max_size=2000))


NULL_PACKETS = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 20
"""MPEG-TS that holds nothing at all."""
RTSP = Target(
    "rtsp",
    sessions,
    _rtsp,
    known=lambda: (
        good_session(SDP.replace(b"H264", b"A" * 150_000)),
        good_session(SDP + b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 odd/90000\r\n" * 2000),
    ),
    batch=CAMERAS,
    watchdog_s=120.0,
)
STREAMS = Target(
    "pipes", _streams, _pipes, known=lambda: (NULL_PACKETS, b"FLV", b""), batch=PIPES, watchdog_s=120.0
)

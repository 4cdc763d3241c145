"""What failed attempts to connect leave behind: nothing. A camera may be off, slow or mad for a year."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from edgecam.capture.connection import Connection
from edgecam.capture.tap import Tap
from edgecam.clock import SystemClock
from edgecam.config.camera import Camera
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.errors import EdgecamError, SourceError, SourceFlooded, SourceRedirected, SourceUnauthorized
from edgecam.frames.decoder import Decoder
from edgecam.gstreamer.gst import Gst
from edgecam.node.camera_worker import CameraWorker
from edgecam.sources.base import Source
from sandbox.cameras.hostile_camera import HostileCamera, Script, plain_film
from sandbox.cameras.rtsp_connection import SDP
from sandbox.cameras.rtsp_connection import Connection as CameraEnd

Eventually = Callable[..., Any]
ATTEMPTS = 300
AT_ONCE = 30
"""For attempts that end by a time-out."""
OWNED = (Connection, Source, Decoder, Tap, Gst.Element, Gst.Bus)
MOVED = "302 Moved Temporarily"


def worker(folder: Path, uri: str, **settings: Any) -> CameraWorker:
    """A camera's, that has not begun."""
    document = {"id": "bad", "uri": uri, "connect_timeout_s": 1} | settings
    camera = validate(Camera, document, name="test")
    return CameraWorker(camera, data_dir=str(folder / "frames"), logins=Logins([camera]), clock=SystemClock())


def fail(camera: CameraWorker) -> None:
    """One attempt; returns when it has failed."""
    with suppress(EdgecamError):
        camera.run_once()


def failure(camera: CameraWorker) -> SourceError:
    """Why the attempt failed."""
    with pytest.raises(SourceError) as caught:
        camera.run_once()
    return caught.value


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def threads() -> int:
    """The system's, those of GStreamer included."""
    return len(list(Path("/proc/self/task").iterdir()))


def owned() -> int:
    """Objects of a connection that still live, without help of the garbage collector."""
    return sum(isinstance(each, OWNED) for each in gc.get_objects())


def redirect_in_circles(connection: CameraEnd) -> None:
    while True:
        request = connection.request()
        if request.method == "DESCRIBE":
            address = request.head.split()[1]
            connection.answer(request, MOVED, [f"Location: {address}"])
        else:
            connection.answer(request)


@pytest.fixture
def bad(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """The address of something that fails, by its kind."""
    with ExitStack() as stack:

        def at(kind: str) -> str:
            if kind.startswith("rtsp"):
                scheme, _, mode = kind.partition(" ")
                script = redirect_in_circles if mode == "redirect" else mode
                camera = stack.enter_context(HostileCamera(script))
                return camera.uri.replace("rtsp", scheme, 1)
            (tmp_path / "noise.mp4").write_bytes(b"noise" * 10_000)
            (tmp_path / "broken.h264").write_bytes(b"\0\0\0\1\x67\x42\0\x0a" + bytes(range(256)) * 200)
            return kind.format(folder=tmp_path)

        yield at


@pytest.fixture
def still() -> Iterator[None]:
    """The garbage collector would hide what is not freed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


KINDS = [
    "rtsp refused",
    "rtsp hang-up",
    "rtsp not-found",
    "rtsp redirect",
    "rtsps hang-up",
    "file://{folder}/none.mp4",
    "file://{folder}/noise.mp4",
    "file://{folder}/broken.h264",
    "images://{folder}/none_%d.jpg",
    "pipeline:videotestsrc ! no-such-element",
    "pipeline:videotestsrc num-buffers=1 ! fakesink",
]


RECEIVERS = ["auto", "gstreamer"]
BOTH = pytest.mark.parametrize("receiver", RECEIVERS)
EACH = [(kind, receiver) for kind in KINDS for receiver in RECEIVERS[: 2 if kind.startswith("rtsp") else 1]]


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("kind", "receiver"), EACH)
def test_failed_attempts_leave_nothing_behind(
    kind: str, receiver: str, bad: Callable[[str], str], tmp_path: Path, eventually: Eventually
) -> None:
    camera = worker(tmp_path, bad(kind), receiver=receiver)
    for _ in range(5):  # what is made once: registries, pools, GIO's own threads
        fail(camera)
    before, alive = descriptors(), owned()
    for _ in range(ATTEMPTS):
        fail(camera)
    assert owned() <= alive
    eventually(lambda: descriptors() <= before)
    eventually(lambda: threads() <= threads_at_rest() + threading.active_count())


def threads_at_rest() -> int:
    """Of GIO and GLib: a main context's, the settings', idle ones of a pool that end by themselves."""
    return 6


def show_little(connection: CameraEnd) -> None:
    """Some pictures, then the end: decoders have begun by then."""
    connection.shake_hands()
    connection.play(0.3)


@BOTH
@pytest.mark.parametrize("mode", ["silent", "trickle", "garbage", show_little])
def test_attempts_that_take_their_time_leave_nothing_behind(
    mode: str | Script, receiver: str, tmp_path: Path, eventually: Eventually
) -> None:
    with HostileCamera(mode, film=plain_film(tmp_path)) as hostile:
        cameras = [
            worker(tmp_path, hostile.uri, id=f"bad-{number}", receiver=receiver) for number in range(AT_ONCE)
        ]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            # What the first of each kind makes stays; on a busy machine one may end before its decoder.
            list(pool.map(fail, cameras))
            before = descriptors()
            for _ in range(ATTEMPTS // AT_ONCE):
                list(pool.map(fail, cameras))
        gc.collect()
        eventually(lambda: owned_connections() == 0)
        eventually(lambda: descriptors() <= before + hostile.open_connections)
        eventually(lambda: hostile.open_connections == 0)
        eventually(lambda: threads() <= threads_at_rest() + threading.active_count())


def owned_connections() -> int:
    return sum(isinstance(each, Connection) for each in gc.get_objects())


FLV_HEAD = b"FLV\1\5\0\0\0\x09\0\0\0\0"


def test_programs_that_end_before_their_first_picture_leave_nothing_behind(
    tmp_path: Path, eventually: Eventually
) -> None:
    path = tmp_path / "pipe"
    camera = worker(tmp_path, f"pipe://{path}", connect_timeout_s=10)

    os.mkfifo(path)

    def attempt() -> None:
        opened = threading.Thread(target=lambda: path.write_bytes(FLV_HEAD))
        opened.start()
        fail(camera)
        opened.join()

    attempt()
    before = descriptors()
    for _ in range(ATTEMPTS):
        attempt()
    eventually(lambda: descriptors() <= before)


NULL_PACKET = b"\x47\x1f\xff\x10" + b"\xff" * 184
"""Of MPEG-TS (ISO/IEC 13818-1, 2.4.3.3): fills a channel, says nothing."""


def test_an_end_that_the_demuxer_swallows_is_an_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    threading.Thread(target=lambda: path.write_bytes(NULL_PACKET * 20)).start()
    with caplog.at_level(logging.INFO):
        worker(tmp_path, f"pipe://{path}", connect_timeout_s=60).run_once()  # no fault of the pipe's
    assert "closed the pipe before a picture came" in caplog.text


def floods_the_description(connection: CameraEnd) -> None:
    connection.answer(connection.request(), headers=["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"])
    request = connection.request()
    head = f"RTSP/1.0 200 OK\r\nCSeq: {request.sequence}\r\nContent-Type: application/sdp\r\n"
    connection.send(f"{head}Content-Length: 4000000000\r\n\r\n".encode())
    send_for_ever(connection, b"a=x:" + b"a" * 60_000 + b"\r\n")


def floods_with_headers(connection: CameraEnd) -> None:
    request = connection.request()
    connection.send(f"RTSP/1.0 200 OK\r\nCSeq: {request.sequence}\r\n".encode())
    send_for_ever(connection, b"".join(b"X-%d: %s\r\n" % (number, b"a" * 900) for number in range(60)))


def send_for_ever(connection: CameraEnd, data: bytes) -> None:
    """As fast as a network of a gigabit a second lets it through."""
    while True:
        connection.send(data)
        connection.attend(len(data) / 100_000_000)


FRAGMENT = b"\x7c\x05" + b"\x55" * 60_000
"""Of a keyframe, neither its first nor its last (RFC 6184, 5.8)."""
MESSAGE = b"\x06\x05\xff\xff" + b"\x55" * 60_000
"""Supplemental enhancement information: part of a picture that follows."""


def never_ends(unit: bytes) -> Callable[[CameraEnd], None]:
    """A picture of which always one more such piece comes."""

    def script(connection: CameraEnd) -> None:
        connection.shake_hands(SDP)
        connection.packet(b"\x7c\x85\x88" + bytes(1000), 0, is_last=False)
        while True:
            connection.packet(unit, 0, is_last=False)
            connection.attend(len(unit) / 100_000_000)

    return script


@BOTH
@pytest.mark.parametrize(
    "script",
    [floods_the_description, floods_with_headers, never_ends(FRAGMENT), never_ends(MESSAGE)],
    ids=["description", "headers", "fragment", "messages"],
)
def test_what_comes_without_a_picture_is_bounded(
    script: Callable[[CameraEnd], None], receiver: str, tmp_path: Path, eventually: Eventually
) -> None:
    with HostileCamera(script) as hostile:
        error = failure(worker(tmp_path, hostile.uri, connect_timeout_s=60, receiver=receiver))
        assert isinstance(error, SourceFlooded)
        eventually(lambda: hostile.open_connections == 0)


@BOTH
def test_redirect_whose_port_is_none_is_refused(receiver: str, tmp_path: Path) -> None:
    def redirect(connection: CameraEnd) -> None:
        while True:
            request = connection.request()
            if request.method == "DESCRIBE":
                address = request.head.split()[1].replace("127.0.0.1:", "127.0.0.1:0")
                connection.answer(request, MOVED, [f"Location: {address}"])
            else:
                connection.answer(request)

    with HostileCamera(redirect) as hostile:
        fault = failure(worker(tmp_path, hostile.uri, receiver=receiver))
    assert isinstance(fault, SourceRedirected)
    assert "expected a redirect to a host and port" in str(fault)


@BOTH
def test_redirects_are_followed_a_few_times_only(receiver: str, tmp_path: Path) -> None:
    with HostileCamera(redirect_in_circles) as hostile:
        assert isinstance(failure(worker(tmp_path, hostile.uri, receiver=receiver)), SourceRedirected)
        assert hostile.connections <= 5


@BOTH
def test_a_redirect_to_another_stream_of_the_camera_is_followed(receiver: str, tmp_path: Path) -> None:
    film = plain_film(tmp_path)

    def moved(connection: CameraEnd) -> None:
        request = connection.request()
        if "/stream" in request.head:
            connection.answer(request)
            request = connection.request()
            address = request.head.split()[1]
            connection.answer(request, MOVED, [f"Location: {address.replace('/stream', '/second')}"])
            connection.request()
        connection.answer(request)
        connection.shake_hands()
        connection.play()

    with HostileCamera(moved, film=film) as hostile:
        camera = worker(tmp_path, hostile.uri, connect_timeout_s=20, receiver=receiver)
        camera.start()
        try:
            deadline = SystemClock().monotonic_s() + 20
            while camera.report().frame is None and SystemClock().monotonic_s() < deadline:
                threading.Event().wait(0.05)
            assert camera.report().frame is not None
        finally:
            camera.stop()
            camera.join(10)


@BOTH
def test_no_password_goes_to_another_host(receiver: str, tmp_path: Path) -> None:
    asked: list[str] = []

    def asks_for_a_password(connection: CameraEnd) -> None:
        request = connection.request()
        asked.append(request.head)
        connection.answer(request, "401 Unauthorized", ['WWW-Authenticate: Basic realm="x"'])
        asked.append(connection.request().head)

    with HostileCamera(asks_for_a_password) as other:
        elsewhere = other.uri.replace("127.0.0.1", "localhost")

        def sends_on(connection: CameraEnd) -> None:
            connection.answer(connection.request())
            connection.answer(connection.request(), MOVED, [f"Location: {elsewhere}"])
            connection.request()

        password = tmp_path / "password"
        password.write_text("geheim")
        login = {"username": "viewer", "password_file": str(password)}
        with HostileCamera(sends_on) as hostile:
            error = failure(worker(tmp_path, hostile.uri, credentials=login, receiver=receiver))
    if receiver == "gstreamer":
        # It would log in there.
        assert isinstance(error, SourceRedirected)
        assert "localhost" in str(error)
        assert not asked
    else:
        assert isinstance(error, SourceUnauthorized)
        assert asked
        assert not any("authorization" in head.lower() for head in asked)

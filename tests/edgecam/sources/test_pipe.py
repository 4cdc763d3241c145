"""A named pipe that outside programs feed: they come late, pause, die, send nonsense, and come again."""

from __future__ import annotations

import logging
import os
import shlex
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from stranger import UID, Stranger

from edgecam.clock import SystemClock
from edgecam.config.camera import Camera
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.errors import SourceError
from edgecam.node.camera_worker import CameraWorker
from edgecam.sources.factory import source_for
from edgecam.sources.mp4_start import has_index_at_end
from edgecam.status.reports import CameraState

MUXERS = {
    "FLV": "flvmux",
    "MPEG-TS": "mpegtsmux",
    "fragmented MP4": "mp4mux fragment-duration=500 streamable=true",
}
PICTURES = (
    "videotestsrc is-live=true {count} pattern=ball ! video/x-raw,width=320,height=180,framerate=15/1 "
    "! x264enc tune=zerolatency key-int-max=15 bitrate=300 bframes={bframes} ! h264parse"
)
SINK = "filesink buffer-mode=unbuffered"  # left alone, it keeps 64 KB back: these pictures' four seconds

FORMS = "FLV, MPEG-TS or fragmented MP4, or H.264 or H.265 without a container"
BARE = {
    "H.264": PICTURES + " config-interval=-1 ! video/x-h264,stream-format=byte-stream",
    "H.265": PICTURES.replace(
        "x264enc tune=zerolatency", "x265enc tune=zerolatency option-string=bframes=0"
    ).replace("bframes={bframes} ! h264parse", "! h265parse")
    + " config-interval=-1 ! video/x-h265,stream-format=byte-stream",
}

CONNECT_TIMEOUT_S = 5.0
"""Enough for a first picture on a machine that is lent to several: what a writer has sent by then is lost."""


class Writer:
    """An outside program that writes to a pipe."""

    def __init__(
        self,
        path: Path,
        muxer: str = "flvmux",
        *,
        count: int = 0,
        bframes: int = 0,
        sink: str = SINK,
        pictures: str = PICTURES,
    ) -> None:
        source = pictures.format(count=f"num-buffers={count}" if count else "", bframes=bframes)
        self._process = subprocess.Popen(
            ["gst-launch-1.0", "-q", *shlex.split(f"{source} ! {muxer} ! {sink} location={path}")],
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """As kill -9 does."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(19)

    def resume(self) -> None:
        self._process.send_signal(18)

    def has_ended(self) -> bool:
        return self._process.poll() is not None


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Where a pipe is to be."""
    return tmp_path / "pipe"


@pytest.fixture
def feed(pipe: Path) -> Iterator[Callable[..., Writer]]:
    """Starts programs that write to the pipe."""
    started: list[Writer] = []

    def start(*arguments: Any, **settings: Any) -> Writer:
        started.append(Writer(pipe, *arguments, **settings))
        return started[-1]

    yield start
    for writer in started:
        writer.kill()


@pytest.fixture
def worker(pipe: Path, tmp_path: Path, eventually: Callable[..., Any]) -> Iterator[CameraWorker]:
    """A camera whose source is the pipe, looked after; the pipe is there."""
    camera = pipe_camera(pipe)
    made = CameraWorker(camera, data_dir=str(tmp_path), logins=Logins([camera]), clock=SystemClock())
    made.start()
    eventually(pipe.exists)  # else a writer would make an ordinary file
    yield made
    made.stop()
    assert made.join(5)


def pipe_camera(path: Path) -> Camera:
    document = {
        "id": "door",
        "uri": f"pipe://{path}",
        "connect_timeout_s": CONNECT_TIMEOUT_S,
        "frames": {"max_fps": 10, "stale_after_s": 1},
    }
    return validate(Camera, document)


def pictures(worker: CameraWorker) -> int:
    return worker.report().frames_total


def deliver(worker: CameraWorker, more: int = 5) -> Callable[[], bool]:
    """Whether `more` pictures have come since now."""
    before = pictures(worker)
    return lambda: pictures(worker) >= before + more


@pytest.mark.parametrize("form", MUXERS)
def test_each_form_is_read(
    form: str, worker: CameraWorker, feed: Callable[..., Writer], eventually: Callable[..., Any]
) -> None:
    feed(MUXERS[form])
    eventually(deliver(worker))
    eventually(lambda: worker.report().state is CameraState.CONNECTED)


def test_pictures_that_are_shown_in_another_order_are_read(
    worker: CameraWorker, feed: Callable[..., Writer], eventually: Callable[..., Any]
) -> None:
    feed(bframes=2)
    eventually(deliver(worker, 15))


def test_pipe_is_made_and_waited_at_without_an_error(
    pipe: Path, worker: CameraWorker, eventually: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    eventually(lambda: worker.report().reason == "waiting")
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o660
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    connections = worker.report().reconnects_total
    threading.Event().wait(CONNECT_TIMEOUT_S + 0.5)  # longer than a connection without a picture may take
    report = worker.report()
    assert (report.state, report.reconnects_total) == (CameraState.CONNECTING, connections)
    assert report.message is not None
    assert report.message.startswith(f"waiting for a program that writes {FORMS} to {pipe}; ")
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_writers_take_turns(
    worker: CameraWorker, feed: Callable[..., Writer], eventually: Callable[..., Any]
) -> None:
    for turn in range(3):
        eventually(deliver(worker, 0))
        has_more = deliver(worker)
        writer = feed(count=20)
        eventually(has_more)
        eventually(writer.has_ended)
        eventually(lambda: worker.report().state is CameraState.CONNECTING)
        assert worker.report().reason in (None, "waiting")
        assert worker.report().reconnects_total >= turn


def test_writer_that_was_first_is_taken(
    pipe: Path, feed: Callable[..., Writer], tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    os.mkfifo(pipe)
    feed()
    camera = pipe_camera(pipe)
    worker = CameraWorker(camera, data_dir=str(tmp_path), logins=Logins([camera]), clock=SystemClock())
    worker.start()
    eventually(deliver(worker))
    worker.stop()
    assert worker.join(5)


def test_writer_that_dies_makes_room_for_the_next(
    worker: CameraWorker,
    feed: Callable[..., Writer],
    eventually: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    writer = feed()
    eventually(deliver(worker))
    writer.kill()
    eventually(lambda: worker.report().state is CameraState.CONNECTING)
    feed("mpegtsmux")
    eventually(deliver(worker))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_writer_that_pauses_is_not_cut_off(
    worker: CameraWorker, feed: Callable[..., Writer], eventually: Callable[..., Any]
) -> None:
    writer = feed()
    eventually(deliver(worker))
    attempts = worker.report().reconnects_total
    writer.pause()
    eventually(lambda: worker.report().state is CameraState.STALLED)
    threading.Event().wait(2.5)  # as long as pictures are waited for, and more
    writer.resume()
    eventually(deliver(worker))
    # A burst of pictures is written before the camera's thread looks at the meter again.
    eventually(lambda: worker.report().state is CameraState.CONNECTED)
    report = worker.report()
    assert report.reason is None
    assert report.reconnects_total == attempts


@pytest.mark.parametrize("nonsense", [b"", b"hello\n", b"\0" * 200_000, b"FLV\x01\x01" + b"\xff" * 5000])
def test_nonsense_is_said_and_the_next_writer_taken(
    nonsense: bytes,
    pipe: Path,
    worker: CameraWorker,
    feed: Callable[..., Writer],
    eventually: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        pipe.write_bytes(nonsense)
    except BrokenPipeError:
        assert nonsense
    feed()
    eventually(deliver(worker))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    ("sink", "said"), [(SINK, "has begun to write"), ("filesink", "writes nothing before its end")]
)
def test_plain_mp4mux_is_answered_with_what_to_add_whether_its_first_bytes_come_or_not(
    worker: CameraWorker, feed: Callable[..., Writer], eventually: Callable[..., Any], sink: str, said: str
) -> None:
    writer = feed("mp4mux", sink=sink)
    eventually(lambda: said in str(worker.report().message))
    assert "fragment-duration=1000 streamable=true" in str(worker.report().message)
    writer.kill()
    feed(MUXERS["fragmented MP4"])
    eventually(deliver(worker))


@pytest.mark.usefixtures("worker")
def test_mp4_whose_pictures_come_before_its_index_is_refused_at_its_first_bytes(
    pipe: Path, eventually: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with suppress(BrokenPipeError):
        pipe.write_bytes(FTYP + b"\0\0\0\x01mdat" + bytes(10_000))
    eventually(lambda: "fragment-duration=1000 streamable=true" in caplog.text)


FTYP = b"\0\0\0\x10ftypisom\0\0\0\0"


@pytest.mark.parametrize(
    ("start", "verdict"),
    [
        (FTYP + b"\0\0\0\x08free" + b"\0\0\0\0mdat", True),
        (FTYP + b"\0\0\0\x01mdat", True),
        (FTYP + b"\0\0\x02\x00moov", False),
        (FTYP + b"\0\0\0\x18moof", False),
        (FTYP + b"\0\0\0\0free", False),
        (FTYP + b"\0\0\0\x01md", None),
        (b"", None),
        (FTYP + b"\x7f\xff\xff\xfffree", False),
        (b"FLV\x01\x05\0\0\0\x09", False),
        (b"\0" * 20, False),
    ],
)
def test_mp4_is_judged_by_what_comes_first(start: bytes, verdict: bool | None) -> None:
    assert has_index_at_end(start) is verdict


def test_what_stands_in_the_way_is_left_alone_and_said(pipe: Path, tmp_path: Path) -> None:
    pipe.write_text("precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(
        SourceError, match=r"expected a named pipe .*, found a file, not a pipe, at .*: remove"
    ):
        source_for(pipe_camera(pipe)).build()
    assert pipe.read_text() == "precious"
    with pytest.raises(SourceError, match=r"expected a named pipe .*, found something else at"):
        source_for(pipe_camera(folder)).build()
    with pytest.raises(SourceError, match=r"expected the folder .* for a named pipe, found none"):
        source_for(pipe_camera(tmp_path / "none" / "pipe")).build()


def test_no_file_stays_open_however_often_writers_come(
    pipe: Path, worker: CameraWorker, eventually: Callable[..., Any]
) -> None:

    def open_pipes() -> int:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return sum(link.readlink() == pipe for link in links if link.exists())

    for number in range(10):
        pipe.write_bytes(b"")
        eventually(lambda number=number: worker.report().reconnects_total > number)
    eventually(lambda: worker.report().reason == "waiting")
    assert open_pipes() == 1


def opening(path: Path) -> str:
    """The error of the pipe at `path`; nothing where it can be read."""
    source = source_for(pipe_camera(path))
    try:
        source.build()
    except SourceError as error:
        return str(error)
    finally:
        source.close()
    return ""


def test_link_that_comes_between_changes_nothing_of_what_it_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the owner of the folder could do between making the pipe and giving it its mode."""
    pipe, victim = tmp_path / "pipe", tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o600)
    make = os.mkfifo

    def quicker(*arguments: Any, **more: Any) -> None:
        make(*arguments, **more)
        pipe.unlink()
        pipe.symlink_to(victim)

    monkeypatch.setattr(os, "mkfifo", quicker)
    assert "expected a named pipe" in opening(pipe)
    assert stat.S_IMODE(victim.stat().st_mode) == 0o600


def test_link_of_ones_own_to_a_pipe_is_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("other")
    (tmp_path / "other").symlink_to(tmp_path / "pipe")
    assert opening(tmp_path / "link") == ""


def test_link_of_somebody_else_is_not_followed(stranger: Stranger, tmp_path: Path) -> None:
    stranger.folder.mkdir()
    stranger.folder.chmod(0o777)
    stranger.links("pipe", tmp_path / "made")
    assert f"pipe is a link of user {UID}" in opening(stranger.folder / "pipe")
    assert not (tmp_path / "made").exists()


def test_pipe_of_somebody_else_is_fed_by_him_only_in_a_folder_that_is_not_everybodys(
    stranger: Stranger,
) -> None:
    stranger.folder.mkdir()
    stranger.folder.chmod(0o1777)
    stranger.does("mkfifo $1/pipe")
    assert f"found one of user {UID}" in opening(stranger.folder / "pipe")
    stranger.folder.chmod(0o755)
    assert opening(stranger.folder / "pipe") == ""


@pytest.mark.parametrize("form", MUXERS)
def test_a_second_program_in_a_pipe_that_stays_open_is_a_new_stream(
    form: str,
    pipe: Path,
    worker: CameraWorker,
    feed: Callable[..., Writer],
    eventually: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As the loop of a shell does it: (while true; do …; done) > pipe."""
    caplog.set_level(logging.INFO)
    shell = os.open(pipe, os.O_WRONLY)
    try:
        for turn in range(3):
            has_more = deliver(worker, 15)
            writer = feed(MUXERS[form], count=30)
            eventually(writer.has_ended)
            eventually(has_more)
            assert caplog.text.count("another one begins in the same pipe") == turn
        assert worker.report().reconnects_total == 2
    finally:
        os.close(shell)


@pytest.mark.parametrize("codec", BARE)
def test_pictures_without_a_container_are_taken_by_their_arrival(
    codec: str, worker: CameraWorker, feed: Callable[..., Writer], eventually: Callable[..., Any]
) -> None:
    feed("identity", pictures=BARE[codec])
    eventually(deliver(worker, 15))
    assert worker.report().reconnects_total == 0
    assert worker.report().state is CameraState.CONNECTED


@pytest.mark.usefixtures("worker")
def test_the_writer_of_a_stream_that_is_refused_ends_rather_than_waits(
    pipe: Path, eventually: Callable[..., Any]
) -> None:
    ended = threading.Event()

    def write() -> None:
        with suppress(BrokenPipeError):
            pipe.write_bytes(FTYP + b"\0\0\0\x01mdat" + bytes(50_000_000))
        ended.set()

    threading.Thread(target=write, daemon=True).start()
    eventually(ended.is_set)

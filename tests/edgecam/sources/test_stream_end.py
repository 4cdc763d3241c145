"""Cameras, files and pipes with bytes behind an end of their stream: GStreamer 1.26 would end the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from half_written import coded
from viewer import viewing

from edgecam.clock import SystemClock
from edgecam.config.camera import Camera
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.errors import SourceUnsupported
from edgecam.gstreamer.gst import Gst
from edgecam.node.camera_worker import CameraWorker
from sandbox.cameras.hostile_camera import FILM, HostileCamera

OVERRUN = b"\0\0\0\1\x0b" + bytes.fromhex("fbc30fb121aba9")
"""An end of the stream (NAL unit 11), and bytes behind it."""
FORM = "video/x-h264,stream-format=byte-stream,alignment=au,width=320,height=180,framerate=10/1"


@pytest.fixture
def film() -> list[bytes]:
    """Every seventh picture has them."""
    return [picture.data + OVERRUN * (number % 7 == 6) for number, picture in enumerate(coded(FILM))]


def refusal(folder: Path, uri: str) -> str:
    """Why one attempt of GStreamer's ended; the process lives, or nobody would say it."""
    document = {"id": "bad", "uri": uri, "connect_timeout_s": 20, "receiver": "gstreamer"}
    camera = validate(Camera, document, name="test")
    worker = CameraWorker(
        camera, data_dir=str(folder / "frames"), logins=Logins([camera]), clock=SystemClock()
    )
    with pytest.raises(SourceUnsupported) as caught:
        worker.run_once()
    return str(caught.value)


def mux(film: list[bytes], chain: str, path: Path) -> None:
    """A file of the film, in a container."""
    pipeline = Gst.parse_launch(
        f"appsrc name=film format=time caps={FORM} ! {chain} ! filesink location={path}"
    )
    pipeline.set_state(Gst.State.PLAYING)
    for number, unit in enumerate(film):
        buffer = Gst.Buffer.new_wrapped(unit)
        buffer.pts = buffer.dts = number * 100_000_000
        buffer.duration = 100_000_000
        if number % 10:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        pipeline.get_by_name("film").emit("push-buffer", buffer)
    pipeline.get_by_name("film").emit("end-of-stream")
    kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
    assert pipeline.get_bus().timed_pop_filtered(20 * Gst.SECOND, kinds).type == Gst.MessageType.EOS
    pipeline.set_state(Gst.State.NULL)


def test_a_camera_that_sends_them_is_refused(film: list[bytes], tmp_path: Path) -> None:
    with HostileCamera("good", film=film) as hostile:
        assert "behind an end of the stream" in refusal(tmp_path, hostile.uri)


def test_a_camera_that_sends_them_is_received_without_them_by_our_receiver(
    film: list[bytes], eventually: Callable[..., Any]
) -> None:
    with HostileCamera("good", film=film) as hostile, viewing(hostile.uri) as viewer:
        eventually(lambda: len(viewer.received) > 15 or viewer.fault)
    kinds = {kind for picture, _, _ in viewer.received for kind in _kinds(picture.data)}
    assert {1, 5} <= kinds
    assert not kinds & {10, 11}


def _kinds(picture: bytes) -> Iterator[int]:
    """Of each NAL unit, each behind a length of four bytes."""
    at = 0
    while at < len(picture):
        yield picture[at + 4] & 0x1F
        at += 4 + int.from_bytes(picture[at : at + 4], "big")


def test_a_bare_stream_that_has_them_is_refused(film: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "film.h264").write_bytes(b"".join(film))
    assert "behind an end of the stream" in refusal(tmp_path, f"file://{tmp_path}/film.h264")


def test_mpeg_ts_that_has_them_is_refused(film: list[bytes], tmp_path: Path) -> None:
    mux(film, "mpegtsmux", tmp_path / "film.ts")
    assert "behind an end of the stream" in refusal(tmp_path, f"file://{tmp_path}/film.ts")


def test_matroska_that_has_them_in_the_form_of_files_is_refused(film: list[bytes], tmp_path: Path) -> None:
    units = [unit.partition(OVERRUN)[0] for unit in film]
    mux(units, "h264parse ! video/x-h264,stream-format=avc ! matroskamux", tmp_path / "film.mkv")
    right = (tmp_path / "film.mkv").read_bytes()
    # A unit of no further use to anybody is made an end of the stream of the same length.
    wrong = right.replace(b"\x06\x05\xff\xff", b"\x0b\x05\xff\xff")
    assert wrong != right
    (tmp_path / "film.mkv").write_bytes(wrong)
    assert "behind an end of the stream" in refusal(tmp_path, f"file://{tmp_path}/film.mkv")

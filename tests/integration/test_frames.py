"""Real streams in, real files out: RTSP servers, video files, and everything that happens to cameras."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from camera_process import CameraProcess

from edgecam.codecs.jpeg import size_of
from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.gstreamer.gst import Gst
from edgecam.node.node import Node
from edgecam.status.reports import CameraReport, CameraState, DecodeMode

Eventually = Callable[..., Any]
Cameras = Callable[..., CameraProcess]
RunNode = Callable[..., Node]

TORN_S = float(os.environ.get("EDGECAM_TORN_S", "8"))
"""How long the tight loop reads; a release is tried with 60."""
SMALL = "320x180@15"


@pytest.fixture
def run_node(tmp_path: Path) -> Iterator[RunNode]:
    """Starts a node from camera settings without ids: `run_node({"uri": …}, …)`; they are called c0, c1, …"""
    nodes: list[Node] = []

    def start(*cameras: dict[str, Any]) -> Node:
        named = [{"id": f"c{number}"} | camera for number, camera in enumerate(cameras)]
        config = validate(NodeConfig, {"cameras": named, "data_dir": str(tmp_path / "data")})
        node = Node(config, logins=Logins(config.cameras))
        nodes.append(node)
        node.start()
        return node

    yield start
    for node in nodes:
        assert node.stop(), "a camera did not end in time"


def report(node: Node, number: int = 0) -> CameraReport:
    return node.reports()[number]


def has_pictures(node: Node, count: int = 1, number: int = 0) -> Callable[[], bool]:
    return lambda: report(node, number).frames_total >= count


def state_is(
    node: Node, state: CameraState, reason: str | None = None, number: int = 0
) -> Callable[[], bool]:
    return lambda: (report(node, number).state, report(node, number).reason) == (state, reason)


def told(node: Node, camera_id: str = "c0") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(node.frame_path(camera_id).with_suffix(".json").read_text())
    return content


def make_film(description: str) -> None:
    """Run a gst-launch line to its end."""
    subprocess.run(["gst-launch-1.0", "-q", *description.split()], check=True, timeout=60)


def luma(path: Path) -> bytes:
    """The luma plane of a JPEG file."""
    pipeline = Gst.parse_launch(
        "filesrc name=in ! jpegdec ! videoconvert ! video/x-raw,format=GRAY8 ! appsink name=out"
    )
    pipeline.get_by_name("in").set_property("location", str(path))
    pipeline.set_state(Gst.State.PLAYING)
    buffer = pipeline.get_by_name("out").emit("pull-sample").get_buffer()
    data: bytes = buffer.extract_dup(0, buffer.get_size())
    pipeline.set_state(Gst.State.NULL)
    return data


def test_a_camera_becomes_a_fresh_picture(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": test_cameras(f"lobby:{SMALL}").uri("lobby")})
    eventually(has_pictures(node, 2))
    path = node.frame_path("c0")
    assert size_of(path.read_bytes()) == (320, 180)
    assert abs(time.time() - path.stat().st_mtime) < 5
    eventually(lambda: told(node)["status"] == "connected")
    captured = datetime.fromisoformat(told(node)["captured_at"])
    assert abs((datetime.now(UTC) - captured).total_seconds()) < 5
    assert report(node).is_delivering


def test_the_picture_was_taken_when_its_modification_time_says(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    from sandbox.cameras.film import FILM_S, read_mark

    node = run_node({"uri": test_cameras("lobby:640x360@15").uri("lobby")})
    path = node.frame_path("c0")
    for count in (2, 3, 4):
        eventually(has_pictures(node, count))
        shown_s = read_mark(luma(path), 640, 640) / 15
        lag_s = (path.stat().st_mtime - shown_s) % FILM_S
        assert min(lag_s, FILM_S - lag_s) < 1


def test_a_reader_in_a_tight_loop_never_sees_a_torn_or_missing_picture(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": test_cameras("lobby:640x360@30").uri("lobby"), "frames": {"max_fps": 30}})
    eventually(has_pictures(node))
    path, reads, inodes = node.frame_path("c0"), 0, set()
    end_s = time.monotonic() + TORN_S
    while time.monotonic() < end_s:
        data = path.read_bytes()
        assert data[:2] == b"\xff\xd8"
        assert data[-2:] == b"\xff\xd9"
        assert size_of(data) == (640, 360)
        json.loads(path.with_suffix(".json").read_text())
        inodes.add(path.stat().st_ino)
        reads += 1
    assert reads > 100
    assert report(node).frames_total > 15 * TORN_S
    assert len(inodes) > 1


@pytest.mark.parametrize(
    ("frames", "keyframe_s", "mode", "fps"),
    [
        ({"max_fps": 1}, 2, DecodeMode.CATCH_UP, 1),
        ({"max_fps": 1}, 1, DecodeMode.KEYFRAMES, 1),
        ({"max_fps": 1, "decode": "all"}, 2, DecodeMode.ALL, 1),
        ({"max_fps": 30, "decode": "keyframes"}, 1, DecodeMode.KEYFRAMES, 1),
        ({"max_fps": 15}, 2, DecodeMode.ALL, 15),
        ({"max_fps": 5}, 2, DecodeMode.CATCH_UP, 5),
    ],
)
def test_each_way_of_decoding_gives_its_number_of_right_pictures(
    frames: dict[str, Any],
    keyframe_s: int,
    mode: DecodeMode,
    fps: float,
    test_cameras: Cameras,
    run_node: RunNode,
    eventually: Eventually,
) -> None:
    from sandbox.cameras.film import FILM_S, read_mark

    cameras = test_cameras(f"lobby:640x360@15:keyframe={keyframe_s}")
    node = run_node({"uri": cameras.uri("lobby"), "frames": frames})
    eventually(lambda: report(node).decode_mode is mode)
    # From one picture to another: begun between two, four pictures may take little more than three periods;
    # and the first of a connection comes late, so that the next seems early.
    eventually(has_pictures(node, report(node).frames_total + 2))
    begun, begun_s = report(node).frames_total, time.monotonic()
    eventually(has_pictures(node, begun + round(4 * fps)))
    found_fps = (report(node).frames_total - begun) / (time.monotonic() - begun_s)
    assert found_fps == pytest.approx(fps, rel=0.35)
    path = node.frame_path("c0")
    lag_s = (path.stat().st_mtime - read_mark(luma(path), 640, 640) / 15) % FILM_S
    assert min(lag_s, FILM_S - lag_s) < 1
    assert report(node).decode_mode is mode


def test_pictures_that_are_sent_out_of_order_are_decoded_whole(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    cameras = test_cameras("lobby:640x360@15:bframes=2")
    node = run_node({"uri": cameras.uri("lobby"), "frames": {"max_fps": 3}})
    eventually(lambda: report(node).decode_mode is DecodeMode.ALL)
    eventually(has_pictures(node, report(node).frames_total + 6))
    assert report(node).state is CameraState.CONNECTED


def test_a_killed_camera_is_back_after_its_return(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}")
    node = run_node({"uri": cameras.uri("lobby")})
    eventually(has_pictures(node))
    cameras.kill()
    eventually(lambda: report(node).state is CameraState.DISCONNECTED)
    eventually(lambda: told(node)["status"] == "disconnected")
    eventually(state_is(node, CameraState.DISCONNECTED, "refused"))
    time.sleep(4)  # long enough for the delays to have grown to their longest
    cameras.start()
    seen = report(node).frames_total
    eventually(has_pictures(node, seen + 1), within_s=8)
    assert report(node).reconnects_total >= 1
    eventually(state_is(node, CameraState.CONNECTED))


def test_a_frozen_camera_is_noticed_and_taken_up_again(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}")
    settings = {"uri": cameras.uri("lobby"), "connect_timeout_s": 2, "frames": {"stale_after_s": 2}}
    node = run_node(settings)
    eventually(has_pictures(node))
    cameras.freeze()
    eventually(lambda: told(node)["status"] == "stalled", within_s=2 + 1)
    assert report(node).reason == "silent"
    eventually(lambda: "nothing has come for 2 s" in caplog.text)
    cameras.thaw()
    eventually(has_pictures(node, report(node).frames_total + 2))
    eventually(lambda: told(node)["status"] == "connected")


def test_a_camera_that_answers_nothing_is_unreachable(run_node: RunNode, eventually: Eventually) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        uri = f"rtsp://127.0.0.1:{mute.getsockname()[1]}/x"
        node = run_node({"uri": uri, "connect_timeout_s": 1})
        eventually(state_is(node, CameraState.DISCONNECTED, "unreachable"))


def test_a_camera_where_nobody_listens_is_refused(
    free_port: int, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": f"rtsp://127.0.0.1:{free_port}/x"})
    eventually(state_is(node, CameraState.DISCONNECTED, "refused"))


def test_a_host_without_address_is_unreachable(run_node: RunNode, eventually: Eventually) -> None:
    node = run_node({"uri": "rtsp://no-such-camera.invalid/x"})
    eventually(state_is(node, CameraState.DISCONNECTED, "unreachable"))


def test_a_stream_that_the_camera_does_not_have_is_not_found(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": test_cameras(f"lobby:{SMALL}").uri("attic")})
    eventually(state_is(node, CameraState.DISCONNECTED, "not-found"))


def test_a_codec_that_cannot_be_read_is_unsupported_and_named(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": test_cameras(f"lobby:{SMALL}:codec=vp8").uri("lobby")})
    eventually(state_is(node, CameraState.DISCONNECTED, "unsupported"))
    assert "VP8" in (report(node).message or "")


@pytest.mark.parametrize("codec", ["h265", "mjpeg"])
def test_other_codecs_that_cameras_speak_give_pictures(
    codec: str, test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": test_cameras(f"lobby:320x240@15:codec={codec}:audio=yes").uri("lobby")})
    eventually(has_pictures(node, 2))
    assert size_of(node.frame_path("c0").read_bytes()) == (320, 240)


def credentials(folder: Path, password: str) -> dict[str, Any]:
    path = folder / f"password-{password}"
    path.write_text(password)
    path.chmod(0o600)
    return {"username": "guard", "password_file": str(path)}


def test_a_camera_with_a_password_lets_in_who_has_it_and_nobody_else(
    test_cameras: Cameras,
    run_node: RunNode,
    eventually: Eventually,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    uri = test_cameras(f"yard:{SMALL}:user=guard", password="swordfish-1").uri("yard")
    caplog.set_level(logging.DEBUG)
    node = run_node(
        {"uri": uri, "credentials": credentials(tmp_path, "swordfish-1")},
        {"uri": uri, "credentials": credentials(tmp_path, "mackerel-2")},
        {"uri": uri},
    )
    eventually(has_pictures(node))
    for number in (1, 2):
        eventually(state_is(node, CameraState.DISCONNECTED, "unauthorized", number))
    eventually(lambda: "trying rarely" in caplog.text)
    eventually(state_is(node, CameraState.CONNECTED))
    assert "swordfish" not in caplog.text
    assert "mackerel" not in caplog.text


def test_a_password_that_changes_is_taken_up_without_a_restart(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually, tmp_path: Path
) -> None:
    uri = test_cameras(f"yard:{SMALL}:user=guard", password="swordfish-1").uri("yard")
    wrong = credentials(tmp_path, "mackerel-2")
    node = run_node({"uri": uri, "credentials": wrong})
    eventually(state_is(node, CameraState.DISCONNECTED, "unauthorized"))
    Path(wrong["password_file"]).write_text("swordfish-1")
    node.reconnect("c0")
    eventually(has_pictures(node))


def test_one_failing_camera_does_not_disturb_another(
    test_cameras: Cameras, free_port: int, run_node: RunNode, eventually: Eventually
) -> None:
    good, bad = test_cameras(f"lobby:{SMALL}"), test_cameras(f"yard:{SMALL}")
    node = run_node(
        {"uri": good.uri("lobby"), "frames": {"max_fps": 5}},
        {"uri": bad.uri("yard"), "connect_timeout_s": 1, "frames": {"stale_after_s": 1}},
        {"uri": f"rtsp://127.0.0.1:{free_port}/x"},
        {"uri": "pipeline:videotestsrc num-buffers=3 ! x264enc ! video/x-h264,profile=high"},
    )
    eventually(has_pictures(node, 1, 0))
    eventually(has_pictures(node, 1, 1))
    inode, begun, gaps, last_s = 0, report(node).frames_total, [], time.monotonic()
    bad.freeze()
    end_s = time.monotonic() + 6
    while time.monotonic() < end_s:
        if time.monotonic() > end_s - 3:
            bad.kill()
        if (found := node.frame_path("c0").stat().st_ino) != inode:
            gaps.append(time.monotonic() - last_s)
            inode, last_s = found, time.monotonic()
        time.sleep(0.01)
    assert report(node, 1).state is not CameraState.CONNECTED
    assert report(node, 0).reconnects_total == 0
    assert report(node, 0).frames_total - begun > 20
    assert max(gaps) < 2


def test_an_unexpected_fault_in_one_camera_is_logged_and_retried(
    run_node: RunNode,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edgecam.node import camera_worker as camera

    made = camera.source_for

    def sometimes(settings: Any, login: Any) -> Any:
        if settings.id == "c1" and "c1" not in faults:
            faults.append("c1")
            raise ZeroDivisionError("a mistake of ours")
        return made(settings, login)

    faults: list[str] = []
    monkeypatch.setattr(camera, "source_for", sometimes)
    node = run_node({"uri": "test://?fps=10"}, {"uri": "test://?fps=10"})
    eventually(has_pictures(node, 1, 0))
    eventually(has_pictures(node, 1, 1))
    assert any(record.exc_info for record in caplog.records)
    assert report(node, 0).reconnects_total == 0


def test_a_stopped_node_tells_that_it_is_gone(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}")
    node = run_node({"uri": cameras.uri("lobby")}, {"uri": cameras.uri("attic")})
    eventually(has_pictures(node))
    assert node.stop()
    assert told(node)["status"] == "disconnected"
    assert told(node, "c1")["status"] == "disconnected"
    assert node.frame_path("c0").exists()


def test_a_frozen_camera_does_not_hold_up_the_end(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}")
    node = run_node({"uri": cameras.uri("lobby")})
    eventually(has_pictures(node))
    cameras.freeze()
    assert node.stop(timeout_s=4)
    assert told(node)["status"] == "disconnected"


def test_a_stale_picture_is_removed_where_that_is_wished(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}")
    frames = {"stale_after_s": 1, "on_stale": "remove"}
    node = run_node({"uri": cameras.uri("lobby"), "frames": frames})
    path = node.frame_path("c0")
    eventually(path.exists)
    cameras.kill()
    eventually(lambda: not path.exists())
    assert path.with_suffix(".json").exists()
    cameras.start()
    eventually(path.exists)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 and its key, in one PEM file."""
    key, pem = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(pem)),
        ],
        check=True,
        capture_output=True,
    )
    both = tmp_path / "both.pem"
    both.write_text(pem.read_text() + key.read_text())
    return both


def test_an_encrypted_camera_is_trusted_by_its_authority_or_knowingly_and_else_refused(
    certificate: Path, test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    uri = test_cameras(f"lobby:{SMALL}", certificate=certificate).uri("lobby")
    node = run_node(
        {"uri": uri, "tls": {"ca_file": str(certificate.with_name("certificate.pem"))}},
        {"uri": uri, "tls": {"verify": False}},
        {"uri": uri},
    )
    eventually(has_pictures(node, 1, 0))
    eventually(has_pictures(node, 1, 1))
    eventually(state_is(node, CameraState.DISCONNECTED, "untrusted", 2))
    assert "ca_file" in (report(node, 2).message or "")


def test_a_certificate_of_another_host_is_not_trusted_even_by_its_authority(
    certificate: Path, test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}", certificate=certificate)
    uri = cameras.uri("lobby").replace("127.0.0.1", "localhost")
    node = run_node({"uri": uri, "tls": {"ca_file": str(certificate.with_name("certificate.pem"))}})
    eventually(state_is(node, CameraState.DISCONNECTED, "untrusted"))
    assert "another host name" in (report(node).message or "")


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("film.mp4", "x264enc bframes=0 key-int-max=10 ! h264parse ! mp4mux"),
        ("film-b.mp4", "x264enc bframes=2 key-int-max=10 ! h264parse ! mp4mux"),
        ("film.mkv", "x264enc key-int-max=10 ! h264parse ! matroskamux"),
        ("film.ts", "x264enc key-int-max=10 ! h264parse ! mpegtsmux"),
        ("film.avi", "jpegenc ! avimux"),
        ("film.h264", "x264enc key-int-max=10 ! h264parse ! video/x-h264,stream-format=byte-stream"),
    ],
)
def test_a_file_is_looped_in_real_time(
    name: str, coding: str, films: Path, run_node: RunNode, eventually: Eventually
) -> None:
    path = films / name
    raw = "video/x-raw,width=320,height=240,framerate=10/1"
    make_film(f"videotestsrc num-buffers=20 ! {raw} ! {coding} ! filesink location={path}")
    node = run_node({"uri": f"file://{path}", "frames": {"max_fps": 5}})
    eventually(has_pictures(node))
    begun_s, begun = time.monotonic(), report(node).frames_total
    eventually(has_pictures(node, begun + 30))
    assert (report(node).frames_total - begun) / (time.monotonic() - begun_s) == pytest.approx(5, rel=0.4)
    assert report(node).reconnects_total == 0


def test_a_file_without_video_that_can_be_read_is_unsupported(
    films: Path, run_node: RunNode, eventually: Eventually
) -> None:
    make_film(f"videotestsrc num-buffers=10 ! vp8enc ! matroskamux ! filesink location={films}/film.mkv")
    (films / "text.mp4").write_text("no film at all")
    node = run_node({"uri": f"file://{films}/film.mkv"}, {"uri": f"file://{films}/text.mp4"})
    for number in (0, 1):
        eventually(state_is(node, CameraState.DISCONNECTED, "unsupported", number))


def test_numbered_pictures_are_passed_on_byte_for_byte_and_looped(
    films: Path, run_node: RunNode, eventually: Eventually
) -> None:
    raw = "video/x-raw,width=320,height=240"
    target = f"multifilesink location={films}/s_%04d.jpg"
    make_film(f"videotestsrc num-buffers=4 pattern=ball ! {raw} ! jpegenc ! {target}")
    files = {path.read_bytes() for path in films.glob("*.jpg")}
    node = run_node({"uri": f"images://{films}/s_%04d.jpg?fps=10", "frames": {"max_fps": 10}})
    eventually(has_pictures(node, 12))
    assert node.frame_path("c0").read_bytes() in files
    assert report(node).decode_mode is DecodeMode.NONE


def test_numbered_png_pictures_work_too(films: Path, run_node: RunNode, eventually: Eventually) -> None:
    make_film(f"videotestsrc num-buffers=3 ! pngenc ! multifilesink location={films}/s_%d.png")
    node = run_node({"uri": f"images://{films}/s_%d.png?fps=5"})
    eventually(has_pictures(node, 2))


@pytest.mark.parametrize(
    "source",
    ["test://?pattern=smpte&width=640&height=480&fps=10", "pipeline:videotestsrc is-live=true ! jpegenc"],
)
def test_a_width_that_is_asked_for_is_given(source: str, run_node: RunNode, eventually: Eventually) -> None:
    node = run_node({"uri": source, "frames": {"width": 160}})
    eventually(has_pictures(node))
    width, height = size_of(node.frame_path("c0").read_bytes()) or (0, 0)
    assert (width, height) == (
        160,
        round(160 * (480 if "480" in source else 240) / (640 if "480" in source else 320)),
    )


@pytest.mark.parametrize(
    "description",
    [
        "videotestsrc ! video/x-raw,framerate=10/1 ! x264enc tune=zerolatency",
        "videotestsrc is-live=true ! video/x-raw,framerate=10/1 ! jpegenc",
        "videotestsrc is-live=true ! video/x-raw,framerate=10/1",
    ],
)
def test_a_pipeline_of_ones_own_gives_pictures_in_real_time(
    description: str, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": f"pipeline:{description}", "frames": {"max_fps": 5}})
    eventually(has_pictures(node))
    begun_s, begun = time.monotonic(), report(node).frames_total
    eventually(has_pictures(node, begun + 10))
    assert (report(node).frames_total - begun) / (time.monotonic() - begun_s) == pytest.approx(5, rel=0.4)


def test_a_pipeline_that_ends_is_begun_again(run_node: RunNode, eventually: Eventually) -> None:
    node = run_node({"uri": "pipeline:videotestsrc num-buffers=5 ! jpegenc"})
    eventually(lambda: report(node).reason == "ended")
    eventually(lambda: report(node).reconnects_total >= 2)


@pytest.mark.parametrize(
    "description", ["no-such-element", "videotestsrc ! vp8enc", "videotestsrc ! fakesink"]
)
def test_a_pipeline_that_gives_no_video_is_unsupported(
    description: str, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": f"pipeline:{description}"})
    eventually(state_is(node, CameraState.DISCONNECTED, "unsupported"))


def test_no_thread_outlives_its_node(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    before = set(threading.enumerate())
    cameras = test_cameras(f"lobby:{SMALL}")
    node = run_node({"uri": cameras.uri("lobby")})
    eventually(has_pictures(node))
    node.stop()
    eventually(
        lambda: (
            not [
                thread
                for thread in threading.enumerate()
                if thread not in before and thread.is_alive() and thread.name.startswith("camera-")
            ]
        )
    )

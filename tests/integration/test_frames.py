"""Test cameras in, pictures out: fresh, whole, and decoded as often as configured."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from camera_process import CameraProcess
from node_reports import frame_document, has_pictures, report

from edgecam.codecs.jpeg import size_of
from edgecam.gstreamer.gst import Gst
from edgecam.node.node import Node
from edgecam.status.reports import CameraState, DecodeMode

Eventually = Callable[..., Any]


Cameras = Callable[..., CameraProcess]


RunNode = Callable[..., Node]


SMALL = "320x180@15"


@pytest.fixture(params=["auto", "gstreamer"])
def receiver(request: pytest.FixtureRequest) -> str:
    """Both receivers."""
    return str(request.param)


TORN_S = float(os.environ.get("EDGECAM_TORN_S", "8"))
"""How long the tight loop reads; a release is tried with 60."""


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
    eventually(lambda: frame_document(node)["status"] == "connected")
    captured = datetime.fromisoformat(frame_document(node)["captured_at"])
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
    # A machine that is behind for a moment sees keyframes further apart, and is in another mode as long.
    eventually(lambda: report(node).decode_mode is mode)


def test_pictures_that_are_sent_out_of_order_are_decoded_whole(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    cameras = test_cameras("lobby:640x360@15:bframes=2")
    node = run_node({"uri": cameras.uri("lobby"), "frames": {"max_fps": 3}})
    eventually(lambda: report(node).decode_mode is DecodeMode.ALL)
    eventually(has_pictures(node, report(node).frames_total + 6))
    assert report(node).state is CameraState.CONNECTED


@pytest.mark.parametrize("codec", ["h265", "mjpeg"])
def test_other_codecs_that_cameras_speak_give_pictures(
    codec: str, test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": test_cameras(f"lobby:320x240@15:codec={codec}:audio=yes").uri("lobby")})
    eventually(has_pictures(node, 2))
    assert size_of(node.frame_path("c0").read_bytes()) == (320, 240)


def test_a_stopped_node_tells_that_it_is_gone(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}")
    node = run_node({"uri": cameras.uri("lobby")}, {"uri": cameras.uri("attic")})
    eventually(has_pictures(node))
    assert node.stop()
    assert frame_document(node)["status"] == "disconnected"
    assert frame_document(node, "c1")["status"] == "disconnected"
    assert node.frame_path("c0").exists()


def test_a_frozen_camera_does_not_hold_up_the_end(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}")
    node = run_node({"uri": cameras.uri("lobby")})
    eventually(has_pictures(node))
    cameras.freeze()
    assert node.stop(timeout_s=4)
    assert frame_document(node)["status"] == "disconnected"


def test_a_stale_picture_is_removed_where_that_is_configured(
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

"""Pictures of video files, numbered pictures and pipelines of one's own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from camera_process import CameraProcess
from node_reports import has_pictures, report, state_is

from edgecam.codecs.jpeg import size_of
from edgecam.node.node import Node
from edgecam.status.reports import CameraState, DecodeMode

Eventually = Callable[..., Any]


Cameras = Callable[..., CameraProcess]


RunNode = Callable[..., Node]


SMALL = "320x180@15"


def make_film(description: str) -> None:
    """Run a gst-launch line to its end."""
    subprocess.run(["gst-launch-1.0", "-q", *description.split()], check=True, timeout=60)


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

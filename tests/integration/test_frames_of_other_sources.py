"""Pictures of video files, numbered pictures and pipelines of one's own."""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from camera_process import CameraProcess
from node_reports import frame_document, has_pictures, report, state_is
from probe_options import options

from edgecam.cli.probe import probe
from edgecam.cli.probe_target import Target
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


def turned_film(path: Path) -> Path:
    """As a phone makes it that is held upright: coded as 320x180, and to be turned to the right."""
    raw = "video/x-raw,width=320,height=180,framerate=10/1"
    coding = "x264enc bframes=0 key-int-max=10 ! h264parse ! mp4mux"
    make_film(f"videotestsrc num-buffers=20 ! {raw} ! {coding} ! filesink location={path}")
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # the matrix: ISO/IEC 14496-12, 8.3.2
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def test_a_film_that_is_to_be_turned_is_turned(
    films: Path, run_node: RunNode, eventually: Eventually
) -> None:
    path = turned_film(films / "film.mp4")
    node = run_node({"uri": f"file://{path}"}, {"uri": f"file://{path}", "frames": {"width": 90}})
    for number, size in enumerate([(180, 320), (90, 160)]):
        eventually(has_pictures(node, 1, number))
        assert size_of(node.frame_path(f"c{number}").read_bytes()) == size
        shown = frame_document(node, f"c{number}")
        assert (shown["width"], shown["height"]) == size
    found = probe(Target.from_options(options(f"file://{path}")))
    assert (found.width, found.height) == (180, 320)


def test_a_film_that_is_replaced_is_read_from_its_next_round_on(
    films: Path, run_node: RunNode, eventually: Eventually
) -> None:
    path, other = films / "film.mp4", films / "other.mp4"
    for target, width in ((path, 320), (other, 160)):
        raw = f"video/x-raw,width={width},height=120,framerate=10/1"
        make_film(
            f"videotestsrc num-buffers=20 ! {raw} ! x264enc key-int-max=10 ! h264parse ! mp4mux "
            f"! filesink location={target}"
        )
    node = run_node({"uri": f"file://{path}", "frames": {"max_fps": 5}})
    eventually(has_pictures(node))
    other.rename(path)
    eventually(lambda: frame_document(node)["width"] == 160)
    seen = report(node).frames_total
    eventually(has_pictures(node, seen + 15))  # more than a round of it
    assert report(node).reconnects_total == 1
    path.unlink()  # what was read goes on
    eventually(has_pictures(node, seen + 30))
    assert report(node).reconnects_total == 1


@pytest.mark.parametrize("frames", [{}, {"width": 64}], ids=["passed on", "coded again"])
def test_one_bad_picture_in_a_series_costs_itself(
    frames: dict[str, Any],
    films: Path,
    run_node: RunNode,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    target = f"multifilesink location={films}/s_%d.jpg"
    make_film(f"videotestsrc num-buffers=6 ! video/x-raw,width=320,height=240 ! jpegenc ! {target}")
    (films / "s_0.jpg").write_bytes(b"")
    (films / "s_1.jpg").write_bytes((films / "s_1.jpg").read_bytes()[:-500])
    make_film(f"videotestsrc num-buffers=1 ! pngenc ! filesink location={films}/s_3.jpg")
    bad = bytearray((films / "s_4.jpg").read_bytes())
    at = bad.index(b"\xff\xc4") + 5
    bad[at : at + 16] = b"\xff" * 16  # a table that no decoder takes
    (films / "s_4.jpg").write_bytes(bad)
    node = run_node({"uri": f"images://{films}/s_%d.jpg?fps=10", "frames": {"max_fps": 10} | frames})
    eventually(has_pictures(node, 20))
    assert report(node).reconnects_total == 0
    assert all(f"s_{number}.jpg" in caplog.text for number in (0, 1, 3))
    assert "expected a JPEG picture, found a PNG" in caplog.text


def test_pictures_that_are_png_by_their_content_are_read_whatever_their_name_says(
    films: Path, run_node: RunNode, eventually: Eventually
) -> None:
    make_film(f"videotestsrc num-buffers=3 ! pngenc ! multifilesink location={films}/s_%d.jpg")
    damaged = bytearray((films / "s_1.jpg").read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (films / "s_1.jpg").write_bytes(damaged)
    node = run_node({"uri": f"images://{films}/s_%d.jpg?fps=10", "frames": {"max_fps": 10}})
    eventually(has_pictures(node, 8))
    assert report(node).reconnects_total == 0


def test_pictures_of_a_pipeline_that_are_cut_short_are_left_out_and_counted(
    films: Path, run_node: RunNode, eventually: Eventually
) -> None:
    make_film(f"videotestsrc num-buffers=2 ! jpegenc ! multifilesink location={films}/s_%d.jpg")
    (films / "s_1.jpg").write_bytes((films / "s_1.jpg").read_bytes()[:-500])
    whole = (films / "s_0.jpg").read_bytes()
    source = f"multifilesrc location={films}/s_%d.jpg loop=true caps=image/jpeg,framerate=10/1"
    node = run_node({"uri": f"pipeline:{source}", "frames": {"max_fps": 10}})
    for count in range(1, 10, 2):
        eventually(has_pictures(node, count))
        assert node.frame_path("c0").read_bytes() == whole
    eventually(lambda: report(node).damaged_total >= 3)
    assert report(node).reconnects_total == 0

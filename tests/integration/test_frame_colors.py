"""The colours of the newest picture: those that readers of JPEG expect, whatever the camera's video has."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from judged_pictures import Color, color_at, ffmpeg, patches, pixels
from node_reports import has_pictures
from probe_options import options

from edgecam.cli.probe import take_picture
from edgecam.cli.probe_target import Target
from edgecam.node.node import Node

COLORS: tuple[Color, ...] = (
    *((255, 255, 255), (0, 0, 0), (128, 128, 128)),
    *((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (40, 90, 160)),
)
MATRICES = {"bt601": "smpte170m", "bt709": "bt709", "bt2020": "bt2020nc"}
"""In the words of ffmpeg's filter, and of its coders."""
CODINGS = {
    "H.264": ("libx264", "yuv420p"),
    "H.264 4:2:2": ("libx264", "yuv422p"),
    "H.264 4:4:4": ("libx264", "yuv444p"),
    "H.265": ("libx265", "yuv420p"),
    "H.265 10 bit": ("libx265", "yuv420p10le"),
}
WIDTH, HEIGHT = 640, 360


def film(path: Path, *, matrix: str, levels: str, coding: str, says_container: bool = False) -> Path:
    """Stripes of `COLORS`, which say in the stream how they are to be read, and in the container as well."""
    coder, pixel_format = CODINGS[coding]
    said = ("-color_range", levels, "-colorspace", MATRICES[matrix])
    if says_container:
        said = (*said, "-color_primaries", "bt709", "-color_trc", "bt709")
    silent = ("-x265-params", "log-level=none") if coder == "libx265" else ()
    ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", "5", "-i", "-"),
        *("-vf", f"scale=out_color_matrix={matrix}:out_range={levels}:flags=accurate_rnd+full_chroma_int"),
        *("-pix_fmt", pixel_format, "-c:v", coder, "-preset", "ultrafast", "-qp", "4", *silent, *said, path),
        data=patches(WIDTH, HEIGHT, COLORS) * 5,
    )
    return path


def shown(path: Path, folder: Path) -> list[Color]:
    """The colours of the stripes in the picture of a film."""
    jpeg = take_picture(Target.from_options(options(f"file://{path}")))
    picture = pixels(jpeg, folder / "frame.jpg")
    return [color_at(picture, (place + 0.5) / len(COLORS), 0.5) for place in range(len(COLORS))]


def off(found: list[Color]) -> int:
    """How far the worst of the colours is from what was filmed, levels."""
    return max(abs(a - b) for pair in zip(found, COLORS, strict=True) for a, b in zip(*pair, strict=True))


@pytest.mark.parametrize(
    ("matrix", "levels", "coding"),
    [
        *itertools.product(MATRICES, ("tv", "pc"), ("H.264", "H.265 10 bit")),
        *itertools.product(("bt709",), ("tv",), ("H.264 4:2:2", "H.264 4:4:4", "H.265")),
    ],
)
def test_white_is_white_and_red_is_red(matrix: str, levels: str, coding: str, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", matrix=matrix, levels=levels, coding=coding)
    found = shown(path, tmp_path)
    assert off(found) <= 3, found


@pytest.mark.parametrize(
    ("matrix", "levels", "coding"),
    [*itertools.product(("bt601", "bt709"), ("tv", "pc"), ("H.264",)), ("bt709", "pc", "H.265")],
)
def test_colors_are_right_where_the_container_names_them_as_well(
    matrix: str, levels: str, coding: str, tmp_path: Path
) -> None:
    path = film(tmp_path / "film.mp4", matrix=matrix, levels=levels, coding=coding, says_container=True)
    assert b"colrnclx" in path.read_bytes()
    found = shown(path, tmp_path)
    assert off(found) <= 3, found


def test_levels_of_the_camera_are_left_where_they_are_asked_for(
    tmp_path: Path, run_node: Callable[..., Node], eventually: Callable[..., Any]
) -> None:
    path = film(tmp_path / "film.mp4", matrix="bt709", levels="tv", coding="H.264")
    node = run_node({"uri": f"file://{path}", "frames": {"levels": "camera"}})
    eventually(has_pictures(node))
    picture = pixels(node.frame_path("c0").read_bytes(), tmp_path / "frame.jpg")
    white, black = (color_at(picture, (place + 0.5) / len(COLORS), 0.5) for place in (0, 1))
    assert [round(sum(color) / 3) for color in (white, black)] == [235, 16]


def test_a_picture_that_is_scaled_has_the_same_colors(
    tmp_path: Path, run_node: Callable[..., Node], eventually: Callable[..., Any]
) -> None:
    path = film(tmp_path / "film.mp4", matrix="bt709", levels="tv", coding="H.264")
    node = run_node({"uri": f"file://{path}", "frames": {"width": 320}})
    eventually(has_pictures(node))
    picture = pixels(node.frame_path("c0").read_bytes(), tmp_path / "frame.jpg")
    assert picture[:2] == (320, 180)
    assert off([color_at(picture, (place + 0.5) / len(COLORS), 0.5) for place in range(len(COLORS))]) <= 6

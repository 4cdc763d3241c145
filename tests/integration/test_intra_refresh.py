"""Cameras with intra refresh: no keyframe but the first, which a viewer who comes later never sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from judged_pictures import pixels, white_with_intra_refresh
from node_reports import has_pictures, report
from probe_options import options

from edgecam.cli.probe import probe, take_picture
from edgecam.cli.probe_target import Target
from edgecam.node.node import Node
from edgecam.status.reports import DecodeMode
from sandbox.cameras.hostile_camera import HostileCamera

WHITE = 245
"""White is 255; what has not been renewed since a viewer came is grey, 128."""


@pytest.fixture(scope="module")
def film() -> list[bytes]:
    return white_with_intra_refresh()


@pytest.fixture(params=["auto", "gstreamer"])
def receiver(request: pytest.FixtureRequest) -> str:
    """Both receivers."""
    return str(request.param)


@pytest.fixture
def camera(film: list[bytes]) -> Iterator[HostileCamera]:
    """Joined in the middle of a round, far from the keyframe."""
    with HostileCamera("good", film=film[27:], fps=10) as running:
        yield running


def darkest(jpeg: bytes, path: Path) -> int:
    return min(pixels(jpeg, path)[2])


def test_a_single_picture_is_whole(camera: HostileCamera, receiver: str, tmp_path: Path) -> None:
    jpeg = take_picture(Target.from_options(options(camera.uri, receiver=receiver)))
    assert darkest(jpeg, tmp_path / "frame.jpg") > WHITE


def test_probe_says_that_there_are_no_keyframes(camera: HostileCamera, receiver: str) -> None:
    found = probe(Target.from_options(options(camera.uri, receiver=receiver)))
    assert found.failure is None
    assert found.keyframe_interval_s is None
    assert found.refresh_interval_s == pytest.approx(2, abs=0.3)
    assert "intra refresh" in found.text()
    assert any("whatever frames.decode says" in note for note in found.notes)


@pytest.mark.parametrize(
    "frames",
    [{"max_fps": 5}, {"max_fps": 0.7}, {"decode": "keyframes", "stale_after_s": 10}, {"decode": "all"}],
    ids=str,
)
def test_no_picture_is_ever_grey(
    frames: dict[str, Any],
    camera: HostileCamera,
    tmp_path: Path,
    run_node: Callable[..., Node],
    eventually: Callable[..., Any],
) -> None:
    node = run_node({"uri": camera.uri, "frames": frames})
    for count in range(1, 6):
        eventually(has_pictures(node, count))
        assert darkest(node.frame_path("c0").read_bytes(), tmp_path / "frame.jpg") > WHITE
    assert report(node).decode_mode is DecodeMode.REFRESH
    assert report(node).reconnects_total == 0

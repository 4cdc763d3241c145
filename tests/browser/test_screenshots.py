"""Screenshots of the page for the papers.

They are made in each run; `--snapshot-update` puts them into `docs/images/`, as CONTRIBUTING.md says. What is
there is not compared, since fonts and rasterizers differ from machine to machine.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from reported_page import ReportedPage, open_page
from reporting import MOMENT, ReportedStorage, away, recorded, report, waiting

from edgecam.status.reports import CameraReport
from edgecam.web.location import Location

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MOST_BYTES = 120_000
"""A reader with a slow line sees them at once."""


@dataclass(frozen=True)
class Screenshot:
    """One picture of the page.

    Attributes:
        width: Of the window, pixels.
        scheme: `light` or `dark`.
        height: Of the picture, pixels; None: all of the page.
    """

    width: int
    scheme: str
    height: int | None = None


SCREENSHOTS = {
    "page-light": Screenshot(1280, "light"),
    "page-dark": Screenshot(1280, "dark"),
    "page-narrow": Screenshot(320, "light", height=900),
}

LOCATION = Location(
    core="berlin-core-1", site="berlin", bucket="gs://recordings", recordings_url=lambda _: "https://console/"
)


def cameras() -> tuple[CameraReport, ...]:
    """One in trouble, one that waits, and four that deliver."""
    began = MOMENT - timedelta(hours=3, minutes=12, seconds=5)
    delivering = {"since": began, "reconnects_total": 0}
    lobby = replace(recorded("lobby"), **delivering)
    assert lobby.recording is not None
    newest = replace(lobby.recording, newest_end=MOMENT + timedelta(seconds=177), lost_total=0)
    return (
        replace(lobby, recording=newest),
        away("gate"),
        replace(report("loading-dock", frame_age_s=0.6), **delivering),
        replace(report("car-park", frame_age_s=0.4), **delivering),
        waiting("thermal"),
        replace(report("till", frame_age_s=0.8), **delivering),
    )


@contextmanager
def shown(
    browser: Browser, folder: Path, pictures: dict[str, bytes], of: Screenshot
) -> Iterator[ReportedPage]:
    with open_page(
        browser,
        folder,
        *cameras(),
        width=of.width,
        scheme=of.scheme,
        pictures=pictures,
        storage=ReportedStorage(evicted=0),
        location=LOCATION,
    ) as page:
        yield page


def in_few_colours(png: bytes) -> bytes:
    """`png` with 256 colours, which takes a third of the bytes."""
    reduce = "split[a][b];[a]palettegen[palette];[b][palette]paletteuse=dither=none"
    command = ["ffmpeg", "-v", "error", "-f", "png_pipe", "-i", "-", "-filter_complex", reduce]
    command += ["-frames:v", "1", "-c:v", "png", "-compression_level", "9", "-f", "image2pipe", "-"]
    return subprocess.run(command, input=png, capture_output=True, check=True).stdout


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height, as the header of a PNG file has them."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize("name", SCREENSHOTS)
def test_screenshot_can_be_made(
    browser: Browser, tmp_path: Path, pictures: dict[str, bytes], name: str, request: pytest.FixtureRequest
) -> None:
    of = SCREENSHOTS[name]
    with shown(browser, tmp_path, pictures, of) as opened:
        for camera in cameras():
            if camera.frame is not None:
                expect(opened.page.locator(f"[data-camera={camera.camera_id}] img")).to_be_visible()
        clip = {"x": 0, "y": 0, "width": of.width, "height": of.height} if of.height else None
        png = in_few_colours(opened.page.screenshot(full_page=True, clip=clip))
    if request.config.getoption("update_snapshots"):
        IMAGES.mkdir(parents=True, exist_ok=True)
        (IMAGES / f"{name}.png").write_bytes(png)
    for each in (png, (IMAGES / f"{name}.png").read_bytes()):
        width, height = size_of(each)
        assert width == of.width
        assert height == (of.height or height) > 500
        assert len(each) < MOST_BYTES

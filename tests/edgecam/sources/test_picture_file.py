"""Numbered pictures that are none: their writer is at work, or something else is in their place."""

from __future__ import annotations

import logging
import os
import zlib
from pathlib import Path

import pytest
from coded_pictures import coded, content
from probe_options import options

from edgecam.cli.probe import probe, take_picture
from edgecam.cli.probe_target import Target
from edgecam.codecs.jpeg import shown_size_of, with_orientation
from edgecam.codecs.orientation import Orientation
from edgecam.config.camera import Camera
from edgecam.errors import SourceNotFound, SourceUnsupported
from edgecam.sources.images import ImagesSource
from edgecam.sources.picture_file import read_picture


def picture(kind: str = "jpeg", size: str = "width=64,height=48") -> bytes:
    (sample,) = coded(f"video/x-raw,{size} ! {kind}enc", f"image/{kind}", 1)
    return content(sample)


def put(path: Path, what: str) -> None:
    """Something that is no picture, in a picture's place."""
    contents = {
        "empty": b"",
        "cut short": picture()[:-200],
        "a head alone": picture()[:100],
        "a PNG": picture("png"),
        "text": b"not yet\n",
        "too wide": picture(size="width=16000,height=16"),
    }
    if what in contents:
        path.write_bytes(contents[what])
    elif what == "a FIFO":
        os.mkfifo(path)
    elif what == "a folder":
        path.mkdir()
    elif what == "huge":
        with path.open("wb") as file:
            file.write(picture())
            file.truncate(5_000_000_000)
    elif what == "a device":
        path.symlink_to("/dev/zero")


FOUND = {
    "empty": "found an empty file",
    "cut short": "cut short",
    "a head alone": "cut short",
    "a PNG": "expected a JPEG picture, found a PNG",
    "text": "found something else",
    "too wide": "found 16000x16",
    "a FIFO": "no file",
    "a folder": "no file",
    "a device": "no file",
    "huge": "found 5000000000",
    "gone": "No such file",
}


@pytest.mark.parametrize("what", FOUND)
def test_what_is_no_picture_is_left_out_and_said(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = picture()
    for number in range(3):
        (tmp_path / f"p_{number}.jpg").write_bytes(whole)
    camera = Camera(id="cam", uri=f"images://{tmp_path}/p_%d.jpg", frames={"max_pixels": 10_000})  # type: ignore[arg-type]
    source = ImagesSource(camera)
    (tmp_path / "p_0.jpg").unlink()
    put(tmp_path / "p_0.jpg", what)
    assert [source._next_picture() for _ in range(20)] == [whole] * 20
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert FOUND[what] in said.getMessage()
    assert "p_0.jpg" in said.getMessage()


def test_a_round_with_many_of_them_is_one_line_and_only_when_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        (tmp_path / f"p_{number}.jpg").write_bytes(b"" if number < 50 else picture())
    source = ImagesSource(Camera(id="cam", uri=f"images://{tmp_path}/p_%d.jpg"))
    for _ in range(500):
        source._next_picture()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 6
    assert all(f"p_{number}.jpg" in message for number, message in enumerate(said[:5]))
    assert "left out in this round: 50 of 100" in said[5]


def test_without_any_picture_it_says_so(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"p_{number}.jpg").touch()
    source = ImagesSource(Camera(id="cam", uri=f"images://{tmp_path}/p_%d.jpg"))
    with pytest.raises(SourceNotFound, match=r"one of 3 files, found none, at last .* an empty file"):
        source._next_picture()


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_frame_and_probe_show_the_pictures_that_there_are(kind: str, tmp_path: Path) -> None:
    for number, data in enumerate([b"", picture(kind), b"x", picture(kind)[:-30]]):
        (tmp_path / f"p_{number}.{kind}").write_bytes(data)
    target = Target.from_options(options(f"images://{tmp_path}/p_%d.{kind}?fps=10"))
    assert take_picture(target).startswith(b"\xff\xd8")
    found = probe(target)
    assert (found.failure, found.observed_s > 2) == (None, True)


def test_a_turned_picture_is_shown_upright_and_probe_says_the_size_as_shown(tmp_path: Path) -> None:
    (tmp_path / "p_0.jpg").write_bytes(with_orientation(picture(), Orientation.TURNED_RIGHT))
    target = Target.from_options(options(f"images://{tmp_path}/p_%d.jpg?fps=10"))
    assert shown_size_of(take_picture(target)) == (48, 64)
    found = probe(target)
    assert (found.width, found.height) == (48, 64)


def test_a_png_is_judged_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    data = bytearray(picture("png"))
    path.write_bytes(data)
    assert read_picture(path, is_png=True, max_pixels=10_000) == data
    data[16:24] = (16_000).to_bytes(4) * 2
    path.write_bytes(data)
    with pytest.raises(SourceUnsupported, match=r"p\.png: .* whose checksums are wrong"):
        read_picture(path, is_png=True, max_pixels=36_000_000)
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    path.write_bytes(data)
    with pytest.raises(SourceUnsupported, match=r"p\.png: .* found 16000x16000"):
        read_picture(path, is_png=True, max_pixels=36_000_000)
    path.write_bytes(picture())
    with pytest.raises(SourceUnsupported, match="expected a PNG picture, found a JPEG"):
        read_picture(path, is_png=True, max_pixels=36_000_000)


def test_a_small_picture_in_the_head_does_not_make_a_whole_one(tmp_path: Path) -> None:
    small, large = picture(), picture(size="width=320,height=240")
    head = b"\xff\xe1" + (len(small) + 2).to_bytes(2) + small
    path = tmp_path / "p.jpg"
    path.write_bytes(large[:2] + head + large[2:])
    assert read_picture(path, is_png=False, max_pixels=100_000)
    path.write_bytes(large[:2] + head + large[2:-100])
    with pytest.raises(SourceUnsupported, match="cut short"):
        read_picture(path, is_png=False, max_pixels=100_000)

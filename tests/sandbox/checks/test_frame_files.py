"""Looking at frames from outside."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from sandbox.checks import frame_files as pictures


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    """A real JPEG of 320x240."""
    return subprocess.run(
        [
            *(
                "gst-launch-1.0",
                "-q",
                "videotestsrc",
                "num-buffers=1",
                "!",
                "video/x-raw,width=320,height=240",
            ),
            *("!", "jpegenc", "!", "fdsink"),
        ],
        capture_output=True,
        check=True,
    ).stdout


def test_size_stands_in_the_file(jpeg: bytes) -> None:
    assert pictures.size(jpeg) == (320, 240)


@pytest.mark.parametrize("cut", [0, 2, 100, -1])
def test_torn_file_is_no_picture(jpeg: bytes, cut: int) -> None:
    with pytest.raises(ValueError, match="JPEG"):
        pictures.size(jpeg[:cut])


def test_whole_file_decodes_and_a_broken_one_does_not(jpeg: bytes, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.jpg", tmp_path / "broken.jpg"
    whole.write_bytes(jpeg)
    broken.write_bytes(jpeg.replace(b"\xff\xda", b"\xff\xfe"))  # the pixels become a comment
    assert pictures.decodes(whole)
    assert not pictures.decodes(broken)


def test_age_is_that_of_the_file_and_there_is_none_without_it(jpeg: bytes, tmp_path: Path) -> None:
    assert pictures.look(tmp_path) is None
    (tmp_path / "frame.jpg").write_bytes(jpeg)
    assert pictures.look(tmp_path) is None
    (tmp_path / "frame.json").write_text(json.dumps({"width": 320}))
    an_hour_ago_s = time.time() - 3600
    os.utime(tmp_path / "frame.jpg", (an_hour_ago_s, an_hour_ago_s))
    picture = pictures.look(tmp_path)
    assert picture is not None
    assert picture.age_s == pytest.approx(3600, abs=60)
    assert (picture.width, picture.height, picture.described) == (320, 240, {"width": 320})

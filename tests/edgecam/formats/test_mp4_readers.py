"""Chunks in MP4, as programs read them that had no part in making them. Browsers are in `tests/browser/`."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from camera_process import ROOT
from half_written import FILM, FILM_WITH_B_FRAMES, PICTURES, complaints_of, write_mp4
from mp4_chunks import write_with_sound

from edgecam.config.recording import ChunkFormat
from edgecam.formats.repair import repair
from sandbox.cameras.film import Film

MACHINES = {"x86_64": "x64", "aarch64": "arm64"}
READERS = ROOT / "tests" / "support" / "players"
PACKAGER = READERS / "node_modules/shaka-packager/bin" / f"packager-linux-{MACHINES[platform.machine()]}"
SECONDS = 6.0
KINDS = ("plain", "B-frames", "H.265", "JPEG", "sound", "late sound", "no sound", "killed")
UNKNOWN = "JPEG"
"""Readers made for browsers know no JPEG in MP4: they say that a track has an unknown coding, or nothing."""


@pytest.fixture(scope="module")
def chunks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A chunk of six seconds of each kind."""
    folder = tmp_path_factory.mktemp("chunks")
    paths = {kind: folder / f"{number}.mp4" for number, kind in enumerate(KINDS)}
    write_mp4(paths["plain"], FILM)
    write_mp4(paths["B-frames"], FILM_WITH_B_FRAMES)
    write_mp4(paths["H.265"], Film(320, 180, 15, codec="h265", keyframe_s=1.0))
    write_mp4(paths["JPEG"], Film(320, 180, 15, codec="mjpeg"))
    write_with_sound(paths["sound"], FILM, 0.0, SECONDS)
    write_with_sound(paths["late sound"], FILM, 2.0, 4.0)
    write_with_sound(paths["no sound"], FILM, 0.0, 0.0)
    write_mp4(paths["killed"], FILM)
    content = paths["killed"].read_bytes()
    paths["killed"].write_bytes(content[: content.rindex(b"moof") + 100])
    assert repair(paths["killed"], ChunkFormat.MP4) is not None
    return paths


@pytest.mark.parametrize("kind", KINDS)
def test_ffprobe_has_nothing_to_say(chunks: dict[str, Path], kind: str) -> None:
    assert complaints_of(chunks[kind]) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_gstreamer_discovers_length_and_tracks(chunks: dict[str, Path], kind: str) -> None:
    done = subprocess.run(
        ["gst-discoverer-1.0", str(chunks[kind])], capture_output=True, text=True, check=True
    )
    hours, minutes, seconds = re.findall(r"Duration: (\d+):(\d+):([\d.]+)", done.stdout)[0]
    assert int(hours) == int(minutes) == 0
    assert float(seconds) == pytest.approx(SECONDS, abs=0.07 if kind == "killed" else 0.001)
    assert done.stdout.count("video") >= 1
    assert done.stdout.count("audio") == done.stdout.count("audio") * ("sound" in kind)
    assert not re.search("error|warning|missing", done.stdout + done.stderr, re.IGNORECASE)


@pytest.fixture(scope="module")
def found(chunks: dict[str, Path]) -> dict[str, Any]:
    """What mp4box.js and mediabunny say of each."""
    command = ["node", str(READERS / "read_chunks.mjs"), *map(str, chunks.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(chunks, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != UNKNOWN])
def test_readers_of_browsers_parse_it_without_a_warning(found: dict[str, Any], kind: str) -> None:
    said = found[kind]
    assert said["complaints"] == []
    pictures = PICTURES if kind != "killed" else PICTURES - 1
    assert said["mp4box"]["isFragmented"]
    assert len(said["mp4box"]["samples"]["1"]) == pictures
    shown = sorted(next(each for each in said["mediabunny"]["tracks"] if each["type"] == "video")["shown"])
    assert shown == [pytest.approx(number / 15, abs=1e-4) for number in range(pictures)]


def test_what_readers_of_browsers_say_of_jpeg_is_that_they_do_not_know_it(found: dict[str, Any]) -> None:
    said = found[UNKNOWN]
    assert len(said["mp4box"]["samples"]["1"]) == PICTURES
    assert [complaint for complaint in said["complaints"] if "Unsupported video codec" not in complaint] == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in (UNKNOWN, "no sound")])
def test_shaka_s_packager_makes_segments_of_it(chunks: dict[str, Path], kind: str, tmp_path: Path) -> None:
    inputs = [f"in={chunks[kind]},stream=video,output={tmp_path}/video.mp4"]
    if "sound" in kind:
        inputs.append(f"in={chunks[kind]},stream=audio,output={tmp_path}/audio.mp4")
    command = [str(PACKAGER), *inputs, "--mpd_output", f"{tmp_path}/list.mpd"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert not re.search(r"warn|error|^[WEF]\d{4}", said, re.IGNORECASE | re.MULTILINE), said

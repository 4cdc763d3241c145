"""What README and `docs/` tell people to type, run with the image as it stands there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from image_node import cameras, give

from container.image.inputs import PROJECT

NAME = "edgecam/frame-grabber:TAG"
USER = "65532:65532"
CAMERA = "stream1:320x240@10"


def typed(page: str) -> list[list[str]]:
    """Each `docker run` of the frame grabber on `page`, in a block or a line, as words."""
    text = (PROJECT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(rf"(docker run [^`\n]*{NAME}[^`\n]*)", text)
    return [shlex.split(line) for line in lines if "…" not in line]


def with_words(words: list[str], swapped: dict[str, str]) -> list[str]:
    """`words` with what a test has in place of a user's names; each is there."""
    for old, new in swapped.items():
        assert any(old in word for word in words), f"expected {old}, found {words}"
        words = [word.replace(old, new) for word in words]
    return words


@pytest.mark.parametrize("page", ["README.md", "docs/container.md"])
def test_the_container_makes_a_picture(
    page: str, image: str, frames: Path, eventually: Callable[..., Any]
) -> None:
    (words,) = [each for each in typed(page) if "probe" not in each]
    give(frames, USER)  # as the line before it does
    name = f"edgecam-test-{uuid.uuid4().hex[:12]}"
    swapped = {
        NAME: image,
        "--network=host": "--network=none",  # the page's port may be another's here
        "--volume=/dev/shm/edgecam:": f"--volume={frames}:",
        "rtsp://10.0.0.21/stream1": "test://?pattern=ball",
    }
    line = with_words(words, swapped)
    line[2:2] = [f"--name={name}"]
    description = frames / "lobby/frame.json"
    with subprocess.Popen(line, stderr=subprocess.DEVNULL):
        try:
            eventually(description.exists, within_s=60)
            eventually(lambda: json.loads(description.read_text())["status"] == "connected", within_s=60)
            assert (frames / "lobby/frame.jpg").read_bytes().startswith(b"\xff\xd8")
        finally:
            subprocess.run(["docker", "stop", name], capture_output=True, check=False)


@pytest.mark.parametrize("page", ["README.md", "docs/cameras.md"])
def test_the_image_probes_a_camera(page: str, image: str, frames: Path) -> None:
    (words,) = [each for each in typed(page) if "probe" in each]
    (frames / "password").write_text("unasked\n")
    with cameras(CAMERA, {}) as port:
        swapped = {NAME: image, "$PWD": str(frames), "10.0.0.21": f"127.0.0.1:{port}"}
        asked = subprocess.run(with_words(words, swapped), capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    assert "H.264" in asked.stdout
    assert "for fleet.yaml" in asked.stdout


def test_an_element_is_inspected_as_the_frame_grabbers_users_did(image: str) -> None:
    inspecting = typed("docs/moving-from-the-greengrass-frame-grabber.md")
    assert inspecting
    for words in inspecting:
        asked = subprocess.run(with_words(words, {NAME: image}), capture_output=True, text=True, check=False)
        assert asked.returncode == 0, asked.stderr
        assert "Factory Details" in asked.stdout

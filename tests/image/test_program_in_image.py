"""`edgecam` in its image, started as the recipe starts it: in the foreground, locked down, by any user."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from image_node import LOCKED_DOWN, STOP_LIMIT_S, Node, cameras, give, me, running, wait_for
from stranger import UID, Stranger

from edgecam.launch.start_script import start_script


def test_sigterm_ends_the_container_cleanly_and_it_is_gone(image: str, frames: Path) -> None:
    give(frames, "12345:54321")
    with running(image, frames, "test://?pattern=ball", user="12345:54321") as node:
        _wait_for_picture(frames, node)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(timeout=STOP_LIMIT_S) == 0
        assert node.exists() is False
    assert json.loads((frames / "camera/frame.json").read_text())["status"] == "disconnected"


def test_folder_that_another_user_made_first_is_refused_in_words(image: str, stranger: Stranger) -> None:
    stranger.takes_the_folder("frames", "frames/camera")
    with running(image, stranger.folder / "frames", "test://?pattern=ball", user="65532:65532") as node:
        wait_for(lambda: f"/frames belongs to user {UID}" in node.said(), node, "a refusal")
    assert list((stranger.folder / "frames" / "camera").iterdir()) == []


def test_image_holds_the_script_that_starts_it(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run("edgecam", "start-script")
    assert (done.returncode, done.stdout) == (0, start_script())


def test_a_stop_during_a_camera_outage_is_clean_too(image: str, frames: Path) -> None:
    with running(image, frames, "rtsp://127.0.0.1:1/nobody-listens") as node:
        wait_for(lambda: (frames / "camera/frame.json").exists(), node, "its status")
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(timeout=STOP_LIMIT_S) == 0
        assert node.exists() is False


@pytest.mark.parametrize(
    ("recorded", "uri"),
    [
        ("", "test://?pattern=smpte&width=320&height=240"),
        ("camera.mp4", "file:///frames/camera.mp4"),
        ("camera.mkv", "file:///frames/camera.mkv"),
        ("camera.ts", "file:///frames/camera.ts"),
        ("camera.flv", "file:///frames/camera.flv"),
        ("camera_%06d.jpg", "images:///frames/camera_%06d.jpg?fps=10"),
        ("camera_%06d.png", "images:///frames/camera_%06d.png?fps=10"),
        (
            "camera.mp4",
            "pipeline:filesrc location=/frames/camera.mp4 ! qtdemux ! h264parse ! identity sync=true",
        ),
        ("", "pipeline:videotestsrc is-live=true ! video/x-raw,width=320,height=240 ! videoconvert"),
        ("", "pipeline:videotestsrc is-live=true ! video/x-raw,width=320,height=240 ! jpegenc"),
    ],
)
def test_every_kind_of_source_delivers_a_picture_from_the_image(
    image: str, frames: Path, recorded: str, uri: str
) -> None:
    if recorded:
        _record(frames / recorded)
    with running(image, frames, uri) as node:
        picture = _wait_for_picture(frames, node)
        assert picture.stat().st_uid == os.getuid()
        wait_for(lambda: _reported(frames) == (320, 240, "connected"), node, "its size and state")
        assert "ERROR" not in node.said()


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        ("", {}),
        ("", {"transport": "udp"}),
        ("", {"receiver": "gstreamer"}),
        (":user=guard", {}),
        (":codec=h265", {}),
    ],
)
def test_an_rtsp_camera_delivers_a_picture_through_the_image(
    image: str, frames: Path, settings: str, given: dict[str, str]
) -> None:
    password = {"CAMERA_PASSWORD": "a word nobody guesses"}
    with cameras(f"gate:320x240@10{settings}", password) as port:
        camera: dict[str, Any] = {"uri": f"rtsp://127.0.0.1:{port}/gate"} | given
        if "user" in settings:
            camera["credentials"] = {"username": "guard", "password_env": "CAMERA_PASSWORD"}
        with running(image, frames, camera, network="host", secrets=password) as node:
            _wait_for_picture(frames, node)
            wait_for(lambda: _reported(frames) == (320, 240, "connected"), node, "its size and state")
            assert password["CAMERA_PASSWORD"] not in node.said()


def test_an_invalid_configuration_ends_with_code_2_and_names_every_mistake(image: str) -> None:
    wrong = {"cameras": [{"id": "Gate", "uri": "test://"}, {"id": "yard", "uri": "gopher://yard"}]}
    options = [*LOCKED_DOWN, f"--env=EDGECAM_NODE={json.dumps(wrong)}"]
    done = subprocess.run(
        ["docker", "run", "--rm", *options, image], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert any("cameras[0].id" in line for line in lines)
    assert any("cameras[1].uri" in line for line in lines)


def test_first_start_without_any_settings_shows_a_picture_on_the_page(
    image: str, free_port: int, eventually: Callable[..., Any]
) -> None:
    name = f"edgecam-test-{uuid.uuid4().hex[:12]}"
    options = ["--rm", "--detach", f"--name={name}", f"--publish=127.0.0.1:{free_port}:8642"]
    subprocess.run(["docker", "run", *options, image], check=True, capture_output=True)
    try:
        address = eventually(lambda: _first_page(name))
        assert address.startswith("http://")
        for page in (address, f"http://127.0.0.1:{free_port}"):
            picture = eventually(lambda page=page: _fetched(f"{page}/cameras/test/frame.jpg"))
            assert picture[:2] == b"\xff\xd8"
    finally:
        subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)


def _first_page(container: str) -> str | None:
    """The address in the first line of a container that was started without settings."""
    done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True)
    found = re.search(r"a test picture is shown .* on the page (http://[\d.]+:8642), or", done.stderr)
    return found[1] if found else None


def _fetched(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            content: bytes = answer.read()
    except OSError:
        return None
    return content


def test_a_picture_can_be_taken_without_any_configuration(image: str, frames: Path) -> None:
    options = [*LOCKED_DOWN, "--network=none", f"--volume={frames}:/frames", f"--user={me()}"]
    command = ["edgecam", "frame", "test://?width=320&height=240", "/frames/picture.jpg"]
    subprocess.run(["docker", "run", "--rm", *options, image, *command], check=True, capture_output=True)
    assert (frames / "picture.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_a_source_can_be_probed(image: str) -> None:
    command = ["edgecam", "probe", "--json", "test://?width=320&height=240"]
    options = [*LOCKED_DOWN, "--network=none"]
    done = subprocess.run(
        ["docker", "run", "--rm", *options, image, *command], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["width"] == 320


def test_any_gstreamer_command_line_takes_the_programs_place_with_quoting_as_typed(
    image: str, frames: Path
) -> None:
    location = "/frames/a picture with 'quotes' & $HOME.jpg"
    command = ["-q", "videotestsrc", "num-buffers=1", "!", "jpegenc", "!", "filesink", "location={}"]
    command[-1] = command[-1].format(location)
    variables = {"EDGECAM_ENTRYPOINT": "gst-launch-1.0", "EDGECAM_COMMAND": json.dumps(command)}
    options = [*LOCKED_DOWN, "--network=none", f"--volume={frames}:/frames", f"--user={me()}"]
    options += [f"--env={name}" for name in variables]
    line = ["docker", "run", "--rm", *options, image, "edgecam", "exec"]
    done = subprocess.run(line, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in frames.iterdir()] == [Path(location).name]


def _wait_for_picture(frames: Path, node: Node) -> Path:
    picture = frames / "camera/frame.jpg"
    wait_for(picture.exists, node, "a picture")
    assert picture.read_bytes()[:2] == b"\xff\xd8"
    return picture


def _reported(frames: Path) -> tuple[int, int, str]:
    """What is beside the picture, which is there a moment before the camera counts as connected."""
    frame = json.loads((frames / "camera/frame.json").read_text())
    return frame["width"], frame["height"], frame["status"]


def _record(path: Path) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=10", "-frames:v", "20"]
    coding = ["-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p"] if "%" not in path.name else []
    line = ["ffmpeg", "-loglevel", "error", *picture, *coding, str(path)]
    subprocess.run(line, check=True, capture_output=True)

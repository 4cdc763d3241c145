"""`edgecam` in its image, started as the recipe starts it: in the foreground, locked down, by any user."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from container.image_inputs import PROJECT

LOCKED_DOWN = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
STOP_LIMIT_S = 5.0  # promised to the nucleus, which kills after 15
FIRST_PICTURE_LIMIT_S = 30.0  # on a machine that is busy with other tests


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder like the core's data folder, which the container's user may write into."""
    tmp_path.chmod(0o777)
    for parent in (tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o011)  # pytest makes these for its own user alone
    return tmp_path


def test_sigterm_ends_the_container_cleanly_and_it_is_gone(image: str, frames: Path) -> None:
    with _running(image, frames, "test://?pattern=ball", user="12345:54321") as node:
        _wait_for_picture(frames, node)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(timeout=STOP_LIMIT_S) == 0
        assert node.exists() is False
    assert json.loads((frames / "camera/frame.json").read_text())["status"] == "disconnected"


def test_a_stop_during_a_camera_outage_is_clean_too(image: str, frames: Path) -> None:
    with _running(image, frames, "rtsp://127.0.0.1:1/nobody-listens") as node:
        _wait_for(lambda: (frames / "camera/frame.json").exists(), node, "its status")
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
    with _running(image, frames, uri) as node:
        picture = _wait_for_picture(frames, node)
        assert picture.stat().st_uid == os.getuid()
        told = json.loads((frames / "camera/frame.json").read_text())
        assert (told["width"], told["height"], told["status"]) == (320, 240, "connected")
        assert "ERROR" not in node.said()


@pytest.mark.parametrize(
    ("settings", "transport"), [("", "tcp"), ("", "udp"), (":user=guard", "tcp"), (":codec=h265", "tcp")]
)
def test_an_rtsp_camera_delivers_a_picture_through_the_image(
    image: str, frames: Path, settings: str, transport: str
) -> None:
    password = {"CAMERA_PASSWORD": "a word nobody guesses"}
    with _cameras(f"gate:320x240@10{settings}", password) as port:
        camera = {"uri": f"rtsp://127.0.0.1:{port}/gate", "transport": transport}
        if "user" in settings:
            camera["credentials"] = {"username": "guard", "password_env": "CAMERA_PASSWORD"}
        with _running(image, frames, camera, network="host", secrets=password) as node:
            _wait_for_picture(frames, node)
            told = json.loads((frames / "camera/frame.json").read_text())
            assert (told["width"], told["height"], told["status"]) == (320, 240, "connected")
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


def test_a_picture_can_be_taken_without_any_configuration(image: str, frames: Path) -> None:
    options = [*LOCKED_DOWN, "--network=none", f"--volume={frames}:/frames", f"--user={_me()}"]
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
    options = [*LOCKED_DOWN, "--network=none", f"--volume={frames}:/frames", f"--user={_me()}"]
    options += [f"--env={name}" for name in variables]
    line = ["docker", "run", "--rm", *options, image, "edgecam", "exec"]
    done = subprocess.run(line, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in frames.iterdir()] == [Path(location).name]


class _Node:
    """A running container and the `docker run` in front of it."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

    def exists(self) -> bool:
        asked = ["docker", "ps", "--all", "--quiet", f"--filter=name=^{self.name}$"]
        return bool(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())

    def said(self) -> str:
        return self._log.read_text()


@contextlib.contextmanager
def _running(
    image: str,
    frames: Path,
    source: str | dict[str, object],
    *,
    user: str = "",
    network: str = "none",
    secrets: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[_Node]:
    name = f"edgecam-test-{uuid.uuid4().hex[:12]}"
    camera = {"uri": source} if isinstance(source, str) else source
    cameras = [{"id": "camera", "frames": {"max_fps": 5}, **camera}]
    node = {"cameras": cameras, "data_dir": "/frames", "http": {"enabled": False}}
    variables = {"EDGECAM_NODE": json.dumps(node), **secrets}
    options = [*LOCKED_DOWN, f"--network={network}", f"--name={name}", f"--user={user or _me()}"]
    options += [f"--volume={frames}:/frames", *(f"--env={variable}" for variable in variables)]
    log = frames.parent / f"{name}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            ["docker", "run", "--rm", *options, image],
            env={**os.environ, **variables},
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    running = _Node(name, process, log)
    try:
        yield running
    finally:
        if running.exists():
            subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
        process.wait(timeout=20)


@contextlib.contextmanager
def _cameras(camera: str, secrets: Mapping[str, str]) -> Iterator[int]:
    """A test camera on this machine, and its port."""
    line = [sys.executable, "-m", "sandbox.cameras", "--port", "0", "--camera", camera]
    variables = {**os.environ, **secrets}
    with subprocess.Popen(line, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())["port"]
        finally:
            server.terminate()


def _wait_for_picture(frames: Path, node: _Node) -> Path:
    picture = frames / "camera/frame.jpg"
    _wait_for(picture.exists, node, "a picture")
    assert picture.read_bytes()[:2] == b"\xff\xd8"
    return picture


def _wait_for(condition: object, node: _Node, what: str) -> None:
    assert callable(condition)
    deadline_s = time.monotonic() + FIRST_PICTURE_LIMIT_S
    while not condition():
        if node.process.poll() is not None or time.monotonic() > deadline_s:
            pytest.fail(f"expected {what}, found none:\n{node.said()}", pytrace=False)
        time.sleep(0.05)


def _record(path: Path) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=10", "-frames:v", "20"]
    coding = ["-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p"] if "%" not in path.name else []
    line = ["ffmpeg", "-loglevel", "error", *picture, *coding, str(path)]
    subprocess.run(line, check=True, capture_output=True)


def _me() -> str:
    return f"{os.getuid()}:{os.getgid()}"

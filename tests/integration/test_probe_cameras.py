"""Probing real RTSP cameras, and every way in which they refuse."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typed_commands import typed

from edgecam.config.camera import Camera
from sandbox.ports import free_port

PASSWORD = "probe-s3/kr@t"
SMALL = "320x240@15"
CAMERAS = (
    f"plain:{SMALL}:audio=yes",
    f"guarded:{SMALL}:user=guard:keyframe=0.5",
    f"asking:{SMALL}:user=guard:login=query:keyframe=0.5",
    f"vp8:{SMALL}:codec=vp8",
    f"mjpeg:{SMALL}:codec=mjpeg",
    f"rare:{SMALL}:keyframe=10",
    f"stream1:{SMALL}:user=viewer:keyframe=0.5",  # these two as the documents have them
    f"h264:{SMALL}:user=viewer:login=query:keyframe=0.5",
)
START_LIMIT_S = 120
LIMIT_S = 60


@dataclass
class Cameras:
    """A camera server in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    scheme: str = "rtsp"

    def uri(self, name: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/{name}"


def start(*arguments: str) -> Cameras:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.cameras", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ) | {"CAMERA_PASSWORD": PASSWORD},
    )
    timer = threading.Timer(START_LIMIT_S, process.kill)
    timer.start()
    assert process.stdout is not None
    line = process.stdout.readline()
    timer.cancel()
    assert line, "the test cameras did not start"
    return Cameras(process, json.loads(line)["port"])


def stop(cameras: Cameras) -> None:
    cameras.process.send_signal(signal.SIGCONT)
    cameras.process.terminate()
    cameras.process.wait(10)
    assert cameras.process.stdout is not None
    cameras.process.stdout.close()


@pytest.fixture(params=["auto", "gstreamer"])
def receiver(request: pytest.FixtureRequest) -> str:
    """Whose the connection is: refusals are named alike."""
    return f"--receiver={request.param}"


@pytest.fixture(scope="module")
def cameras() -> Iterator[Cameras]:
    started = start(*(word for camera in CAMERAS for word in ("--camera", camera)))
    yield started
    stop(started)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody but its own file vouches for, with its key."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=camera",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            "key.pem",
            "-out",
            "certificate.pem",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_text((folder / "certificate.pem").read_text() + (folder / "key.pem").read_text())
    return both


@pytest.fixture(scope="module")
def secure_cameras(certificate: Path) -> Iterator[Cameras]:
    started = start("--camera", f"plain:{SMALL}:keyframe=0.5", "--certificate", str(certificate))
    started.scheme = "rtsps"
    yield started
    stop(started)


def edgecam(*arguments: str, code: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edgecam", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env=dict(os.environ) | {"PROBE_PASSWORD": PASSWORD},
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    for shape in (PASSWORD, "s3/kr", "s3%2Fkr"):
        assert shape not in done.stdout + done.stderr
    return done.stdout


def probe(*arguments: str, code: int = 0) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(edgecam("probe", "--json", *arguments, code=code))
    return result


def failure(*arguments: str) -> tuple[str, str]:
    result = probe(*arguments, code=1)
    return result["failure"]["reason"], result["failure"]["message"]


def test_camera_is_described_as_it_is(cameras: Cameras) -> None:
    result = probe(cameras.uri("plain"))
    assert result["failure"] is None
    assert (result["codec"], result["width"], result["height"]) == ("H.264", 320, 240)
    assert result["fps"] == pytest.approx(15, rel=0.05)
    assert result["keyframe_interval_s"] == pytest.approx(2, rel=0.1)
    assert result["audio"] == ["G.711 A-law"]
    assert 50_000 < result["bit_rate_bps"] < 2_000_000
    assert 0 < result["first_picture_s"] < 15
    assert Camera.model_validate(result["suggestion"]).uri == cameras.uri("plain")


def _is_taken_as_it_is(entry: dict[str, Any]) -> None:
    """With nothing left to fill in: the secret has the name that the first deployment makes."""
    assert entry["credentials"] == {"secret": f"cameras/{entry['id']}"}
    Camera.model_validate(entry)


def test_camera_that_asks_for_a_password_gets_it_in_each_way(cameras: Cameras, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    uri = cameras.uri("guarded")
    for arguments in (
        [uri, "--username", "guard", "--password-file", str(file)],
        [uri, "--username", "guard", "--password-env", "PROBE_PASSWORD"],
        [uri.replace("//", f"//guard:{PASSWORD}@")],
        [uri.replace("//", "//guard:probe-s3%2Fkr%40t@")],
    ):
        result = probe(*arguments)
        assert result["codec"] == "H.264"
        assert result["suggestion"]["uri"] == uri
        _is_taken_as_it_is(result["suggestion"])


def test_camera_that_wants_the_login_in_its_query_gets_it_there(cameras: Cameras, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    uri = cameras.uri("asking")
    places = f"{uri}?username={{username}}&password={{password}}"
    login = ("--username", "guard", "--password-file", str(file))
    for arguments in (
        [f"{uri}?username=guard&password=probe-s3%2Fkr%40t"],
        [places, *login],
        [f"pipeline:rtspsrc location={places} ! rtph264depay ! h264parse", *login],
    ):
        result = probe(*arguments)
        assert result["codec"] == "H.264", result
        _is_taken_as_it_is(result["suggestion"])
        assert Camera.model_validate(result["suggestion"]).has_login_places
    assert failure(uri)[0] == "unauthorized"
    assert failure(f"{uri}?username=guard&password=wrong-word-1")[0] == "unauthorized"


@pytest.mark.parametrize(
    "line",
    [
        typed("README.md", "edgecam probe"),
        typed("docs/cameras.md", "edgecam probe rtsp"),
        typed("docs/cameras.md", "edgecam probe 'rtsp"),
    ],
)
def test_documented_lines_probe(line: str, cameras: Cameras, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "password").chmod(0o600)
    for host in ("10.0.0.21", "10.0.0.23"):
        line = line.replace(host, f"127.0.0.1:{cameras.port}")
    programs = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    asked = subprocess.run(
        ["bash", "-c", line],
        cwd=tmp_path,
        env=os.environ | programs,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    assert "H.264" in asked.stdout
    assert "for fleet.yaml" in asked.stdout


@pytest.mark.parametrize("userinfo", ["", "guard:wrong-word-1@", "nobody:wrong-word-1@"])
def test_camera_that_refuses_the_login_is_unauthorized(
    cameras: Cameras, receiver: str, userinfo: str
) -> None:
    reason, message = failure(cameras.uri("guarded").replace("//", f"//{userinfo}"), receiver)
    assert reason == "unauthorized"
    assert "401" in message
    assert "wrong-word" not in message


def test_stream_that_the_camera_does_not_have_is_not_found(cameras: Cameras, receiver: str) -> None:
    reason, message = failure(cameras.uri("elsewhere"), receiver)
    assert reason == "not-found"
    assert "404" in message


def test_codec_that_cannot_be_read_is_unsupported(cameras: Cameras, receiver: str) -> None:
    reason, _ = failure(cameras.uri("vp8"), receiver)
    assert reason == "unsupported"


def test_camera_that_sends_jpeg_needs_no_keyframes(cameras: Cameras) -> None:
    result = probe(cameras.uri("mjpeg"))
    assert (result["codec"], result["keyframe_interval_s"], result["notes"]) == ("JPEG", None, [])


def test_late_comer_to_a_stream_with_rare_keyframes_learns_that_there_is_none(
    cameras: Cameras, tmp_path: Path
) -> None:
    # The server shows one film to all: who comes when it is running has missed its keyframe.
    first = {
        "cameras": [{"id": "rare", "uri": cameras.uri("rare"), "connect_timeout_s": LIMIT_S}],
        "data_dir": str(tmp_path),
        "http": {"enabled": False},
    }
    watching = subprocess.Popen(
        [sys.executable, "-m", "edgecam", "run"],
        stderr=subprocess.DEVNULL,
        env=dict(os.environ) | {"EDGECAM_NODE": json.dumps(first)},
    )
    deadline = time.monotonic() + LIMIT_S
    while not (tmp_path / "rare/frame.jpg").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    reason, message = failure(cameras.uri("rare"), "--timeout-s", "2.5")
    watching.terminate()
    watching.wait(10)
    assert reason == "no-keyframe"
    assert "set a keyframe interval of 1 to 2 s at the camera" in message
    assert "switch H.264+ or H.265+ (smart codec) off" in message


def test_nobody_listening_is_refused(receiver: str) -> None:
    reason, message = failure(f"rtsp://127.0.0.1:{free_port()}/x", receiver)
    assert reason == "refused"
    assert "check that the camera is on" in message


def test_host_without_an_address_is_unreachable(receiver: str) -> None:
    reason, message = failure("rtsp://camera.invalid/x", receiver)
    assert reason == "unreachable"
    assert "camera.invalid" in message


def test_server_that_never_answers_is_unreachable(receiver: str) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        uri = f"rtsp://127.0.0.1:{mute.getsockname()[1]}/x"
        reason, _ = failure(uri, "--timeout-s", "2", receiver)
    assert reason == "unreachable"


def test_certificate_that_nobody_vouches_for_is_untrusted(secure_cameras: Cameras, receiver: str) -> None:
    reason, message = failure(secure_cameras.uri("plain"), receiver)
    assert reason == "untrusted"
    assert "ca_file" in message


def test_certificate_is_trusted_by_its_file_or_knowingly(
    secure_cameras: Cameras, certificate: Path, receiver: str
) -> None:
    authority = str(certificate.with_name("certificate.pem"))
    trusted = probe(secure_cameras.uri("plain"), "--ca-file", authority, receiver)
    assert trusted["codec"] == "H.264"
    assert trusted["suggestion"]["tls"] == {"ca_file": authority}
    blindly = probe(secure_cameras.uri("plain"), "--insecure", receiver)
    assert blindly["suggestion"]["tls"] == {"verify": False}


def test_picture_is_taken_from_a_guarded_camera(cameras: Cameras, receiver: str, tmp_path: Path) -> None:
    output = tmp_path / "picture.jpg"
    login = ["--username", "guard", "--password-env", "PROBE_PASSWORD"]
    edgecam("frame", cameras.uri("guarded"), str(output), *login, receiver, code=0)
    picture = output.read_bytes()
    assert picture[:2] == b"\xff\xd8"
    assert picture[-2:] == b"\xff\xd9"


def test_failure_is_shown_to_people_in_plain_words(cameras: Cameras) -> None:
    text = edgecam("probe", cameras.uri("elsewhere"), code=1)
    assert "not-found: " in text
    assert "check the path in the uri" in text

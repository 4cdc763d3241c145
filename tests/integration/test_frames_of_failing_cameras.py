"""Cameras that die, freeze, refuse or cannot be trusted: what the node reports, and that it recovers."""

from __future__ import annotations

import logging
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from camera_process import CameraProcess
from node_reports import frame_document, has_pictures, report, state_is

from edgecam.node.node import Node
from edgecam.status.reports import CameraState

Eventually = Callable[..., Any]


Cameras = Callable[..., CameraProcess]


RunNode = Callable[..., Node]


SMALL = "320x180@15"


@pytest.fixture(params=["auto", "gstreamer"])
def receiver(request: pytest.FixtureRequest) -> str:
    """Both receivers."""
    return str(request.param)


def test_a_killed_camera_is_back_after_its_return(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}")
    node = run_node({"uri": cameras.uri("lobby")})
    eventually(has_pictures(node))
    cameras.kill()
    eventually(lambda: report(node).state is CameraState.DISCONNECTED)
    eventually(lambda: frame_document(node)["status"] == "disconnected")
    eventually(state_is(node, CameraState.DISCONNECTED, "refused"))
    time.sleep(4)  # long enough for the delays to have grown to their longest
    cameras.start()
    seen = report(node).frames_total
    eventually(has_pictures(node, seen + 1), within_s=8)
    assert report(node).reconnects_total >= 1
    eventually(state_is(node, CameraState.CONNECTED))


def test_a_frozen_camera_is_noticed_and_taken_up_again(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}")
    settings = {"uri": cameras.uri("lobby"), "connect_timeout_s": 2, "frames": {"stale_after_s": 2}}
    node = run_node(settings)
    eventually(has_pictures(node))
    cameras.freeze()
    eventually(lambda: frame_document(node)["status"] == "stalled", within_s=2 + 1)
    assert report(node).reason == "silent"
    eventually(lambda: "nothing has come for 2 s" in caplog.text)
    cameras.thaw()
    eventually(has_pictures(node, report(node).frames_total + 2))
    eventually(lambda: frame_document(node)["status"] == "connected")


def test_a_camera_that_answers_nothing_is_unreachable(run_node: RunNode, eventually: Eventually) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        uri = f"rtsp://127.0.0.1:{mute.getsockname()[1]}/x"
        node = run_node({"uri": uri, "connect_timeout_s": 1})
        eventually(state_is(node, CameraState.DISCONNECTED, "unreachable"))


def test_a_camera_where_nobody_listens_is_refused(
    free_port: int, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": f"rtsp://127.0.0.1:{free_port}/x"})
    eventually(state_is(node, CameraState.DISCONNECTED, "refused"))


def test_a_host_without_address_is_unreachable(run_node: RunNode, eventually: Eventually) -> None:
    node = run_node({"uri": "rtsp://no-such-camera.invalid/x"})
    eventually(state_is(node, CameraState.DISCONNECTED, "unreachable"))


def test_a_stream_that_the_camera_does_not_have_is_not_found(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": test_cameras(f"lobby:{SMALL}").uri("attic")})
    eventually(state_is(node, CameraState.DISCONNECTED, "not-found"))


def test_a_codec_that_cannot_be_read_is_unsupported_and_named(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    node = run_node({"uri": test_cameras(f"lobby:{SMALL}:codec=vp8").uri("lobby")})
    eventually(state_is(node, CameraState.DISCONNECTED, "unsupported"))
    assert "VP8" in (report(node).message or "")


def credentials(folder: Path, password: str) -> dict[str, Any]:
    path = folder / f"password-{password}"
    path.write_text(password)
    path.chmod(0o600)
    return {"username": "guard", "password_file": str(path)}


def test_a_camera_with_a_password_lets_in_who_has_it_and_nobody_else(
    test_cameras: Cameras,
    run_node: RunNode,
    eventually: Eventually,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    uri = test_cameras(f"yard:{SMALL}:user=guard", password="swordfish-1").uri("yard")
    caplog.set_level(logging.DEBUG)
    node = run_node(
        {"uri": uri, "credentials": credentials(tmp_path, "swordfish-1")},
        {"uri": uri, "credentials": credentials(tmp_path, "mackerel-2")},
        {"uri": uri},
    )
    eventually(has_pictures(node))
    for number in (1, 2):
        eventually(state_is(node, CameraState.DISCONNECTED, "unauthorized", number))
    eventually(lambda: "trying rarely" in caplog.text)
    eventually(state_is(node, CameraState.CONNECTED))
    assert "swordfish" not in caplog.text
    assert "mackerel" not in caplog.text


def test_a_password_that_changes_is_taken_up_without_a_restart(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually, tmp_path: Path
) -> None:
    uri = test_cameras(f"yard:{SMALL}:user=guard", password="swordfish-1").uri("yard")
    wrong = credentials(tmp_path, "mackerel-2")
    node = run_node({"uri": uri, "credentials": wrong})
    eventually(state_is(node, CameraState.DISCONNECTED, "unauthorized"))
    Path(wrong["password_file"]).write_text("swordfish-1")
    node.reconnect("c0")
    eventually(has_pictures(node))


def test_one_failing_camera_does_not_disturb_another(
    test_cameras: Cameras, free_port: int, run_node: RunNode, eventually: Eventually
) -> None:
    good, bad = test_cameras(f"lobby:{SMALL}"), test_cameras(f"yard:{SMALL}")
    node = run_node(
        {"uri": good.uri("lobby"), "frames": {"max_fps": 5}},
        {"uri": bad.uri("yard"), "connect_timeout_s": 1, "frames": {"stale_after_s": 1}},
        {"uri": f"rtsp://127.0.0.1:{free_port}/x"},
        {"uri": "pipeline:videotestsrc num-buffers=3 ! x264enc ! video/x-h264,profile=high"},
    )
    eventually(has_pictures(node, 1, 0))
    eventually(has_pictures(node, 1, 1))
    inode, begun, gaps, last_s = 0, report(node).frames_total, [], time.monotonic()
    bad.freeze()
    end_s = time.monotonic() + 6
    while time.monotonic() < end_s:
        if time.monotonic() > end_s - 3:
            bad.kill()
        if (found := node.frame_path("c0").stat().st_ino) != inode:
            gaps.append(time.monotonic() - last_s)
            inode, last_s = found, time.monotonic()
        time.sleep(0.01)
    assert report(node, 1).state is not CameraState.CONNECTED
    assert report(node, 0).reconnects_total == 0
    assert report(node, 0).frames_total - begun > 20
    assert max(gaps) < 2


def test_an_unexpected_fault_in_one_camera_is_logged_and_retried(
    run_node: RunNode,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edgecam.receiver import choice

    made = choice.source_for

    def sometimes(settings: Any, login: Any) -> Any:
        if settings.id == "c1" and "c1" not in faults:
            faults.append("c1")
            raise ZeroDivisionError("a mistake of ours")
        return made(settings, login)

    faults: list[str] = []
    monkeypatch.setattr(choice, "source_for", sometimes)
    node = run_node({"uri": "test://?fps=10"}, {"uri": "test://?fps=10"})
    eventually(has_pictures(node, 1, 0))
    eventually(has_pictures(node, 1, 1))
    assert any(record.exc_info for record in caplog.records)
    assert report(node, 0).reconnects_total == 0


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 and its key, in one PEM file."""
    key, pem = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(pem)),
        ],
        check=True,
        capture_output=True,
    )
    both = tmp_path / "both.pem"
    both.write_text(pem.read_text() + key.read_text())
    return both


def test_an_encrypted_camera_is_trusted_by_its_authority_or_knowingly_and_else_refused(
    certificate: Path, test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    uri = test_cameras(f"lobby:{SMALL}", certificate=certificate).uri("lobby")
    node = run_node(
        {"uri": uri, "tls": {"ca_file": str(certificate.with_name("certificate.pem"))}},
        {"uri": uri, "tls": {"verify": False}},
        {"uri": uri},
    )
    eventually(has_pictures(node, 1, 0))
    eventually(has_pictures(node, 1, 1))
    eventually(state_is(node, CameraState.DISCONNECTED, "untrusted", 2))
    assert "ca_file" in (report(node, 2).message or "")


def test_a_certificate_of_another_host_is_not_trusted_even_by_its_authority(
    certificate: Path, test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    cameras = test_cameras(f"lobby:{SMALL}", certificate=certificate)
    uri = cameras.uri("lobby").replace("127.0.0.1", "localhost")
    node = run_node({"uri": uri, "tls": {"ca_file": str(certificate.with_name("certificate.pem"))}})
    eventually(state_is(node, CameraState.DISCONNECTED, "untrusted"))
    assert "another host name" in (report(node).message or "")

"""Cameras that are asked in a way that they do not answer to: each has a cause and a setting of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from camera_process import CameraProcess
from node_reports import has_pictures, report, state_is
from probe_options import options

from edgecam.cli.probe import probe
from edgecam.cli.probe_target import Target
from edgecam.codecs.jpeg import size_of
from edgecam.node.node import Node
from edgecam.status.reception import Losses, ReceiverName
from edgecam.status.reports import CameraState
from sandbox.cameras.hostile_camera import HostileCamera
from sandbox.cameras.rtsp_connection import Connection

Eventually = Callable[..., Any]
Cameras = Callable[..., CameraProcess]
RunNode = Callable[..., Node]

SMALL = "320x180@15"
GENERIC = "(Generic error)"


@pytest.fixture(params=["auto", "gstreamer"])
def receiver(request: pytest.FixtureRequest) -> str:
    """Both receivers."""
    return str(request.param)


def message_of(node: Node, number: int = 0) -> str:
    return report(node, number).message or ""


@pytest.mark.parametrize(("asked", "sent"), [("tcp", "udp"), ("udp", "tcp")])
def test_a_camera_that_sends_another_way_is_named_and_probe_suggests_it(
    asked: str, sent: str, test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    uri = test_cameras(f"lobby:{SMALL}:transport={sent}").uri("lobby")
    node = run_node({"uri": uri, "transport": asked})
    eventually(state_is(node, CameraState.DISCONNECTED, "transport"))
    assert f"transport: {asked}" in message_of(node)
    assert sent in message_of(node).partition("set transport: ")[2]
    found = probe(Target.from_options(options(uri, transport=asked)))
    assert found.failure is None, found.failure
    assert found.suggestion is not None
    assert found.suggestion.get("transport", "tcp") == sent
    assert any(f"transport: {sent}" in note for note in found.notes)


@pytest.mark.parametrize("asked", ["tcp", "udp"])
def test_a_camera_that_sends_by_multicast_alone_is_named(
    asked: str, test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    uri = test_cameras(f"lobby:{SMALL}:transport=multicast").uri("lobby")
    node = run_node({"uri": uri, "transport": asked})
    eventually(state_is(node, CameraState.DISCONNECTED, "transport"))
    assert "switch multicast off and unicast on at the camera" in message_of(node)
    failure = probe(Target.from_options(options(uri, transport=asked))).failure
    assert failure is not None
    assert failure.reason == "transport", failure
    assert "it sends by multicast alone; switch unicast on" in failure.message


def certificate(folder: Path, name: str) -> Path:
    """Self-signed, of 127.0.0.1, and its key, in one PEM file."""
    key, pem, both = (folder / f"{name}-{part}.pem" for part in ("key", "certificate", "both"))
    subject = ("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject),
            *("-keyout", str(key), "-out", str(pem)),
        ],
        check=True,
        capture_output=True,
    )
    both.write_text(pem.read_text() + key.read_text())
    return both


def test_tls_where_there_is_none_and_none_where_there_is_are_named(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually, tmp_path: Path
) -> None:
    plain = test_cameras(f"lobby:{SMALL}").uri("lobby")
    encrypted = test_cameras(f"lobby:{SMALL}", certificate=certificate(tmp_path, "camera")).uri("lobby")
    node = run_node(
        {"uri": plain.replace("rtsp://", "rtsps://"), "tls": {"verify": False}},
        {"uri": encrypted.replace("rtsps://", "rtsp://")},
    )
    for number, remedy in enumerate(["rtsp://", "rtsps://"]):
        eventually(state_is(node, CameraState.DISCONNECTED, "tls", number))
        assert f"begin the uri with {remedy}" in message_of(node, number)
        assert GENERIC not in message_of(node, number)


def test_a_camera_that_asks_for_a_certificate_is_named_and_let_in_by_one(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually, tmp_path: Path
) -> None:
    cameras = test_cameras(
        f"lobby:{SMALL}", certificate=certificate(tmp_path, "camera"), asks_certificate=True
    )
    own = certificate(tmp_path, "node")
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    trust = {"verify": False}
    node = run_node(
        {"uri": cameras.uri("lobby"), "tls": trust},
        {"uri": cameras.uri("lobby"), "tls": trust | {"certificate_file": str(own)}},
        {"uri": cameras.uri("lobby"), "tls": trust | {"certificate_file": str(wrong)}},
    )
    for number in (0, 2):
        eventually(state_is(node, CameraState.DISCONNECTED, "tls", number))
        assert "certificate_file" in message_of(node, number)
        assert GENERIC not in message_of(node, number)
    eventually(has_pictures(node, 2, 1))


def test_mpegts_over_rtp_is_read(test_cameras: Cameras, run_node: RunNode, eventually: Eventually) -> None:
    uri = test_cameras(f"lobby:{SMALL}:container=mpegts").uri("lobby")
    node = run_node({"uri": uri, "frames": {"max_fps": 5}})
    eventually(has_pictures(node, 10))
    assert report(node).reconnects_total == 0
    assert probe(Target.from_options(options(uri))).codec == "H.264"


WIDE = "2560x64"


def wide_jpeg() -> bytes:
    """A picture with JPEG's usual tables, as RTP needs it (RFC 2435)."""
    source = ("-f", "lavfi", "-i", f"testsrc=size={WIDE}:rate=1", "-frames:v", "1", "-pix_fmt", "yuvj420p")
    coding = ("-c:v", "mjpeg", "-huffman", "default", "-q:v", "5", "-f", "mjpeg", "-")
    line = ["ffmpeg", "-v", "error", *source, *coding]
    return subprocess.run(line, check=True, capture_output=True).stdout


def wide_camera(jpeg: bytes, *, attribute: str = "", extends: bool = False) -> Callable[[Connection], None]:
    """Sends the picture again and again; says its size in the description, before the picture, or nowhere."""
    sdp = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 26\r\n"
        f"c=IN IP4 0.0.0.0\r\n{attribute}a=control:track1\r\n"
    ).encode()
    begin = jpeg.index(b"\xff\xdb")
    tables = jpeg[begin + 5 : begin + 69] * 2
    frame = jpeg.index(b"\xff\xc0")
    scan = jpeg.index(b"\xff\xda")
    data = jpeg[scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4]) : -2]
    head = jpeg[frame : frame + 19].ljust(20, b"\xff")
    extension = b"\xff\xd8" + (len(head) // 4).to_bytes(2) + head

    def script(connection: Connection) -> None:
        connection.shake_hands(sdp)
        shown = 0
        while True:
            for at in range(0, len(data), 1200):
                payload = bytes([0]) + at.to_bytes(3) + bytes([1, 255, 0, 64 // 8])
                payload += (b"\0\0" + (128).to_bytes(2) + tables) if at == 0 else b""
                connection.packet(
                    payload + data[at : at + 1200],
                    shown * 9000,
                    is_last=at + 1200 >= len(data),
                    kind=26,
                    extension=extension if extends and at == 0 else b"",
                )
            shown += 1
            connection.attend(0.1)

    return script


@pytest.mark.parametrize(
    "said",
    [
        {"attribute": "a=framesize:26 2560-64\r\n"},
        {"attribute": "a=x-dimensions:2560,64\r\n"},
        {"extends": True},
    ],
    ids=["a=framesize", "a=x-dimensions", "ONVIF"],
)
def test_a_jpeg_wider_than_rtp_can_say_is_read(
    said: dict[str, Any], run_node: RunNode, eventually: Eventually
) -> None:
    with HostileCamera(wide_camera(wide_jpeg(), **said)) as camera:
        node = run_node({"uri": camera.uri})
        eventually(has_pictures(node, 2))
        assert size_of(node.frame_path("c0").read_bytes()) == (2560, 64)


def test_a_jpeg_whose_size_is_said_nowhere_is_named(run_node: RunNode, eventually: Eventually) -> None:
    with HostileCamera(wide_camera(wide_jpeg())) as camera:
        node = run_node({"uri": camera.uri, "connect_timeout_s": 60})
        eventually(state_is(node, CameraState.DISCONNECTED, "unsupported"))
        assert "2040" in message_of(node)


@pytest.mark.parametrize("receiver", ["auto"], indirect=True)
def test_a_camera_that_our_receiver_does_not_read_is_gstreamers(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    uri = test_cameras("lobby:320x240@15:codec=mjpeg").uri("lobby")
    with caplog.at_level("INFO"):
        node = run_node({"uri": uri})
        eventually(has_pictures(node, 2))
        node.reconnect("c0")
        eventually(has_pictures(node, report(node).frames_total + 2))
    found = report(node)
    assert (found.receiver, found.receiver_reason) == (ReceiverName.GSTREAMER, "JPEG over RTP")
    assert found.reconnects_total == 1, "the attempt that found it out is none"
    said = [
        record.getMessage() for record in caplog.records if "received by GStreamer" in record.getMessage()
    ]
    assert len(said) == 1
    probed = probe(Target.from_options(options(uri)))
    assert (probed.receiver, probed.receiver_reason) == ("gstreamer", "JPEG over RTP")
    assert "gstreamer (JPEG over RTP)" in probed.text()


@pytest.mark.parametrize("receiver", ["auto"], indirect=True)
def test_a_camera_that_our_receiver_reads_is_ours(
    test_cameras: Cameras, run_node: RunNode, eventually: Eventually
) -> None:
    uri = test_cameras("lobby:320x240@15:keyframe=0.5").uri("lobby")
    node = run_node({"uri": uri}, {"uri": uri, "receiver": "gstreamer"})
    eventually(has_pictures(node, 2, 0))
    eventually(has_pictures(node, 2, 1))
    assert (report(node, 0).receiver, report(node, 0).receiver_reason) == (ReceiverName.OWN, None)
    assert report(node, 0).losses == Losses()
    assert report(node, 1).receiver_reason == "receiver: gstreamer"
    assert probe(Target.from_options(options(uri))).receiver == "edgecam"
    chosen = probe(Target.from_options(options(uri, receiver="gstreamer")))
    assert chosen.receiver == "gstreamer"
    assert chosen.suggestion is not None
    assert chosen.suggestion["receiver"] == "gstreamer"
    assert any("leave receiver out" in note for note in chosen.notes)

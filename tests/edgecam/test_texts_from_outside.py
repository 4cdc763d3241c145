"""What a camera, a bucket or a broker writes is cut before anything looks at it, and shown in a few words."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest

from edgecam.bucket.gcs_errors import explain
from edgecam.bucket.http_client import Response
from edgecam.bucket.s3_errors import parsed_error
from edgecam.clock import SystemClock
from edgecam.config.camera import Camera
from edgecam.credentials.logins import Logins
from edgecam.errors import StoreUnavailable
from edgecam.greengrass_ipc import problem
from edgecam.gstreamer.diagnosis import GstError
from edgecam.node.camera_worker import CameraWorker
from edgecam.redaction import LONGEST_MESSAGE, LONGEST_TEXT
from edgecam.status.outage import Outage
from edgecam.status.reports import CameraReport, CameraState

Eventually = Callable[..., Any]
LONG = 100_000


@contextmanager
def camera_that_says(status: str, description: str = "") -> Iterator[str]:
    """The URI of an RTSP server that answers DESCRIBE with `status` and `description`."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while request := self.rfile.readline():
                headers = dict(line.split(b": ", 1) for line in iter(self.rfile.readline, b"\r\n") if line)
                self.answer(request.split()[0].decode(), headers[b"CSeq"].strip().decode())

        def answer(self, method: str, number: str) -> None:
            said, body = (status, description) if method == "DESCRIBE" else ("200 OK", "")
            kind = (
                "Content-Type: application/sdp\r\n" if body else "Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n"
            )
            head = f"RTSP/1.0 {said}\r\nCSeq: {number}\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
            self.wfile.write((head + body).encode(errors="surrogateescape"))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"rtsp://127.0.0.1:{server.server_address[1]}/x"
        server.shutdown()


def first_fault(uri: str, folder: Path, eventually: Eventually) -> CameraReport:
    """What is reported of a camera when it has failed."""
    camera = Camera.model_validate({"id": "lobby", "uri": uri})
    worker = CameraWorker(camera, data_dir=str(folder), logins=Logins([camera]), clock=SystemClock())
    worker.start()
    try:
        eventually(lambda: worker.report().state is CameraState.DISCONNECTED)
        return worker.report()
    finally:
        worker.stop()
        assert worker.join(10)


def stream(coding: str, number: int = 0) -> str:
    return f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 {coding}/90000\r\na=control:track{number}\r\n"


SESSION = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"


@pytest.mark.parametrize(
    ("status", "description"),
    [
        ("500 " + "A" * 3000, ""),
        ("200 OK", SESSION + stream("A" * LONG)),
        ("200 OK", SESSION + "".join(stream("A" * 30 + str(number), number) for number in range(200))),
    ],
)
def test_what_a_camera_says_is_reported_in_a_few_words(
    status: str, description: str, tmp_path: Path, eventually: Eventually
) -> None:
    with camera_that_says(status, description) as uri:
        message = first_fault(uri, tmp_path, eventually).message
    assert message is not None
    assert message.startswith(f"{uri}: ")
    assert "AAAA" in message
    assert len(message) <= LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("status", "description"),
    [
        ("500 A\udcff\udcfe", ""),
        ("200 OK", SESSION + stream("A\udcff")),
        ("200 OK", SESSION.replace("s=x", "s=\udcff") + stream("A\u202e\x1b[31m")),
    ],
)
def test_what_a_camera_says_can_be_shown_whatever_its_bytes(
    status: str, description: str, tmp_path: Path, eventually: Eventually
) -> None:
    with camera_that_says(status, description) as uri:
        report = first_fault(uri, tmp_path, eventually)
    assert report.message is not None
    assert report.message.encode()
    assert report.reason != "fault"


def test_the_streams_of_a_camera_are_named_up_to_a_few(tmp_path: Path, eventually: Eventually) -> None:
    codings = [f"CODING-{number}" for number in range(200)]
    description = SESSION + "".join(stream(coding, number) for number, coding in enumerate(codings))
    with camera_that_says("200 OK", description) as uri:
        message = str(first_fault(uri, tmp_path, eventually).message)
    assert "video CODING-0, video CODING-1, " in message
    assert ", and more; choose H.264" in message
    assert "CODING-100" not in message


def test_an_error_of_gstreamer_is_cut_before_it_is_looked_at() -> None:
    error = GstError("resource", 1, "x" * 10**6, "y\n" * 10**6)
    assert len(error.text) <= LONGEST_TEXT
    assert len(error.details) <= LONGEST_TEXT
    assert len(error.summary) < 3 * LONGEST_TEXT


@pytest.mark.parametrize(
    "text",
    [
        Outage.of(StoreUnavailable("x" * LONG), "unavailable").message,
        Outage("closed", "x" * LONG).redacted().message,
        problem(RuntimeError("x" * LONG)),
        parsed_error(Response(400, HTTPMessage(), f"<Error><Code>{'x' * LONG}</Code></Error>".encode()))[1],
        str(
            explain(
                Response(500, HTTPMessage(), b'{"error": "' + b"x" * LONG + b'"}'),
                uri="gs://b",
                bucket="b",
                what="storing n",
                identity="i",
                retry_after_s=None,
            )
        ),
    ],
)
def test_what_a_bucket_a_broker_or_the_nucleus_says_is_shown_in_a_few_words(text: str) -> None:
    assert "xxxx" in text
    assert len(text) <= LONGEST_MESSAGE

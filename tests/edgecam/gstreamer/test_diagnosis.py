"""GStreamer's errors in plain words. The texts are those that GStreamer 1.22 and 1.26 wrote."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from edgecam.errors import SourceEnded, SourceError, SourceRefused, SourceUnreachable
from edgecam.gstreamer.diagnosis import GstError, explain, explain_connect
from edgecam.redaction import SECRETS

CONNECT = GstError(
    "resource",
    7,
    "Could not open resource for reading and writing.",
    "../gst/rtsp/gstrtspsrc.c(8078): gst_rtspsrc_retrieve_sdp (): /GstPipeline:p/GstRTSPSrc:r:\n"
    "Failed to connect. (Generic error)",
)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (GstError("resource", 15, "Unauthorized", "Unauthorized (401)"), "unauthorized"),
        (GstError("resource", 5, "Could not read from resource.", "Forbidden (403)"), "unauthorized"),
        (GstError("resource", 3, "Not found", "Not Found (404)"), "not-found"),
        (GstError("resource", 3, "Resource not found.", 'No such file "/x"'), "not-found"),
        (GstError("resource", 7, "x", "Connection refused"), "refused"),
        (GstError("resource", 7, "x", "Error resolving “x”: Name or service not known"), "unreachable"),
        (GstError("resource", 5, "x", "Unacceptable TLS certificate"), "untrusted"),
        (GstError("stream", 6, "No decoder available for type 'video/x-vp9'.", ""), "unsupported"),
        (GstError("core", 1, "GStreamer error", "x"), "failed"),
    ],
)
def test_an_error_gets_its_reason(error: GstError, reason: str) -> None:
    error = explain("rtsp://camera/x", error)
    assert error.reason == reason
    assert str(error).startswith("rtsp://camera/x: ")


def test_a_closed_connection_is_the_end_of_the_stream() -> None:
    error = GstError("resource", 9, "Could not read from resource.", "The server closed the connection.")
    assert isinstance(explain("x", error), SourceEnded)


def test_source_lines_of_gstreamer_and_secrets_are_not_shown() -> None:
    SECRETS.remember("octopus-99")
    summary = GstError("core", 1, "Bad.", "../gst/a.c(12): f ():\nlogin octopus-99 failed").summary
    assert summary == "Bad (login *** failed)"


def test_a_refused_connection_differs_from_a_host_that_is_not_there(free_port: int) -> None:
    refused = explain_connect("x", "127.0.0.1", free_port, CONNECT)
    assert isinstance(refused, SourceRefused)
    assert str(free_port) in str(refused)
    assert isinstance(explain_connect("x", "no-such-host.invalid", 554, CONNECT), SourceUnreachable)


def test_a_host_that_listens_and_does_not_answer_is_unreachable() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        error = explain_connect("x", "127.0.0.1", server.getsockname()[1], CONNECT)
    assert isinstance(error, SourceUnreachable)


def test_what_is_not_about_connecting_is_not_tried_again(free_port: int) -> None:
    error = explain_connect("x", "127.0.0.1", free_port, GstError("core", 1, "Odd.", ""))
    assert type(error) is SourceError

"""Heads of messages as cameras write them."""

from __future__ import annotations

import pytest

from edgecam.rtsp.faults import NoRtsp
from edgecam.rtsp.messages import CameraRequest, Headers, Response, answer, parse_head, request


def test_an_answer_is_its_status_and_its_fields_in_any_case() -> None:
    found = parse_head(b"RTSP/1.0 200 OK\r\nCSeq : 2\r\nPUBLIC: OPTIONS, PLAY \r\nno field\r\nX:\r\n")
    assert isinstance(found, Response)
    assert (found.status, found.reason) == (200, "OK")
    assert (found.headers.get("cseq"), found.headers.get("public"), found.headers.get("x")) == (
        "2",
        "OPTIONS, PLAY",
        "",
    )


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (b"RTSP/1.0 200", 200),
        (b"RTSP/2.0  454  Session Not Found ", 454),
        (b"RTSP/1.0 401 Nicht erlaubt \xfc", 401),
    ],
)
def test_a_status_line_may_be_written_in_several_ways(first: bytes, status: int) -> None:
    found = parse_head(first + b"\r\nCSeq: 1")
    assert isinstance(found, Response)
    assert found.status == status


def test_a_field_that_is_folded_goes_on() -> None:
    found = parse_head(b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="a",\r\n\tnonce="b"\r\n')
    assert found.headers.get("www-authenticate") == 'Digest realm="a", nonce="b"'


def test_a_field_may_come_several_times() -> None:
    found = parse_head(b"RTSP/1.0 401 No\r\nWWW-Authenticate: Basic\r\nWWW-Authenticate: Digest\r\n")
    assert found.headers.all("www-authenticate") == ["Basic", "Digest"]


def test_a_request_of_the_camera_is_its_method() -> None:
    found = parse_head(b"ANNOUNCE rtsp://127.0.0.1/live RTSP/1.0\r\nCSeq: 9")
    assert found == CameraRequest("ANNOUNCE", Headers((("cseq", "9"),)))


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK", b"", b"RTSP/1.0 OK", b"options * RTSP/1.0"])
def test_what_is_no_message_is_refused(head: bytes) -> None:
    with pytest.raises(NoRtsp):
        parse_head(head)


@pytest.mark.parametrize(
    ("value", "number"), [("12", 12), ("-1", None), ("1e3", None), ("9" * 30, 10**9), ("٣", None)]
)
def test_a_number_is_one_only_where_it_is_plain(value: str, number: int | None) -> None:
    assert Headers((("content-length", value),)).number("content-length") == number


def test_nothing_that_a_camera_says_ends_a_line_of_ours() -> None:
    found = parse_head(b"RTSP/1.0 200 OK\r\nSession: a\x0bb\x00c\x7f\r\n")
    session = found.headers.get("session") or ""
    written = request("PLAY", "rtsp://host/", 4, [("Session", session), ("X", "1\r\nY: 2")])
    assert written == (
        b"PLAY rtsp://host/ RTSP/1.0\r\nCSeq: 4\r\nUser-Agent: edgecam\r\n"
        b"Session: a b c\r\nX: 1  Y: 2\r\n\r\n"
    )


def test_an_answer_of_ours_has_the_number_of_what_was_asked() -> None:
    asked = CameraRequest("OPTIONS", Headers((("cseq", "77"),)))
    assert (
        answer(asked, "200 OK", [("Public", "OPTIONS")])
        == b"RTSP/1.0 200 OK\r\nCSeq: 77\r\nPublic: OPTIONS\r\n\r\n"
    )

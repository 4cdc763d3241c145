"""The page's server, asked over a real socket."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from reporting import (
    DEAD_TOKEN,
    HELD,
    MOMENT,
    ReportedNode,
    ReportedStorage,
    away,
    links,
    recorded,
    report,
    waiting,
)

from edgecam.clock import SystemClock
from edgecam.errors import InstallationError
from edgecam.redaction import SECRETS
from edgecam.status.reports import CameraState, IdentityReport
from edgecam.web.location import Location
from edgecam.web.routes import Routes
from edgecam.web.server import PageServer

PICTURE = b"\xff\xd8 a picture \xff\xd9"


@pytest.fixture
def node(tmp_path: Path) -> ReportedNode:
    reported = ReportedNode(tmp_path, report(), away())
    reported.write("lobby", PICTURE)
    return reported


@pytest.fixture
def server(node: ReportedNode) -> Iterator[PageServer]:
    started = PageServer(node, 0)
    started.start()
    yield started
    started.stop()


Ask = Callable[..., tuple[http.client.HTTPResponse, bytes]]


@pytest.fixture
def ask(server: PageServer) -> Ask:
    def request(
        path: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body

    return request


def test_page_and_its_parts_are_served_under_a_strict_policy(ask: Ask) -> None:
    for path, kind in (
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/cards.js", "text/javascript"),
        ("/elements.js", "text/javascript"),
        ("/notices.js", "text/javascript"),
        ("/words.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
    ):
        answer, body = ask(path)
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith(kind)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        # Nothing of the page comes from elsewhere: it has to work on a core without Internet.
        assert b"://" not in body.replace(b"http://www.w3.org/2000/svg", b"")


def test_picture_has_its_capture_time_and_is_not_kept_by_anyone(ask: Ask) -> None:
    answer, body = ask("/cameras/lobby/frame.jpg")
    assert (answer.status, answer.headers["Content-Type"], body) == (200, "image/jpeg", PICTURE)
    assert answer.headers["Cache-Control"] == "no-store"
    assert parsedate_to_datetime(answer.headers["Last-Modified"]) == MOMENT.replace(microsecond=0)


def test_picture_that_is_known_is_not_sent_again(ask: Ask, node: ReportedNode) -> None:
    tag = ask("/cameras/lobby/frame.jpg")[0].headers["ETag"]
    answer, body = ask("/cameras/lobby/frame.jpg", headers={"If-None-Match": tag})
    assert (answer.status, body) == (304, b"")
    node.write("lobby", PICTURE, MOMENT + timedelta(milliseconds=33))
    answer, body = ask("/cameras/lobby/frame.jpg", headers={"If-None-Match": tag})
    assert (answer.status, body) == (200, PICTURE)
    assert answer.headers["ETag"] != tag


def test_camera_without_a_picture_is_503_with_the_reason(ask: Ask, node: ReportedNode) -> None:
    node.write("gate", b"left by an earlier run")
    answer, body = ask("/cameras/gate/frame.jpg")
    assert answer.status == 503
    assert json.loads(body)["reason"] == "refused"
    assert b"earlier run" not in body


def test_picture_that_was_removed_since_it_was_stale_is_503(ask: Ask, node: ReportedNode) -> None:
    node.current = (report(state=CameraState.STALLED, reason="silent", frame_age_s=9.0),)
    node.frame_path("lobby").unlink()
    answer, body = ask("/cameras/lobby/frame.jpg")
    assert (answer.status, json.loads(body)["state"]) == (503, "stalled")


def test_stale_picture_that_is_kept_is_sent_and_says_so(ask: Ask, node: ReportedNode) -> None:
    node.current = (report(state=CameraState.STALLED, reason="silent", frame_age_s=9.0),)
    answer, body = ask("/cameras/lobby/frame.jpg")
    assert (answer.status, body, answer.headers["Edgecam-State"]) == (200, PICTURE, "stalled")


@pytest.mark.parametrize(
    "path",
    [
        "/cameras/nobody/frame.jpg",
        "/cameras/../../etc/passwd",
        "/cameras/lobby/../lobby/frame.jpg",
        "/cameras/%6cobby/frame.jpg",
        "/cameras/lobby/frame.json",
        "/page/../page.js",
        "/../http.py",
        "/index.html",
        "/cameras/",
        "/metrics/x",
    ],
)
def test_any_other_path_is_404(ask: Ask, path: str) -> None:
    assert ask(path)[0].status == 404


def test_reports_of_all_cameras_are_json(ask: Ask) -> None:
    answer, body = ask("/cameras?whatever=1")
    shown = json.loads(body)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert [camera["id"] for camera in shown["cameras"]] == ["lobby", "gate"]
    assert shown["cameras"][0]["frame"]["captured_at"] == "2026-11-21T09:45:35.123Z"
    assert shown["cameras"][0]["delivering"] is True
    assert shown["cameras"][1]["frame"] is None


def test_health_is_200_when_all_deliver_and_503_with_reasons_otherwise(ask: Ask, node: ReportedNode) -> None:
    answer, body = ask("/healthz")
    assert answer.status == 503
    assert [(why["camera"], why["reason"]) for why in json.loads(body)["reasons"]] == [("gate", "refused")]
    node.current = (report(),)
    answer, body = ask("/healthz")
    assert answer.status == 200
    assert json.loads(body) == {"healthy": True, "cameras": 1, "reasons": [], "brokers_away": []}
    node.current = (report(frame_age_s=5.1),)
    answer, body = ask("/healthz")
    assert (answer.status, json.loads(body)["reasons"][0]["reason"]) == (503, "stale")


def test_broker_that_is_away_is_named_and_no_reason_for_503(node: ReportedNode) -> None:
    node.current = (report(),)
    routes = Routes(node, SystemClock(), links=links)
    answer = routes.response("/healthz")
    assert answer.status == 200
    assert json.loads(answer.body)["brokers_away"] == [
        {"broker": "cloud-iot", "camera": "lobby", "reason": "refused", "message": "no such device"}
    ]


def test_reports_name_brokers_and_since_when_one_is_away(node: ReportedNode) -> None:
    lobby, gate = json.loads(Routes(node, SystemClock(), links=links).response("/cameras").body)["cameras"]
    assert [(each["broker"], each["connected"], each["sent_total"]) for each in lobby["brokers"]] == [
        ("aws-iot", True, 7),
        ("cloud-iot", False, 3),
    ]
    assert lobby["brokers"][1]["since"] == "2026-11-21T09:45:35.123Z"
    assert gate["brokers"] == []


def test_reports_name_the_node_and_lead_to_recordings(tmp_path: Path) -> None:
    location = Location(
        "hq-core", "headquarters", "gs://b/p", lambda camera_id: f"https://console/{camera_id}"
    )
    routes = Routes(
        ReportedNode(tmp_path, recorded(), waiting()), SystemClock(), ReportedStorage(), location=location
    )
    shown = json.loads(routes.response("/cameras").body)
    assert shown["node"] == {"core": "hq-core", "site": "headquarters", "bucket": "gs://b/p"}
    lobby, dock = shown["cameras"]
    assert lobby["recording"]["url"] == "https://console/lobby"
    assert (dock["address"], dock["condition"], dock["pictures"]) == ("pipe:///run/dock", "waiting", True)


def test_secret_in_what_a_broker_said_is_hidden(node: ReportedNode) -> None:
    SECRETS.remember("no such device")
    try:
        for path in ("/cameras", "/healthz"):
            assert b"no such device" not in Routes(node, SystemClock(), links=links).response(path).body
    finally:
        SECRETS.forget("no such device")


def test_metrics_are_served_as_prometheus_reads_them(ask: Ask) -> None:
    answer, body = ask("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b'edgecam_frames_total{camera="lobby"} 7.0' in body


def test_head_is_get_without_the_body(ask: Ask) -> None:
    answer, body = ask("/cameras/lobby/frame.jpg", "HEAD")
    assert (answer.status, answer.headers["Content-Length"], body) == (200, str(len(PICTURE)), b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed_from_here(ask: Ask, method: str) -> None:
    answer, _ = ask("/cameras", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:9000", 200),
        ("127.0.0.1:8642", 200),
        ("[::1]:8642", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.nip.example:8642", 421),
        ("192.168.1.5:8642", 421),
        ("localhost@evil.example", 421),
        ("", 421),
    ],
)
def test_page_of_another_name_cannot_read_the_cameras(ask: Ask, host: str, status: int) -> None:
    for path in ("/", "/cameras", "/cameras/lobby/frame.jpg", "/metrics"):
        assert ask(path, headers={"Host": host})[0].status == status


def test_secret_in_a_message_does_not_leave_through_the_page(ask: Ask, node: ReportedNode) -> None:
    SECRETS.remember("never-on-the-page")
    node.current = (
        report(state=CameraState.DISCONNECTED, reason="failed", message="it was never-on-the-page"),
    )
    for path in ("/cameras", "/healthz", "/metrics"):
        assert b"never-on-the-page" not in ask(path)[1]
    assert b"it was ***" in ask("/cameras")[1]


def test_mistake_in_the_program_is_500_and_the_server_lives(ask: Ask, node: ReportedNode) -> None:
    node.reports = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    answer, body = ask("/cameras")
    assert answer.status == 500
    assert b"ZeroDivision" not in body
    assert ask("/page.js")[0].status == 200


def test_server_listens_on_this_machine_only(server: PageServer) -> None:
    listening = server._connections.address
    assert listening == ("127.0.0.1", server.port)


def test_port_in_use_is_said_with_its_setting_and_what_to_do(server: PageServer, node: ReportedNode) -> None:
    with pytest.raises(InstallationError) as caught:
        PageServer(node, server.port)
    assert f"http.port: expected port {server.port} of 127.0.0.1 to be free" in str(caught.value)
    assert "http.enabled to false" in str(caught.value)


def test_page_at_another_address_may_be_asked_for_by_that_address(node: ReportedNode) -> None:
    server = PageServer(node, 0, address="127.0.0.2")
    server.start()
    try:
        hosts = ("127.0.0.2", "localhost", "127.0.0.1", "127.0.0.3", "127a0b0c2", "evil.example")
        found = [_status(server, host) for host in hosts]
    finally:
        server.stop()
    assert found == [200, 200, 200, 421, 421, 421]


def _status(server: PageServer, host: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.2", server.port, timeout=10)
    connection.request("GET", "/", headers={"Host": f"{host}:{server.port}"})
    status = connection.getresponse().status
    connection.close()
    return status


def test_nonsense_is_answered_with_an_error_and_no_echo(server: PageServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"<script>alert(1)</script>\r\n\r\n")
        answer = b""
        while part := connection.recv(1000):
            answer += part
    assert b"400" in answer
    assert b"text/html" not in answer
    assert b"<script>" not in answer


ACCEPTED = IdentityReport(is_needed=True)


def served(
    node: ReportedNode,
    storage: ReportedStorage | None,
    path: str,
    identity: IdentityReport = ACCEPTED,
) -> tuple[int, dict[str, Any]]:
    """What a node with spool and upload answers."""
    server = PageServer(node, 0, storage=storage, identity=lambda: identity)
    server.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        connection.close()
    finally:
        server.stop()
    return answer.status, document


def test_report_of_a_recorded_camera_says_where_its_chunks_are(tmp_path: Path) -> None:
    _, document = served(ReportedNode(tmp_path, recorded(), report("plain")), ReportedStorage(), "/cameras")
    lobby, plain = document["cameras"]
    assert plain["recording"] is None
    assert lobby["recording"] == {
        "reason": None,
        "problem": None,
        "waiting": None,
        "chunks_recorded": 12,
        "chunks_stored": 7,
        "chunks_waiting": 3,
        "chunks_lost": 3,
        "chunks_quarantined": 0,
        "waiting_bytes": 15_000_000,
        "oldest_waiting": "2026-11-21T09:45:35.123Z",
        "newest_chunk": "2026-11-21T09:45:35.123Z",
        "url": None,
    }
    assert document["storage"]["spool_bytes"] == 15_400_000


def test_bucket_that_is_away_for_a_while_is_no_illness(tmp_path: Path) -> None:
    away_for_now = ReportedStorage(reason="unavailable", message="gs://b: expected an answer, found none")
    assert served(ReportedNode(tmp_path, recorded()), away_for_now, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("storage", "reason"),
    [
        (ReportedStorage(is_full=True), {"spool": "full"}),
        (ReportedStorage(reason="refused", message="no right"), {"bucket": "refused", "message": "no right"}),
    ],
)
def test_full_spool_and_bucket_that_refuses_are_unhealthy(
    tmp_path: Path, storage: ReportedStorage, reason: dict[str, str]
) -> None:
    status, document = served(ReportedNode(tmp_path, recorded()), storage, "/healthz")
    assert status == 503
    assert reason.items() <= document["reasons"][0].items()


def test_objects_that_are_refused_are_unhealthy_and_the_first_of_them_named(tmp_path: Path) -> None:
    storage = ReportedStorage(refused=(HELD,), refused_count=31)
    status, document = served(ReportedNode(tmp_path, recorded()), storage, "/healthz")
    assert status == 503
    assert document["reasons"][0] == {"object": HELD.name, "message": HELD.message}
    assert document["reasons"][1]["objects"] == 31
    _, document = served(ReportedNode(tmp_path, recorded()), storage, "/cameras")
    assert document["storage"]["refused_count"] == 31
    named = {"object": HELD.name, "since": "2026-11-21T09:45:35.123Z", "message": HELD.message}
    assert document["storage"]["refused"] == [named]


def test_token_that_the_nucleus_no_longer_accepts_is_unhealthy_and_shown(tmp_path: Path) -> None:
    node = ReportedNode(tmp_path, report())
    assert served(node, None, "/healthz")[0] == 200
    assert served(node, None, "/cameras")[1]["identity"] is None
    named = {"nucleus": "token", "message": DEAD_TOKEN.message, "since": "2026-11-21T09:45:35.123Z"}
    status, document = served(node, None, "/healthz", DEAD_TOKEN)
    assert (status, document["reasons"]) == (503, [named])
    assert served(node, None, "/cameras", DEAD_TOKEN)[1]["identity"] == named


def test_recording_in_trouble_is_unhealthy_and_says_why(tmp_path: Path) -> None:
    node = ReportedNode(tmp_path, recorded(problem="spool: found: Read-only file system"), report("plain"))
    status, document = served(node, ReportedStorage(), "/healthz")
    assert status == 503
    assert document["reasons"] == [
        {"camera": "lobby", "recording": "disk", "message": "spool: found: Read-only file system"}
    ]

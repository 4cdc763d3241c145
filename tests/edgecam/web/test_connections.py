"""The page beside clients that are slow, greedy, or many: real sockets, on this machine."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from reporting import ReportedNode, report

from edgecam.web.connections import MOST_CONNECTIONS
from edgecam.web.server import PageServer
from sandbox.clocks import ManualClock

Eventually = Callable[..., Any]

MANY = 2 * MOST_CONNECTIONS
GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
PROBES = ("/healthz", "/metrics")


@pytest.fixture
def node(tmp_path: Path) -> ReportedNode:
    reported = ReportedNode(tmp_path, report())
    reported.write("lobby", b"\xff\xd8 a picture \xff\xd9")
    return reported


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def server(node: ReportedNode, clock: ManualClock) -> Iterator[PageServer]:
    started = PageServer(node, 0, clock=clock)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def connect(server: PageServer) -> Iterator[Callable[..., socket.socket]]:
    with ExitStack() as opened:

        def connection(first: bytes = b"") -> socket.socket:
            made = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            made.sendall(first)
            return made

        yield connection


Connect = Callable[..., socket.socket]


def status(server: PageServer, path: str) -> int:
    """Of the answer to GET `path`; 0 when there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except ConnectionError:
        return 0
    finally:
        connection.close()


def heard(connection: socket.socket) -> bytes:
    """All that comes until the other end closes; a reset is such an end."""
    parts = []
    with suppress(ConnectionError):
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other end has closed, without waiting for it."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_heads_that_never_end_keep_no_probe_out(server: PageServer, connect: Connect) -> None:
    for _ in range(MANY):
        connect(b"GET /metrics HTTP/1.1\r\nX: ")
    assert [status(server, path) for path in PROBES] == [200, 200]


def test_answers_that_nobody_reads_keep_no_probe_out(
    server: PageServer, connect: Connect, node: ReportedNode
) -> None:
    node.write("lobby", b"x" * 20_000_000)  # more than the sockets' buffers hold
    for _ in range(MANY):
        connect(GET % b"/cameras/lobby/frame.jpg")
    assert [status(server, path) for path in PROBES] == [200, 200]


FLOOD = """
import socket, sys
held = []
while True:
    held.append(socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10))
    if len(held) > 300:
        held.pop(0).close()
"""


def test_probes_get_through_while_somebody_connects_as_fast_as_possible(
    server: PageServer, eventually: Eventually
) -> None:
    with subprocess.Popen([sys.executable, "-c", FLOOD, str(server.port)]) as flood:
        try:
            eventually(lambda: len(server._connections._connections) >= MOST_CONNECTIONS)
            for path in 5 * PROBES:
                # A busy machine may leave so long between connecting and asking that the place is gone.
                assert eventually(lambda path=path: status(server, path) == 200)
            assert flood.poll() is None
        finally:
            flood.kill()


def test_request_that_has_come_keeps_its_place_while_others_only_connect(
    connect: Connect, node: ReportedNode
) -> None:
    on, reports = threading.Event(), node.reports
    node.reports = lambda: reports() if on.wait(20) else ()  # type: ignore[method-assign]
    waiting = connect(GET % b"/cameras")
    for _ in range(MANY):
        connect()
    on.set()
    assert waiting.recv(12) == b"HTTP/1.1 200"


def test_newcomer_takes_the_place_of_the_one_that_has_been_idle_longest(
    server: PageServer, connect: Connect, eventually: Eventually
) -> None:
    first = connect()
    for _ in range(MANY):
        connect()
    assert eventually(lambda: is_closed(first))
    assert not is_closed(connect())
    assert status(server, "/healthz") == 200


@pytest.mark.parametrize("begun", [b"", b"GET /metrics HTTP/1.1\r\nX: a"])
def test_head_has_a_deadline_that_trickling_does_not_move(
    server: PageServer, connect: Connect, clock: ManualClock, eventually: Eventually, begun: bytes
) -> None:
    trickling = connect(begun)
    assert status(server, "/healthz") == 200  # so the one before it was accepted
    clock.advance(9.0)
    if begun:
        trickling.sendall(b"a")
    assert status(server, "/healthz") == 200
    assert not is_closed(trickling)
    clock.advance(1.5)
    assert eventually(lambda: is_closed(trickling))


def test_answer_has_a_deadline(
    server: PageServer, connect: Connect, node: ReportedNode, clock: ManualClock, eventually: Eventually
) -> None:
    node.write("lobby", b"x" * 20_000_000)
    sleeper = connect(GET % b"/cameras/lobby/frame.jpg")
    assert sleeper.recv(12) == b"HTTP/1.1 200"
    clock.advance(29.0)
    assert status(server, "/healthz") == 200
    clock.advance(2.0)
    eventually(lambda: status(server, "/healthz") == 200 and len(server._connections._connections) <= 1)
    assert len(heard(sleeper)) < 20_000_000


def test_idle_connection_is_kept_for_a_while_and_answers_again(
    server: PageServer, clock: ManualClock, eventually: Eventually
) -> None:
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(3):
        kept.request("GET", "/healthz")
        answer = kept.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
        clock.advance(9.0)

    def closed() -> bool:
        # The server notes when a connection became idle after the client has its answer.
        clock.advance(9.0)
        return kept.sock is not None and is_closed(kept.sock)

    assert eventually(closed)
    kept.close()


def test_requests_sent_in_one_go_are_all_answered_in_turn(connect: Connect) -> None:
    last = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answers = heard(connect(GET % b"/healthz" + GET % b"/icon.svg" + last))
    assert [answers.count(b"HTTP/1.1 %d " % code) for code in (200, 404)] == [2, 1]


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 17_000, b"GET /" + b"a" * 60_000, b"a" * 1_000_000]
)
def test_long_head_is_refused_before_more_of_it_is_kept(
    server: PageServer, connect: Connect, head: bytes
) -> None:
    greedy = connect()
    with suppress(ConnectionError):
        greedy.sendall(head)
    answer = heard(greedy)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")  # a reset may overtake it
    assert status(server, "/healthz") == 200


def test_head_just_below_the_limit_is_answered(connect: Connect) -> None:
    filler = b"X: " + b"a" * 16_000 + b"\r\n"
    answer = heard(connect(GET[:-2] % b"/healthz" + filler + b"Connection: close\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "claims",
    [
        b"Content-Length: 48\r\n",
        b"Content-Length: 0\r\nContent-Length: 48\r\n",
        b"Content-Length : 48\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ],
)
@pytest.mark.parametrize("host", [b"localhost", b"evil.example"])
def test_body_never_becomes_a_request(connect: Connect, claims: bytes, host: bytes) -> None:
    inner = GET % b"/healthz"
    request = b"GET /icon.svg HTTP/1.1\r\nHost: " + host + b"\r\n" + claims + b"\r\n" + inner
    assert heard(connect(request)).count(b"HTTP/1.1 ") == 1


def test_two_hosts_are_none(connect: Connect) -> None:
    two = b"GET /cameras HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert heard(connect(two)).startswith(b"HTTP/1.1 421 ")


def test_answer_that_waits_for_the_disk_holds_up_no_other(
    server: PageServer, connect: Connect, node: ReportedNode
) -> None:
    on, reports = threading.Event(), node.reports
    node.reports = lambda: reports() if on.wait(20) else ()  # type: ignore[method-assign]
    waiting = connect(GET % b"/cameras")
    assert status(server, "/page.js") == 200
    on.set()
    assert waiting.recv(12) == b"HTTP/1.1 200"

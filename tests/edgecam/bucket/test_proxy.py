"""Requests through a real HTTP proxy, and to IPv6 addresses; variables that name no proxy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edgecam.bucket.http_client import HttpClient
from edgecam.bucket.proxy import proxy_for
from edgecam.clock import SystemClock
from edgecam.errors import ConfigurationError, StoreRefused, StoreUnavailable

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class _Handler(BaseHTTPRequestHandler):
    """Answers everything, also as a proxy, but leads nowhere."""

    def do_GET(self) -> None:
        self.server.seen.append((self.command, self.path, self.headers["Host"]))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def do_CONNECT(self) -> None:
        self.server.seen.append((self.command, self.path, self.headers["Proxy-Authorization"]))  # type: ignore[attr-defined]
        self.send_error(502)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class' name
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def __init__(self) -> None:
        super().__init__(("::1", 0), _Handler)
        self.seen: list[tuple[str, str, str | None]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    """A server at ::1, and no variable of a proxy."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with _Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def client(origin: str) -> HttpClient:
    return HttpClient(origin, stall_timeout_s=5, clock=SystemClock())


def test_ipv6_address_is_reached_without_a_proxy(server: _Server) -> None:
    http = client(f"http://[::1]:{server.port}/")
    assert http.request("GET", "/x", {}).body == b"ok"
    http.close()
    assert server.seen == [("GET", "/x", f"[::1]:{server.port}")]


def test_ipv6_address_is_asked_of_a_proxy_in_brackets(
    server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://[::1]:{server.port}")
    http = client("http://[fd00::21]:9000")
    assert http.request("GET", "/x", {}).body == b"ok"
    http.close()
    assert server.seen == [("GET", "http://[fd00::21]:9000/x", "[fd00::21]:9000")]


@pytest.mark.parametrize(
    ("origin", "asked"),
    [("https://[fd00::21]:9000", "[fd00::21]:9000"), ("https://store.invalid", "store.invalid:443")],
)
def test_way_through_a_proxy_is_asked_for_with_the_address_as_in_a_uri(
    server: _Server, monkeypatch: pytest.MonkeyPatch, origin: str, asked: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://guard:p%40ss@[::1]:{server.port}/")
    http = client(origin)
    with pytest.raises(StoreUnavailable, match="502"):
        http.request("GET", "/x", {})
    http.close()
    assert server.seen == [("CONNECT", asked, "Basic Z3VhcmQ6cEBzcw==")]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("http://guard:hunter2@proxy:70000", "expected a port from 1 to 65535"),
        ("http://proxy:abc", "expected a port from 1 to 65535"),
        ("http://fd00::3:3128", "expected an IPv6 address in brackets"),
        ("10.0.0.256:3128", "expected an IPv4 address of four numbers"),
        ("https://guard:hunter2@proxy:3128", "expected a proxy of the form http://HOST:PORT, found https://"),
        ("socks5://proxy:1080", "expected a proxy of the form http://HOST:PORT, found socks5://"),
    ],
)
def test_variable_that_names_no_proxy_is_the_stores_reason_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, proxy: str, expected: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    http = client("https://store.invalid")
    with pytest.raises(StoreRefused) as raised:
        http.request("GET", "/x", {})
    assert expected in str(raised.value)
    assert str(raised.value).startswith("HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: ")
    assert "hunter2" not in str(raised.value)


@pytest.mark.usefixtures("server")
def test_proxy_without_scheme_or_port_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "proxy.example")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    found = proxy_for("https", "store.invalid")
    assert found is not None
    assert (found.address.host, found.port, found.login) == ("proxy.example", 80, {})
    assert proxy_for("https", "inside.example") is None


@pytest.mark.parametrize(
    "origin", ["http://h:70000", "http://fd00::1:9000", "ftp://h", "h:9000", "http://h/x"]
)
def test_service_that_a_variable_names_wrongly_is_a_mistake_of_the_configuration(origin: str) -> None:
    with pytest.raises(
        ConfigurationError, match="STORE_HOST: expected http://HOST:PORT or https://HOST:PORT"
    ):
        HttpClient(origin, stall_timeout_s=5, clock=SystemClock(), named="STORE_HOST")

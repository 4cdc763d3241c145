"""The page, the pictures, health and metrics, for this machine only (`routes.py` has what it shows).

It listens on 127.0.0.1 (a start without settings in a container: at the container's own address), answers GET
and HEAD, and refuses other host names than this machine's: otherwise a page in the user's browser could point
its own name here and read the pictures (DNS rebinding).
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase, BytesIO
from typing import Any

from edgecam.clock import Clock, SystemClock
from edgecam.errors import InstallationError
from edgecam.redaction import one_line
from edgecam.status.reports import IdentityReport, Links, StorageReporter
from edgecam.web.connections import MOST_HEAD_BYTES, Connections
from edgecam.web.location import Location
from edgecam.web.replies import Reply
from edgecam.web.routes import (
    Reporter,
    Response,
    Routes,
    failure,
)

ADDRESS = "127.0.0.1"
_MOST_PATH = (
    200  # of what somebody asked for, in the log; ours are shorter than a camera's id and 20 characters
)

_HOSTS = r"(localhost|127\.0\.0\.1|\[::1\]|%s)(:\d{1,5})?"
_PROBE = re.compile(rb"(GET|HEAD) /(healthz|metrics)[ ?]")
"""Health checks and scrapes go first: they decide whether the node lives, and are cheap."""
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' blob:; script-src 'self'; "
    "style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_log = logging.getLogger(__name__)


class PageServer:
    """Serves a node's cameras.

    Args:
        node: The node.
        port: TCP port; 0 lets the system choose (see `port`).
        address: Where it listens; a host name that requests may name, as may this machine's.
        clock: Time.
        storage: Knows spool and upload, where something is recorded.
        links: How the connections to brokers are doing.
        identity: What the nucleus no longer accepts.
        location: Where the node is.

    Raises:
        InstallationError: the port cannot be had; the message says what to do.
    """

    def __init__(
        self,
        node: Reporter,
        port: int,
        *,
        address: str = ADDRESS,
        clock: Clock | None = None,
        storage: StorageReporter | None = None,
        links: Callable[[], Links] | None = None,
        identity: Callable[[], IdentityReport] | None = None,
        location: Location | None = None,
    ) -> None:
        clock = clock or SystemClock()
        routes = Routes(node, clock, storage, links, identity, location)
        hosts = re.compile(_HOSTS % re.escape(address), re.IGNORECASE)
        refusal = f"431 expected a request's head of at most {MOST_HEAD_BYTES} bytes\n".encode()
        try:
            self._connections = Connections(
                (address, port),
                clock=clock,
                answer=lambda head: _Exchange(head, routes, hosts).reply(),
                is_urgent=lambda head: _PROBE.match(head) is not None,
                too_long=_TOO_LONG % (len(refusal), refusal),
            )
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            raise InstallationError(
                f"http.port: expected port {port} of {address} to be free, "
                f"found {'it in use by another program' if in_use else error.strerror}. "
                "Set http.port to another one, or http.enabled to false"
            ) from None
        self._shown_host = "localhost" if address == ADDRESS else address

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._connections.address[1]

    def start(self) -> None:
        """Answer from now on."""
        self._connections.start()
        _log.info("the page is at http://%s:%d/", self._shown_host, self.port)

    def stop(self) -> None:
        """Answer nobody any more. Waits for no reader."""
        self._connections.stop()


class _Parts(BufferedIOBase):
    """Keeps what is written as it is: a picture is not copied once more."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, part: Any) -> int:
        self.parts.append(part)
        return len(part)


class _Exchange(BaseHTTPRequestHandler):
    """One request and its answer, from bytes to bytes.

    Args:
        head: The request, up to the empty line.
        routes: Which path has which response.
        hosts: The names of this machine, with ports.
    """

    protocol_version = "HTTP/1.1"
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def __init__(self, head: bytes, routes: Routes, hosts: re.Pattern[str]) -> None:
        # Not the library's own, which reads from a socket and waits for it.
        self._routes, self._hosts = routes, hosts
        self._written = _Parts()
        self.rfile, self.wfile = BytesIO(head), self._written
        self.close_connection = True

    def reply(self) -> Reply:
        """The answer, and whether the connection may be used again."""
        self.handle_one_request()
        return Reply(tuple(self._written.parts), keeps=not self.close_connection)

    def do_GET(self) -> None:
        lengths = self.headers.get_all("Content-Length", [])
        if self.headers.defects or lengths not in ([], ["0"]) or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body that nobody reads must not become the next request
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or not self._hosts.fullmatch(hosts[0]):
            text = "expected the host localhost or 127.0.0.1; reach another machine's page through a tunnel"
            self._send(failure(HTTPStatus.MISDIRECTED_REQUEST, text))
            return
        try:
            response = self._routes.response(self.path.partition("?")[0])
        except Exception:
            _log.exception("no answer to %s", self.path[:_MOST_PATH])
            response = failure(HTTPStatus.INTERNAL_SERVER_ERROR, "a mistake in edgecam: see its log")
        self._send(response)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self.close_connection = True
        self._send(failure(HTTPStatus.METHOD_NOT_ALLOWED, "expected GET or HEAD"), {"Allow": "GET, HEAD"})

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST  # noqa: N815

    def _send(self, response: Response, more: dict[str, str] | None = None) -> None:
        tag = response.headers.get("ETag")
        unchanged = tag is not None and _names(self.headers.get("If-None-Match", ""), tag)
        self.send_response(HTTPStatus.NOT_MODIFIED if unchanged else response.status)
        for name, value in {**_HEADERS, **response.headers, **(more or {})}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if not unchanged:
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD" and not unchanged:
            self.wfile.write(response.body)

    def version_string(self) -> str:
        return "edgecam"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        _log.debug("%s", one_line(format % args))


def _names(condition: str, tag: str) -> bool:
    """Whether the If-None-Match header `condition` names `tag`."""
    tags = [each.strip().removeprefix("W/") for each in condition.split(",")]
    return "*" in tags or tag in tags

"""The page, the pictures, health and metrics, for this machine only (`answers.py` has what it says).

It listens on 127.0.0.1, answers GET and HEAD, and refuses other host names than this machine's: otherwise a
page in the user's browser could point its own name here and read the pictures (DNS rebinding).
"""

from __future__ import annotations

import errno
import logging
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from edgecam.answers import Answer, Answers, Reporter, failure
from edgecam.broker import Links
from edgecam.clock import Clock, SystemClock
from edgecam.errors import InstallationError
from edgecam.log import one_line
from edgecam.status import StorageReporter

ADDRESS = "127.0.0.1"
MOST_CONNECTIONS = 32  # a browser opens six; a thread each, so there has to be an end
_STOP_POLL_S = 0.1  # how soon the server notices that it is to end; ten looks a second cost 0.01 s a minute
_TIMEOUT_S = 10.0  # for a whole answer to be taken, and for an idle connection

_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
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
    """Serves a node's cameras on 127.0.0.1.

    Args:
        node: The node.
        port: TCP port; 0 lets the system choose (see `port`).
        clock: Time.
        storage: Knows spool and upload, where something is recorded.

    Raises:
        InstallationError: the port cannot be had; the message says what to do.
    """

    def __init__(
        self,
        node: Reporter,
        port: int,
        *,
        clock: Clock | None = None,
        storage: StorageReporter | None = None,
        links: Callable[[], Links] | None = None,
    ) -> None:
        answers = Answers(node, clock or SystemClock(), storage, links)
        try:
            self._server = _Server(port, answers)
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            raise InstallationError(
                f"http.port: expected port {port} of {ADDRESS} to be free, "
                f"found {'it in use by another program' if in_use else error.strerror}. "
                "Set http.port to another one, or http.enabled to false"
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_STOP_POLL_S,), name="http", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()
        _log.info("the page is at http://localhost:%d/", self.port)

    def stop(self) -> None:
        """Answer nobody any more. Waits for no reader."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A thread a connection, up to `MOST_CONNECTIONS`; a slow reader holds up nobody but itself."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 2 * MOST_CONNECTIONS

    def __init__(self, port: int, answers: Answers) -> None:
        self.answers = answers
        self._slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__((ADDRESS, port), _Handler)

    def server_bind(self) -> None:
        """Without http.server's look-up of this machine's name, which can wait for a name server."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = ADDRESS, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        with suppress(OSError):
            request.setblocking(False)
            request.send(_BUSY)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the name is the library's
        """Not the library's own, which prints."""
        _log.debug("a connection to the page broke off", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One connection, on a thread of its own."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_S
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def do_GET(self) -> None:
        host = self.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            text = "expected the host localhost or 127.0.0.1; reach another machine's page through a tunnel"
            self._send(failure(HTTPStatus.MISDIRECTED_REQUEST, text))
            return
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body that nobody reads must not become the next request
        try:
            answer = self.server.answers.to(self.path.partition("?")[0])
        except Exception:
            _log.exception("no answer to %s", self.path)
            answer = failure(HTTPStatus.INTERNAL_SERVER_ERROR, "a mistake in edgecam: see its log")
        self._send(answer)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self.close_connection = True
        self._send(failure(HTTPStatus.METHOD_NOT_ALLOWED, "expected GET or HEAD"), {"Allow": "GET, HEAD"})

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST  # noqa: N815

    def _send(self, answer: Answer, more: dict[str, str] | None = None) -> None:
        tag = answer.headers.get("ETag")
        unchanged = tag is not None and _names(self.headers.get("If-None-Match", ""), tag)
        self.send_response(HTTPStatus.NOT_MODIFIED if unchanged else answer.status)
        for name, value in {**_HEADERS, **answer.headers, **(more or {})}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if not unchanged:
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and not unchanged:
            self.wfile.write(answer.body)

    def version_string(self) -> str:
        return "edgecam"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        _log.debug("%s", one_line(format % args))


def _names(condition: str, tag: str) -> bool:
    """Whether the If-None-Match header `condition` names `tag`."""
    tags = [each.strip().removeprefix("W/") for each in condition.split(",")]
    return "*" in tags or tag in tags

"""An HTTP/1.1 server on 127.0.0.1, in threads of its own: what the embedded services have in common."""

from __future__ import annotations

import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
_POLL_S = 0.02
"""How soon `stop()` is noticed."""

log = logging.getLogger(__name__)


class HttpServer(ThreadingHTTPServer):
    """Listens until it is stopped; each connection has a thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, port: int, handler: type[RequestHandler], *, name: str, receive_buffer_bytes: int | None = None
    ) -> None:
        """Listen at once.

        Args:
            port: On 127.0.0.1; 0 for one that is free.
            handler: Answers the requests of one connection.
            name: Of the thread that accepts connections.
            receive_buffer_bytes: Of each connection; None for the system's default.

        Raises:
            OSError: the port is taken.
        """
        super().__init__((HOST, port), handler, bind_and_activate=False)
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        try:
            self.server_bind()
            self.server_activate()
        except OSError:
            self.server_close()
            raise
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_S,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class' names
        """Log what ended a request early: a client that disconnects is no error of the server."""
        log.debug("a request ended early", exc_info=True)


class RequestHandler(BaseHTTPRequestHandler):
    """Answers the requests of one connection, all methods alike, in the connection's thread."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def respond(self) -> None:
        """Read the request's body and send the response; a subclass says which."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Called by the base class for each request."""
        self.respond()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the base class' names

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class' name
        """Log each request at level DEBUG."""
        log.debug(format, *arguments)

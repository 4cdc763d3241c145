"""The HTTP server in front: takes requests in, lets faults happen, keeps account."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from typing import Any

from sandbox.gcs.faults import Fault, Faults, Kind
from sandbox.gcs.semantics import (
    UPLOAD,
    Answer,
    GcsSemantics,
    Request,
)
from sandbox.gcs.traffic import Seen, Traffic
from sandbox.http_server import HttpServer, RequestHandler

PIECE_BYTES = 64 * 1024
RECEIVE_BUFFER_BYTES = 128 * 1024
"""Small, so that a client notices a slow store while it sends and not only when it waits for the answer."""
STOP_TIMEOUT_S = 5.0
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends a reset


class GcsHttpServer(HttpServer):
    """Listens on 127.0.0.1:`port` until it is stopped."""

    def __init__(
        self, port: int, service: GcsSemantics, faults: Faults, traffic: Traffic, tls: ssl.SSLContext | None
    ) -> None:
        self.service = service
        self.faults = faults
        self.traffic = traffic
        self.tls = tls
        self.stopping = threading.Event()
        self._gone = threading.Condition()
        self._open: set[socket.socket] = set()
        super().__init__(port, _Handler, name="gcs", receive_buffer_bytes=RECEIVE_BUFFER_BYTES)

    def stop(self) -> None:
        """Close the port and reset what is connected, as a store that went down."""
        self.stopping.set()
        super().stop()
        with self._gone:
            for connection in self._open:
                reset_soon(connection)
            self._gone.wait_for(lambda: not self._open, timeout=STOP_TIMEOUT_S)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: TLS first, so that a silent client holds up nobody else."""
        connection = request
        with contextlib.suppress(OSError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(request, server_side=True)
            with self._gone:
                self._open.add(connection)
            try:
                _Handler(connection, client_address, self)
            finally:
                connection.close()
                with self._gone:
                    self._open.discard(connection)
                    self._gone.notify_all()


class _Handler(RequestHandler):
    server: GcsHttpServer

    def respond(self) -> None:
        if self.server.stopping.is_set():
            self._cut()
            return
        at_s = time.monotonic()
        writing = self.path.startswith(UPLOAD)
        fault = self.server.faults.strike(self.command) if writing else None
        request = Request(self.command, self.path, self.headers, b"")
        about = self.server.service.object_of(request) if writing else ""
        length = int(self.headers.get("Content-Length") or 0)
        if fault is not None and fault.kind in (Kind.RESET, Kind.STALL):
            body = self._read(int(length * fault.part))
            self.server.service.keep(request._replace(body=body))
            if fault.kind is Kind.STALL:
                self.server.faults.stall(self.server.stopping)
            self._cut()
            status = 0
        else:
            body = self._read(length)
            if len(body) < length or self.server.stopping.is_set():
                self.server.service.keep(request._replace(body=body))
                self._cut()
                return
            status = self._answer(request._replace(body=body), fault)
        self.server.traffic.answered(
            Seen(at_s, self.command, request.path, len(body), status, about),
        )

    def _answer(self, request: Request, fault: Fault | None) -> int:
        answer = self._outcome(request, fault)
        if fault is not None and fault.kind is Kind.LOST_ANSWER:
            self._cut()
            return 0
        self.send_response(answer.status)
        if fault is not None and fault.kind is Kind.ADDRESS and "Location" in answer.headers:
            answer.headers["Location"] = "http://[none/"
        for name, value in answer.headers.items():
            self.send_header(name, self._own(value) if name == "Location" else value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        return answer.status

    def _outcome(self, request: Request, fault: Fault | None) -> Answer:
        if self.server.faults.is_expired(self.headers.get("Authorization")):
            return Answer.failed(401, "authError", "Invalid Credentials")
        if fault is not None and fault.kind is Kind.STATUS:
            answer = Answer.failed(fault.status, "injected", "This fault was asked for.")
            if fault.retry_after is not None:
                answer.headers["Retry-After"] = fault.retry_after
            return answer
        return self.server.service.answer(request)

    def _own(self, location: str) -> str:
        return location.replace("http:", "https:", 1) if self.server.tls else location

    def _read(self, size_bytes: int) -> bytearray:
        """The body, or what came of it before the client went away."""
        body = bytearray(size_bytes)
        view = memoryview(body)
        done = 0
        while done < size_bytes:
            try:
                count = self.rfile.readinto1(view[done : done + PIECE_BYTES])
            except OSError:
                break
            if not count:
                break
            done += count
            self.server.traffic.arrived(count)
            if rate := self.server.faults.bytes_per_s:
                self.server.stopping.wait(count / rate)
        view.release()
        del body[done:]
        return body

    def _cut(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        reset_soon(self.connection)


def reset_soon(connection: socket.socket) -> None:
    """Let a connection end as that of a crashed machine, with a reset, once its thread lets go of it."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        # Wakes the thread that reads from it.
        connection.shutdown(socket.SHUT_RD)

"""The HTTP server of the embedded Cloud IoT."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Sequence

from sandbox.http_server import HttpServer, RequestHandler
from sandbox.iot.api.control import PREFIX
from sandbox.iot.api.routes import (
    Document,
    Request,
    Route,
    find,
)
from sandbox.iot.errors import ApiError, Status
from sandbox.iot.faults import Faults, Seen

log = logging.getLogger(__name__)


class ApiHttpServer(HttpServer):
    """Listens on 127.0.0.1:`port` until it is stopped."""

    def __init__(self, port: int, routes: Sequence[Route], faults: Faults) -> None:
        """Listen, and answer in threads of its own.

        Raises:
            OSError: the port is taken.
        """
        self.routes = routes
        self.faults = faults
        super().__init__(port, _Handler, name="api")


class _Handler(RequestHandler):
    server: ApiHttpServer

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request.of(self.command, self.path, dict(self.headers.items()), body)
        ours = request.path.startswith(PREFIX)
        fault = None if ours else self.server.faults.strike(request.method, request.path)
        if fault is not None and not fault.answer_lost:
            failure = ApiError(Status[fault.status], fault.message)
            status, document = failure.status.http, failure.document
        else:
            status, document = self._outcome(request)
        lost = fault is not None and fault.answer_lost
        if not ours:
            self.server.faults.answered(Seen(request.method, request.path, 0 if lost else status))
        if lost:
            self.close_connection = True
            return
        self._answer(status, document)

    def _outcome(self, request: Request) -> tuple[int, Document]:
        try:
            return 200, find(self.server.routes, request)
        except ApiError as error:
            return error.status.http, error.document
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return Status.INTERNAL.http, ApiError(Status.INTERNAL, "Internal error encountered.").document

    def _answer(self, status: int, document: Document) -> None:
        payload = json.dumps(document).encode()
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)
            self.wfile.flush()

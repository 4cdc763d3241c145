"""Two of Nucleus Lite's daemons, which die and are started again: ggipcd and the token exchange service.

ggipcd keeps the components' tokens (SVCUID) in its memory: after its death those that run are unknown, to it
and to the token exchange, which asks it. Its socket is systemd's and stays. The token exchange service comes
back on another port; what was started before has the former one. Sources: `ggipcd/src/ipc_components.c`,
`tes-serverd/src/http_server.c`, and their units (`Restart=always`, `RestartSec=1`).
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sandbox.core.ipc_socket import NucleusSocket, Publish
from sandbox.core.token_exchange import PATH, Provider, document
from sandbox.errors import SandboxError
from sandbox.http_server import HttpServer, RequestHandler

log = logging.getLogger(__name__)

RESTART_S = 1.0
TOKEN_LENGTH = 16
"""Characters of an SVCUID; any other number is a bad request (tes-serverd)."""


class IpcDaemon:
    """ggipcd: who is who among the components, and the socket that they use."""

    def __init__(self, root: Path, publish: Publish) -> None:
        """Listen below `root`; `publish` hands a message to AWS IoT Core."""
        self._socket = NucleusSocket(root, publish, hangs_up=True)
        self._tokens: dict[str, str] = {}

    @property
    def path(self) -> Path:
        """The socket."""
        return self._socket.path

    def register(self, name: str, configuration: Mapping[str, Any]) -> str:
        """The token of a component, the same at each of its starts for as long as this daemon lives."""
        token = self._tokens.setdefault(name, secrets.token_hex(TOKEN_LENGTH // 2))
        self._socket.admit(token, name, configuration)
        return token

    def knows(self, token: str) -> bool:
        """Whether a component has that token."""
        return self._socket.admits(token)

    def die(self) -> None:
        """Be started again by systemd, with nothing in memory."""
        log.warning("ggl.core.ggipcd.service: Main process exited, status=9/KILL; started again")
        self._tokens.clear()
        self._socket.forget()

    def close(self) -> None:
        """End, with the socket."""
        self._socket.close()


class TokenExchangeDaemon:
    """tes-serverd: AWS credentials for each token that ggipcd knows, on a port of its own."""

    def __init__(self, provider: Provider, knows: Callable[[str], bool]) -> None:
        """Start it; `provider` gives credentials, `knows` asks ggipcd."""
        self._provider = provider
        self._knows = knows
        self._due_s = 0.0
        self._server: HttpServer | None = None
        self.port = 0
        """What is in the configuration: after a death the former port, until the next start."""
        self._start()

    @property
    def url(self) -> str:
        """What a component that starts now gets as AWS_CONTAINER_CREDENTIALS_FULL_URI."""
        return f"http://localhost:{self.port}{PATH}"

    def die(self) -> None:
        """Be killed; `tick()` starts it again after `RESTART_S`."""
        log.warning("ggl.aws.greengrass.TokenExchangeService.service: Main process exited, status=9/KILL")
        self.close()
        self._due_s = time.monotonic() + RESTART_S

    def tick(self) -> None:
        """Start it again when it is time."""
        if self._server is None and time.monotonic() >= self._due_s:
            self._start()

    def close(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.stop()
        self._server = None

    def _start(self) -> None:
        daemon = self

        class Handler(RequestHandler):
            def respond(self) -> None:
                if daemon._server is not self.server:
                    self.close_connection = True  # of a connection that outlived the process
                    return
                status, answer = daemon._answer(self.path, self.headers.get("Authorization"))
                body = json.dumps(answer).encode() if answer else status.phrase.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json" if answer else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = HttpServer(0, Handler, name="tes-serverd")
        self.port = self._server.server_port
        log.info("ggl.aws.greengrass.TokenExchangeService.service: started on port %d", self.port)

    def _answer(self, path: str, token: str | None) -> tuple[HTTPStatus, dict[str, str]]:
        if path.rstrip("/") != PATH.rstrip("/") or token is None or len(token) != TOKEN_LENGTH:
            return HTTPStatus.BAD_REQUEST, {}
        if not self._knows(token):
            log.error("svcuid cannot be found")
            return HTTPStatus.NOT_FOUND, {}
        try:
            credentials = self._provider()
        except SandboxError as error:
            log.warning("no credentials for a component: %s", error)
            return HTTPStatus.INTERNAL_SERVER_ERROR, {}
        return HTTPStatus.OK, document(credentials)

"""The token exchange endpoint of a core: credentials for whoever holds a token that the core gave out.

`GET /2016-11-01/credentialprovider/` with the token as Authorization answers the JSON that the SDKs'
container credential provider reads: AccessKeyId, SecretAccessKey, Token, Expiration. As on the classic
nucleus another path is 400, and no or a wrong token 403. It listens on 127.0.0.1 alone.

On a real core the credentials come from AWS IoT, for the role that the core's role alias names. Here they
come from the embedded AWS for the same role, and its policies are enforced there.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from sandbox.aws.clients import Credentials
from sandbox.errors import SandboxError

log = logging.getLogger(__name__)

PATH = "/2016-11-01/credentialprovider/"
Provider = Callable[[], Credentials]


class TokenExchange:
    """A running endpoint; a context manager that stops it."""

    def __init__(self, provider: Provider) -> None:
        """Listen on a port that the system chooses; `provider` is asked at each request, in a thread."""
        self._tokens: set[str] = set()
        exchange = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, answer = exchange._answer(self.path, self.headers.get("Authorization"), provider)
                self._send(status, answer)

            def _send(self, status: HTTPStatus, answer: dict[str, str]) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class' name
                log.debug(format, *arguments)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="token-exchange", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What AWS_CONTAINER_CREDENTIALS_FULL_URI holds."""
        return f"http://localhost:{self._server.server_port}{PATH}"

    def issue(self) -> str:
        """A new token, for one start of one component."""
        token = secrets.token_hex(8)
        self._tokens.add(token)
        return token

    def revoke(self, token: str) -> None:
        """Refuse the token from now on."""
        self._tokens.discard(token)

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answer(self, path: str, token: str | None, provider: Provider) -> tuple[HTTPStatus, dict[str, str]]:
        if path.rstrip("/") != PATH.rstrip("/"):
            return HTTPStatus.BAD_REQUEST, {"message": f"Only {PATH} is answered"}
        if token not in self._tokens:
            return HTTPStatus.FORBIDDEN, {"message": "The authorization token is missing or not valid"}
        try:
            credentials = provider()
        except SandboxError as error:
            log.warning("no credentials for a component: %s", error)
            return HTTPStatus.INTERNAL_SERVER_ERROR, {"message": "No credentials can be had now"}
        return HTTPStatus.OK, {
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "Token": credentials.session_token,
            "Expiration": credentials.expiration,
        }

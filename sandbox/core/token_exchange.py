"""The token exchange endpoint of a core: credentials for the holder of a token that the core issued.

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
from collections.abc import Callable
from http import HTTPStatus

from sandbox.aws.clients import Credentials
from sandbox.errors import SandboxError
from sandbox.http_server import HttpServer, RequestHandler
from sandbox.stoppable import Stoppable

log = logging.getLogger(__name__)

PATH = "/2016-11-01/credentialprovider/"
Provider = Callable[[], Credentials]


def document(credentials: Credentials) -> dict[str, str]:
    """Credentials as the SDKs' container credential provider reads them."""
    return {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": credentials.expiration,
    }


class TokenExchange(Stoppable):
    """A running endpoint; a context manager that stops it."""

    def __init__(self, provider: Provider) -> None:
        """Listen on a port that the system chooses; `provider` is asked at each request, in a thread."""
        self._tokens: set[str] = set()
        exchange = self

        class Handler(RequestHandler):
            def respond(self) -> None:
                if self.command != "GET":
                    self.send_error(HTTPStatus.NOT_IMPLEMENTED)
                    return
                status, answer = exchange._answer(self.path, self.headers.get("Authorization"), provider)
                self._send(status, answer)

            def _send(self, status: HTTPStatus, answer: dict[str, str]) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = HttpServer(0, Handler, name="token-exchange")

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
        self._server.stop()

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
        return HTTPStatus.OK, document(credentials)

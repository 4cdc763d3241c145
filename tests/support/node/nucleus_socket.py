"""A nucleus as a test wants it: real SDK clients talk to it, secrets and AWS IoT Core stand behind it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecam.greengrass_ipc import SOCKET_VARIABLE, THING_VARIABLE, TOKEN_VARIABLE
from sandbox.core.ipc_server import IpcRefusal, IpcServer

THING = "gate-core"


@dataclass(frozen=True)
class Published:
    """One message for AWS IoT Core."""

    topic: str
    qos: str
    payload: bytes


class NucleusSocket:
    """Serves GetSecretValue, PublishToIoTCore and UpdateState; every request is noted.

    Args:
        path: Where the socket stands.
        token: What a component has to show (`SVCUID`).
        secrets: ARN to text.
        error: When set, the model name of the error that every request is answered with.
        is_offline: Refuse to refresh, as a secret manager without network does.
        never_answers: Accept connections and say nothing to requests.
        hangs_up: Close the connection of an unknown token without a word, as Nucleus Lite does.

    Attributes:
        asked: The requests for secrets.
        published: What was published, in order.
        states: What the component said of itself.
        connections: How often a component has shown its token.
    """

    def __init__(
        self,
        path: Path,
        token: str = "token-1",
        secrets: dict[str, str] | None = None,
        *,
        error: str | None = None,
        is_offline: bool = False,
        never_answers: bool = False,
        hangs_up: bool = False,
    ) -> None:
        self._hangs_up = hangs_up
        self._path = path
        self._token = token
        self._secrets = secrets or {}
        self.error = error
        self.is_offline = is_offline
        self.never_answers = never_answers
        self.asked: list[dict[str, Any]] = []
        self.published: list[Published] = []
        self.states: list[str] = []
        self.connections = 0
        self._server: IpcServer | None = None
        self.begin()

    @property
    def environment(self) -> dict[str, str]:
        """What a nucleus passes to a component."""
        return {
            SOCKET_VARIABLE: str(self._path),
            TOKEN_VARIABLE: self._token,
            THING_VARIABLE: THING,
        }

    def begin(self) -> None:
        """Listen; also after `close`, as a nucleus that was started again."""
        self._server = IpcServer(self._path, knows=self._knows, answer=self._answer, hangs_up=self._hangs_up)

    def forget(self) -> None:
        """Know the token no more, and give another from now on, as ggipcd when it was started again."""
        self._token += "+"
        if self._server is not None:
            self._server.disconnect()

    def close(self) -> None:
        """End every connection; the socket goes."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def topics(self) -> list[str]:
        """Of what was published."""
        return [each.topic for each in self.published]

    def _knows(self, token: str) -> bool:
        self.connections += 1
        return token == self._token

    def _answer(self, _: str, operation: str, request: dict[str, Any]) -> dict[str, Any] | None:
        if operation == "GetSecretValue":
            self.asked.append(request)
        if self.never_answers:
            return None
        if self.error is not None:
            raise IpcRefusal(self.error, "as the test wants it")
        if operation == "PublishToIoTCore":
            payload = base64.b64decode(request["payload"])
            self.published.append(Published(request["topicName"], request["qos"], payload))
            return {}
        if operation == "UpdateState":
            self.states.append(request["state"])
            return {}
        return self._secret(request)

    def _secret(self, request: dict[str, Any]) -> dict[str, Any]:
        arn = request["secretId"]
        if self.is_offline and request.get("refresh"):
            raise IpcRefusal("ServiceError", "as the test wants it")
        if arn not in self._secrets:
            raise IpcRefusal("ResourceNotFoundError", "as the test wants it")
        return {"secretId": arn, "versionId": "1", "secretValue": {"secretString": self._secrets[arn]}}

"""The socket that a core offers to its components: they publish to AWS IoT Core through it.

Served as both nuclei serve it: a component shows the token it was started with (`SVCUID`), accessControl in
its configuration decides, and what is allowed goes on to the cloud. Operations that Nucleus Lite has not
(`GetSecretValue`) are answered with an error.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.core.access_control import allows
from sandbox.core.ipc_server import IpcRefusal, IpcServer
from sandbox.errors import CloudError

log = logging.getLogger(__name__)

MQTT_SERVICE = "aws.greengrass.ipc.mqttproxy"
_STATES = ("RUNNING", "ERRORED")
_LONGEST_NAME = 107  # bytes (man 7 unix)
_EVERYBODY = 0o666
_FOLDER_MODE = 0o755

Publish = Callable[[str, bytes, int], None]
"""From topic, payload and quality of service; raises CloudError."""


@dataclass(frozen=True)
class _Client:
    name: str
    access_control: Mapping[str, Any]


class NucleusSocket:
    """Listens until it is closed.

    Args:
        folder: The core's; where the socket's name would be too long there, it is in one of its own.
        publish: Hands a message to the cloud.
        hangs_up: See IpcServer.
    """

    def __init__(self, folder: Path, publish: Publish, *, hangs_up: bool = False) -> None:
        self._publish = publish
        self._clients: dict[str, _Client] = {}
        self._own_folder: Path | None = None
        self.path = folder / "ipc.socket"
        if len(os.fsencode(self.path)) > _LONGEST_NAME:
            self._own_folder = Path(tempfile.mkdtemp(prefix="edgecam-core-"))
            self._own_folder.chmod(_FOLDER_MODE)
            self.path = self._own_folder / "ipc.socket"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._server = IpcServer(self.path, knows=self._knows, answer=self._answer, hangs_up=hangs_up)
        self.path.chmod(_EVERYBODY)  # components run as users of their own; the token says who they are

    def admit(self, token: str, name: str, configuration: Mapping[str, Any]) -> None:
        """The component `name` was started with `token`."""
        self._clients[token] = _Client(name, configuration.get("accessControl") or {})

    def dismiss(self, token: str) -> None:
        """That component has ended."""
        self._clients.pop(token, None)

    def admits(self, token: str) -> bool:
        """Whether a component was started with `token`."""
        return token in self._clients

    def forget(self) -> None:
        """Know no component any more, and end every connection; the socket stays."""
        self._clients.clear()
        self._server.disconnect()

    def close(self) -> None:
        """End every connection; the socket goes."""
        self._server.close()
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def _knows(self, token: str) -> bool:
        if known := self.admits(token):
            return known
        log.error("Requested svcuid not registered.")
        return False

    def _answer(self, token: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        client = self._clients.get(token)
        if client is None:
            raise IpcRefusal("UnauthorizedError", "The component has ended.")
        if operation == "PublishToIoTCore":
            return self._published(client, request)
        if operation == "UpdateState" and request.get("state") in _STATES:
            log.info("%s says that it is %s", client.name, request["state"])
            return {}
        raise IpcRefusal("ServiceError", f"{operation} is not served here.")

    def _published(self, client: _Client, request: Mapping[str, Any]) -> dict[str, Any]:
        topic = str(request.get("topicName", ""))
        if not allows(client.access_control, MQTT_SERVICE, "aws.greengrass#PublishToIoTCore", topic):
            raise IpcRefusal("UnauthorizedError", "IPC Operation not authorized.")
        try:
            payload = base64.b64decode(request.get("payload", ""), validate=True)
            self._publish(topic, payload, int(request.get("qos", 0)))
        except (binascii.Error, ValueError) as error:
            raise IpcRefusal("ServiceError", f"Received invalid parameters: {error}") from error
        except CloudError as error:
            raise IpcRefusal("ServiceError", f"Failed to publish the message: {error}") from error
        return {}

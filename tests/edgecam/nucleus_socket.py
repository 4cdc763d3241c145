"""A nucleus' socket: the event-stream RPC protocol of Greengrass IPC, spoken for real, and secrets behind it.

Frames: total length, header length, CRC-32 of these; headers; payload; CRC-32 of everything before. Source:
the protocol as the AWS common runtime's client speaks it (`awscrt.eventstream.rpc`).
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

_APPLICATION_MESSAGE, _APPLICATION_ERROR, _CONNECT, _CONNECT_ACK = 0, 1, 4, 5
_ACCEPTED, _TERMINATE = 1, 2
_INT32, _STRING = 4, 7


class NucleusSocket:
    """Listens on a Unix socket; every request is noted in `asked`.

    Args:
        path: Where the socket stands.
        token: What a component has to show (`SVCUID`).
        secrets: ARN to text.
        error: When set, the model name of the error that every request is answered with.
        is_offline: Refuse to refresh, as a secret manager without network does.
        never_answers: Accept connections and say nothing.
    """

    def __init__(
        self,
        path: Path,
        token: str,
        secrets: dict[str, str],
        *,
        error: str | None = None,
        is_offline: bool = False,
        never_answers: bool = False,
    ) -> None:
        self._token = token
        self._secrets = secrets
        self._error = error
        self._is_offline = is_offline
        self._never_answers = never_answers
        self.asked: list[dict[str, Any]] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Close the socket and every connection."""
        self._socket.shutdown(socket.SHUT_RDWR)
        for each in (self._socket, *self._connections):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while message := _receive(connection):
                if not self._never_answers:
                    self._answer(connection, *message)
        except OSError:
            return  # the client has gone, or the test is over
        finally:
            connection.close()

    def _answer(self, connection: socket.socket, headers: dict[str, Any], payload: bytes) -> None:
        stream_id = headers[":stream-id"]
        if headers[":message-type"] == _CONNECT:
            accepted = _ACCEPTED if json.loads(payload)["authToken"] == self._token else 0
            _send(connection, _CONNECT_ACK, accepted, stream_id, None, {})
            return
        request = json.loads(payload)
        self.asked.append(request)
        error = self._error
        if error is None and self._is_offline and request.get("refresh"):
            error = "ServiceError"
        if error is None and request["secretId"] not in self._secrets:
            error = "ResourceNotFoundError"
        if error is not None:
            name = f"aws.greengrass#{error}"
            _send(
                connection,
                _APPLICATION_ERROR,
                _TERMINATE,
                stream_id,
                name,
                {"message": "as the test wants it"},
            )
            return
        value = {"secretString": self._secrets[request["secretId"]]}
        body: dict[str, Any] = {"secretId": request["secretId"], "versionId": "1", "secretValue": value}
        name = "aws.greengrass#GetSecretValueResponse"
        _send(connection, _APPLICATION_MESSAGE, _TERMINATE, stream_id, name, body)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    prelude = _exactly(connection, 12)
    if prelude is None:
        return None
    total, header_length, _ = struct.unpack(">III", prelude)
    rest = _exactly(connection, total - 12) or b""
    headers, position = {}, 0
    while position < header_length:
        length = rest[position]
        name = rest[position + 1 : position + 1 + length].decode()
        position += 1 + length
        kind = rest[position]
        if kind == _INT32:
            headers[name] = struct.unpack_from(">i", rest, position + 1)[0]
            position += 5
        else:
            assert kind == _STRING, f"header {name} of type {kind}"
            length = struct.unpack_from(">H", rest, position + 1)[0]
            headers[name] = rest[position + 3 : position + 3 + length].decode()
            position += 3 + length
    return headers, rest[header_length:-4]


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    received = b""
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            return None
        received += part
    return received


def _send(
    connection: socket.socket, kind: int, flags: int, stream_id: int, model: str | None, body: dict[str, Any]
) -> None:
    numbers = {":message-type": kind, ":message-flags": flags, ":stream-id": stream_id}
    texts = {":content-type": "application/json"} | ({"service-model-type": model} if model else {})
    headers = b"".join(
        bytes([len(name)]) + name.encode() + struct.pack(">Bi", _INT32, value)
        for name, value in numbers.items()
    )
    headers += b"".join(
        bytes([len(name)]) + name.encode() + struct.pack(">BH", _STRING, len(value)) + value.encode()
        for name, value in texts.items()
    )
    payload = json.dumps(body).encode()
    prelude = struct.pack(">II", 12 + len(headers) + len(payload) + 4, len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    connection.sendall(message + struct.pack(">I", zlib.crc32(message)))

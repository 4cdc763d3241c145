"""A server of Greengrass IPC: the event-stream RPC protocol, spoken for real on a Unix socket.

Frames: total length, header length, CRC-32 of these; headers; payload; CRC-32 of everything before. A
connection begins with CONNECT, whose payload holds the component's token; each request comes on a stream of
its own and names its operation in a header. Source: the protocol as the AWS common runtime's client speaks it
(`awscrt.eventstream.rpc`).
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_APPLICATION_MESSAGE, _APPLICATION_ERROR, _CONNECT, _CONNECT_ACK = 0, 1, 4, 5
_ACCEPTED, _TERMINATE = 1, 2
_INT32, _STRING = 4, 7

Headers = dict[str, Any]


class IpcRefusal(Exception):  # noqa: N818 - an answer, not a fault
    """What a request is answered with: the name of an error of the model, and a message."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


Answer = Callable[[str, str, dict[str, Any]], dict[str, Any] | None]


class IpcServer:
    """Listens on a Unix socket until it is closed.

    Args:
        path: Where the socket stands; what stands there is replaced.
        knows: Whether a component's token is known.
        answer: From token, operation (`PublishToIoTCore`) and request to the answer; None says nothing.
            Raises IpcRefusal. Called from a thread for each connection.
        hangs_up: On an unknown token the connection is closed without a word, as Nucleus Lite does.
    """

    def __init__(
        self, path: Path, *, knows: Callable[[str], bool], answer: Answer, hangs_up: bool = False
    ) -> None:
        self._path = path
        self._hangs_up = hangs_up
        self._knows = knows
        self._answer = answer
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="ipc", daemon=True).start()

    def close(self) -> None:
        """Close the socket and every connection, and remove the file, as a nucleus does that ends."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.disconnect()
        self._path.unlink(missing_ok=True)

    def disconnect(self) -> None:
        """Close every connection; the socket stays, and takes new ones."""
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # its client may be gone already
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="ipc", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        token = ""
        try:
            while message := _receive(connection):
                headers, payload = message
                if headers[":message-type"] == _CONNECT:
                    token = json.loads(payload)["authToken"]
                    known = self._knows(token)
                    if self._hangs_up and not known:
                        return
                    accepted = _ACCEPTED if known else 0
                    _send(connection, _CONNECT_ACK, accepted, headers[":stream-id"], None, {})
                else:
                    self._reply(connection, token, headers, payload)
        except OSError:
            return  # the client has gone, or the server is closed
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _reply(self, connection: socket.socket, token: str, headers: Headers, payload: bytes) -> None:
        stream_id = headers[":stream-id"]
        operation = headers["operation"].rpartition("#")[2]
        try:
            body = self._answer(token, operation, json.loads(payload))
        except IpcRefusal as refusal:
            model = f"aws.greengrass#{refusal.name}"
            answer = {"message": str(refusal)}
            _send(connection, _APPLICATION_ERROR, _TERMINATE, stream_id, model, answer)
            return
        if body is not None:
            model = f"aws.greengrass#{operation}Response"
            _send(connection, _APPLICATION_MESSAGE, _TERMINATE, stream_id, model, body)


def _receive(connection: socket.socket) -> tuple[Headers, bytes] | None:
    prelude = _exactly(connection, 12)
    if prelude is None:
        return None
    total, header_length, _ = struct.unpack(">III", prelude)
    rest = _exactly(connection, total - 12)
    if rest is None:
        return None
    headers, position = Headers(), 0
    while position < header_length:
        length = rest[position]
        name = rest[position + 1 : position + 1 + length].decode()
        position += 1 + length
        kind = rest[position]
        if kind == _INT32:
            headers[name] = struct.unpack_from(">i", rest, position + 1)[0]
            position += 5
        elif kind == _STRING:
            length = struct.unpack_from(">H", rest, position + 1)[0]
            headers[name] = rest[position + 3 : position + 3 + length].decode()
            position += 3 + length
        else:
            raise OSError(f"header {name}: expected a number or a text, found type {kind}")
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

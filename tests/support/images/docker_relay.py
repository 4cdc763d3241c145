"""A Docker engine that can be away: a socket in front of this machine's, with everybody else's left alone."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

ENGINE = "/var/run/docker.sock"
_CHUNK_BYTES = 65_536


class DockerRelay:
    """A context manager: its `address` is what a core has as DOCKER_HOST.

    While it is away, its socket's file is not there and what was connected is cut off, as when dockerd is
    upgraded; containers go on, as they do there with `live-restore`.
    """

    def __init__(self) -> None:
        """Be there at once; in a folder with a short name, since a socket's path has at most 107 bytes."""
        self._folder = tempfile.TemporaryDirectory(prefix="docker-relay-")
        Path(self._folder.name).chmod(0o755)
        self._path = Path(self._folder.name) / "docker.sock"
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.return_()

    @property
    def address(self) -> str:
        """As DOCKER_HOST has it."""
        return f"unix://{self._path}"

    def leave(self) -> None:
        """Be away from now on."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self._path.unlink(missing_ok=True)
            _cut(listener)
        with self._lock:
            for connection in self._connections:
                _cut(connection)
            self._connections.clear()

    def return_(self) -> None:
        """Be there again."""
        self._listener = listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._path))
        self._path.chmod(0o666)
        listener.listen()
        threading.Thread(target=self._accept, args=(listener,), name="docker-relay", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()
        self._folder.cleanup()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(os.environ.get("DOCKER_HOST", ENGINE).removeprefix("unix://"))
            with self._lock:
                self._connections |= {client, engine}
            for source, target in ((client, engine), (engine, client)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(_CHUNK_BYTES):
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

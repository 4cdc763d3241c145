"""A socket in front of the Docker engine that can be closed: for its clients the daemon is away then."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path

ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")


class DockerDoor:
    """Hands bytes on between clients and the engine, while it is open; it begins closed.

    Attributes:
        host: What `DOCKER_HOST` has to be for a client that comes by this door.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "docker.sock"
        self.host = f"unix://{self._path}"
        self._listener: socket.socket | None = None
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()

    def open(self) -> None:
        """The daemon answers."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._path.chmod(0o666)
        self._listener.listen(32)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """The daemon is away, and all who were connected are cut off."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self._path.unlink()
        with self._lock:
            ended, self._connections = [listener, *self._connections], []
        for each in ended:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(ENGINE)
                with self._lock:
                    if self._listener is not listener:
                        client.close()
                        engine.close()
                        return
                    self._connections += [client, engine]
                for source, sink in ((client, engine), (engine, client)):
                    threading.Thread(target=_hand_on, args=(source, sink), daemon=True).start()


def _hand_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)

"""The port of a camera in this process: accepts connections, each with a thread of its own, until it ends."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

from sandbox.stoppable import Stoppable


class CameraListener(Stoppable):
    """Listens on 127.0.0.1 from entering to leaving; a subclass says what a connection is for.

    Args:
        port: Where; 0 takes a free one.

    Attributes:
        connections: How many there have been.
        stopping: Set once it is over.
    """

    def __init__(self, port: int = 0) -> None:
        self.connections = 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))

    @property
    def port(self) -> int:
        """Where it listens, also before and after it does."""
        return int(self._listener.getsockname()[1])

    @property
    def open_connections(self) -> int:
        """How many there are now."""
        with self._lock:
            return len(self._open)

    def __enter__(self) -> Self:
        self._listener.listen()
        threading.Thread(target=self._accept, name=f"camera {self.port}", daemon=True).start()
        return self

    def stop(self) -> None:
        """Close the port and all connections."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """End the connections that there are."""
        with self._lock:
            for peer in self._open:
                with contextlib.suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)

    def _serve(self, accepted: socket.socket, number: int) -> None:
        """Serve one connection, the `number`th, until it is over, and close it; on a thread of its own."""
        raise NotImplementedError

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(accepted)
                number = self.connections
            threading.Thread(target=self._serve, args=(accepted, number), daemon=True).start()

    def _close(self, peer: socket.socket) -> None:
        with self._lock:
            self._open.discard(peer)
            peer.close()

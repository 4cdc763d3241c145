"""TCP ports of this machine: find a free one, and say who has the one that is not."""

from __future__ import annotations

import socket

import psutil

from sandbox.errors import StartError


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether one could listen on 127.0.0.1:`port`."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_free(port: int, purpose: str, remedy: str) -> None:
    """StartError naming the process that has the port."""
    if is_free(port):
        return
    raise StartError(f"Port {port}, meant for {purpose}, is already in use{_holder(port)}: {remedy}")


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f" by {process.name()} (process {process.pid})"
    except psutil.Error:
        pass  # other users' processes are hidden from us: then the port alone must do
    return ""

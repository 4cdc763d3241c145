"""TCP ports of this machine: find a free one, and say who has the one that is not."""

from __future__ import annotations

import atexit
import collections
import secrets
import socket

import psutil

from sandbox.claims import claim
from sandbox.errors import StartError

FIRST_PORT, LAST_PORT = 12000, 23999
"""Where free ports are looked for: below those that the kernel gives to connections on their way out, which
would take one between its being found and its being listened on, and below the sandbox's own."""

_MOST_CLAIMS = 64
"""More than any run listens on at the same time; each holds a file descriptor."""

_CLAIMS: collections.deque[socket.socket] = collections.deque()
"""Names that keep other processes from the ports found last."""


@atexit.register
def _give_back() -> None:
    """The kernel does it as well, but Python warns of each socket that it finds open at its end."""
    while _CLAIMS:
        _CLAIMS.pop().close()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now, and that no other process is given either.

    Runs side by side ask for ports at the same time, and take seconds until they listen.
    """
    while True:
        port = FIRST_PORT + secrets.randbelow(LAST_PORT + 1 - FIRST_PORT)
        if is_free(port) and (held := claim(f"edgecam-port-{port}")) is not None:
            _CLAIMS.append(held)
            if len(_CLAIMS) > _MOST_CLAIMS:
                _CLAIMS.popleft().close()
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

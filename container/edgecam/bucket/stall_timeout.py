"""A socket with a stall timeout: it fails when nothing has moved for a time, in either direction.

A socket's own timeout also counts the time that bytes lie in the kernel's send buffer: of those there may be
megabytes, and at 512 kbit/s half a megabyte takes eight seconds. Here time runs only while the peer neither
acknowledges (SIOCOUTQ, see `man 7 tcp`) nor sends anything.
"""

from __future__ import annotations

import fcntl
import io
import select
import socket
import ssl
import struct
from typing import Any

from edgecam.clock import Clock

_SIOCOUTQ = 0x5411
_POLL_PERIOD_S = 1.0
"""How often the unacknowledged bytes are read while waiting."""


class StallTimeoutSocket:
    """What `http.client` takes for a socket. `connection` is made non-blocking.

    Every method raises `TimeoutError` when nothing has moved for `stall_timeout_s`.
    """

    def __init__(self, connection: socket.socket, stall_timeout_s: float, clock: Clock) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._stall_timeout_s = stall_timeout_s
        self._clock = clock
        self._reading = False
        self._closing = False

    def sendall(self, data: Any) -> None:
        """Send all of `data`, bytes or anything like it."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._connection.send(rest) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(select.POLLOUT)
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN)

    def receive_into(self, buffer: Any) -> int:
        """Receive what there is, at least one byte; 0 at the end."""
        while True:
            try:
                return self._connection.recv_into(buffer)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT)

    def is_quiet(self) -> bool:
        """Whether the peer has neither sent nor closed anything, as an idle connection should be."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return not poll.poll(0)

    def makefile(self, mode: str, *_: object) -> io.BufferedReader:
        """For reading alone, as `http.client` asks for it."""
        if mode != "rb":
            raise ValueError(f"expected mode rb, found {mode}")
        self._reading = True
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        """Close the connection, once what `makefile` returned is closed too: so do sockets, and
        `http.client` reads the last response of a connection after it has closed it."""
        self._closing = True
        if not self._reading:
            self._connection.close()

    def reading_ended(self) -> None:
        """What `makefile` returned is closed."""
        self._reading = False
        if self._closing:
            self._connection.close()

    def _wait(self, event: int) -> None:
        poll = select.poll()
        poll.register(self._connection, event)
        unacknowledged = self._unacknowledged_bytes()
        deadline_s = self._clock.monotonic_s() + self._stall_timeout_s
        while (left_s := deadline_s - self._clock.monotonic_s()) > 0:
            if poll.poll(min(left_s, _POLL_PERIOD_S) * 1000):
                return
            if (now := self._unacknowledged_bytes()) < unacknowledged:
                deadline_s = self._clock.monotonic_s() + self._stall_timeout_s
            unacknowledged = now
        raise TimeoutError(f"nothing has moved for {self._stall_timeout_s:g} s")

    def _unacknowledged_bytes(self) -> int:
        """Sent and not acknowledged yet."""
        queued = fcntl.ioctl(self._connection.fileno(), _SIOCOUTQ, b"\0\0\0\0")
        return int(struct.unpack("i", queued)[0])


class _Incoming(io.RawIOBase):
    def __init__(self, incoming: StallTimeoutSocket) -> None:
        super().__init__()
        self._socket = incoming

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._socket.receive_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._socket.reading_ended()

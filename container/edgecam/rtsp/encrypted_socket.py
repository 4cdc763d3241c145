"""TLS over a socket that never waits, with few system calls.

`ssl.SSLSocket` reads each record with two system calls, its head and its rest, and a camera sends a record a
packet. Here all that has come is read at once, and OpenSSL takes the records out of memory (`ssl.MemoryBIO`).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import cast

_READ_BYTES = 64 * 1024
"""At once: more than the four longest records (RFC 8446, 5.2)."""


class EncryptedSocket:
    """What a connection needs of `socket.socket`, encrypted.

    Args:
        connected: The connection, non-blocking; closed with this one.
        context: How the other end is to be trusted.
        server_hostname: Which certificate is expected, and what is sent as SNI (RFC 6066, 3).
    """

    def __init__(self, connected: socket.socket, context: ssl.SSLContext, server_hostname: str) -> None:
        self._socket = connected
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        self._unsent = b""
        self._fault: OSError | None = None

    def fileno(self) -> int:
        """The descriptor, or -1."""
        return self._socket.fileno()

    @property
    def is_behind(self) -> bool:
        """Whether something waits for the connection to take more."""
        return bool(self._unsent or self._outgoing.pending)

    def close(self) -> None:
        """Close without a word."""
        self._socket.close()

    def do_handshake(self) -> None:
        """Go on with the handshake, as far as that goes.

        Raises:
            ssl.SSLWantReadError: more has to come.
            ssl.SSLError: the other end is refused, or refuses.
            OSError: the connection is broken.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                self._receive()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self.flush()  # the alert says to the other end why (RFC 8446, 6.2)
                raise
            else:
                self.flush()
                return

    def recv_into(self, buffer: memoryview) -> int:
        """Read what has come into `buffer`, which is not empty; returns the number of bytes, 0 at the end.

        Raises:
            ssl.SSLWantReadError: nothing is there.
            ssl.SSLError: what has come is not encrypted as agreed.
            OSError: the connection is broken.
        """
        size = 0
        try:
            if self._fault is not None:
                raise self._fault
            while size < len(buffer):
                size += (got := self._read(buffer[size:]))
                if not got:
                    break
        except OSError as fault:
            if not size:
                raise
            if not isinstance(fault, ssl.SSLWantReadError):
                # What came before it is handed on first; a traceback would hold this object.
                self._fault = fault.with_traceback(None)
        return size

    def _read(self, buffer: memoryview) -> int:
        """Of one record, or 0 at the end."""
        while True:
            try:
                return cast("int", self._tls.read(len(buffer), buffer))
            except ssl.SSLWantReadError:
                self._receive()

    def send(self, data: bytes) -> int:
        """Send `data`; returns the number of bytes that need not be sent again: all of them.

        Raises:
            ssl.SSLWantWriteError: what was sent before still waits.
            OSError: the connection is broken.
        """
        self.flush()
        if self._unsent:
            raise ssl.SSLWantWriteError
        if data:
            self._tls.write(data)
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Send what waits, as far as that goes.

        Raises:
            OSError: the connection is broken.
        """
        self._unsent += self._outgoing.read()
        while self._unsent:
            try:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
            except BlockingIOError:
                return

    def _receive(self) -> None:
        """Give OpenSSL what has come.

        Raises:
            ssl.SSLWantReadError: nothing has.
            OSError: the connection is broken.
        """
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            raise ssl.SSLWantReadError from None
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

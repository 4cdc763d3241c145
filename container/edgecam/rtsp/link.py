"""One TCP connection of the loop, with TLS or without: connects, reads, writes, and never waits.

A camera that is slow to connect, to answer or to read costs the others nothing; one that sends faster than
`LOOK_BYTES_LIMIT` allows is held back by its own TCP.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgecam.errors import SourceEnded, SourceError, SourceRefused, SourceUnreachable
from edgecam.rtsp.bounds import OUTGOING_BYTES
from edgecam.rtsp.encrypted_socket import EncryptedSocket
from edgecam.rtsp.participant import Participant
from edgecam.rtsp.tls import explained

RECEIVE_BYTES = 256 * 1024
"""Read at once: half a second of a camera of 4 Mbit/s."""
LOOK_BYTES_LIMIT = 2_000_000
"""Read of one camera in a tenth of a second: 160 Mbit/s, more than an 8K camera sends. What sends
faster waits, so that it cannot take the thread from the others."""
_MUCH_BYTES = 128 * 1024
"""Read at a look: a keyframe, or a fast camera. The next look is sooner, before its own buffer is full."""
_SOONER = 4
_HELD_BACK_S = 0.1
_LEAST_CONNECT_S = 1.0
_READ, _WRITE = select.EPOLLIN, select.EPOLLOUT


@dataclass(frozen=True)
class Target:
    """Where to connect to.

    Attributes:
        name: The camera's, for messages, redacted.
        host: As it is named.
        port: TCP.
        addresses: Of `socket.getaddrinfo`, in their order: family and socket address; at least one.
        timeout_s: For all of them together, seconds.
        context: Of TLS, or None without.
        certificate_file: Our own certificate, for messages.
    """

    name: str
    host: str
    port: int
    addresses: Sequence[tuple[int, Any]]
    timeout_s: float
    context: ssl.SSLContext | None = None
    certificate_file: str | None = None


class Link:
    """Belongs to the loop's thread once it was added.

    Args:
        target: Where to.
        participant: Whose connection it is.

    Attributes:
        events: What the loop is to wait for (epoll(7)).
        due_s: When `run` is to be called, by the clock that never steps.
        received_bytes: What has come.
        registered: The descriptor that the loop waits for; -1 where it is another by now.
        is_closed: Whether it is over.
    """

    def __init__(self, target: Target, participant: Participant) -> None:
        self.target = target
        self.participant = participant
        self._socket: socket.socket | EncryptedSocket | None = None
        self._left = list(target.addresses)
        self._is_open = self._is_connected = False
        self._deadline_s = 0.0
        self._next_look_s = 0.0
        self._peer = ""
        self._unsent = b""
        self._held_back = self._is_deaf = self._reads_much = False
        self._read_in_slot = 0
        self._slot_s = 0.0
        self.events = 0
        self.due_s = 0.0
        self.received_bytes = 0
        self.registered = -1
        self.is_closed = False

    def fileno(self) -> int:
        """The descriptor, or -1."""
        return -1 if self._socket is None else self._socket.fileno()

    @property
    def _is_behind(self) -> bool:
        return isinstance(self._socket, EncryptedSocket) and self._socket.is_behind

    def begin(self, _buffer: memoryview, now_s: float) -> None:
        """Connect.

        Raises:
            SourceError: there is none that answers.
        """
        self._connect(now_s)

    def _connect(self, now_s: float) -> None:
        """Connect to the next address, of those that are left."""
        share_s, code = self.target.timeout_s / len(self.target.addresses), 0
        while self._left:
            family, address = self._left.pop(0)
            self._drop_socket()
            made = self._socket = socket.socket(
                family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            )
            # No SO_RCVBUF: the kernel's own tuning makes room for twice what a look reads, and more than a
            # setting may (tcp(7), tcp_moderate_rcvbuf and net.core.rmem_max).
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = made.connect_ex(address)
            if code in (0, errno.EINPROGRESS):
                self._deadline_s = now_s + max(_LEAST_CONNECT_S, share_s)
                self.events, self.due_s = _WRITE, self._deadline_s
                return
        # No local name for the error: its traceback would hold it, and all who catch it, for ever.
        raise self._unreached(code)

    def happened(self, buffer: memoryview, now_s: float) -> None:
        """Something that was waited for has happened."""
        if not self._is_connected:
            self._connected(now_s)
        elif not self._is_open:
            self._shake_hands(now_s)
        else:
            self._flush()
            self.look(buffer, now_s)

    def run(self, buffer: memoryview, now_s: float) -> None:
        """It is `due_s`."""
        if not self._is_open:
            if now_s >= self._deadline_s:
                self._timed_out(now_s)
            return
        if now_s >= self._next_look_s and (self.participant.look_period_s or self._held_back):
            self.look(buffer, now_s)
        due_s = self.participant.due_s
        if due_s is not None and now_s >= due_s:
            self.participant.tick(now_s)
            self._flush()
        self._plan(now_s)

    def look(self, buffer: memoryview, now_s: float) -> None:
        """Read what has come, and hand it on."""
        if now_s >= self._slot_s:
            self._slot_s, self._read_in_slot = now_s + _HELD_BACK_S / 2, 0
        size, has_ended, is_drained, read_before = 0, False, False, self.received_bytes
        while not is_drained and not has_ended and self._read_in_slot < LOOK_BYTES_LIMIT:
            size, has_ended, is_drained = self._fill(buffer)
            self._read_in_slot += size
            self.received_bytes += size
            if size:
                self.participant.received(bytes(buffer[:size]), now_s)
                self._flush()
        if has_ended:
            raise SourceEnded(
                f"{self.target.name}: expected the stream to go on, found that the camera closed the "
                "connection"
            )
        self._held_back = not is_drained
        self._reads_much = self.received_bytes - read_before > _MUCH_BYTES
        self._plan(now_s)

    def finish(self) -> None:
        """Send what waits, as far as that goes at once, and close."""
        if self._is_open:
            with contextlib.suppress(Exception):  # it is over, whatever its participant has still to say
                self._flush()
        self.close()

    def close(self) -> None:
        """Close without a word."""
        self.is_closed = True
        self._drop_socket()

    def _plan(self, now_s: float) -> None:
        """Decide what to wait for next."""
        period_s = self.participant.look_period_s
        if self._held_back and not period_s:
            period_s = _HELD_BACK_S
        elif self._reads_much:
            period_s /= _SOONER
        self.events = (0 if period_s else _READ) | (_WRITE if self._unsent or self._is_behind else 0)
        # On a common grid: one wake-up for all cameras.
        self._next_look_s = (now_s // period_s + 1) * period_s if period_s else float("inf")
        due_s = self.participant.due_s
        self.due_s = self._next_look_s if due_s is None else min(self._next_look_s, due_s)

    def _fill(self, buffer: memoryview) -> tuple[int, bool, bool]:
        """Read into `buffer`: how much, whether the other end has closed, whether nothing more is there."""
        assert self._socket is not None  # noqa: S101 - it is open
        try:
            size = self._socket.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return 0, False, True
        except ssl.SSLEOFError:
            return 0, True, False
        except ssl.SSLError as error:
            raise self._of_tls(error) from None
        except OSError as error:
            raise self._broken(error) from None
        # A read that was not filled has taken everything.
        return size, not size, size < len(buffer)

    def _flush(self) -> None:
        outgoing = self.participant.take_outgoing()
        if self._is_deaf or not (outgoing or self._unsent or self._is_behind):
            return
        self._unsent += outgoing
        assert self._socket is not None  # noqa: S101 - it is open
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            pass
        except OSError:
            # Why it has hung up, or will not hear us, is read next.
            self._is_deaf, self._unsent = True, b""
        if len(self._unsent) > OUTGOING_BYTES:
            raise SourceEnded(
                f"{self.target.name}: expected the camera to read what it is sent, found "
                f"{len(self._unsent)} bytes waiting"
            )

    def _connected(self, now_s: float) -> None:
        assert isinstance(self._socket, socket.socket)  # noqa: S101 - it has begun
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            if not self._left:
                raise self._unreached(code)
            self._connect(now_s)
            return
        try:
            self._peer = str(self._socket.getpeername()[0])
        except OSError as error:
            raise self._broken(error) from None
        self._is_connected = True
        self._deadline_s = now_s + self.target.timeout_s
        if self.target.context is None:
            self._opened(now_s)
            return
        self._socket = EncryptedSocket(self._socket, self.target.context, self.target.host.partition("%")[0])
        self._shake_hands(now_s)

    def _shake_hands(self, now_s: float) -> None:
        assert isinstance(self._socket, EncryptedSocket)  # noqa: S101 - there is TLS
        self.due_s = self._deadline_s
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self.events = _READ | (_WRITE if self._is_behind else 0)
        except ssl.SSLEOFError:
            raise SourceEnded(
                f"{self.target.name}: expected an encrypted connection, found that the camera closed it"
            ) from None
        except ssl.SSLError as error:
            raise self._of_tls(error) from None
        except OSError as error:
            raise self._broken(error) from None
        else:
            self._opened(now_s)

    def _opened(self, now_s: float) -> None:
        self._is_open = True
        self.participant.opened(self._peer, now_s)
        self._flush()
        self._plan(now_s)

    def _timed_out(self, now_s: float) -> None:
        if not self._is_connected and self._left:
            self._connect(now_s)
            return
        raise SourceUnreachable(
            f"{self.target.name}: expected an answer from {self.target.host}, found none in time"
        )

    def _drop_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket, self.registered = None, -1

    def _of_tls(self, error: ssl.SSLError) -> SourceError:
        return explained(
            self.target.name, self.target.port, error, certificate_file=self.target.certificate_file
        )

    def _broken(self, error: OSError) -> SourceError:
        if error.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH):
            return SourceUnreachable(
                f"{self.target.name}: expected the camera to go on, found that it no longer answers "
                f"({error.strerror})"
            )
        return SourceEnded(
            f"{self.target.name}: expected the stream to go on, found that the camera closed the connection"
        )

    def _unreached(self, code: int) -> SourceError:
        name, host = self.target.name, self.target.host
        if code == errno.ECONNREFUSED:
            return SourceRefused(
                f"{name}: expected a camera to listen on port {self.target.port}, found the connection "
                "refused; check that the camera is on and the port is right"
            )
        if code == errno.ETIMEDOUT:
            return SourceUnreachable(f"{name}: expected an answer from {host}, found none in time")
        found = "no route" if code in (errno.EHOSTUNREACH, errno.ENETUNREACH) else os.strerror(code)
        return SourceUnreachable(f"{name}: expected a way to {host}, found {found}")

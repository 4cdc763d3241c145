"""One HTTP connection, with or without TLS and proxy, whose bodies stream within a rate limit."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import cast

from edgecam import __version__
from edgecam.bucket.interface import RateLimit
from edgecam.bucket.stall_timeout import StallTimeoutSocket
from edgecam.clock import Clock
from edgecam.config.hosts import Address

_LONGEST_RESPONSE_BYTES = 1024 * 1024

Body = Callable[[], Iterable[bytes]]
"""Makes the pieces of a body, each at most 256 KiB, again at every call."""


@dataclass(frozen=True)
class Response:
    """The response of a service; names of headers in any case."""

    status: int
    headers: Message
    body: bytes


class Connection(http.client.HTTPConnection):
    """One connection, with or without TLS and proxy."""

    def __init__(
        self,
        host: str,
        port: int,
        stall_timeout_s: float,
        clock: Clock,
        context: ssl.SSLContext | None,
        server_name: str,
    ) -> None:
        super().__init__(host, port, timeout=stall_timeout_s)
        self._stall_timeout_s = stall_timeout_s
        self._clock = clock
        self._context = context
        self._server_name = server_name
        self._socket: StallTimeoutSocket | None = None
        self.sent_bytes = 0

    def connect(self) -> None:
        super().connect()  # through the proxy, where there is one
        raw = self.sock
        if self._context is not None:
            try:
                raw = self._context.wrap_socket(raw, server_hostname=self._server_name)
            except BaseException:
                raw.close()
                raise
        self._socket = StallTimeoutSocket(raw, self._stall_timeout_s, self._clock)
        self.sock = cast(socket.socket, self._socket)

    def lead_to(self, address: Address, port: int, login: Mapping[str, str]) -> None:
        """What it connects to is a proxy, which leads to this address."""
        self.set_tunnel(address.host, port, headers=dict(login))
        # Older Pythons, that of Debian 12 among them, ask for an IPv6 address without its brackets, and
        # set_tunnel takes away those that it is given.
        self._tunnel_host = address.in_uri

    def is_quiet(self) -> bool:
        """Whether an idle connection can be used again."""
        return self._socket is not None and self._socket.is_quiet()

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        length: int,
        body: Body,
        rate_limit: RateLimit | None,
    ) -> Response:
        """Send one request; its response. Closed afterwards where the service asks for it."""
        self.sent_bytes = 0
        self.putrequest(method, target, skip_accept_encoding=True)
        self.putheader("User-Agent", f"edgecam/{__version__}")
        for name, value in headers.items():
            self.putheader(name, value)
        if length or method != "GET":
            self.putheader("Content-Length", str(length))
        self.endheaders()
        self._send(body, rate_limit)
        response = self.getresponse()
        content = response.read(_LONGEST_RESPONSE_BYTES)
        if not response.isclosed():
            self.close()
        return Response(response.status, response.msg, content)

    def _send(self, body: Body, rate_limit: RateLimit | None) -> None:
        for piece in _paced(body(), rate_limit):
            self.sent_bytes += len(piece)
            try:
                self.sock.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                # The service may have answered already, and closed. If it has not, reading fails.
                return


def _paced(whole: Iterable[bytes], rate_limit: RateLimit | None) -> Iterator[bytes | memoryview]:
    """The pieces, each when it may be sent, divided where the rate limit asks for it."""
    for piece in whole:
        if rate_limit is None:
            yield piece
            continue
        rest = memoryview(piece)
        while rest:
            part = rest[: rate_limit.piece_bytes]  # asked each time: it changes with the rate
            rate_limit.send(len(part))
            yield part
            rest = rest[len(part) :]

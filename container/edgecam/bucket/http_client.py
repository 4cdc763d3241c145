"""Requests to one HTTP service, with bodies that stream from a file at the pace they are given.

Not requests and not urllib3: both hand on what they are given in pieces of 16 KiB or copy it first, and take
twice the CPU for it (bench/upload.py). `http.client` frames requests and answers; the body goes in pieces
of 256 KiB from the file to the socket.
"""

from __future__ import annotations

import base64
import http.client
import math
import os
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.message import Message
from email.utils import parsedate_to_datetime
from io import FileIO
from typing import cast
from urllib.parse import SplitResult, unquote, urlsplit

from edgecam import __version__
from edgecam.bucket.crc32c import Running
from edgecam.bucket.interface import Pace
from edgecam.bucket.stall_timeout import Wire
from edgecam.clock import Clock
from edgecam.errors import StoreRefused, StoreUnavailable
from edgecam.redaction import SECRETS
from edgecam.upload.retry import LONGEST_ASKED_DELAY_S

PIECE_BYTES = 256 * 1024
_LONGEST_ANSWER_BYTES = 1024 * 1024
_LONGEST_RETRY_AFTER = 64  # characters; a date has 29
_HARDLY_SENT_BYTES = 2 * PIECE_BYTES
"""What the kernel may take in before it is known that the other side has closed."""

Body = Callable[[], Iterable[bytes]]
"""Makes the pieces of a body, each at most 256 KiB, anew at every call."""


@dataclass(frozen=True)
class Answer:
    """What a service answered; names of headers in any case."""

    status: int
    headers: Message
    body: bytes


class Transfer:
    """The connections to one service. Safe to use from several threads at once.

    Args:
        origin: `https://HOST` or `http://HOST:PORT`.
        stall_timeout_s: A request that moves no byte for so long has failed.
        clock: For what `Retry-After` means.
    """

    def __init__(self, origin: str, *, stall_timeout_s: float, clock: Clock) -> None:
        parts = urlsplit(origin)
        self.host = parts.hostname or ""
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._stall_timeout_s = stall_timeout_s
        self._clock = clock
        self._proxy = _proxy(parts.scheme, parts.netloc)
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._context: ssl.SSLContext | None = None

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        *,
        length: int = 0,
        body: Body = tuple,
        pace: Pace | None = None,
    ) -> Answer:
        """Ask for `target` (path and query).

        Args:
            method: `GET`, `POST`, `PUT`.
            target: Percent-encoded.
            headers: Besides Host, User-Agent and Content-Length.
            length: Of the body, bytes.
            body: Its pieces; what it raises ends the request and is passed on.
            pace: Asked before each piece.

        Raises:
            StoreUnavailable: no answer came, whatever was sent.
            StoreRefused: the service is not who it should be.
        """
        connection = self._take()
        while True:
            reused = connection is not None
            connection = connection or self._new()
            try:
                answer = connection.ask(method, self._target(target), headers, length, body, pace)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # An idle connection may have been closed by the other side just now: that says nothing.
                if reused and connection.sent_bytes <= _HARDLY_SENT_BYTES and not _is_stall(error):
                    connection = None
                    continue
                raise self._explained(error) from error
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)
            return answer

    def retry_after_s(self, answer: Answer) -> float | None:
        """How long the service asks to be left alone, seconds, `LONGEST_ASKED_DELAY_S` at most; it says so in
        seconds or as a date."""
        text = answer.headers.get("Retry-After", "").strip()[:_LONGEST_RETRY_AFTER]
        if text.isascii() and text.isdigit():
            return min(float(text), LONGEST_ASKED_DELAY_S)
        try:
            until = parsedate_to_datetime(text)
            until = until if until.tzinfo else until.replace(tzinfo=UTC)
            asked_s = (until - self._clock.now()).total_seconds()
        except (TypeError, ValueError, IndexError, OverflowError):  # dates beyond all years among them
            return None
        return min(max(0.0, math.ceil(asked_s)), LONGEST_ASKED_DELAY_S)

    def close(self) -> None:
        """Let go of idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> _Connection | None:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_quiet():
                    return connection
                connection.close()
        return None

    def _give_back(self, connection: _Connection) -> None:
        if connection.sock is None:  # the other side wants it closed
            return
        with self._lock:
            self._idle.append(connection)

    def _new(self) -> _Connection:
        host, port = (self._proxy.hostname or "", self._proxy.port or 80) if self._proxy else (self.host, 0)
        connection = _Connection(
            host, port or self._port, self._stall_timeout_s, self._clock, self._trust(), self.host
        )
        if self._proxy and self._secure:
            connection.set_tunnel(self.host, self._port, headers=_proxy_login(self._proxy))
        return connection

    def _target(self, target: str) -> str:
        if self._proxy and not self._secure:
            return f"http://{self.host}:{self._port}{target}"
        return target

    def _trust(self) -> ssl.SSLContext | None:
        with self._lock:
            if self._secure and self._context is None:
                self._context = ssl.create_default_context()
            return self._context

    def _explained(self, error: Exception) -> StoreUnavailable | StoreRefused:
        if isinstance(error, ssl.SSLCertVerificationError):
            return StoreRefused(
                f"{self.host}: its certificate cannot be verified: {error.verify_message}; check the core's "
                "clock, and whether something between (a proxy) answers in its place (SSL_CERT_FILE)"
            )
        if isinstance(error, socket.gaierror):
            said = f"its address cannot be found ({error.strerror})"
        elif isinstance(error, OSError):
            said = error.strerror or str(error) or type(error).__name__
        else:
            said = f"the connection ended ({type(error).__name__})"
        return StoreUnavailable(f"{self.host}: {SECRETS.shown(said)}")


class _Connection(http.client.HTTPConnection):
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
        self._wire: Wire | None = None
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
        self._wire = Wire(raw, self._stall_timeout_s, self._clock)
        self.sock = cast(socket.socket, self._wire)

    def is_quiet(self) -> bool:
        """Whether an idle connection can be used again."""
        return self._wire is not None and self._wire.is_quiet()

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        length: int,
        body: Body,
        pace: Pace | None,
    ) -> Answer:
        """One request and its answer; closed afterwards when the other side wants it so."""
        self.sent_bytes = 0
        self.putrequest(method, target, skip_accept_encoding=True)
        self.putheader("User-Agent", f"edgecam/{__version__}")
        for name, value in headers.items():
            self.putheader(name, value)
        if length or method != "GET":
            self.putheader("Content-Length", str(length))
        self.endheaders()
        self._send(body, pace)
        response = self.getresponse()
        content = response.read(_LONGEST_ANSWER_BYTES)
        if not response.isclosed():
            self.close()
        return Answer(response.status, response.msg, content)

    def _send(self, body: Body, pace: Pace | None) -> None:
        for piece in _paced(body(), pace):
            self.sent_bytes += len(piece)
            try:
                self.sock.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                # The other side may have answered already, and closed. If it has not, reading says so.
                return


def _paced(whole: Iterable[bytes], pace: Pace | None) -> Iterator[bytes | memoryview]:
    """The pieces, each when it may be sent, divided where the pace asks for it."""
    for piece in whole:
        if pace is None:
            yield piece
            continue
        rest = memoryview(piece)
        while rest:
            part = rest[: pace.piece_bytes]  # asked each time: it changes with the rate
            pace.send(len(part))
            yield part
            rest = rest[len(part) :]


def _is_stall(error: Exception) -> bool:
    return isinstance(error, TimeoutError)


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def pieces(file: FileIO, start: int, length: int, running: Running | None = None) -> Iterator[bytes]:
    """`length` bytes of `file` from `start` on, in pieces that a `Transfer` takes; `running` takes them in.

    Does not move the file's own position. Ends early if the file does.
    """
    while length > 0:
        piece = os.pread(file.fileno(), min(length, PIECE_BYTES), start)
        if not piece:
            return
        if running is not None:
            running.update(piece)
        start += len(piece)
        length -= len(piece)
        yield piece


def _proxy(scheme: str, netloc: str) -> SplitResult | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name (a nucleus sets them)."""
    proxies = urllib.request.getproxies()
    uri = proxies.get(scheme) or proxies.get("all")
    if not uri or urllib.request.proxy_bypass(netloc):
        return None
    return urlsplit(uri if "://" in uri else f"http://{uri}")

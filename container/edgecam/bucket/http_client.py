"""Requests to one HTTP service, with bodies that stream from a file within a rate limit.

Not requests and not urllib3: both hand on what they are given in pieces of 16 KiB or copy it first, and take
twice the CPU for it (bench/upload.py). `http.client` frames requests and responses; the body goes in pieces
of 256 KiB from the file to the socket.
"""

from __future__ import annotations

import http.client
import math
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache, partial
from io import FileIO

from edgecam.bucket.crc32c import Running
from edgecam.bucket.http_connection import Body, Connection, Response
from edgecam.bucket.interface import LONGEST_ASKED_DELAY_S, RateLimit
from edgecam.bucket.proxy import Proxy, proxy_for
from edgecam.clock import Clock
from edgecam.config.hosts import Address, parse_authority
from edgecam.errors import ConfigurationError, Mistake, StoreRefused, StoreUnavailable
from edgecam.redaction import SECRETS, redact

__all__ = ["PIECE_BYTES", "Body", "HttpClient", "Response", "pieces"]

PIECE_BYTES = 256 * 1024
_LONGEST_RETRY_AFTER = 64  # characters; a date has 29
_HARDLY_SENT_BYTES = 2 * PIECE_BYTES
"""What the kernel may take in before it is known that the other side has closed."""


class HttpClient:
    """The connections to one service. Safe to use from several threads at once.

    Args:
        origin: `https://HOST` or `http://HOST:PORT`.
        stall_timeout_s: Without a byte moving for this long, seconds, a request has failed.
        clock: For what `Retry-After` means.
        named: The variable that has named `origin`, for errors.

    Raises:
        ConfigurationError: `origin` has another form.
    """

    def __init__(self, origin: str, *, stall_timeout_s: float, clock: Clock, named: str = "address") -> None:
        scheme, _, netloc = origin.rstrip("/").partition("://")
        self._address = _expected_address(scheme, netloc, named)
        self.host = self._address.in_uri
        self._secure = scheme == "https"
        self._port = self._address.port or (443 if self._secure else 80)
        self._stall_timeout_s = stall_timeout_s
        self._clock = clock
        self._proxy = cache(partial(proxy_for, scheme, netloc))  # what it raises is not kept
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._context: ssl.SSLContext | None = None

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        *,
        length: int = 0,
        body: Body = tuple,
        rate_limit: RateLimit | None = None,
    ) -> Response:
        """Send one request.

        Args:
            method: `GET`, `POST`, `PUT`.
            target: Path and query, percent-encoded.
            headers: Besides Host, User-Agent and Content-Length.
            length: Of the body, bytes.
            body: Its pieces; what it raises ends the request and is passed on.
            rate_limit: Waited for before each piece; none by default.

        Raises:
            StoreUnavailable: no response came, however much was sent.
            StoreRefused: the service is not who it should be, or the proxy is none.
        """
        proxy = self._proxy()
        connection = self._take()
        while True:
            reused = connection is not None
            connection = connection or self._new(proxy)
            try:
                response = connection.ask(
                    method, self._target(target, proxy), headers, length, body, rate_limit
                )
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # Stale keep-alive: the service may just have closed an idle connection, no failure.
                if reused and connection.sent_bytes <= _HARDLY_SENT_BYTES and not _is_stall(error):
                    connection = None
                    continue
                raise self._explained(error) from error
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)
            return response

    def retry_after_s(self, response: Response) -> float | None:
        """`Retry-After`, which is seconds or a date, in seconds, `LONGEST_ASKED_DELAY_S` at most."""
        text = response.headers.get("Retry-After", "").strip()[:_LONGEST_RETRY_AFTER]
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
        """Close idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Connection | None:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_quiet():
                    return connection
                connection.close()
        return None

    def _give_back(self, connection: Connection) -> None:
        if connection.sock is None:  # `Connection: close`
            return
        with self._lock:
            self._idle.append(connection)

    def _new(self, proxy: Proxy | None) -> Connection:
        first, port = (proxy.address, proxy.port) if proxy else (self._address, self._port)
        connection = Connection(
            first.host, port, self._stall_timeout_s, self._clock, self._trust(), self._address.host
        )
        if proxy and self._secure:
            connection.lead_to(self._address, self._port, proxy.login)
        return connection

    def _target(self, target: str, proxy: Proxy | None) -> str:
        if proxy and not self._secure:
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
            message = f"its address cannot be found ({error.strerror})"
        elif isinstance(error, OSError):
            message = error.strerror or str(error) or type(error).__name__
        else:
            message = f"the connection ended ({type(error).__name__})"
        return StoreUnavailable(f"{self.host}: {SECRETS.shown(message)}")


def _expected_address(scheme: str, netloc: str, named: str) -> Address:
    problem = ""
    try:
        if scheme in ("http", "https"):
            return parse_authority(netloc)
    except ValueError as error:
        problem = f" ({error})"
    mistake = Mistake(
        named, f"http://HOST:PORT or https://HOST:PORT{problem}", redact(f"{scheme}://{netloc}")
    )
    raise ConfigurationError([mistake])


def _is_stall(error: Exception) -> bool:
    return isinstance(error, TimeoutError)


def pieces(file: FileIO, start: int, length: int, running: Running | None = None) -> Iterator[bytes]:
    """`length` bytes of `file` from `start` on, in pieces for a body; `running` takes them in.

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

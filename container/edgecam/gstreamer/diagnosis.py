"""GStreamer's errors in plain sentences: whose fault it is, and what to do."""

from __future__ import annotations

import errno
import re
import socket
from dataclasses import dataclass
from typing import Any, Self

from edgecam.errors import (
    SourceEnded,
    SourceError,
    SourceNotFound,
    SourceRefused,
    SourceUnauthorized,
    SourceUnreachable,
    SourceUnsupported,
    SourceUntrusted,
)
from edgecam.redaction import SECRETS

_RESOURCE_NOT_FOUND = 3
_RESOURCE_BUSY = 4
_RESOURCE_NOT_AUTHORIZED = 15
_PREFLIGHT_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class GstError:
    """An error message from a pipeline's bus. A camera may have written any part of it, so its texts are cut
    and redacted here, before anything looks at them.

    Attributes:
        domain: `resource`, `stream`, `core` or `library`.
        code: The number within that domain.
        text: For people.
        details: For programmers; often more precise.
    """

    domain: str
    code: int
    text: str
    details: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", SECRETS.shown(self.text))
        object.__setattr__(self, "details", SECRETS.shown(self.details))

    @classmethod
    def of(cls, message: Any) -> Self:
        """What the error message `message` (a Gst.Message) holds."""
        error, details = message.parse_error()
        domain = error.domain.removeprefix("gst-").removesuffix("-error-quark")
        return cls(domain, error.code, error.message or "", details or "")

    @property
    def summary(self) -> str:
        """Both texts in one line, without file names of GStreamer's source, redacted."""
        lines = [line for line in self.details.splitlines() if line and not re.match(r".*\.c\(\d+\)", line)]
        return SECRETS.hide(" ".join([self.text.rstrip("."), *(f"({line})" for line in lines)]))

    def mentions(self, *needles: str) -> bool:
        """Whether one of `needles`, in lower case, is in it."""
        haystack = f"{self.text}\n{self.details}".lower()
        return any(needle in haystack for needle in needles)


def explain(name: str, error: GstError) -> SourceError:
    """What `error` means for the source called `name` (redacted)."""
    if (error.domain, error.code) == ("resource", _RESOURCE_NOT_AUTHORIZED) or error.mentions(
        "unauthorized", "(401)", "forbidden", "(403)"
    ):
        return SourceUnauthorized(
            f"{name}: expected to be let in, found that the camera refuses user name or password "
            "(401); check the camera's credentials"
        )
    if error.mentions("tls certificate", "unacceptable certificate", "certificate verification"):
        return SourceUntrusted(
            f"{name}: expected a certificate that can be verified, found {error.summary}; "
            "give tls: {ca_file: …} or, knowingly, tls: {verify: false}"
        )
    if error.mentions("not found", "(404)", "no such file", "does not exist") or (
        error.domain,
        error.code,
    ) == ("resource", _RESOURCE_NOT_FOUND):
        return SourceNotFound(
            f"{name}: expected a stream there, found none (404 or no such file); check the path in the uri"
        )
    if error.mentions("connection refused"):
        return SourceRefused(f"{name}: expected a camera to listen there, found the connection refused")
    if error.mentions("could not resolve", "resolving", "no route", "unreachable", "timed out", "timeout"):
        return SourceUnreachable(f"{name}: expected an answer, found {error.summary}")
    if error.mentions("end-of-stream", "server closed", "the server closed the connection"):
        return SourceEnded(
            f"{name}: expected the stream to go on, found that the camera closed the connection"
        )
    if error.domain == "stream" or error.mentions("missing plugin", "no decoder", "not-negotiated"):
        return SourceUnsupported(f"{name}: expected H.264, H.265, JPEG or raw video, found {error.summary}")
    return SourceError(f"{name}: {error.summary}")


def explain_connect(name: str, host: str, port: int, error: GstError) -> SourceError:
    """Like `explain`, for a camera on the network.

    GStreamer reports "could not connect" for a refusal, a missing route and an unknown host alike; where it
    reports no more, one attempt to connect distinguishes them. Blocks for a second at the most.
    """
    explained = explain(name, error)
    if type(explained) is not SourceError or not error.mentions("connect", "could not open resource"):
        return explained
    try:
        socket.create_connection((host, port), timeout=_PREFLIGHT_TIMEOUT_S).close()
    except ConnectionRefusedError:
        return SourceRefused(
            f"{name}: expected a camera to listen on port {port}, found the connection refused; "
            "check that the camera is on and the port is right"
        )
    except socket.gaierror:
        return SourceUnreachable(
            f"{name}: expected the host {host} to have an address, found none; check the name and DNS"
        )
    except TimeoutError:
        return SourceUnreachable(f"{name}: expected an answer from {host}, found none in time")
    except OSError as failure:
        found = "no route" if failure.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH) else str(failure)
        return SourceUnreachable(f"{name}: expected a way to {host}, found {found}")
    return SourceUnreachable(f"{name}: expected an answer, found {error.summary}")

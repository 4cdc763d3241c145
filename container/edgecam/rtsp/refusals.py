"""What a camera's refusal means, in plain sentences: whose fault it is, and what to do."""

from __future__ import annotations

from edgecam.errors import (
    SourceEnded,
    SourceError,
    SourceNotFound,
    SourceRedirected,
    SourceTls,
    SourceTransport,
    SourceUnauthorized,
    SourceUnsupported,
)
from edgecam.redaction import SECRETS
from edgecam.rtsp.authentication import Authentication, challenges_in
from edgecam.rtsp.messages import Response
from edgecam.rtsp.tls import asks_for_certificate
from edgecam.rtsp.tls_preflight import Speech, speech_of
from edgecam.rtsp.urls import Location

_SHOWN = 80  # characters of what a camera says
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")  # an alert and a handshake: RFC 8446, 5.1


def refused(name: str, method: str, response: Response) -> SourceError:
    """Why the answer to a request of `method` ends the attempt.

    Args:
        name: The camera's, redacted.
        method: As `DESCRIBE`.
        response: With a status of 300 or more.
    """
    said = f"{response.status} {SECRETS.shown(response.reason, _SHOWN)}".strip()
    if response.status == 403:
        return SourceUnauthorized(
            f"{name}: expected to be let in, found that the camera refuses user name or password "
            f"({said}); check the camera's credentials and what this user may see"
        )
    if response.status in (404, 410):
        return SourceNotFound(
            f"{name}: expected a stream there, found none ({said}); check the path in the uri"
        )
    if response.status == 461:
        return SourceTransport(
            f"{name}: expected the camera to send over tcp (transport: tcp), found that it refuses ({said}); "
            "set transport: udp, or, where it refuses that as well, switch multicast off and unicast on at "
            "the camera; edgecam probe tries both"
        )
    if response.status == 454:
        return SourceEnded(
            f"{name}: expected the session to go on, found that the camera has ended it ({said})"
        )
    if response.status == 453:
        return SourceError(
            f"{name}: expected the stream, found that the camera has too many viewers or too little "
            f"bandwidth ({said}); end other connections to it"
        )
    return SourceError(f"{name}: expected {method} to be answered with 200, found {said}")


def unauthorized(name: str, response: Response, authentication: Authentication) -> SourceUnauthorized:
    """Why a camera that asks for a login does not let us in."""
    values = response.headers.all("www-authenticate")
    asked = ", ".join(str(each) for each in challenges_in(values)) or "no way that it names"
    if not authentication.has_login:
        return SourceUnauthorized(
            f"{name}: expected to be let in without a login, found that the camera asks for one (401); "
            "give the camera credentials"
        )
    if authentication.best(values) is None:
        return SourceUnauthorized(
            f"{name}: expected a login by Basic or by Digest with MD5 or SHA-256, found that the camera asks "
            f"for {SECRETS.shown(asked, _SHOWN)} (401); choose one of these at the camera"
        )
    return SourceUnauthorized(
        f"{name}: expected to be let in, found that the camera refuses user name or password "
        "(401); check the camera's credentials"
    )


def no_rtsp(name: str, port: int, head: bytes) -> SourceError:
    """What speaks there instead, by its first bytes."""
    if head[:2] in _TLS_RECORDS:
        return speaks_tls(name, port)
    found = "HTTP" if head.startswith(b"HTTP/") else "bytes that are none"
    return SourceUnsupported(
        f"{name}: expected RTSP on port {port}, found {found}; give the camera's port for RTSP, mostly 554"
    )


def unanswered(name: str, location: Location, certificate_file: str | None) -> SourceError | None:
    """Why a camera hangs up without a word, where its port says so; None where it does not.

    Blocks for some seconds at the most.
    """
    speech = speech_of(location.host, location.port)
    if location.takes_tls and speech is Speech.TLS_WITH_CLIENT_CERTIFICATE:
        return asks_for_certificate(name, certificate_file)
    if location.takes_tls and speech is Speech.PLAIN:
        return SourceTls(
            f"{name}: expected TLS on port {location.port} (rtsps://), found that this port speaks without "
            "it; begin the uri with rtsp://, or give the camera's port for TLS, mostly 322"
        )
    if not location.takes_tls and speech is Speech.TLS:
        return speaks_tls(name, location.port)
    return None


def speaks_tls(name: str, port: int) -> SourceTls:
    """A port that is called without TLS, and wants it."""
    return SourceTls(
        f"{name}: expected RTSP without TLS on port {port}, found that this port speaks TLS; "
        "begin the uri with rtsps://"
    )


def bad_redirect(name: str) -> SourceRedirected:
    """A redirect that leads to nothing."""
    return SourceRedirected(f"{name}: expected a redirect to a host and port, found one to something else")

"""The addresses that requests name: without a login, with the controls of a description (RFC 2326, C.1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from edgecam.config.hosts import authority_of
from edgecam.config.schemes import RTSP, RTSPS

_LONGEST = 4_096
"""A path with a token in it takes some hundred characters."""
_SAFE = "".join(chr(each) for each in range(0x21, 0x7F) if chr(each) not in '"<>\\^`{|}')
_SCHEMES = {RTSP.name: RTSP, RTSPS.name: RTSPS}


@dataclass(frozen=True)
class Location:
    """Where a stream is.

    Attributes:
        scheme: `rtsp` or `rtsps`.
        host: As sockets take it.
        port: TCP.
        url: As requests name it, without a login.
    """

    scheme: str
    host: str
    port: int
    url: str

    @property
    def takes_tls(self) -> bool:
        """Whether the connection is to be encrypted."""
        return _SCHEMES[self.scheme].takes_tls

    def is_same_host(self, other: Location) -> bool:
        """Whether a login for this one may be used there: the same host, and as well protected."""
        return self.host.lower() == other.host.lower() and (other.takes_tls or not self.takes_tls)


def location_of(url: str) -> Location:
    """The location that `url` names; a login in it is left out.

    Raises:
        ValueError: it names none; says what was expected, without the text, which may hold a secret.
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in _SCHEMES or "://" not in url or len(url) > _LONGEST:
        raise ValueError("expected an address that begins with rtsp:// or rtsps://")
    address = authority_of(url)
    parts = urlsplit(in_wire_form(url))
    plain = parts._replace(scheme=scheme, netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    port = address.port or _SCHEMES[scheme].default_port or 0
    return Location(scheme, address.host, port, plain)


def in_wire_form(url: str) -> str:
    """`url` with what would end a request's line, or is no ASCII, percent-encoded."""
    return quote(url, safe=_SAFE)


def base_of(url: str, content_base: str | None, content_location: str | None) -> str:
    """What relative controls are relative to: what the camera says, where that is an address of RTSP."""
    for said in (content_base, content_location):
        if said is not None and re.match(r"rtsps?://", said, re.IGNORECASE) and len(said) <= _LONGEST:
            return in_wire_form(said)
    return url


def controlled(base: str, control: str | None) -> str:
    """The address that `control` of a description means.

    A relative one is appended, also behind a query: cameras mean that, whatever RFC 3986 says of it.
    """
    if control is None or control in ("", "*") or len(control) > _LONGEST:
        return base
    control = in_wire_form(control)
    if re.match(r"[a-z]+://", control, re.IGNORECASE):
        return control
    if base.endswith("/") and control.startswith("/"):
        return base + control[1:]
    return base + control if base.endswith("/") or control.startswith(("/", "?")) else f"{base}/{control}"
